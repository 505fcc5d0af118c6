//! What OpenCRVS's core is to learn of a registration: made once, with what caused it.

use super::*;
use crate::opencrvs::confirm::{Awaited, Confirmation, Verdict};
use crate::opencrvs::document::EventDocument;
use crate::opencrvs::registration::Registration;
use crate::registration::Subject;

const WITHIN: Duration = Duration::from_hours(24);
const NUMBER: &str = "4961027835190246";

pub(super) fn confirming(home: &Home, rejects_silent: bool) -> Ledger {
    let ledger = home.open();
    ledger.expect_answers_within(WITHIN);
    ledger.confirm_in_opencrvs(Confirmations {
        destination: "opencrvs",
        kind: "confirm",
        national_id_key: "nationalNumber".to_owned(),
        rejects_rejected: true,
        rejects_silent,
        keeps_tokens: false,
        settles: false,
    });
    ledger
}

/// A registration that names the event `event` goes to MOSIP; its id.
pub(super) async fn register(ledger: &Ledger, kind: EventKind, number: &str, event: Option<&str>) -> String {
    register_as(ledger, kind, number, event, "").await
}

async fn register_as(
    ledger: &Ledger,
    kind: EventKind,
    number: &str,
    event: Option<&str>,
    note: &str,
) -> String {
    let name = match kind {
        EventKind::Birth => "birthCertificateNumber",
        EventKind::Death => "deathCertificateNumber",
        _ => "VID",
    };
    let body = json!({ "eventId": event, "requestFields": { name: number, "note": note } });
    let registration = Registration::parse(kind, Bytes::from(body.to_string())).unwrap();
    let accepted = ledger.accept_registration(registration, vec!["packets"], None, "10001").await.unwrap();
    for packet in lease_all(ledger, &lane_to(Queue::Entries, "packets")).await {
        settle(ledger, &packet, Ending::Done(Done { is_answered_later: true, ..Done::default() })).await;
    }
    accepted.id
}

/// MOSIP says this of the registration `id`, in a message of its own.
pub(super) async fn says(ledger: &Ledger, outcome: Outcome, id: &str, message: &str) {
    let push = ledger.receive(CREDENTIAL, Bytes::from(message.to_owned()), Sender::Known).await.unwrap();
    let data = json!({
        "registrationId": id,
        "vid": NUMBER,
        "covered": ["/credentialSubject/VID", "/credentialSubject/nationalNumber"],
        "credential": { "credentialSubject": { "VID": NUMBER, "UIN": "1", "nationalNumber": 47 } },
    });
    let notice = Notice {
        kind: "test",
        outcome: Some(outcome),
        subject: Subject { registration_id: Some(id.to_owned()), ..Subject::default() },
        identity: Identity::Once(message.to_owned()),
        data,
        uin_token: None,
        receipt: None,
    };
    ledger.verified(push, "test", fake::under_the_hub(notice)).await.unwrap();
}

/// MOSIP issues a credential that names the number `brn` alone, in the message `message`.
async fn says_of_number(ledger: &Ledger, brn: &str, message: &str) {
    let push = ledger.receive(CREDENTIAL, Bytes::from(message.to_owned()), Sender::Known).await.unwrap();
    let notice = Notice {
        kind: "test",
        outcome: Some(Outcome::Issued),
        subject: Subject { brn: Some(brn.to_owned()), ..Subject::default() },
        identity: Identity::Once(message.to_owned()),
        data: json!({ "vid": NUMBER }),
        uin_token: None,
        receipt: None,
    };
    ledger.verified(push, "test", fake::under_the_hub(notice)).await.unwrap();
}

/// What waits for OpenCRVS: the entries and what is in them.
pub(super) async fn waiting(ledger: &Ledger) -> Vec<(Leased, Confirmation)> {
    let leased = lease_all(ledger, &lane_to(Queue::Entries, "opencrvs")).await;
    leased
        .into_iter()
        .map(|leased| {
            let confirmation = serde_json::from_slice(&leased.work.payload).unwrap();
            (leased, confirmation)
        })
        .collect()
}

