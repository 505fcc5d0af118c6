//! Entries that have waited too long are parked.

use std::time::Duration;

use super::accept::TABLE as ENTRY;
use super::entry::{Refusal, State, never_tried};
use super::{Book, Ledger, unreadable};
use crate::clock::to_millis;
use crate::error::Result;
use crate::store::{Filter, Listed, Queue};

/// Entries whose age is checked in one transaction.
const AGED_AT_ONCE: usize = 100;

impl Ledger {
    /// Parks entries that have waited longer than `give_up_after`, with the reason of their last attempt; how many. One that does not
    /// open is not parked.
    pub(crate) async fn park_aged(&self, give_up_after: Duration) -> Result<usize> {
        let (mut after, mut parked) = (Some(0), 0);
        while let Some(from) = after {
            let (last, aged) = self
                .run(move |book| {
                    let filter = Filter {
                        states: vec![State::Queued],
                        waiting_since: Some(book.now - to_millis(give_up_after)),
                        ..Filter::default()
                    };
                    let rows = book.tx().rows(Queue::Entries, &filter, from, AGED_AT_ONCE)?;
                    let last = rows.last().map(|row| row.seq).filter(|_| rows.len() == AGED_AT_ONCE);
                    let mut aged = Vec::new();
                    for row in rows {
                        if book.park_aged(&row)? {
                            aged.push(row.id);
                        }
                    }
                    Ok((last, aged))
                })
                .await?;
            parked += aged.len();
            for id in aged {
                // There may be no receiver.
                let _ = self.rules.settled.send(id);
            }
            after = last;
        }
        Ok(parked)
    }
}

impl Book<'_> {
    fn park_aged(&self, row: &Listed) -> Result<bool> {
        let whole = self.tx().row(Queue::Entries, &row.id)?;
        if let Some(Err(error)) = whole.map(|row| self.open_work(&row)) {
            self.rules.unreadable.note(ENTRY, &row.id, &error);
            let refusal = Refusal::from(&error).kept()?;
            let until = self.now + unreadable::REST;
            self.tx().postpone(Queue::Entries, row.seq, until, Some(&refusal))?;
            return Ok(false);
        }
        let last = Refusal::read(row.refusal.as_deref());
        let refusal = last.unwrap_or_else(|| Refusal::from(&never_tried()));
        if !self.tx().park(Queue::Entries, row.seq, &refusal.kept()?)? {
            return Ok(false);
        }
        self.tell_parked(&row.id, &refusal)?;
        Ok(true)
    }
}
