//! What MOSIP pushed: judged once, kept where it does not verify, never at the cost of events.

use super::*;

#[tokio::test]
async fn a_damaged_push_is_quarantined_and_holds_no_other_up() {
    let home = Home::new();
    let store = home.open();
    let damaged = store.receive(PushKind::BirthNid, b"1".to_vec()).await.unwrap();
    let good = store.receive(PushKind::BirthNid, b"2".to_vec()).await.unwrap();
    home.sql("UPDATE push SET body=zeroblob(100) WHERE seq=1");
    assert_eq!(store.next_received(0).await.unwrap().unwrap().1.id, good);
    let kept = store.quarantined(0).await.unwrap();
    assert_eq!((kept.len(), kept[0].id.as_str()), (1, damaged.as_str()));
    assert_eq!(kept[0].refusal.as_ref().unwrap().fault, "storage");
}

#[tokio::test]
async fn a_push_is_delivered_once_however_often_it_comes() {
    let home = Home::new();
    let store = home.open();
    let told = || Told {
        kind: "uin-token.received",
        brn: "B1".into(),
        uin_token: "1".into(),
        data: json!({}),
        verified: "signature",
        key: None,
    };
    for is_new in [true, false] {
        let id = store.receive(PushKind::BirthNid, b"sealed".to_vec()).await.unwrap();
        assert_eq!(store.verified(id, PushKind::BirthNid, b"plain", told()).await.unwrap(), is_new);
    }
    assert_eq!(store.undelivered(0, 10, true).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_forged_push_first_does_not_bar_the_real_one() {
    let home = Home::new();
    let store = home.open();
    let forged = store.receive(PushKind::BirthNid, b"same".to_vec()).await.unwrap();
    store.quarantine(forged, refusal()).await.unwrap();
    let real = store.receive(PushKind::BirthNid, b"same".to_vec()).await.unwrap();
    let told = Told {
        kind: "uin-token.received",
        brn: "B1".into(),
        uin_token: "1".into(),
        data: json!({}),
        verified: "signature",
        key: None,
    };
    assert!(store.verified(real, PushKind::BirthNid, b"same", told).await.unwrap());
}

#[tokio::test]
async fn the_quarantine_is_bounded_in_rows_and_bytes_and_holds_no_event_up() {
    let home = Home::new();
    let store = home.open();
    let too_large = store.receive(PushKind::BirthNid, vec![0; (1 << 20) + 1]).await.unwrap_err();
    assert_eq!(too_large.code().status(), 503);
    for _ in 0..3 {
        let id = store.receive(PushKind::BirthNid, b"forged".to_vec()).await.unwrap();
        store.quarantine(id, refusal()).await.unwrap();
    }
    assert_eq!(store.receive(PushKind::BirthNid, b"one more".to_vec()).await.unwrap_err().code(), Code::Busy);
    assert!(accept(&store, birth("c1")).await.is_new);
    let counts = store.quarantine_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.messages, count.bytes)).collect::<Vec<_>>(), [(3, 18)]);
    assert_eq!(store.quarantined(0).await.unwrap()[0].refusal, Some(refusal()));
    assert_eq!(store.judge_again().await.unwrap(), 3);
}

#[tokio::test]
async fn a_push_never_takes_the_reserve_of_the_disk() {
    let home = Home::new();
    let settings = config::Outbox { reserve: u64::MAX, ..home.settings() };
    let quarantine = config::Quarantine { max_bytes: 1 << 20, max_rows: 3 };
    let store = Store::open(settings, quarantine, home.clock.clone()).unwrap();
    assert_eq!(store.receive(PushKind::BirthNid, b"x".to_vec()).await.unwrap_err().code(), Code::Busy);
    assert_eq!(store.keep_webhook("x".into(), refusal()).await.unwrap_err().code(), Code::Busy);
    assert!(accept(&store, birth("c1")).await.is_new);
}

#[tokio::test]
async fn webhooks_are_kept_beyond_the_bounds_and_take_no_place_of_other_kinds() {
    let home = Home::new();
    let store = home.open();
    for _ in 0..4 {
        store.keep_webhook(vec![0; 1 << 19].into(), refusal()).await.unwrap();
    }
    store.receive(PushKind::BirthNid, b"x".to_vec()).await.unwrap();
    let counts = store.quarantine_counts().await.unwrap();
    let webhooks =
        QuarantineCount { kind: "webhook".to_owned(), code: refusal().code, messages: 4, bytes: 4 << 19 };
    assert_eq!(counts, [webhooks]);
}
