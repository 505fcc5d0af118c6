//! The tables, and how an older database becomes one of today.
//!
//! A migration only adds what a gateway of the version before can ignore, so that gateways are updated one after the other. One that
//! cannot keep to this sets `readable_by` in the table that marks the database as ours: the oldest version that may still work on it. Older
//! gateways look at it in each transaction, and do nothing more from then on.

/// The table that marks the database as ours.
pub(super) const MARK: &str = "mosip_gateway";
/// What the class of our advisory locks is made of ("MGOB"), since other programs may lock in the same database.
const LOCKS: i32 = 0x4D47_4F42;
/// The class of the lock, by schema, that each connection of a gateway shares as long as it lives, and that a copy of the rows holds alone ("MGOC").
pub(super) const USED: i32 = 0x4D47_4F43;
/// The `readable_by` of a database that is out of use, so that no gateway of any version works on it.
pub(super) const OUT_OF_USE: i64 = i64::MAX;
/// Held while the tables are made or changed.
pub(super) const LOCK: i32 = 1;
/// Held, together with others, by what names its rows; alone, by what does not, and by a migration.
pub(super) const ALL: i32 = 0;
/// `server_version_num` of the oldest PostgreSQL that is tested with.
pub(super) const OLDEST_SERVER: i64 = 150_000;

/// Migrations in order; the version of a database is how many of them it has seen. One that has been released is never changed.
pub(super) const MIGRATIONS: [&str; 1] = [FIRST];

/// States in which a row holds back its successors of its line.
pub(super) const UNSETTLED: &str = "line<>'' AND state IN ('queued', 'leased', 'parked')";
/// Queued, and nothing but its turn is missing.
pub(super) const DUE: &str = "state='queued' AND NOT held AND next_at=0";
/// Queued for a moment.
pub(super) const LATER: &str = "state='queued' AND next_at>0";

/// The class of our advisory locks, in SQL: one for each schema.
pub(super) fn class() -> String {
    format!("{LOCKS}#current_schema()::regnamespace::oid::int")
}

/// The newest version.
pub(super) const fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// What to do where the oldest version that may work on a database is a later one than this program knows.
pub(super) fn check_readable(by: i64) -> Result<(), String> {
    if by <= newest() {
        return Ok(());
    }
    if by == OUT_OF_USE {
        return Err("`mosip-gateway outbox copy` has put this database out of use; start the gateway again, which says what to do".to_owned());
    }
    Err(format!(
        "the outbox was written by a newer gateway and cannot be used by one that is older than version {by} of it (this one knows {}); run that one, or restore the backup that was made before the update",
        newest()
    ))
}

const FIRST: &str = r#"
CREATE TABLE mosip_gateway (version BIGINT NOT NULL, readable_by BIGINT NOT NULL);
INSERT INTO mosip_gateway VALUES (0, 1);

