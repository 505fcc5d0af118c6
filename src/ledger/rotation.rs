//! A new key in `outbox.key_file` while several gateways share the database: each reads its file again, and none seals under a key that
//! another one which lives does not have yet.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::keys::Keys;
use super::vault::{KeyTag, Vault};
use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::error::{Code, Error, Result};
use crate::store::{GatewayRow, Millis};

/// How long a gateway counts as alive after it said so.
const LIVES: Duration = Duration::from_secs(30);
/// How many seconds a gateway that lives has to say so again.
const LOOKS: u32 = 15;
/// How long a gateway goes on without reading its key file: shorter than others wait for it to say that it lives.
const READ_FOR: Duration = Duration::from_secs(12);

impl Ledger {
    /// Reads `outbox.key_file` again, where gateways share it; whether it holds a key that is new here. What was read before goes on
    /// opening until the stop, and a file without the key in use is told by [`Self::look_after`].
    pub(crate) async fn read_keys_again(&self) -> Result<bool> {
        if !self.store.is_shared() {
            return Ok(false);
        }
        let Ok(fresh) = self.rules.keys.load() else { return Ok(false) };
        let fresh = Arc::new(fresh);
        let waits_for = self.run(move |book| book.take_keys(&fresh)).await?;
        let mut waited = self.rules.waits_for.lock().await;
        if waits_for.is_some() && *waited != waits_for {
            tracing::warn!(
                host = waits_for,
                "another gateway does not have the first key of outbox.key_file yet, so that the former one goes on sealing"
            );
        }
        *waited = waits_for;
        Ok(self.rules.keys.has_new.swap(false, Ordering::Relaxed))
    }

    /// [`Code::Storage`] while another gateway that lives seals under another key than `tag`. One lives if it says so while we look.
    pub(super) async fn every_gateway_seals_under(&self, tag: KeyTag) -> Result<()> {
        if !self.store.is_shared() {
            return Ok(());
        }
        let mut first: Option<Vec<GatewayRow>> = None;
        for _ in 0..LOOKS {
            let others = self.run(move |book| book.others(|row| !seals_under(row, tag))).await?;
            if others.is_empty() {
                return Ok(());
            }
            let known = first.get_or_insert_with(|| others.clone());
            let lives = |row: &&GatewayRow| {
                !known.iter().any(|before| before.id == row.id && before.seen_at == row.seen_at)
            };
            if let Some(row) = others.iter().find(lives) {
                return Err(behind(row, tag));
            }
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }
}

impl Ledger {
    /// Whether it is time to read the key file again, as [`Book::catch_up`] does.
    pub(super) fn is_behind(&self) -> bool {
        self.is_shared() && self.rules.keys.is_behind(self.uptime())
    }
}

impl Keys {
    fn is_behind(&self, now: Millis) -> bool {
        now - self.read_at.load(Ordering::Relaxed) > to_millis(READ_FOR)
    }
}

impl Book<'_> {
    /// Reads the key file again where this gateway has not done so for long, since it was stopped or cut off: a rekey that did not wait for
    /// it may have come between, and what it sealed under the former key would be left.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        let keys = &self.rules.keys;
        if keys.is_behind(self.now)
            && let Ok(fresh) = keys.load()
        {
            self.take_keys(&fresh)?;
            self.vault = keys.opened()?.vault;
        }
        Ok(())
    }

    /// The keys of `fresh` open from now on, beside those that did; the first seals once every gateway that lives opens with it. The host of
    /// one that lacks it.
    fn take_keys(&self, fresh: &Vault) -> Result<Option<String>> {
        let (Some(first), Some(in_use)) = (fresh.sealing_key(), self.vault.sealing_key()) else {
            return Ok(None);
        };
        self.rules.keys.read_at.store(self.now, Ordering::Relaxed);
        let since = self.now - to_millis(LIVES);
        let lives = |row: &GatewayRow| row.seen_at >= since;
        // Where the key in use was taken out, it is a wrong file, unless another gateway has come to seal under its first key.
        if !fresh.holds(in_use) && self.others(|row| lives(row) && seals_under(row, first))?.is_empty() {
            return Ok(None);
        }
        let mut next = fresh.followed_by(&self.vault);
        let mut lacking = None;
        if first != in_use {
            lacking = self.others(|row| lives(row) && !opens_with(row, first))?.pop();
            if lacking.is_some() {
                next = next.led_by(in_use);
            }
        }
        if next.tags().any(|tag| !self.vault.holds(tag)) {
            self.rules.keys.has_new.store(true, Ordering::Relaxed);
            tracing::info!("outbox.key_file holds a new key, which opens rows from now on");
            self.look_again()?;
        }
        if !next.tags().eq(self.vault.tags()) {
            self.rules.keys.replace(Arc::new(next));
        }
        Ok(lacking.map(|row| row.host))
    }

    /// The other gateways of which `is_meant` holds.
    fn others(&self, is_meant: impl Fn(&GatewayRow) -> bool) -> Result<Vec<GatewayRow>> {
        let mut rows = self.tx().gateways()?;
        rows.retain(|row| row.id != self.rules.holder && is_meant(row));
        Ok(rows)
    }
}

fn opens_with(row: &GatewayRow, tag: KeyTag) -> bool {
    row.keys.split(' ').any(|known| known == tag.to_string())
}

fn seals_under(row: &GatewayRow, tag: KeyTag) -> bool {
    row.keys.split(' ').next() == Some(tag.to_string().as_str())
}

fn behind(row: &GatewayRow, tag: KeyTag) -> Error {
    let host = &row.host;
    let (what, advice) = match opens_with(row, tag) {
        true => (
            format!("the gateway on {host} still seals under another key than {tag}"),
            "Nothing was changed. Write the new line first in outbox.key_file of every gateway; each reads it within 10 s, and seals under it once all of them have it. Then run rekey again.",
        ),
        false => (
            format!("the gateway on {host} does not have key {tag} yet"),
            "Nothing was changed. Write the new line into outbox.key_file of that gateway, too; it reads it within 10 s. Then run rekey again.",
        ),
    };
    Error::new(Code::Storage, what).advise(advice)
}
