//! Registrations that were handed to MOSIP by `mosip-api` and wait there: taken over, so that what MOSIP says of them finds them. Nothing is
//! sent. They are kept as registrations are whose entries are forgotten: by their names alone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::error::Result;
use crate::opencrvs::pending::{Pending, PendingRow, Unusable};
use crate::store::{Queue, State};

/// Rows that one transaction takes over: few, so that a caller who posts does not wait for it.
pub(crate) const MOST_AT_ONCE: usize = 500;

/// What became of rows of `mosip-api`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    pub(crate) taken: u64,
    /// Of these, where record tokens confirm: they have none, or it has ended.
    #[serde(default)]
    pub(crate) without_token: u64,
    /// They were taken over before.
    pub(crate) already_here: u64,
    /// By their rows.
    pub(crate) unusable: Vec<UnusableRow>,
}

/// A row that is not taken over.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnusableRow {
    /// By which its reader finds it.
    pub(crate) row: i64,
    /// [`Unusable`]
    pub(crate) reason: Cow<'static, str>,
    /// What is wrong, and what to do.
    pub(crate) detail: Cow<'static, str>,
}

impl UnusableRow {
    fn new(row: i64, why: Unusable) -> Self {
        Self { row, reason: why.as_str().into(), detail: why.sentence().into() }
    }
}

impl Imported {
    /// What became of these rows and of `further` ones.
    pub(crate) fn add(&mut self, mut further: Self) {
        self.taken += further.taken;
        self.without_token += further.without_token;
        self.already_here += further.already_here;
        self.unusable.append(&mut further.unusable);
    }
}

/// What becomes of a registration.
enum Takeover {
    Taken,
    /// It is taken; no token confirms it, though record tokens do.
    WithoutToken,
    AlreadyHere,
    Unusable(Unusable),
}

impl Ledger {
    /// Takes over the registrations in `rows`, all in one transaction. What is known is left as it is.
    pub(crate) async fn import(&self, rows: Vec<PendingRow>) -> Result<Imported> {
        self.refuse_in_trouble()?;
        let (mut pending, mut unusable) = (Vec::new(), Vec::new());
        for row in rows {
            let number = row.row;
            match Pending::read(row) {
                Ok(read) => pending.push(read),
                Err(why) => unusable.push(UnusableRow::new(number, why)),
            }
        }
        let mut locks: Vec<_> = pending.iter().map(|one| one.registration_id.clone()).collect();
        locks.sort_unstable();
        locks.dedup();
        let imported = self.take(locks, move |book| {
            let mut imported = Imported::default();
            for one in &pending {
                match book.take_over(one)? {
                    Takeover::Taken => imported.taken += 1,
                    Takeover::WithoutToken => {
                        imported.taken += 1;
                        imported.without_token += 1;
                    }
                    Takeover::AlreadyHere => imported.already_here += 1,
                    Takeover::Unusable(why) => imported.unusable.push(UnusableRow::new(one.row, why)),
                }
            }
            Ok(imported)
        });
        let mut imported = imported.await?;
        imported.unusable.append(&mut unusable);
        imported.unusable.sort_unstable_by_key(|unusable| unusable.row);
        Ok(imported)
    }
}

impl Book<'_> {
    fn take_over(&self, Pending { registration_id: id, subject, token, .. }: &Pending) -> Result<Takeover> {
        if self.tx().is_taken(id)? {
            let number = self.correlated(id)?.and_then(|known| known.registration_number);
            let is_known = number.is_some() && number == subject.registration_number;
            return Ok(if is_known { Takeover::AlreadyHere } else { Takeover::Unusable(Unusable::IdInUse) });
        }
        if let Some(event) = &subject.event_id
            && self.is_registered_here(event)?
        {
            return Ok(Takeover::Unusable(Unusable::Superseded));
        }
        self.correlate(id, subject)?;
        let keeps_tokens = self.rules.keeps_record_tokens();
        if let Some(token) = token
            && keeps_tokens
        {
            self.keep_record_token(id, token)?;
        }
        if let Some(within) = self.rules.expected_within.get() {
            self.tx().expect(id, Some(self.now.saturating_add(to_millis(*within))))?;
        }
        let confirms = token.as_ref().is_some_and(|token| token.ends() > self.wall);
        Ok(if keeps_tokens && !confirms { Takeover::WithoutToken } else { Takeover::Taken })
    }

    /// Whether a caller of the gateway has registered the record `event`: it is not only taken over.
    fn is_registered_here(&self, event: &str) -> Result<bool> {
        for entry in self.bearers("eventId", event)? {
            let row = self.tx().listed(Queue::Entries, &entry)?;
            let is_discarded = row.is_some_and(|row| row.state == State::Discarded);
            let is_taken_over =
                self.correlated(&entry)?.is_some_and(|known| known.registration_number.is_some());
            if !is_discarded && !is_taken_over {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
