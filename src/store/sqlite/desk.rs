//! What the thread of the store works with: the connection, or what replaces it while the disk is full.

use std::io::ErrorKind;
use std::sync::Arc;

use rusqlite::Connection;

use super::DISK_FULL;
use super::open::{self, OpenError};
use super::session::Session;
use super::site::Site;
use super::tx::Transaction;
use crate::error::{Code, Error, Result};
use crate::store::group::{self, Waiting};
use crate::store::{Beside, DENIED, Piece, REMOVED, Trouble, has_changed};
use crate::{place, regular};

/// What a trial writes beside the database, and into it: room for this has to be there before anything is taken again.
const TRIAL: usize = 256 << 10;
/// A disk with less room left is tried even before a write fails; and one that refused needs this much before anything is taken again,
/// so that the store does not switch back and forth.
const LOW: usize = 4 * TRIAL;

/// The connection and its site. The connection is closed first: the locks of the site outlive it.
pub(super) struct Desk {
    link: Link,
    site: Arc<Site>,
}

pub(super) enum Link {
    /// Reads and writes.
    Open(Session),
    /// The disk is full; what was accepted can be listed.
    Reading(Session),
    /// The disk is full, and nothing can be read without room.
    Closed,
}

impl Desk {
    /// Opens the database of `site`, or makes it; a full disk does not prevent that.
    pub(super) fn open(site: Arc<Site>) -> Result<Self, OpenError> {
        let mut desk = Self { link: Link::Closed, site };
        match open::establish(&desk.site) {
            Ok(session) => desk.link = Link::Open(session),
            Err(OpenError::NoRoom(file)) => {
                tracing::error!(file = %file.display(), "the disk is full; the gateway starts without writing");
                desk.site.health.unwritable(Trouble::full());
                desk.link = open::for_reading(&desk.site)?;
            }
            Err(error) => return Err(error),
        }
        // A disk that refuses is found before the first post.
        if let (Link::Open(_), Err(error)) = (&desk.link, place::try_room(&desk.site.path, TRIAL)) {
            desk.site.health.unwritable(trouble_of(&error));
        }
        Ok(desk)
    }

    #[cfg(test)]
    pub(super) fn session(&self) -> &Session {
        match &self.link {
            Link::Open(session) | Link::Reading(session) => session,
            Link::Closed => panic!("the database is closed"),
        }
    }

    /// Looks whether the files are there, and whether a disk that refused, or that is nearly full, takes writes.
    pub(super) fn look_after(&mut self) -> Result<()> {
        // Before anything else: a database that went while the disk was full is not made again.
        let _ = self.site.check_files();
        let is_low = place::disk_left(&self.site.path).is_some_and(|left| left < LOW as u64);
        match self.site.health.trouble() {
            Some(Trouble::Gone(_)) => {}
            None if !is_low => {}
            _ => self.try_to_write()?,
        }
        self.site.health.check()
    }

    /// A trial write: beside the database, so that it leaves no trace in it, and a small real one. It leaves the room that it found.
    fn try_to_write(&mut self) -> Result<()> {
        let path = &self.site.path;
        if let Link::Open(session) = &self.link {
            // Up to 4 MiB of log may be in the database already, or fit into it; what cannot be given back is not needed here.
            let _ = write_log_back(session);
        }
        let room = if self.site.health.trouble().is_some() { LOW } else { TRIAL };
        if let Err(error) = place::try_room(path, room) {
            self.site.health.unwritable(trouble_of(&error));
            return self.site.health.check();
        }
        if !matches!(self.link, Link::Open(_)) {
            // Two connections of one process, one of them exclusive, would bar each other.
            self.link = Link::Closed;
            match open::establish(&self.site) {
                Ok(session) => self.link = Link::Open(session),
                Err(error) => {
                    self.site.health.unwritable(match &error {
                        OpenError::NoRoom(_) => Trouble::full(),
                        error => Trouble::unwritable(error.to_string()),
                    });
                    self.link = open::for_reading(&self.site).unwrap_or(Link::Closed);
                    return self.site.health.check();
                }
            }
        }
        if let Link::Open(session) = &self.link {
            let _ = self.site.files().take(path);
            let committed = try_commit(session);
            // The trial row is in the log: without this it takes up the room that it has just proved.
            let _ = write_log_back(session);
            match committed {
                Ok(()) => self.site.health.written(),
                Err(error) => {
                    let error = Error::from(error);
                    self.site.health.unwritable(Trouble::unwritable(
                        error.operator_detail().unwrap_or_else(|| error.detail()),
                    ));
                }
            }
        }
        self.site.health.check()
    }

