//! Registrations that `mosip-api` handed to MOSIP: what comes of them once they are taken over.

use super::confirmations::{confirming, register, waiting};
use super::*;
use crate::opencrvs::confirm::{Awaited, Verdict};
use crate::opencrvs::pending::PendingRow;
use crate::registration::Subject;

const WITHIN: Duration = Duration::from_hours(24);
const ID: &str = "100010123456789";

fn row(row: i64, id: &str, number: &str, event: Option<&str>) -> PendingRow {
    PendingRow {
        row,
        id: Some(id.to_owned()),
        registration_number: Some(number.to_owned()),
        token: None,
        event_id: event.map(str::to_owned),
    }
}

/// What became of `rows`: taken, already here, and the reasons of the others by their rows.
async fn import(ledger: &Ledger, rows: Vec<PendingRow>) -> (u64, u64, Vec<(i64, String)>) {
    let Imported { taken, already_here, unusable, .. } = ledger.import(rows).await.unwrap();
    (taken, already_here, unusable.iter().map(|one| (one.row, one.reason.to_string())).collect())
}

/// MOSIP says this of what `subject` names; `event` as a credential tells it.
async fn says(ledger: &Ledger, outcome: Outcome, subject: Subject, event: &str) {
    let message = format!("{event}{}", outcome.as_str());
    let push = ledger.receive(CREDENTIAL, Bytes::from(message.clone()), Sender::Known).await.unwrap();
    let data = json!({ "event": event, "vid": (event == "birth").then_some("4961027835190246") });
    let (outcome, identity) = (Some(outcome), Identity::Once(message));
    let notice = Notice { kind: "test", outcome, subject, identity, data, uin_token: None, receipt: None };
    ledger.verified(push, "test", fake::under_the_hub(notice)).await.unwrap();
}

fn of_packet(id: &str) -> Subject {
    Subject { registration_id: Some(id.to_owned()), ..Subject::default() }
}

#[tokio::test]
async fn a_credential_says_whether_it_was_a_birth_or_a_death_and_core_which_action_waits() {
    for (event, wants_number) in [("birth", true), ("death", false)] {
        let home = Home::new();
        let ledger = confirming(&home, false);
        assert_eq!(import(&ledger, vec![row(1, ID, "N1", Some("e1"))]).await, (1, 0, vec![]));
        assert!(waiting(&ledger).await.is_empty() && deliveries(&ledger).await.is_empty(), "nothing is sent");
        says(&ledger, Outcome::Issued, of_packet(ID), event).await;
        let waiting = waiting(&ledger).await;
        let [(entry, confirmation)] = waiting.as_slice() else { panic!("{} wait", waiting.len()) };
        assert_eq!(entry.held.id, format!("{ID}@opencrvs"));
        assert_eq!((confirmation.awaited, confirmation.verdict), (Awaited::Either, Verdict::Accept));
        assert_eq!(
            (confirmation.event_id.as_str(), confirmation.registration_number.as_deref()),
            ("e1", Some("N1"))
        );
        assert_eq!(
            (confirmation.numbers.contains_key("VID"), confirmation.wants_number),
            (wants_number, wants_number)
        );
        let (_, subject) = &deliveries(&ledger).await[0];
        assert_eq!(*subject, json!({ "eventId": "e1", "registrationNumber": "N1", "registrationId": ID }));
    }
}

/// The credential's proof may not cover the id of the packet.
#[tokio::test]
async fn a_credential_finds_it_by_the_number_of_either_certificate() {
    for name in ["brn", "drn"] {
        let home = Home::new();
        let ledger = confirming(&home, false);
        import(&ledger, vec![row(1, ID, "N1", Some("e1")), row(2, "100010123456780", "N2", Some("e2"))])
            .await;
        says(&ledger, Outcome::Issued, serde_json::from_value(json!({ name: "N2" })).unwrap(), "birth").await;
        let waiting = waiting(&ledger).await;
        assert_eq!(waiting.iter().map(|(_, of)| of.event_id.as_str()).collect::<Vec<_>>(), ["e2"], "{name}");
    }
}

#[tokio::test]
async fn what_is_here_already_is_skipped_and_keeps_what_came_of_it() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    import(&ledger, vec![row(1, ID, "N1", Some("e1"))]).await;
    says(&ledger, Outcome::Issued, of_packet(ID), "birth").await;
    let again = vec![row(1, ID, "N1", Some("e1")), row(2, "100010123456780", "N2", Some("e2"))];
    assert_eq!(import(&ledger, again).await, (1, 1, vec![]));
    assert_eq!(ledger.answer(ID.to_owned()).await.unwrap().unwrap().outcome, "issued");
}

#[tokio::test]
async fn a_row_that_fits_nothing_here_is_named_and_holds_up_no_other() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let ours = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
    let rows = vec![
        row(1, "../1", "N1", Some("e2")),
        row(2, &ours, "N2", Some("e3")),
        row(3, "100010123456780", "N3", Some("e1")),
        row(4, "100010123456781", "N4", None),
        row(5, ID, "N5", Some("e5")),
    ];
    let wanted = [(1, "id"), (2, "id-in-use"), (3, "superseded"), (4, "event")];
    let wanted = wanted.map(|(row, reason)| (row, reason.to_owned())).to_vec();
    assert_eq!(import(&ledger, rows).await, (1, 0, wanted));
}

#[tokio::test]
async fn a_record_that_is_registered_here_since_is_not_confirmed_for_what_was_taken_over() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    import(&ledger, vec![row(1, ID, "N1", Some("e1"))]).await;
    let ours = register(&ledger, EventKind::Birth, "B1", Some("e1")).await;
    says(&ledger, Outcome::Issued, of_packet(ID), "birth").await;
    assert!(waiting(&ledger).await.is_empty());
    says(&ledger, Outcome::Issued, of_packet(&ours), "death").await;
    assert_eq!(waiting(&ledger).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_once_from_the_takeover_on_and_rejects_where_that_is_set() {
    let home = Home::new();
    let ledger = confirming(&home, true);
    import(&ledger, vec![row(1, ID, "N1", Some("e1"))]).await;
    run_for(WITHIN - Duration::from_secs(1)).await;
    // A second takeover is no new moment.
    import(&ledger, vec![row(1, ID, "N1", Some("e1"))]).await;
    ledger.housekeep().await.unwrap();
    assert!(deliveries(&ledger).await.is_empty());
    run_for(Duration::from_secs(2)).await;
    for _ in 0..2 {
        ledger.housekeep().await.unwrap();
    }
    let told: Vec<_> = deliveries(&ledger).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!((told, ledger.unanswered().await.unwrap()), (vec!["registration.silent".to_owned()], 1));
    let verdicts: Vec<_> = waiting(&ledger).await.into_iter().map(|(_, of)| of.verdict).collect();
    assert_eq!(verdicts, [Verdict::Reject]);
}

#[tokio::test]
async fn no_name_of_it_stands_in_the_open() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    import(&ledger, vec![row(1, ID, "NumberOfNobody", Some("event-of-nobody"))]).await;
    let row = ledger.run(|book| book.tx().correlation(ID)).await.unwrap().unwrap();
    for name in ["NumberOfNobody", "event-of-nobody"] {
        assert!(!row.subject.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
}
