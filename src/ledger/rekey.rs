//! `outbox rekey`: the new key file is proved to open everything before it is used; then everything is sealed under its first key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::keys::Keys;
use super::vault::{KeyTag, Vault};
use super::{Book, Ledger, unusable};
use crate::error::{Code, Error, Result};
use crate::store::{Queue, SEALED, SealedColumn, Seq};

/// Values that one transaction reads, if they are small.
const AT_ONCE: usize = 200;

/// What a rekey did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Rekeyed {
    /// Values that are sealed under the first key now and were not before.
    pub(crate) resealed: u64,
    /// Values that were changed outside the gateway and do not open under any key. They stay as they are.
    pub(crate) unreadable: u64,
}

/// Under which keys that `vault` does not hold how many of `values` are sealed. A value that does not even begin like a sealed one was
/// damaged, and no key would open it.
pub(crate) fn missing_keys<'v>(
    vault: &Vault,
    values: impl IntoIterator<Item = (&'v [u8], u64)>,
) -> BTreeMap<KeyTag, u64> {
    let mut missing = BTreeMap::new();
    for (value, count) in values {
        if let Some(tag) = KeyTag::of(value).filter(|tag| !vault.holds(*tag)) {
            *missing.entry(tag).or_default() += count;
        }
    }
    missing
}

/// `1 value is`, `2 values are`, as the beginning of a sentence.
pub(crate) fn values_are(count: u64) -> String {
    if count == 1 { "1 value is".to_owned() } else { format!("{count} values are") }
}

impl Ledger {
    /// Reads `outbox.key_file` anew and seals every row, and the identity key, under its first key; nothing under a former key is left in
    /// what the database keeps. [`Code::Storage`], and nothing has changed, unless the file holds every key that anything is sealed under.
    pub(crate) async fn rekey(&self) -> Result<Rekeyed> {
        // The keys that are proved to be in the file are the current ones: another rekey must not come between.
        let _alone = self.rules.rekeying.lock().await;
        if let Some(trouble) = self.trouble() {
            return Err((&trouble).into());
        }
        let fresh = self.rules.keys.load().map_err(|error| {
            unusable(&error).advise("Nothing was changed. Correct outbox.key_file, and run rekey again.")
        })?;
        let fresh = Arc::new(fresh);
        let missing = self.keys_missing_in(&fresh).await?;
        if !missing.is_empty() {
            return Err(refused(&missing));
        }
        if let Some(tag) = fresh.sealing_key() {
            self.every_gateway_seals_under(tag).await?;
        }
        self.run(move |book| {
            // What was sealed since it was looked at is under the key in use.
            let in_use = book.vault.sealing_key().filter(|tag| !fresh.holds(*tag));
            if let Some(tag) = in_use {
                return Err(refused(&BTreeMap::from([(tag, 1)])));
            }
            Keys::check_identity(&mut **book.tx(), &fresh)?;
            book.rules.keys.replace(Arc::clone(&fresh));
            Ok(())
        })
        .await?;
        let mut rekeyed = Rekeyed::default();
        for column in SEALED {
            let mut after = Some(Seq::MIN);
            while let Some(from) = after {
                let (last, step) = self.run(move |book| book.reseal(column, from)).await?;
                rekeyed.resealed += step.resealed;
                rekeyed.unreadable += step.unreadable;
                after = last;
            }
        }
        self.run(|book| book.look_again()).await?;
        self.store.overwrite().await?;
        self.wake();
        Ok(rekeyed)
    }

    async fn keys_missing_in(&self, fresh: &Arc<Vault>) -> Result<BTreeMap<KeyTag, u64>> {
        let mut missing = BTreeMap::new();
        for column in SEALED {
            let mut after = Some(Seq::MIN);
            while let Some(from) = after {
                let fresh = Arc::clone(fresh);
                let (last, step) = self
                    .run(move |book| {
                        let values = book.tx().sealed_values(column, from, AT_ONCE)?;
                        let heads = values.iter().map(|value| (value.value.as_slice(), 1));
                        Ok((values.last().map(|value| value.at), missing_keys(&fresh, heads)))
                    })
                    .await?;
                for (tag, values) in step {
                    *missing.entry(tag).or_default() += values;
                }
                after = last;
            }
        }
        Ok(missing)
    }
}

impl Book<'_> {
    /// Seals again what is not under the first key, among the next values after `from`. The last value looked at; none: the column is
    /// through.
    pub(super) fn reseal(&self, column: SealedColumn, from: Seq) -> Result<(Option<Seq>, Rekeyed)> {
        let SealedColumn { table, column: name, .. } = column;
        let mut step = Rekeyed::default();
        let values = self.tx().sealed_values(column, from, AT_ONCE)?;
        for value in values.iter().filter(|value| !self.vault.is_current(&value.value)) {
            match self.unseal(table, &value.name, name, &value.value) {
                Ok(plain) => {
                    let again = self.seal(table, &value.name, name, &plain)?;
                    self.tx().replace_sealed(column, value.at, &again)?;
                    step.resealed += 1;
                }
                Err(error) => {
                    self.rules.unreadable.note(table, &value.name, &error);
                    step.unreadable += 1;
                }
            }
        }
        Ok((values.last().map(|value| value.at), step))
    }

    /// What did not open is due again.
    pub(super) fn look_again(&self) -> Result<()> {
        for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
            for id in self.rules.unreadable.ids(super::work::Columns::of(queue).table) {
                let row = self.tx().listed(queue, &id)?;
                if let Some(row) = row {
                    self.tx().postpone(queue, row.seq, 0, None)?;
                }
            }
        }
        self.rules.unreadable.clear();
        Ok(())
    }
}

fn refused(missing: &BTreeMap<KeyTag, u64>) -> Error {
    let keys: Vec<_> = missing
        .iter()
        .map(|(tag, values)| format!("key {tag}, under which {} sealed", values_are(*values)))
        .collect();
    Error::new(Code::Storage, format!("outbox.key_file does not hold {}", keys.join(", nor ")))
        .advise("Nothing was changed. Put the line of each missing key back into outbox.key_file, below the new one, and run rekey again; take it out once rekey has succeeded and called no value unreadable.")
}