    /// Called when a person says that the files are there again. A removed log is written into the database and made again, and a lock file
    /// is taken again; [`Code::Storage`] with what is still wrong.
    pub(super) fn resume(&mut self) -> Result<()> {
        let path = self.site.path.clone();
        let gone = self.site.files_gone();
        let missing = |piece| gone.iter().find(|gone| gone.piece == piece).map(|gone| gone.what);
        if missing(Piece::Database).is_none() {
            if missing(Piece::Lock).is_some() {
                self.site.files().take_lock_again(&path).map_err(open_refused)?;
            }
            if missing(Piece::Log) == Some(REMOVED) {
                match &self.link {
                    Link::Open(_) => self.renew_log()?,
                    // The new log could not be begun the last time.
                    _ => self.link = Link::Open(open::reconnect(&self.site).map_err(open_refused)?),
                }
            }
        }
        let gone = self.site.files_gone();
        if !gone.is_empty() {
            self.site.health.lose(gone);
            return self.site.health.check();
        }
        self.site.health.resume();
        self.try_to_write()
    }

    /// Writes the log into the database and cuts it to nothing, so that it holds no former version of a row.
    pub(super) fn overwrite(&mut self) -> Result<()> {
        if let Link::Open(session) = &self.link
            && !write_log_back(session)
        {
            tracing::warn!(
                "another program reads the database, so its log still holds rows under former keys; the stop of the gateway or the next rekey empties it"
            );
        }
        Ok(())
    }

    /// The log holds the payloads of rows that were settled since it was last emptied.
    pub(super) fn empty_log(&mut self) -> Result<()> {
        if let Link::Open(session) = &self.link {
            // Where another program reads the database, the next call tries again.
            let _ = write_log_back(session);
        }
        Ok(())
    }

    /// Writes what the removed log still holds into the database, and begins a new one.
    fn renew_log(&mut self) -> Result<()> {
        let Link::Open(session) = std::mem::replace(&mut self.link, Link::Closed) else { return Ok(()) };
        if !write_log_back(&session) {
            self.link = Link::Open(session);
            return Err(Error::new(Code::Storage, "the removed log cannot be written into the database")
                .advise("Free the disk, stop other programs that read the database, and run `mosip-gateway outbox resume` again."));
        }
        drop(session);
        self.link = Link::Open(open::reconnect(&self.site).map_err(open_refused)?);
        Ok(())
    }
}

impl group::Desk for Desk {
    fn commit(&mut self, mut group: Vec<Waiting>) {
        let commit = match &self.link {
            Link::Open(connection) => {
                let commit = run(connection, "BEGIN IMMEDIATE", &mut group);
                if let Some(error) = commit.as_ref().err().filter(|error| error.code() == Code::Storage) {
                    let what = error.operator_detail().unwrap_or_else(|| error.detail());
                    self.site.health.unwritable(if what == DISK_FULL {
                        Trouble::full()
                    } else {
                        Trouble::unwritable(what)
                    });
                }
                commit
            }
            Link::Reading(connection) => run(connection, "BEGIN", &mut group),
            Link::Closed => Err(self.site.health.check().err().unwrap_or_else(not_open)),
        };
        let safe = match &commit {
            Ok(()) if group.iter().any(|job| job.acknowledges) => self.site.check_files(),
            _ => Ok(()),
        };
        for job in group {
            let outcome = if job.acknowledges { commit.clone().and(safe.clone()) } else { commit.clone() };
            job.finish(outcome);
        }
    }
}

