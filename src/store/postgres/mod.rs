//! PostgreSQL: several gateways over one database. A few threads, each with a connection of its own, run the same jobs as SQLite's one
//! thread does, in groups that share a commit.
//!
//! A job that names locks takes them as advisory locks, sorted, and runs beside others; one that names none runs alone, whichever gateway
//! asks for it. So a job never sees what another is about to change, and no rule above has to know that there are other gateways. One that
//! only reads sees a snapshot, and waits for no lock.
//!
//! Most of the time of a transaction is that of its round trips, so a statement whose answer nobody needs at once goes with the next one.

mod acknowledged;
mod clock;
mod connect;
mod database;
mod desk;
mod encoded;
mod forget;
mod locks;
mod moving;
mod open;
mod overview;
mod schema;
mod session;
mod site;
mod sql;
#[cfg(test)]
pub(crate) mod tests;
mod tx;
mod work;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use self::connect::Target;
pub(crate) use self::connect::{at, has_password, is_url, read};
use self::desk::Desk;
use self::open::OpenError;
use self::site::Site;
use super::group::Group;
use super::{Backend, Order, Owner, Room, Trouble};
use crate::error::Result;

/// Connections of one gateway: what waits for a lock or the disk of one leaves the others free.
const CONNECTIONS: usize = 4;
/// How long a server that is looked after may be silent before it counts as away. A statement has longer.
const SILENCE: Duration = Duration::from_secs(10);

/// A database on a server. Dropping it closes the connections.
struct Postgres {
    group: Group<Desk>,
    site: Arc<Site>,
}

impl Postgres {
    /// Opens the database, or makes its tables. A server that does not answer does not prevent that: [`Backend::trouble`] reports it until
    /// it does.
    fn open(target: Target, owner: Arc<dyn Owner>) -> std::result::Result<Self, OpenError> {
        Self::at(Site::new(target, owner))
    }

    fn at(site: Site) -> std::result::Result<Self, OpenError> {
        let site = Arc::new(site);
        let mut desks: Vec<Desk> = (0..CONNECTIONS).map(|_| Desk::new(Arc::clone(&site))).collect();
        if let Some(first) = desks.first_mut() {
            apart(|| first.open())?;
        }
        let group = Group::start(desks).map_err(|error| site.refused(error.to_string()))?;
        Ok(Self { group, site })
    }
}

/// Runs `work` on a thread of its own, since a runtime waits for what it sends, and the caller may belong to another one.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Backend for Postgres {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        self.group.run(order).boxed()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.site.health.trouble()
    }

    fn look_after(&self) -> BoxFuture<'_, Result<()>> {
        async {
            let looked = timeout(SILENCE, self.group.command(Desk::look_after)).await;
            looked.unwrap_or_else(|_| {
                self.site.health.unwritable(desk::trouble_of(&session::lost("it does not answer")));
                self.site.health.check()
            })
        }
        .boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<()>> {
        self.group.command(Desk::resume).boxed()
    }

    fn accept_loss(&self) -> BoxFuture<'_, Result<()>> {
        self.group.command(Desk::accept_loss).boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }

    /// What is left on the server's disk is not known here.
    fn room(&self) -> Room {
        Room { left: None, used: self.site.used() }
    }
}
