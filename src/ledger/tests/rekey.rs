//! Another key for the rows, and a key file that changes under a gateway.

use futures_util::FutureExt;

use super::*;
use crate::error::Fault;
use crate::ledger::job::NewRecord;
use crate::ledger::keys::Keys;
use crate::ledger::vault::Vault;
use crate::mosip::authtoken::Form;

/// As a rekey leaves it that is killed once the identity key is through.
async fn reseal_the_identity_key(ledger: &Ledger) {
    ledger.run(|book| book.reseal(sealed_column("meta", "sealed"), Seq::MIN).map(drop)).await.unwrap();
}

#[tokio::test]
async fn after_a_rekey_repeats_are_known_and_the_old_key_is_not_needed() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    accept(&ledger, event(EventKind::Birth, "c1", "second", "w")).await;
    let new = other_key();
    home.write_keys(&[&new, &home.key()]);
    let resealed = ledger.rekey().await.unwrap().resealed;
    assert_eq!(resealed, 5, "two payloads with their names, and the identity key");
    home.write_keys(&[&new]);
    assert_eq!(ledger.rekey().await.unwrap(), Rekeyed::default());
    drop(ledger);
    let ledger = home.open();
    assert!(!accept(&ledger, birth("c1")).await.is_new);
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c1"]);
}

#[tokio::test]
async fn a_rekey_with_another_key_is_refused_and_changes_nothing() {
    let home = Home::new();
    let ledger = home.in_file();
    accept(&ledger, birth("before")).await;
    let asked = NewRecord::Ask(b"asked".to_vec().into());
    let job = ledger.create_job(Form::Json, vec![asked], None).await.unwrap();
    let good = home.key();
    home.write_keys(&[&other_key()]);
    let refused = ledger.rekey().await.unwrap_err();
    assert_eq!(refused.fault(), Fault::Storage);
    let tag = Vault::load(&home.settings().key_file).unwrap().sealing_key().unwrap().to_string();
    let detail = refused.detail();
    assert!(detail.contains("4 values") && !detail.contains(&tag), "{detail}");
    assert!(refused.advice().contains("Nothing was changed"), "{}", refused.advice());
    for broken in ["", "no key"] {
        home.write_keys(&[broken]);
        assert!(ledger.rekey().await.is_err());
    }
    assert!(
        ledger.accept(birth("while"), MEDIATOR.to_vec(), None).await.is_err(),
        "the file no longer holds the key in use"
    );
    home.write_keys(&[&good]);
    ledger.resume().await.unwrap();
    accept(&ledger, birth("after")).await;
    let order = ["before", "while", "after"];
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, order);
    drop(ledger);
    let ledger = home.in_file();
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, order);
    let records = lease_all(&ledger, &lane_to(Queue::Records, "ida")).await;
    assert_eq!((records.len(), &records[0].work.payload[..]), (1, &b"asked"[..]));
    assert_eq!(ledger.job(job).await.unwrap().progress.leased, 1);
}

#[tokio::test]
async fn a_rekey_is_refused_while_a_row_of_any_column_is_under_a_key_that_the_file_lacks() {
    let home = Home::new();
    let ledger = home.open();
    let push = ledger.receive(BIRTH_NID, Bytes::from_static(b"pushed"), Sender::Stranger).await.unwrap();
    let (old, new) = (home.key(), other_key());
    home.write_keys(&[&new, &old]);
    drop(ledger);
    let ledger = home.open();
    reseal_the_identity_key(&ledger).await;
    drop(ledger);
    let ledger = home.open();
    home.write_keys(&[&new]);
    let refused = ledger.rekey().await.unwrap_err();
    assert!(refused.detail().contains("1 value is sealed"), "{}", refused.detail());
    home.write_keys(&[&new, &old]);
    assert_eq!(ledger.rekey().await.unwrap(), Rekeyed { resealed: 1, unreadable: 0 });
    home.write_keys(&[&new]);
    drop(ledger);
    assert_eq!(&*home.open().push(push).await.unwrap().body, b"pushed");
}

#[tokio::test]
async fn a_rekey_leaves_what_was_damaged_as_it_is_and_has_the_rest_go_on() {
    let home = Home::new();
    let ledger = home.open();
    for composition in ["c1", "c2"] {
        accept(&ledger, birth(composition)).await;
    }
    damage(&ledger, "entry", "payload", "c1").await;
    home.write_keys(&[&other_key(), &home.key()]);
    assert_eq!(ledger.rekey().await.unwrap(), Rekeyed { resealed: 4, unreadable: 1 });
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c2"]);
    assert_eq!(ledger.entry("c1".into()).await.unwrap().state, State::Queued);
    assert_eq!(damage(&ledger, "entry", "payload", "c1").await, [0; 100]);
}

