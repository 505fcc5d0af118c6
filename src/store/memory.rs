//! Rows in memory, for tests and simulations: a transaction works on the rows themselves, and one that fails gets the copy back that
//! was made before it. Nothing outlives the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{
    Advance, Backend, CorrelationRow, Fence, Filter, IdentityRow, JobRow, Lane, Millis, NewRow, Order, Owner,
    OwnerError, Pick, PushRow, Queue, Refusal, Row, SealedColumn, SealedValue, Seq, State, Store, Tx,
    Verdict,
};
use crate::error::{Code, Error, Result};

/// A database in memory. Clones are the same database.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Tables>>);

impl Memory {
    /// As at a start: the owner of the rows reads what it needs.
    pub(crate) fn open(&self, owner: &dyn Owner) -> std::result::Result<Store, OwnerError> {
        self.opened_by(owner, true)?;
        Ok(Store::new(self.clone()))
    }

    /// As [`Self::open`]; leases stay where `voids_leases` is false.
    pub(crate) fn opened_by(
        &self,
        owner: &dyn Owner,
        voids_leases: bool,
    ) -> std::result::Result<(), OwnerError> {
        owner.prepare()?;
        owner.opened(&mut *self.tables(), voids_leases)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Memory {
    /// The rows as they are now, as a database of their own.
    pub(crate) fn copy(&self) -> Self {
        let tables = self.tables();
        Self(Arc::new(Mutex::new(tables.clone())))
    }
}

impl Backend for Memory {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        let mut tables = self.tables();
        let before = tables.clone();
        let outcome = (order.job)(&mut *tables);
        if outcome.is_err() {
            *tables = before;
        }
        std::future::ready(outcome).boxed()
    }
}

#[derive(Clone, Default)]
struct Tables {
    last: Seq,
    numbers: BTreeMap<String, i64>,
    sealed: BTreeMap<String, Vec<u8>>,
    rows: BTreeMap<(Queue, Seq), Waiting>,
    identities: BTreeMap<Vec<u8>, (IdentityRow, Millis)>,
    keys: BTreeMap<Vec<u8>, (Vec<u8>, Millis)>,
    correlations: BTreeMap<Seq, CorrelationRow>,
    correlated: BTreeSet<(Vec<u8>, Seq)>,
    pushes: BTreeMap<Seq, PushRow>,
    verified: BTreeMap<Vec<u8>, Millis>,
    jobs: BTreeMap<Seq, JobRow>,
}

/// A row and its place among those that wait.
#[derive(Clone)]
struct Waiting {
    place: Seq,
    met_by: Option<String>,
    job: Option<(Seq, u32)>,
    row: Row,
}

impl Tables {
    fn next(&mut self) -> Seq {
        self.last += 1;
        self.last
    }

    fn waiting(&self, queue: Queue) -> impl DoubleEndedIterator<Item = &Waiting> {
        self.rows.range((queue, Seq::MIN)..=(queue, Seq::MAX)).map(|(_, waiting)| waiting)
    }

    /// The row, if this lease holds it.
    fn held(&mut self, queue: Queue, seq: Seq, fence: Fence) -> Option<&mut Waiting> {
        let waiting = self.rows.get_mut(&(queue, seq))?;
        let holds = waiting.row.state == State::Leased && waiting.row.fence() == fence;
        holds.then_some(waiting)
    }

    /// The row, if a person may decide about it.
    fn undecided(&mut self, queue: Queue, seq: Seq) -> Option<&mut Row> {
        let row = &mut self.rows.get_mut(&(queue, seq))?.row;
        matches!(row.state, State::Queued | State::Parked).then_some(row)
    }

