//! By what a correlation is found: by its names, and by the id of its entry.
//!
//! A name is an HMAC, so that those of one event lie anywhere in an index, and each of them costs a page of its own. An id is as good as
//! random; its hash stands in the index as if it were one more name. Hence the index on the disk holds nothing of the newest rows: they
//! are indexed by a table in memory, which every connection fills when it is opened. When a row is old enough, its names go to the disk
//! together with those that lie next to them, which share their pages. `meta.named` is the last row up to which the index on the disk is
//! whole. All of it is part of the transaction, the table in memory too.

use rusqlite::{Connection, Row, params};

use super::tx::{Transaction, read_correlation};
use super::work::count;
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::store::{CorrelationRow, Seq};

/// Bytes of a name.
const NAME: usize = 32;
/// The first bytes of a name, or of the hash of an id: what an index holds. A row that it finds is asked for the whole of it.
type Start = [u8; 8];
/// Rows that are indexed in memory: about 800 KB. A start reads about as many of them.
const RECENT: Seq = 4_096;
/// Names that go to the disk with one.
const TOGETHER: i64 = 64;

const IN_MEMORY: &str = "
CREATE TEMP TABLE recent_name (
  start BLOB NOT NULL,
  correlation INTEGER NOT NULL,
  PRIMARY KEY (start, correlation)
) STRICT, WITHOUT ROWID;
CREATE INDEX temp.recent_name_correlation ON recent_name (correlation);
";
const INSERT: &str = "INSERT OR IGNORE INTO correlation_name (start, correlation) VALUES (?1, ?2)";
const INSERT_RECENT: &str = "INSERT OR IGNORE INTO recent_name (start, correlation) VALUES (?1, ?2)";
/// The rows that an index finds by the start ?1.
const FOUND: &str = "seq IN (SELECT correlation FROM correlation_name WHERE start=?1
    UNION ALL SELECT correlation FROM recent_name WHERE start=?1)";

/// Makes the table in memory and fills it from the rows, as the first thing on a connection that finds rows.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(IN_MEMORY)?;
    let newest =
        "SELECT seq, entry, names FROM correlation WHERE seq>(SELECT value FROM meta WHERE name='named')";
    fill(connection, newest, INSERT_RECENT)
}

/// Indexes the rows of an older version on the disk.
pub(super) fn index(connection: &Connection) -> rusqlite::Result<()> {
    fill(connection, "SELECT seq, entry, names FROM correlation", INSERT)
}

fn fill(connection: &Connection, find: &str, insert: &str) -> rusqlite::Result<()> {
    let mut all: Vec<(Start, Seq)> = Vec::new();
    let mut find = connection.prepare(find)?;
    for row in find.query_map((), Indexed::read)? {
        let row = row?;
        all.extend(row.starts().map(|start| (start, row.seq)));
    }
    // In the order of the index, so that each page of it is written once.
    all.sort_unstable();
    let mut insert = connection.prepare(insert)?;
    all.iter().try_for_each(|(start, seq)| insert.execute(params![start, seq]).map(drop))
}

fn start_of(entry: &str) -> Start {
    start(&sha256(entry.as_bytes()))
}

fn start(name: &[u8]) -> Start {
    name.first_chunk().copied().unwrap_or_default()
}

/// A row, as far as it is indexed.
pub(super) struct Indexed {
    seq: Seq,
    entry: String,
    /// One behind the other.
    names: Vec<u8>,
}

impl Indexed {
    /// Reads `seq, entry, names`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, entry: row.get(1)?, names: row.get(2)? })
    }

    fn starts(&self) -> impl Iterator<Item = Start> {
        std::iter::once(start_of(&self.entry)).chain(self.names.chunks(NAME).map(start))
    }
}

