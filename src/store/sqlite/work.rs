//! The three tables of work: insertion, leases, verdicts, decisions.
//!
//! A queued row that is due is in an index by its position; one that is not due yet is in another by its time and changes over
//! once that has come. A row that has to wait for an older one of its line is `held` until that is settled. So leasing costs the
//! same, however many wait.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, params};

use super::sql::Table;
use crate::error::{Code, Error, Result};
use crate::store::{
    Advance, Fence, Filter, Lane, Millis, NewRow, Pick, Queue, Refusal, Row, Seq, State, Verdict,
};

impl Table {
    fn read(&self, row: &SqlRow<'_>) -> Result<Row> {
        let state = state(&row.get::<_, String>(5)?)?;
        Ok(Row {
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
            payload: row.get(15)?,
            progress: row.get(16)?,
            sent: row.get(17)?,
            result: row.get(18)?,
        })
    }

    fn read_all(&self, connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<Row>> {
        let mut find = connection.prepare_cached(sql)?;
        let mut rows = find.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.read(row)?);
        }
        Ok(found)
    }

    pub(super) fn insert(&self, connection: &Connection, new: &NewRow) -> Result<()> {
        let held = match &new.line {
            None => false,
            Some(line) => {
                let mut has_older = connection.prepare_cached(&self.has_older)?;
                has_older.query_row([&new.destination, line], |row| row.get(0))?
            }
        };
        let state = if new.is_invalid { State::Invalid } else { State::Queued };
        let settled_at = new.is_invalid.then_some(new.waiting_since);
        let (job, place) = new.job.unzip();
        let position = next_position(connection)?;
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
            held,
            position,
            new.payload,
            new.result,
        ];
        let own: &[&dyn ToSql] = match self.queue {
            Queue::Entries => &[],
            Queue::Records => &[&job, &place],
            Queue::Deliveries => &[&new.met_by],
        };
        connection.prepare_cached(&self.insert)?.execute(&*[shared, own].concat())?;
        Ok(())
    }

    pub(super) fn row(&self, connection: &Connection, id: &str) -> Result<Option<Row>> {
        Ok(self.read_all(connection, &self.row, &[&id])?.pop())
    }

    pub(super) fn rows(
        &self,
        connection: &Connection,
        filter: &Filter,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let mut sql = format!("SELECT {} FROM {} WHERE seq>?1", self.columns, self.name);
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
        self.read_all(connection, &sql, &values)
    }

    /// Records of a job from the place `from` on, each with its place.
    pub(super) fn records(
        &self,
        connection: &Connection,
        job: Seq,
        from: u32,
        limit: usize,
    ) -> Result<Vec<(u32, Row)>> {
        let find = format!(
            "SELECT {}, number FROM {} WHERE job=?1 AND number>=?2 AND result IS NOT NULL ORDER BY number LIMIT ?3",
            self.columns, self.name
        );
        let mut find = connection.prepare_cached(&find)?;
        let mut rows = find.query(params![job, from, count(limit)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((row.get(19)?, self.read(row)?));
        }
        Ok(found)
    }

    pub(super) fn counts(&self, connection: &Connection) -> Result<Vec<(String, String, State, u64)>> {
        let mut count = connection.prepare_cached(&self.counts)?;
        let mut rows = count.query(())?;
        let mut counts = Vec::new();
        while let Some(row) = rows.next()? {
            let rows: i64 = row.get(3)?;
            counts.push((row.get(0)?, row.get(1)?, state(&row.get::<_, String>(2)?)?, rows.unsigned_abs()));
        }
        Ok(counts)
    }

    pub(super) fn lease(&self, connection: &Connection, lane: &Lane, pick: Pick) -> Result<Vec<Row>> {
        connection.prepare_cached(&self.end_leases)?.execute([pick.now])?;
        let mut call = connection.prepare_cached(&self.call)?;
        for kind in kinds(connection, lane, &self.later_kinds)? {
            call.execute(params![lane.destination, kind, pick.now])?;
        }
        let mut due = Vec::new();
        let mut find = connection.prepare_cached(&self.due)?;
        for kind in kinds(connection, lane, &self.due_kinds)? {
            let values = params![lane.destination, kind, count(pick.limit)];
            let rows = find.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
            due.extend(rows.collect::<rusqlite::Result<Vec<(Seq, Seq)>>>()?);
        }
        due.sort_unstable();
        let mut leased = Vec::new();
        for (_, seq) in due.into_iter().take(pick.limit) {
            leased.extend(self.read_all(connection, &self.lease, &[&seq, &pick.until])?);
        }
        Ok(leased)
    }

    pub(super) fn next_due(
        &self,
        connection: &Connection,
        lane: &Lane,
        now: Millis,
    ) -> Result<Option<Millis>> {
        let mut moments: Vec<Millis> = Vec::new();
        let mut next_later = connection.prepare_cached(&self.next_later)?;
        for kind in kinds(connection, lane, &self.later_kinds)? {
            let values = params![lane.destination, kind, now];
            moments.extend(next_later.query_row(values, |row| row.get::<_, Option<Millis>>(0))?);
        }
        // No more rows are leased than workers handle.
        let mut leased = connection.prepare_cached(&self.leased)?;
        let mut rows = leased.query(params![lane.destination, now])?;
        while let Some(row) = rows.next()? {
            if lane.kinds.is_empty() || lane.kinds.contains(&row.get(0)?) {
                moments.push(row.get::<_, Millis>(1)?.saturating_add(1));
            }
        }
        Ok(moments.into_iter().min())
    }

    pub(super) fn renew(
        &self,
        connection: &Connection,
        held: &[(Seq, Fence)],
        until: Millis,
    ) -> Result<Vec<Seq>> {
        let mut renew = connection.prepare_cached(&self.renew)?;
        let mut renewed = Vec::new();
        for (seq, fence) in held {
            if renew.execute(params![seq, fence, until])? == 1 {
                renewed.push(*seq);
            }
        }
        Ok(renewed)
    }

    pub(super) fn advance(
        &self,
        connection: &Connection,
        seq: Seq,
        fence: Fence,
        advance: &Advance,
    ) -> Result<bool> {
        let values = params![seq, fence, advance.progress, advance.result, advance.sent];
        Ok(connection.prepare_cached(&self.advance)?.execute(values)? == 1)
    }

    pub(super) fn settle(
        &self,
        connection: &Connection,
        seq: Seq,
        fence: Fence,
        verdict: &Verdict,
        now: Millis,
    ) -> Result<bool> {
        let changed = match verdict {
            Verdict::Again { next_at, refusal: Some(Refusal { fault, text }) } => {
                let position = next_position(connection)?;
                let values = params![seq, fence, next_at, fault, text, position];
                connection.prepare_cached(&self.again)?.execute(values)?
            }
            Verdict::Again { next_at, refusal: None } => {
                connection.prepare_cached(&self.break_off)?.execute(params![seq, fence, next_at])?
            }
            Verdict::Park(Refusal { fault, text }) => {
                connection.prepare_cached(&self.park_held)?.execute(params![seq, fence, fault, text])?
            }
            Verdict::Settled { .. } | Verdict::Gone if !self.is_held(connection, seq, fence)? => 0,
            Verdict::Settled { state, result } => {
                self.end(connection, seq, *state, None, result.as_deref(), now)?;
                1
            }
            Verdict::Gone => return self.delete(connection, seq),
        };
        Ok(changed == 1)
    }

    fn is_held(&self, connection: &Connection, seq: Seq, fence: Fence) -> Result<bool> {
        Ok(connection.prepare_cached(&self.is_held)?.query_row(params![seq, fence], |row| row.get(0))?)
    }

    /// A row that was queued, parked or leased is settled; what waits for it in its line may go.
    fn end(
        &self,
        connection: &Connection,
        seq: Seq,
        state: State,
        reason: Option<&str>,
        result: Option<&[u8]>,
        now: Millis,
    ) -> Result<()> {
        let values = params![seq, state.as_str(), reason, now, result];
        connection.prepare_cached(&self.end)?.execute(values)?;
        self.release_line_of(connection, seq)
    }

    /// The oldest unsettled row of the line of `seq`, other than itself, no longer waits.
    fn release_line_of(&self, connection: &Connection, seq: Seq) -> Result<()> {
        let line: Option<(String, String)> = connection
            .prepare_cached(&self.line_of)?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((destination, line)) = line {
            connection.prepare_cached(&self.release_line)?.execute(params![destination, line, seq])?;
        }
        Ok(())
    }

    pub(super) fn release_all(&self, connection: &Connection) -> Result<()> {
        let mut leased = connection.prepare_cached(&self.held_at_the_end)?;
        let leased: Vec<Seq> = leased.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for seq in leased {
            let behind = next_position(connection)?;
            connection.prepare_cached(&self.release_leased)?.execute([seq, behind])?;
        }
        connection.prepare_cached(&self.release_later)?.execute(())?;
        Ok(())
    }

    pub(super) fn requeue(&self, connection: &Connection, seq: Seq, now: Millis) -> Result<bool> {
        let position = next_position(connection)?;
        Ok(connection.prepare_cached(&self.requeue)?.execute(params![seq, now, position])? == 1)
    }

    pub(super) fn postpone(
        &self,
        connection: &Connection,
        seq: Seq,
        until: Millis,
        refusal: Option<&Refusal>,
    ) -> Result<()> {
        let (fault, text) = refusal.map(|refusal| (&refusal.fault, &refusal.text)).unzip();
        connection.prepare_cached(&self.postpone)?.execute(params![seq, until, fault, text])?;
        Ok(())
    }

    pub(super) fn close(
        &self,
        connection: &Connection,
        seq: Seq,
        state: State,
        reason: Option<&str>,
        result: Option<&[u8]>,
        now: Millis,
    ) -> Result<bool> {
        let is_undecided: bool =
            connection.prepare_cached(&self.is_undecided)?.query_row([seq], |row| row.get(0))?;
        if is_undecided {
            self.end(connection, seq, state, reason, result, now)?;
        }
        Ok(is_undecided)
    }

    pub(super) fn park(&self, connection: &Connection, seq: Seq, refusal: &Refusal) -> Result<bool> {
        let values = params![seq, refusal.fault, refusal.text];
        Ok(connection.prepare_cached(&self.park)?.execute(values)? == 1)
    }

    pub(super) fn delete(&self, connection: &Connection, seq: Seq) -> Result<bool> {
        self.release_line_of(connection, seq)?;
        Ok(connection.prepare_cached(&self.delete)?.execute([seq])? == 1)
    }
}

/// The kinds of `lane` one by one, so that an index has the rows of each in order; where it names none, those that `find` finds.
fn kinds(connection: &Connection, lane: &Lane, find: &str) -> Result<Vec<String>> {
    if !lane.kinds.is_empty() {
        return Ok(lane.kinds.clone());
    }
    let mut find = connection.prepare_cached(find)?;
    let kinds = find.query_map([&lane.destination], |row| row.get(0))?;
    Ok(kinds.collect::<rusqlite::Result<Vec<String>>>()?)
}

/// The place behind all that wait.
fn next_position(connection: &Connection) -> Result<Seq> {
    let next = "UPDATE meta SET value=value+1 WHERE name='position' RETURNING value";
    Ok(connection.prepare_cached(next)?.query_row((), |row| row.get(0))?)
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
