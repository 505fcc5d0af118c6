//! Two gateways over one database: one of them subscribes for both.

use super::*;
use crate::ledger::Task;

const SECOND: Duration = Duration::from_secs(1);
/// What a gateway does every few seconds is done by then.
const SOON: u32 = 12;

/// Two gateways that start one after the other, each before a hub of its own, so that what each asks is seen.
async fn pair(answers: impl IntoIterator<Item = FakeAnswer>) -> (Home, Home) {
    let rows = Rows { is_shared: true, ..Rows::new() };
    let one = Home::over(rows.clone(), &BOTH[..1], answers);
    pass(SECOND).await;
    let other = beside(rows);
    (one, other)
}

/// One gateway more over these rows.
fn beside(rows: Rows) -> Home {
    Home::over(Rows { is_cut: Arc::default(), ..rows }, &BOTH[..1], always_registered())
}

/// Two gateways, the first of which holds the subscription, which is active.
async fn subscribed() -> (Home, Home) {
    let (one, other) = pair(std::iter::once(says(202, ACCEPTED)).chain(always_registered())).await;
    assert!(one.hub.confirms("subscribe", TOPIC, Some("86400")).await);
    go_on(&one, SOON).await;
    (one, other)
}

/// The hub's messages are refused.
fn refuse(home: &Home) {
    (0..3).for_each(|_| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL)));
}

fn cause(home: &Home) -> Option<Cause> {
    home.gap().map(|gap| gap.cause)
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
    let (one, other) = subscribed().await;
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
    let (one, other) = subscribed().await;
    one.task.abort();
    let rows = other.end(false).await;
    go_on(&one, 600).await;
    let third = beside(rows);
    // Each of these gateways counts the term of the one that is gone for itself.
    go_on(&third, 90).await;
    assert_eq!(third.gap().map(|gap| gap.cause), Some(Cause::WasAway));
}

