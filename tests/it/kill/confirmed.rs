//! What came of registrations: at MOSIP, as packets; at OpenCRVS's core, under which transactions; and what the mediator was told.

use std::collections::{BTreeMap, BTreeSet};

use mosip_gateway::simulator;
use mosip_gateway::simulator::history::Record;
use mosip_gateway::simulator::opencrvs::CoreCall;
use mosip_gateway::simulator::packets::Packet;
use serde_json::Value;

use super::Delivered;
use super::registrations::{Fate, Registrations, Story, national_id, number_of};

/// How many registrations ended so.
#[derive(Default)]
pub(super) struct Outcome {
    /// Acknowledged to the country configuration.
    taken: usize,
    accepted: usize,
    rejected: usize,
    /// Rejected in OpenCRVS, after which a credential came, which is parked.
    contradicted: usize,
    silent: usize,
    /// Workflow instances that were asked for once more after the first was taken.
    workflows_repeated: u64,
    failures: BTreeMap<&'static str, usize>,
}

/// What has to be nothing, in this order.
const FAILURES: [&str; 9] = [
    "registration lost",
    "two packets for one number",
    "packet with other content",
    "packet without a workflow",
    "registration not confirmed",
    "confirmed as another",
    "two transactions for one registration",
    "parked and not told",
    "silence not told",
];

impl Outcome {
    pub(super) fn of(
        registrations: &Registrations,
        simulator: &simulator::Running,
        record: &Record,
        events: &[Value],
        delivered: &Delivered,
    ) -> Self {
        let stories = registrations.stories();
        let mut outcome = Self { taken: stories.len(), ..Self::default() };
        let mut packets: BTreeMap<&str, Vec<&Packet>> = BTreeMap::new();
        for packet in &record.packets {
            packets.entry(number_of(packet)).or_default().push(packet);
            outcome.workflows_repeated += packet.repeats;
            outcome.fails("packet without a workflow", packet.workflow.is_none());
        }
        let parked: BTreeSet<&str> = events
            .iter()
            .filter(|event| event["state"] == "parked")
            .map(|event| event["id"].as_str().unwrap())
            .collect();
        for id in &parked {
            outcome.fails("parked and not told", !delivered.parked.contains(*id));
        }
        let altered = record.refused.iter().filter(|refused| refused.code == "SIM-PACKET-ALTERED").count();
        *outcome.failures.entry("packet with other content").or_default() += altered;
        for (number, story) in stories.iter() {
            let of_number = packets.get(number.as_str()).map(Vec::as_slice).unwrap_or_default();
            outcome.fails("two packets for one number", of_number.len() > 1);
            match of_number.first() {
                Some(packet) if packet.processed == 1 && packet.content["fields"]["fullName"] == "Ada" => {
                    outcome.ends(number, story, packet, simulator, &parked, delivered);
                }
                _ => outcome.fails("registration lost", true),
            }
        }
        outcome.transactions(record);
        outcome
    }

    /// One registration, of which MOSIP has the packet.
    fn ends(
        &mut self,
        number: &str,
        story: &Story,
        packet: &Packet,
        simulator: &simulator::Running,
        parked: &BTreeSet<&str>,
        delivered: &Delivered,
    ) {
        let actions = simulator.core.actions(number);
        let decided: Vec<_> = actions.iter().filter(|action| action["status"] != "Requested").collect();
        let wanted = match story.fate {
            Fate::Issued | Fate::IssuedTwice => "Accepted",
            Fate::Rejected | Fate::RejectedThenIssued => "Rejected",
            Fate::Silent => {
                self.silent += 1;
                self.fails("silence not told", !delivered.silent.contains(number));
                return self.fails("confirmed as another", !decided.is_empty());
            }
        };
        let [action] = decided.as_slice() else { return self.fails("registration not confirmed", true) };
        let number_of_person = (story.kind == "birth").then(|| Value::from(national_id(packet)));
        let is_right = action["status"] == wanted
            && (wanted == "Rejected"
                || action["registrationNumber"] == number
                    && action["declaration"].get("child.nid") == number_of_person.as_ref());
        self.fails("confirmed as another", !is_right);
        match wanted {
            "Accepted" => self.accepted += 1,
            _ => self.rejected += 1,
        }
        if story.fate == Fate::RejectedThenIssued {
            self.contradicted += 1;
            let is_of_it =
                |id: &&&str| id.strip_prefix(packet.id.as_str()).is_some_and(|rest| rest.starts_with('@'));
            self.fails("parked and not told", !parked.iter().any(|id| is_of_it(&id)));
        }
    }

    /// Each decision about a record is one transaction, however often it is tried.
    fn transactions(&mut self, record: &Record) {
        let mut transactions: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for CoreCall { procedure, input, .. } in record.core_calls.iter().filter(|call| is_decision(call)) {
            let text = |name: &str| input[name].as_str().unwrap();
            transactions.entry((procedure, text("eventId"))).or_default().insert(text("transactionId"));
        }
        for of_one in transactions.values() {
            self.fails("two transactions for one registration", of_one.len() > 1);
        }
    }

    fn fails(&mut self, what: &'static str, is_so: bool) {
        *self.failures.entry(what).or_default() += usize::from(is_so);
    }

    /// Whether there were some of each kind, and workflow instances that were repeated.
    pub(super) fn have_every_end(&self) -> bool {
        let Self { accepted, rejected, contradicted, workflows_repeated, .. } = *self;
        accepted > 0 && rejected > 0 && contradicted > 0 && workflows_repeated > 0
    }

    /// Everything that has to be nothing.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, usize)> {
        FAILURES.into_iter().map(|what| (what, self.failures.get(what).copied().unwrap_or_default()))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, accepted, rejected, contradicted, silent, workflows_repeated, .. } = self;
        write!(
            f,
            "{taken} registrations taken: {accepted} accepted in OpenCRVS, {rejected} rejected there, "
        )?;
        write!(f, "of which {contradicted} had a credential later, {silent} silent; ")?;
        write!(f, "{workflows_repeated} workflow instances repeated")
    }
}

/// Whether it decides about what waits.
pub(super) fn is_decision(call: &CoreCall) -> bool {
    call.procedure != "event.get"
}
