mod beside;
mod deliveries;
mod esignet;
mod hosts;
mod record_tokens;
mod systems;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault};
use crate::faces::ops::standing::Stored;
use crate::keys::Ring;
use crate::ledger::entry::Refusal;
use crate::ledger::job::{Progress, Unfinished};
use crate::ledger::{Failing, QuarantineCount, Tally};
use crate::mosip::mediator::BIRTH_NID;
use crate::opencrvs::event::EventKind;
use crate::queue::ChannelStatus;
use crate::store::{Millis, Queue, Trouble};

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// Two hours and a minute.
const BEFORE: Timestamp = Timestamp::from_seconds(NOON.seconds() - 7_260);

fn standing(queued: u64, parked: u64, quarantined: u64, channels: Vec<ChannelStatus>) -> Standing {
    let counts = [("birth", State::Queued, queued), ("birth", State::Parked, parked)];
    Standing {
        now: NOON,
        ready: true,
        trouble: None,
        unreadable: BTreeMap::new(),
        rows: Rows::ALL.into(),
        channels,
        stored: Some(Stored {
            entries: Tally {
                counts: counts
                    .map(|(kind, state, count)| (("mediator".to_owned(), kind.to_owned(), state), count))
                    .into(),
                oldest_waiting: BTreeMap::from_iter((queued > 0).then(|| ("mediator".to_owned(), BEFORE))),
            },
            deliveries: 0,
            oldest_delivery: None,
            failing: Vec::new(),
            jobs: Unfinished::default(),
            quarantine: vec![in_quarantine(BIRTH_NID.name, quarantined)],
            aids_given_twice: Vec::new(),
            record_tokens_ending: 0,
            gateways: Vec::new(),
            silent: 0,
        }),
        disk_left: None,
        disk_used: 0,
        hub: None,
        webhooks: None,
        reconciled: None,
        esignet: None,
        lacking: Vec::new(),
        ring: Arc::new(Ring::default()),
        listeners: Arc::new([]),
        certificates: Vec::new(),
        setting_troubles: Arc::new([]),
        only_verify: Vec::new(),
        faces: Arc::new([]),
        uptime: 600_000,
    }
}

fn one_job(queued: u64) -> Unfinished {
    Unfinished { jobs: 1, progress: Progress { queued, ..Progress::default() }, since: Some(0) }
}

fn in_quarantine(kind: &str, messages: u64) -> QuarantineCount {
    QuarantineCount { kind: kind.to_owned(), code: "malformed".to_owned(), messages, bytes: 0 }
}

fn channel(kind: EventKind, flow: Flow) -> ChannelStatus {
    channel_to("mediator", kind.as_str(), flow)
}

fn channel_to(destination: &str, kind: &str, flow: Flow) -> ChannelStatus {
    let stopped_at = (flow != Flow::Open).then_some(0);
    ChannelStatus {
        destination: destination.to_owned(),
        queue: Queue::Entries,
        host: "mosip.example".to_owned(),
        kinds: vec![kind.to_owned()],
        flow,
        stopped_at,
        failed_at: None,
        last_success: None,
        per_minute: None,
    }
}

fn paused(kind: EventKind, error: Error) -> ChannelStatus {
    channel(kind, Flow::Paused { reason: error, probe_at: 0 })
}

fn texts(standing: &Standing) -> Vec<String> {
    remarks(standing).into_iter().map(|line| line.text).collect()
}

#[test]
fn nothing_to_do_is_said_in_so_many_words() {
    let all = remarks(&standing(0, 0, 0, vec![channel(EventKind::Birth, Flow::Open)]));
    let wanted = Remark {
        tone: Tone::Flows,
        text: "Everything flows.".to_owned(),
        advice: "No event waits.".to_owned(),
    };
    assert_eq!(all, [wanted]);
}

#[test]
fn events_under_way_are_no_trouble() {
    let all = remarks(&standing(3, 0, 0, Vec::new()));
    assert_eq!(all[0].advice, "3 events are on their way, the oldest for 2h 1m.");
}