#[tokio::test]
async fn a_credential_makes_one_confirmation_and_a_further_one_none() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let id = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
    says(&ledger, Outcome::Issued, &id, "m1").await;
    says(&ledger, Outcome::Issued, &id, "m2").await;
    let mut waiting = waiting(&ledger).await;
    assert_eq!(waiting.len(), 1);
    let (entry, confirmation) = waiting.remove(0);
    assert_eq!(
        (entry.held.id.as_str(), entry.held.kind.as_str()),
        (format!("{id}@opencrvs").as_str(), "confirm")
    );
    assert_eq!((confirmation.awaited, confirmation.verdict), (Awaited::Either, Verdict::Accept));
    assert_eq!(
        (confirmation.event_id.as_str(), confirmation.registration_number.as_deref()),
        ("e1", Some("B1"))
    );
    let numbers: Vec<_> =
        confirmation.numbers.iter().map(|(name, number)| (name.as_str(), number.as_str())).collect();
    assert_eq!(numbers, [("VID", NUMBER), ("nationalNumber", "47")], "what nobody signed does not count");
    assert!(confirmation.wants_number);
    settle(&ledger, &entry, Ending::Done(Done::default())).await;
    says(&ledger, Outcome::Issued, &id, "m3").await;
    assert!(self::waiting(&ledger).await.is_empty(), "nor one after it was taken");
}

#[tokio::test]
async fn its_transaction_is_that_of_the_registration_over_starts_and_another_one_for_another() {
    let home = Home::new();
    let mut transactions = Vec::new();
    let ledger = confirming(&home, false);
    for (number, event) in [("B1", "e1"), ("B2", "e2")] {
        let id = register(&ledger, EventKind::Birth, number, Some(event)).await;
        says(&ledger, Outcome::Rejected, &id, &format!("r{event}")).await;
        says(&ledger, Outcome::Issued, &id, &format!("i{event}")).await;
    }
    drop(ledger);
    let ledger = confirming(&home, false);
    loop {
        let waiting = waiting(&ledger).await;
        if waiting.is_empty() {
            break;
        }
        for (entry, confirmation) in waiting {
            transactions.push((confirmation.event_id, confirmation.verdict, confirmation.transaction_id));
            settle(&ledger, &entry, Ending::Done(Done::default())).await;
        }
    }
    let order: Vec<_> =
        transactions.iter().filter(|(event, ..)| event == "e1").map(|(_, verdict, _)| *verdict).collect();
    assert_eq!(order, [Verdict::Reject, Verdict::Accept], "one after the other");
    let mut ids: Vec<_> = transactions.into_iter().map(|(.., id)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "a rejection is no repeat of an acceptance");
}

#[tokio::test]
async fn a_rejection_after_the_credential_rejects_nothing() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let id = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
    says(&ledger, Outcome::Issued, &id, "m1").await;
    says(&ledger, Outcome::Rejected, &id, "m2").await;
    let waiting = waiting(&ledger).await;
    assert_eq!(waiting.len(), 1);
    settle(&ledger, &waiting[0].0, Ending::Done(Done::default())).await;
    assert!(self::waiting(&ledger).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn silence_rejects_where_that_is_set_and_a_credential_after_it_goes_behind() {
    for rejects in [false, true] {
        let home = Home::new();
        let ledger = confirming(&home, rejects);
        let id = register(&ledger, EventKind::Death, "D1", Some("e1")).await;
        run_for(WITHIN + Duration::from_secs(1)).await;
        ledger.housekeep().await.unwrap();
        ledger.housekeep().await.unwrap();
        let verdicts: Vec<_> = waiting(&ledger).await.into_iter().map(|(_, of)| of.verdict).collect();
        assert_eq!(verdicts, [Verdict::Reject][..usize::from(rejects)]);
        says(&ledger, Outcome::Issued, &id, "m1").await;
        let verdicts: Vec<_> = waiting(&ledger).await.into_iter().map(|(_, of)| of.verdict).collect();
        assert_eq!(verdicts, [Verdict::Accept][..usize::from(!rejects)], "it waits behind the rejection");
    }
}

#[tokio::test]
async fn what_names_no_event_what_was_never_sent_and_a_webhook_are_told_alone() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let id = register(&ledger, EventKind::Birth, "B1", None).await;
    says(&ledger, Outcome::Issued, &id, "m1").await;
    says(&ledger, Outcome::Issued, "100019999999999", "m2").await;
    accept(&ledger, registered(EventKind::Birth, "c1", "B2")).await;
    let push = ledger.receive(CREDENTIAL, Bytes::from("m3"), Sender::Known).await.unwrap();
    let notice = Notice {
        kind: "test",
        outcome: Some(Outcome::Issued),
        subject: Subject { brn: Some("B2".to_owned()), ..Subject::default() },
        identity: Identity::Once("m3".to_owned()),
        data: json!({}),
        uin_token: None,
        receipt: None,
    };
    ledger.verified(push, "test", fake::under_the_hub(notice)).await.unwrap();
    assert!(waiting(&ledger).await.is_empty());
    assert_eq!(deliveries(&ledger).await.len(), 3);
}