    fn is_free(&self, row: &Row) -> bool {
        row.line.is_none()
            || !self.waiting(row.queue).any(|Waiting { row: older, .. }| {
                older.seq < row.seq
                    && older.line == row.line
                    && older.destination == row.destination
                    && !older.state.is_settled()
            })
    }
}

impl Lane {
    fn holds(&self, row: &Row) -> bool {
        self.queue == row.queue
            && self.destination == row.destination
            && (self.kinds.is_empty() || self.kinds.contains(&row.kind))
    }
}

impl Filter {
    fn holds(&self, row: &Row) -> bool {
        (self.states.is_empty() || self.states.contains(&row.state))
            && (self.kinds.is_empty() || self.kinds.contains(&row.kind))
            && self.destination.as_ref().is_none_or(|destination| *destination == row.destination)
            && (self.fault.is_none() || self.fault == row.fault)
            && (self.refusal.is_none() || self.refusal == row.refusal)
            && (self.line.is_none() || self.line == row.line)
            && self.settled_by.is_none_or(|by| row.settled_at.is_some_and(|at| at <= by))
            && self.waiting_since.is_none_or(|since| row.waiting_since <= since)
    }
}

fn settle(row: &mut Row, state: State, now: Millis) {
    row.state = state;
    row.settled_at = Some(now);
    row.leased_until = None;
    row.fault = None;
    row.refusal = None;
    row.payload = None;
    row.progress = None;
}

impl Tx for Tables {
    fn number(&mut self, name: &str) -> Result<Option<i64>> {
        Ok(self.numbers.get(name).copied())
    }

    fn set_number(&mut self, name: &str, value: i64) -> Result<()> {
        self.numbers.insert(name.to_owned(), value);
        Ok(())
    }

    fn sealed(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.sealed.get(name).cloned())
    }

