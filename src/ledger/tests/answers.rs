//! What MOSIP says of a registration that went as a packet, and that it says nothing. The rows are those that a packet leaves.

mod silence;

use super::*;
use crate::mosip::websub::status::{PACKET_STATUS, REJECTED};
use crate::registration::Subject;
use crate::store::NewRow;

const ISSUED: &str = "credential.issued";
const WITHIN: Duration = Duration::from_hours(24);

fn expecting(home: &Home) -> Ledger {
    let ledger = home.open();
    ledger.expect_answers_within(WITHIN);
    ledger
}

fn registration(id: &str) -> Subject {
    Subject {
        tracking_id: Some(format!("T{id}")),
        brn: Some(format!("B{id}")),
        registration_id: Some(id.to_owned()),
        ..Subject::default()
    }
}

/// A registration of `kind` waits for `destination`.
async fn insert(ledger: &Ledger, id: &'static str, kind: &str, destination: &str) {
    insert_as(ledger, id, id, kind, destination).await;
}

/// An event of the registration `of`.
async fn insert_as(ledger: &Ledger, id: &'static str, of: &'static str, kind: &str, destination: &str) {
    let row = NewRow {
        queue: Queue::Entries,
        id: id.to_owned(),
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        line: Some(id.to_owned()),
        accepted_at: 0,
        waiting_since: 0,
        payload: None,
        result: None,
        identity: None,
        met_by: None,
        job: None,
        trace: None,
        is_invalid: false,
    };
    let insert = move |book: &Book<'_>| {
        // An entry that was made with another one has no names of its own.
        if !id.contains('@') {
            book.correlate(id, &registration(of))?;
        }
        let payload = Some(book.seal("entry", id, "payload", b"{}")?);
        book.tx().insert(&[NewRow { payload, ..row.clone() }])
    };
    ledger.run(insert).await.unwrap();
}

/// It is sent, and MOSIP takes it.
async fn send(ledger: &Ledger, destination: &str) {
    for leased in lease_all(ledger, &lane_to(Queue::Entries, destination)).await {
        let is_answered_later = destination == "packets";
        let done = Done { is_answered_later, ..Done::default() };
        settle(ledger, &leased, Ending::Done(done)).await;
    }
}

async fn packet(ledger: &Ledger, id: &'static str) {
    insert(ledger, id, "birth", "packets").await;
    send(ledger, "packets").await;
}

/// MOSIP says this of the registration.
async fn says(ledger: &Ledger, outcome: Outcome, id: &str, own_id: &str) {
    let kind = if outcome == Outcome::Issued { ISSUED } else { REJECTED };
    let body = Bytes::from(format!("{kind}{id}{own_id}"));
    let push = ledger.receive(CREDENTIAL, body, Sender::Known).await.unwrap();
    let subject = Subject { registration_id: Some(id.to_owned()), ..Subject::default() };
    let data = json!({ "registrationId": id, "reason": "PACKET_REJECTED", "advice": "Register it again." });
    let identity = Identity::Once(own_id.to_owned());
    let outcome = Some(outcome);
    let notice = Notice { kind, outcome, subject, identity, data, uin_token: None, receipt: None };
    assert_eq!(ledger.verified(push, kind, fake::under_the_hub(notice)).await.unwrap(), Novelty::New);
}

/// The registration processor's bare message, as the hub brings it; whether it is told.
async fn status(ledger: &Ledger, id: &str, result: &str) -> bool {
    let body = json!({
        "instanceId": id, "resultCode": result, "workflowType": "CRVS_NEW",
        "errorCode": format!("PACKET_{result}"),
    });
    let body = body.to_string();
    let notice = verified(PACKET_STATUS, body.as_bytes());
    let push = ledger.receive(PACKET_STATUS, body.into(), Sender::Known).await.unwrap();
    ledger.verified(push, PACKET_STATUS.name, notice).await.unwrap() != Novelty::Repeat
}

async fn types(ledger: &Ledger) -> Vec<String> {
    deliveries(ledger).await.into_iter().map(|(kind, _)| kind).collect()
}

