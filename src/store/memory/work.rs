//! Rows of work, and the jobs that records belong to: who may go, who holds what, how it ended.

use std::collections::BTreeMap;

use super::Table;
use crate::error::{Code, Error, Result};
use crate::store::{
    Advance, Fence, Filter, JobRow, Lane, Millis, NewRow, Pick, Queue, Refusal, Row, SealedValue, Seq, State,
    Verdict,
};

#[derive(Default)]
pub(super) struct Work {
    /// The last number that a row, a place or a job got.
    pub(super) last: Seq,
    pub(super) rows: Table<(Queue, Seq), Waiting>,
    pub(super) jobs: Table<Seq, JobRow>,
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
    fn held(&mut self, queue: Queue, seq: Seq, fence: Fence) -> Option<&mut Waiting> {
        let row = &self.rows.get(&(queue, seq))?.row;
        let holds = row.state == State::Leased && row.fence() == fence;
        if holds { self.rows.change(&(queue, seq)) } else { None }
    }

    /// The row, if a person may decide about it.
    fn undecided(&mut self, queue: Queue, seq: Seq, states: &[State]) -> Option<&mut Row> {
        let is_undecided = states.contains(&self.rows.get(&(queue, seq))?.row.state);
        if is_undecided { self.rows.change(&(queue, seq)).map(|waiting| &mut waiting.row) } else { None }
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

    pub(super) fn insert(&mut self, new: &NewRow) -> Result<()> {
        if self.find(new.queue, &new.id).is_some() {
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
        let waiting = Waiting { place: seq, met_by: new.met_by.clone(), job: new.job, row };
        self.rows.insert((new.queue, seq), waiting);
        Ok(())
    }

    pub(super) fn find(&self, queue: Queue, id: &str) -> Option<&Row> {
        self.waiting(queue).map(|waiting| &waiting.row).find(|row| row.id == id)
    }

    pub(super) fn list(&self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Vec<Row> {
        let rows = self.waiting(queue).map(|waiting| &waiting.row);
        rows.filter(|row| row.seq > after && filter.holds(row)).take(limit).cloned().collect()
    }

    pub(super) fn refusals(&self, queue: Queue, state: State) -> Vec<(Option<String>, u64)> {
        let mut reasons: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for Waiting { row, .. } in self.waiting(queue).filter(|waiting| waiting.row.state == state) {
            *reasons.entry(row.refusal.clone()).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        reasons
    }

    pub(super) fn counts(&self, queue: Queue) -> Vec<(String, String, State, u64)> {
        let mut counts = BTreeMap::new();
        for Waiting { row, .. } in self.waiting(queue) {
            *counts.entry((row.destination.clone(), row.kind.clone(), row.state)).or_insert(0) += 1;
        }
        counts
            .into_iter()
            .map(|((destination, kind, state), count)| (destination, kind, state, count))
            .collect()
    }

    pub(super) fn lease(&mut self, lane: &Lane, pick: Pick) -> Vec<Row> {
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
            if let Some(Waiting { row, .. }) = self.rows.change(&(lane.queue, seq)) {
                row.state = State::Leased;
                row.attempts += 1;
                row.leased_until = Some(pick.until);
                leased.push(row.clone());
            }
        }
        leased
    }

    pub(super) fn next_due(&self, lane: &Lane, now: Millis) -> Option<Millis> {
        let rows = self.waiting(lane.queue).map(|waiting| &waiting.row).filter(|row| lane.holds(row));
        let due = rows.filter_map(|row| match (row.state, row.leased_until) {
            (State::Queued, _) => Some(row.next_at),
            (State::Leased, Some(until)) => Some(until.saturating_add(1)),
            _ => None,
        });
        due.filter(|at| *at > now).min()
    }

    pub(super) fn renew(&mut self, queue: Queue, held: &[(Seq, Fence)], until: Millis) -> Vec<Seq> {
        let mut renewed = Vec::new();
        for &(seq, fence) in held {
            if let Some(waiting) = self.held(queue, seq, fence) {
                waiting.row.leased_until = Some(until);
                renewed.push(seq);
            }
        }
        renewed
    }

    pub(super) fn advance(&mut self, queue: Queue, seq: Seq, fence: Fence, advance: &Advance) -> bool {
        let Some(Waiting { row, .. }) = self.held(queue, seq, fence) else { return false };
        row.progress = advance.progress.clone().or(row.progress.take());
        row.result = advance.result.clone().or(row.result.take());
        row.sent |= advance.sent;
        true
    }

    pub(super) fn settle(
        &mut self,
        queue: Queue,
        seq: Seq,
        fence: Fence,
        verdict: &Verdict,
        now: Millis,
    ) -> bool {
        let place = self.next();
        let Some(waiting) = self.held(queue, seq, fence) else { return false };
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
                close(row, *state, now);
                row.result = result.clone().or(row.result.take());
            }
            Verdict::Gone => drop(self.rows.remove(&(queue, seq))),
        }
        true
    }

    pub(super) fn release_all(&mut self) {
        let mut leased: Vec<(Seq, (Queue, Seq))> = (self.rows.iter())
            .filter(|(_, waiting)| waiting.row.state == State::Leased)
            .map(|(at, waiting)| (waiting.place, *at))
            .collect();
        self.rows.change_those(
            |_, waiting| matches!(waiting.row.state, State::Queued | State::Leased),
            |Waiting { row, .. }| {
                row.state = State::Queued;
                row.leased_until = None;
                row.next_at = 0;
            },
        );
        leased.sort_unstable();
        for (_, at) in leased {
            let behind = self.next();
            if let Some(waiting) = self.rows.change(&at) {
                waiting.place = behind;
            }
        }
    }

    pub(super) fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> bool {
        let place = self.next();
        let Some(waiting) = self.rows.change(&(queue, seq)) else { return false };
        match waiting.row.state {
            State::Queued => {}
            State::Parked => waiting.place = place,
            _ => return false,
        }
        waiting.row.state = State::Queued;
        waiting.row.next_at = 0;
        waiting.row.waiting_since = now;
        true
    }

    pub(super) fn close(
        &mut self,
        queue: Queue,
        seq: Seq,
        state: State,
        reason: Option<&str>,
        result: Option<&[u8]>,
        now: Millis,
    ) -> bool {
        let Some(row) = self.undecided(queue, seq, &[State::Queued, State::Parked]) else { return false };
        close(row, state, now);
        row.reason = reason.map(str::to_owned);
        if let Some(result) = result {
            row.result = Some(result.to_vec());
        }
        true
    }

    pub(super) fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> bool {
        let Some(row) = self.undecided(queue, seq, &[State::Queued]) else { return false };
        row.state = State::Parked;
        refuse(row, refusal);
        true
    }

    pub(super) fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) {
        if let Some(row) = self.undecided(queue, seq, &[State::Queued]) {
            row.next_at = until;
            if let Some(refusal) = refusal {
                refuse(row, refusal);
            }
        }
    }

    pub(super) fn delete_met_by(&mut self, entry: &str) {
        self.rows.remove_those(|_, waiting| waiting.met_by.as_deref() == Some(entry));
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

    pub(super) fn records(&self, job: Seq, from: u32, limit: usize) -> Vec<(u32, Row)> {
        let records = self.waiting(Queue::Records).filter_map(|waiting| match waiting.job {
            Some((of, place)) if of == job && place >= from && waiting.row.result.is_some() => {
                Some((place, waiting.row.clone()))
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

fn close(row: &mut Row, state: State, now: Millis) {
    row.state = state;
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