#[tokio::test]
async fn a_death_whose_entry_is_forgotten_is_known_by_its_number() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let id = register(&ledger, EventKind::Death, "D1", Some("e1")).await;
    let row = id.clone();
    ledger
        .run(move |book| {
            let row = book.tx().listed(Queue::Entries, &row)?.unwrap();
            book.tx().delete(Queue::Entries, row.seq)
        })
        .await
        .unwrap();
    says(&ledger, Outcome::Issued, &id, "m1").await;
    let waiting = waiting(&ledger).await;
    let confirmation = &waiting[0].1;
    assert_eq!((confirmation.registration_number.as_deref(), confirmation.wants_number), (Some("D1"), false));
}

#[tokio::test]
async fn neither_number_nor_event_stands_in_the_open_and_what_was_taken_is_gone() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let id = register(&ledger, EventKind::Birth, "B1", Some("event-47110815")).await;
    says(&ledger, Outcome::Issued, &id, "m1").await;
    let name = format!("{id}@opencrvs");
    let row = async || {
        let name = name.clone();
        ledger.run(move |book| book.tx().row(Queue::Entries, &name)).await.unwrap().unwrap()
    };
    let before = row().await;
    assert!(!before.line.as_ref().unwrap().contains("event"));
    let payload = before.payload.unwrap();
    for secret in [NUMBER, "event-47110815"] {
        assert!(!payload.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let (entry, _) = waiting(&ledger).await.remove(0);
    settle(&ledger, &entry, Ending::Done(Done::default())).await;
    assert_eq!(row().await.payload, None);
}

#[tokio::test]
async fn the_credential_of_a_former_registration_does_not_accept_the_one_that_waits_now() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let first = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
    says(&ledger, Outcome::Rejected, &first, "m1").await;
    let rejected = waiting(&ledger).await;
    settle(&ledger, &rejected[0].0, Ending::Done(Done::default())).await;
    let second = register_as(&ledger, EventKind::Birth, "B1", Some("e1"), "corrected").await;
    says(&ledger, Outcome::Issued, &first, "m2").await;
    assert!(waiting(&ledger).await.is_empty());
    assert_eq!(deliveries(&ledger).await.len(), 2, "it is told");
    says(&ledger, Outcome::Issued, &second, "m3").await;
    let accepted = waiting(&ledger).await;
    assert_eq!(accepted[0].0.held.id, format!("{second}@opencrvs"));
}

/// The EventDocument of the record, with `number` in its last action `action`, goes to another ID system.
async fn document(ledger: &Ledger, action: &str, number: &str) {
    let body = json!({
        "id": "e1",
        "type": "birth",
        "actions": [{ "id": action, "registrationNumber": number }],
    });
    let document = EventDocument::parse(EventKind::Birth, Bytes::from(body.to_string())).unwrap();
    ledger.accept_document(document, vec!["nia"], None).await.unwrap();
}

#[tokio::test]
async fn an_event_document_for_another_system_keeps_no_credential_from_being_confirmed() {
    for by_number in [false, true] {
        let home = Home::new();
        let ledger = confirming(&home, false);
        document(&ledger, "a0", "B1").await;
        let id = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
        document(&ledger, "a1", "B1").await;
        match by_number {
            true => says_of_number(&ledger, "B1", "m1").await,
            false => says(&ledger, Outcome::Issued, &id, "m1").await,
        }
        let accepted: Vec<_> = waiting(&ledger).await.into_iter().map(|(leased, _)| leased.held.id).collect();
        assert_eq!(accepted, [format!("{id}@opencrvs")], "{by_number}");
    }
}

