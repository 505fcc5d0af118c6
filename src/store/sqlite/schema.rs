//! The tables, and how an older database becomes one of today.

use rusqlite::Connection;

use super::{identities, lines, names};

/// "MGOB": marks the file as ours.
pub(super) const APPLICATION_ID: i32 = 0x4D47_4F42;

/// "MGOX": marks a file of ours that is out of use, so that no gateway of any version begins on it.
pub(super) const OUT_OF_USE: i32 = 0x4D47_4F58;

/// Migrations in order; the version of a database is how many of them it has seen. One that has been released is never changed.
const MIGRATIONS: [&str; 13] = [
    FIRST,
    JOBS,
    QUEUE,
    CORRELATION,
    ENGINE,
    ANSWERS,
    OVERVIEW,
    PUSH_SIZE,
    NAMES,
    RECORD_TOKEN,
    TRACE,
    IDENTITIES,
    LINES,
];

/// States in which a row holds back its successors of its line.
pub(super) const UNSETTLED: &str = "line<>'' AND state IN ('queued', 'leased', 'parked')";
/// Queued, and nothing but its turn is missing.
pub(super) const DUE: &str = "state='queued' AND held=0 AND next_at=0";
/// Queued for a moment.
pub(super) const LATER: &str = "state='queued' AND next_at>0";

const FIRST: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER, sealed BLOB) STRICT;
INSERT INTO meta (name, value) VALUES ('uptime', 0);

