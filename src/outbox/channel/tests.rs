use super::*;

const PROBE: Duration = Duration::from_secs(30);

fn channel() -> Channel {
    Channel::new(PROBE)
}

fn away() -> Error {
    Error::new(Code::Upstream, "no connection")
}

fn said(code: &str) -> Error {
    Error::new(Code::Upstream, "MOSIP answered").with_upstream(code, "")
}

fn fail(channel: &mut Channel, entry: &str, error: &Error, now: Millis) -> Fate {
    channel.failed(entry, 1, error, None, now)
}

#[test]
fn the_first_retry_comes_within_a_second_and_none_later_than_a_minute() {
    for attempts in [1, 2, 3, 6, 7, 30, u32::MAX] {
        let window = (1_000_i64 << (attempts - 1).min(6)).min(60_000);
        for _ in 0..50 {
            assert!((1..=window).contains(&backoff(attempts, None)), "{attempts}");
        }
    }
    assert_eq!(backoff(1, Some(Duration::from_secs(7))), 7_000, "Retry-After inside the window");
    assert_eq!(backoff(1, Some(Duration::MAX)), 60_000, "Retry-After is clamped");
}

#[test]
fn ten_transport_failures_in_a_row_open_the_breaker_which_half_opens_after_five_seconds() {
    let mut channel = channel();
    for round in 0..9 {
        fail(&mut channel, "a", &away(), round);
        assert_eq!(channel.turn(round), Turn::Free);
    }
    fail(&mut channel, "a", &away(), 10);
    assert_eq!(channel.turn(11), Turn::Wait(5_010));
    assert_eq!(channel.turn(5_010), Turn::Trial);
    assert_eq!(
        fail(&mut channel, "b", &away(), 5_010),
        Fate::Again(5_010),
        "the trial costs the entry nothing"
    );
    assert_eq!(channel.turn(5_011), Turn::Wait(10_010));
    channel.succeeded("c");
    assert_eq!(channel.turn(5_012), Turn::Free);
}

#[test]
fn it_has_stopped_since_the_first_moment_that_it_did_not_flow() {
    let mut channel = channel();
    for round in 0..12 {
        fail(&mut channel, "a", &away(), round);
    }
    assert_eq!(channel.stopped_at(), Some(9), "at the tenth failure");
    let refused = Error::new(Code::Partner, "refused");
    fail(&mut channel, "a", &refused, 20);
    assert_eq!(channel.stopped_at(), Some(9), "paused in place of broken: it still stands");
    channel.succeeded("a");
    assert_eq!(channel.stopped_at(), None);
}

#[test]
fn an_answer_in_mosips_language_is_no_transport_failure() {
    let mut channel = channel();
    for _ in 0..9 {
        fail(&mut channel, "a", &away(), 0);
    }
    fail(&mut channel, "a", &said("OPN-SUB-001"), 0);
    for _ in 0..9 {
        fail(&mut channel, "a", &away(), 0);
    }
    assert_eq!(channel.turn(0), Turn::Free);
}

#[test]
fn a_tampered_reply_does_not_count_for_the_breaker() {
    let mut channel = channel();
    for _ in 0..50 {
        let fate = fail(&mut channel, "a", &Error::new(Code::Tampered, "the reply does not verify"), 0);
        assert!(matches!(fate, Fate::Again(at) if at > 0));
    }
    assert_eq!(channel.turn(0), Turn::Free);
}

#[test]
fn an_expired_api_key_pauses_the_channel_and_the_first_success_resumes_it() {
    let mut channel = channel();
    assert_eq!(
        fail(&mut channel, "a", &Error::new(Code::Partner, "MOSIP answered 401"), 100),
        Fate::Again(100)
    );
    assert_eq!(channel.turn(101), Turn::Wait(30_100));
    assert!(matches!(channel.flow(), Flow::Paused { refusal, .. } if refusal.fault == "partner"));
    assert_eq!(channel.turn(30_100), Turn::Trial);
    fail(&mut channel, "b", &away(), 30_100);
    assert_eq!(channel.turn(30_101), Turn::Wait(60_100), "an absent MOSIP does not end the pause");
    channel.probe_now();
    assert_eq!(channel.turn(30_102), Turn::Trial, "a key reload is tried at once");
    channel.succeeded("b");
    assert_eq!(channel.turn(30_103), Turn::Free);
}

#[test]
fn what_is_wrong_with_one_entry_parks_it_and_leaves_the_channel_alone() {
    let mut channel = channel();
    for code in [Code::Field, Code::Bug] {
        assert!(matches!(fail(&mut channel, "a", &Error::new(code, "x"), 0), Fate::Park(_)));
        assert_eq!(channel.turn(0), Turn::Free);
    }
}

#[test]
fn five_refused_signatures_of_two_entries_count_as_keys() {
    let refused = said("OPN-CRVS-026");
    let mut alone = channel();
    for _ in 0..9 {
        fail(&mut alone, "a", &refused, 0);
        assert_eq!(alone.turn(0), Turn::Free, "one entry alone proves nothing");
    }
    let mut channel = channel();
    for entry in ["a", "b", "a", "b"] {
        fail(&mut channel, entry, &refused, 0);
        assert_eq!(channel.turn(0), Turn::Free);
    }
    fail(&mut channel, "a", &refused, 0);
    assert!(
        matches!(channel.flow(), Flow::Paused { refusal, .. } if refusal.fault == "keys" && refusal.upstream.as_deref() == Some("OPN-CRVS-026"))
    );
}

#[test]
fn a_success_in_between_takes_the_blame_off_the_keys() {
    let mut channel = channel();
    for entry in ["a", "b", "a", "b"] {
        fail(&mut channel, entry, &said("OPN-CRVS-022"), 0);
    }
    channel.succeeded("c");
    for entry in ["a", "b", "a", "b"] {
        fail(&mut channel, entry, &said("OPN-CRVS-022"), 0);
    }
    assert_eq!(channel.turn(0), Turn::Free);
}

#[test]
fn an_entry_that_alone_is_refused_ten_times_is_a_bug() {
    let mut channel = channel();
    for _ in 0..9 {
        assert!(matches!(fail(&mut channel, "poisoned", &said("OPN-CRVS-026"), 0), Fate::Again(_)));
        channel.succeeded("other");
    }
    let fate = fail(&mut channel, "poisoned", &said("OPN-CRVS-026"), 0);
    assert!(matches!(fate, Fate::Park(error) if error.fault() == Fault::Bug));
    assert_eq!(channel.turn(0), Turn::Free);
}