fn failed(queue: Queue, destination: &str, state: State, rows: u64, error: &Error) -> Failing {
    Failing {
        queue,
        destination: destination.to_owned(),
        kind: "birth".to_owned(),
        state,
        rows,
        refusal: Refusal::from(error),
        last_settled: state.is_settled().then_some(599_000),
    }
}

#[test]
fn an_attempt_that_failed_is_not_called_flowing_whatever_the_state_of_its_event() {
    let error = Error::new(Code::Upstream, "MOSIP answered 503");
    for state in [State::Queued, State::Leased] {
        let mut standing = standing(1, 0, 0, vec![channel(EventKind::Birth, Flow::Open)]);
        let failing = &mut standing.stored.as_mut().unwrap().failing;
        failing.push(failed(Queue::Entries, "mediator", state, 1, &error));
        assert_eq!(
            texts(&standing),
            ["The last attempt failed: 1 event waits for MOSIP, nothing is lost. MOSIP answered 503."]
        );
        assert_eq!(remarks(&standing)[0].tone, Tone::Waits);
        standing.channels = vec![channel(EventKind::Birth, Flow::Broken { until: 0 })];
        assert_eq!(texts(&standing).len(), 1, "what is away is said once");
    }
}

#[test]
fn reasons_of_one_destination_are_counted_together() {
    let mut standing = standing(9, 0, 0, Vec::new());
    let failing = &mut standing.stored.as_mut().unwrap().failing;
    let (one, other) = (Error::new(Code::Upstream, "it is slow"), Error::new(Code::Upstream, "it is odd"));
    failing.push(failed(Queue::Entries, "mediator", State::Queued, 2, &one));
    failing.push(failed(Queue::Entries, "mediator", State::Queued, 4, &other));
    failing.push(failed(Queue::Entries, "mediator", State::Leased, 1, &other));
    failing.push(failed(Queue::Records, "ida", State::Queued, 1, &one));
    failing.push(failed(Queue::Entries, "mediator", State::Parked, 1, &one));
    assert_eq!(
        texts(&standing),
        [
            "The last attempt failed: 7 events wait for MOSIP, nothing is lost. It is odd. There are 2 reasons: see below.",
            "The last attempt failed: 1 record of a job waits for IDA, nothing is lost. It is slow.",
        ]
    );
}

#[test]
fn a_job_whose_records_are_refused_is_not_called_flowing() {
    let mut standing = standing(0, 0, 0, vec![to(Queue::Records, "ida", Flow::Open)]);
    let error = Error::new(Code::Field, "MOSIP answered IDA-DEA-001").advise("Correct the details.");
    let refused = failed(Queue::Records, "ida", State::Refused, 3, &error);
    standing.stored.as_mut().unwrap().failing.push(refused);
    assert_eq!(texts(&standing), ["3 records of jobs have no UINTOKEN. MOSIP answered IDA-DEA-001."]);
    assert!(remarks(&standing)[0].advice.starts_with("Correct the details. "));
    standing.uptime += 86_400_000;
    assert_eq!(texts(&standing), ["Everything flows."], "a person has had a day to read it");
}

#[test]
fn what_keeps_events_is_said_before_the_first_of_them_fails() {
    let mut standing = standing(0, 0, 0, Vec::new());
    standing.lacking = vec![("mediator", Error::new(Code::Keys, "no own key may sign"))];
    assert_eq!(
        texts(&standing),
        ["Put right our keys: what goes to MOSIP waits for one. No own key may sign."]
    );
    standing.lacking.push(("ida", Error::new(Code::Keys, "no own key may sign")));
    standing.lacking.push(("ida", Error::new(Code::Keys, "no certificate of IDA is there")));
    assert_eq!(
        texts(&standing),
        [
            "Put right our keys: what goes to MOSIP and IDA waits for one. No own key may sign.",
            "Put right our keys: what goes to IDA waits for one. No certificate of IDA is there."
        ]
    );
}

