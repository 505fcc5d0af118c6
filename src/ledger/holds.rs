//! What one gateway does for all that share a database.

use std::time::Duration;

use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::error::Result;

/// The tasks that one gateway does for all, and how people call them.
const TASKS: [(&str, &str); 4] = [
    ("housekeeping", "old rows"),
    ("hub", "MOSIP's hub"),
    ("reconcile", "the comparison with OpenCRVS"),
    ("webhooks", "OpenCRVS's webhooks"),
];

impl Book<'_> {
    /// Who does each task, or did last and nobody since, and how people call it.
    pub(super) fn holders(&self) -> Result<Vec<(i64, &'static str)>> {
        let mut holders = Vec::new();
        for (task, called) in TASKS {
            holders.extend(self.tx().number(&holder(task))?.map(|by| (by, called)));
        }
        Ok(holders)
    }
}

impl Ledger {
    /// Whether this gateway is the one that does `task`, from now on for `term`. Another one takes over where it does not ask again by then.
    pub(crate) async fn holds(&self, task: &'static str, term: Duration) -> Result<bool> {
        if !self.store.is_shared() {
            return Ok(true);
        }
        let ours = self.rules.holder;
        self.run(move |book| {
            let (holder, until) = (holder(task), format!("until {task}"));
            let held_by = book.tx().number(&holder)?;
            if held_by.is_some_and(|held_by| held_by != ours) && book.tx().number(&until)? >= Some(book.now) {
                return Ok(false);
            }
            book.tx().set_number(&holder, ours)?;
            book.tx().set_number(&until, book.now.saturating_add(to_millis(term)))?;
            Ok(true)
        })
        .await
    }
}

fn holder(task: &str) -> String {
    format!("holder {task}")
}