    fn set_sealed(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.sealed.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn insert(&mut self, rows: &[NewRow]) -> Result<()> {
        for new in rows {
            if self.row(new.queue, &new.id)?.is_some() {
                return Err(Error::new(Code::Bug, "two rows would bear one name"));
            }
            let seq = self.next();
            let row = Row {
                queue: new.queue,
                seq,
                id: new.id.clone(),
                destination: new.destination.clone(),
                kind: new.kind.clone(),
                line: new.line.clone(),
                state: if new.is_invalid { State::Invalid } else { State::Queued },
                attempts: 0,
                accepted_at: new.accepted_at,
                waiting_since: new.waiting_since,
                next_at: 0,
                leased_until: None,
                settled_at: new.is_invalid.then_some(new.waiting_since),
                fault: None,
                refusal: None,
                reason: None,
                payload: new.payload.clone(),
                progress: None,
                sent: false,
                result: new.result.clone(),
            };
            self.rows.insert(
                (new.queue, seq),
                Waiting { place: seq, met_by: new.met_by.clone(), job: new.job, row },
            );
        }
        Ok(())
    }

    fn row(&mut self, queue: Queue, id: &str) -> Result<Option<Row>> {
        Ok(self.waiting(queue).map(|waiting| &waiting.row).find(|row| row.id == id).cloned())
    }

    fn rows(&mut self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Result<Vec<Row>> {
        let rows = self.waiting(queue).map(|waiting| &waiting.row);
        Ok(rows.filter(|row| row.seq > after && filter.holds(row)).take(limit).cloned().collect())
    }

    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>> {
        let mut counts = BTreeMap::new();
        for Waiting { row, .. } in self.waiting(queue) {
            *counts.entry((row.destination.clone(), row.kind.clone(), row.state)).or_insert(0) += 1;
        }
        Ok(counts
            .into_iter()
            .map(|((destination, kind, state), count)| (destination, kind, state, count))
            .collect())
    }

    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>> {
        let mut leased = Vec::new();
        while leased.len() < pick.limit {
            let is_due = |row: &Row| match row.state {
                State::Queued => row.next_at <= pick.now,
                State::Leased => row.leased_until.is_some_and(|until| until < pick.now),
                _ => false,
            };
            let due = self.waiting(lane.queue).filter(|waiting| {
                lane.holds(&waiting.row) && is_due(&waiting.row) && self.is_free(&waiting.row)
            });
            let Some(seq) = due.min_by_key(|waiting| waiting.place).map(|waiting| waiting.row.seq) else {
                break;
            };
            if let Some(Waiting { row, .. }) = self.rows.get_mut(&(lane.queue, seq)) {
                row.state = State::Leased;
                row.attempts += 1;
                row.leased_until = Some(pick.until);
                leased.push(row.clone());
            }
        }
        Ok(leased)
    }

    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>> {
        let due =
            self.waiting(lane.queue).filter(|waiting| lane.holds(&waiting.row)).filter_map(|waiting| match (
                waiting.row.state,
                waiting.row.leased_until,
            ) {
                (State::Queued, _) => Some(waiting.row.next_at),
                (State::Leased, Some(until)) => Some(until.saturating_add(1)),
                _ => None,
            });
        Ok(due.filter(|at| *at > now).min())
    }

    fn renew(&mut self, queue: Queue, held: &[(Seq, Fence)], until: Millis) -> Result<Vec<Seq>> {
        let mut renewed = Vec::new();
        for &(seq, fence) in held {
            if let Some(waiting) = self.held(queue, seq, fence) {
                waiting.row.leased_until = Some(until);
                renewed.push(seq);
            }
        }
        Ok(renewed)
    }

    fn advance(&mut self, queue: Queue, seq: Seq, fence: Fence, advance: &Advance) -> Result<bool> {
        let Some(Waiting { row, .. }) = self.held(queue, seq, fence) else { return Ok(false) };
        row.progress = advance.progress.clone().or(row.progress.take());
        row.result = advance.result.clone().or(row.result.take());
        row.sent |= advance.sent;
        Ok(true)
    }

    fn settle(
        &mut self,
        queue: Queue,
        seq: Seq,
        fence: Fence,
        verdict: &Verdict,
        now: Millis,
    ) -> Result<bool> {
        let place = self.next();
        let Some(waiting) = self.held(queue, seq, fence) else { return Ok(false) };
        let row = &mut waiting.row;
        row.leased_until = None;
        match verdict {
            Verdict::Again { next_at, refusal } => {
                row.state = State::Queued;
                row.next_at = *next_at;
                if let Some(Refusal { fault, text }) = refusal {
                    (row.fault, row.refusal) = (Some(fault.clone()), Some(text.clone()));
                    waiting.place = place;
                }
            }
            Verdict::Park(Refusal { fault, text }) => {
                row.state = State::Parked;
                (row.fault, row.refusal) = (Some(fault.clone()), Some(text.clone()));
            }
            Verdict::Settled { state, result } => {
                settle(row, *state, now);
                row.result = result.clone().or(row.result.take());
            }
            Verdict::Gone => drop(self.rows.remove(&(queue, seq))),
        }
        Ok(true)
    }

    fn release_all(&mut self) -> Result<()> {
        let mut leased = Vec::new();
        for (at, Waiting { row, place, .. }) in &mut self.rows {
            if row.state == State::Leased {
                leased.push((*place, *at));
            }
            if matches!(row.state, State::Queued | State::Leased) {
                row.state = State::Queued;
                row.leased_until = None;
                row.next_at = 0;
            }
        }
        leased.sort_unstable();
        for (_, at) in leased {
            let behind = self.next();
            if let Some(waiting) = self.rows.get_mut(&at) {
                waiting.place = behind;
            }
        }
        Ok(())
    }

    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool> {
        let place = self.next();
        let Some(waiting) = self.rows.get_mut(&(queue, seq)) else { return Ok(false) };
        match waiting.row.state {
            State::Queued => {}
            State::Parked => waiting.place = place,
            _ => return Ok(false),
        }
        waiting.row.state = State::Queued;
        waiting.row.next_at = 0;
        waiting.row.waiting_since = now;
        Ok(true)
    }

    fn close(
        &mut self,
        queue: Queue,
        seq: Seq,
        state: State,
        reason: Option<&str>,
        result: Option<&[u8]>,
        now: Millis,
    ) -> Result<bool> {
        let Some(row) = self.undecided(queue, seq) else { return Ok(false) };
        settle(row, state, now);
        row.reason = reason.map(str::to_owned);
        if let Some(result) = result {
            row.result = Some(result.to_vec());
        }
        Ok(true)
    }

    fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<bool> {
        let Some(row) = self.undecided(queue, seq).filter(|row| row.state == State::Queued) else {
            return Ok(false);
        };
        row.state = State::Parked;
        (row.fault, row.refusal) = (Some(refusal.fault.clone()), Some(refusal.text.clone()));
        Ok(true)
    }

    fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) -> Result<()> {
        if let Some(row) = self.undecided(queue, seq).filter(|row| row.state == State::Queued) {
            row.next_at = until;
            if let Some(Refusal { fault, text }) = refusal {
                (row.fault, row.refusal) = (Some(fault.clone()), Some(text.clone()));
            }
        }
        Ok(())
    }

    fn delete_met_by(&mut self, entry: &str) -> Result<()> {
        self.rows.retain(|_, waiting| waiting.met_by.as_deref() != Some(entry));
        Ok(())
    }

    fn delete(&mut self, queue: Queue, seq: Seq) -> Result<bool> {
        Ok(self.rows.remove(&(queue, seq)).is_some())
    }

    fn identity(&mut self, hash: &[u8]) -> Result<Option<IdentityRow>> {
        Ok(self.identities.get(hash).map(|(row, _)| row.clone()))
    }

    fn insert_identity(&mut self, hash: &[u8], entry: &str, now: Millis) -> Result<()> {
        let row = IdentityRow { entry: entry.to_owned(), last_state: None };
        self.identities.insert(hash.to_vec(), (row, now));
        Ok(())
    }

    fn is_named(&mut self, entry: &str) -> Result<bool> {
        Ok(self.identities.values().any(|(row, _)| row.entry == entry))
    }

    fn key(&mut self, hash: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.keys.get(hash).map(|(identity, _)| identity.clone()))
    }