CREATE TABLE meta (
  seq BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
  name TEXT COLLATE "C" PRIMARY KEY,
  value BIGINT,
  sealed BYTEA
);
CREATE TABLE clock (value BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
INSERT INTO clock VALUES (0, clock_timestamp());
CREATE SEQUENCE position;
CREATE TABLE gateway (
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  id BIGINT PRIMARY KEY,
  host TEXT NOT NULL,
  version TEXT NOT NULL,
  seen_at BIGINT NOT NULL,
  keys TEXT NOT NULL
);

CREATE TABLE writer (
  id TEXT COLLATE "C" PRIMARY KEY,
  commits BIGINT NOT NULL CHECK (commits >= 0),
  seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE entry (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  destination TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  line TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  sent BOOLEAN NOT NULL DEFAULT false,
  accepted_at BIGINT NOT NULL,
  waiting_since BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  lease_until BIGINT,
  settled_at BIGINT,
  fault TEXT,
  refusal TEXT COLLATE "C",
  reason TEXT,
  held BOOLEAN NOT NULL,
  position BIGINT NOT NULL,
  payload BYTEA,
  progress BYTEA,
  aid BYTEA,
  trace TEXT
);
CREATE INDEX entry_due ON entry (destination, kind, position) WHERE state='queued' AND NOT held AND next_at=0;
CREATE INDEX entry_later ON entry (destination, kind, next_at) WHERE state='queued' AND next_at>0;
CREATE INDEX entry_queued ON entry (destination, kind) WHERE state='queued';
CREATE INDEX entry_leased ON entry (lease_until) WHERE state='leased';
CREATE INDEX entry_line ON entry (destination, line, seq) WHERE line<>'' AND state IN ('queued', 'leased', 'parked');
CREATE INDEX entry_refused ON entry (destination, kind, state) WHERE refusal IS NOT NULL;
CREATE INDEX entry_settled ON entry (settled_at) WHERE settled_at IS NOT NULL;
CREATE TABLE attempt (
  entry BIGINT NOT NULL REFERENCES entry ON DELETE CASCADE,
  number BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  upstream TEXT,
  PRIMARY KEY (entry, number)
);

CREATE TABLE job_record (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  job BIGINT NOT NULL,
  number BIGINT NOT NULL,
  destination TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  line TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  sent BOOLEAN NOT NULL DEFAULT false,
  accepted_at BIGINT NOT NULL,
  waiting_since BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  lease_until BIGINT,
  settled_at BIGINT,
  fault TEXT,
  refusal TEXT COLLATE "C",
  reason TEXT,
  held BOOLEAN NOT NULL,
  position BIGINT NOT NULL,
  payload BYTEA,
  progress BYTEA,
  result BYTEA,
  trace TEXT
);
CREATE INDEX job_record_due ON job_record (destination, kind, position) WHERE state='queued' AND NOT held AND next_at=0;
CREATE INDEX job_record_later ON job_record (destination, kind, next_at) WHERE state='queued' AND next_at>0;
CREATE INDEX job_record_queued ON job_record (destination, kind) WHERE state='queued';
CREATE INDEX job_record_leased ON job_record (lease_until) WHERE state='leased';
CREATE INDEX job_record_line ON job_record (destination, line, seq) WHERE line<>'' AND state IN ('queued', 'leased', 'parked');
CREATE INDEX job_record_refused ON job_record (destination, kind, state) WHERE refusal IS NOT NULL;
CREATE INDEX job_record_number ON job_record (job, number);
CREATE INDEX job_record_state ON job_record (job, state);

CREATE TABLE delivery (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  settled_by TEXT COLLATE "C",
  destination TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  line TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  sent BOOLEAN NOT NULL DEFAULT false,
  accepted_at BIGINT NOT NULL,
  waiting_since BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  lease_until BIGINT,
  settled_at BIGINT,
  fault TEXT,
  refusal TEXT COLLATE "C",
  reason TEXT,
  held BOOLEAN NOT NULL,
  position BIGINT NOT NULL,
  body BYTEA,
  progress BYTEA,
  result BYTEA,
  trace TEXT
);
CREATE INDEX delivery_due ON delivery (destination, kind, position) WHERE state='queued' AND NOT held AND next_at=0;
CREATE INDEX delivery_later ON delivery (destination, kind, next_at) WHERE state='queued' AND next_at>0;
CREATE INDEX delivery_queued ON delivery (destination, kind) WHERE state='queued';
CREATE INDEX delivery_leased ON delivery (lease_until) WHERE state='leased';
CREATE INDEX delivery_line ON delivery (destination, line, seq) WHERE line<>'' AND state IN ('queued', 'leased', 'parked');
CREATE INDEX delivery_refused ON delivery (destination, kind, state) WHERE refusal IS NOT NULL;
CREATE INDEX delivery_settled_by ON delivery (settled_by) WHERE settled_by IS NOT NULL;

CREATE TABLE job (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  form TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  settled_at BIGINT
);
CREATE INDEX job_settled ON job (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX job_unfinished ON job (seq) WHERE settled_at IS NULL;

CREATE TABLE identity (
  hash BYTEA PRIMARY KEY,
  entry TEXT COLLATE "C" NOT NULL,
  last_state TEXT,
  seen_at BIGINT NOT NULL
);
CREATE INDEX identity_entry ON identity (entry);
CREATE INDEX identity_seen ON identity (seen_at);
CREATE TABLE idempotency (hash BYTEA PRIMARY KEY, identity BYTEA NOT NULL, seen_at BIGINT NOT NULL);
CREATE INDEX idempotency_seen ON idempotency (seen_at);
CREATE TABLE verified (hash BYTEA PRIMARY KEY, seen_at BIGINT NOT NULL);
CREATE INDEX verified_seen ON verified (seen_at);

CREATE TABLE push (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  kind TEXT COLLATE "C" NOT NULL,
  state TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  refusal TEXT COLLATE "C",
  body BYTEA NOT NULL
);
CREATE INDEX push_state ON push (state, seq);
CREATE TABLE push_size (kind TEXT COLLATE "C" PRIMARY KEY, pushes BIGINT NOT NULL, bytes BIGINT NOT NULL);

CREATE TABLE correlation (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry TEXT COLLATE "C" NOT NULL UNIQUE,
  made_at BIGINT NOT NULL,
  subject BYTEA NOT NULL,
  expected_by BIGINT,
  outcome TEXT COLLATE "C",
  answer BYTEA,
  token BYTEA,
  token_until BIGINT
);
CREATE INDEX correlation_made ON correlation (made_at);
CREATE INDEX correlation_expected ON correlation (expected_by) WHERE expected_by IS NOT NULL;
CREATE INDEX correlation_outcome ON correlation (outcome, seq) WHERE outcome IS NOT NULL;
CREATE INDEX correlation_token ON correlation (token_until) WHERE token IS NOT NULL;
CREATE TABLE correlation_name (
  hash BYTEA NOT NULL,
  correlation BIGINT NOT NULL REFERENCES correlation ON DELETE CASCADE,
  PRIMARY KEY (hash, correlation)
);
CREATE INDEX correlation_name_of ON correlation_name (correlation);
"#;
