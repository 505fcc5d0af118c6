//! What outlives an event: by what it is known again, by what it is found, and which messages were delivered.

use super::Table;
use crate::store::{CorrelationRow, IdentityRow, Listed, Millis, OutcomeRow, Seq, TokenRow};

#[derive(Default)]
pub(super) struct Kept {
    pub(super) last: Seq,
    pub(super) identities: Table<Vec<u8>, (IdentityRow, Millis)>,
    pub(super) keys: Table<Vec<u8>, (Vec<u8>, Millis)>,
    pub(super) correlations: Table<Seq, CorrelationRow>,
    /// By name (an HMAC), the correlations that bear it.
    pub(super) correlated: Table<(Vec<u8>, Seq), ()>,
    /// By when something is to be said of a correlation, and what was said.
    pub(super) expected: Table<Seq, Millis>,
    pub(super) outcomes: Table<Seq, OutcomeRow>,
    /// The tokens that came with them.
    pub(super) tokens: Table<Seq, TokenRow>,
    pub(super) verified: Table<Vec<u8>, Millis>,
}

impl Kept {
    pub(super) fn identity(&self, hash: &[u8]) -> Option<IdentityRow> {
        self.identities.get(hash).map(|(row, _)| row.clone())
    }

    pub(super) fn insert_identity(&mut self, hash: &[u8], entry: &str, now: Millis) {
        let row = IdentityRow { entry: entry.to_owned(), last_state: None };
        self.identities.insert(hash.to_vec(), (row, now));
    }

    /// Whether an identity or a correlation names `entry`.
    pub(super) fn names(&self, entry: &str) -> bool {
        self.identities.values().any(|(row, _)| row.entry == entry) || self.correlation(entry).is_some()
    }

    pub(super) fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) {
        let seq = self.seq_of(&row.entry).unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        self.correlations.insert(seq, row.clone());
        for name in names {
            self.correlated.insert((name.clone(), seq), ());
        }
    }

    pub(super) fn correlation(&self, entry: &str) -> Option<CorrelationRow> {
        self.correlations.values().find(|row| row.entry == entry).cloned()
    }

    pub(super) fn named(&self, name: &[u8], limit: usize) -> Vec<CorrelationRow> {
        let from = (name.to_vec(), Seq::MIN);
        let named = self.correlated.range(from..).map(|(key, ())| key).take_while(|(known, _)| known == name);
        let named: Vec<_> = named.filter_map(|(_, seq)| self.correlations.get(seq)).collect();
        named.iter().skip(named.len().saturating_sub(limit)).copied().cloned().collect()
    }

    pub(super) fn expect(&mut self, entry: &str, by: Option<Millis>) {
        match (self.seq_of(entry), by) {
            (Some(seq), Some(by)) => drop(self.expected.insert(seq, by)),
            (Some(seq), None) => drop(self.expected.remove(&seq)),
            (None, _) => {}
        }
    }

    pub(super) fn overdue(&self, now: Millis, limit: usize) -> Vec<String> {
        let overdue = self.expected.iter().filter(|(_, by)| **by <= now);
        let mut overdue: Vec<(Millis, Seq)> = overdue.map(|(seq, by)| (*by, *seq)).collect();
        overdue.sort_unstable();
        let entry = |(_, seq): &(Millis, Seq)| Some(self.correlations.get(seq)?.entry.clone());
        overdue.iter().take(limit).filter_map(entry).collect()
    }

    pub(super) fn conclude(&mut self, entry: &str, outcome: &OutcomeRow) {
        if let Some(seq) = self.seq_of(entry) {
            self.outcomes.insert(seq, outcome.clone());
        }
    }

    pub(super) fn keep_token(&mut self, entry: &str, token: Option<&TokenRow>) {
        match (self.seq_of(entry), token) {
            (Some(seq), Some(token)) => drop(self.tokens.insert(seq, token.clone())),
            (Some(seq), None) => drop(self.tokens.remove(&seq)),
            (None, _) => {}
        }
    }

    pub(super) fn token(&self, entry: &str) -> Option<TokenRow> {
        self.tokens.get(&self.seq_of(entry)?).cloned()
    }

    pub(super) fn erase_tokens(&mut self, now: Millis) -> usize {
        let ended = self.tokens.keys_of(|_, row| row.token.is_some() && row.until <= now);
        for seq in &ended {
            if let Some(row) = self.tokens.change(seq) {
                row.token = None;
            }
        }
        ended.len()
    }

    pub(super) fn outcome(&self, entry: &str) -> Option<OutcomeRow> {
        self.outcomes.get(&self.seq_of(entry)?).cloned()
    }

    pub(super) fn concluded(&self, outcome: &str, after: Seq, limit: usize) -> Vec<(Seq, String)> {
        let rows = self.outcomes.range(after.saturating_add(1)..).filter(|(_, row)| row.outcome == outcome);
        let entry = |(seq, _): (&Seq, _)| Some((*seq, self.correlations.get(seq)?.entry.clone()));
        rows.filter_map(entry).take(limit).collect()
    }

    fn seq_of(&self, entry: &str) -> Option<Seq> {
        self.correlations.iter().find(|(_, row)| row.entry == entry).map(|(seq, _)| *seq)
    }

    /// The row of an entry is forgotten: its identity remembers how it ended.
    pub(super) fn outlive(&mut self, row: &Listed) {
        self.identities.change_those(
            |_, (identity, _)| identity.entry == row.id,
            |(identity, _)| identity.last_state = Some(row.state),
        );
    }

    /// Forgets what was seen at or before `seen`, but for what belongs to an entry that is not settled, or is to be
    /// answered after it.
    pub(super) fn forget(&mut self, seen: Millis, unsettled: &[String]) {
        self.identities.remove_those(|_, (row, at)| *at <= seen && row.last_state.is_some());
        self.keys.remove_those(|_, (_, at)| *at <= seen);
        self.verified.remove_those(|_, at| *at <= seen);
        let Self { correlations, correlated, expected, outcomes, tokens, .. } = self;
        let is_expected = |seq: &Seq| expected.get(seq).is_some_and(|by| *by > seen);
        correlations.remove_those(|seq, row| {
            row.seen_at <= seen && !is_expected(seq) && !unsettled.contains(&row.entry)
        });
        correlated.remove_those(|(_, seq), ()| !correlations.contains_key(seq));
        expected.remove_those(|seq, _| !correlations.contains_key(seq));
        outcomes.remove_those(|seq, _| !correlations.contains_key(seq));
        tokens.remove_those(|seq, _| !correlations.contains_key(seq));
    }
}