    fn insert_key(&mut self, hash: &[u8], identity: &[u8], now: Millis) -> Result<()> {
        self.keys.insert(hash.to_vec(), (identity.to_vec(), now));
        Ok(())
    }

    fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()> {
        let known = self.correlations.iter().find(|(_, known)| known.entry == row.entry).map(|(seq, _)| *seq);
        let seq = known.unwrap_or_else(|| self.next());
        self.correlations.insert(seq, row.clone());
        self.correlated.extend(names.iter().map(|name| (name.clone(), seq)));
        Ok(())
    }

    fn correlation(&mut self, entry: &str) -> Result<Option<CorrelationRow>> {
        Ok(self.correlations.values().find(|row| row.entry == entry).cloned())
    }

    fn named(&mut self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        let named = self.correlated.iter().filter(|(known, _)| known == name);
        Ok(named.filter_map(|(_, seq)| self.correlations.get(seq)).take(limit).cloned().collect())
    }

    fn insert_push(&mut self, push: &PushRow) -> Result<Seq> {
        let seq = self.next();
        self.pushes.insert(seq, PushRow { seq, ..push.clone() });
        Ok(seq)
    }

    fn push(&mut self, id: &str) -> Result<Option<PushRow>> {
        Ok(self.pushes.values().find(|push| push.id == id).cloned())
    }

    fn pushes(&mut self, is_quarantined: bool, after: Seq, limit: usize) -> Result<Vec<PushRow>> {
        let pushes = self.pushes.range(after.saturating_add(1)..).map(|(_, push)| push);
        Ok(pushes.filter(|push| push.is_quarantined == is_quarantined).take(limit).cloned().collect())
    }

    fn quarantine(&mut self, id: &str, refusal: &str) -> Result<()> {
        for push in self.pushes.values_mut().filter(|push| push.id == id) {
            push.is_quarantined = true;
            push.refusal = Some(refusal.to_owned());
        }
        Ok(())
    }

