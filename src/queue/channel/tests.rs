mod hosts;

use super::*;

const PROBE: Duration = Duration::from_secs(30);
/// What the die shows where it does not matter.
const DIE: u32 = 0x1234_5678;
const DEADLINE: Duration = Duration::from_secs(90);

fn channel() -> Channel {
    Channel::new(PROBE, DEADLINE, |code| code.starts_with("UNREAD"))
}

fn away() -> Error {
    Error::new(Code::Upstream, "no connection")
}

fn said(code: &str) -> Error {
    Error::new(Code::Upstream, "MOSIP answered").with_upstream(code, "")
}

fn fail(channel: &mut Channel, entry: &str, error: &Error, now: Millis) -> Next {
    channel.failed(entry, 1, error, now, DIE)
}

#[test]
fn the_first_retry_comes_within_a_second_and_none_later_than_a_minute_or_twice_the_deadline() {
    for (deadline, longest) in [(0, 60_000), (30, 60_000), (90, 180_000), (600, 1_200_000)] {
        let longest_backoff = longest_backoff(Duration::from_secs(deadline));
        assert_eq!(longest_backoff, longest);
        for attempts in [1, 2, 3, 6, 7, 12, 30, u32::MAX] {
            let window = (1_000_i64 << (attempts - 1).min(30)).min(longest);
            for die in [0, 1, DIE, u32::MAX - 1, u32::MAX] {
                assert!((1..=window).contains(&backoff(attempts, longest_backoff, die)), "{attempts}");
            }
            let waits: BTreeSet<_> =
                (0..50).map(|die| backoff(attempts, longest_backoff, die * 7919)).collect();
            assert!(waits.len() > 40, "entries that failed together do not come back together: {attempts}");
        }
    }
}

#[test]
fn retry_after_counts_up_to_the_longest_wait_whatever_the_channel_does() {
    let asks = |error: Error, seconds| error.with_retry_after(Some(Duration::from_secs(seconds)));
    let mut channel = channel();
    assert_eq!(fail(&mut channel, "a", &asks(away(), 7), 1_000), Next::Again(8_000));
    assert_eq!(fail(&mut channel, "a", &asks(away(), u64::MAX), 1_000), Next::Again(181_000));
    for _ in 0..8 {
        fail(&mut channel, "a", &away(), 1_000);
    }
    assert_eq!(fail(&mut channel, "b", &asks(away(), 100), 1_000), Next::Again(101_000), "as a probe");
    assert_eq!(channel.admission(6_000), Admission::Probe, "the others are still tried");
    let partner = asks(Error::new(Code::Partner, "MOSIP answered 403"), 100);
    assert_eq!(fail(&mut channel, "b", &partner, 6_000), Next::Again(106_000));
}

#[test]
fn ten_transport_failures_in_a_row_open_the_breaker_which_half_opens_after_five_seconds() {
    let mut channel = channel();
    for round in 0..9 {
        fail(&mut channel, "a", &away(), round);
        assert_eq!(channel.admission(round), Admission::Free);
    }
    fail(&mut channel, "a", &away(), 10);
    assert_eq!(channel.admission(11), Admission::Wait(5_010));
    assert_eq!(channel.admission(5_010), Admission::Probe);
    assert_eq!(
        fail(&mut channel, "b", &away(), 5_010),
        Next::Again(5_010),
        "the probe costs the entry nothing"
    );
    assert_eq!(channel.admission(5_011), Admission::Wait(10_010));
    channel.succeeded("c");
    assert_eq!(channel.admission(5_012), Admission::Free);
}

#[test]
fn a_breaker_rests_no_longer_than_a_pause() {
    let mut channel = Channel::new(Duration::from_secs(1), DEADLINE, |_| false);
    for _ in 0..10 {
        fail(&mut channel, "a", &away(), 0);
    }
    assert_eq!(channel.admission(1), Admission::Wait(1_000));
    fail(&mut channel, "b", &away(), 1_000);
    assert_eq!(channel.admission(1_001), Admission::Wait(2_000));
}

#[test]
fn it_has_stopped_since_the_first_moment_that_it_did_not_flow() {
    let mut channel = channel();
    for round in 0..12 {
        fail(&mut channel, "a", &away(), round);
    }
    assert_eq!(channel.stopped_at(), Some(0), "at the first of the failures that broke it");
    let refused = Error::new(Code::Partner, "refused");
    fail(&mut channel, "a", &refused, 20);
    assert_eq!(channel.stopped_at(), Some(0), "paused in place of broken: it still stands");
    channel.succeeded("a");
    assert_eq!(channel.stopped_at(), None);
}