/// More of them than are looked at of one record.
#[tokio::test]
async fn many_event_documents_do_not_hide_that_the_record_was_registered_once_more() {
    for at in [0, 1] {
        let home = Home::new();
        let ledger = confirming(&home, false);
        let mut ids = Vec::new();
        for (turn, number) in ["B1", "B2"].into_iter().enumerate() {
            if turn == at {
                for action in 0..101 {
                    document(&ledger, &format!("a{action}"), "B0").await;
                }
            }
            ids.push(register(&ledger, EventKind::Birth, number, Some("e1")).await);
        }
        says(&ledger, Outcome::Issued, &ids[0], "m1").await;
        assert!(waiting(&ledger).await.is_empty(), "{at}");
        says(&ledger, Outcome::Issued, &ids[1], "m2").await;
        assert_eq!(waiting(&ledger).await[0].0.held.id, format!("{}@opencrvs", ids[1]), "{at}");
    }
}

#[tokio::test]
async fn a_credential_that_names_the_number_alone_is_that_of_the_last_registration() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let first = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
    says(&ledger, Outcome::Rejected, &first, "m1").await;
    let rejected = waiting(&ledger).await;
    settle(&ledger, &rejected[0].0, Ending::Done(Done::default())).await;
    let second = register_as(&ledger, EventKind::Birth, "B1", Some("e1"), "corrected").await;
    says_of_number(&ledger, "B1", "m2").await;
    let accepted = waiting(&ledger).await;
    assert_eq!(accepted[0].0.held.id, format!("{second}@opencrvs"));
    assert_eq!(
        accepted[0].1.numbers.get("VID").map(String::as_str),
        Some(NUMBER),
        "under the hub's word alone"
    );
}

/// No action is named, as in the bodies of OpenCRVS 2.0.
#[tokio::test(start_paused = true)]
async fn what_opencrvs_was_told_is_rejected_and_is_registered_again_unchanged_goes_to_mosip_again() {
    for is_silent in [false, true] {
        let home = Home::new();
        let ledger = confirming(&home, true);
        let first = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
        match is_silent {
            true => {
                run_for(WITHIN + Duration::from_secs(1)).await;
                ledger.housekeep().await.unwrap();
            }
            false => says(&ledger, Outcome::Rejected, &first, "m1").await,
        }
        let rejected = waiting(&ledger).await.remove(0);
        assert_eq!(rejected.1.verdict, Verdict::Reject);
        let repeat = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
        assert_eq!(repeat, first, "OpenCRVS has not heard of it, so the same action waits");
        settle(&ledger, &rejected.0, Ending::Done(Done::default())).await;
        let second = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
        assert_ne!(second, first, "silent: {is_silent}");
        assert_eq!(register(&ledger, EventKind::Birth, "B1", Some("e1")).await, second, "that one is known");
        says(&ledger, Outcome::Issued, &first, "m2").await;
        assert!(waiting(&ledger).await.is_empty(), "the former one is superseded");
        says(&ledger, Outcome::Issued, &second, "m3").await;
        assert_eq!(waiting(&ledger).await[0].0.held.id, format!("{second}@opencrvs"));
    }
}

#[tokio::test]
async fn a_repeat_that_hands_over_another_action_is_confirmed_for_that() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let post = async |action: &str| {
        let fields = json!({ "birthCertificateNumber": "B1" });
        let body = json!({ "eventId": "e1", "actionId": action, "requestFields": fields });
        let registration = Registration::parse(EventKind::Birth, Bytes::from(body.to_string())).unwrap();
        ledger.accept_registration(registration, vec!["packets"], None, "10001").await.unwrap().id
    };
    let id = post("a1").await;
    assert_eq!(post("a2").await, id, "MOSIP has said nothing");
    says(&ledger, Outcome::Rejected, &id, "m1").await;
    let rejected = waiting(&ledger).await.remove(0).1;
    assert_eq!(rejected.action_id.as_deref(), Some("a2"));
    assert_eq!(post("a2").await, id, "it is the same request");
    assert_ne!(post("a3").await, id);
}
