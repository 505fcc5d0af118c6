//! Another ID system, to which every event goes beside the MOSIP-side mediator. It is down half the time, which must hold up nobody else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Event;
use crate::support::system::{IdSystem, Posted};

/// What makes a name of an entry there of that at MOSIP.
const AT: &str = "@nia";

/// `[[systems]]`
pub(super) fn section(system: &IdSystem) -> String {
    let kinds = r#"["birth", "death", "birth-correction", "death-correction"]"#;
    format!("\n[[systems]]\nname = \"nia\"\nurl = \"{}\"\nkinds = {kinds}\n", system.url)
}

/// It is up for two kills, and down for two.
pub(super) fn take_turns(system: &IdSystem, kill: u64) {
    system.says(if kill % 4 < 2 { 200 } else { 503 }, "{}");
}

/// What came of events there.
#[derive(Default)]
pub(super) struct There {
    /// Events that it took.
    taken: usize,
    /// Posts of what it had taken.
    resent: usize,
    /// Posts that came while it was down.
    refused: usize,
    lost: usize,
    two_ids: usize,
    altered: usize,
    out_of_order: usize,
}

impl There {
    /// `acknowledged`: under which ids events were taken by the gateway; `events`: all that it knows, in the order in which it took them.
    pub(super) fn of(
        posts: &[Posted],
        acknowledged: &BTreeMap<Event, BTreeSet<String>>,
        events: &[Value],
    ) -> Self {
        let mut there = Self::default();
        let (mut first, mut taken) = (BTreeMap::new(), BTreeSet::new());
        let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut arrived = Vec::new();
        for posted in posts {
            let id = posted.id();
            let known = first.entry(id).or_insert_with(|| {
                arrived.push(id);
                &posted.body
            });
            there.altered += usize::from(**known != posted.body);
            match posted.is_taken {
                true => there.resent += usize::from(!taken.insert(id)),
                false => there.refused += 1,
            }
            // The rest of a webhook is of its post.
            let webhook: Value = serde_json::from_slice(&posted.body).unwrap();
            ids.entry(webhook["event"].to_string()).or_default().insert(id);
        }
        there.taken = taken.len();
        there.two_ids = ids.values().map(|ids| ids.len() - 1).sum();
        there.lost = acknowledged.values().flatten().filter(|id| !taken.contains(id.as_str())).count();
        there.out_of_order = out_of_order(events, arrived);
        there
    }

    /// Whether it took events, and was down while some came.
    pub(super) fn has_every_end(&self) -> bool {
        self.taken > 0 && self.refused > 0
    }

    /// Everything that has to be nothing.
    pub(super) fn failures(&self) -> [(&'static str, usize); 4] {
        [
            ("lost at the system", self.lost),
            ("two ids at the system", self.two_ids),
            ("content changed at the system", self.altered),
            ("out of order at the system", self.out_of_order),
        ]
    }
}

impl std::fmt::Display for There {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, resent, refused, .. } = self;
        write!(f, "{taken} events at the system, {resent} sent there again, {refused} while it was down")
    }
}

/// How many of the ids that `arrived` at a destination, each once, came behind a later one of their composition: `events` stand in the order in
/// which they were taken.
pub(super) fn out_of_order<'a>(events: &[Value], arrived: impl IntoIterator<Item = &'a str>) -> usize {
    let places: BTreeMap<&str, usize> = events
        .iter()
        .enumerate()
        .map(|(place, event)| (event["id"].as_str().unwrap(), place))
        .filter(|(id, _)| !id.ends_with(AT))
        .collect();
    let (mut last, mut late) = (BTreeMap::new(), 0);
    for id in arrived {
        let place = places.get(id).copied().unwrap_or_default();
        let before = last.insert(id.split('-').next(), place);
        late += usize::from(before.is_some_and(|before| before > place));
    }
    late
}
