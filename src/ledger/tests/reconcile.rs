//! Which records of OpenCRVS have an entry here.

use super::*;

async fn without_entry(ledger: &Ledger, compositions: &[&str]) -> Vec<String> {
    let compositions = compositions.iter().map(|&composition| composition.to_owned()).collect();
    ledger.without_entry(EventKind::Birth, compositions).await.unwrap()
}

#[tokio::test]
async fn a_correction_or_a_revocation_does_not_stand_for_a_birth_whose_webhook_was_lost() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    for (composition, kind) in [
        ("c1", EventKind::BirthCorrection),
        ("c2", EventKind::BirthCorrection),
        ("c3", EventKind::BirthRevocation),
    ] {
        accept(&ledger, event(kind, composition, "", "w")).await;
    }
    assert_eq!(without_entry(&ledger, &["c1", "c2", "c3", "c4"]).await, ["c2", "c3", "c4"]);
}

#[tokio::test]
async fn it_is_known_which_birth_came_once_its_row_is_gone_too() {
    let home = Home::new();
    let ledger = home.open();
    let born = accept(&ledger, birth("c1")).await;
    let corrected = accept(&ledger, event(EventKind::BirthCorrection, "c2", "", "w")).await;
    for accepted in [born, corrected] {
        ledger.discard(accepted.id, "settled, as what is sent".to_owned()).await.unwrap();
    }
    // As after `outbox.retention`, and before `outbox.remember`.
    ledger.run(|book| book.tx().forget(i64::MAX, i64::MIN)).await.unwrap();
    assert!(ledger.entries(Filter::default()).await.unwrap().entries.is_empty());
    assert_eq!(without_entry(&ledger, &["c1", "c2"]).await, ["c2"]);
}
