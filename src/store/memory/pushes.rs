//! What came from outside and is not verified yet.

use std::collections::BTreeMap;

use super::Table;
use crate::store::{ListedPush, PushRow, Seq};

#[derive(Default)]
pub(super) struct Pushes {
    pub(super) last: Seq,
    pub(super) rows: Table<Seq, PushRow>,
}

impl Pushes {
    pub(super) fn insert(&mut self, push: &PushRow) -> Seq {
        self.last += 1;
        let listed = ListedPush { seq: self.last, ..push.listed.clone() };
        self.rows.insert(self.last, PushRow { listed, body: push.body.clone() });
        self.last
    }

    pub(super) fn find(&self, id: &str) -> Option<&PushRow> {
        self.rows.values().find(|push| push.id == id)
    }

    pub(super) fn list(&self, is_quarantined: bool, after: Seq, limit: usize) -> Vec<ListedPush> {
        let pushes = self.rows.range(after.saturating_add(1)..).map(|(_, push)| &push.listed);
        pushes.filter(|push| push.is_quarantined == is_quarantined).take(limit).cloned().collect()
    }

    pub(super) fn quarantine(&mut self, id: &str, refusal: &str) {
        self.rows.change_those(
            |_, push| push.id == id,
            |push| {
                push.listed.is_quarantined = true;
                push.listed.refusal = Some(refusal.to_owned());
            },
        );
    }

    pub(super) fn release_quarantine(&mut self) -> usize {
        self.rows.change_those(|_, push| push.is_quarantined, |push| push.listed.is_quarantined = false)
    }

    pub(super) fn delete(&mut self, id: &str) -> bool {
        self.rows.remove_those(|_, push| push.id == id) > 0
    }

    pub(super) fn size(&self, kind: &str) -> (u64, u64) {
        let kept = self.rows.values().filter(|push| push.kind == kind);
        kept.fold((0, 0), |(rows, bytes), push| (rows + 1, bytes + push.bytes))
    }

    pub(super) fn reasons(&self) -> Vec<(String, Option<String>, u64, u64)> {
        let mut sizes: BTreeMap<(String, Option<String>), (u64, u64)> = BTreeMap::new();
        for push in self.rows.values().filter(|push| push.is_quarantined) {
            let (rows, bytes) = sizes.entry((push.kind.clone(), push.refusal.clone())).or_default();
            (*rows, *bytes) = (*rows + 1, *bytes + push.bytes);
        }
        sizes.into_iter().map(|((kind, reason), (rows, bytes))| (kind, reason, rows, bytes)).collect()
    }
}
