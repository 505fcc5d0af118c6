//! The three tables of work: insertion, leases, verdicts, decisions.
//!
//! A queued row that is due is in an index by its position; one that is not due yet is in another by its time and changes over
//! once that has come. A row that has to wait for an older one of its line is `held` until that is settled. So leasing costs the
//! same, however many wait.

use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::session::Values;
use super::sql::{Table, table};
use super::tx::Transaction;
use crate::error::{Code, Error, Result};
use crate::store::{
    Advance, Closing, Filter, Lane, Lease, Listed, Millis, NewRow, Pick, Queue, Queues, Refusal, Row, Seq,
    State, Verdict,
};

const QUEUES: [Queue; 3] = [Queue::Entries, Queue::Records, Queue::Deliveries];

impl Queues for Transaction<'_> {
    fn insert(&mut self, rows: &[NewRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.insert_row(row))
    }

    fn row(&mut self, queue: Queue, id: &str) -> Result<Option<Row>> {
        let table = table(queue);
        self.find(&table.row, &[&id], |row| table.read(row))
    }

    fn listed(&mut self, queue: Queue, id: &str) -> Result<Option<Listed>> {
        let table = table(queue);
        self.find(&table.listed, &[&id], |row| table.read_listed(row))
    }

    fn rows(&mut self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Result<Vec<Listed>> {
        let table = table(queue);
        let mut sql = format!("SELECT {} FROM {} WHERE seq>$1", table.listed_columns, table.name);
        let limit = count(limit);
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        let Filter { destination, kinds, fault, refusal, line, settled_by, waiting_since, .. } = filter;
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&after];
        let conditions: [(&str, &str, Option<&(dyn ToSql + Sync)>); 8] = [
            ("state=ANY(", ")", (!states.is_empty()).then_some(&states)),
            ("kind=ANY(", ")", (!kinds.is_empty()).then_some(kinds)),
            ("destination=", "", destination.as_ref().map(|value| value as _)),
            ("fault=", "", fault.as_ref().map(|value| value as _)),
            ("refusal=", "", refusal.as_ref().map(|value| value as _)),
            ("line=", "", line.as_ref().map(|value| value as _)),
            ("settled_at<=", "", settled_by.as_ref().map(|value| value as _)),
            ("waiting_since<=", "", waiting_since.as_ref().map(|value| value as _)),
        ];
        for (before, behind, value) in conditions {
            if let Some(value) = value {
                values.push(value);
                sql.push_str(&format!(" AND {before}${}{behind}", values.len()));
            }
        }
        values.push(&limit);
        sql.push_str(&format!(" ORDER BY seq LIMIT ${}", values.len()));
        self.list(&sql, &values, |row| table.read_listed(row))
    }

    fn refusals(&mut self, queue: Queue, state: State) -> Result<Vec<(Option<String>, u64)>> {
        self.list(&table(queue).refusals, &[&state.as_str()], |row| {
            Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs()))
        })
    }

    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>> {
        self.list(&table(queue).counts, &[], |row| {
            let rows = row.try_get::<_, i64>(3)?.unsigned_abs();
            Ok((row.try_get(0)?, row.try_get(1)?, state(row.try_get(2)?)?, rows))
        })
    }

    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>> {
        let table = table(lane.queue);
        self.later(&table.end_leases, &[&pick.now])?;
        let kinds = self.kinds(lane)?;
        self.later(&table.call, &[&lane.destination, &kinds, &pick.now])?;
        let values: Values<'_> = &[&lane.destination, &kinds, &pick.until, &count(pick.limit)];
        let mut leased = self
            .change(&table.lease, values, |row| Ok((row.try_get::<_, Seq>("position")?, table.read(row)?)))?;
        leased.sort_unstable_by_key(|(position, _)| *position);
        Ok(leased.into_iter().map(|(_, row)| row).collect())
    }

    fn leased(&mut self, lane: &Lane, now: Millis) -> Result<usize> {
        let values: Values<'_> = &[&lane.destination, &now, &lane.kinds.is_empty(), &lane.kinds];
        let leased = self.find(&table(lane.queue).leased, values, |row| Ok(row.try_get::<_, i64>(0)?))?;
        Ok(usize::try_from(leased.unwrap_or(0)).unwrap_or(usize::MAX))
    }

    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>> {
        let kinds = self.kinds(lane)?;
        let values: Values<'_> = &[&lane.destination, &kinds, &now, &lane.kinds.is_empty()];
        let due = self.find(&table(lane.queue).next_due, values, |row| Ok(row.try_get(0)?))?;
        Ok(due.flatten())
    }

    fn renew(&mut self, leases: &[Lease], until: Millis) -> Result<Vec<Seq>> {
        let mut renewed = Vec::new();
        for &Lease { queue, seq, fence } in leases {
            if self.run(&table(queue).renew, &[&seq, &fence, &until])? == 1 {
                renewed.push(seq);
            }
        }
        Ok(renewed)
    }

    fn advance(&mut self, lease: Lease, advance: &Advance) -> Result<bool> {
        let Advance { progress, result, sent } = advance;
        let values: Values<'_> = &[&lease.seq, &lease.fence, progress, result, sent];
        Ok(self.run(&table(lease.queue).advance, values)? == 1)
    }

    fn settle(&mut self, lease: Lease, verdict: &Verdict, now: Millis) -> Result<bool> {
        let Lease { queue, seq, fence } = lease;
        let table = table(queue);
        let changed = match verdict {
            Verdict::Again { next_at, refusal: Some(Refusal { fault, text }) } => {
                self.run(&table.again, &[&seq, &fence, next_at, fault, text])?
            }
            Verdict::Again { next_at, refusal: None } => {
                self.run(&table.break_off, &[&seq, &fence, next_at])?
            }
            Verdict::Park(Refusal { fault, text }) => {
                self.run(&table.park_held, &[&seq, &fence, fault, text])?
            }
            Verdict::Settled { state, result } => {
                let no_reason: Option<String> = None;
                return self.ends(
                    table,
                    &table.end,
                    &[&seq, &fence, &state.as_str(), &no_reason, &now, result],
                );
            }
            Verdict::Gone => return self.ends(table, &table.remove_held, &[&seq, &fence]),
        };
        Ok(changed == 1)
    }

    fn release_all(&mut self) -> Result<()> {
        for table in QUEUES.map(table) {
            self.run(&table.release_leased, &[])?;
            self.run(&table.release_later, &[])?;
        }
        Ok(())
    }

    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool> {
        Ok(self.run(&table(queue).requeue, &[&seq, &now])? == 1)
    }

    fn close(&mut self, queue: Queue, seq: Seq, closing: Closing<'_>, now: Millis) -> Result<bool> {
        let Closing { state, reason, result } = closing;
        let undecided = [State::Queued, State::Parked].map(State::as_str);
        let values: Values<'_> =
            &[&seq, &undecided.as_slice(), &state.as_str(), &reason.map(text), &now, &result];
        let table = table(queue);
        self.ends(table, &table.close, values)
    }

    fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<bool> {
        Ok(self.run(&table(queue).park, &[&seq, &refusal.fault, &refusal.text])? == 1)
    }

    fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) -> Result<()> {
        let (fault, text) = refusal.map(|refusal| (&refusal.fault, &refusal.text)).unzip();
        self.later(&table(queue).postpone, &[&seq, &until, &fault, &text])
    }

    fn delete_met_by(&mut self, entry: &str) -> Result<()> {
        let find = "SELECT seq FROM delivery WHERE settled_by=$1";
        let met: Vec<Seq> = self.list(find, &[&entry], |row| Ok(row.try_get(0)?))?;
        met.into_iter().try_for_each(|seq| self.delete(Queue::Deliveries, seq).map(drop))
    }

    fn delete(&mut self, queue: Queue, seq: Seq) -> Result<bool> {
        let table = table(queue);
        self.ends(table, &table.delete, &[&seq])
    }

    fn freed(&mut self) -> Vec<Lane> {
        std::mem::take(&mut self.1)
    }
}

