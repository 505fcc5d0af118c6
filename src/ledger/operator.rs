//! What a person sees of the outbox and decides about it: lists and counts, retry, discard.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::accept::TABLE;
use super::entry::{Entry, EntryView, Refusal, State};
use super::{Book, Ledger};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::registration::Aid;
use crate::store::{self, Closing, Listed, Millis, Queue};

/// Which entries a list holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Only in this state.
    pub(crate) state: Option<State>,
    /// Only those whose last attempt failed by this fault.
    pub(crate) fault: Option<Fault>,
    /// Only those of this group; see [`Group::name`].
    pub(crate) group: Option<String>,
    /// After this cursor.
    pub(crate) after: i64,
}

/// Rows that are in their state for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Names the reason in addresses and forms: 16 hexadecimal digits.
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) refusal: Option<Refusal>,
}

impl Group {
    /// Of `rows` for the reason that the rows keep as `text`.
    fn of(text: Option<&str>, rows: u64) -> Self {
        Self { name: reason_name(text), rows, refusal: Refusal::read(text) }
    }
}

/// The name of the reason that the rows keep as `text`.
pub(super) fn reason_name(text: Option<&str>) -> String {
    let digest = Sha256::digest(text.unwrap_or_default());
    HEXLOWER.encode(digest.get(..8).unwrap_or(&digest))
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// At most [`Page::SIZE`], in order of acceptance.
    pub(crate) entries: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<i64>,
}

impl Page {
    /// Entries on a page.
    pub(crate) const SIZE: usize = 100;
}

/// A [`Page`] as the API and the command line show it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PageView {
    events: Vec<EntryView>,
    next: Option<i64>,
}

impl PageView {
    /// `page` at `now` of the outbox's clock.
    pub(crate) fn of(page: Page, now: Millis) -> Self {
        let events = page.entries.into_iter().map(|entry| EntryView::of(entry, now)).collect();
        Self { events, next: page.next }
    }
}

/// Entries, counted over all destinations.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By destination, kind and state.
    pub(crate) counts: BTreeMap<(String, String, State), u64>,
    /// When the oldest one that waits was accepted, by destination.
    pub(crate) oldest_waiting: BTreeMap<String, Timestamp>,
}

impl Ledger {
    /// One entry; [`Code::NotFound`].
    pub(crate) async fn entry(&self, id: String) -> Result<Entry> {
        self.read(move |book| book.entry(&id)).await
    }

    /// Entries in order of acceptance.
    pub(crate) async fn entries(&self, filter: Filter) -> Result<Page> {
        self.read(move |book| {
            let refusal = match (&filter.group, filter.state) {
                (Some(group), Some(state)) => match book.reason(state, group) {
                    Ok(reason) => Some(reason),
                    Err(error) if error.code() == Code::NotFound => {
                        return Ok(Page { entries: Vec::new(), next: None });
                    }
                    Err(error) => return Err(error),
                },
                _ => None,
            };
            let which = store::Filter {
                states: filter.state.into_iter().collect(),
                fault: filter.fault.map(|fault| fault.as_str().to_owned()),
                refusal,
                ..store::Filter::default()
            };
            let mut rows = book.tx().rows(Queue::Entries, &which, filter.after, Page::SIZE + 1)?;
            let more = rows.len() > Page::SIZE;
            rows.truncate(Page::SIZE);
            let next = rows.last().map(|row| row.seq).filter(|_| more);
            let entries = rows.into_iter().map(|row| book.entry_of(row)).collect::<Result<_>>()?;
            Ok(Page { entries, next })
        })
        .await
    }

    /// Puts a parked entry back into the queue, and makes a queued one due now; [`Code::StateConflict`] for the others.
    pub(crate) async fn retry(&self, id: String) -> Result<Entry> {
        let entry = self
            .run(move |book| {
                let row = book.listed(&id)?;
                if !book.tx().requeue(Queue::Entries, row.seq, book.now)? {
                    return Err(conflict(row.state));
                }
                book.entry(&id)
            })
            .await?;
        self.wake();
        Ok(entry)
    }

    /// What is parked, by its reason, the commonest first.
    pub(crate) async fn parked_groups(&self) -> Result<Vec<Group>> {
        self.read(|book| {
            let reasons = book.tx().refusals(Queue::Entries, State::Parked)?;
            Ok(reasons.into_iter().map(|(text, rows)| Group::of(text.as_deref(), rows)).collect())
        })
        .await
    }

    /// Puts every entry back that was parked by `fault`; how many.
    pub(crate) async fn retry_all(&self, fault: Fault) -> Result<usize> {
        let fault = Some(fault.as_str().to_owned());
        self.retry_those(store::Filter { fault, ..parked() }).await
    }

    /// Puts every parked entry of a group back; how many. [`Code::NotFound`] where there is no such group.
    pub(crate) async fn retry_group(&self, group: String) -> Result<usize> {
        let refusal = Some(self.run(move |book| book.reason(State::Parked, &group)).await?);
        self.retry_those(store::Filter { refusal, ..parked() }).await
    }

