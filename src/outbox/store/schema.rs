//! The tables, and how an older database becomes one of today.

use rusqlite::Connection;

/// "MGOB": marks the file as ours.
pub(super) const APPLICATION_ID: i32 = 0x4D47_4F42;

/// Migrations in order; the version of a database is how many of them it has seen. One that has been released is never changed.
const MIGRATIONS: [&str; 4] = [FIRST, JOBS, QUEUE, CORRELATION];

/// Table, column that names the row, sealed column: everything that the key file protects.
pub(super) const SEALED: [(&str, &str, &str); 8] = [
    ("meta", "name", "sealed"),
    ("entry", "id", "payload"),
    ("entry", "id", "aid"),
    ("delivery", "id", "body"),
    ("push", "id", "body"),
    ("job_record", "id", "payload"),
    ("job_record", "id", "result"),
    ("correlation", "entry", "subject"),
];

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

/// What is kept of an event when its payload is gone, and entries that go elsewhere than to MOSIP. `meta.uncorrelated` stands there until
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

/// The newest version.
pub(super) const fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// Makes an empty database of an older `version`, as a gateway of that time did.
#[cfg(test)]
pub(super) fn make(connection: &Connection, version: usize) -> rusqlite::Result<()> {
    migrate_to(connection, 0, version)
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
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", i64::try_from(last).unwrap_or(i64::MAX))
}
