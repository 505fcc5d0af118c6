//! A database on a server, as the command line and `doctor` see it from outside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::connect::Target;
use super::moving::ServerSide;
use super::open::{self, LACKS_CREATE, NO_CREATE, OpenError, let_create};
use super::schema::MARK;
use super::session::{Failure, Session};
use super::tx::Transaction;
use super::{Postgres, apart};
use crate::clock::Timestamp;
use crate::store::moving::Side;
use crate::store::{
    self, CopyError, Database, Head, Location, LookError, Owner, Remains, SEALED, SealedColumn, Store,
};

/// Where a database is, or will be.
pub(super) struct Server(pub(super) Target);

const REACH: &str = "start the database of outbox.url_file, or mend the way to it, the user or the password";

impl Server {
    /// Asks on a connection of its own.
    fn ask<T: Send>(
        &self,
        ask: impl FnOnce(&mut Transaction<'_>) -> crate::error::Result<T> + Send,
    ) -> Result<T, String> {
        let words = |failure: &Failure| {
            failure.error.operator_detail().unwrap_or_else(|| failure.error.detail()).to_owned()
        };
        apart(|| {
            let mut session = Session::open(&self.0).map_err(|failure| words(&failure))?;
            let answer = ask(&mut Transaction::new(&mut session));
            answer.map_err(|error| match session.take_failure() {
                Some(failure) => words(&failure),
                None => error.detail().to_owned(),
            })
        })
    }
}

/// The statement without which the user cannot make the tables, where they are not there.
fn lacks_create(tx: &mut Transaction<'_>) -> crate::error::Result<Option<String>> {
    if is_ours(tx)? { Ok(None) } else { tx.find(LACKS_CREATE, &[], |row| Ok(row.try_get(0)?)) }
}

fn is_ours(tx: &mut Transaction<'_>) -> crate::error::Result<bool> {
    let find = format!("SELECT to_regclass('{MARK}') IS NOT NULL");
    Ok(tx.find(&find, &[], |row| Ok(row.try_get(0)?))?.unwrap_or(false))
}

impl Database for Server {
    fn name(&self) -> String {
        self.0.name()
    }

    fn file(&self) -> Option<(&'static str, &Path)> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn state_file(&self) -> Option<&Path> {
        self.0.state_file()
    }

    fn roots(&self) -> &[CertificateDer<'static>] {
        self.0.roots()
    }

    fn without_key(&self) -> &'static str {
        "restore the key that the other gateways use, or name another database or schema in outbox.url_file"
    }

    fn open(&self, owner: Arc<dyn Owner>) -> Result<Store, store::OpenError> {
        let opened = Postgres::open(self.0.clone(), owner);
        opened.map(Store::new).map_err(|error| match error {
            OpenError::Refused(what) => store::OpenError::Refused(what),
            OpenError::Failed(failure) => {
                store::OpenError::Refused(format!("{}: {}", self.name(), failure.error))
            }
        })
    }

    /// A server that does not answer may have one.
    fn remains(&self) -> Remains {
        match self.ask(is_ours) {
            Ok(false) => Remains::Nothing,
            Ok(true) | Err(_) => Remains::Database,
        }
    }

    /// Gateways share it.
    fn is_in_use(&self) -> bool {
        false
    }

    fn heads(&self, length: usize) -> Result<Vec<Head>, LookError> {
        if let Ok(Some(statement)) = self.ask(lacks_create) {
            let (file, what, advice) = (self.name(), NO_CREATE.to_owned(), let_create(&statement));
            return Err(LookError { file, what, advice, stops_start: true });
        }
        let heads = self.ask(|tx| {
            let mut heads = Vec::new();
            if !is_ours(tx)? {
                return Ok(Ok(heads));
            }
            if let Some(mark) = open::out_of_use(tx.0)? {
                return Ok(Err(mark.words()));
            }
            for at in SEALED {
                let SealedColumn { table, column, .. } = at;
                let count = format!(
                    "SELECT substr({column}, 1, {length}), count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1"
                );
                heads.extend(tx.list(&count, &[], |row| {
                    let values = row.try_get::<_, i64>(1)?.unsigned_abs();
                    Ok(Head { column: at, head: row.try_get(0)?, values })
                })?);
            }
            Ok(Ok(heads))
        });
        let refused = |what: &str, advice: &str, stops_start| LookError {
            file: self.name(),
            what: what.to_owned(),
            advice: advice.to_owned(),
            stops_start,
        };
        match heads {
            Ok(Ok(heads)) => Ok(heads),
            Ok(Err(words)) => {
                let (what, advice) = words.split_once("; ").unwrap_or((&words, REACH));
                Err(refused(what, advice, true))
            }
            Err(what) => Err(refused(&what, REACH, false)),
        }
    }

    fn copy(&self, _: &Path) -> Result<(), CopyError> {
        Err(CopyError(format!("{}: the gateway copies files alone; back it up with `pg_dump`", self.name())))
    }

    fn set_aside(&self, _: Timestamp) -> Result<PathBuf, store::OpenError> {
        let what = "the gateway moves files alone; name another database or schema in outbox.url_file, and keep this one";
        Err(store::OpenError::Refused(format!("{}: {what}", self.name())))
    }

    fn hold(&self) -> Result<Box<dyn Side>, store::OpenError> {
        Ok(Box::new(ServerSide::hold(&self.0)?))
    }

    fn likewise(&self, url: &[u8]) -> Option<Result<Location, String>> {
        Some(self.0.likewise(url).map(|target| Location::new(Self(target))))
    }
}
