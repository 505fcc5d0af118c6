//! Rows of work, and the jobs that records belong to: who may go, who holds what, how it ended.

use std::collections::BTreeMap;

use super::{Table, Tables};
use crate::error::{Code, Error, Result};
use crate::store::{
    Advance, Closing, Filter, JobRow, Lane, Lease, Listed, Millis, NewRow, Pick, Queue, Queues, Refusal, Row,
    SealedValue, Seq, State, Verdict,
};

#[derive(Default)]
pub(super) struct Work {
    /// The last number that a row, a place or a job got.
    pub(super) last: Seq,
    pub(super) rows: Table<(Queue, Seq), Waiting>,
    pub(super) jobs: Table<Seq, JobRow>,
    /// As [`Queues::freed`].
    pub(super) freed: Vec<Lane>,
}

/// A row and its place among those that wait.
#[derive(Clone)]
pub(super) struct Waiting {
    place: Seq,
    met_by: Option<String>,
    job: Option<(Seq, u32)>,
    pub(super) row: Row,
}

impl Waiting {
    fn belongs_to(&self, job: Seq) -> bool {
        self.job.is_some_and(|(of, _)| of == job)
    }
}

impl Work {
    fn next(&mut self) -> Seq {
        self.last += 1;
        self.last
    }

    pub(super) fn waiting(&self, queue: Queue) -> impl DoubleEndedIterator<Item = &Waiting> {
        self.rows.range((queue, Seq::MIN)..=(queue, Seq::MAX)).map(|(_, waiting)| waiting)
    }

    /// The row, if this lease holds it.
    fn held(&mut self, lease: Lease) -> Option<&mut Waiting> {
        let at = (lease.queue, lease.seq);
        let row = &self.rows.get(&at)?.row;
        let holds = row.state == State::Leased && row.lease() == lease;
        if holds { self.rows.change(&at) } else { None }
    }

    /// The row, if a person may decide about it.
    fn undecided(&mut self, queue: Queue, seq: Seq, states: &[State]) -> Option<&mut Row> {
        let is_undecided = states.contains(&self.rows.get(&(queue, seq))?.row.state);
        if is_undecided { self.rows.change(&(queue, seq)).map(|waiting| &mut waiting.row) } else { None }
    }

    pub(super) fn insert(&mut self, new: &NewRow) -> Result<()> {
        if self.find(new.queue, &new.id).is_some() {
            return Err(Error::new(Code::Bug, "two rows would bear one name"));
        }
        let seq = self.next();
        let listed = Listed {
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
            sent: false,
            result: new.result.clone(),
            trace: new.trace.clone(),
        };
        let row = Row { listed, payload: new.payload.clone(), progress: None };
        let waiting = Waiting { place: seq, met_by: new.met_by.clone(), job: new.job, row };
        self.rows.insert((new.queue, seq), waiting);
        Ok(())
    }

    pub(super) fn find(&self, queue: Queue, id: &str) -> Option<&Row> {
        self.waiting(queue).map(|waiting| &waiting.row).find(|row| row.id == id)
    }

    pub(super) fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Seq {
        let seq = self.next();
        let job = JobRow { seq, id: id.to_owned(), form: form.to_owned(), made_at: now, settled_at: None };
        self.jobs.insert(seq, job);
        seq
    }

