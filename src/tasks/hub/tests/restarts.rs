//! What a start knows of the run before it.

use super::*;

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
    home.arrived(REGISTRATION_ERROR);
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
    let home = Home::over(rows, &[("packet_status", "STATUS")], [says(202, ACCEPTED)]);
    pass(MOMENT).await;
    assert!(home.hub.verify("subscribe", "STATUS", None));
    assert_eq!((home.gap(), ends(&home)), (None, 0));
}

#[tokio::test]
async fn of_how_a_topic_stands_only_what_changed_is_written() {
    let rows = Rows::new();
    let ledger = rows.ledger();
    let keep = async |heard| {
        let kept = HubTopic { up: Some(at(0)), heard: Some(heard), ..HubTopic::default() };
        ledger.keep_hub_topics(vec![("credential", kept)], false).await.unwrap();
        rows.memory.changes()
    };
    let first = keep(at(0)).await;
    assert_eq!(keep(at(0)).await, first);
    assert_eq!(keep(at(1)).await, first + 1);
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

/// A gateway whose subscription was made anew since messages were refused, and that ended before a message came.
async fn refused_and_made_anew() -> Rows {
    let answers = [registered(), registered(), says(202, ACCEPTED), says(202, ACCEPTED)];
    let home = Home::with(&BOTH[..1], answers);
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    home.rows.clock.set(at(301));
    pass(Duration::from_secs(301)).await;
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    pass(Duration::from_secs(2)).await;
    assert!(home.hub.verify("subscribe", TOPIC, None));
    pass(MOMENT).await;
    assert_eq!(home.gap(), gap(0, None, Cause::Refused));
    home.end(false).await
}

#[tokio::test(start_paused = true)]
async fn a_gap_whose_subscription_was_made_anew_is_known_after_a_short_restart_and_nothing_is_ended_again() {
    let rows = refused_and_made_anew().await;
    rows.clock.set(at(305));
    let home = Home::over(rows, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), gap(0, None, Cause::Refused));
    pass(Duration::from_hours(7)).await;
    assert_eq!(ends(&home), 0, "{:?}", home.asked());
    home.rows.clock.set(at(310));
    home.arrived(CREDENTIAL);
    assert_eq!(home.gap(), gap(0, Some(310), Cause::Refused));
    // The gap is over, and the next start says nothing of it, though the process is killed.
    pass(MOMENT).await;
    let rows = home.end(false).await;
    let home = Home::over(rows, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_after_a_restart_ends_the_subscription_as_ever_and_the_gap_begins_where_it_began() {
    let rows = refused_and_made_anew().await;
    rows.clock.set(at(305));
    let home = Home::over(rows, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    home.arrived(CREDENTIAL);
    assert_eq!(home.gap(), gap(0, Some(305), Cause::Refused), "what came again was not what was missing");
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(Duration::from_secs(301)).await;
    assert_eq!(ends(&home), 1, "{:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_ended_a_subscription_ends_it_no_second_time_that_day_however_often_it_starts() {
    let answers = [registered(), registered(), says(202, ACCEPTED), says(202, ACCEPTED)];
    let home = Home::with(&BOTH[..1], answers);
    pass(MOMENT).await;
    home.hub.set_silent(1);
    home.rows.clock.set(at(6 * 3_600));
    pass(Duration::from_hours(6)).await;
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    pass(Duration::from_secs(2)).await;
    assert!(home.hub.verify("subscribe", TOPIC, None));
    pass(MOMENT).await;
    let mut rows = home.end(true).await;
    for start in 1..4 {
        let home = Home::over(rows, &BOTH[..1], always_registered());
        pass(MOMENT).await;
        assert_eq!(home.gap(), gap(0, None, Cause::Silence), "{start}");
        home.hub.set_silent(1 + start);
        home.rows.clock.set(at((6 + 6 * start.cast_signed()) * 3_600));
        pass(Duration::from_hours(7)).await;
        assert_eq!(ends(&home), 0, "{start}: {:?}", home.asked());
        rows = home.end(true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_broke_before_a_restart_leaves_no_mark_once_the_hub_brings_it_again() {
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::Malformed, true, None);
    pass(MOMENT).await;
    let rows = home.end(false).await;
    let home = Home::over(rows, &BOTH, always_registered());
    pass(MOMENT).await;
    assert_eq!(home.shown(1).gap, gap(0, None, Cause::Refused), "the hub still tries");
    home.arrived(CREDENTIAL);
    assert_eq!((home.gap(), home.shown(1).gap), (None, None));
    // The next start knows of none either.
    pass(MOMENT).await;
    let home = Home::over(home.end(false).await, &BOTH, always_registered());
    pass(MOMENT).await;
    assert_eq!((home.gap(), home.shown(1).gap), (None, None));
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_refused_before_a_short_restart_end_the_subscription_all_the_same() {
    let home = Home::with(&BOTH[..1], always_registered());
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(MOMENT).await;
    let home = Home::over(home.end(false).await, &BOTH[..1], always_registered());
    pass(Duration::from_secs(302)).await;
    assert_eq!(ends(&home), 1, "{:?}", home.asked());
    assert_eq!(home.gap(), gap(0, None, Cause::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_silent_registration_that_was_excused_ends_no_subscription_after_a_restart() {
    let home = Home::with(&BOTH[..1], [says(202, ACCEPTED)]);
    home.hub.set_silent(1);
    pass(MOMENT).await;
    assert!(home.hub.verify("subscribe", TOPIC, None));
    pass(MOMENT).await;
    let home = Home::over(home.end(false).await, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    home.hub.set_silent(1);
    pass(Duration::from_hours(13)).await;
    assert_eq!((home.gap(), ends(&home)), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_noticed_however_often_the_gateway_starts_and_begins_with_the_last_message() {
    let mut home = Home::with(&BOTH[..1], always_registered());
    pass(MOMENT).await;
    home.rows.clock.set(at(50));
    home.arrived(CREDENTIAL);
    for hour in 1..8 {
        pass(Duration::from_mins(59)).await;
        home.rows.clock.set(at(hour * 3_600));
        home = Home::over(home.end(true).await, &BOTH[..1], always_registered());
        pass(MOMENT).await;
        home.hub.set_silent(1);
    }
    pass(MOMENT).await;
    assert_eq!((home.gap(), ends(&home)), (gap(50, None, Cause::Silence), 1));
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_ends_every_topic_once_and_makes_it_anew_however_short_the_stop() {
    let rows = ended(true).await;
    rows.clock.set(at(601));
    let answers = [registered(), says(202, ACCEPTED)];
    let home = Home::over_as(rows, "another", &BOTH[..1], answers.into_iter().chain([says(202, ACCEPTED)]));
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe", "unsubscribe"]);
    assert_eq!(home.gap(), gap(600, None, Cause::Changed));
    // A crash on the way: the next start knows no more than that the secret is another.
    let rows = home.end(false).await;
    let answers = [registered(), says(202, ACCEPTED), says(202, ACCEPTED)];
    let home = Home::over_as(rows, "another", &BOTH[..1], answers);
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe", "unsubscribe"]);
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    pass(Duration::from_secs(2)).await;
    home.rows.clock.set(at(603));
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert!(home.gap().is_some_and(|gap| gap.until == Some(at(603))), "{:?}", home.gap());
    pass(MOMENT).await;
    // From now on it is the one of the settings.
    let rows = home.end(false).await;
    let home = Home::over_as(rows, "another", &BOTH[..1], always_registered());
    pass(MOMENT).await;
    assert_eq!((home.gap(), ends(&home)), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_the_hub_has_of_somebody_else_is_made_anew() {
    let home = Home::over(Rows::new(), &BOTH[..1], [registered(), says(202, ACCEPTED), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe", "unsubscribe"], "nobody knows under which secret it was made");
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    pass(Duration::from_secs(2)).await;
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_the_hub_granted_is_kept_to_after_a_restart() {
    let home = Home::with(&BOTH[..1], [says(202, ACCEPTED)]);
    pass(MOMENT).await;
    assert!(home.hub.verify("subscribe", TOPIC, Some("3600")));
    pass(MOMENT).await;
    let rows = home.end(false).await;
    let home = Home::over(rows, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    pass(Duration::from_secs(2_701)).await;
    assert_eq!(home.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_another_one_where_any_part_of_it_differs() {
    let rows = Rows::new();
    let ledger = rows.ledger();
    let of = |parts: [&str; 4]| ledger.subscription_identity(&parts.map(str::as_bytes)).unwrap();
    let one = of(["hub", "topic", "callback", SECRET]);
    assert_eq!(one, of(["hub", "topic", "callback", SECRET]));
    for other in [
        ["hub2", "topic", "callback", SECRET],
        ["hub", "topic2", "callback", SECRET],
        ["hub", "topic", "callback2", SECRET],
        ["hub", "topic", "callback", "another"],
        ["hubt", "opic", "callback", SECRET],
    ] {
        assert_ne!(one, of(other), "{other:?}");
    }
}
