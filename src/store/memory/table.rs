//! One table: what a transaction changes is remembered row by row, so that it can be undone.

use std::collections::BTreeMap;
use std::ops::Deref;

/// Rows in order of their keys. Reading goes through [`Deref`]; every change is remembered until [`Self::commit`].
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// Keys that the transaction changed, the last one last, and what stood there before.
    before: Vec<(K, Option<V>)>,
}

impl<K: Ord, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), before: Vec::new() }
    }
}

impl<K, V> Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// Whether the transaction changed a row.
    pub(super) fn is_changed(&self) -> bool {
        !self.before.is_empty()
    }

    /// The row of `key`, to be changed.
    pub(super) fn change(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.before.push((key.clone(), Some(row.clone())));
        Some(row)
    }

    /// Puts `row` there; false: one stood there.
    pub(super) fn insert(&mut self, key: K, row: V) -> bool {
        let before = self.rows.insert(key.clone(), row);
        let is_new = before.is_none();
        self.before.push((key, before));
        is_new
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.before.push((key.clone(), Some(row.clone())));
        Some(row)
    }

    /// The keys of the rows that `holds` is true of.
    pub(super) fn keys_of(&self, holds: impl Fn(&K, &V) -> bool) -> Vec<K> {
        self.rows.iter().filter(|(key, row)| holds(key, row)).map(|(key, _)| key.clone()).collect()
    }

    /// Removes the rows that `holds` is true of; how many.
    pub(super) fn remove_those(&mut self, holds: impl Fn(&K, &V) -> bool) -> usize {
        let gone = self.keys_of(holds);
        for key in &gone {
            self.remove(key);
        }
        gone.len()
    }

    /// Changes the rows that `holds` is true of; how many.
    pub(super) fn change_those(
        &mut self,
        holds: impl Fn(&K, &V) -> bool,
        mut change: impl FnMut(&mut V),
    ) -> usize {
        let keys = self.keys_of(holds);
        for key in &keys {
            if let Some(row) = self.change(key) {
                change(row);
            }
        }
        keys.len()
    }

    /// What was changed stays.
    pub(super) fn commit(&mut self) {
        self.before.clear();
    }

    /// What was changed is as it was before.
    pub(super) fn undo(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// The rows as they are now, of which nothing is under way.
    pub(super) fn copy(&self) -> Self {
        Self { rows: self.rows.clone(), before: Vec::new() }
    }
}
