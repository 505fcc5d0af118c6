//! `outbox rekey`: the new key file is proved to open everything before it is used; then everything is sealed under its first key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::schema::SEALED;
use super::{Store, Tables, open, unusable};
use crate::error::{Code, Error, Result};
use crate::outbox::vault::{KEY_HEAD_LEN, KeyTag, Vault};

/// Rows that one group reads.
const ROWS_AT_ONCE: i64 = 200;

/// What a rekey did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rekeyed {
    /// Values that are sealed under the first key now and were not before.
    pub resealed: u64,
    /// Values that were changed outside the gateway and do not open under any key. They stay as they are.
    pub unreadable: u64,
}

/// A sealed column: table, column that names the row, column.
pub(super) type Column = (&'static str, &'static str, &'static str);

/// How far a pass over a column has come.
pub(super) struct Step<T> {
    found: T,
    /// The last row looked at; none: the table is through.
    last: Option<i64>,
}

impl Store {
    /// Reads `outbox.key_file` anew and seals every row, and the identity key, under its first key; nothing under a former key is left in
    /// the files. [`Code::Storage`], and nothing has changed, unless the file holds every key that anything is sealed under.
    pub async fn rekey(&self) -> Result<Rekeyed> {
        // The keys that are proved to be in the file are those of the moment: another rekey must not come between.
        let _alone = self.0.rekeying.lock().await;
        self.0.site.health.check()?;
        let fresh = Vault::load(&self.0.site.settings.key_file).map_err(|error| {
            unusable(&error).advise("Nothing was changed. Correct outbox.key_file, and run rekey again.")
        })?;
        let missing = self.keys_missing_in(&fresh).await?;
        if !missing.is_empty() {
            return Err(refused(&missing));
        }
        let fresh = Arc::new(fresh);
        self.run(move |tables| {
            // What was sealed since it was looked at is under the key in use.
            let in_use = tables.vault.sealing_key().filter(|tag| !fresh.holds(*tag));
            if let Some(tag) = in_use {
                return Err(refused(&BTreeMap::from([(tag, 1)])));
            }
            let identity = open::sealed_identity(tables.connection)?.unwrap_or_default();
            fresh.open(open::IDENTITY, &identity).map_err(|error| {
                Error::new(Code::Storage, format!("the identity key of the database: {error}")).advise(
                    "Nothing was changed. Restore the database and outbox.key_file from the same backup.",
                )
            })?;
            tables.site.replace_vault(fresh);
            Ok(())
        })
        .await?;
        let mut rekeyed = Rekeyed::default();
        for column in SEALED {
            let mut after = Some(0);
            while let Some(rowid) = after {
                let step = self.run(move |tables| tables.reseal(column, rowid)).await?;
                rekeyed.resealed += step.found.resealed;
                rekeyed.unreadable += step.found.unreadable;
                after = step.last;
            }
        }
        self.run(|tables| tables.look_again()).await?;
        self.0.group.command(|desk| desk.empty_log()).await?;
        Ok(rekeyed)
    }

    /// Under which keys that `fresh` does not hold how many values are sealed.
    async fn keys_missing_in(&self, fresh: &Vault) -> Result<BTreeMap<KeyTag, u64>> {
        let mut missing = BTreeMap::new();
        for column in SEALED {
            let mut after = Some(0);
            while let Some(rowid) = after {
                let step = self.run(move |tables| tables.tags(column, rowid)).await?;
                for (tag, values) in step.found.into_iter().filter(|(tag, _)| !fresh.holds(*tag)) {
                    *missing.entry(tag).or_default() += values;
                }
                after = step.last;
            }
        }
        Ok(missing)
    }
}

impl Tables<'_> {
    /// The keys that the next values after `rowid` are sealed under, and how many each. A value that does not even begin like a sealed
    /// one was damaged, and no key would open it.
    fn tags(&self, (table, _, column): Column, rowid: i64) -> Result<Step<BTreeMap<KeyTag, u64>>> {
        let find = format!(
            "SELECT rowid, substr({column}, 1, {KEY_HEAD_LEN}) FROM {table} WHERE rowid>?1 AND {column} IS NOT NULL ORDER BY rowid LIMIT ?2"
        );
        let mut step = Step { found: BTreeMap::new(), last: None };
        let mut find = self.connection.prepare_cached(&find)?;
        let mut rows = find.query([rowid, ROWS_AT_ONCE])?;
        while let Some(row) = rows.next()? {
            step.last = Some(row.get(0)?);
            if let Some(tag) = KeyTag::of(&row.get::<_, Vec<u8>>(1)?) {
                *step.found.entry(tag).or_default() += 1;
            }
        }
        Ok(step)
    }

    /// Seals anew what is not under the first key, among the next rows after `rowid`.
    pub(super) fn reseal(&self, (table, row, column): Column, rowid: i64) -> Result<Step<Rekeyed>> {
        let find = format!(
            "SELECT rowid, {row}, {column} FROM {table} WHERE rowid>?1 AND {column} IS NOT NULL ORDER BY rowid LIMIT ?2"
        );
        let update = format!("UPDATE {table} SET {column}=?1 WHERE rowid=?2");
        let mut step = Step { found: Rekeyed::default(), last: None };
        let mut find = self.connection.prepare_cached(&find)?;
        let mut rows = find.query([rowid, ROWS_AT_ONCE])?;
        while let Some(found) = rows.next()? {
            let (rowid, name, sealed): (i64, String, Vec<u8>) = (found.get(0)?, found.get(1)?, found.get(2)?);
            step.last = Some(rowid);
            if self.vault.is_current(&sealed) {
                continue;
            }
            match self.unseal(table, &name, column, &sealed) {
                Ok(plain) => {
                    let again = self.seal(table, &name, column, &plain)?;
                    self.connection.prepare_cached(&update)?.execute((again, rowid))?;
                    step.found.resealed += 1;
                }
                Err(error) => {
                    self.site.unreadable.note(table, &name, &error);
                    step.found.unreadable += 1;
                }
            }
        }
        Ok(step)
    }

    /// What did not open is due again.
    fn look_again(&self) -> Result<()> {
        for table in ["entry", "job_record", "delivery"] {
            let due = format!("UPDATE {table} SET next_at=0 WHERE id IN (SELECT value FROM json_each(?1))");
            self.connection.prepare_cached(&due)?.execute([self.site.unreadable.ids(table)])?;
        }
        self.site.unreadable.clear();
        Ok(())
    }
}

fn refused(missing: &BTreeMap<KeyTag, u64>) -> Error {
    let keys: Vec<_> = missing
        .iter()
        .map(|(tag, values)| {
            let values = if *values == 1 { "1 value is".to_owned() } else { format!("{values} values are") };
            format!("key {tag}, under which {values} sealed")
        })
        .collect();
    Error::new(Code::Storage, format!("outbox.key_file does not hold {}", keys.join(", nor ")))
        .advise("Nothing was changed. Put the line of each missing key back into outbox.key_file, below the new one, and run rekey again; take it out once rekey has succeeded.")
}