impl Transaction<'_> {
    fn insert_row(&mut self, new: &NewRow) -> Result<()> {
        let state = if new.is_invalid { State::Invalid } else { State::Queued }.as_str();
        let settled_at = new.is_invalid.then_some(new.waiting_since);
        let (job, place) = new.job.map(|(job, place)| (job, i64::from(place))).unzip();
        let line = new.line.as_deref().unwrap_or_default();
        let shared: Values<'_> = &[
            &new.id,
            &new.destination,
            &new.kind,
            &line,
            &state,
            &new.accepted_at,
            &new.waiting_since,
            &settled_at,
            &new.payload,
            &new.result,
            &new.trace,
        ];
        let own: Values<'_> = match new.queue {
            Queue::Entries => &[],
            Queue::Records => &[&job, &place],
            Queue::Deliveries => &[&new.met_by],
        };
        self.later(&table(new.queue).insert, &[shared, own].concat())?;
        let Some(identity) = &new.identity else { return Ok(()) };
        let insert = "INSERT INTO identity (hash, entry, seen_at) VALUES ($1, $2, $3)
            ON CONFLICT (hash) DO UPDATE SET entry=$2, last_state=NULL, seen_at=$3";
        self.later(insert, &[identity, &new.id, &new.waiting_since])
    }

    /// Records of a job that have a result, from the place `from` on, each with its place.
    pub(super) fn records_of(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Listed)>> {
        let table = table(Queue::Records);
        let find = format!(
            "SELECT {}, number FROM {} WHERE job=$1 AND number>=$2 AND result IS NOT NULL ORDER BY number LIMIT $3",
            table.listed_columns, table.name
        );
        self.list(&find, &[&job, &i64::from(from), &count(limit)], |row| {
            Ok((small(row.try_get("number")?), table.read_listed(row)?))
        })
    }

    /// Whether a statement of `table` ends a row, which sets the next one of its line free.
    fn ends(&mut self, table: &Table, sql: &str, values: Values<'_>) -> Result<bool> {
        let ended = self.change(sql, values, |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
        let freed = ended.iter().filter_map(|freed: &(Option<String>, Option<String>)| {
            let (destination, kind) = (freed.0.clone()?, freed.1.clone()?);
            Some(Lane { queue: table.queue, destination, kinds: vec![kind] })
        });
        self.1.extend(freed);
        Ok(!ended.is_empty())
    }

    /// The kinds of `lane` one by one, so that an index has the rows of each in order; where it names none, those that wait.
    fn kinds(&mut self, lane: &Lane) -> Result<Vec<String>> {
        if !lane.kinds.is_empty() {
            return Ok(lane.kinds.clone());
        }
        self.list(&table(lane.queue).kinds, &[&lane.destination], |row| Ok(row.try_get(0)?))
    }
}

