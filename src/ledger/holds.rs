//! What one gateway does for all that share a database. It does so under a hold, and what it writes as the one that does a task counts only
//! while no other gateway has taken the task over.

use std::time::Duration;

use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::error::{Code, Error, Result};
use crate::words::words;

words! {
    /// What one gateway does for all.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Task {
        /// Old rows are forgotten, and what has waited too long is parked.
        Housekeeping = "housekeeping",
        /// The subscriptions at MOSIP's hub.
        Hub = "hub",
        /// The comparison with what OpenCRVS has.
        Reconcile = "reconcile",
        /// The subscriptions at OpenCRVS, while a gateway looks at them.
        Webhooks = "webhooks",
    }
}

impl Task {
    /// How people call it.
    const fn called(self) -> &'static str {
        match self {
            Self::Housekeeping => "old rows",
            Self::Hub => "MOSIP's hub",
            Self::Reconcile => "the comparison with OpenCRVS",
            Self::Webhooks => "OpenCRVS's webhooks",
        }
    }

    /// Which gateway does it, or did last.
    fn holder(self) -> String {
        format!("holder {}", self.as_str())
    }

    /// Until when, on the outbox's clock.
    fn until(self) -> String {
        format!("until {}", self.as_str())
    }

    /// How often another gateway has taken it over.
    fn fence(self) -> String {
        format!("fence {}", self.as_str())
    }
}

/// That this gateway does a task, from the takeover of this number until the next one. Where gateways share nothing, the number is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    task: Task,
    fence: i64,
}

impl Book<'_> {
    /// Who does each task, or did last and nobody since, and how people call it.
    pub(super) fn holders(&self) -> Result<Vec<(i64, &'static str)>> {
        let mut holders = Vec::new();
        for task in Task::ALL {
            holders.extend(self.tx().number(&task.holder())?.map(|by| (by, task.called())));
        }
        Ok(holders)
    }

    /// [`Code::StateConflict`] where another gateway has taken the task over.
    pub(super) fn still_holds(&self, Hold { task, fence }: Hold) -> Result<()> {
        let is_ours = self.tx().number(&task.fence())?.unwrap_or_default() == fence;
        is_ours.then_some(()).ok_or_else(|| {
            Error::new(Code::StateConflict, format!("another gateway looks after {} now", task.called()))
                .advise("Try again in a moment: nothing was changed.")
        })
    }
}

impl Ledger {
    /// Has this gateway do `task` for `term` from now on, whether it did so before or not; `None`: another one does it. A hold that differs
    /// from the one before: another gateway did it in between. Another one takes over where this one does not ask again by then.
    pub(crate) async fn hold(&self, task: Task, term: Duration) -> Result<Option<Hold>> {
        if !self.is_shared() {
            return Ok(Some(Hold { task, fence: 0 }));
        }
        let ours = self.rules.holder;
        self.run(move |book| {
            let held_by = book.tx().number(&task.holder())?;
            let mut fence = book.tx().number(&task.fence())?.unwrap_or_default();
            if held_by != Some(ours) {
                if held_by.is_some() && book.tx().number(&task.until())? > Some(book.now) {
                    return Ok(None);
                }
                fence = fence.saturating_add(1);
                book.tx().set_number(&task.holder(), ours)?;
                book.tx().set_number(&task.fence(), fence)?;
            }
            book.tx().set_number(&task.until(), book.now.saturating_add(to_millis(term)))?;
            Ok(Some(Hold { task, fence }))
        })
        .await
    }

    /// The same ledger for what this gateway does under `hold`: once another gateway has taken the task over, nothing of it happens, and each
    /// answer is [`Code::StateConflict`].
    pub(crate) fn under(&self, hold: Hold) -> Self {
        Self { hold: self.is_shared().then_some(hold), ..self.clone() }
    }

    /// Where this gateway does `task`, any gateway may take it over at once.
    pub(crate) async fn let_go(&self, task: Task) -> Result<()> {
        if !self.is_shared() {
            return Ok(());
        }
        let ours = self.rules.holder;
        self.run(move |book| {
            let held_by = book.tx().number(&task.holder())?;
            if held_by == Some(ours) { book.tx().set_number(&task.until(), 0) } else { Ok(()) }
        })
        .await
    }
}
