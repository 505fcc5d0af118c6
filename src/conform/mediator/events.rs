//! What the mediator sends to MOSIP, and what it makes of a MOSIP that fails.

use super::super::CannotRun;
use super::super::event::Event;
use super::super::report::{Report, Rule, Verdict};
use super::{Stage, has};
use crate::simulator::history::Record;
use crate::simulator::{AfterAccept, Behaviour};

const SUBJECT: &str = "envelopes";
const HOSTILE: &str = "a MOSIP that fails";

const SEALED: Rule = Rule {
    text: "An event is sealed as VER_R2 to MOSIP's certificate and signed with SHA512withRSA over the envelope, and it has one application id of its own.",
    source: "MOSIP keymanager, cryptomanager; tf-govstack/mosip-opencrvs; docs/protocol.md",
};
const KEPT: Rule = Rule {
    text: "An event that OpenCRVS handed over reaches MOSIP once MOSIP works again; only a 2xx without `errors` and with `response` means that it was taken.",
    source: "tf-govstack/mosip-opencrvs (errors come with HTTP 200); docs/protocol.md",
};
const AGAIN: Rule = Rule {
    text: "An event whose answer was lost is sent again under the same id, so that MOSIP can drop it.",
    source: "tf-govstack/mosip-opencrvs (a repeated id is dropped); docs/protocol.md",
};

/// What MOSIP-side mediators are asked at.
const ROUTES: &str = "/opencrvs/v1/";

/// A MOSIP that fails, and how the kit knows that the mediator has met it.
struct Failure {
    name: &'static str,
    behaviour: Behaviour,
    rule: &'static Rule,
    is_met: fn(before: &Record, now: &Record, event: &Event) -> bool,
    is_over: fn(now: &Record, event: &Event) -> bool,
}

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) -> Result<(), CannotRun> {
    report.add(SUBJECT, "what MOSIP's side refuses", &SEALED, refused(stage));
    for failure in failures() {
        let verdict = survives(stage, &failure).await;
        stage.behave(Behaviour::default());
        report.add(HOSTILE, failure.name, failure.rule, verdict);
    }
    Ok(())
}

/// Whatever the strict simulator has refused of what was sent so far.
fn refused(stage: &Stage<'_>) -> Verdict {
    let record = stage.simulator.history.record();
    let ours = |id: &Option<String>| id.as_deref().is_none_or(|id| stage.registry.made(id));
    let mut refusals: Vec<String> = record
        .refused
        .iter()
        .filter(|refused| ours(&refused.id))
        .map(|refused| format!("{} refused with {}: {}", refused.route, refused.code, refused.message))
        .collect();
    refusals.sort();
    refusals.dedup();
    if refusals.is_empty() && record.accepted.is_empty() {
        return Verdict::skipped("no event has come");
    }
    Verdict::of(refusals.is_empty(), "webhooks as OpenCRVS signs them", refusals.join("; "))
}

fn failures() -> Vec<Failure> {
    let down = Behaviour { down: true, ..Behaviour::default() };
    let page = Behaviour { answer_html: true, ..Behaviour::default() };
    let errors = Behaviour { errors_in_200: Some("OPN-CRVS-010".to_owned()), ..Behaviour::default() };
    let expired = Behaviour { reject_token_once: true, ..Behaviour::default() };
    let lost = |how| Behaviour { fault_after_accept: Some(how), ..Behaviour::default() };
    let kept = |name, behaviour, is_met| Failure { name, behaviour, rule: &KEPT, is_met, is_over: has };
    let again = |name, how| Failure {
        name,
        behaviour: lost(how),
        rule: &AGAIN,
        is_met: |_, now, event| came_again(now, event),
        is_over: came_again,
    };
    vec![
        kept("connections break", down, |before, now, _| failed_twice(before, now, "/")),
        kept("a page with HTTP 200", page, |before, now, _| failed_twice(before, now, ROUTES)),
        kept("errors with HTTP 200", errors, |before, now, _| failed_twice(before, now, ROUTES)),
        kept("a token that is refused once", expired, |before, now, _| {
            now.refused.len() > before.refused.len()
        }),
        again("the answer is lost", AfterAccept::HangUp),
        again("the answer is HTTP 500", AfterAccept::Answer500),
    ]
}

async fn survives(stage: &Stage<'_>, failure: &Failure) -> Verdict {
    let event = stage.registry.birth("Ada");
    let before = stage.simulator.history.record();
    let sent = format!("webhook of {}, while this is so: {}", event.composition, failure.name);
    stage.behave(failure.behaviour.clone());
    let came = stage.register(&event).await;
    if !came.is_success() {
        return Verdict::of(false, sent, stage.target.describe(&came));
    }
    let is_met = stage.sees(|now| (failure.is_met)(&before, now, &event)).await;
    stage.behave(Behaviour::default());
    if !is_met {
        return Verdict::of(false, sent, stage.never(&came));
    }
    let is_over = stage.sees(|now| (failure.is_over)(now, &event)).await;
    Verdict::of(is_over, sent, stage.never(&came))
}

/// Whether two requests to paths that begin with `path` have ended since `before`: the same one twice, or an application id and the event.
fn failed_twice(before: &Record, now: &Record, path: &str) -> bool {
    let ended = |record: &Record| -> u64 {
        record.requests.iter().filter(|(asked, _)| asked.starts_with(path)).map(|(_, count)| count).sum()
    };
    ended(now) > ended(before) + 1
}

/// Whether MOSIP has the event under one id, under which it came more than once.
fn came_again(record: &Record, event: &Event) -> bool {
    let mut ids = record.accepted.iter().filter(|accepted| accepted.composition == event.composition);
    match (ids.next(), ids.next()) {
        (Some(accepted), None) => accepted.count + accepted.repeats > 1,
        _ => false,
    }
}
