//! The order of the entries of a line: an entry waits for the older ones of its line at its destination that are not settled.
//!
//! A line is an HMAC, or the id of a composition, and so lies anywhere in an index, as the names of events do (`names`). Those of the newest
//! entries are indexed in memory alone; the others, as far as their entries are not settled, in `entry_line`, by the first bytes of a hash.
//! `meta.lined` is the last entry up to which that is whole.

use rusqlite::{Connection, params};

use super::recent::{Start, start};
use super::schema::UNSETTLED;
use super::tx::Transaction;
use crate::crypto::sha256;
use crate::error::Result;
use crate::store::Seq;

const INSERT: &str = "INSERT INTO entry_line (start, seq) VALUES (?1, ?2)";
/// The oldest that is on the disk. Of one line the older ones go there first.
pub(super) const FIRST: &str = "SELECT entry.seq FROM entry_line CROSS JOIN entry ON entry.seq=entry_line.seq
    WHERE start=?1 AND destination=?2 AND line=?3 AND state IN ('queued', 'leased', 'parked') ORDER BY entry_line.seq LIMIT 1";
pub(super) const HOLDS: &str = "SELECT seq FROM entry
    WHERE seq=?1 AND destination=?2 AND line=?3 AND state IN ('queued', 'leased', 'parked')";
pub(super) const LEAVE: &str = "DELETE FROM entry_line WHERE start=?1 AND seq=?2";

/// The lines of the entries that the index on the disk lacks.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Vec<(Start, Seq)>> {
    let mut is_there = connection.prepare("SELECT 1 FROM entry_line WHERE start=?1 AND seq=?2")?;
    let mut lacks = Vec::new();
    for (start, seq) in unsettled(connection, "seq>(SELECT value FROM meta WHERE name='lined')")? {
        if !is_there.exists(params![start, seq])? {
            lacks.push((start, seq));
        }
    }
    Ok(lacks)
}

/// Indexes on the disk the entries that no gateway of this version wrote.
pub(super) fn index(connection: &Connection) -> rusqlite::Result<()> {
    let mut all = unsettled(connection, "true")?;
    // In the order of the index, so that each page of it is written once.
    all.sort_unstable();
    let mut insert = connection.prepare(INSERT)?;
    all.iter().try_for_each(|(start, seq)| insert.execute(params![start, seq]).map(drop))
}

fn unsettled(connection: &Connection, which: &str) -> rusqlite::Result<Vec<(Start, Seq)>> {
    let mut find =
        connection.prepare(&format!("SELECT line, seq FROM entry WHERE {UNSETTLED} AND {which}"))?;
    let rows = find.query_map((), |row| Ok((start_of(&row.get::<_, String>(0)?), row.get(1)?)))?;
    rows.collect()
}

fn start_of(line: &str) -> Start {
    start(&sha256(line.as_bytes()))
}

impl Transaction<'_> {
    /// The oldest entry of `line` at `destination` that is not settled.
    pub(super) fn first_of_line(&self, destination: &str, line: &str) -> Result<Option<Seq>> {
        let start = start_of(line);
        let first = self.find(FIRST, params![start, destination, line], |row| row.get(0))?;
        if first.is_some() {
            return Ok(first);
        }
        for seq in self.0.lines.borrow().rows(start) {
            let holds = self.find(HOLDS, params![seq, destination, line], |row| row.get(0))?;
            if holds.is_some() {
                return Ok(holds);
            }
        }
        Ok(None)
    }

    /// The entry `seq`, which is the newest, is of `line`.
    pub(super) fn join_line(&self, seq: Seq, line: &str) -> Result<()> {
        self.0.lines.borrow_mut().add(start_of(line), seq);
        let left = self.0.lines.borrow_mut().leave(seq);
        if left.is_empty() {
            return Ok(());
        }
        left.into_iter().try_for_each(|(start, seq)| self.run(INSERT, params![start, seq]).map(drop))?;
        let whole = self.0.lines.borrow().whole(seq);
        self.run("UPDATE meta SET value=?1 WHERE name='lined'", [whole]).map(drop)
    }

    /// The entry `seq` of `line` holds nothing back any more.
    pub(super) fn leave_line(&self, seq: Seq, line: &str) -> Result<()> {
        let start = start_of(line);
        if self.0.lines.borrow_mut().remove(start, seq) {
            return Ok(());
        }
        self.run(LEAVE, params![start, seq]).map(drop)
    }
}