impl Table {
    fn read(&self, row: &SqlRow) -> Result<Row> {
        Ok(Row { listed: self.read_listed(row)?, payload: row.try_get(18)?, progress: row.try_get(19)? })
    }

    fn read_listed(&self, row: &SqlRow) -> Result<Listed> {
        let state = state(row.try_get(5)?)?;
        Ok(Listed {
            queue: self.queue,
            seq: row.try_get(0)?,
            id: row.try_get(1)?,
            destination: row.try_get(2)?,
            kind: row.try_get(3)?,
            line: row.try_get::<_, Option<String>>(4)?.filter(|line| !line.is_empty()),
            state,
            attempts: small(row.try_get(6)?),
            accepted_at: row.try_get(7)?,
            waiting_since: row.try_get(8)?,
            next_at: row.try_get(9)?,
            leased_until: row.try_get::<_, Option<Millis>>(10)?.filter(|_| state == State::Leased),
            settled_at: row.try_get(11)?,
            fault: row.try_get(12)?,
            refusal: row.try_get(13)?,
            reason: row.try_get(14)?,
            sent: row.try_get(15)?,
            result: row.try_get(16)?,
            trace: row.try_get(17)?,
        })
    }
}

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A text that people or other programs wrote, as PostgreSQL takes it: it keeps no NUL.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

pub(super) fn state(word: &str) -> Result<State> {
    State::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| Error::new(Code::Bug, "a row is in no known state"))
}
