//! Two gateways over one database: one of them subscribes for both.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// What a gateway does every few seconds is done by then.
const SOON: u32 = 12;

/// Two gateways that start one after the other, each before a hub of its own, so that what each asks is seen.
async fn pair(answers: impl IntoIterator<Item = FakeAnswer>) -> (Home, Home) {
    let rows = Rows { is_shared: true, ..Rows::new() };
    let one = Home::over(rows.clone(), &BOTH[..1], answers);
    pass(SECOND).await;
    let other = Home::over(rows, &BOTH[..1], always_registered());
    (one, other)
}

/// Both clocks go on.
async fn go_on(home: &Home, seconds: u32) {
    for _ in 0..seconds {
        home.rows.clock.set(Timestamp::from_millis(home.rows.clock.now().millis() + 1_000));
        pass(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_gateway_subscribes_and_the_other_answers_the_hubs_question_for_it() {
    let (one, other) = pair([says(202, ACCEPTED), says(202, ACCEPTED)]).await;
    assert_eq!(one.asked(), ["subscribe"]);
    assert!(!other.hub.confirms("unsubscribe", TOPIC, None).await, "that is not what was asked for");
    assert!(!other.hub.confirms("subscribe", "another", None).await);
    assert_eq!(other.hub.any_asked_last().await.as_deref(), Some(TOPIC), "the hub may name no topic");
    assert!(other.hub.confirms("subscribe", TOPIC, Some("3600")).await);
    go_on(&one, SOON).await;
    assert_eq!(one.standing(), (Standing::Active, None));
    assert_eq!(other.standing(), (Standing::Active, None), "it shows how the subscription stands");
    // The lease that it heard counts.
    go_on(&one, 2_650).await;
    assert_eq!(one.asked().len(), 1);
    go_on(&one, 60).await;
    assert_eq!((one.asked().len(), other.asked().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn another_gateway_takes_over_where_the_one_is_gone_and_nothing_counts_as_missing() {
    let (one, other) = pair([says(202, ACCEPTED)]).await;
    assert!(one.hub.confirms("subscribe", TOPIC, Some("86400")).await);
    go_on(&one, SOON).await;
    // The hub is not asked twice within the time that its answer may take.
    one.task.abort();
    go_on(&other, 50).await;
    assert!(other.asked().is_empty());
    go_on(&other, 90).await;
    assert_eq!((other.asked().len(), ends(&other)), (1, 0));
    assert_eq!((other.standing(), other.gap()), ((Standing::Active, None), None));
}

#[tokio::test(start_paused = true)]
async fn where_both_were_gone_what_the_hub_tried_meanwhile_may_be_missing() {
    let (one, other) = pair([says(202, ACCEPTED)]).await;
    assert!(one.hub.confirms("subscribe", TOPIC, Some("86400")).await);
    go_on(&one, SOON).await;
    one.task.abort();
    let rows = other.end(false).await;
    go_on(&one, 600).await;
    let third = Home::over(rows, &BOTH[..1], always_registered());
    // Each of these gateways counts the term of the one that is gone for itself.
    go_on(&third, 90).await;
    assert_eq!(third.gap().map(|gap| gap.cause), Some(Cause::WasAway));
}

#[tokio::test(start_paused = true)]
async fn what_the_other_refuses_is_shown_by_both_and_may_be_looked_after_at_either() {
    let (one, other) = pair([says(202, ACCEPTED)]).await;
    assert!(one.hub.confirms("subscribe", TOPIC, Some("86400")).await);
    go_on(&one, SOON).await;
    let nothing = other.hub.settle("credential").await.unwrap_err();
    assert_eq!(nothing.code(), Code::StateConflict);
    (0..2).for_each(|_| other.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
    go_on(&one, SOON).await;
    for home in [&one, &other] {
        let refused = home.shown(0).refused.unwrap();
        assert_eq!((refused.messages, refused.code, refused.is_hub), (2, Code::CallerSignature, true));
    }
    assert_eq!(other.gap().map(|gap| gap.cause), Some(Cause::Refused));
    assert_eq!(other.hub.settle("none").await.unwrap_err().code(), Code::NotFound);
    other.hub.settle("credential").await.unwrap();
    go_on(&one, SOON).await;
    for home in [&one, &other] {
        assert!(home.shown(0).refused.is_none() && home.gap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_other_takes_ends_what_was_missing() {
    let (one, other) = pair([says(202, ACCEPTED)]).await;
    assert!(one.hub.confirms("subscribe", TOPIC, Some("86400")).await);
    go_on(&one, SOON).await;
    one.hub.refused(Code::Timeout, true, Some(CREDENTIAL));
    go_on(&one, SOON).await;
    assert!(one.gap().is_some() && other.gap().is_some());
    other.arrived(CREDENTIAL);
    go_on(&one, SOON).await;
    assert_eq!((one.gap(), other.gap()), (None, None), "it was the hub's next try");
}

#[tokio::test(start_paused = true)]
async fn what_strangers_say_to_the_other_takes_no_more_room_than_a_few_words() {
    let (one, other) = pair([says(202, ACCEPTED)]).await;
    for number in 0..1_000 {
        other.hub.denied(Denial::Denied, Some(TOPIC), Some(&format!("no {number}")));
        other.hub.denied(Denial::Denied, Some("another"), Some("no"));
    }
    go_on(&other, SOON).await;
    assert!(one.rows.memory.changes() < 100, "{}", one.rows.memory.changes());
    let words: Vec<Word> = other.rows.ledger().hear_hub_words().await.unwrap();
    assert!(words.len() <= 64, "{}", words.len());
}