    pub(super) fn progress(&self, job: Seq) -> Vec<(State, u64)> {
        let mut counts = BTreeMap::new();
        for waiting in self.waiting(Queue::Records).filter(|waiting| waiting.belongs_to(job)) {
            *counts.entry(waiting.row.state).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    pub(super) fn records(&self, job: Seq, from: u32, limit: usize) -> Vec<(u32, Listed)> {
        let records = self.waiting(Queue::Records).filter_map(|waiting| match waiting.job {
            Some((of, place)) if of == job && place >= from && waiting.row.result.is_some() => {
                Some((place, waiting.row.listed.clone()))
            }
            _ => None,
        });
        records.take(limit).collect()
    }

    pub(super) fn job_of(&self, record: Seq) -> Option<Seq> {
        self.rows.get(&(Queue::Records, record))?.job.map(|(job, _)| job)
    }

    /// Takes out the entries that were settled at or before `settled`, and jobs likewise with their records; the entries.
    pub(super) fn forget(&mut self, settled: Millis) -> Vec<Row> {
        let is_old = |at: Option<Millis>| at.is_some_and(|at| at <= settled);
        let old = |(queue, _): &(Queue, Seq), waiting: &Waiting| {
            *queue == Queue::Entries && is_old(waiting.row.settled_at)
        };
        let gone: Vec<_> = (self.rows.keys_of(old).iter()).filter_map(|at| self.rows.remove(at)).collect();
        for job in self.jobs.keys_of(|_, job| is_old(job.settled_at)) {
            self.jobs.remove(&job);
            self.rows.remove_those(|(queue, _), waiting| *queue == Queue::Records && waiting.belongs_to(job));
        }
        gone.into_iter().map(|waiting| waiting.row).collect()
    }

    /// The ids of the entries that are not settled.
    pub(super) fn unsettled(&self) -> Vec<String> {
        let rows = self.waiting(Queue::Entries).map(|waiting| &waiting.row);
        rows.filter(|row| !row.state.is_settled()).map(|row| row.id.clone()).collect()
    }

    /// The sealed values of a column.
    pub(super) fn sealed(&self, queue: Queue, column: &str) -> Vec<SealedValue> {
        let rows = self.waiting(queue).map(|waiting| &waiting.row);
        let sealed = |row: &Row| match column {
            "progress" => row.progress.clone(),
            "result" | "aid" => row.result.clone(),
            _ => row.payload.clone(),
        };
        rows.filter_map(|row| Some(SealedValue { at: row.seq, name: row.id.clone(), value: sealed(row)? }))
            .collect()
    }

    pub(super) fn replace(&mut self, queue: Queue, column: &str, at: Seq, value: Vec<u8>) {
        if let Some(Waiting { row, .. }) = self.rows.change(&(queue, at)) {
            match column {
                "progress" => row.progress = Some(value),
                "result" | "aid" => row.result = Some(value),
                _ => row.payload = Some(value),
            }
        }
    }
}

impl Queues for Tables {
    fn insert(&mut self, rows: &[NewRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.insert_row(row))
    }

    fn row(&mut self, queue: Queue, id: &str) -> Result<Option<Row>> {
        Ok(self.work.find(queue, id).cloned())
    }

    fn listed(&mut self, queue: Queue, id: &str) -> Result<Option<Listed>> {
        Ok(self.work.find(queue, id).map(|row| row.listed.clone()))
    }

    fn rows(&mut self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Result<Vec<Listed>> {
        let rows = self.work.waiting(queue).map(|waiting| &waiting.row.listed);
        Ok(rows.filter(|row| row.seq > after && filter.holds(row)).take(limit).cloned().collect())
    }

    fn refusals(&mut self, queue: Queue, state: State) -> Result<Vec<(Option<String>, u64)>> {
        let mut reasons: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for Waiting { row, .. } in self.work.waiting(queue).filter(|waiting| waiting.row.state == state) {
            *reasons.entry(row.refusal.clone()).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        Ok(reasons)
    }

    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>> {
        let mut counts = BTreeMap::new();
        for Waiting { row, .. } in self.work.waiting(queue) {
            *counts.entry((row.destination.clone(), row.kind.clone(), row.state)).or_insert(0) += 1;
        }
        let flat = |((destination, kind, state), count)| (destination, kind, state, count);
        Ok(counts.into_iter().map(flat).collect())
    }

    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>> {
        let work = &mut self.work;
        let mut leased = Vec::new();
        while leased.len() < pick.limit {
            let is_due = |row: &Row| match row.state {
                State::Queued => row.next_at <= pick.now,
                State::Leased => row.leased_until.is_some_and(|until| until < pick.now),
                _ => false,
            };
            let due = work.waiting(lane.queue).filter(|waiting| {
                lane.holds(&waiting.row) && is_due(&waiting.row) && work.is_free(&waiting.row)
            });
            let Some(seq) = due.min_by_key(|waiting| waiting.place).map(|waiting| waiting.row.seq) else {
                break;
            };
            if let Some(Waiting { row, .. }) = work.rows.change(&(lane.queue, seq)) {
                row.state = State::Leased;
                row.attempts += 1;
                row.leased_until = Some(pick.until);
                leased.push(row.clone());
            }
        }
        Ok(leased)
    }

    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>> {
        let rows = self.work.waiting(lane.queue).map(|waiting| &waiting.row).filter(|row| lane.holds(row));
        let due = rows.filter_map(|row| match (row.state, row.leased_until) {
            (State::Queued, _) => Some(row.next_at),
            (State::Leased, Some(until)) => Some(until.saturating_add(1)),
            _ => None,
        });
        Ok(due.filter(|at| *at > now).min())
    }

    fn renew(&mut self, leases: &[Lease], until: Millis) -> Result<Vec<Seq>> {
        let mut renewed = Vec::new();
        for &lease in leases {
            let Some(waiting) = self.work.held(lease) else { continue };
            waiting.row.leased_until = Some(until);
            renewed.push(lease.seq);
        }
        Ok(renewed)
    }

    fn advance(&mut self, lease: Lease, advance: &Advance) -> Result<bool> {
        let Some(Waiting { row, .. }) = self.work.held(lease) else { return Ok(false) };
        row.progress = advance.progress.clone().or(row.progress.take());
        row.result = advance.result.clone().or(row.result.take());
        row.sent |= advance.sent;
        Ok(true)
    }

    fn settle(&mut self, lease: Lease, verdict: &Verdict, now: Millis) -> Result<bool> {
        let place = self.work.next();
        let Some(waiting) = self.work.held(lease) else { return Ok(false) };
        let row = &mut waiting.row;
        row.leased_until = None;
        match verdict {
            Verdict::Again { next_at, refusal } => {
                row.state = State::Queued;
                row.next_at = *next_at;
                if let Some(refusal) = refusal {
                    refuse(row, refusal);
                    waiting.place = place;
                }
            }
            Verdict::Park(refusal) => {
                row.state = State::Parked;
                refuse(row, refusal);
            }
            Verdict::Settled { state, result } => {
                let result = result.as_deref();
                close(row, Closing { state: *state, reason: None, result }, now);
                self.work.free_behind(lease.queue, lease.seq);
            }
            Verdict::Gone => return self.delete(lease.queue, lease.seq),
        }
        Ok(true)
    }

    fn release_all(&mut self) -> Result<()> {
        let work = &mut self.work;
        let mut leased: Vec<(Seq, (Queue, Seq))> = (work.rows.iter())
            .filter(|(_, waiting)| waiting.row.state == State::Leased)
            .map(|(at, waiting)| (waiting.place, *at))
            .collect();
        work.rows.change_those(
            |_, waiting| matches!(waiting.row.state, State::Queued | State::Leased),
            |Waiting { row, .. }| {
                row.state = State::Queued;
                row.leased_until = None;
                row.next_at = 0;
            },
        );
        leased.sort_unstable();
        for (_, at) in leased {
            let behind = work.next();
            if let Some(waiting) = work.rows.change(&at) {
                waiting.place = behind;
            }
        }
        Ok(())
    }

    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool> {
        let place = self.work.next();
        let Some(waiting) = self.work.rows.change(&(queue, seq)) else { return Ok(false) };
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

    fn close(&mut self, queue: Queue, seq: Seq, closing: Closing<'_>, now: Millis) -> Result<bool> {
        let row = self.work.undecided(queue, seq, &[State::Queued, State::Parked]);
        let Some(row) = row else { return Ok(false) };
        close(row, closing, now);
        self.work.free_behind(queue, seq);
        Ok(true)
    }

    fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<bool> {
        let Some(row) = self.work.undecided(queue, seq, &[State::Queued]) else { return Ok(false) };
        row.state = State::Parked;
        refuse(row, refusal);
        Ok(true)
    }

    fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) -> Result<()> {
        if let Some(row) = self.work.undecided(queue, seq, &[State::Queued]) {
            row.next_at = until;
            if let Some(refusal) = refusal {
                refuse(row, refusal);
            }
        }
        Ok(())
    }

    fn delete_met_by(&mut self, entry: &str) -> Result<()> {
        let met = self.work.rows.keys_of(|_, waiting| waiting.met_by.as_deref() == Some(entry));
        met.into_iter().try_for_each(|(queue, seq)| self.delete(queue, seq).map(drop))
    }

    fn delete(&mut self, queue: Queue, seq: Seq) -> Result<bool> {
        self.work.free_behind(queue, seq);
        Ok(self.work.rows.remove(&(queue, seq)).is_some())
    }

    fn freed(&mut self) -> Vec<Lane> {
        std::mem::take(&mut self.work.freed)
    }
}

impl Lane {
    fn holds(&self, row: &Row) -> bool {
        self.takes(row.queue, &row.destination, &row.kind)
    }
}

impl Filter {
    fn holds(&self, row: &Listed) -> bool {
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

fn close(row: &mut Row, closing: Closing<'_>, now: Millis) {
    row.state = closing.state;
    row.reason = closing.reason.map(str::to_owned);
    if let Some(result) = closing.result {
        row.result = Some(result.to_vec());
    }
    row.settled_at = Some(now);
    row.leased_until = None;
    row.fault = None;
    row.refusal = None;
    row.payload = None;
    row.progress = None;
}

pub(super) fn refuse(row: &mut Row, refusal: &Refusal) {
    (row.fault, row.refusal) = (Some(refusal.fault.clone()), Some(refusal.text.clone()));
}
