//! The gateways that share a database say that they live.

use std::time::Duration;

use super::{Book, Ledger};
use crate::clock::{between, to_millis};
use crate::error::Result;
use crate::store::GatewayRow;

/// How long a gateway is shown that says nothing more.
const SHOWN: Duration = Duration::from_hours(24);
/// How often somebody looks who waits for what another gateway may settle, which nothing announces here.
const AWAITED: Duration = Duration::from_secs(1);
/// How often a worker without work looks for what other gateways left. What they queue they send themselves, since each may fill every slot
/// of a URL: they leave what they had not begun when they ended, and the end of a lease is waited for by itself.
const LEFT: Duration = Duration::from_secs(4);
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
    /// What it does for all of them, as people call it.
    pub(crate) holds: Vec<&'static str>,
}

impl Ledger {
    /// Whether other gateways may work on the same rows.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// How often to look for what another gateway may settle. `None`: there is none.
    pub(crate) fn looks_every(&self) -> Option<Duration> {
        self.is_shared().then_some(AWAITED)
    }

    /// How often a worker looks for what other gateways left, and for how a channel stands. `None`: there is none.
    pub(crate) fn looks_for_left_every(&self) -> Option<Duration> {
        self.is_shared().then_some(LEFT)
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
        self.read(|book: &Book<'_>| {
            let holders = book.holders()?;
            let shown = |GatewayRow { id, host, version, seen_at, keys }| Neighbour {
                host,
                version,
                seen: between(seen_at, book.now),
                keys,
                is_this: id == book.rules.holder,
                holds: holders.iter().filter(|(by, _)| *by == id).map(|(_, called)| *called).collect(),
            };
            Ok(book.tx().gateways()?.into_iter().map(shown).collect())
        })
        .await
    }
}
