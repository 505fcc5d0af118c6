//! By which names a correlation is found.
//!
//! A name is an HMAC, so that those of one event lie anywhere in an index, and each of them costs a page of its own. Hence the index on the
//! disk holds no names of the newest rows: these are in a table in memory, which every connection fills when it is opened. When a row is
//! old enough, its names go to the disk together with those that lie next to them, which share their pages. `meta.named` is the last row
//! up to which the index on the disk is whole. All of it is part of the transaction, the table in memory too.

use rusqlite::{Connection, params};

use super::tx::{Transaction, read_correlation};
use super::work::count;
use crate::error::{Code, Error, Result};
use crate::store::{CorrelationRow, Seq};

/// Bytes of a name.
const NAME: usize = 32;
/// Bytes of a name that the indexes hold. A row that they find is asked for the whole name.
const START: usize = 8;
/// Rows whose names are held in memory: about half a megabyte. A start reads about as many of them.
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
const INSERT_RECENT: &str = "INSERT OR IGNORE INTO recent_name (start, correlation) VALUES (?1, ?2)";

/// Makes the table in memory and fills it from the rows, as the first thing on a connection that finds rows by their names.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(IN_MEMORY)?;
    let newest = "SELECT seq, names FROM correlation WHERE seq>(SELECT value FROM meta WHERE name='named') ORDER BY seq";
    let (mut find, mut insert) = (connection.prepare(newest)?, connection.prepare(INSERT_RECENT)?);
    let mut rows = find.query(())?;
    while let Some(row) = rows.next()? {
        let (seq, names): (Seq, Vec<u8>) = (row.get(0)?, row.get(1)?);
        for start in starts(&names) {
            insert.execute(params![start, seq])?;
        }
    }
    Ok(())
}

/// What the indexes hold of the names of a row.
fn starts(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    names.chunks(NAME).map(start)
}

fn start(name: &[u8]) -> &[u8] {
    name.get(..START).unwrap_or(name)
}

impl Transaction<'_> {
    pub(super) fn write_correlation(&self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()> {
        if names.iter().any(|name| name.len() != NAME) {
            return Err(Error::new(Code::Bug, "a name of an event is no HMAC"));
        }
        let CorrelationRow { entry, subject, seen_at } = row;
        let find = "SELECT seq, names FROM correlation WHERE entry=?1";
        let before: Option<(Seq, Vec<u8>)> =
            self.find(find, [entry], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let known = before.as_ref().map_or(&[][..], |(_, names)| names);
        let mut new: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        new.retain(|name| known.chunks(NAME).all(|known| known != *name));
        let all = [known, &new.concat()].concat();
        match before {
            Some((seq, _)) => {
                let update = "UPDATE correlation SET made_at=?2, subject=?3, names=?4 WHERE seq=?1";
                self.run(update, params![seq, seen_at, subject, all])?;
                self.insert_names(seq, &new)
            }
            None => {
                let insert =
                    "INSERT INTO correlation (entry, made_at, subject, names) VALUES (?1, ?2, ?3, ?4)";
                self.run(insert, params![entry, seen_at, subject, all])?;
                let seq = self.0.last_insert_rowid();
                self.insert_names(seq, &new)?;
                self.index_oldest(seq)
            }
        }
    }

    pub(super) fn find_named(&self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        let find = "SELECT entry, subject, made_at FROM correlation WHERE seq IN (
              SELECT correlation FROM correlation_name WHERE start=?1 UNION ALL
              SELECT correlation FROM recent_name WHERE start=?1)
            AND instr(names, ?2) ORDER BY seq LIMIT ?3";
        self.list(find, params![start(name), name, count(limit)], read_correlation)
    }

    /// Deletes rows, each with its names.
    pub(super) fn delete_correlations(&self, rows: &[(Seq, Vec<u8>)]) -> Result<()> {
        let of_row = |(seq, names): &(Seq, Vec<u8>)| {
            starts(names).map(|start| (start.to_vec(), *seq)).collect::<Vec<_>>()
        };
        let mut names: Vec<_> = rows.iter().flat_map(of_row).collect();
        names.sort_unstable();
        let delete = "DELETE FROM correlation_name WHERE start=?1 AND correlation=?2";
        names.iter().try_for_each(|(start, seq)| self.run(delete, params![start, seq]).map(drop))?;
        for (seq, _) in rows {
            self.run("DELETE FROM recent_name WHERE correlation=?1", [seq])?;
            self.run("DELETE FROM correlation WHERE seq=?1", [seq])?;
        }
        Ok(())
    }

    fn insert_names(&self, seq: Seq, names: &[&[u8]]) -> Result<()> {
        let is_recent = "SELECT ?1>value FROM meta WHERE name='named'";
        let insert = match self.find(is_recent, [seq], |row| row.get(0))? {
            Some(true) => INSERT_RECENT,
            _ => "INSERT OR IGNORE INTO correlation_name (start, correlation) VALUES (?1, ?2)",
        };
        names.iter().try_for_each(|name| self.run(insert, params![start(name), seq]).map(drop))
    }

    /// The oldest row whose names are in memory is indexed on the disk, once there are [`RECENT`] newer ones up to `newest`. So no
    /// transaction has much more to do than another.
    fn index_oldest(&self, newest: Seq) -> Result<()> {
        let find = "SELECT start FROM recent_name WHERE correlation<=?1
            AND correlation=(SELECT min(correlation) FROM recent_name)";
        let oldest: Vec<Vec<u8>> = self.list(find, [newest - RECENT], |row| row.get(0))?;
        for start in &oldest {
            let last = "SELECT max(start) FROM (SELECT start FROM recent_name WHERE start>=?1 ORDER BY start LIMIT ?2)";
            let last: Option<Vec<u8>> =
                self.find(last, params![start, TOGETHER], |row| row.get(0))?.flatten();
            let index = "INSERT OR IGNORE INTO correlation_name (start, correlation)
                SELECT start, correlation FROM recent_name WHERE start BETWEEN ?1 AND ?2";
            self.run(index, params![start, last])?;
            self.run("DELETE FROM recent_name WHERE start BETWEEN ?1 AND ?2", params![start, last])?;
        }
        if oldest.is_empty() {
            return Ok(());
        }
        let whole = "UPDATE meta SET value=coalesce((SELECT min(correlation) FROM recent_name)-1, ?1) WHERE name='named'";
        self.run(whole, [newest]).map(drop)
    }
}
