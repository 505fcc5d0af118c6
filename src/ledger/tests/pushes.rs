//! What MOSIP pushed: delivered once, kept where it does not verify, never at the cost of events.

use super::*;
use crate::error::Fault;
use crate::ledger::entry::Refusal;
use crate::registration::Subject;

fn refusal() -> Refusal {
    Refusal::from(&Error::new(Code::SignatureInvalid, "the signature is wrong"))
}

async fn receive(ledger: &Ledger, body: &'static [u8]) -> String {
    ledger.receive(BIRTH_NID, Bytes::from_static(body), Sender::Stranger).await.unwrap()
}

#[tokio::test]
async fn a_damaged_push_is_quarantined_and_holds_no_other_up() {
    let home = Home::new();
    let ledger = home.open();
    let damaged = receive(&ledger, b"1").await;
    let good = receive(&ledger, b"2").await;
    damage(&ledger, "push", "body", damaged.clone().leak()).await;
    assert_eq!(ledger.next_received(0).await.unwrap().unwrap().1.id, good);
    let kept = ledger.quarantined(0).await.unwrap();
    assert_eq!((kept.len(), kept[0].id.as_str()), (1, damaged.as_str()));
    assert_eq!(kept[0].refusal.as_ref().unwrap().fault, Fault::Storage);
    assert_eq!(ledger.unreadable(), BTreeMap::from([("push", 1)]));
}

#[tokio::test]
async fn a_push_is_delivered_once_however_often_it_comes() {
    let home = Home::new();
    let ledger = home.open();
    for is_new in [true, false] {
        let (id, is_delivered) = push(&ledger, "B1", "1").await;
        assert_eq!(is_delivered, is_new);
        assert_eq!(ledger.push(id).await.err().unwrap().code(), Code::NotFound, "nothing is left of it");
    }
    assert_eq!(deliveries(&ledger).await.len(), 1);
    let ledger = home.open();
    assert!(!push(&ledger, "B1", "1").await.1, "nor in another process");
}

#[tokio::test]
async fn a_forged_push_first_does_not_bar_the_real_one() {
    let home = Home::new();
    let ledger = home.open();
    let message = fake::uin_token("1", "B1");
    let forged = ledger.receive(BIRTH_NID, message.clone(), Sender::Stranger).await.unwrap();
    ledger.quarantine(forged, refusal()).await.unwrap();
    let real = ledger.receive(BIRTH_NID, message.clone(), Sender::Stranger).await.unwrap();
    assert_eq!(ledger.verified(real, BIRTH_NID.name, notice(&message)).await.unwrap(), Novelty::New);
}

#[tokio::test]
async fn the_quarantine_is_bounded_in_rows_and_bytes_and_holds_no_event_up() {
    let home = Home::new();
    let ledger = home.open();
    let too_large = vec![0; (1 << 20) + 1].into();
    let too_large = ledger.receive(BIRTH_NID, too_large, Sender::Stranger).await.unwrap_err();
    assert_eq!(too_large.code().status(), 503);
    for body in [b"forge1", b"forge2", b"forge3"] {
        let id = receive(&ledger, body).await;
        ledger.quarantine(id, refusal()).await.unwrap();
    }
    let one_more = Bytes::from_static(b"one more");
    let refused = ledger.receive(BIRTH_NID, one_more.clone(), Sender::Stranger).await.unwrap_err();
    assert_eq!(refused.code(), Code::Busy);
    assert!(accept(&ledger, birth("c1")).await.is_new);
    let counts = ledger.quarantine_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.messages, count.bytes)).collect::<Vec<_>>(), [(3, 18)]);
    let kept = ledger.quarantined(0).await.unwrap();
    assert_eq!(kept[0].refusal, Some(refusal()));
    assert_eq!(ledger.examine_again().await.unwrap(), 3);
    let unexamined = ledger.discard_push(kept[0].id.clone()).await.unwrap_err();
    assert_eq!(unexamined.code(), Code::StateConflict, "somebody looks at it now");
    assert!(unexamined.advice().contains("/v1/quarantine"), "it is no event: {}", unexamined.advice());
    ledger.quarantine(kept[0].id.clone(), refusal()).await.unwrap();
    ledger.discard_push(kept[0].id.clone()).await.unwrap();
    receive(&ledger, b"one more").await;
}

#[tokio::test]
async fn pushes_kept_webhooks_and_jobs_never_take_the_reserve_of_the_disk() {
    let home = Home::new();
    let settings = Outbox { reserve: u64::MAX, ..home.settings() };
    let ledger = Ledger::open(settings, Home::QUARANTINE, home.clock.clone()).unwrap();
    let pushed = ledger.receive(BIRTH_NID, Bytes::from_static(b"x"), Sender::Known).await.unwrap_err();
    let kept = ledger.keep_webhook("x".into(), refusal()).await.unwrap_err();
    assert_eq!((pushed.code(), kept.code()), (Code::Busy, Code::Busy));
    let job = ledger.create_job(crate::mosip::authtoken::Form::Json, Vec::new(), None).await.unwrap_err();
    assert_eq!(job.code(), Code::Storage);
    assert!(accept(&ledger, birth("c1")).await.is_new);
}

