mod disk;
mod files;
mod foreign;
mod gone;
mod groups;
mod identities;
mod lines;
mod moving;
mod names;
mod opening;
mod schema;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::look::{LookError, heads};
use super::session::Session;
use super::set_aside::set_aside;
use super::*;
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::store::conformance::{self, discarded, ids, lease_at, name, new, row, settle};
use crate::store::{
    Filter, Lane, Listed, Millis, OwnerError, Pick, Piece, Queue, REMOVED, Row, State, Store, Tx, Verdict,
};

conformance::suite!({
    let home = Home::new();
    (home.open(), home)
});

/// A folder with a database, and with the file that its owner seals it with.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The database, or what stands beside it under this suffix.
    fn file(&self, suffix: &str) -> PathBuf {
        beside(&self.0.path().join("outbox.db"), suffix)
    }

    fn key_file(&self) -> PathBuf {
        self.0.path().join("outbox.key")
    }

    fn owner(&self) -> Arc<KeyOwner> {
        Arc::new(KeyOwner(self.key_file()))
    }

    fn sqlite(&self) -> Result<Arc<Sqlite>, OpenError> {
        Sqlite::open(&self.file(""), self.owner()).map(Arc::new)
    }

    fn open(&self) -> Store {
        Store(self.sqlite().unwrap())
    }

    fn refused(&self) -> OpenError {
        self.sqlite().err().unwrap()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.file("")).unwrap().execute_batch(sql).unwrap();
    }

    /// A copy of everything that a killed process would leave.
    fn killed(&self) -> Self {
        let copy = Self::new();
        for file in fs::read_dir(self.0.path()).unwrap() {
            let file = file.unwrap();
            if !file.file_name().to_str().unwrap().ends_with("-shm") {
                fs::copy(file.path(), copy.0.path().join(file.file_name())).unwrap();
            }
        }
        copy
    }
}

/// Seals with a file: its content stands in the database, as what a key seals would.
struct KeyOwner(PathBuf);

const KEY: &[u8] = b"the key of the rows";

impl Owner for KeyOwner {
    fn prepare(&self) -> Result<(), OwnerError> {
        match fs::read(&self.0) {
            Ok(content) if !content.is_empty() => Ok(()),
            _ => place::new_file(&self.0, KEY).map_err(|error| OwnerError::Refused(error.to_string())),
        }
    }

    fn opened(&self, tx: &mut dyn Tx, voids_leases: bool) -> Result<(), OwnerError> {
        let key = fs::read(&self.0).map_err(|_| OwnerError::Refused("the key is missing".to_owned()))?;
        match tx.sealed("owner")? {
            Some(known) if known == key => {}
            None if voids_leases => tx.set_sealed("owner", &key)?,
            _ => return Err(OwnerError::Refused("the key is another one".to_owned())),
        }
        if voids_leases {
            tx.release_all()?;
        }
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        match fs::read(&self.0) {
            Ok(content) if content == KEY => None,
            Ok(_) => Some("no longer holds the key in use"),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(REMOVED),
            Err(_) => Some("cannot be reached"),
        }
    }
}

/// Stores a row, as for somebody who is told that it is safe.
async fn try_accept(store: &Store, id: &str) -> Result<()> {
    let row = new(id);
    store.take(Vec::new(), move |tx| tx.insert(std::slice::from_ref(&row))).await
}

async fn accept(store: &Store, id: &str) {
    try_accept(store, id).await.unwrap();
}

async fn entries(store: &Store) -> Vec<Listed> {
    store.run(|tx| tx.rows(Queue::Entries, &Filter::default(), 0, 1_000)).await.unwrap()
}

async fn names(store: &Store) -> Vec<String> {
    entries(store).await.into_iter().map(|row| row.id).collect()
}

/// Runs `command` on the connection itself.
async fn on_connection<T: Send + 'static>(
    sqlite: &Sqlite,
    command: impl FnOnce(&Session) -> rusqlite::Result<T> + Send + 'static,
) -> T {
    sqlite.group.command(|desk| Ok(command(desk.session())?)).await.unwrap()
}
