//! What the hub, or somebody who knows the callback, says there of a subscription.

use super::*;

#[tokio::test(start_paused = true)]
async fn hints_of_anybody_make_one_request_in_five_minutes() {
    let home = Home::new(std::iter::repeat_with(|| says(200, REGISTERED)).take(9));
    pass(MOMENT).await;
    for _ in 0..50 {
        home.hub.denied(Denial::Denied, Some(TOPIC), Some("gone"));
        home.hub.denied(Denial::HubError, None, None);
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(home.asked().len(), 2);
    assert_eq!(home.standing(), (Standing::Active, None), "nothing proves what a stranger says");
    home.hub.denied(Denial::Denied, Some("another"), None);
    pass(Duration::from_secs(300)).await;
    home.hub.denied(Denial::Denied, Some(TOPIC), None);
    pass(MOMENT).await;
    assert_eq!(home.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_word_about_a_topic_of_somebody_else_takes_nothing_from_ours() {
    let home = Home::new(std::iter::repeat_with(|| says(200, REGISTERED)).take(2));
    pass(MOMENT).await;
    for _ in 0..9 {
        home.hub.denied(Denial::Denied, Some("another"), None);
    }
    home.hub.denied(Denial::Denied, Some(TOPIC), None);
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe"; 2]);
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_the_callback_activates_nothing_that_the_hub_denied_and_renews_nothing_later() {
    let denied = || says(200, "hub.mode=denied&hub.reason=no");
    let home = Home::new(std::iter::repeat_with(denied).take(99));
    pass(MOMENT).await;
    for _ in 0..20 {
        assert!(!home.hub.verify("subscribe", TOPIC, Some("2592000")), "no request of ours waits for it");
        home.hub.denied(Denial::Denied, Some(TOPIC), Some("Subscriber has already registered with the Hub"));
        assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
        pass(Duration::from_secs(17)).await;
    }
    assert!(home.asked().len() > 5, "it goes on asking");
}

#[tokio::test(start_paused = true)]
async fn a_denial_on_the_callback_fails_the_request_that_waits_with_the_hubs_reason() {
    let home = Home::new(std::iter::repeat_with(|| says(202, ACCEPTED)).take(9));
    pass(MOMENT).await;
    let reason = format!("the topic\r\n\u{202e}is \u{1b}[31mnot registered{}", " x".repeat(9_999));
    home.hub.denied(Denial::Denied, Some(TOPIC), Some(&reason));
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
    let detail = home.shown(0).refusal.unwrap().detail().to_owned();
    assert!(
        detail.starts_with("MOSIP's hub denied the request: the topic   is  [31mnot registered x"),
        "{detail}"
    );
    assert!(detail.chars().count() < 600 && !detail.chars().any(char::is_control), "{detail}");
    // It is asked again soon, and that request may be verified.
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked().len(), 2);
    assert!(home.hub.verify("subscribe", TOPIC, Some("3600")));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_denies_on_the_callback_without_end_is_asked_every_few_minutes_and_stays_denied() {
    let home = Home::new(std::iter::repeat_with(|| says(202, ACCEPTED)).take(99));
    for _ in 0..60 {
        pass(Duration::from_secs(10)).await;
        home.hub.denied(Denial::Denied, Some(TOPIC), Some("no role"));
    }
    let detail = home.shown(0).refusal.unwrap().detail().to_owned();
    assert!(detail.ends_with("no role"), "and not that the hub did not verify it: {detail}");
    assert!((4..=8).contains(&home.asked().len()), "{:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_anybody_takes_no_question_from_the_hub() {
    let home = Home::new(std::iter::repeat_with(|| says(202, ACCEPTED)).take(99));
    pass(MOMENT).await;
    for _ in 0..40 {
        home.hub.denied(Denial::Denied, None, Some("x"));
        pass(Duration::from_millis(50)).await;
    }
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Active, None));
    assert!(home.asked().len() <= 2, "once in five minutes: {:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_anybody_denies_leaves_the_subscription_active_until_the_hub_does_not_verify_it() {
    let home = Home::new(std::iter::repeat_with(|| says(202, ACCEPTED)).take(99));
    pass(MOMENT).await;
    assert!(home.hub.verify("subscribe", TOPIC, None));
    pass(Duration::from_hours(6)).await;
    assert_eq!(home.asked().len(), 2);
    for _ in 0..50 {
        home.hub.denied(Denial::Denied, Some(TOPIC), Some("the licence ended"));
        pass(Duration::from_secs(1)).await;
        assert_eq!(home.standing(), (Standing::Active, None));
    }
    assert_eq!(home.asked().len(), 3, "it is asked again sooner, once");
    // Where the question does not come, the denial is believed.
    pass(Duration::from_secs(100)).await;
    let detail = home.shown(0).refusal.unwrap().detail().to_owned();
    assert!(detail.ends_with("the licence ended"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_anybody_takes_no_question_about_an_end_from_the_hub() {
    let home = Home::new([registered(), registered()].into_iter().chain([says(202, ACCEPTED)]));
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    pass(Duration::from_secs(301)).await;
    assert_eq!(home.asked().last().map(String::as_str), Some("unsubscribe"));
    for _ in 0..20 {
        home.hub.denied(Denial::Denied, Some(TOPIC), Some("x"));
        pass(Duration::from_secs(1)).await;
    }
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_fails_on_the_callback_is_told_as_one_that_is_away() {
    let home = Home::new([says(202, ACCEPTED)]);
    pass(MOMENT).await;
    home.hub.denied(Denial::HubError, Some(TOPIC), Some("kafka"));
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Upstream)));
}

#[tokio::test(start_paused = true)]
async fn the_advice_about_a_hub_that_fails_speaks_of_no_record() {
    for answer in [says(503, ""), says(429, ""), is_away()] {
        let home = Home::new([answer]);
        pass(MOMENT).await;
        let refusal = home.shown(0).refusal.unwrap();
        assert!(!refusal.advice().contains("record"), "{}", refusal.advice());
    }
}

#[tokio::test(start_paused = true)]
async fn hints_of_anybody_make_no_silence_of_a_topic_that_is_quiet_for_a_while() {
    let home = Home::new(always_registered());
    pass(MOMENT).await;
    home.hub.set_silent(9);
    for _ in 0..9 {
        pass(Duration::from_mins(6)).await;
        home.hub.denied(Denial::Denied, Some(TOPIC), Some("gone"));
    }
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe"; 10], "a term has not passed");
}
