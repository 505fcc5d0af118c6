//! What of the hub's messages may be missing, since when, and when a subscription is ended to be made anew.

use super::*;

const ERRORS: &str = "REGISTRATION_ERROR";
const BOTH: [(&str, &str); 2] = [("credential", TOPIC), ("errors", ERRORS)];

fn registered() -> FakeAnswer {
    says(200, REGISTERED)
}

fn always_registered() -> impl Iterator<Item = FakeAnswer> {
    std::iter::repeat_with(registered).take(99)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

fn gap(since: i64, until: Option<i64>, cause: Cause) -> Option<Gap> {
    Some(Gap { since: at(since), until: until.map(at), cause })
}

/// How often the hub was asked to end a subscription.
fn ends(home: &Home) -> usize {
    home.asked().iter().filter(|mode| *mode == "unsubscribe").count()
}

#[tokio::test(start_paused = true)]
async fn room_alone_ends_no_gap_and_a_message_that_the_hub_brings_again_leaves_none() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), None);
    home.hub.missed(CREDENTIAL);
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), ["subscribe"; 2], "there is room again");
    assert_eq!(home.gap(), gap(0, None, Cause::NoRoom));
    home.hub.arrived(CREDENTIAL);
    assert_eq!(home.gap(), None, "the hub brought it again");
    // After three attempts the hub brings nothing again.
    (0..3).for_each(|_| home.hub.missed(CREDENTIAL));
    home.rows.clock.set(at(7));
    home.hub.arrived(CREDENTIAL);
    assert_eq!(home.gap(), gap(0, Some(7), Cause::NoRoom));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_gave_up_and_says_that_it_has_the_subscription_is_made_to_begin_anew() {
    let home = Home::new([registered(), registered(), says(202, ACCEPTED), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(Duration::from_secs(299)).await;
    assert_eq!(home.asked(), ["subscribe"], "the hub still tries");
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), ["subscribe", "subscribe", "unsubscribe"]);
    assert!(!home.hub.verify("subscribe", TOPIC, None), "that is not what was asked for");
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Pending, None));
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked().last().map(String::as_str), Some("subscribe"));
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Active, None));
    assert_eq!(home.gap(), gap(0, None, Cause::Refused), "a question is no message");
    assert_eq!(
        home.shown(0).refused.map(|refused| (refused.messages, refused.code)),
        Some((1, Code::CallerSignature))
    );
    home.hub.arrived(HUB);
    assert!(home.shown(0).refused.is_some(), "a topic of nobody's says nothing about ours");
    home.rows.clock.set(at(400));
    home.hub.arrived(CREDENTIAL);
    assert_eq!(home.gap(), gap(0, Some(400), Cause::Refused), "it is told until a start");
    assert!(home.shown(0).refused.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_topic_ends_what_is_said_of_that_topic_alone() {
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    home.hub.arrived(REGISTRATION_ERROR);
    assert_eq!(home.gap(), gap(0, None, Cause::Refused));
    assert!(home.shown(0).refused.is_some() && home.shown(1).gap.is_none());
    // Nobody can tell whose these were.
    for _ in 0..3 {
        home.hub.refused(Code::TooLarge, true, None);
    }
    home.hub.arrived(REGISTRATION_ERROR);
    let status = home.hub.status().unwrap();
    assert_eq!(status.refused.map(|refused| refused.messages), Some(3));
    home.hub.arrived(CREDENTIAL);
    assert!(home.hub.status().unwrap().refused.is_none());
    assert!(home.gap().is_some_and(|gap| gap.until.is_some()));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_hub_makes_again_with_success_leaves_no_mark_on_any_topic() {
    for code in [Code::Malformed, Code::Timeout, Code::CallerSignature] {
        let home = Home::with(&BOTH, always_registered());
        pass(MOMENT).await;
        home.hub.refused(code, true, None);
        assert!(home.gap().is_some() && home.shown(1).gap.is_some());
        pass(Duration::from_secs(4)).await;
        home.hub.arrived(CREDENTIAL);
        assert_eq!((home.gap(), home.shown(1).gap), (None, None), "{code:?}");
        assert!(home.hub.status().unwrap().refused.is_none());
    }
    // Later than the hub's tries it is another message.
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::Malformed, true, None);
    pass(Duration::from_mins(6)).await;
    home.hub.arrived(CREDENTIAL);
    assert!(home.gap().is_some_and(|gap| gap.until.is_some()), "{:?}", home.gap());
    assert_eq!(home.shown(1).gap, gap(0, None, Cause::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_topic_is_not_ended_for_one_broken_attempt_nor_for_any_that_broke_on_their_way() {
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, None);
    for _ in 0..9 {
        home.hub.refused(Code::Malformed, true, None);
        home.hub.refused(Code::Timeout, true, None);
    }
    pass(Duration::from_hours(13)).await;
    assert_eq!(ends(&home), 0, "{:?}", home.asked());
    assert!(home.gap().is_some(), "it is told all the same");
    // Three that fail alike however often they are tried: the hub has given one of its topics up.
    for _ in 0..3 {
        home.hub.refused(Code::TooLarge, true, None);
    }
    pass(Duration::from_mins(6)).await;
    assert!(ends(&home) > 0, "{:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_delivers_again_is_left_alone() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    home.hub.arrived(CREDENTIAL);
    pass(Duration::from_hours(7)).await;
    assert_eq!(ends(&home), 0, "{:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_does_not_deliver_is_ended_once_an_hour_at_most() {
    let answers = [registered(), registered(), says(202, ACCEPTED)];
    let home = Home::new(answers.into_iter().chain(always_registered()));
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(Duration::from_secs(301)).await;
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    for _ in 0..9 {
        home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
        pass(Duration::from_mins(6)).await;
    }
    assert_eq!(ends(&home), 1, "{:?}", home.asked());
    assert!(home.asked().len() > 10, "{:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn what_anybody_may_have_sent_is_told_and_moves_nothing() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    for _ in 0..3 {
        home.hub.refused(Code::CallerSignature, false, None);
    }
    pass(Duration::from_hours(1)).await;
    let status = home.hub.status().unwrap();
    assert_eq!(status.refused.map(|refused| (refused.messages, refused.is_hub)), Some((3, false)));
    assert_eq!((home.gap(), home.asked().len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_silent_while_registrations_wait_is_made_to_begin_anew_once_a_day() {
    for delivers in [true, false] {
        let topics = Topics::from_iter([("credential", TOPIC.to_owned())]);
        let mut state = State::new(&topics, Duration::from_hours(6));
        state.set_waited_for(true);
        let mut ended = Vec::new();
        for renewal in 0..9 {
            let now = at(renewal * 6 * 3_600);
            state.asked(TOPIC, Mode::Subscribe, now);
            state.answered(TOPIC, Ok(Answer::AlreadyRegistered), 0, now);
            if let (Some(Due { mode: Mode::Unsubscribe, .. }), _) = state.due() {
                ended.push(renewal);
                state.asked(TOPIC, Mode::Unsubscribe, now);
                assert!(state.verified(TOPIC, Mode::Unsubscribe, Duration::from_hours(24), now));
                state.asked(TOPIC, Mode::Subscribe, now);
                assert!(state.verified(TOPIC, Mode::Subscribe, Duration::from_hours(24), now));
            }
            pass(Duration::from_hours(6)).await;
            if delivers {
                state.arrived(Some("credential"), now);
            }
        }
        // The first term shows whether anything comes.
        assert_eq!(ended, if delivers { vec![] } else { vec![1, 5] });
        let shown = state.subscriptions().remove(0).gap;
        assert_eq!(
            shown,
            if delivers { None } else { gap(0, None, Cause::Silence) },
            "since the subscription"
        );
        state.arrived(Some("credential"), at(300_000));
        let shown = state.subscriptions().remove(0).gap;
        assert_eq!(shown, if delivers { None } else { gap(0, Some(300_000), Cause::Silence) });
    }
}

#[tokio::test(start_paused = true)]
async fn a_silence_begins_with_the_last_message() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    home.rows.clock.set(at(50));
    home.hub.arrived(CREDENTIAL);
    home.hub.set_waited_for(true);
    pass(Duration::from_hours(13)).await;
    assert_eq!(home.gap(), gap(50, None, Cause::Silence));
}

#[tokio::test(start_paused = true)]
async fn after_an_end_only_a_verification_makes_the_subscription_active() {
    let home = Home::new(
        [registered(), registered(), says(202, ACCEPTED), registered(), registered()]
            .into_iter()
            .chain([says(202, ACCEPTED)]),
    );
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(Duration::from_secs(301)).await;
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    pass(Duration::from_millis(1_100)).await;
    assert_eq!(home.asked().len(), 4);
    assert_eq!(
        home.standing(),
        (Standing::Failing, Some(Fault::Partner)),
        "the hub is about to remove what it has"
    );
    pass(Duration::from_secs(4)).await;
    assert_eq!(home.asked()[3..], ["subscribe"; 3]);
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_fails_is_tried_again() {
    let home = Home::new([registered(), registered(), is_away(), registered(), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(Duration::from_secs(310)).await;
    assert_eq!(home.asked()[2..], ["unsubscribe", "subscribe", "unsubscribe"]);
}

/// A gateway that was subscribed for ten minutes, and ended.
async fn ended(is_stop: bool) -> Rows {
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.rows.clock.set(at(590));
    pass(Duration::from_mins(1)).await;
    home.rows.clock.set(at(600));
    home.end(is_stop).await
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_that_was_longer_than_the_hub_tries_every_topic_is_ended_once_and_made_anew() {
    let rows = ended(true).await;
    rows.clock.set(at(700));
    let answers = [registered(), says(202, ACCEPTED), registered(), says(202, ACCEPTED)];
    let home = Home::over(rows, &BOTH, answers.into_iter().chain([says(202, ACCEPTED), says(202, ACCEPTED)]));
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe", "unsubscribe", "subscribe", "unsubscribe"]);
    for index in [0, 1] {
        assert_eq!(home.shown(index).gap, gap(600, None, Cause::WasAway));
    }
    for topic in [TOPIC, ERRORS] {
        assert!(home.hub.verify("unsubscribe", topic, None));
    }
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked()[4..], ["subscribe"; 2]);
    assert_eq!(home.gap(), gap(600, None, Cause::WasAway), "the hub has not verified it");
    home.rows.clock.set(at(703));
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.gap(), gap(600, Some(703), Cause::WasAway));
    assert_eq!(home.shown(1).gap, gap(600, None, Cause::WasAway), "each topic for itself");
    home.hub.arrived(REGISTRATION_ERROR);
    assert_eq!(home.shown(1).gap, gap(600, Some(703), Cause::WasAway), "a message shows it too");
}

#[tokio::test(start_paused = true)]
async fn after_a_short_stop_or_at_the_first_start_nothing_is_missing() {
    for (is_stop, seconds) in [(true, 608), (false, 599)] {
        let rows = ended(is_stop).await;
        rows.clock.set(at(seconds));
        let home = Home::over(rows, &BOTH, always_registered());
        pass(MOMENT).await;
        assert_eq!((home.gap(), ends(&home)), (None, 0), "stopped: {is_stop}");
    }
    let rows = ended(false).await;
    rows.clock.set(at(606));
    let home = Home::over(rows, &BOTH, always_registered());
    pass(MOMENT).await;
    assert_eq!(
        home.gap(),
        gap(590, None, Cause::WasAway),
        "it last noted that it was up before it was killed"
    );
    // A topic that was never subscribed misses nothing.
    let rows = ended(true).await;
    rows.clock.set(at(9_999));
    let home = Home::over(rows, &[("packet_status", "STATUS")], always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_missing_at_a_stop_is_known_to_the_next_start() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    home.rows.clock.set(at(100));
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    let rows = home.end(true).await;
    rows.clock.set(at(101));
    let home = Home::over(rows, &[("credential", TOPIC)], always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), gap(0, None, Cause::WasAway), "all was well until then");
    assert_eq!(ends(&home), 1);
}