CREATE TABLE entry (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  composition TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'done', 'parked', 'discarded')),
  attempts INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0,
  accepted_at INTEGER NOT NULL,
  waiting_since INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  settled_at INTEGER,
  fault TEXT,
  refusal TEXT,
  reason TEXT,
  payload BLOB,
  aid BLOB
) STRICT;
CREATE INDEX entry_kind ON entry (state, kind, seq);
CREATE INDEX entry_unsettled ON entry (composition, seq) WHERE state IN ('queued', 'leased', 'parked');
CREATE INDEX entry_state ON entry (state, seq);
CREATE INDEX entry_settled ON entry (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE identity (hash BLOB PRIMARY KEY, entry TEXT NOT NULL, last_state TEXT, seen_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX identity_entry ON identity (entry);
CREATE INDEX identity_seen ON identity (seen_at);
CREATE TABLE idempotency (hash BLOB PRIMARY KEY, identity BLOB NOT NULL, seen_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_seen ON idempotency (seen_at);

CREATE TABLE delivery (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE TABLE push (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('received', 'quarantined')),
  received_at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  refusal TEXT,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX push_state ON push (state, seq);
CREATE TABLE verified (hash BLOB PRIMARY KEY, seen_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX verified_seen ON verified (seen_at);
";

const JOBS: &str = "
CREATE TABLE job (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  form TEXT NOT NULL CHECK (form IN ('json', 'csv')),
  made_at INTEGER NOT NULL,
  settled_at INTEGER
) STRICT;
CREATE INDEX job_settled ON job (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE job_record (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  job INTEGER NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'done', 'refused', 'invalid')),
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL DEFAULT 0,
  payload BLOB,
  result BLOB
) STRICT;
CREATE INDEX job_record_queued ON job_record (seq) WHERE state='queued';
CREATE INDEX job_record_state ON job_record (job, state);
CREATE INDEX job_record_number ON job_record (job, number);
";

const QUEUE: &str = "
ALTER TABLE entry ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
UPDATE entry SET position=seq;
UPDATE entry SET held=1 WHERE state IN ('queued', 'leased', 'parked') AND EXISTS (
  SELECT 1 FROM entry AS older WHERE older.composition=entry.composition AND older.seq<entry.seq
  AND older.state IN ('queued', 'leased', 'parked'));
CREATE INDEX entry_due ON entry (kind, position) WHERE state='queued' AND held=0 AND next_at=0;
CREATE INDEX entry_later ON entry (kind, next_at) WHERE state='queued' AND next_at>0;

ALTER TABLE job_record ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
UPDATE job_record SET position=seq;
DROP INDEX job_record_queued;
CREATE INDEX job_record_due ON job_record (position) WHERE state='queued' AND next_at=0;
CREATE INDEX job_record_later ON job_record (next_at) WHERE state='queued' AND next_at>0;

INSERT INTO meta (name, value) SELECT 'position', max(
  (SELECT coalesce(max(seq), 0) FROM entry), (SELECT coalesce(max(seq), 0) FROM job_record));
";

/// What is kept of an event when its payload is gone, and entries that go elsewhere than to MOSIP. `meta.uncorrelated` is there until
/// every entry of an older database has its row.
const CORRELATION: &str = "
CREATE TABLE correlation (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  entry TEXT NOT NULL UNIQUE,
  made_at INTEGER NOT NULL,
  subject BLOB NOT NULL
) STRICT;
CREATE INDEX correlation_made ON correlation (made_at);
CREATE TABLE correlation_name (
  hash BLOB NOT NULL,
  entry TEXT NOT NULL,
  PRIMARY KEY (hash, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX correlation_name_entry ON correlation_name (entry);
INSERT INTO meta (name, value) VALUES ('uncorrelated', 1);

ALTER TABLE entry ADD COLUMN destination TEXT NOT NULL DEFAULT 'mediator';
ALTER TABLE delivery ADD COLUMN settled_by TEXT;
CREATE INDEX delivery_settled_by ON delivery (settled_by) WHERE settled_by IS NOT NULL;
";

/// One shape for the three tables of work: where a row goes, its line, its lease, its progress. What is leased is found by
/// `entry_state` in `entry`, and by an index of its own in the others. Two tables are made again, because theirs allowed fewer states
/// and no row without a body; their numbers go on where they were.
const ENGINE: &str = "
ALTER TABLE entry RENAME COLUMN composition TO line;
ALTER TABLE entry ADD COLUMN lease_until INTEGER;
ALTER TABLE entry ADD COLUMN progress BLOB;
DROP INDEX entry_kind;
DROP INDEX entry_unsettled;
DROP INDEX entry_due;
DROP INDEX entry_later;
CREATE INDEX entry_due ON entry (destination, kind, position) WHERE state='queued' AND held=0 AND next_at=0;
CREATE INDEX entry_later ON entry (destination, kind, next_at) WHERE state='queued' AND next_at>0;
CREATE INDEX entry_line ON entry (destination, line, seq) WHERE line<>'' AND state IN ('queued', 'leased', 'parked');
CREATE INDEX entry_count ON entry (destination, kind, state);

CREATE TABLE job_record_5 (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  job INTEGER NOT NULL,
  number INTEGER NOT NULL,
  destination TEXT NOT NULL,
  kind TEXT NOT NULL,
  line TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0,
  accepted_at INTEGER NOT NULL,
  waiting_since INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  lease_until INTEGER,
  settled_at INTEGER,
  fault TEXT,
  refusal TEXT,
  reason TEXT,
  held INTEGER NOT NULL,
  position INTEGER NOT NULL,
  payload BLOB,
  progress BLOB,
  result BLOB
) STRICT;
INSERT INTO job_record_5 (seq, id, job, number, destination, kind, line, state, attempts, accepted_at, waiting_since, next_at, held,
  position, payload, result)
  SELECT seq, id, job, number, 'ida', 'uin-token', '', state, attempts, 0,
    coalesce((SELECT made_at FROM job WHERE job.seq=job_record.job), 0), next_at, 0, position, payload, result FROM job_record;
DELETE FROM sqlite_sequence WHERE name='job_record_5';
INSERT INTO sqlite_sequence (name, seq) SELECT 'job_record_5', seq FROM sqlite_sequence WHERE name='job_record';
DROP TABLE job_record;
ALTER TABLE job_record_5 RENAME TO job_record;
CREATE INDEX job_record_state ON job_record (job, state);
CREATE INDEX job_record_number ON job_record (job, number);
CREATE INDEX job_record_due ON job_record (destination, kind, position) WHERE state='queued' AND held=0 AND next_at=0;
CREATE INDEX job_record_later ON job_record (destination, kind, next_at) WHERE state='queued' AND next_at>0;
CREATE INDEX job_record_leased ON job_record (lease_until) WHERE state='leased';
CREATE INDEX job_record_line ON job_record (destination, line, seq) WHERE line<>'' AND state IN ('queued', 'leased', 'parked');

CREATE TABLE delivery_5 (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  destination TEXT NOT NULL,
  kind TEXT NOT NULL,
  line TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0,
  accepted_at INTEGER NOT NULL,
  waiting_since INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  lease_until INTEGER,
  settled_at INTEGER,
  settled_by TEXT,
  fault TEXT,
  refusal TEXT,
  reason TEXT,
  held INTEGER NOT NULL,
  position INTEGER NOT NULL,
  body BLOB,
  progress BLOB,
  result BLOB
) STRICT;
INSERT INTO delivery_5 (seq, id, destination, kind, line, state, attempts, accepted_at, waiting_since, next_at, settled_by, held,
  position, body)
  SELECT seq, id, 'delivery', type, '', 'queued', attempts, 0, made_at, next_at, settled_by, 0, seq, body FROM delivery;
DELETE FROM sqlite_sequence WHERE name='delivery_5';
INSERT INTO sqlite_sequence (name, seq) SELECT 'delivery_5', seq FROM sqlite_sequence WHERE name='delivery';
DROP TABLE delivery;
ALTER TABLE delivery_5 RENAME TO delivery;
CREATE INDEX delivery_settled_by ON delivery (settled_by) WHERE settled_by IS NOT NULL;
CREATE INDEX delivery_due ON delivery (destination, kind, position) WHERE state='queued' AND held=0 AND next_at=0;
CREATE INDEX delivery_later ON delivery (destination, kind, next_at) WHERE state='queued' AND next_at>0;
CREATE INDEX delivery_leased ON delivery (lease_until) WHERE state='leased';
CREATE INDEX delivery_line ON delivery (destination, line, seq) WHERE line<>'' AND state IN ('queued', 'leased', 'parked');
UPDATE meta SET value=max(value, (SELECT coalesce(max(seq), 0) FROM delivery)) WHERE name='position';
";

/// By when MOSIP is to say what came of a registration, and what it said.
const ANSWERS: &str = "
ALTER TABLE correlation ADD COLUMN expected_by INTEGER;
ALTER TABLE correlation ADD COLUMN outcome TEXT;
ALTER TABLE correlation ADD COLUMN answer BLOB;
CREATE INDEX correlation_expected ON correlation (expected_by) WHERE expected_by IS NOT NULL;
CREATE INDEX correlation_outcome ON correlation (outcome) WHERE outcome IS NOT NULL;
";

/// What people are shown: what fails and why, by an index that holds refused rows alone, the jobs that are not finished, and how the last
/// attempts of an entry ended.
const OVERVIEW: &str = "
CREATE INDEX entry_refused ON entry (destination, kind, state, refusal, settled_at) WHERE refusal IS NOT NULL;
CREATE INDEX job_record_refused ON job_record (destination, kind, state, refusal, settled_at) WHERE refusal IS NOT NULL;
CREATE INDEX delivery_refused ON delivery (destination, kind, state, refusal, settled_at) WHERE refusal IS NOT NULL;
CREATE INDEX job_unfinished ON job (seq) WHERE settled_at IS NULL;

CREATE TABLE attempt (
  entry INTEGER NOT NULL,
  number INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  upstream TEXT,
  PRIMARY KEY (entry, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER entry_forgotten AFTER DELETE ON entry BEGIN DELETE FROM attempt WHERE entry=OLD.seq; END;
";

/// How much is kept of each kind of push, which every push asks before it is stored: summed up anew each time, a backlog of thousands makes
/// each further one slower.
const PUSH_SIZE: &str = "
CREATE TABLE push_size (kind TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO push_size SELECT kind, count(*), sum(bytes) FROM push GROUP BY kind;
CREATE TRIGGER push_kept AFTER INSERT ON push BEGIN
  INSERT INTO push_size VALUES (NEW.kind, 1, NEW.bytes)
    ON CONFLICT (kind) DO UPDATE SET rows=rows+1, bytes=bytes+excluded.bytes;
END;
CREATE TRIGGER push_gone AFTER DELETE ON push BEGIN
  UPDATE push_size SET rows=rows-1, bytes=bytes-OLD.bytes WHERE kind=OLD.kind;
END;
";

/// A row holds its names itself. One index, which [`names::index`] fills, has the beginning of each and of the hash of the row's entry.
/// `meta.named` is the last row up to which it is whole: those after it are indexed in memory.
const NAMES: &str = "
CREATE TABLE correlation_9 (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  entry TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  subject BLOB NOT NULL,
  names BLOB NOT NULL,
  expected_by INTEGER,
  outcome TEXT,
  answer BLOB
) STRICT;
INSERT INTO correlation_9 (seq, entry, made_at, subject, names, expected_by, outcome, answer)
  SELECT seq, entry, made_at, subject,
    coalesce((SELECT unhex(group_concat(hex(hash), '')) FROM correlation_name WHERE entry=correlation.entry), x''),
    expected_by, outcome, answer FROM correlation ORDER BY seq;
DELETE FROM sqlite_sequence WHERE name='correlation_9';
INSERT INTO sqlite_sequence (name, seq) SELECT 'correlation_9', seq FROM sqlite_sequence WHERE name='correlation';
DROP TABLE correlation;
ALTER TABLE correlation_9 RENAME TO correlation;
CREATE INDEX correlation_made ON correlation (made_at);
CREATE INDEX correlation_expected ON correlation (expected_by) WHERE expected_by IS NOT NULL;
CREATE INDEX correlation_outcome ON correlation (outcome) WHERE outcome IS NOT NULL;
DROP TABLE correlation_name;
CREATE TABLE correlation_name (
  start BLOB NOT NULL,
  correlation INTEGER NOT NULL,
  PRIMARY KEY (start, correlation)
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) SELECT 'named', coalesce(max(seq), 0) FROM correlation;
";

/// The record token of a registration of OpenCRVS 1.9, sealed, and when it ends. The end stays when the token is erased at it.
const RECORD_TOKEN: &str = "
ALTER TABLE correlation ADD COLUMN token BLOB;
ALTER TABLE correlation ADD COLUMN token_until INTEGER;
CREATE INDEX correlation_token ON correlation (token_until) WHERE token IS NOT NULL;
";

/// The request that caused a row, and its trace.
const TRACE: &str = "
ALTER TABLE entry ADD COLUMN trace TEXT;
ALTER TABLE job_record ADD COLUMN trace TEXT;
ALTER TABLE delivery ADD COLUMN trace TEXT;
";

/// The identity of each entry that is there, which [`identities::list`] fills in. The index over identities lacks those of the newest ones:
/// `meta.identified` is the last entry up to which it is whole. It is asked for an entry or a time once the entry is forgotten.
const IDENTITIES: &str = "
CREATE TABLE entry_identity (
  seq INTEGER PRIMARY KEY,
  entry TEXT NOT NULL,
  hash BLOB NOT NULL,
  seen_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER entry_identity_forgotten AFTER DELETE ON entry BEGIN DELETE FROM entry_identity WHERE seq=OLD.seq; END;
INSERT INTO meta (name, value) SELECT 'identified', coalesce(max(seq), 0) FROM entry;
DROP INDEX identity_entry;
DROP INDEX identity_seen;
CREATE INDEX identity_entry ON identity (entry) WHERE last_state IS NOT NULL;
CREATE INDEX identity_seen ON identity (seen_at) WHERE last_state IS NOT NULL;
";

/// Which entries of a line are not settled, but for the newest. [`lines::index`] fills it.
const LINES: &str = "
DROP INDEX entry_line;
CREATE TABLE entry_line (
  start BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (start, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) SELECT 'lined', coalesce(max(seq), 0) FROM entry;
";

/// The newest version.
pub(super) const fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// Brings a database of `version` to the newest, inside the caller's transaction.
pub(super) fn migrate(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    migrate_to(connection, version, MIGRATIONS.len())
}

/// As [`migrate`], to the version `last`: what a gateway of that time leaves.
pub(super) fn migrate_to(connection: &Connection, version: i64, last: usize) -> rusqlite::Result<()> {
    let seen = usize::try_from(version).unwrap_or(0);
    for migration in MIGRATIONS.iter().take(last).skip(seen) {
        connection.execute_batch(migration)?;
        match *migration {
            NAMES => names::index(connection)?,
            IDENTITIES => identities::list(connection)?,
            LINES => lines::index(connection)?,
            _ => {}
        }
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", i64::try_from(last).unwrap_or(i64::MAX))
}
