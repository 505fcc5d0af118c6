//! That MOSIP says nothing is told once, and not where it has said something that counts.

use super::*;

#[tokio::test(start_paused = true)]
async fn silence_is_not_told_again_after_mosip_said_that_it_goes_on() {
    for (own_id, goes_on) in [("e1", Outcome::Processed), ("e2", Outcome::Paused)] {
        let home = Home::new();
        let ledger = expecting(&home);
        packet(&ledger, "1").await;
        after(&ledger, WITHIN).await;
        says(&ledger, goes_on, "1", own_id).await;
        // The entry of the same event for another destination arrives now.
        insert(&ledger, "1@again", "birth", "packets").await;
        send(&ledger, "packets").await;
        after(&ledger, 2 * WITHIN).await;
        assert_eq!(types(&ledger).await, ["registration.silent"], "{goes_on:?}");
        assert_eq!(outcome(&ledger, "1").await, Some(goes_on.as_str()));
        assert_eq!((ledger.silent().await.unwrap(), ledger.unanswered().await.unwrap()), (0, 1));
        says(&ledger, Outcome::Rejected, "1", "verdict").await;
        assert_eq!(ledger.unanswered().await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_was_paused_or_processed_and_brings_no_credential_is_told_as_that_and_not_as_silence() {
    for (goes_on, words) in [(Outcome::Paused, "paused"), (Outcome::Processed, "processed")] {
        let home = Home::new();
        let ledger = expecting(&home);
        packet(&ledger, "1").await;
        says(&ledger, goes_on, "1", "e1").await;
        after(&ledger, 2 * WITHIN).await;
        let told = messages(&ledger).await;
        let [message] = &told[..] else { panic!("{told:?}") };
        assert_eq!(message["type"], "registration.silent", "a packet that goes on is not answered");
        assert_eq!(
            (&message["data"]["outcome"], &message["data"]["reason"]),
            (&json!(words), &json!("PACKET_REJECTED"))
        );
        let advice = message["data"]["advice"].as_str().unwrap();
        assert!(advice.starts_with(&format!("MOSIP has {words} this registration")), "{advice}");
        let answer = ledger.answer("1".to_owned()).await.unwrap().unwrap();
        assert_eq!((answer.outcome, answer.details.reason.as_deref()), (words, Some("PACKET_REJECTED")));
        assert_eq!(answer.details.advice.as_deref(), Some(advice));
        assert_eq!(ledger.silent().await.unwrap(), 0, "it says nothing against the hub");
        assert_eq!(ledger.unanswered().await.unwrap(), 1, "and is an alarm");
        says(&ledger, Outcome::Issued, "1", "e2").await;
        after(&ledger, 2 * WITHIN).await;
        assert_eq!((outcome(&ledger, "1").await, ledger.unanswered().await.unwrap()), (Some("issued"), 0));
        assert_eq!(types(&ledger).await, ["registration.silent", ISSUED]);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_about_a_registration_of_two_events_is_told_once() {
    let home = Home::new();
    let ledger = expecting(&home);
    insert_as(&ledger, "1", "1", "birth", "packets").await;
    insert_as(&ledger, "2", "1", "birth", "packets").await;
    send(&ledger, "packets").await;
    after(&ledger, 2 * WITHIN).await;
    assert_eq!(types(&ledger).await, ["registration.silent"]);
    assert_eq!((outcome(&ledger, "1").await, outcome(&ledger, "2").await), (Some("silent"), Some("silent")));
}

#[tokio::test(start_paused = true)]
async fn no_silence_follows_a_verdict_though_the_rows_of_the_registration_are_forgotten() {
    for verdict in [Outcome::Rejected, Outcome::Issued] {
        let home = Home::new();
        let ledger = expecting(&home);
        insert_as(&ledger, "1", "1", "birth", "packets").await;
        insert_as(&ledger, "2", "1", "birth", "packets").await;
        send(&ledger, "packets").await;
        let now = ledger.uptime();
        ledger.run(move |book| book.tx().forget(now, -1)).await.unwrap();
        assert!(ledger.run(|book| book.tx().row(Queue::Entries, "2")).await.unwrap().is_none());
        says(&ledger, verdict, "1", "e1").await;
        after(&ledger, 2 * WITHIN).await;
        assert_eq!(types(&ledger).await.len(), 1, "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_of_a_registration_that_is_to_be_answered_later_than_others_are_remembered() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    let now = ledger.uptime();
    ledger.run(move |book| book.tx().forget(now, now)).await.unwrap();
    after(&ledger, WITHIN).await;
    assert_eq!(types(&ledger).await, ["registration.silent"]);
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_a_person_settled_is_no_alarm_and_what_mosip_says_later_is_told() {
    let home = Home::new();
    let ledger = expecting(&home);
    insert_as(&ledger, "1", "1", "birth", "packets").await;
    insert_as(&ledger, "2", "1", "birth", "packets").await;
    insert(&ledger, "3", "birth", "packets").await;
    send(&ledger, "packets").await;
    let settle = async |id: &str| ledger.settle_unanswered(id.to_owned(), "by telephone".to_owned()).await;
    let left = async || {
        let listed = ledger.unanswered_after(0).await.unwrap();
        let ids: Vec<_> = listed.into_iter().map(|one| one.id).collect();
        assert_eq!(ledger.unanswered().await.unwrap(), ids.len() as u64);
        ids
    };
    let early = settle("1").await.unwrap_err();
    assert_eq!(early.code(), Code::StateConflict, "its time is not over");
    assert!(early.advice().contains("/v1/unanswered"), "nothing is retried: {}", early.advice());
    assert_eq!(settle("nobody").await.unwrap_err().code(), Code::NotFound);
    after(&ledger, WITHIN).await;
    assert_eq!(left().await, ["1", "2", "3"]);
    // The event is forgotten long before what came of it.
    let now = ledger.uptime();
    ledger.run(move |book| book.tx().forget(now, -1)).await.unwrap();
    let answer = settle("1").await.unwrap();
    assert_eq!((answer.outcome, answer.details.settled_for.as_deref()), ("settled", Some("by telephone")));
    assert_eq!((left().await, ledger.silent().await.unwrap()), (vec!["3".to_owned()], 1));
    assert_eq!(outcome(&ledger, "2").await, Some("settled"), "it is the same registration");
    assert_eq!(settle("2").await.unwrap_err().code(), Code::StateConflict);
    after(&ledger, 2 * WITHIN).await;
    says(&ledger, Outcome::Processed, "1", "e1").await;
    assert_eq!((outcome(&ledger, "1").await, left().await.len()), (Some("settled"), 1));
    says(&ledger, Outcome::Rejected, "1", "e2").await;
    assert_eq!(outcome(&ledger, "1").await, Some("rejected"));
    says(&ledger, Outcome::Issued, "1", "e3").await;
    let silent = "registration.silent";
    assert_eq!(
        (types(&ledger).await, left().await.len()),
        (vec![silent.into(), silent.into(), REJECTED.into(), ISSUED.into()], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_was_paused_and_brings_no_credential_is_settled_with_mosips_reason() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    says(&ledger, Outcome::Paused, "1", "e1").await;
    after(&ledger, 2 * WITHIN).await;
    let listed = ledger.unanswered_after(0).await.unwrap();
    assert!(listed.len() == 1 && listed[0].answer.is_overdue && listed[0].answer.outcome == "paused");
    assert!(ledger.unanswered_after(listed[0].seq).await.unwrap().is_empty());
    assert!(!ledger.run(|book| book.is_over("1")).await.unwrap());
    let details =
        ledger.settle_unanswered("1".to_owned(), "the family came".to_owned()).await.unwrap().details;
    assert_eq!((details.reason.as_deref(), details.advice), (Some("PACKET_REJECTED"), None));
    assert!(ledger.run(|book| book.is_over("1")).await.unwrap(), "it may be registered again");
    assert_eq!(ledger.unanswered().await.unwrap(), 0);
}