    fn release_quarantine(&mut self) -> Result<usize> {
        let mut released = 0;
        for push in self.pushes.values_mut().filter(|push| push.is_quarantined) {
            push.is_quarantined = false;
            released += 1;
        }
        Ok(released)
    }

    fn delete_push(&mut self, id: &str) -> Result<bool> {
        let before = self.pushes.len();
        self.pushes.retain(|_, push| push.id != id);
        Ok(self.pushes.len() < before)
    }

    fn push_sizes(&mut self, quarantined_only: bool) -> Result<Vec<(String, u64, u64)>> {
        let mut sizes: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for push in self.pushes.values().filter(|push| push.is_quarantined || !quarantined_only) {
            let (rows, bytes) = sizes.entry(push.kind.clone()).or_default();
            (*rows, *bytes) = (*rows + 1, *bytes + push.bytes);
        }
        Ok(sizes.into_iter().map(|(kind, (rows, bytes))| (kind, rows, bytes)).collect())
    }

    fn refusals(&mut self, queue: Queue, state: State) -> Result<Vec<(Option<String>, u64)>> {
        let filter = Filter { states: vec![state], ..Filter::default() };
        let mut reasons: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for row in self.rows(queue, &filter, 0, usize::MAX)? {
            *reasons.entry(row.refusal).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        Ok(reasons)
    }

    fn push_reasons(&mut self) -> Result<Vec<(String, Option<String>, u64, u64)>> {
        let mut sizes: BTreeMap<(String, Option<String>), (u64, u64)> = BTreeMap::new();
        for push in self.pushes.values().filter(|push| push.is_quarantined) {
            let (rows, bytes) = sizes.entry((push.kind.clone(), push.refusal.clone())).or_default();
            (*rows, *bytes) = (*rows + 1, *bytes + push.bytes);
        }
        Ok(sizes.into_iter().map(|((kind, reason), (rows, bytes))| (kind, reason, rows, bytes)).collect())
    }

    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<bool> {
        Ok(self.verified.insert(hash.to_vec(), now).is_none())
    }

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq> {
        let seq = self.next();
        let job = JobRow { seq, id: id.to_owned(), form: form.to_owned(), made_at: now, settled_at: None };
        self.jobs.insert(seq, job);
        Ok(seq)
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>> {
        Ok(self.jobs.values().find(|job| job.id == id).cloned())
    }

    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>> {
        Ok(self.jobs.range(after.saturating_add(1)..).map(|(_, job)| job.clone()).take(limit).collect())
    }

    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()> {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.settled_at = Some(now);
        }
        Ok(())
    }

    fn progress(&mut self, job: Seq) -> Result<Vec<(State, u64)>> {
        let mut counts = BTreeMap::new();
        for waiting in
            self.waiting(Queue::Records).filter(|waiting| waiting.job.is_some_and(|(of, _)| of == job))
        {
            *counts.entry(waiting.row.state).or_insert(0) += 1;
        }
        Ok(counts.into_iter().collect())
    }

    fn records(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Row)>> {
        let records = self.waiting(Queue::Records).filter_map(|waiting| match waiting.job {
            Some((of, place)) if of == job && place >= from && waiting.row.result.is_some() => {
                Some((place, waiting.row.clone()))
            }
            _ => None,
        });
        Ok(records.take(limit).collect())
    }

    fn job_of(&mut self, record: Seq) -> Result<Option<Seq>> {
        Ok(self.rows.get(&(Queue::Records, record)).and_then(|waiting| waiting.job).map(|(job, _)| job))
    }

    fn sealed_values(&mut self, column: SealedColumn, after: Seq, limit: usize) -> Result<Vec<SealedValue>> {
        let values = self.column(column).into_iter();
        Ok(values.filter(|value| value.at > after).take(limit).collect())
    }

    fn replace_sealed(&mut self, column: SealedColumn, at: Seq, value: &[u8]) -> Result<()> {
        let value = value.to_vec();
        match (column.table, column.column) {
            ("meta", _) => {
                let index = usize::try_from(at - 1).unwrap_or(usize::MAX);
                if let Some(slot) = self.sealed.values_mut().nth(index) {
                    *slot = value;
                }
            }
            ("push", _) => {
                if let Some(push) = self.pushes.get_mut(&at) {
                    push.body = value;
                }
            }
            ("correlation", _) => {
                if let Some(row) = self.correlations.get_mut(&at) {
                    row.subject = value;
                }
            }
            (table, name) => {
                if let Some(waiting) = queue_of(table).and_then(|queue| self.rows.get_mut(&(queue, at))) {
                    match name {
                        "progress" => waiting.row.progress = Some(value),
                        "result" | "aid" => waiting.row.result = Some(value),
                        _ => waiting.row.payload = Some(value),
                    }
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self, settled: Millis, seen: Millis) -> Result<()> {
        let gone: Vec<(Queue, Seq)> = (self.rows.iter())
            .filter(|((queue, _), waiting)| {
                *queue == Queue::Entries && waiting.row.settled_at.is_some_and(|at| at <= settled)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            let Some(Waiting { row, .. }) = self.rows.remove(&key) else { continue };
            for (identity, _) in self.identities.values_mut().filter(|(identity, _)| identity.entry == row.id)
            {
                identity.last_state = Some(row.state);
            }
        }
        let old: Vec<JobRow> = self
            .jobs
            .values()
            .filter(|job| job.settled_at.is_some_and(|at| at <= settled))
            .cloned()
            .collect();
        for job in old {
            self.jobs.remove(&job.seq);
            self.rows.retain(|(queue, _), waiting| {
                *queue != Queue::Records || waiting.job.is_none_or(|(of, _)| of != job.seq)
            });
        }
        self.identities.retain(|_, (row, at)| *at > seen || row.last_state.is_none());
        self.keys.retain(|_, (_, at)| *at > seen);
        self.verified.retain(|_, at| *at > seen);
        let unsettled: Vec<String> = self
            .waiting(Queue::Entries)
            .filter(|w| !w.row.state.is_settled())
            .map(|w| w.row.id.clone())
            .collect();
        self.correlations.retain(|_, row| row.seen_at > seen || unsettled.contains(&row.entry));
        let kept = self.correlations.clone();
        self.correlated.retain(|(_, seq)| kept.contains_key(seq));
        Ok(())
    }
}

fn queue_of(table: &str) -> Option<Queue> {
    match table {
        "entry" => Some(Queue::Entries),
        "delivery" => Some(Queue::Deliveries),
        "job_record" => Some(Queue::Records),
        _ => None,
    }
}

impl Tables {
    fn column(&self, column: SealedColumn) -> Vec<SealedValue> {
        let value = |at: Seq, name: &str, value: &[u8]| SealedValue {
            at,
            name: name.to_owned(),
            value: value.to_vec(),
        };
        match (column.table, column.column) {
            ("meta", _) => {
                (1..).zip(&self.sealed).map(|(at, (name, sealed))| value(at, name, sealed)).collect()
            }
            ("push", _) => self.pushes.values().map(|push| value(push.seq, &push.id, &push.body)).collect(),
            ("correlation", _) => {
                self.correlations.iter().map(|(seq, row)| value(*seq, &row.entry, &row.subject)).collect()
            }
            (table, name) => {
                let Some(queue) = queue_of(table) else { return Vec::new() };
                let sealed = |row: &'_ Row| match name {
                    "progress" => row.progress.clone(),
                    "result" | "aid" => row.result.clone(),
                    _ => row.payload.clone(),
                };
                let rows = self.waiting(queue).map(|waiting| &waiting.row);
                rows.filter_map(|row| Some(value(row.seq, &row.id, &sealed(row)?))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, conformance};

    conformance::suite!((Store::new(Memory::default()), ()));
}
