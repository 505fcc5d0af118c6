//! What a person sees of the outbox and decides about it: lists and counts, retry, discard.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, ToSql, params};
use serde::Serialize;

use super::entries::{COLUMNS, state};
use super::{Store, Tables};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::outbox::entry::{Entry, Shown, State};
use crate::outbox::uptime::Millis;

/// Which entries a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only those whose last attempt failed by this fault.
    pub fault: Option<Fault>,
    /// After this cursor.
    pub after: i64,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most [`Page::SIZE`], in order of acceptance.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
}

impl Page {
    /// Entries on a page.
    pub const SIZE: usize = 100;
}

/// A [`Page`] as the API and the command line show it.
#[derive(Debug, Clone, Serialize)]
pub struct ShownPage {
    events: Vec<Shown>,
    next: Option<i64>,
}

impl ShownPage {
    /// `page` at `now` of the outbox's clock.
    pub fn of(page: Page, now: Millis) -> Self {
        Self {
            events: page.entries.into_iter().map(|entry| Shown::of(entry, now)).collect(),
            next: page.next,
        }
    }
}

impl Store {
    /// One entry; [`Code::NotFound`].
    pub async fn entry(&self, id: String) -> Result<Entry> {
        self.run(move |tables| tables.find(&id)).await
    }

    /// Entries in order of acceptance.
    pub async fn entries(&self, filter: Filter) -> Result<Page> {
        self.run(move |tables| {
            let mut sql = format!("SELECT {COLUMNS} FROM entry WHERE seq>?1");
            let state = filter.state.map(State::as_str);
            let fault = filter.fault.map(Fault::as_str);
            let mut values: Vec<&dyn ToSql> = vec![&filter.after];
            for (column, value) in [("state", &state), ("fault", &fault)] {
                if value.is_some() {
                    values.push(value);
                    sql.push_str(&format!(" AND {column}=?{}", values.len()));
                }
            }
            sql.push_str(&format!(" ORDER BY seq LIMIT {}", Page::SIZE + 1));
            let mut find = tables.connection.prepare_cached(&sql)?;
            let mut rows = find.query(values.as_slice())?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(tables.entry(row)?);
            }
            let more = entries.len() > Page::SIZE;
            entries.truncate(Page::SIZE);
            let next = entries.last().map(|entry| entry.seq).filter(|_| more);
            Ok(Page { entries, next })
        })
        .await
    }

    /// Puts a parked entry back into the queue, and makes a queued one due now; [`Code::StateConflict`] for the others.
    pub async fn retry(&self, id: String) -> Result<Entry> {
        self.run(move |tables| {
            let entry = tables.find(&id)?;
            match entry.state {
                State::Queued => tables.hasten(&id)?,
                State::Parked => tables.requeue(&id)?,
                state => return Err(conflict(state)),
            }
            tables.find(&id)
        })
        .await
    }

    /// Puts every entry back that was parked by `fault`; how many.
    pub async fn retry_all(&self, fault: Fault) -> Result<usize> {
        self.run(move |tables| {
            let parked = "SELECT id FROM entry WHERE state='parked' AND fault=?1 ORDER BY seq";
            let mut parked = tables.connection.prepare_cached(parked)?;
            let ids = parked.query_map([fault.as_str()], |row| row.get(0))?;
            let ids = ids.collect::<rusqlite::Result<Vec<String>>>()?;
            ids.iter().try_for_each(|id| tables.requeue(id))?;
            Ok(ids.len())
        })
        .await
    }

    /// Takes an entry out for good, with the reason of the person who did it; [`Code::StateConflict`] while it is being sent and
    /// once it is settled.
    pub async fn discard(&self, id: String, reason: String) -> Result<Entry> {
        self.run(move |tables| {
            let entry = tables.find(&id)?;
            match entry.state {
                State::Queued | State::Parked => tables.close(&id, State::Discarded, Some(&reason))?,
                state => return Err(conflict(state)),
            }
            tables.find(&id)
        })
        .await
    }

    /// Entries by kind and state.
    pub async fn counts(&self) -> Result<BTreeMap<(String, State), u64>> {
        self.run(|tables| {
            let mut find = tables
                .connection
                .prepare_cached("SELECT kind, state, count(*) FROM entry GROUP BY state, kind")?;
            let mut rows = find.query([])?;
            let mut counts = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let count: i64 = row.get(2)?;
                counts.insert((row.get(0)?, state(row, 1)?), u64::try_from(count).unwrap_or(0));
            }
            Ok(counts)
        })
        .await
    }

    /// When the oldest event that waits for MOSIP was accepted.
    pub async fn oldest_waiting(&self) -> Result<Option<Timestamp>> {
        self.run(|tables| {
            let oldest = "SELECT accepted_at FROM entry WHERE state IN ('queued', 'leased') AND destination='mediator' ORDER BY state, seq LIMIT 1";
            let millis = tables.connection.prepare_cached(oldest)?.query_row([], |row| row.get(0)).optional()?;
            Ok(millis.map(Timestamp::from_millis))
        })
        .await
    }
}

impl Tables<'_> {
    /// Due now, in the place that it has, with the age counted anew.
    fn hasten(&self, id: &str) -> Result<()> {
        let hasten = "UPDATE entry SET next_at=0, waiting_since=?2 WHERE id=?1";
        self.connection.prepare_cached(hasten)?.execute(params![id, self.now])?;
        Ok(())
    }

    /// Back into the queue, behind all others, with the age counted anew.
    fn requeue(&self, id: &str) -> Result<()> {
        let requeue = "UPDATE entry SET state='queued', next_at=0, waiting_since=?2, position=?3 WHERE id=?1";
        self.connection.prepare_cached(requeue)?.execute(params![id, self.now, self.next_position()?])?;
        Ok(())
    }
}

fn conflict(state: State) -> Error {
    Error::new(Code::StateConflict, format!("the event is {state}"))
}
