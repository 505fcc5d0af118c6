//! Ledgers of several gateways over one database.

use std::time::Duration;

use super::*;
use crate::ledger::{Ledger, Surroundings};
use crate::store::memory::Memory;

const TERM: Duration = Duration::from_hours(1);

/// The database of `home`, for a gateway with the key of `folder`.
fn ledger(home: &Home, folder: &std::path::Path) -> Ledger {
    Ledger::on(&folder.join("outbox.key"), Surroundings::default(), |owner| {
        let postgres = Postgres::open(home.target(None), owner);
        postgres.map(Store::new).map_err(|error| match error {
            OpenError::Refused(what) => what,
            OpenError::Failed(failure) => failure.error.to_string(),
        })
    })
    .unwrap()
}

/// A key file, as `outbox keygen` makes it.
fn make_key(folder: &std::path::Path) {
    crate::ledger::vault::Vault::create(&folder.join("outbox.key")).unwrap();
}

#[tokio::test]
async fn a_task_has_one_holder_and_another_one_takes_over_once_its_term_is_over() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let (one, other) = (ledger(&home, dir.path()), ledger(&home, dir.path()));
    assert!(one.holds("task", TERM).await.unwrap());
    assert!(one.holds("task", TERM).await.unwrap(), "it goes on");
    assert!(!other.holds("task", TERM).await.unwrap());
    assert!(other.holds("another task", TERM).await.unwrap());
    home.sql("UPDATE clock SET value=value + 3700000");
    assert!(other.holds("task", TERM).await.unwrap());
    assert!(!one.holds("task", TERM).await.unwrap(), "it was away for too long");
}

#[tokio::test]
async fn without_a_key_the_start_says_how_to_make_one_and_leaves_no_table() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let refused = Ledger::on(&dir.path().join("outbox.key"), Surroundings::default(), |owner| {
        match Postgres::open(home.target(None), owner).err() {
            Some(OpenError::Refused(what)) => Err(what),
            _ => Ok(Store::new(Memory::default())),
        }
    });
    let what = refused.err().unwrap();
    assert!(what.contains("is missing") && what.contains("outbox keygen"), "{what}");
    assert_eq!(home.number("SELECT count(*) FROM pg_tables WHERE schemaname=current_schema()"), 0);
}