#[tokio::test]
async fn an_event_under_a_lost_key_goes_on_by_itself_once_a_rekey_finds_the_key() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let (old, new) = (home.key(), other_key());
    drop(ledger);
    home.write_keys(&[&new, &old]);
    let ledger = home.open();
    reseal_the_identity_key(&ledger).await;
    drop(ledger);
    home.write_keys(&[&new]);
    let ledger = home.open();
    assert!(lease_ids(&ledger, EventKind::Birth).await.is_empty());
    assert_eq!(ledger.unreadable(), BTreeMap::from([("entry", 1)]));
    home.write_keys(&[&new, &old]);
    assert_eq!(ledger.rekey().await.unwrap().resealed, 2, "the payload and the names");
    assert_eq!(ledger.unreadable(), BTreeMap::new());
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c1"]);
}

#[tokio::test]
async fn nothing_under_the_former_key_is_left_in_the_files() {
    let home = Home::new();
    let ledger = home.in_file();
    accept(&ledger, birth("c1")).await;
    let column = sealed_column("entry", "payload");
    let sealed =
        ledger.run(move |book| book.tx().sealed_values(column, Seq::MIN, 1)).await.unwrap().remove(0);
    let in_files = || {
        let files = std::fs::read_dir(home.dir.path()).unwrap().map(|file| file.unwrap().path());
        let held = files.filter(|file| {
            std::fs::read(file).unwrap().windows(64).any(|window| window == &sealed.value[..64])
        });
        held.count()
    };
    assert_eq!(in_files(), 1, "in the log");
    home.write_keys(&[&other_key(), &home.key()]);
    ledger.rekey().await.unwrap();
    assert_eq!(in_files(), 0);
}

#[tokio::test]
async fn one_rekey_at_a_time() {
    let home = Home::new();
    let ledger = home.open();
    home.write_keys(&[&other_key(), &home.key()]);
    let other = ledger.rules.rekeying.lock().await;
    let mut rekey = std::pin::pin!(ledger.rekey());
    assert!(rekey.as_mut().now_or_never().is_none());
    drop(other);
    assert_eq!(rekey.await.unwrap().resealed, 1);
}

/// The keys of a ledger, and the file that they come from.
fn opened(home: &Home) -> (Ledger, Arc<Keys>) {
    let ledger = home.open();
    let keys = Arc::clone(&ledger.rules.keys);
    (ledger, keys)
}

#[tokio::test]
async fn a_key_file_that_still_holds_the_key_is_not_gone_wherever_it_lies() {
    let home = Home::new();
    let (_ledger, keys) = opened(&home);
    let (file, key) = (home.settings().key_file, home.key());
    let next = home.dir.path().join("next");
    // As a Secret is updated: another folder, the same content; then a key is added for the next rekey.
    for content in [key.clone(), format!("{}\n{key}\n", other_key())] {
        std::fs::write(&next, content).unwrap();
        std::fs::rename(&next, &file).unwrap();
        for _ in 0..2 {
            assert_eq!(keys.missing(), None);
        }
    }
    for (content, what) in
        [(other_key(), "no longer holds the key in use"), ("nonsense".to_owned(), "can no longer be used")]
    {
        std::fs::write(&file, content).unwrap();
        assert_eq!(keys.missing(), Some(what));
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(keys.missing(), Some(crate::store::REMOVED));
    std::fs::write(&file, key).unwrap();
    assert_eq!(keys.missing(), None);
}

#[tokio::test]
async fn a_key_file_that_changed_while_the_gateway_started_is_gone() {
    let home = Home::new();
    let (_ledger, keys) = opened(&home);
    // Nobody has looked at it since it was read.
    home.write_keys(&[&other_key()]);
    assert_eq!(keys.missing(), Some("no longer holds the key in use"));
}

#[tokio::test]
async fn before_a_database_is_open_no_key_is_missing_and_nothing_is_sealed() {
    let home = Home::new();
    let keys = Keys::new(home.settings().location, home.settings().key_file);
    assert_eq!(keys.missing(), None);
    assert_eq!(keys.opened().err().unwrap().code(), Code::Storage);
}

#[tokio::test]
async fn a_start_without_the_key_names_the_file_and_says_what_to_do() {
    let home = Home::new();
    drop(home.in_file());
    for (content, what) in
        [(None, "is missing"), (Some(String::new()), "is empty"), (Some(other_key()), "opens with no key")]
    {
        std::fs::remove_file(home.settings().key_file).ok();
        if let Some(content) = content {
            std::fs::write(home.settings().key_file, content).unwrap();
        }
        let refused =
            Ledger::open(home.settings(), Home::QUARANTINE, home.clock.clone()).err().unwrap().to_string();
        for part in [what, "outbox.key", "restore the key", "set-aside"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