/// The next look at the clock, after this long.
async fn after(ledger: &Ledger, time: Duration) {
    run_for(time).await;
    ledger.housekeep().await.unwrap();
}

async fn outcome(ledger: &Ledger, id: &str) -> Option<&'static str> {
    ledger.answer(id.to_owned()).await.unwrap().map(|answer| answer.outcome)
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_once_and_no_sooner_than_the_settings_say() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    after(&ledger, WITHIN - Duration::from_secs(1)).await;
    assert!(types(&ledger).await.is_empty());
    for _ in 0..3 {
        after(&ledger, WITHIN).await;
    }
    let message = messages(&ledger).await.remove(0);
    assert_eq!(types(&ledger).await, ["registration.silent"]);
    assert_eq!(message["subject"], json!({ "trackingId": "T1", "brn": "B1", "registrationId": "1" }));
    assert_eq!(message["data"]["registrationId"], "1");
    assert_eq!((outcome(&ledger, "1").await, ledger.silent().await.unwrap()), (Some("silent"), 1));
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_once_over_a_crash() {
    let home = Home::new();
    packet(&expecting(&home), "1").await;
    after(&expecting(&home), WITHIN).await;
    let ledger = expecting(&home);
    after(&ledger, WITHIN).await;
    assert_eq!(types(&ledger).await, ["registration.silent"]);
}

#[tokio::test(start_paused = true)]
async fn only_births_and_deaths_that_went_as_packets_are_expected_back_and_only_while_credentials_are() {
    let home = Home::new();
    let ledger = expecting(&home);
    insert(&ledger, "update", "birth-correction", "packets").await;
    insert(&ledger, "event", "birth", "mediator").await;
    insert(&ledger, "death", "death", "packets").await;
    insert(&ledger, "waits", "birth", "elsewhere").await;
    send(&ledger, "packets").await;
    send(&ledger, "mediator").await;
    after(&ledger, 2 * WITHIN).await;
    let deliveries = deliveries(&ledger).await;
    let [(kind, subject)] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!((kind.as_str(), &subject["registrationId"]), ("registration.silent", &json!("death")));

    let other = Home::new();
    let ledger = other.open();
    packet(&ledger, "1").await;
    after(&ledger, 2 * WITHIN).await;
    assert!(types(&ledger).await.is_empty(), "no topic for credentials is set");
}

