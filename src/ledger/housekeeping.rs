//! What is old is forgotten, and what has waited too long is given up.

use super::settings::Outbox;
use super::{Ledger, keys};
use crate::clock::to_millis;
use crate::error::Result;

impl Ledger {
    /// Writes the outbox's clock, forgets what is older than `outbox.retention` and `outbox.remember`, and parks what has waited longer
    /// than `outbox.give_up_after`.
    pub(crate) async fn housekeep(&self) -> Result<()> {
        self.look_after().await?;
        let Outbox { retention, remember, give_up_after, .. } = self.rules.outbox;
        self.run(move |book| {
            if book.tx().clock()?.is_none() {
                book.tx().set_number(keys::UPTIME, book.now)?;
            }
            book.tx().forget(book.now - to_millis(retention), book.now - to_millis(remember))?;
            book.forget_twice()?;
            book.forget_deliveries(retention)
        })
        .await?;
        self.erase_record_tokens().await?;
        self.store.empty_log().await?;
        let refused = self.refuse_aged_records(give_up_after).await?;
        if refused > 0 {
            tracing::warn!(
                records = refused,
                "records of jobs that waited longer than outbox.give_up_after are refused"
            );
        }
        self.report_silent().await?;
        let parked = self.park_aged(give_up_after).await?;
        if parked > 0 {
            tracing::warn!(
                entries = parked,
                "entries that waited longer than outbox.give_up_after are parked"
            );
        }
        Ok(())
    }
}