#[test]
fn nobody_answers_from_the_first_failed_attempt_until_somebody_does() {
    let mut channel = channel();
    fail(&mut channel, "a", &away(), 7);
    fail(&mut channel, "a", &Error::new(Code::Storage, "full"), 8);
    fail(&mut channel, "a", &away(), 9);
    assert_eq!((channel.flow(), channel.stopped_at()), (&Flow::Open, Some(7)));
    fail(&mut channel, "a", &said("XYZ-001"), 10);
    assert_eq!((channel.flow(), channel.stopped_at()), (&Flow::Open, None), "it answered, whatever it said");
    fail(&mut channel, "a", &Error::new(Code::Storage, "full"), 11);
    assert_eq!(channel.stopped_at(), None, "our disk says nothing about the other side");
}

#[test]
fn a_5xx_counts_for_the_breaker_whatever_its_body_says() {
    for body in [
        said("OPN-SUB-001"),
        said("UNREAD-1"),
        said("IDA-MLC-007"),
        Error::new(Code::Partner, "refused").with_upstream("OPN-AUT-005", ""),
        Error::new(Code::Keys, "no key").with_upstream("KER-KMS-025", ""),
        Error::field("/individualId", "wrong").with_upstream("IDA-MLC-026", ""),
        away(),
    ] {
        let error = body.with_server_error();
        assert_eq!((error.fault(), error.code(), error.pointer()), (Fault::Upstream, Code::Upstream, None));
        let mut channel = channel();
        for round in 0..9 {
            let next = fail(&mut channel, ["a", "b"][round % 2], &error, 0);
            assert!(matches!(next, Next::Again(_)), "{error:?}");
            assert_eq!(channel.admission(0), Admission::Free, "{error:?}");
        }
        fail(&mut channel, "a", &error, 0);
        assert!(matches!(channel.flow(), Flow::Broken { .. }), "{error:?}");
    }
}

#[test]
fn an_answer_with_a_code_is_no_transport_failure() {
    let mut channel = channel();
    for _ in 0..9 {
        fail(&mut channel, "a", &away(), 0);
    }
    fail(&mut channel, "a", &said("OPN-SUB-001"), 0);
    for _ in 0..9 {
        fail(&mut channel, "a", &away(), 0);
    }
    assert_eq!(channel.admission(0), Admission::Free);
}

#[test]
fn a_tampered_reply_does_not_count_for_the_breaker() {
    let mut channel = channel();
    for _ in 0..50 {
        let next = fail(&mut channel, "a", &Error::new(Code::Tampered, "the reply does not verify"), 0);
        assert!(matches!(next, Next::Again(at) if at > 0));
    }
    assert_eq!(channel.admission(0), Admission::Free);
}

#[test]
fn an_expired_api_key_pauses_the_channel_and_the_first_success_resumes_it() {
    let mut channel = channel();
    assert_eq!(
        fail(&mut channel, "a", &Error::new(Code::Partner, "MOSIP answered 401"), 100),
        Next::Again(100)
    );
    assert_eq!(channel.admission(101), Admission::Wait(30_100));
    assert!(matches!(channel.flow(), Flow::Paused { reason, .. } if reason.fault() == Fault::Partner));
    assert_eq!(channel.admission(30_100), Admission::Probe);
    fail(&mut channel, "b", &away(), 30_100);
    assert_eq!(channel.admission(30_101), Admission::Wait(60_100), "an absent MOSIP does not end the pause");
    channel.probe_now();
    assert_eq!(channel.admission(30_102), Admission::Probe, "a key reload is tried at once");
    channel.succeeded("b");
    assert_eq!(channel.admission(30_103), Admission::Free);
}

#[test]
fn what_is_wrong_with_one_entry_parks_it_and_leaves_the_channel_alone() {
    let mut channel = channel();
    let lost = said("NEW-1").blame(Fault::Partner, false);
    for error in [Error::new(Code::Field, "x"), Error::new(Code::Bug, "x"), lost] {
        assert!(matches!(fail(&mut channel, "a", &error, 0), Next::Park(_)));
        assert_eq!(channel.admission(0), Admission::Free);
    }
}

#[test]
fn five_refused_signatures_of_two_entries_count_as_keys() {
    let refused = said("UNREAD-1");
    let mut alone = channel();
    for _ in 0..9 {
        fail(&mut alone, "a", &refused, 0);
        assert_eq!(alone.admission(0), Admission::Free, "one entry alone proves nothing");
    }
    let mut channel = channel();
    for entry in ["a", "b", "a", "b"] {
        fail(&mut channel, entry, &refused, 0);
        assert_eq!(channel.admission(0), Admission::Free);
    }
    fail(&mut channel, "a", &refused, 0);
    assert!(
        matches!(channel.flow(), Flow::Paused { reason, .. } if reason.fault() == Fault::Keys && reason.upstream().is_some_and(|said| said.code == "UNREAD-1"))
    );
}

