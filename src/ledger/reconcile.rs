//! Which records of OpenCRVS have an entry here.

use std::time::Duration;

use super::{Book, Ledger};
use crate::error::Result;
use crate::opencrvs::event::EventKind;
use crate::store::Queue;

/// Records that are looked up in one transaction: few, so that a caller who posts does not wait for it.
const AT_ONCE: usize = 100;

impl Ledger {
    /// For how long it is remembered that an event has come.
    pub(crate) fn remembers(&self) -> Duration {
        self.rules.outbox.remember
    }

    /// Of these compositions those that no entry of `kind`, a birth or death, was ever accepted for, as far as the outbox remembers.
    pub(crate) async fn without_entry(
        &self,
        kind: EventKind,
        compositions: Vec<String>,
    ) -> Result<Vec<String>> {
        let mut without = Vec::new();
        for some in compositions.chunks(AT_ONCE) {
            let some = some.to_vec();
            let found = self.read(move |book| {
                let mut without = Vec::new();
                for composition in &some {
                    if !book.has_entry(kind, composition)? {
                        without.push(composition.clone());
                    }
                }
                Ok(without)
            });
            without.extend(found.await?);
        }
        Ok(without)
    }
}

impl Book<'_> {
    /// Whether a birth or death was accepted for `composition`: its corrections and revocations bear its id, too.
    fn has_entry(&self, kind: EventKind, composition: &str) -> Result<bool> {
        for entry in self.bearers("compositionId", composition)? {
            // Of a row past `outbox.retention` the name is left, which is the composition's for its first birth or death alone.
            let row = self.tx().listed(Queue::Entries, &entry)?;
            if row.map_or(entry == composition, |row| row.kind == kind.as_str()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