#[test]
fn mosip_away_says_since_when_and_that_nothing_is_lost() {
    let away = || Flow::Broken { until: 0 };
    let channels = vec![channel(EventKind::Birth, away()), channel(EventKind::Death, away())];
    let all = remarks(&standing(12, 0, 0, channels));
    assert_eq!(all.len(), 1, "said once for both URLs");
    assert_eq!(
        (all[0].tone, all[0].text.as_str()),
        (Tone::Waits, "MOSIP has been away since 2027-01-15 07:50 UTC: 12 events wait, nothing is lost.")
    );
}

#[test]
fn what_a_person_has_to_put_right_comes_first_and_once() {
    let refused =
        || Error::new(Code::Partner, "MOSIP answered OPN-AUT-003").advise("Check the client secret.");
    let channels = vec![
        channel(EventKind::BirthCorrection, Flow::Broken { until: 0 }),
        paused(EventKind::Birth, refused()),
        paused(EventKind::Death, refused()),
    ];
    let standing = standing(1, 2, 1, channels);
    assert_eq!(
        texts(&standing),
        [
            "Put right the registration with MOSIP. MOSIP answered OPN-AUT-003. 1 event waits, nothing is lost.",
            "MOSIP has been away since 2027-01-15 07:50 UTC: no event waits, nothing is lost.",
            "Put right: 2 events are parked and need a decision.",
            "Put right: 1 message of MOSIP does not verify and did not reach the mediator.",
        ]
    );
    assert_eq!(remarks(&standing)[0].advice, "Check the client secret.");
}

#[test]
fn webhooks_that_are_no_events_are_not_laid_at_mosips_door() {
    let mut standing = standing(0, 0, 1, Vec::new());
    let stored = standing.stored.as_mut().unwrap();
    stored.quarantine.push(in_quarantine(WEBHOOK, 2));
    assert_eq!(
        texts(&standing),
        [
            "Put right: 2 webhooks of OpenCRVS are no events yet and did not reach MOSIP.",
            "Put right: 1 message of MOSIP does not verify and did not reach the mediator.",
        ]
    );
}

#[test]
fn a_pause_for_keys_names_our_keys() {
    let gone = Error::new(Code::Keys, "no own key may sign");
    let all = texts(&standing(0, 0, 0, vec![paused(EventKind::Birth, gone)]));
    assert_eq!(all, ["Put right our keys. No own key may sign. No event waits, nothing is lost."]);
}

#[test]
fn a_disk_that_refuses_outranks_everything() {
    let mut standing = standing(1, 1, 1, vec![channel(EventKind::Birth, Flow::Broken { until: 0 })]);
    standing.trouble = Some(Trouble::full());
    assert!(texts(&standing)[0].starts_with("Put right: the disk of the outbox is full."));
    standing.trouble = None;
    standing.stored = None;
    assert_eq!(texts(&standing)[0], "Put right: the database does not answer.");
}

#[test]
fn opencrvs_and_mosip_are_not_taken_for_each_other() {
    let away = |destination, kind| channel_to(destination, kind, Flow::Broken { until: 0 });
    let both = standing(1, 0, 0, vec![away("mediator", "birth"), away("opencrvs", "legacy")]);
    let texts_of = texts(&both);
    assert!(
        texts_of[0].starts_with("MOSIP has been away since") && texts_of[0].contains("1 event waits"),
        "{texts_of:?}"
    );
    assert!(
        texts_of[1].starts_with("OpenCRVS has been away since") && texts_of[1].contains("no event waits"),
        "{texts_of:?}"
    );
    let refused = Error::new(Code::Partner, "OpenCRVS's auth service answered 401");
    let flow = Flow::Paused { reason: refused, probe_at: 0 };
    let paused = standing(1, 0, 0, vec![channel_to("opencrvs", "legacy", flow)]);
    assert!(texts(&paused)[0].starts_with("Put right the client of OpenCRVS."), "{:?}", texts(&paused));
}

