//! The three tables of work: insertion, leases, verdicts, decisions.
//!
//! A queued row that is due is in an index by its position; one that is not due yet is in another by its time and changes over
//! once that has come. A row that has to wait for an older one of its line is `held` until that is settled. So leasing costs the
//! same, however many wait.

use rusqlite::{Row as SqlRow, ToSql, params};

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
        Ok(self.read(&table.row, &[&id], |row| table.read(row))?.pop())
    }

    fn listed(&mut self, queue: Queue, id: &str) -> Result<Option<Listed>> {
        let table = table(queue);
        Ok(self.read(&table.listed, &[&id], |row| table.read_listed(row))?.pop())
    }

    fn rows(&mut self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Result<Vec<Listed>> {
        let table = table(queue);
        let mut sql = format!("SELECT {} FROM {} WHERE seq>?1", table.listed_columns, table.name);
        let limit = count(limit);
        let mut values: Vec<&dyn ToSql> = vec![&after];
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        let kinds: Vec<&str> = filter.kinds.iter().map(String::as_str).collect();
        for (column, words) in [("state", &states), ("kind", &kinds)] {
            if words.is_empty() {
                continue;
            }
            let from = values.len() + 1;
            let marks: Vec<String> = (from..from + words.len()).map(|mark| format!("?{mark}")).collect();
            sql.push_str(&format!(" AND {column} IN ({})", marks.join(", ")));
            values.extend(words.iter().map(|word| word as &dyn ToSql));
        }
        let Filter { destination, fault, refusal, line, settled_by, waiting_since, .. } = filter;
        for (condition, value) in [
            ("destination=", destination.as_ref().map(|value| value as &dyn ToSql)),
            ("fault=", fault.as_ref().map(|value| value as &dyn ToSql)),
            ("refusal=", refusal.as_ref().map(|value| value as &dyn ToSql)),
            ("line=", line.as_ref().map(|value| value as &dyn ToSql)),
            ("settled_at<=", settled_by.as_ref().map(|value| value as &dyn ToSql)),
            ("waiting_since<=", waiting_since.as_ref().map(|value| value as &dyn ToSql)),
        ] {
            if let Some(value) = value {
                values.push(value);
                sql.push_str(&format!(" AND {condition}?{}", values.len()));
            }
        }
        values.push(&limit);
        sql.push_str(&format!(" ORDER BY seq LIMIT ?{}", values.len()));
        self.read(&sql, &values, |row| table.read_listed(row))
    }

    fn refusals(&mut self, queue: Queue, state: State) -> Result<Vec<(Option<String>, u64)>> {
        self.list(&table(queue).refusals, [state.as_str()], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })
    }

    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>> {
        let counts = self.list(&table(queue).counts, (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?.unsigned_abs()))
        })?;
        let read =
            |(destination, kind, word, rows): (_, _, String, _)| Ok((destination, kind, state(&word)?, rows));
        counts.into_iter().map(read).collect()
    }

    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>> {
        let table = table(lane.queue);
        self.run(&table.end_leases, [pick.now])?;
        for kind in self.kinds(lane, &table.later_kinds)? {
            self.run(&table.call, params![lane.destination, kind, pick.now])?;
        }
        let mut due: Vec<(Seq, Seq)> = Vec::new();
        for kind in self.kinds(lane, &table.due_kinds)? {
            let values = params![lane.destination, kind, count(pick.limit)];
            due.extend(self.list(&table.due, values, |row| Ok((row.get(0)?, row.get(1)?)))?);
        }
        due.sort_unstable();
        let mut leased = Vec::new();
        for (_, seq) in due.into_iter().take(pick.limit) {
            self.run(&table.lease, params![seq, pick.until])?;
            // With RETURNING, SQLite would hold several more copies of a large payload.
            leased.extend(self.read(&table.by_seq, &[&seq], |row| table.read(row))?);
        }
        Ok(leased)
    }

    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>> {
        let table = table(lane.queue);
        let mut moments: Vec<Millis> = Vec::new();
        for kind in self.kinds(lane, &table.later_kinds)? {
            let values = params![lane.destination, kind, now];
            moments.extend(
                self.find(&table.next_later, values, |row| row.get::<_, Option<Millis>>(0))?.flatten(),
            );
        }
        // No more rows are leased than workers handle.
        let leased = self.list(&table.leased, params![lane.destination, now], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Millis>(1)?))
        })?;
        let ours = leased.into_iter().filter(|(kind, _)| lane.kinds.is_empty() || lane.kinds.contains(kind));
        moments.extend(ours.map(|(_, until)| until.saturating_add(1)));
        Ok(moments.into_iter().min())
    }

    fn renew(&mut self, leases: &[Lease], until: Millis) -> Result<Vec<Seq>> {
        let mut renewed = Vec::new();
        for &Lease { queue, seq, fence } in leases {
            if self.run(&table(queue).renew, params![seq, fence, until])? == 1 {
                renewed.push(seq);
            }
        }
        Ok(renewed)
    }

    fn advance(&mut self, lease: Lease, advance: &Advance) -> Result<bool> {
        let Advance { progress, result, sent } = advance;
        let values = params![lease.seq, lease.fence, progress, result, sent];
        Ok(self.run(&table(lease.queue).advance, values)? == 1)
    }

    fn settle(&mut self, lease: Lease, verdict: &Verdict, now: Millis) -> Result<bool> {
        let Lease { queue, seq, fence } = lease;
        let table = table(queue);
        let changed = match verdict {
            Verdict::Again { next_at, refusal: Some(Refusal { fault, text }) } => {
                let position = self.0.next_position();
                self.run(&table.again, params![seq, fence, next_at, fault, text, position])?
            }
            Verdict::Again { next_at, refusal: None } => {
                self.run(&table.break_off, params![seq, fence, next_at])?
            }
            Verdict::Park(Refusal { fault, text }) => {
                self.run(&table.park_held, params![seq, fence, fault, text])?
            }
            Verdict::Settled { .. } | Verdict::Gone
                if !self.holds(&table.is_held, params![seq, fence])? =>
            {
                0
            }
            Verdict::Settled { state, result } => {
                let result = result.as_deref();
                self.end(table, seq, Closing { state: *state, reason: None, result }, now)?;
                1
            }
            Verdict::Gone => return self.delete(queue, seq),
        };
        Ok(changed == 1)
    }

    fn release_all(&mut self) -> Result<()> {
        for table in QUEUES.map(table) {
            let leased: Vec<Seq> = self.list(&table.held_at_the_end, (), |row| row.get(0))?;
            for seq in leased {
                let behind = self.0.next_position();
                self.run(&table.release_leased, [seq, behind])?;
            }
            self.run(&table.release_later, ())?;
        }
        Ok(())
    }

    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool> {
        let position = self.0.next_position();
        Ok(self.run(&table(queue).requeue, params![seq, now, position])? == 1)
    }

    fn close(&mut self, queue: Queue, seq: Seq, closing: Closing<'_>, now: Millis) -> Result<bool> {
        let table = table(queue);
        let is_undecided = self.holds(&table.is_undecided, [seq])?;
        if is_undecided {
            self.end(table, seq, closing, now)?;
        }
        Ok(is_undecided)
    }

    fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<bool> {
        Ok(self.run(&table(queue).park, params![seq, refusal.fault, refusal.text])? == 1)
    }

    fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) -> Result<()> {
        let (fault, text) = refusal.map(|refusal| (&refusal.fault, &refusal.text)).unzip();
        self.run(&table(queue).postpone, params![seq, until, fault, text]).map(drop)
    }

    fn delete_met_by(&mut self, entry: &str) -> Result<()> {
        let find = "SELECT seq FROM delivery WHERE settled_by=?1";
        let met: Vec<Seq> = self.list(find, [entry], |row| row.get(0))?;
        met.into_iter().try_for_each(|seq| self.delete(Queue::Deliveries, seq).map(drop))
    }

    fn delete(&mut self, queue: Queue, seq: Seq) -> Result<bool> {
        let table = table(queue);
        self.release_line_of(table, seq)?;
        Ok(self.run(&table.delete, [seq])? == 1)
    }

    fn freed(&mut self) -> Vec<Lane> {
        self.1.take()
    }
}

