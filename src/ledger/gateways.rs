//! The gateways that share a database say that they live.

use std::time::Duration;

use super::{Book, Ledger};
use crate::clock::{between, to_millis};
use crate::error::Result;
use crate::store::GatewayRow;

/// How long a gateway is shown that says nothing more.
const SHOWN: Duration = Duration::from_hours(24);
/// How long what other gateways have queued or given back waits for a look.
const LOOK: Duration = Duration::from_secs(1);
/// Where Linux says what this machine, or this pod, is called.
const HOST: &str = "/proc/sys/kernel/hostname";

/// A gateway over the same database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// What its machine is called.
    pub(crate) host: String,
    pub(crate) version: String,
    /// How long ago it said so.
    pub(crate) seen: Duration,
    /// Tags of the keys that it opens rows with; the first seals.
    pub(crate) keys: String,
    /// It is this one.
    pub(crate) is_this: bool,
}

impl Ledger {
    /// How often a worker looks for what other gateways have queued or given back, which nothing announces. `None`: there are no others.
    pub(crate) fn looks_every(&self) -> Option<Duration> {
        self.store.is_shared().then_some(LOOK)
    }

    /// Goes on though the database lacks commits that were acknowledged; [`Code::Storage`](crate::error::Code::Storage) with what else is wrong.
    pub(crate) async fn accept_loss(&self) -> Result<()> {
        self.store.accept_loss().await
    }

    /// Tells the other gateways that this one lives.
    pub(crate) async fn beat(&self) -> Result<()> {
        if !self.store.is_shared() {
            return Ok(());
        }
        let host = std::fs::read_to_string(HOST).unwrap_or_default().trim().to_owned();
        self.run(move |book| {
            let tags: Vec<String> = book.vault.tags().map(|tag| tag.to_string()).collect();
            let row = GatewayRow {
                id: book.rules.holder,
                host: host.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                seen_at: book.now,
                keys: tags.join(" "),
            };
            book.tx().beat(&row, book.now - to_millis(SHOWN))
        })
        .await
    }

    /// The gateways that share the database, this one among them; none where one alone may have it open.
    pub(crate) async fn neighbours(&self) -> Result<Vec<Neighbour>> {
        if !self.store.is_shared() {
            return Ok(Vec::new());
        }
        self.run(|book: &Book<'_>| {
            let shown = |GatewayRow { id, host, version, seen_at, keys }| Neighbour {
                host,
                version,
                seen: between(seen_at, book.now),
                keys,
                is_this: id == book.rules.holder,
            };
            Ok(book.tx().gateways()?.into_iter().map(shown).collect())
        })
        .await
    }
}
