//! SQLite: one file, one thread that owns it, and group commit. All jobs that wait while a commit is under way share the next one, and
//! so its fsync; each has a savepoint of its own, so that one that fails is undone alone.
//!
//! What seals the rows belongs to an [`Owner`], who takes part when the database is made and when it is opened. Nothing here knows a
//! key, a clock or a message.
#![allow(clippy::disallowed_types, reason = "this is where rows are reached by way of SQLite")]

mod copy;
mod desk;
mod files;
pub(crate) mod foreign;
mod forget;
mod identities;
mod lines;
mod log;
mod look;
mod make;
mod moving;
mod names;
mod open;
mod outside;
mod overview;
mod recent;
mod schema;
mod session;
mod set_aside;
mod site;
mod sql;
#[cfg(test)]
mod tests;
mod tx;
mod work;

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

pub(crate) use self::outside::{in_file, read};

use self::desk::Desk;
use self::open::OpenError;
use self::site::Site;
use crate::error::{Code, Error, Result};
use crate::place::{self, beside};
use crate::store::group::Group;
use crate::store::{Backend, Order, Owner, Room, Trouble};

/// A database in a file. Dropping it closes the file.
struct Sqlite {
    group: Group<Desk>,
    site: Arc<Site>,
}

impl Sqlite {
    /// Opens the database at `path`, or makes it. A full disk does not prevent that: [`Backend::trouble`] reports it until there is room.
    fn open(path: &Path, owner: Arc<dyn Owner>) -> Result<Self, OpenError> {
        let site = Arc::new(Site::new(path.to_owned(), owner));
        let desk = Desk::open(Arc::clone(&site))?;
        let group = Group::start([desk]).map_err(|error| OpenError::Io(path.to_owned(), error))?;
        Ok(Self { group, site })
    }
}

impl Backend for Sqlite {
    /// One thread runs all jobs one after another, so that no two of them ever run side by side, whatever they lock.
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        self.group.run(order).boxed()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.site.health.trouble()
    }

    fn look_after(&self) -> BoxFuture<'_, Result<()>> {
        self.group.command(Desk::look_after).boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<()>> {
        self.group.command(Desk::resume).boxed()
    }

    fn overwrite(&self) -> BoxFuture<'_, Result<()>> {
        self.group.command(Desk::overwrite).boxed()
    }

    fn empty_log(&self) -> BoxFuture<'_, Result<()>> {
        self.group.command(Desk::empty_log).boxed()
    }

    /// The database takes what it and its log take.
    fn room(&self) -> Room {
        let path = &self.site.path;
        let files = [path.clone(), beside(path, "-wal")];
        let sizes = files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len());
        Room { left: place::disk_left(path), used: sizes.sum() }
    }
}

/// What the operator reads where the disk is full.
const DISK_FULL: &str = "the disk is full";
/// What the operator reads while another program holds the database.
const HELD: &str = "another program holds the database";
/// What the operator reads where pages of the database are wrong.
const DAMAGED: &str = "the database is damaged";

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, ReadOnly,
            SystemIoFailure,
        };
        let storage = Self::new(Code::Storage, "the outbox cannot be written");
        match error.sqlite_error_code() {
            Some(DiskFull) => storage.advise(Trouble::full().advice()).for_operator(DISK_FULL),
            Some(DatabaseBusy | DatabaseLocked) => storage
                .advise("Another program holds the database: let it finish, or stop it.")
                .for_operator(HELD),
            Some(SystemIoFailure | CannotOpen | ReadOnly) => {
                storage.for_operator(format!("the disk fails: {error}"))
            }
            Some(DatabaseCorrupt | NotADatabase) => storage
                .advise("The database is damaged: stop the gateway and restore it from a backup.")
                .for_operator(DAMAGED),
            _ => Self::new(Code::Bug, "the outbox refuses a statement").for_operator(error.to_string()),
        }
    }
}
