//! What a person has looked after is told no more, and the hub is made to deliver again all the same.

use super::gaps::ends_of;
use super::*;

async fn settle(home: &Home, topic: &str) -> Option<Code> {
    home.hub.settle(topic).await.err().map(|error| error.code())
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_is_looked_after_is_told_no_more_and_its_subscription_is_made_anew() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    assert_eq!(settle(&home, "nobody").await, Some(Code::NotFound));
    assert_eq!(settle(&home, "credential").await, Some(Code::StateConflict), "nothing is missing");
    (0..3).for_each(|_| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
    home.rows.clock.set(at(20));
    assert_eq!(settle(&home, "credential").await, None);
    assert!(home.gap().is_none() && home.shown(0).refused.is_none());
    let nothing = home.hub.settle("credential").await.unwrap_err();
    assert_eq!(nothing.code(), Code::StateConflict);
    assert!(nothing.advice().contains("/readyz"), "it is no event: {}", nothing.advice());
    pass(Duration::from_secs(301)).await;
    assert_eq!(ends(&home), 1, "{:?}", home.asked());
    home.rows.clock.set(at(400));
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    assert_eq!(home.gap(), gap(400, None, Cause::Refused), "it is another one");
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_began_before_the_clock_was_put_back_is_looked_after() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    for _ in 0..2 {
        home.rows.clock.set(at(1_000));
        (0..3).for_each(|_| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
        home.rows.clock.set(at(20));
        home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
        assert!(home.gap().is_some(), "what is missing after a person looked is another gap");
        assert_eq!(settle(&home, "credential").await, None);
        assert_eq!(home.gap(), None);
        assert_eq!(settle(&home, "credential").await, Some(Code::StateConflict));
    }
    home.rows.clock.set(at(30));
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    assert_eq!(home.gap(), gap(30, None, Cause::Refused), "it began by the clock of now");
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_looked_after_once_it_is_known_what_was_kept() {
    let home = Home::with(&BOTH[..1], always_registered());
    (0..3).for_each(|_| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
    let early = home.hub.settle("credential").await.unwrap_err();
    assert!((early.code(), early.retryable()) == (Code::Storage, true), "{early}");
    pass(MOMENT).await;
    assert_eq!(settle(&home, "credential").await, None);
    let home = Home::over(home.end(false).await, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_is_over_and_refusals_of_strangers_are_looked_after() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    (0..3).for_each(|_| home.hub.missed(CREDENTIAL));
    home.rows.clock.set(at(7));
    home.arrived(CREDENTIAL);
    assert!(home.gap().is_some_and(|gap| gap.until.is_some()));
    assert_eq!(settle(&home, "credential").await, None);
    assert_eq!(home.gap(), None);
    home.hub.refused(Code::CallerSignature, false, None);
    assert_eq!(settle(&home, UNKNOWN).await, None);
    assert!(home.hub.status().unwrap().refused.is_none());
    assert_eq!(settle(&home, UNKNOWN).await, Some(Code::StateConflict));
}

#[tokio::test(start_paused = true)]
async fn messages_that_named_no_topic_are_told_until_each_topic_is_looked_after() {
    let home = Home::with(&BOTH, always_registered());
    pass(MOMENT).await;
    (0..3).for_each(|_| home.hub.refused(Code::TooLarge, true, None));
    for (topic, is_told) in [("credential", true), ("errors", false)] {
        assert_eq!(settle(&home, topic).await, None);
        assert_eq!(home.hub.status().unwrap().refused.is_some(), is_told, "{topic}");
    }
    assert_eq!((home.gap(), home.shown(1).gap), (None, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_looked_after_stays_so_over_a_restart() {
    let home = Home::with(&BOTH[..1], always_registered());
    pass(MOMENT).await;
    (0..3).for_each(|_| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
    home.rows.clock.set(at(2));
    assert_eq!(settle(&home, "credential").await, None);
    // A crash right after the answer.
    home.task.abort();
    let home = Home::over(home.rows, &BOTH[..1], always_registered());
    pass(MOMENT).await;
    assert_eq!(home.gap(), None);
    pass(Duration::from_secs(302)).await;
    assert_eq!(ends(&home), 1, "the hub still has to begin anew");
}

#[tokio::test(start_paused = true)]
async fn a_silence_after_one_that_was_looked_after_begins_where_that_ended() {
    let (state, ended) = ends_of(9, |state, renewal, now| {
        state.set_silent(1 + renewal.unsigned_abs());
        if renewal == 2 {
            assert_eq!(state.settle("credential", now), Some(true));
            assert!(state.shown().subscriptions[0].gap.is_none());
        }
    })
    .await;
    assert_eq!(ended, [1, 5]);
    let gap = state.shown().subscriptions[0].gap.unwrap();
    assert_eq!((gap.since.seconds() - START, gap.cause), (12 * 3_600, Cause::Silence));
}
