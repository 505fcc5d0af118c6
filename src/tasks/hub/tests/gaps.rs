//! What of the hub's messages may be missing, since when, and when a subscription is ended to be made anew.

use super::*;

#[tokio::test(start_paused = true)]
async fn room_alone_ends_no_gap_and_a_message_that_the_hub_brings_again_leaves_none() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), None);
    home.hub.missed(CREDENTIAL);
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), ["subscribe"; 2], "there is room again");
    assert_eq!(home.gap(), gap(0, None, Cause::NoRoom));
    home.arrived(CREDENTIAL);
    assert_eq!(home.gap(), None, "the hub brought it again");
    // After three attempts the hub brings nothing again.
    (0..3).for_each(|_| home.hub.missed(CREDENTIAL));
    home.rows.clock.set(at(7));
    home.arrived(CREDENTIAL);
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
    home.arrived(HUB);
    assert!(home.shown(0).refused.is_some(), "a topic of nobody's says nothing about ours");
    home.rows.clock.set(at(400));
    home.arrived(CREDENTIAL);
    assert_eq!(home.gap(), gap(0, Some(400), Cause::Refused), "it is told until a start");
    assert!(home.shown(0).refused.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_before_the_failure_or_does_not_verify_ends_no_gap() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    home.rows.clock.set(at(10));
    (0..3).for_each(|_| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
    home.rows.clock.set(at(20));
    // It lay in quarantine, and verifies since its key is there.
    home.hub.arrived(CREDENTIAL, at(9), true);
    home.hub.arrived(CREDENTIAL, at(15), false);
    assert_eq!(home.gap(), gap(10, None, Cause::Refused));
    assert!(home.shown(0).refused.is_some());
    home.hub.arrived(CREDENTIAL, at(15), true);
    assert_eq!(home.gap(), gap(10, Some(15), Cause::Refused));
    assert!(home.shown(0).refused.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_topic_ends_what_is_said_of_that_topic_alone() {
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    home.arrived(REGISTRATION_ERROR);
    assert_eq!(home.gap(), gap(0, None, Cause::Refused));
    assert!(home.shown(0).refused.is_some() && home.shown(1).gap.is_none());
    // Nobody can tell whose these were.
    for _ in 0..3 {
        home.hub.refused(Code::TooLarge, true, None);
    }
    home.arrived(REGISTRATION_ERROR);
    let status = home.hub.status().unwrap();
    assert_eq!(status.refused.map(|refused| refused.messages), Some(3));
    home.arrived(CREDENTIAL);
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
        home.arrived(CREDENTIAL);
        assert_eq!((home.gap(), home.shown(1).gap), (None, None), "{code:?}");
        assert!(home.hub.status().unwrap().refused.is_none());
    }
    // Later than the hub's tries it is another message.
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::Malformed, true, None);
    pass(Duration::from_mins(6)).await;
    home.arrived(CREDENTIAL);
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
    home.arrived(CREDENTIAL);
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

/// The renewals, six hours apart at a hub that has each topic, at which [`TOPIC`] was ended. Before each, `before` happens.
pub(super) async fn ends_of(renewals: i64, before: impl Fn(&mut State, i64, Timestamp)) -> (State, Vec<i64>) {
    let topics = BOTH.map(|(setting, topic)| (setting, topic.to_owned()));
    let mut state = State::new(&Topics::from_iter(topics), Duration::from_hours(6));
    let known = HubTopic { up: Some(at(0)), ..HubTopic::default() };
    let mut ended = Vec::new();
    for (setting, _) in BOTH {
        assert_eq!(state.restore(setting, &known, 1, at(0)), None);
    }
    for renewal in 0..renewals {
        let now = at(renewal * 6 * 3_600);
        before(&mut state, renewal, now);
        while let (Some(Due { topic, mode, .. }), _) = state.due() {
            state.asked(&topic, mode, now);
            if mode == Mode::Subscribe {
                state.answered(&topic, Ok(Answer::AlreadyRegistered), 0, now);
                continue;
            }
            ended.extend((topic == TOPIC).then_some(renewal));
            assert!(state.verified(&topic, Mode::Unsubscribe, Duration::from_hours(24), now));
            state.asked(&topic, Mode::Subscribe, now);
            assert!(state.verified(&topic, Mode::Subscribe, Duration::from_hours(24), now));
        }
        pass(Duration::from_hours(6)).await;
    }
    (state, ended)
}

#[tokio::test(start_paused = true)]
async fn a_hub_of_which_nothing_comes_while_more_registrations_fall_silent_is_made_to_begin_anew_once_a_day()
{
    let (mut state, ended) =
        ends_of(9, |state, renewal, _| state.set_silent(1 + renewal.unsigned_abs())).await;
    // The first term shows whether anything comes.
    assert_eq!(ended, [1, 5]);
    let shown = |state: &State| state.shown().subscriptions.remove(0).gap;
    assert_eq!(shown(&state), gap(0, None, Cause::Silence), "since the subscription");
    state.arrived(Some("credential"), at(300_000), true, at(300_000));
    assert_eq!(shown(&state), gap(0, Some(300_000), Cause::Silence));
}

#[tokio::test(start_paused = true)]
async fn one_silent_registration_ends_a_quiet_topic_once_and_only_where_nothing_came_on_any_topic() {
    let (state, ended) = ends_of(12, |state, _, _| state.set_silent(1)).await;
    assert_eq!(ended, [1], "it speaks against that subscription alone");
    assert!(state.shown().subscriptions[0].gap.is_some());
    let other_delivers = |state: &mut State, _, now| {
        state.set_silent(1);
        state.arrived(Some("errors"), now, true, now);
    };
    let (state, ended) = ends_of(12, other_delivers).await;
    assert_eq!((ended, state.shown().subscriptions[0].gap), (Vec::new(), None), "MOSIP is slow");
}

#[tokio::test(start_paused = true)]
async fn several_silent_registrations_end_a_quiet_topic_while_another_delivers() {
    for (silent, ends) in [(2, vec![]), (3, vec![1])] {
        let other_delivers = |state: &mut State, _, now| {
            state.set_silent(silent);
            state.arrived(Some("errors"), now, true, now);
        };
        assert_eq!(ends_of(12, other_delivers).await.1, ends, "{silent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_delivers_is_ended_for_no_silence() {
    let delivers = |state: &mut State, renewal: i64, now| {
        state.set_silent(10 * renewal.unsigned_abs());
        state.arrived(Some("credential"), now, true, now);
    };
    let (state, ended) = ends_of(9, delivers).await;
    assert_eq!((ended, state.shown().subscriptions[0].gap), (Vec::new(), None));
    let does_not_verify = |state: &mut State, renewal: i64, now| {
        state.set_silent(10 * renewal.unsigned_abs());
        state.arrived(Some("credential"), now, false, now);
    };
    assert_eq!(ends_of(9, does_not_verify).await.1, [0_i64; 0], "it comes, though a key is missing");
    // Those that were silent before its last message say nothing against it, nor do those that take the place of answered ones.
    let delivered_once = |state: &mut State, renewal: i64, now| {
        state.set_silent([9, 9, 9, 5, 7, 8][usize::try_from(renewal).unwrap()]);
        state.arrived(Some("errors"), now, true, now);
        if renewal == 1 {
            state.arrived(Some("credential"), now, true, now);
        }
    };
    assert_eq!(ends_of(6, delivered_once).await.1, [5], "three more than the five that were left");
}

#[tokio::test(start_paused = true)]
async fn a_silence_begins_with_the_last_message() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    home.rows.clock.set(at(50));
    home.arrived(CREDENTIAL);
    home.hub.set_silent(1);
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
