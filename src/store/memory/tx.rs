//! The verbs of a transaction: each is one of the tables it is about.

use super::Tables;
use crate::error::Result;
use crate::store::{
    CorrelationRow, IdentityRow, JobRow, Listed, ListedPush, Millis, OutcomeRow, PushRow, Queue,
    SEALED_AT_ONCE, SealedColumn, SealedValue, Seq, State, TokenRow, Tx,
};

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

    fn identity(&mut self, hash: &[u8]) -> Result<Option<IdentityRow>> {
        Ok(self.kept.identity(hash))
    }

    fn is_taken(&mut self, id: &str) -> Result<bool> {
        Ok(self.kept.names(id) || self.work.find(Queue::Entries, id).is_some())
    }

    fn key(&mut self, hash: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.kept.keys.get(hash).map(|(identity, _)| identity.clone()))
    }

    fn insert_key(&mut self, hash: &[u8], identity: &[u8], now: Millis) -> Result<()> {
        self.kept.keys.insert(hash.to_vec(), (identity.to_vec(), now));
        Ok(())
    }

    fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()> {
        self.kept.correlate(row, names);
        Ok(())
    }

    fn correlation(&mut self, entry: &str) -> Result<Option<CorrelationRow>> {
        Ok(self.kept.correlation(entry))
    }

    fn named(&mut self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        Ok(self.kept.named(name, limit))
    }

    fn expect(&mut self, entry: &str, by: Option<Millis>) -> Result<()> {
        self.kept.expect(entry, by);
        Ok(())
    }

    fn overdue(&mut self, now: Millis, limit: usize) -> Result<Vec<String>> {
        Ok(self.kept.overdue(now, limit))
    }

    fn conclude(&mut self, entry: &str, outcome: &OutcomeRow) -> Result<()> {
        self.kept.conclude(entry, outcome);
        Ok(())
    }

    fn outcome(&mut self, entry: &str) -> Result<Option<OutcomeRow>> {
        Ok(self.kept.outcome(entry))
    }

    fn outcomes(&mut self, outcome: &str) -> Result<u64> {
        Ok(self.kept.outcomes.values().filter(|row| row.outcome == outcome).count() as u64)
    }

    fn concluded(&mut self, outcome: &str, after: Seq, limit: usize) -> Result<Vec<(Seq, String)>> {
        Ok(self.kept.concluded(outcome, after, limit))
    }

    fn keep_token(&mut self, entry: &str, token: Option<&TokenRow>) -> Result<()> {
        self.kept.keep_token(entry, token);
        Ok(())
    }

    fn token(&mut self, entry: &str) -> Result<Option<TokenRow>> {
        Ok(self.kept.token(entry))
    }

    fn tokens_ending(&mut self, by: Millis) -> Result<u64> {
        let ending = self.kept.tokens.values().filter(|row| row.token.is_some() && row.until <= by);
        Ok(ending.count() as u64)
    }

    fn erase_tokens(&mut self, now: Millis) -> Result<usize> {
        Ok(self.kept.erase_tokens(now))
    }

    fn insert_push(&mut self, push: &PushRow) -> Result<Seq> {
        Ok(self.pushes.insert(push))
    }

    fn push(&mut self, id: &str) -> Result<Option<PushRow>> {
        Ok(self.pushes.find(id).cloned())
    }

    fn listed_push(&mut self, id: &str) -> Result<Option<ListedPush>> {
        Ok(self.pushes.find(id).map(|push| push.listed.clone()))
    }

    fn pushes(&mut self, is_quarantined: bool, after: Seq, limit: usize) -> Result<Vec<ListedPush>> {
        Ok(self.pushes.list(is_quarantined, after, limit))
    }

    fn quarantine(&mut self, id: &str, refusal: &str) -> Result<()> {
        self.pushes.quarantine(id, refusal);
        Ok(())
    }

    fn release_quarantine(&mut self) -> Result<usize> {
        Ok(self.pushes.release_quarantine())
    }

    fn delete_push(&mut self, id: &str) -> Result<bool> {
        Ok(self.pushes.delete(id))
    }

    fn push_size(&mut self, kind: &str) -> Result<(u64, u64)> {
        Ok(self.pushes.size(kind))
    }

    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<Option<Millis>> {
        let before = self.marked_verified(hash)?;
        self.kept.verified.insert(hash.to_vec(), now);
        Ok(before)
    }

    fn marked_verified(&mut self, hash: &[u8]) -> Result<Option<Millis>> {
        Ok(self.kept.verified.get(hash).copied())
    }

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq> {
        Ok(self.work.insert_job(id, form, now))
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>> {
        Ok(self.work.jobs.values().find(|job| job.id == id).cloned())
    }

    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>> {
        let jobs = self.work.jobs.range(after.saturating_add(1)..).map(|(_, job)| job.clone());
        Ok(jobs.take(limit).collect())
    }

    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()> {
        if let Some(job) = self.work.jobs.change(&job) {
            job.settled_at = Some(now);
        }
        Ok(())
    }

    fn progress(&mut self, job: Seq) -> Result<Vec<(State, u64)>> {
        Ok(self.work.progress(job))
    }

    fn is_under_way(&mut self, job: Seq) -> Result<bool> {
        let progress = self.work.progress(job);
        Ok(progress.iter().any(|(state, _)| matches!(state, State::Queued | State::Leased)))
    }

    fn records(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Listed)>> {
        Ok(self.work.records(job, from, limit))
    }

    fn job_of(&mut self, record: Seq) -> Result<Option<Seq>> {
        Ok(self.work.job_of(record))
    }

    fn sealed_values(&mut self, column: SealedColumn, after: Seq, limit: usize) -> Result<Vec<SealedValue>> {
        let mut bytes: usize = 0;
        let values = self.column(column).into_iter().filter(|value| value.at > after);
        let fitting = values.take_while(|value| {
            let before = bytes;
            bytes = bytes.saturating_add(value.value.len());
            before < SEALED_AT_ONCE
        });
        Ok(fitting.take(limit).collect())
    }

    fn replace_sealed(&mut self, column: SealedColumn, at: Seq, value: &[u8]) -> Result<()> {
        self.replace(column, at, value.to_vec());
        Ok(())
    }

    fn forget(&mut self, settled: Millis, seen: Millis) -> Result<()> {
        for row in self.work.forget(settled) {
            self.kept.outlive(&row);
        }
        let rows = &self.work.rows;
        self.attempts.remove_those(|(entry, _), _| !rows.contains_key(&(Queue::Entries, *entry)));
        self.kept.forget(seen, &self.work.unsettled());
        Ok(())
    }
}
