//! What waits in the database of `mosip-api` is taken over into the database that gateways share.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::*;
use crate::support::mosip_api::{Database, Era};
use crate::support::rows::Rows;

fn import(gateway: &Gateway, file: &Path) -> Value {
    let Output { status, stdout, stderr } =
        gateway.run(&["import", "mosip-api", file.to_str().unwrap(), "--json"]);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_mosip_is_taken_over_once_with_and_without_gateways() {
    let Some(shared) = Shared::new().await else { return };
    let simulator = simulator().await;
    let mut gateway = shared.gateway(&simulator);
    let made = gateway.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = shared.dir.path().join("mosip-api.db");
    // What it wrote last lies beside its file, so that a copy is read.
    let log = Rows::of(&file);
    log.run("PRAGMA journal_mode=wal");
    let peer = Database::make_of(Era::Client, &file);
    peer.insert("100010000000001", "e1", "B1");
    peer.insert("100010000000002", "e2", "B2");
    assert!(std::fs::metadata(file.with_file_name("mosip-api.db-wal")).unwrap().len() > 0);
    let counts = |taken: u64, already_here: u64| json!({ "taken": taken, "withoutToken": 0, "alreadyHere": already_here, "unusable": [] });
    assert_eq!(import(&gateway, &file), counts(2, 0));
    gateway.start();
    gateway.ready().await;
    peer.insert("100010000000003", "e3", "B3");
    assert_eq!(import(&gateway, &file), counts(1, 2));
    assert_eq!(import(&gateway, &file), counts(0, 3));
    drop(log);
}