#[tokio::test(start_paused = true)]
async fn what_the_other_refuses_is_shown_by_both_and_may_be_looked_after_at_either() {
    let (one, other) = subscribed().await;
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
    let (one, other) = subscribed().await;
    one.hub.refused(Code::Timeout, true, Some(CREDENTIAL));
    go_on(&one, SOON).await;
    assert!(one.gap().is_some() && other.gap().is_some());
    other.arrived(CREDENTIAL);
    go_on(&one, SOON).await;
    assert_eq!((one.gap(), other.gap()), (None, None), "it was the hub's next try");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stops_lets_another_one_hold_the_subscriptions_at_once() {
    let (one, other) = subscribed().await;
    other.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    let rows = other.end(true).await;
    go_on(&one, 6).await;
    assert_eq!(one.shown(0).refused.map(|refused| refused.messages), Some(1), "what it heard last is told");
    let third = beside(rows);
    go_on(&third, 1).await;
    assert!(third.asked().is_empty());
    one.end(true).await;
    go_on(&third, 6).await;
    assert_eq!((third.asked().len(), cause(&third)), (1, Some(Cause::Refused)));
}

/// Else what another gateway kept meanwhile is written over by what was known before.
#[tokio::test(start_paused = true)]
async fn a_holder_that_was_away_while_another_one_held_them_begins_anew() {
    let (one, other) = subscribed().await;
    one.cut(true);
    go_on(&other, 200).await;
    refuse(&other);
    go_on(&other, SOON).await;
    assert_eq!((other.asked().len(), cause(&other)), (1, Some(Cause::Refused)));
    other.end(true).await;
    one.cut(false);
    go_on(&one, SOON).await;
    assert_eq!(cause(&one), Some(Cause::Refused));
    let third = beside(one.end(true).await);
    go_on(&third, SOON).await;
    assert_eq!(cause(&third), Some(Cause::Refused), "and it is kept");
}

#[tokio::test(start_paused = true)]
async fn what_a_holder_that_was_cut_off_writes_does_not_count_and_what_it_heard_does() {
    let (one, other) = subscribed().await;
    one.cut(true);
    refuse(&one);
    go_on(&other, 200).await;
    assert_eq!((other.asked().len(), cause(&other)), (1, None), "it holds them");
    one.cut(false);
    let late = one.hub.settle("credential").await.unwrap_err();
    assert_eq!(late.code(), Code::StateConflict);
    assert!(late.detail().contains("another gateway"), "{late}");
    assert!(one.hub.0.ours().is_ok(), "it did not look since");
    one.hub.0.note(&mut Noted::default()).await;
    let kept = one.rows.ledger().hub_topics(vec!["credential"]).await.unwrap();
    assert_eq!(kept[0].1.refused, None, "what the other one knows stands");
    refuse(&one);
    go_on(&one, SOON).await;
    assert_eq!((cause(&one), cause(&other)), (Some(Cause::Refused), Some(Cause::Refused)));
    assert_eq!(one.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_the_holder_is_heard_once() {
    let (one, other) = subscribed().await;
    let refuses = |home: &Home| home.hub.refused(Code::CallerSignature, true, Some(CREDENTIAL));
    let messages = |home: &Home| home.shown(0).refused.map(|refused| refused.messages);
    refuses(&one);
    refuses(&other);
    // Who is cut off for less than a term goes on.
    one.cut(true);
    go_on(&one, SOON).await;
    refuses(&one);
    one.cut(false);
    go_on(&one, SOON).await;
    assert_eq!((messages(&one), messages(&other)), (Some(3), Some(3)));
    assert!(one.rows.ledger().hear_hub_words::<Word>().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_holder_heard_is_heard_again_where_it_died_before_that_was_kept() {
    const WORD: Duration = Duration::from_mins(1);
    let rows = Rows { is_shared: true, ..Rows::new() };
    let word = |topic: &str| Word::Settled { topic: topic.to_owned() };
    let (one, other) = (rows.ledger(), rows.ledger());
    let of_one = one.under(one.hold(Task::Hub, WORD).await.unwrap().unwrap());
    other.tell_hub_holder(vec![word("credential")], Word::add).await.unwrap();
    assert_eq!(of_one.hear_hub_words::<Word>().await.unwrap(), [word("credential")]);
    other.tell_hub_holder(vec![word("errors")], Word::add).await.unwrap();
    one.let_go(Task::Hub).await.unwrap();
    let of_other = other.under(other.hold(Task::Hub, WORD).await.unwrap().unwrap());
    assert_eq!(of_one.keep_hub_topics(Vec::new(), true).await.unwrap_err().code(), Code::StateConflict);
    for later in ["credential", "errors"] {
        assert_eq!(of_other.hear_hub_words::<Word>().await.unwrap(), [word(later)]);
        of_other.keep_hub_topics(Vec::new(), false).await.unwrap();
        assert_eq!(of_other.hear_hub_words::<Word>().await.unwrap(), [word(later)]);
        of_other.keep_hub_topics(Vec::new(), true).await.unwrap();
    }
    assert!(of_other.hear_hub_words::<Word>().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_strangers_say_takes_no_room_from_what_a_person_decides() {
    let (one, other) = subscribed().await;
    refuse(&one);
    go_on(&one, SOON).await;
    assert_eq!(cause(&other), Some(Cause::Refused));
    one.cut(true);
    for seconds in 86_400..86_500 {
        assert!(other.hub.confirms("subscribe", TOPIC, Some(&seconds.to_string())).await);
    }
    let changes = other.rows.memory.changes();
    for number in 0..1_000 {
        other.hub.denied(Denial::Denied, Some(TOPIC), Some(&format!("no {number}")));
        other.hub.denied(Denial::Denied, Some("another"), Some("no"));
        other.hub.refused(Code::CallerSignature, false, None);
    }
    assert_eq!(other.rows.memory.changes(), changes);
    go_on(&other, 6).await;
    other.hub.settle("credential").await.unwrap();
    let words: Vec<Word> = other.rows.ledger().hear_hub_words().await.unwrap();
    assert_eq!(words.len(), 4, "{words:?}");
    one.cut(false);
    go_on(&one, SOON).await;
    assert_eq!((one.gap(), other.gap()), (None, None));
}