impl Transaction<'_> {
    fn insert_row(&self, new: &NewRow) -> Result<()> {
        let table = table(new.queue);
        let is_held = match (new.queue, &new.line) {
            (_, None) => false,
            (Queue::Entries, Some(line)) => self.first_of_line(&new.destination, line)?.is_some(),
            (_, Some(line)) => self.holds(&table.has_older, [&new.destination, line])?,
        };
        let state = if new.is_invalid { State::Invalid } else { State::Queued };
        let settled_at = new.is_invalid.then_some(new.waiting_since);
        let (job, place) = new.job.unzip();
        let position = self.0.next_position();
        let (line, state) = (new.line.as_deref().unwrap_or_default(), state.as_str());
        let shared = params![
            new.id,
            new.destination,
            new.kind,
            line,
            state,
            new.accepted_at,
            new.waiting_since,
            settled_at,
            is_held,
            position,
            new.payload,
            new.result,
            new.trace,
        ];
        let own: &[&dyn ToSql] = match new.queue {
            Queue::Entries => &[],
            Queue::Records => &[&job, &place],
            Queue::Deliveries => &[&new.met_by],
        };
        self.run(&table.insert, &*[shared, own].concat())?;
        let seq = self.0.last_insert_rowid();
        if new.queue == Queue::Entries && !line.is_empty() {
            self.join_line(seq, line)?;
        }
        match &new.identity {
            Some(hash) => self.insert_identity(seq, &new.id, hash, new.waiting_since),
            None => Ok(()),
        }
    }

    /// Records of a job that have a result, from the place `from` on, each with its place.
    pub(super) fn records_of(&self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Listed)>> {
        let table = table(Queue::Records);
        let find = format!(
            "SELECT {}, number FROM {} WHERE job=?1 AND number>=?2 AND result IS NOT NULL ORDER BY number LIMIT ?3",
            table.listed_columns, table.name
        );
        self.read(&find, &[&job, &from, &count(limit)], |row| {
            Ok((row.get("number")?, table.read_listed(row)?))
        })
    }

    fn read<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl Fn(&SqlRow<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut find = self.0.prepare_cached(sql)?;
        let mut rows = find.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// What a statement answers that asks whether something is so.
    fn holds(&self, sql: &str, values: impl rusqlite::Params) -> Result<bool> {
        Ok(self.find(sql, values, |row| row.get(0))?.unwrap_or(false))
    }

    /// The kinds of `lane` one by one, so that an index has the rows of each in order; where it names none, those that `find` finds.
    fn kinds(&self, lane: &Lane, find: &str) -> Result<Vec<String>> {
        if !lane.kinds.is_empty() {
            return Ok(lane.kinds.clone());
        }
        self.list(find, [&lane.destination], |row| row.get(0))
    }

    /// A row that was queued, parked or leased is settled; what waits for it in its line may go.
    fn end(&self, table: &Table, seq: Seq, closing: Closing<'_>, now: Millis) -> Result<()> {
        let Closing { state, reason, result } = closing;
        self.run(&table.end, params![seq, state.as_str(), reason, now, result])?;
        self.release_line_of(table, seq)
    }

    /// The oldest unsettled row of the line of `seq`, other than itself, no longer waits.
    fn release_line_of(&self, table: &Table, seq: Seq) -> Result<()> {
        let line: Option<(String, String)> =
            self.find(&table.line_of, [seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((destination, line)) = line else { return Ok(()) };
        let next = match table.queue {
            Queue::Entries => {
                self.leave_line(seq, &line)?;
                self.first_of_line(&destination, &line)?
            }
            _ => self.find(&table.next_of_line, params![destination, line, seq], |row| row.get(0))?.flatten(),
        };
        let Some(next) = next else { return Ok(()) };
        self.run(&table.release, [next])?;
        let kind = self.find(&table.kind_of, [next], |row| row.get(0))?;
        self.1.borrow_mut().push(Lane { queue: table.queue, destination, kinds: kind.into_iter().collect() });
        Ok(())
    }
}

impl Table {
    fn read(&self, row: &SqlRow<'_>) -> Result<Row> {
        Ok(Row { listed: self.read_listed(row)?, payload: row.get(18)?, progress: row.get(19)? })
    }

    fn read_listed(&self, row: &SqlRow<'_>) -> Result<Listed> {
        let state = state(&row.get::<_, String>(5)?)?;
        Ok(Listed {
            queue: self.queue,
            seq: row.get(0)?,
            id: row.get(1)?,
            destination: row.get(2)?,
            kind: row.get(3)?,
            line: row.get::<_, Option<String>>(4)?.filter(|line| !line.is_empty()),
            state,
            attempts: row.get(6)?,
            accepted_at: row.get(7)?,
            waiting_since: row.get(8)?,
            next_at: row.get(9)?,
            leased_until: row.get::<_, Option<Millis>>(10)?.filter(|_| state == State::Leased),
            settled_at: row.get(11)?,
            fault: row.get(12)?,
            refusal: row.get(13)?,
            reason: row.get(14)?,
            sent: row.get(15)?,
            result: row.get(16)?,
            trace: row.get(17)?,
        })
    }
}

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) fn state(word: &str) -> Result<State> {
    State::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| Error::new(Code::Bug, "a row is in no known state"))
}