#[tokio::test(start_paused = true)]
async fn a_credential_or_a_rejection_ends_the_wait_and_a_packet_that_was_processed_does_not() {
    for (outcome, ends) in [
        (Outcome::Issued, true),
        (Outcome::Rejected, true),
        (Outcome::Processed, false),
        (Outcome::Paused, false),
    ] {
        let home = Home::new();
        let ledger = expecting(&home);
        packet(&ledger, "1").await;
        says(&ledger, outcome, "1", "e1").await;
        let before = types(&ledger).await;
        assert_eq!(before.len(), usize::from(ends), "{outcome:?}");
        after(&ledger, 2 * WITHIN).await;
        let deliveries = types(&ledger).await.split_off(before.len());
        assert_eq!(deliveries, ["registration.silent"][..usize::from(!ends)], "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_after_a_rejection_is_told_and_is_what_came_of_it_and_no_silence_follows() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    says(&ledger, Outcome::Rejected, "1", "e1").await;
    after(&ledger, 2 * WITHIN).await;
    says(&ledger, Outcome::Issued, "1", "e2").await;
    after(&ledger, 2 * WITHIN).await;
    assert_eq!(types(&ledger).await, [REJECTED, ISSUED]);
    assert_eq!(outcome(&ledger, "1").await, Some("issued"));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_that_is_posted_again_after_the_credential_is_told_with_that_and_takes_nothing_back() {
    let home = Home::new();
    let ledger = expecting(&home);
    insert_as(&ledger, "1", "1", "birth", "packets").await;
    insert_as(&ledger, "2", "1", "birth", "packets").await;
    send(&ledger, "packets").await;
    assert!(status(&ledger, "1", "REJECTED").await);
    says(&ledger, Outcome::Issued, "1", "e1").await;
    // Whoever captured the message posts it again: its HMAC covers neither a time nor an id.
    run_for(Duration::from_mins(11)).await;
    assert!(status(&ledger, "1", "REJECTED").await);
    assert_eq!(types(&ledger).await, [REJECTED, ISSUED, REJECTED]);
    let told = messages(&ledger).await;
    assert_eq!(told[0]["data"].get("afterCredential"), None);
    assert_eq!(told[2]["data"]["afterCredential"], true);
    assert_eq!(told[2]["data"]["reason"], "PACKET_REJECTED");
    let advice = told[2]["data"]["advice"].as_str().unwrap();
    assert!(advice.contains("Do not register the record again"), "{advice}");
    for entry in ["1", "2"] {
        let answer = ledger.answer(entry.to_owned()).await.unwrap().unwrap();
        assert_eq!((answer.outcome, answer.details.reason), ("issued", None), "{entry}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bare_status_that_the_hub_brings_again_at_once_is_one_and_one_that_mosip_says_again_is_another() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    assert!(status(&ledger, "1", "REJECTED").await);
    for _ in 0..3 {
        // As long as the hub tries.
        run_for(Duration::from_mins(3)).await;
        assert!(!status(&ledger, "1", "REJECTED").await, "the hub tries again");
    }
    run_for(Duration::from_mins(2)).await;
    assert!(status(&ledger, "1", "REJECTED").await, "repeats hold back nothing that MOSIP says again");
    run_for(Duration::from_mins(9)).await;
    assert!(!status(&ledger, "1", "REJECTED").await, "the time counts from the second one now");
    assert_eq!(types(&ledger).await, [REJECTED, REJECTED]);
}

#[tokio::test(start_paused = true)]
async fn a_bare_status_that_the_hub_brings_again_behind_another_one_is_told_once() {
    let home = Home::new();
    let ledger = expecting(&home);
    for (result, is_new) in [
        ("REJECTED", true),
        ("REJECTED", false),
        ("PROCESSED", true),
        ("PROCESSED", false),
        ("REJECTED", false),
    ] {
        run_for(Duration::from_secs(1)).await;
        assert_eq!(status(&ledger, "1", result).await, is_new, "{result}");
        assert!(status(&ledger, "2", result).await == is_new, "one registration is not another");
    }
    assert_eq!(types(&ledger).await, [REJECTED; 2]);
    run_for(Duration::from_mins(11)).await;
    assert!(status(&ledger, "1", "REJECTED").await, "the packet was processed once more");
}

#[tokio::test(start_paused = true)]
async fn silence_about_an_event_that_arrives_once_more_is_not_told_again() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    after(&ledger, WITHIN).await;
    // The entry of the same event for another destination arrives now.
    insert(&ledger, "1@again", "birth", "packets").await;
    send(&ledger, "packets").await;
    after(&ledger, 2 * WITHIN).await;
    assert_eq!(types(&ledger).await, ["registration.silent"]);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_about_a_registration_reaches_every_event_of_it_that_waits() {
    for (outcome, word) in [(Outcome::Rejected, "rejected"), (Outcome::Issued, "issued")] {
        let home = Home::new();
        let ledger = expecting(&home);
        insert_as(&ledger, "1", "1", "birth", "packets").await;
        insert_as(&ledger, "2", "1", "birth", "packets").await;
        insert_as(&ledger, "3", "1", "birth-correction", "packets").await;
        send(&ledger, "packets").await;
        says(&ledger, outcome, "1", "e1").await;
        assert_eq!(self::outcome(&ledger, "1").await, Some(word));
        assert_eq!(self::outcome(&ledger, "2").await, Some(word));
        assert_eq!(self::outcome(&ledger, "3").await, None, "nobody waits for an answer to it");
        after(&ledger, 2 * WITHIN).await;
        assert_eq!(types(&ledger).await.len(), 1, "none of them is silent");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_faster_than_the_entry_is_no_silence_later() {
    let home = Home::new();
    let ledger = expecting(&home);
    insert(&ledger, "1", "birth", "packets").await;
    says(&ledger, Outcome::Rejected, "1", "e1").await;
    send(&ledger, "packets").await;
    after(&ledger, 2 * WITHIN).await;
    assert_eq!(types(&ledger).await, [REJECTED]);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_and_a_credential_that_come_after_silence_are_told_all_the_same() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    after(&ledger, WITHIN).await;
    says(&ledger, Outcome::Rejected, "1", "e1").await;
    assert_eq!((outcome(&ledger, "1").await, ledger.silent().await.unwrap()), (Some("rejected"), 0));
    says(&ledger, Outcome::Issued, "1", "e2").await;
    assert_eq!(types(&ledger).await, ["registration.silent", REJECTED, ISSUED]);
    assert_eq!(outcome(&ledger, "1").await, Some("issued"));
    says(&ledger, Outcome::Processed, "1", "e3").await;
    assert_eq!(outcome(&ledger, "1").await, Some("issued"), "what was sent before comes late");
}

#[tokio::test]
async fn a_rejection_is_told_under_every_name_and_shown_with_its_reason_and_one_of_a_stranger_under_its_id() {
    let home = Home::new();
    let ledger = expecting(&home);
    packet(&ledger, "1").await;
    says(&ledger, Outcome::Rejected, "1", "e1").await;
    says(&ledger, Outcome::Rejected, "unknown", "e2").await;
    let deliveries = deliveries(&ledger).await;
    assert_eq!(deliveries[0].1, json!({ "trackingId": "T1", "brn": "B1", "registrationId": "1" }));
    assert_eq!(deliveries[1].1, json!({ "registrationId": "unknown" }));
    assert_eq!(messages(&ledger).await[0]["verified"], "hub");
    let answer = ledger.answer("1".to_owned()).await.unwrap().unwrap();
    assert_eq!((answer.outcome, answer.details.reason.as_deref()), ("rejected", Some("PACKET_REJECTED")));
    assert!(answer.details.advice.is_some());
}

#[tokio::test]
async fn that_a_credential_was_received_is_published_once_for_each_credential() {
    let home = Home::new();
    let ledger = expecting(&home);
    ledger.publish_received(Publications {
        destination: "hub",
        kind: "hub-status",
        publisher: "opencrvs-partner".to_owned(),
    });
    packet(&ledger, "1").await;
    let issue = async |request: Option<&str>, own_id: &str, credential: [u8; 32]| {
        let push = ledger.receive(CREDENTIAL, own_id.to_owned().into(), Sender::Known).await.unwrap();
        let notice = Notice {
            kind: ISSUED,
            outcome: Some(Outcome::Issued),
            subject: Subject { registration_id: Some("1".to_owned()), ..Subject::default() },
            identity: Identity::Once(own_id.to_owned()),
            data: json!({}),
            uin_token: None,
            receipt: request.map(|request| Receipt { request_id: request.to_owned(), credential }),
        };
        ledger.verified(push, "credential", fake::under_the_hub(notice)).await.unwrap() == Novelty::New
    };
    let (one, other) = ([1; 32], [2; 32]);
    assert!(issue(Some("request-1"), "e1", one).await && !issue(Some("request-1"), "e1", one).await);
    assert!(issue(None, "e2", other).await, "whose request is not named");
    // Whoever has the hub's secret repeats a genuine credential under ids of their own.
    assert!(issue(Some("request-1"), "e3", one).await && issue(Some("request-2"), "e4", one).await);
    assert!(issue(Some("request-3"), "e5", other).await, "another credential of the same registration");
    let posts = lease_all(&ledger, &lane_to(Queue::Entries, "hub")).await;
    let ids: Vec<_> = posts.iter().map(|post| (post.held.id.as_str(), post.held.kind.as_str())).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(ids[0], ("1@hub", "hub-status"));
    let post = &posts[0];
    let body: Value = serde_json::from_slice(&post.work.payload).unwrap();
    assert_eq!(
        (&body["publisher"], &body["topic"]),
        (&json!("opencrvs-partner"), &json!("CREDENTIAL_STATUS_UPDATE"))
    );
    assert_eq!(
        (&body["event"]["requestId"], &body["event"]["status"]),
        (&json!("request-1"), &json!("RECEIVED"))
    );
    assert_eq!(body["event"]["id"].as_str().unwrap().len(), 36);
}