#[test]
fn a_success_in_between_takes_the_blame_off_the_keys() {
    let mut channel = channel();
    for entry in ["a", "b", "a", "b"] {
        fail(&mut channel, entry, &said("UNREAD-2"), 0);
    }
    channel.succeeded("c");
    for entry in ["a", "b", "a", "b"] {
        fail(&mut channel, entry, &said("UNREAD-2"), 0);
    }
    assert_eq!(channel.admission(0), Admission::Free);
}

#[test]
fn an_entry_that_alone_is_refused_ten_times_is_a_bug() {
    let mut channel = channel();
    for _ in 0..9 {
        assert!(matches!(fail(&mut channel, "poisoned", &said("UNREAD-1"), 0), Next::Again(_)));
        channel.succeeded("other");
    }
    let next = fail(&mut channel, "poisoned", &said("UNREAD-1"), 0);
    let Next::Park(reason) = next else { panic!("it goes on for ever") };
    let code = reason.upstream().map(|said| said.code.as_str());
    assert_eq!((reason.fault(), code), (Fault::Bug, Some("UNREAD-1")));
    assert_eq!(channel.admission(0), Admission::Free);
}

/// How a channel flows, by name: broken and paused ones are due for a probe at [`NOW`].
fn flowing(flow: &str) -> Channel {
    let mut channel = channel();
    match flow {
        "broken" => (0..10).for_each(|_| drop(fail(&mut channel, "x", &away(), 0))),
        "paused" => drop(fail(&mut channel, "x", &Error::new(Code::Partner, "MOSIP answered 403"), 0)),
        _ => {}
    }
    assert_eq!(channel.flow().as_str(), flow);
    channel
}

/// After both rests.
const NOW: Millis = 30_000;

#[test]
fn every_outcome_of_an_attempt_leaves_every_channel_as_it_has_to() {
    let tampered = Error::new(Code::Tampered, "the reply does not verify");
    let bug = Error::new(Code::Bug, "a defect");
    let caller = Error::new(Code::Field, "this entry is wrong");
    let partner = Error::new(Code::Partner, "MOSIP answered 401");
    let uncalled = said("record-token-expired").blame(Fault::Caller, false).before_call();
    // What happens; how an open, a broken and a paused channel flow afterwards; whether the entry parks.
    let table = [
        ("MOSIP takes it", None, ["open", "open", "open"], false),
        (
            "MOSIP refuses what is in it",
            Some(caller.clone().with_upstream("IDA-MLC-026", "")),
            ["open", "open", "open"],
            true,
        ),
        (
            "OpenCRVS refuses what is in it, by its status alone",
            Some(Error::new(Code::Upstream, "OpenCRVS answered 404").blame(Fault::Caller, false)),
            ["open", "open", "open"],
            true,
        ),
        ("it is found wrong before any call, by a word", Some(uncalled), ["open", "broken", "paused"], true),
        ("it is found wrong before it is sent", Some(caller), ["open", "broken", "paused"], true),
        ("we cannot build it", Some(bug.clone()), ["open", "broken", "paused"], true),
        ("MOSIP reports a defect", Some(bug.with_upstream("X-1", "")), ["open", "open", "paused"], true),
        ("a refused partner", Some(partner.clone()), ["paused"; 3], false),
        (
            "a refused partner, by MOSIP's code",
            Some(partner.clone().with_upstream("OPN-AUT-003", "")),
            ["paused"; 3],
            false,
        ),
        ("a key is missing here", Some(Error::new(Code::Keys, "no key")), ["paused"; 3], false),
        ("no connection", Some(away()), ["open", "broken", "paused"], false),
        (
            "no answer in time",
            Some(Error::new(Code::UpstreamTimeout, "no answer")),
            ["open", "broken", "paused"],
            false,
        ),
        (
            "a 5xx with a known code",
            Some(said("OPN-SUB-001").with_server_error()),
            ["open", "broken", "paused"],
            false,
        ),
        (
            "a 5xx that blames the partner",
            Some(partner.with_upstream("OPN-AUT-005", "").with_server_error()),
            ["open", "broken", "paused"],
            false,
        ),
        ("an unknown code", Some(said("XYZ-001")), ["open", "open", "paused"], false),
        ("a known code of MOSIP's own trouble", Some(said("OPN-SUB-001")), ["open", "open", "paused"], false),
        ("an envelope that does not open", Some(said("UNREAD-2")), ["open", "open", "paused"], false),
        ("IDA gives no reason", Some(said("IDA-MLC-007")), ["open", "open", "paused"], false),
        ("a reply that does not verify", Some(tampered.clone()), ["open", "broken", "paused"], false),
        ("one that says so of all replies", Some(tampered.of_all()), ["paused"; 3], false),
        ("our disk", Some(Error::new(Code::Storage, "full")), ["open", "broken", "paused"], false),
        ("our load", Some(Error::new(Code::Busy, "full")), ["open", "broken", "paused"], false),
    ];
    for (what, failure, flows, parks) in table {
        for (before, after) in ["open", "broken", "paused"].into_iter().zip(flows) {
            let mut channel = flowing(before);
            let reason = format!("{:?}", channel.flow());
            let (tried, next) = match &failure {
                None => {
                    channel.succeeded("a");
                    (true, None)
                }
                Some(error) => {
                    let tried = error.fault() != Fault::Caller && error.fault() != Fault::Bug
                        || !error.is_before_call()
                            && (error.upstream().is_some() || error.code() == Code::Upstream);
                    (tried, Some(fail(&mut channel, "a", error, NOW)))
                }
            };
            assert_eq!(channel.flow().as_str(), after, "{what}, {before}");
            assert_eq!(matches!(next, Some(Next::Park(_))), parks, "{what}, {before}");
            let flows = after == "open" && !failure.as_ref().is_some_and(is_transport);
            assert_eq!(channel.stopped_at().is_none(), flows, "{what}, {before}");
            if after != "open" && tried {
                assert!(
                    matches!(channel.admission(NOW), Admission::Wait(_)),
                    "{what}, {before}: two probes at once"
                );
                assert!(parks || next == Some(Next::Again(NOW)), "{what}, {before}: a probe costs nothing");
            }
            if !tried {
                assert_eq!(format!("{:?}", channel.flow()), reason, "{what}, {before}: it was not tried");
            }
        }
    }
}

