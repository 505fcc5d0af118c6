//! A new key in the key files of several gateways, one of which is late.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::gateways::{TERM, ledger, make_key};
use super::*;
use crate::ledger::{Due, Ledger, Rekeyed, Wanted};
use crate::opencrvs::event::{Event, EventKind};

const BIRTH: &str = r#"{"event":{"hub":{"topic":"BIRTH_REGISTERED"},"context":[{"entry":[{"resource":{"resourceType":"Task","focus":{"reference":"Composition/ID"}}},{"resource":{"resourceType":"Patient"}}]}]}}"#;

async fn accept(ledger: &Ledger, id: &str) {
    let birth = Event::parse(EventKind::Birth, Bytes::from(BIRTH.replace("ID", id))).unwrap();
    ledger.accept(birth, vec!["mediator"], None).await.unwrap();
}

/// How many events this gateway can open.
async fn leased(ledger: &Ledger) -> usize {
    match ledger
        .lease(&conformance::lane(), Wanted { lease: TERM, limit: 9, slots: 9, known: Some(0) })
        .await
        .unwrap()
    {
        Due::Now(leased) => leased.len(),
        _ => 0,
    }
}

/// As it ends while another gateway goes on saying that it lives.
async fn rekey_beside(ledger: &Ledger, other: &Ledger) -> Result<Rekeyed> {
    let lives = async {
        loop {
            other.beat().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        outcome = ledger.rekey() => outcome,
        () = lives => unreachable!(),
    }
}

fn give(folder: &Path, lines: &[&[u8]]) {
    std::fs::write(folder.join("outbox.key"), lines.concat()).unwrap();
}

#[tokio::test]
async fn a_new_key_goes_round_while_one_gateway_is_late_and_every_row_opens_at_each() {
    let Some(home) = Home::new() else { return };
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [early, late, fresh] = folders.each_ref().map(|folder| folder.path());
    make_key(early);
    make_key(fresh);
    let key = |folder: &Path| std::fs::read(folder.join("outbox.key")).unwrap();
    let (old, new) = (key(early), key(fresh));
    give(late, &[&old]);
    let (one, other) = (ledger(&home, early), ledger(&home, late));
    accept(&one, "c1").await;
    for ledger in [&one, &other] {
        ledger.beat().await.unwrap();
    }

    give(early, &[&new, &old]);
    assert!(one.read_keys_again().await.unwrap());
    assert!(!one.read_keys_again().await.unwrap(), "it is known now");
    accept(&one, "c2").await;
    assert_eq!(leased(&other).await, 2, "the one seals under a key that the late one has");
    let refused = rekey_beside(&one, &other).await.unwrap_err();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(refused.detail().contains(&format!("{} does not have", host.trim())), "{refused:?}");

    give(late, &[&old, &new]);
    assert!(other.read_keys_again().await.unwrap());
    other.beat().await.unwrap();
    let refused = rekey_beside(&one, &other).await.unwrap_err();
    assert!(refused.detail().contains("still seals under another key"), "{refused:?}");
    give(late, &[&new, &old]);
    for ledger in [&one, &other] {
        ledger.read_keys_again().await.unwrap();
        ledger.beat().await.unwrap();
    }
    assert!(rekey_beside(&one, &other).await.unwrap().resealed > 2);
    accept(&other, "c3").await;
    assert_eq!(rekey_beside(&other, &one).await.unwrap(), Rekeyed::default(), "nothing is left");
    for folder in [early, late] {
        give(folder, &[&new]);
    }
    assert_eq!(leased(&ledger(&home, late)).await, 1, "the former key can go");
}

#[tokio::test]
async fn a_row_under_a_key_that_a_gateway_does_not_have_yet_waits_and_goes_once_it_has_it() {
    let Some(home) = Home::new() else { return };
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [early, late] = folders.each_ref().map(|folder| folder.path());
    make_key(early);
    let old = std::fs::read(early.join("outbox.key")).unwrap();
    give(late, &[&old]);
    let other = ledger(&home, late);
    std::fs::remove_file(early.join("outbox.key")).unwrap();
    make_key(early);
    let new = std::fs::read(early.join("outbox.key")).unwrap();
    give(early, &[&new, &old]);
    // It starts with the new key first, while the other says nothing.
    let one = ledger(&home, early);
    accept(&one, "c1").await;
    assert_eq!(leased(&other).await, 0);
    assert_eq!(other.unreadable().get("entry"), Some(&1));
    assert_eq!(one.entry("c1".to_owned()).await.unwrap().state, State::Queued);
    give(late, &[&old, &new]);
    assert!(other.read_keys_again().await.unwrap());
    assert_eq!(leased(&other).await, 1);
    assert_eq!(other.unreadable().get("entry"), None);
}

#[tokio::test]
async fn a_gateway_that_stood_still_while_the_key_was_replaced_seals_under_the_new_one_at_once() {
    let Some(home) = Home::new() else { return };
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [early, late, fresh] = folders.each_ref().map(|folder| folder.path());
    make_key(early);
    make_key(fresh);
    let key = |folder: &Path| std::fs::read(folder.join("outbox.key")).unwrap();
    let (old, new) = (key(early), key(fresh));
    give(late, &[&old]);
    let (one, other) = (ledger(&home, early), ledger(&home, late));
    accept(&one, "c1").await;
    other.beat().await.unwrap();

    // The other one stands still from here on, so that nothing waits for it.
    home.sql("UPDATE clock SET value=value + 60000");
    for folder in [early, late] {
        give(folder, &[&new, &old]);
    }
    assert!(one.read_keys_again().await.unwrap());
    one.beat().await.unwrap();
    tokio::time::pause();
    one.rekey().await.unwrap();
    tokio::time::resume();
    for folder in [early, late] {
        give(folder, &[&new]);
    }

    accept(&other, "c2").await;
    assert_eq!(leased(&ledger(&home, fresh)).await, 2, "under the new key, which alone is left");
}
