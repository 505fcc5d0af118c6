//! By what an entry is found when it comes again: its identity.
//!
//! It is an HMAC and lies anywhere in an index, as a name of an event does (`names`). So the index on the disk, which is the table
//! `identity`, holds nothing of the newest entries either: theirs are indexed in memory, and go to the disk together with those that lie
//! next to them. `entry_identity` has the identities of all entries that are there, in their order.

use rusqlite::{Connection, params};

use super::recent::{Start, start};
use super::tx::Transaction;
use super::work;
use crate::error::Result;
use crate::store::{IdentityRow, Millis, Seq};

/// An identity passes to the entry that came last.
const INDEX: &str = "INSERT INTO identity (hash, entry, seen_at)
    SELECT hash, entry, seen_at FROM entry_identity WHERE seq=?1
    ON CONFLICT (hash) DO UPDATE SET entry=excluded.entry, last_state=NULL, seen_at=excluded.seen_at";

/// The identities that the index on the disk may lack.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Vec<(Start, Seq)>> {
    let find =
        "SELECT hash, seq FROM entry_identity WHERE seq>(SELECT value FROM meta WHERE name='identified')";
    let mut find = connection.prepare(find)?;
    let rows = find.query_map((), |row| Ok((start(&row.get::<_, Vec<u8>>(0)?), row.get(1)?)))?;
    rows.collect()
}

/// Indexes on the disk what is in memory alone. Of one identity the older entries go first.
pub(super) fn index(connection: &Connection) -> rusqlite::Result<()> {
    let mut newest = newest(connection)?;
    newest.sort_unstable_by_key(|(_, seq)| *seq);
    let mut insert = connection.prepare(INDEX)?;
    newest.iter().try_for_each(|(_, seq)| insert.execute([seq]).map(drop))
}

/// Fills `entry_identity` where `identity` is whole.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO entry_identity (seq, entry, hash, seen_at)
        SELECT entry.seq, entry.id, identity.hash, identity.seen_at FROM identity JOIN entry ON entry.id=identity.entry ORDER BY entry.seq";
    connection.execute(insert, ()).map(drop)
}

impl Transaction<'_> {
    pub(super) fn find_identity(&self, hash: &[u8]) -> Result<Option<IdentityRow>> {
        let recent: Vec<Seq> = self.0.identities.borrow().rows(start(hash)).collect();
        let find = "SELECT entry FROM entry_identity WHERE seq=?1 AND hash=?2";
        for seq in recent.into_iter().rev() {
            if let Some(entry) = self.find(find, params![seq, hash], |row| row.get(0))? {
                return Ok(Some(IdentityRow { entry, last_state: None }));
            }
        }
        let find = "SELECT entry, last_state FROM identity WHERE hash=?1";
        let found: Option<(String, Option<String>)> =
            self.find(find, [hash], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((entry, last_state)) = found else { return Ok(None) };
        let last_state = last_state.map(|word| work::state(&word)).transpose()?;
        Ok(Some(IdentityRow { entry, last_state }))
    }

    /// Keeps the identity of the entry `seq`, which is the newest.
    pub(super) fn insert_identity(&self, seq: Seq, entry: &str, hash: &[u8], seen_at: Millis) -> Result<()> {
        let insert = "INSERT INTO entry_identity (seq, entry, hash, seen_at) VALUES (?1, ?2, ?3, ?4)";
        self.run(insert, params![seq, entry, hash, seen_at])?;
        self.0.identities.borrow_mut().add(start(hash), seq);
        let left = self.0.identities.borrow_mut().leave(seq);
        if left.is_empty() {
            return Ok(());
        }
        left.into_iter().try_for_each(|(_, seq)| self.run(INDEX, [seq]).map(drop))?;
        let whole = self.0.identities.borrow().whole(seq);
        self.run("UPDATE meta SET value=?1 WHERE name='identified'", [whole]).map(drop)
    }

    /// The entry `seq` is about to be forgotten: its identity remembers how it ended, unless it passed to another one.
    pub(super) fn remember_identity(&self, seq: Seq, hash: &[u8]) -> Result<()> {
        if self.0.identities.borrow_mut().remove(start(hash), seq) {
            self.run(INDEX, [seq])?;
        }
        let remember = "UPDATE identity SET last_state=entry.state FROM entry
            WHERE entry.seq=?1 AND hash=?2 AND identity.entry=entry.id";
        self.run(remember, params![seq, hash]).map(drop)
    }
}