#[test]
fn a_probe_that_proves_nothing_leaves_what_a_person_has_to_put_right() {
    let mut channel = flowing("paused");
    for (round, error) in [said("XYZ-001"), said("UNREAD-1"), away()].iter().enumerate() {
        let now = NOW * (i64::try_from(round).unwrap() + 1);
        assert_eq!(channel.admission(now), Admission::Probe);
        fail(&mut channel, "a", error, now);
        assert!(
            matches!(channel.flow(), Flow::Paused { reason, .. } if reason.fault() == Fault::Partner),
            "{error:?}"
        );
    }
}

#[test]
fn a_pause_keeps_the_code_and_not_the_sentence_of_mosip() {
    let mut channel = channel();
    let sentence = "Invalid UIN 1234567890";
    fail(&mut channel, "a", &Error::new(Code::Partner, "refused").with_upstream("IDA-MPA-009", sentence), 0);
    let Flow::Paused { reason, .. } = channel.flow() else { panic!("it flows") };
    assert_eq!(reason.upstream().unwrap().code, "IDA-MPA-009");
    assert!(!format!("{:?}", channel.flow()).contains("1234567890"));
}

#[test]
fn a_channel_for_which_nothing_waits_is_not_called_stopped_for_ever() {
    for (before, at) in [("paused", NOW), ("broken", NOW)] {
        let mut channel = flowing(before);
        let (flow, wait) = (channel.flow().clone(), channel.admission(0));
        channel.nothing_waits(0);
        if matches!(wait, Admission::Wait(_)) {
            assert_eq!(*channel.flow(), flow, "{before}: not before its probe is due");
        }
        channel.nothing_waits(at);
        assert_eq!((channel.flow(), channel.stopped_at()), (&Flow::Open, None), "{before}");
    }
    let mut channel = flowing("broken");
    channel.nothing_waits(NOW);
    fail(&mut channel, "b", &away(), NOW);
    assert_eq!(channel.flow().as_str(), "broken", "one more failure is enough");
}

#[test]
fn an_entry_of_a_stopped_channel_is_tried_when_the_channel_is() {
    let mut channel = flowing("open");
    assert_eq!(channel.try_at(7), 7);
    fail(&mut channel, "a", &Error::new(Code::Partner, "refused"), NOW);
    let Admission::Wait(probe_at) = channel.admission(NOW) else { panic!("it is paused") };
    assert_eq!((channel.try_at(0), channel.try_at(probe_at + 5)), (probe_at, probe_at + 5));
}