#[tokio::test]
async fn webhooks_are_kept_beyond_the_bounds_and_take_no_place_of_other_kinds() {
    let home = Home::new();
    let ledger = home.open();
    for _ in 0..4 {
        ledger.keep_webhook(vec![0; 1 << 19].into(), refusal()).await.unwrap();
    }
    receive(&ledger, b"x").await;
    let counts = ledger.quarantine_counts().await.unwrap();
    let webhooks =
        QuarantineCount { kind: "webhook".to_owned(), code: refusal().code, messages: 4, bytes: 4 << 19 };
    assert_eq!(counts, [webhooks]);
}

/// A push of the hub about one registration, as any kind of it may be: its own id, and the digest of what it says; whether it is new.
async fn hub_push(ledger: &Ledger, kind: &str, own_id: &str, says: u8) -> bool {
    let id = receive(ledger, b"hub").await;
    let notice = Notice {
        kind: "registration.rejected",
        outcome: Some(Outcome::Rejected),
        subject: Subject { registration_id: Some("R1".to_owned()), ..Subject::default() },
        identity: Identity::Message { id: own_id.to_owned(), says: [says; 32], of_share: None },
        data: json!({ "reason": "photo" }),
        uin_token: None,
        receipt: None,
    };
    ledger.verified(id, kind, fake::under_the_hub(notice)).await.unwrap() == Novelty::New
}

#[tokio::test]
async fn what_the_hub_alone_vouches_for_is_told_as_that() {
    let home = Home::new();
    let ledger = home.open();
    assert!(hub_push(&ledger, "packet-status", "e1", 1).await);
    let message = messages(&ledger).await.remove(0);
    assert_eq!(message["type"], "registration.rejected");
    assert_eq!(message["subject"], json!({ "registrationId": "R1" }));
    assert_eq!(message["data"], json!({ "reason": "photo" }));
    assert_eq!(message["verified"], "hub");
    assert!(message.get("key").is_none(), "no key of ours opened it");
}

#[tokio::test]
async fn a_push_is_a_repeat_where_its_id_and_what_it_says_verified_before_under_its_kind() {
    let home = Home::new();
    let ledger = home.open();
    let forged = receive(&ledger, b"hub").await;
    ledger.quarantine(forged, refusal()).await.unwrap();
    for (kind, own_id, says, is_new) in [
        ("packet-status", "e1", 1, true),
        ("packet-status", "e1", 1, false),
        // Nobody signs an id: the message that it was taken from is still to come.
        ("packet-status", "e1", 2, true),
        ("packet-status", "e1", 1, false),
        ("packet-status", "e1", 2, false),
        ("packet-status", "e2", 1, true),
        ("credential", "e1", 1, true),
    ] {
        assert_eq!(hub_push(&ledger, kind, own_id, says).await, is_new, "{kind} {own_id} {says}");
    }
    assert_eq!(deliveries(&ledger).await.len(), 4);
}

#[tokio::test]
async fn what_a_known_sender_brings_is_kept_beyond_the_bounds() {
    let home = Home::new();
    let ledger = home.open();
    for body in [b"1", b"2", b"3", b"4", b"5"] {
        ledger.receive(CREDENTIAL, Bytes::from_static(body), Sender::Known).await.unwrap();
    }
    let large = vec![0; 2 << 20].into();
    ledger.receive(CREDENTIAL, large, Sender::Known).await.unwrap();
    let stranger = ledger.receive(CREDENTIAL, Bytes::from_static(b"6"), Sender::Stranger).await.unwrap_err();
    assert_eq!(stranger.code(), Code::Busy);
}

#[tokio::test]
async fn the_same_bytes_are_one_row_as_long_as_they_do_not_verify_and_other_bytes_another() {
    let home = Home::new();
    let ledger = home.open();
    let event = |data: &str| Bytes::from(format!(r#"{{"event":{{"id":"e1","data":{data}}}}}"#));
    let first = ledger.receive(CREDENTIAL, event("1"), Sender::Known).await.unwrap();
    assert_eq!(ledger.receive(CREDENTIAL, event("1"), Sender::Known).await.unwrap(), first);
    ledger.quarantine(first.clone(), refusal()).await.unwrap();
    assert_eq!(ledger.receive(CREDENTIAL, event("1"), Sender::Known).await.unwrap(), first);
    let other = ledger.receive(CREDENTIAL, event("2"), Sender::Known).await.unwrap();
    assert_ne!(other, first, "whoever sends a forged event of this id first does not bar the real one");
    assert_eq!(ledger.quarantined(0).await.unwrap().len(), 1);
    assert_eq!(ledger.next_received(0).await.unwrap().unwrap().1.id, other);
}

#[tokio::test]
async fn a_message_that_a_gateway_of_before_delivered_is_a_repeat_and_one_under_another_id_is_not() {
    let home = Home::new();
    let ledger = home.open();
    // It knew a message by its kind and its id.
    let mark = |book: &Book<'_>| {
        let mark = book.identity(&[b"push", b"packet-status", b"e1"]);
        book.tx().mark_verified(&mark, book.now).map(drop)
    };
    ledger.run(mark).await.unwrap();
    for (kind, own_id, is_new) in
        [("packet-status", "e1", false), ("packet-status", "e2", true), ("credential", "e1", true)]
    {
        assert_eq!(hub_push(&ledger, kind, own_id, 1).await, is_new, "{kind} {own_id}");
    }
}