/// Writes the whole log into the database and cuts it to nothing; false: a reader uses it, or the disk refuses.
fn write_log_back(connection: &Connection) -> bool {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
    matches!(busy, Ok(0))
}

fn open_refused(error: OpenError) -> Error {
    let is_denied =
        matches!(&error, OpenError::Io(_, refused) if refused.kind() == ErrorKind::PermissionDenied);
    let advice = if is_denied { DENIED } else { "Correct what this says, or start the gateway again." };
    Error::new(Code::Storage, error.to_string()).advise(advice)
}

fn not_open() -> Error {
    Error::new(Code::Storage, "the outbox is not open")
}

fn trouble_of(error: &std::io::Error) -> Trouble {
    let refused = || format!("the disk of the outbox refuses a write: {}", regular::reason(error));
    match error.kind() {
        _ if place::is_full(error) => Trouble::full(),
        ErrorKind::PermissionDenied => Trouble::denied(refused()),
        _ => Trouble::unwritable(refused()),
    }
}

/// The database takes as much as a trial needs, which is undone, and a commit reaches the disk.
fn try_commit(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch("SAVEPOINT trial")?;
    let room = "INSERT INTO meta (name, sealed) VALUES ('room', zeroblob(?1))";
    transaction.execute(room, [TRIAL as i64])?;
    transaction.execute_batch("ROLLBACK TO trial; RELEASE trial")?;
    // A value that stays the same would write nothing.
    let count =
        "INSERT INTO meta (name, value) VALUES ('trials', 1) ON CONFLICT (name) DO UPDATE SET value=value+1";
    transaction.execute(count, ())?;
    transaction.commit()
}

/// One transaction. A job that fails is undone alone; a disk that fails undoes the group.
fn run(session: &Session, begin: &str, group: &mut [Waiting]) -> Result<()> {
    let outcome = run_and_commit(session, begin, group);
    if outcome.is_err() {
        session.roll_back();
    }
    outcome
}

/// It takes a savepoint to undo one job alone, and behind each SQLite copies every page anew that changes. So the jobs run without one.
/// Where one fails that has written, which is rare, all is undone, and the others run again with savepoints.
fn run_and_commit(session: &Session, begin: &str, group: &mut [Waiting]) -> Result<()> {
    session.execute_cached(begin)?;
    for job in group.iter_mut() {
        let mark = session.mark();
        if !run_job(session, job)? {
            if session.has_written_since(mark) {
                session.roll_back();
                session.execute_cached(begin)?;
                run_apart(session, group)?;
                break;
            }
            session.forget_since(mark);
        }
    }
    Ok(session.commit()?)
}

/// Runs those that have not failed, each with a savepoint.
fn run_apart(session: &Session, group: &mut [Waiting]) -> Result<()> {
    for job in group.iter_mut().filter(|job| !matches!(job.outcome, Some(Err(_)))) {
        let mark = session.mark();
        session.execute_cached("SAVEPOINT job")?;
        if !run_job(session, job)? {
            session.execute_cached("ROLLBACK TO job")?;
            session.forget_since(mark);
        }
        session.execute_cached("RELEASE job")?;
    }
    Ok(())
}

/// Whether the job succeeds.
fn run_job(session: &Session, job: &mut Waiting) -> Result<bool> {
    let mark = session.mark();
    let outcome = (job.job)(&mut Transaction::new(session));
    // SQLite undoes the whole transaction by itself when the disk is full or fails.
    if session.is_autocommit() {
        return Err(outcome.err().filter(|error| error.code() == Code::Storage).unwrap_or_else(|| {
            Error::new(Code::Storage, "the outbox cannot be written")
                .for_operator("the disk is full or fails")
        }));
    }
    let outcome = match job.beside {
        Beside::Everything if session.has_written_since(mark) => outcome.and(Err(has_changed())),
        _ => outcome,
    };
    let is_kept = outcome.is_ok();
    job.outcome = Some(outcome);
    Ok(is_kept)
}
