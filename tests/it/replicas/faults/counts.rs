//! What came of all that was posted.

use std::collections::BTreeMap;

use mosip_gateway::simulator;
use mosip_gateway::simulator::history::{Accepted, LIMIT};

use super::load::Load;
use crate::support::process::Gateway;

/// What came of it.
pub(super) struct Counts {
    /// Events that were acknowledged.
    taken: usize,
    /// Posts that MOSIP had had before.
    resent: u64,
    /// Those of them that came after a later event of their composition.
    late: u64,
    /// Posts that were refused or not answered while something was broken.
    refused: usize,
    /// The longest from the first post of an event to its acknowledgement.
    longest: f64,
    /// What was answered by a gateway that was up, with a database that was, in place of taking an event.
    pub(super) let_down: Vec<String>,
    /// Everything that has to be nothing.
    all_failures: Vec<(&'static str, usize)>,
}

impl Counts {
    pub(super) async fn of(load: &Load, simulator: &simulator::Running, gateway: &Gateway) -> Self {
        let record = simulator.history.record();
        assert!(record.accepted.len() < LIMIT, "the simulator has forgotten some");
        let events = gateway.events().await;
        let aids: BTreeMap<_, _> =
            events.iter().map(|event| (event["id"].as_str().unwrap(), event["aid"].as_str())).collect();
        let mut of_composition: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for accepted in &record.accepted {
            of_composition.entry(&accepted.composition).or_default().push(&accepted.id);
        }
        let known = load.known.lock().unwrap();
        let (mut taken, mut lost, mut two_ids, mut out_of_order) = (0, 0, 0, 0);
        for (composition, story) in &known.stories {
            let arrived = of_composition.remove(composition.as_str()).unwrap_or_default();
            let ids: Vec<_> = story.iter().flat_map(|(_, ids)| ids).map(String::as_str).collect();
            taken += story.len();
            lost += ids.iter().filter(|id| !arrived.contains(id)).count();
            two_ids += ids.len().max(arrived.len()) - story.len();
            let order: Vec<_> = ids.iter().filter(|id| arrived.contains(id)).collect();
            let came: Vec<_> = arrived.iter().filter(|id| ids.contains(id)).collect();
            out_of_order += usize::from(order != came);
        }
        let of = |what: &dyn Fn(&&Accepted) -> bool| record.accepted.iter().filter(what).count();
        let all_failures = vec![
            ("lost", lost),
            ("two ids for one event", two_ids),
            ("events of nobody", of_composition.len()),
            ("AID changed", of(&|it| aids.get(it.id.as_str()) != Some(&it.aid.as_deref()))),
            ("content changed", of(&|it| it.altered > 0)),
            ("out of order", out_of_order),
            ("refused for its form", record.refused.iter().filter(|it| it.code.starts_with("SIM-")).count()),
            ("not done", events.iter().filter(|event| event["state"] != "done").count()),
            ("let down by a gateway that is up", known.let_down.len()),
        ];
        let posts: u64 = record.accepted.iter().map(|it| it.count + it.repeats).sum();
        let resent = posts - record.accepted.len() as u64;
        let late = record.accepted.iter().map(|it| it.late).sum();
        let (refused, longest) = (known.refused, known.longest.as_secs_f64());
        let let_down = known.let_down.clone();
        Self { taken, resent, late, refused, longest, let_down, all_failures }
    }

    pub(super) fn failures(&self) -> Vec<(&'static str, usize)> {
        self.all_failures.iter().filter(|(_, count)| *count > 0).copied().collect()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, resent, late, refused, longest, .. } = self;
        write!(
            f,
            "{taken} events taken, each within {longest:.1} s, {refused} posts refused while something was broken, "
        )?;
        write!(f, "{resent} sent again, of which {late} after a later event")?;
        self.all_failures.iter().try_for_each(|(what, count)| write!(f, ", {what} {count}"))
    }
}
