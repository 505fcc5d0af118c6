//! By what a correlation is found: by its names, and by the id of its entry.
//!
//! A name is an HMAC, so that those of one event lie anywhere in an index, and each of them costs a page of its own. An id is as good as
//! random; its hash stands in the index as if it were one more name. Hence the index on the disk holds nothing of the newest rows: they
//! are indexed in memory, which every session fills when it is opened. When a row is old enough, its names go to the disk together with
//! those that lie next to them, which share their pages. `meta.named` is the last row up to which the index on the disk is whole.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::recent::{Start, start};
use super::tx::{Transaction, read_correlation};
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::store::moving::NAME;
use crate::store::{CorrelationRow, Seq};

const INSERT: &str = "INSERT OR IGNORE INTO correlation_name (start, correlation) VALUES (?1, ?2)";

/// The names of the rows that the index on the disk may lack.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Vec<(Start, Seq)>> {
    of(
        connection,
        "SELECT seq, entry, names FROM correlation WHERE seq>(SELECT value FROM meta WHERE name='named')",
    )
}

/// Indexes the rows of an older version on the disk.
pub(super) fn index(connection: &Connection) -> rusqlite::Result<()> {
    let mut all = of(connection, "SELECT seq, entry, names FROM correlation")?;
    // In the order of the index, so that each page of it is written once.
    all.sort_unstable();
    let mut insert = connection.prepare(INSERT)?;
    all.iter().try_for_each(|(start, seq)| insert.execute(params![start, seq]).map(drop))
}

/// Indexes one row on the disk: it has the number `seq`, and its names stand one behind the other.
pub(super) fn index_row(
    connection: &Connection,
    seq: Seq,
    entry: &str,
    names: &[u8],
) -> rusqlite::Result<()> {
    let row = Indexed { seq, entry: entry.to_owned(), names: names.to_vec() };
    let mut insert = connection.prepare_cached(INSERT)?;
    row.starts().try_for_each(|start| insert.execute(params![start, seq]).map(drop))
}

/// The names of the rows that `find` finds, each with the number of its row.
fn of(connection: &Connection, find: &str) -> rusqlite::Result<Vec<(Start, Seq)>> {
    let mut all = Vec::new();
    let mut find = connection.prepare(find)?;
    for row in find.query_map((), Indexed::read)? {
        let row = row?;
        all.extend(row.starts().map(|start| (start, row.seq)));
    }
    Ok(all)
}

fn start_of(entry: &str) -> Start {
    start(&sha256(entry.as_bytes()))
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
        let find = "SELECT seq FROM correlation WHERE seq=?1 AND entry=?2";
        for seq in self.candidates(start_of(entry))? {
            if self.find(find, params![seq, entry], |_| Ok(()))?.is_some() {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    pub(super) fn find_named(&self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        let find = "SELECT entry, subject, made_at FROM correlation WHERE seq=?1 AND instr(names, ?2)";
        let mut find = self.0.prepare_cached(find)?;
        let mut found = Vec::new();
        for seq in self.candidates(start(name))?.into_iter().rev() {
            if found.len() == limit {
                break;
            }
            found.extend(find.query_row(params![seq, name], read_correlation).optional()?);
        }
        found.reverse();
        Ok(found)
    }

    /// The rows that the indexes find by `start`, in order.
    fn candidates(&self, start: Start) -> Result<Vec<Seq>> {
        let find = "SELECT correlation FROM correlation_name WHERE start=?1";
        let mut rows: Vec<Seq> = self.list(find, [start], |row| row.get(0))?;
        rows.extend(self.0.recent.borrow().rows(start));
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
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
            new.starts().for_each(|start| self.0.recent.borrow_mut().add(start, new.seq));
            return self.index_oldest(new.seq);
        };
        let update = "UPDATE correlation SET made_at=?2, subject=?3 WHERE seq=?1";
        self.run(update, params![seq, seen_at, subject])?;
        let known = self.find("SELECT names FROM correlation WHERE seq=?1", [seq], |row| row.get(0))?;
        let known: Vec<u8> = known.unwrap_or_default();
        let is_new = |name: &&Vec<u8>| known.chunks(NAME).all(|known| known != name.as_slice());
        let new: Vec<&[u8]> = names.iter().filter(is_new).map(Vec::as_slice).collect();
        if new.is_empty() {
            return Ok(());
        }
        let all = [&known, new.concat().as_slice()].concat();
        self.run("UPDATE correlation SET names=?2 WHERE seq=?1", params![seq, all])?;
        let is_recent = self.0.recent.borrow().oldest().is_some_and(|oldest| oldest <= seq);
        new.into_iter().map(start).try_for_each(|start| match is_recent {
            true => {
                self.0.recent.borrow_mut().add(start, seq);
                Ok(())
            }
            false => self.run(INSERT, params![start, seq]).map(drop),
        })
    }

    /// Deletes rows, and what indexes hold of them.
    pub(super) fn delete_correlations(&self, rows: &[Indexed]) -> Result<()> {
        let all = rows.iter().flat_map(|row| row.starts().map(|start| (start, row.seq)));
        let mut all: Vec<(Start, Seq)> = all.collect();
        all.sort_unstable();
        for (start, seq) in all {
            self.run("DELETE FROM correlation_name WHERE start=?1 AND correlation=?2", params![start, seq])?;
            self.0.recent.borrow_mut().remove(start, seq);
        }
        rows.iter().try_for_each(|row| self.run("DELETE FROM correlation WHERE seq=?1", [row.seq]).map(drop))
    }

    /// What is too old for the memory goes to the index on the disk.
    fn index_oldest(&self, newest: Seq) -> Result<()> {
        let left = self.0.recent.borrow_mut().leave(newest);
        if left.is_empty() {
            return Ok(());
        }
        left.into_iter().try_for_each(|(start, row)| self.run(INSERT, params![start, row]).map(drop))?;
        let named = self.0.recent.borrow().whole(newest);
        self.run("UPDATE meta SET value=?1 WHERE name='named'", [named]).map(drop)
    }
}