#[test]
fn what_is_put_right_is_said_by_the_destination_of_the_channel() {
    let said = |destination, fault| {
        let reason = Error::new(Code::Partner, "refused").blame(fault, true);
        let flow = Flow::Paused { reason, probe_at: 0 };
        let all = texts(&standing(1, 0, 0, vec![channel_to(destination, "birth", flow)]));
        all[0].split_once(". ").unwrap().0.to_owned()
    };
    for (destination, fault, what) in [
        ("mediator", Fault::Keys, "Put right our keys"),
        ("mediator", Fault::Partner, "Put right the registration with MOSIP"),
        ("ida", Fault::Keys, "Put right the keys or settings of IDA"),
        ("ida", Fault::Partner, "Put right the registration with IDA"),
        ("ida", Fault::Tampered, "Put right the signer of IDA's replies, or what changes them on their way"),
        ("hub", Fault::Partner, "Put right the client of MOSIP's hub"),
        ("delivery", Fault::Keys, "Put right the way to the mediator"),
        ("example", Fault::Partner, "Put right the key of Exampleland"),
        ("of-a-later-version", Fault::Partner, "Put right the registration with of-a-later-version"),
    ] {
        assert_eq!(said(destination, fault), what);
    }
}

#[test]
fn events_that_got_one_application_id_are_named() {
    let mut standing = standing(0, 0, 0, Vec::new());
    standing.stored.as_mut().unwrap().aids_given_twice = vec![["c1".to_owned(), "c2".to_owned()]];
    let all = remarks(&standing);
    assert_eq!(
        (all[0].tone, all[0].text.as_str()),
        (Tone::Act, "Put right: MOSIP gave one application id to the events c1 and c2. Both are sent.")
    );
}

fn to(queue: Queue, destination: &str, flow: Flow) -> ChannelStatus {
    let kinds = Vec::new();
    ChannelStatus { destination: destination.to_owned(), queue, kinds, ..channel(EventKind::Birth, flow) }
}

#[test]
fn nothing_flows_while_a_job_is_paused_or_ida_is_away() {
    let gone = Error::new(Code::Keys, "no certificate of peer `ida` is loaded");
    let paused = Flow::Paused { reason: gone, probe_at: 0 };
    let mut standing = standing(0, 0, 0, vec![to(Queue::Records, "ida", paused)]);
    standing.stored.as_mut().unwrap().jobs = one_job(4);
    assert_eq!(
        texts(&standing),
        [
            "Put right the keys or settings of IDA. No certificate of peer `ida` is loaded. 4 records of jobs wait, nothing is lost."
        ]
    );
    standing.channels = vec![to(Queue::Records, "ida", Flow::Broken { until: 0 })];
    assert_eq!(
        texts(&standing),
        ["IDA has been away since 2027-01-15 07:50 UTC: 4 records of jobs wait, nothing is lost."]
    );
    standing.channels = vec![to(Queue::Records, "ida", Flow::Open)];
    assert_eq!(remarks(&standing)[0].advice, "4 records of jobs wait for IDA's answer.");
}

#[test]
fn a_token_that_mosip_refuses_is_said_once_for_events_and_records() {
    let refused = || Error::new(Code::Partner, "the token service answered 401");
    let records = Flow::Paused { reason: refused(), probe_at: 0 };
    let mut standing =
        standing(2, 0, 0, vec![paused(EventKind::Birth, refused()), to(Queue::Records, "ida", records)]);
    standing.stored.as_mut().unwrap().jobs = one_job(1);
    assert_eq!(
        texts(&standing),
        [
            "Put right the registration with MOSIP. The token service answered 401. 2 events and 1 record of a job wait, nothing is lost."
        ]
    );
}

#[test]
fn what_is_left_is_estimated_only_where_it_flows() {
    let mut channel = channel(EventKind::Birth, Flow::Open);
    channel.per_minute = Some(120.0);
    let mut standing = standing(10_000, 0, 0, Vec::new());
    assert_eq!(standing.drained_in(&channel).unwrap().as_secs(), 5_000);
    channel.flow = Flow::Broken { until: 0 };
    assert_eq!(standing.drained_in(&channel), None);
    channel.flow = Flow::Open;
    standing.stored.as_mut().unwrap().entries.counts.clear();
    assert_eq!(standing.drained_in(&channel), None, "nothing is left");
}