impl Transaction<'_> {
    /// The number of the row of `entry`.
    pub(super) fn correlation_of(&self, entry: &str) -> Result<Option<Seq>> {
        let find = format!("SELECT seq FROM correlation WHERE {FOUND} AND entry=?2");
        self.find(&find, params![start_of(entry), entry], |row| row.get(0))
    }

    pub(super) fn find_named(&self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        let find = format!(
            "SELECT entry, subject, made_at FROM (SELECT seq, entry, subject, made_at FROM correlation
             WHERE {FOUND} AND instr(names, ?2) ORDER BY seq DESC LIMIT ?3) ORDER BY seq"
        );
        self.list(&find, params![start(name), name, count(limit)], read_correlation)
    }

    pub(super) fn write_correlation(&self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()> {
        if names.iter().any(|name| name.len() != NAME) {
            return Err(Error::new(Code::Bug, "a name of an event is no HMAC"));
        }
        let CorrelationRow { entry, subject, seen_at } = row;
        let Some(seq) = self.correlation_of(entry)? else {
            let insert = "INSERT INTO correlation (entry, made_at, subject, names) VALUES (?1, ?2, ?3, ?4)";
            let names = names.concat();
            self.run(insert, params![entry, seen_at, subject, names])?;
            let new = Indexed { seq: self.0.last_insert_rowid(), entry: entry.clone(), names };
            new.starts().try_for_each(|start| self.run(INSERT_RECENT, params![start, new.seq]).map(drop))?;
            return self.index_oldest(new.seq);
        };
        let update = "UPDATE correlation SET made_at=?2, subject=?3 WHERE seq=?1 RETURNING names";
        let known: Vec<u8> =
            self.find(update, params![seq, seen_at, subject], |row| row.get(0))?.unwrap_or_default();
        let is_new = |name: &&Vec<u8>| known.chunks(NAME).all(|known| known != name.as_slice());
        let new: Vec<&[u8]> = names.iter().filter(is_new).map(Vec::as_slice).collect();
        if new.is_empty() {
            return Ok(());
        }
        let all = [&known, new.concat().as_slice()].concat();
        self.run("UPDATE correlation SET names=?2 WHERE seq=?1", params![seq, all])?;
        let is_recent = "SELECT ?1>value FROM meta WHERE name='named'";
        let is_recent = self.find(is_recent, [seq], |row| row.get(0))?.unwrap_or(false);
        let insert = if is_recent { INSERT_RECENT } else { INSERT };
        new.into_iter().try_for_each(|name| self.run(insert, params![start(name), seq]).map(drop))
    }

    /// Deletes rows, and what indexes hold of them.
    pub(super) fn delete_correlations(&self, rows: &[Indexed]) -> Result<()> {
        let all = rows.iter().flat_map(|row| row.starts().map(|start| (start, row.seq)));
        let mut all: Vec<(Start, Seq)> = all.collect();
        all.sort_unstable();
        let delete = "DELETE FROM correlation_name WHERE start=?1 AND correlation=?2";
        all.iter().try_for_each(|(start, seq)| self.run(delete, params![start, seq]).map(drop))?;
        for row in rows {
            self.run("DELETE FROM recent_name WHERE correlation=?1", [row.seq])?;
            self.run("DELETE FROM correlation WHERE seq=?1", [row.seq])?;
        }
        Ok(())
    }

    /// The oldest row that is indexed in memory goes to the index on the disk, once there are [`RECENT`] newer ones up to `newest`. So no
    /// transaction has much more to do than another.
    fn index_oldest(&self, newest: Seq) -> Result<()> {
        let find = "SELECT start FROM recent_name WHERE correlation<=?1
            AND correlation=(SELECT min(correlation) FROM recent_name)";
        let oldest: Vec<Start> = self.list(find, [newest - RECENT], |row| row.get(0))?;
        if oldest.is_empty() {
            return Ok(());
        }
        for start in oldest {
            let last = "SELECT max(start) FROM (SELECT start FROM recent_name WHERE start>=?1 ORDER BY start LIMIT ?2)";
            let last: Option<Start> = self.find(last, params![start, TOGETHER], |row| row.get(0))?.flatten();
            let index = "INSERT OR IGNORE INTO correlation_name (start, correlation)
                SELECT start, correlation FROM recent_name WHERE start BETWEEN ?1 AND ?2";
            self.run(index, params![start, last])?;
            self.run("DELETE FROM recent_name WHERE start BETWEEN ?1 AND ?2", params![start, last])?;
        }
        let whole = "UPDATE meta SET value=coalesce((SELECT min(correlation) FROM recent_name)-1, ?1) WHERE name='named'";
        self.run(whole, [newest]).map(drop)
    }
}
