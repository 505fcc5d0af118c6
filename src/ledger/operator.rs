//! What a person sees of the outbox and decides about it: lists and counts, retry, discard.

use std::collections::BTreeMap;

use serde::Serialize;

use super::accept::TABLE;
use super::entry::{Destination, Entry, EntryView, Refusal, State};
use super::{Book, Ledger};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::event::Aid;
use crate::store::{self, Millis, Queue, Row};

/// Which entries a list holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Only in this state.
    pub(crate) state: Option<State>,
    /// Only those whose last attempt failed by this fault.
    pub(crate) fault: Option<Fault>,
    /// After this cursor.
    pub(crate) after: i64,
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

impl Ledger {
    /// One entry; [`Code::NotFound`].
    pub(crate) async fn entry(&self, id: String) -> Result<Entry> {
        self.run(move |book| book.entry(&id)).await
    }

    /// Entries in order of acceptance.
    pub(crate) async fn entries(&self, filter: Filter) -> Result<Page> {
        self.run(move |book| {
            let which = store::Filter {
                states: filter.state.into_iter().collect(),
                fault: filter.fault.map(|fault| fault.as_str().to_owned()),
                ..store::Filter::default()
            };
            let mut rows = book.tx().rows(Queue::Entries, &which, filter.after, Page::SIZE + 1)?;
            let more = rows.len() > Page::SIZE;
            rows.truncate(Page::SIZE);
            let next = rows.last().map(|row| row.seq).filter(|_| more);
            let entries = rows.into_iter().map(|row| book.shown(row)).collect::<Result<_>>()?;
            Ok(Page { entries, next })
        })
        .await
    }

    /// Puts a parked entry back into the queue, and makes a queued one due now; [`Code::StateConflict`] for the others.
    pub(crate) async fn retry(&self, id: String) -> Result<Entry> {
        let entry = self
            .run(move |book| {
                let row = book.row(&id)?;
                if !book.tx().requeue(Queue::Entries, row.seq, book.now)? {
                    return Err(conflict(row.state));
                }
                book.entry(&id)
            })
            .await?;
        self.wake();
        Ok(entry)
    }

    /// Puts every entry back that was parked by `fault`; how many.
    pub(crate) async fn retry_all(&self, fault: Fault) -> Result<usize> {
        let filter = store::Filter {
            states: vec![State::Parked],
            fault: Some(fault.as_str().to_owned()),
            ..store::Filter::default()
        };
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
                let row = book.row(&id)?;
                if !book.tx().close(
                    Queue::Entries,
                    row.seq,
                    State::Discarded,
                    Some(&reason),
                    None,
                    book.now,
                )? {
                    return Err(conflict(row.state));
                }
                book.rules.unreadable.forget(TABLE, &id);
                book.entry(&id)
            })
            .await?;
        // Nobody may be waiting.
        let _ = self.rules.settled.send(entry.id.clone());
        self.wake();
        Ok(entry)
    }

    /// Entries by kind and state.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<(String, State), u64>> {
        self.run(|book| {
            let mut counts = BTreeMap::new();
            for (_, kind, state, rows) in book.tx().counts(Queue::Entries)? {
                *counts.entry((kind, state)).or_insert(0) += rows;
            }
            Ok(counts)
        })
        .await
    }

    /// When the oldest event that waits for MOSIP was accepted.
    pub(crate) async fn oldest_waiting(&self) -> Result<Option<Timestamp>> {
        self.run(|book| {
            let mut oldest: Option<Row> = None;
            for state in [State::Queued, State::Leased] {
                let filter = store::Filter {
                    states: vec![state],
                    destination: Some(Destination::Mediator.as_str().to_owned()),
                    ..store::Filter::default()
                };
                let first = book.tx().rows(Queue::Entries, &filter, 0, 1)?;
                oldest = oldest.into_iter().chain(first).min_by_key(|row| row.seq);
            }
            Ok(oldest.map(|row| Timestamp::from_millis(row.accepted_at)))
        })
        .await
    }
}

impl Book<'_> {
    pub(super) fn row(&self, id: &str) -> Result<Row> {
        let row = self.tx().row(Queue::Entries, id)?;
        row.ok_or_else(|| Error::new(Code::NotFound, "there is no such event"))
    }

    pub(super) fn entry(&self, id: &str) -> Result<Entry> {
        let row = self.row(id)?;
        self.shown(row)
    }

    /// An application id that was damaged on the disk is not shown, and keeps nobody from the rest.
    fn shown(&self, row: Row) -> Result<Entry> {
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
            aid,
            id: row.id,
        })
    }
}

fn conflict(state: State) -> Error {
    Error::new(Code::StateConflict, format!("the event is {}", state.as_str()))
}