    /// Takes every parked entry of a group out for good; their ids. [`Code::NotFound`] where there is no such group.
    pub(crate) async fn discard_group(&self, group: String, reason: String) -> Result<Vec<String>> {
        let refusal = Some(self.run(move |book| book.reason(State::Parked, &group)).await?);
        let filter = store::Filter { refusal, ..parked() };
        let mut discarded = Vec::new();
        loop {
            let (filter, reason) = (filter.clone(), reason.clone());
            let ids = self
                .run(move |book| {
                    let rows = book.tx().rows(Queue::Entries, &filter, 0, Page::SIZE)?;
                    for row in &rows {
                        book.discard(row, &reason)?;
                    }
                    Ok(rows.into_iter().map(|row| row.id).collect::<Vec<_>>())
                })
                .await?;
            if ids.is_empty() {
                break;
            }
            for id in &ids {
                // There may be no receiver.
                let _ = self.rules.settled.send(id.clone());
            }
            discarded.extend(ids);
        }
        self.wake();
        Ok(discarded)
    }

    async fn retry_those(&self, filter: store::Filter) -> Result<usize> {
        let (mut after, mut retried) = (0, 0);
        loop {
            let filter = filter.clone();
            let (last, count) = self
                .run(move |book| {
                    let rows = book.tx().rows(Queue::Entries, &filter, after, Page::SIZE)?;
                    for row in &rows {
                        book.tx().requeue(Queue::Entries, row.seq, book.now)?;
                    }
                    Ok((rows.last().map(|row| row.seq), rows.len()))
                })
                .await?;
            retried += count;
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        self.wake();
        Ok(retried)
    }

    /// Takes an entry out for good, with the reason of the person who did it; [`Code::StateConflict`] while it is being sent and
    /// once it is settled.
    pub(crate) async fn discard(&self, id: String, reason: String) -> Result<Entry> {
        let entry = self
            .run(move |book| {
                let row = book.listed(&id)?;
                if !book.discard(&row, &reason)? {
                    return Err(conflict(row.state));
                }
                book.entry(&id)
            })
            .await?;
        // There may be no receiver.
        let _ = self.rules.settled.send(entry.id.clone());
        self.wake();
        Ok(entry)
    }

    /// How many entries there are, and since when they wait: at every destination that has some.
    pub(crate) async fn tally(&self) -> Result<Tally> {
        self.read(|book| {
            let mut tally = Tally::default();
            let counts = book.tx().counts(Queue::Entries)?;
            for (destination, kind, state, rows) in counts {
                if State::WAITING.contains(&state) {
                    // The first one by its index: what waits behind it, or elsewhere, is not looked at.
                    let filter = store::Filter {
                        states: vec![state],
                        kinds: vec![kind.clone()],
                        destination: Some(destination.clone()),
                        ..store::Filter::default()
                    };
                    let first = book.tx().rows(Queue::Entries, &filter, 0, 1)?;
                    let first = first.first().map(|row| Timestamp::from_millis(row.accepted_at));
                    let known = tally.oldest_waiting.get(&destination).copied();
                    let oldest = known.into_iter().chain(first).min();
                    tally.oldest_waiting.extend(oldest.map(|oldest| (destination.clone(), oldest)));
                }
                tally.counts.insert((destination, kind, state), rows);
            }
            Ok(tally)
        })
        .await
    }
}

fn parked() -> store::Filter {
    store::Filter { states: vec![State::Parked], ..store::Filter::default() }
}

impl Book<'_> {
    /// The reason that is named `group`, as the rows in `state` keep it.
    fn reason(&self, state: State, group: &str) -> Result<String> {
        let reasons = self.tx().refusals(Queue::Entries, state)?;
        let found =
            reasons.into_iter().filter_map(|(text, _)| text).find(|text| reason_name(Some(text)) == group);
        found.ok_or_else(|| Error::new(Code::NotFound, "nothing is left that is parked for this reason"))
    }

    /// Takes an entry out for good; false: it is neither queued nor parked.
    fn discard(&self, row: &Listed, reason: &str) -> Result<bool> {
        let closing = Closing { state: State::Discarded, reason: Some(reason), result: None };
        let is_discarded = self.tx().close(Queue::Entries, row.seq, closing, self.now)?;
        if is_discarded {
            self.rules.unreadable.forget(TABLE, &row.id);
            self.forget_record_token_of(row)?;
        }
        Ok(is_discarded)
    }

    pub(super) fn listed(&self, id: &str) -> Result<Listed> {
        let row = self.tx().listed(Queue::Entries, id)?;
        row.ok_or_else(|| Error::new(Code::NotFound, "there is no such event"))
    }

    pub(super) fn entry(&self, id: &str) -> Result<Entry> {
        let row = self.listed(id)?;
        self.entry_of(row)
    }

    /// An application id that was damaged on the disk is not shown, and does not hide the rest.
    fn entry_of(&self, row: Listed) -> Result<Entry> {
        let aid = row.result.as_ref().and_then(|sealed| {
            let plain = self.unseal(TABLE, &row.id, "aid", sealed).ok()?;
            std::str::from_utf8(&plain).ok().and_then(Aid::parse)
        });
        Ok(Entry {
            seq: row.seq,
            kind: row.kind,
            destination: row.destination,
            state: row.state,
            attempts: row.attempts,
            accepted_at: Timestamp::from_millis(row.accepted_at),
            next_at: row.next_at,
            refusal: Refusal::read(row.refusal.as_deref()),
            discarded_for: row.reason,
            aid,
            id: row.id,
        })
    }
}

fn conflict(state: State) -> Error {
    Error::new(Code::StateConflict, format!("the event is {}", state.as_str()))
}
