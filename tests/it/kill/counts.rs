//! What came of all that was posted and pushed.

use std::collections::BTreeMap;

use mosip_gateway::simulator;
use mosip_gateway::simulator::history::LIMIT;
use serde_json::json;

use super::confirmed::Outcome;
use super::system::{There, out_of_order};
use super::{Delivered, Event, Gateway, Load, posts};
use crate::support::system::Posted;

/// What came of it.
#[derive(Default)]
pub(super) struct Counts {
    /// Events that were acknowledged.
    pub(super) taken: usize,
    /// Ids that MOSIP accepted.
    accepted: usize,
    /// Posts that MOSIP had had before.
    pub(super) resent: u64,
    /// UINTOKENs that were answered 200.
    pushed: usize,
    lost: usize,
    out_of_order: usize,
    two_ids: usize,
    aid_changed: usize,
    altered: usize,
    refused: usize,
    not_done: usize,
    undelivered: usize,
    pushes_lost: usize,
    /// Rejections that the gateway acknowledged to the hub.
    pub(super) rejected: usize,
    rejections_lost: usize,
    rejections_doubled: usize,
    /// At the other ID system.
    pub(super) system: There,
    pub(super) registrations: Outcome,
}

impl Counts {
    pub(super) async fn of(
        load: &Load,
        simulator: &simulator::Running,
        at_system: &[Posted],
        gateway: &Gateway,
        delivered: &Delivered,
    ) -> Self {
        let record = &simulator.history.record();
        let lengths = [record.accepted.len(), record.aids.len(), record.core_calls.len()];
        assert!(lengths.into_iter().all(|length| length < LIMIT), "the simulator has forgotten some");
        let events = gateway.events().await;
        let known = load.known.lock().unwrap();
        let mut counts =
            Self { taken: known.taken.len(), accepted: record.accepted.len(), ..Self::default() };
        counts.resent = posts(record) - counts.accepted as u64;

        let at_mosip: BTreeMap<_, _> =
            record.accepted.iter().map(|accepted| (accepted.id.as_str(), accepted)).collect();
        for (event, ids) in &known.taken {
            counts.two_ids += ids.len() - 1;
            let there = |id: &String| {
                at_mosip.get(id.as_str()).is_some_and(|accepted| {
                    accepted.composition == event.composition && json!(accepted.kind) == event.kind
                })
            };
            counts.lost += ids.iter().filter(|id| !there(id)).count();
        }
        let mut ids: BTreeMap<(String, String), usize> = BTreeMap::new();
        for accepted in &record.accepted {
            let kind = json!(accepted.kind).as_str().unwrap().to_owned();
            *ids.entry((accepted.composition.clone(), kind)).or_default() += 1;
        }
        for ((composition, kind), ids) in ids {
            let of_it = |event: &&Event| event.composition == composition && event.kind == kind;
            counts.two_ids += ids.saturating_sub(known.posted.iter().filter(of_it).count());
        }

        // What is parked of confirmations was told, or counts as not told.
        let is_confirmation = |event: &&serde_json::Value| event["kind"] == "confirm";
        let may_park = |event: &&serde_json::Value| is_confirmation(event) && event["state"] == "parked";
        counts.not_done = events.iter().filter(|event| event["state"] != "done" && !may_park(event)).count();
        let aids: BTreeMap<_, _> =
            events.iter().map(|event| (event["id"].as_str().unwrap(), event["aid"].as_str())).collect();
        counts.aid_changed = record
            .accepted
            .iter()
            .filter(|accepted| aids.get(accepted.id.as_str()) != Some(&accepted.aid.as_deref()))
            .count();
        counts.altered = record.accepted.iter().filter(|accepted| accepted.altered > 0).count();
        counts.refused = record.refused.iter().filter(|refused| refused.code.starts_with("SIM-")).count();

        counts.undelivered = events
            .iter()
            .filter(|event| !is_confirmation(event) && !delivered.ids.contains(event["id"].as_str().unwrap()))
            .count();
        let taken: Vec<_> = record.pushes.iter().filter(|push| push.status == Some(200)).collect();
        counts.pushed = taken.len();
        counts.pushes_lost = taken.iter().filter(|push| !delivered.ids.contains(&push.uin_token)).count();
        counts.rejected = known.rejected.len();
        counts.rejections_lost =
            known.rejected.iter().filter(|id| !delivered.rejections.contains_key(*id)).count();
        counts.out_of_order = out_of_order(&events, record.accepted.iter().map(|event| event.id.as_str()));
        counts.system = There::of(at_system, &known.taken, &events);
        counts.registrations = Outcome::of(&load.registrations, simulator, record, &events, delivered);
        counts.rejections_doubled = delivered.rejections.values().filter(|ids| ids.len() > 1).count();
        counts
    }

    /// Everything that has to be nothing.
    fn all_failures(&self) -> Vec<(&'static str, usize)> {
        let others = [
            ("lost", self.lost),
            ("out of order", self.out_of_order),
            ("two ids for one event", self.two_ids),
            ("AID changed", self.aid_changed),
            ("content changed", self.altered),
            ("refused for its form", self.refused),
            ("not done", self.not_done),
            ("acceptance not delivered", self.undelivered),
            ("push lost", self.pushes_lost),
            ("rejection lost", self.rejections_lost),
            ("rejection delivered twice", self.rejections_doubled),
        ];
        others.into_iter().chain(self.system.failures()).chain(self.registrations.failures()).collect()
    }

    pub(super) fn failures(&self) -> BTreeMap<&'static str, usize> {
        self.all_failures().into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, accepted, resent, pushed, rejected, system, registrations, .. } = self;
        write!(
            f,
            "{taken} events taken, {accepted} at MOSIP, {resent} sent again, {system}, {pushed} pushes taken, "
        )?;
        write!(f, "{rejected} rejections of the hub, {registrations}")?;
        self.all_failures().iter().try_for_each(|(what, count)| write!(f, ", {what} {count}"))
    }
}
