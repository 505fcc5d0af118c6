//! `mosip-gateway import mosip-api FILE`: with and without a gateway, again and again, and of a file that is another one.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::support::mosip::caller_token_of;
use crate::support::mosip_api::Database;
use crate::support::process::Gateway;
use crate::support::rows::Rows;

const REFUSED: i32 = 1;
const USAGE: i32 = 2;
const ENVIRONMENT: i32 = 3;

fn token(event: &str) -> String {
    caller_token_of(&[("eventId", event), ("actionId", "a1")])
}

/// Two registrations of OpenCRVS 1.9 wait, and what nobody can confirm.
fn waiting(file: &Path) -> Database {
    let database = Database::make(file);
    database.insert("100010000000001", &token("event-of-nobody"), "NumberOfNobody");
    database.insert("100010000000002", &token("e2"), "B2");
    database
}

fn import(gateway: &Gateway, file: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        gateway.run(&[&["import", "mosip-api", file.to_str().unwrap()], more].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn counts(gateway: &Gateway, file: &Path) -> (Option<i32>, Value) {
    let (code, out, err) = import(gateway, file, &["--json"]);
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code:?} {out} {err}")))
}

#[tokio::test]
async fn what_waits_is_taken_once_with_or_without_a_gateway() {
    let mut gateway = Gateway::new();
    let file = gateway.home().join("mosip-api.db");
    let database = waiting(&file);
    let taken = import(&gateway, &file, &[]);
    assert_eq!(taken, (Some(0), "taken 2, already here 0, unusable 0\n".to_owned(), String::new()));
    let again = json!({ "taken": 0, "withoutToken": 0, "alreadyHere": 2, "unusable": [] });
    assert_eq!(counts(&gateway, &file), (Some(0), again.clone()));

    gateway.start();
    gateway.ready().await;
    assert_eq!(counts(&gateway, &file), (Some(0), again), "the gateway knows them");
    database.insert("100010000000003", "no-token-of-core", "NumberOfAnother");
    database.insert("100010000000004", &token("e4"), "B4");
    let (code, out, err) = import(&gateway, &file, &[]);
    assert_eq!((code, err.as_str()), (Some(REFUSED), ""));
    let (first, second) = out.trim_end().split_once('\n').unwrap();
    assert_eq!(first, "taken 1, already here 2, unusable 1");
    assert!(
        second.starts_with("rowid 3 of transactions is not taken: neither its event_id nor its token"),
        "{second}"
    );
    let (code, counts) = counts(&gateway, &file);
    assert_eq!(
        (code, &counts["alreadyHere"], &counts["unusable"][0]["row"], &counts["unusable"][0]["reason"]),
        (Some(REFUSED), &json!(3), &json!(3), &json!("event"))
    );
    gateway.end().await;
    let said = [out, counts.to_string(), gateway.whole_log()].concat();
    for personal in ["NumberOf", "event-of-nobody", "eyJ", "no-token-of-core"] {
        assert!(!said.contains(personal), "{personal}: {said}");
    }
}

/// More than one transaction takes over, and in the order of the rows.
#[tokio::test]
async fn many_rows_are_taken_page_by_page() {
    let mut gateway = Gateway::new();
    let file = gateway.home().join("mosip-api.db");
    Database::make(&file);
    Rows::of(&file).run(
        "ALTER TABLE transactions ADD COLUMN event_id TEXT;
        WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<1201) \
        INSERT INTO transactions (id, token, registration_number, event_id) SELECT 100010000000000+i, 't'||i, 'B'||i, 'e'||i FROM n",
    );
    gateway.start();
    gateway.ready().await;
    assert_eq!(
        counts(&gateway, &file).1,
        json!({ "taken": 1201, "withoutToken": 0, "alreadyHere": 0, "unusable": [] })
    );
    gateway.end().await;
    assert_eq!(
        counts(&gateway, &file).1,
        json!({ "taken": 0, "withoutToken": 0, "alreadyHere": 1201, "unusable": [] })
    );
}

/// Their tokens make a page larger than a body may be.
#[tokio::test]
async fn a_page_that_is_larger_than_a_body_goes_in_several() {
    let mut gateway = Gateway::new();
    let file = gateway.home().join("mosip-api.db");
    Database::make(&file);
    Rows::of(&file).run(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<500) \
        INSERT INTO transactions (id, token, registration_number) SELECT 100010000000000+i, printf('%d%.*c', i, 2400, 't'), 'B'||i FROM n",
    );
    gateway.set(&[("LISTEN__BODY_LIMIT", "1MiB")]);
    gateway.start();
    gateway.ready().await;
    let (code, counts) = counts(&gateway, &file);
    let unusable = counts["unusable"].as_array().unwrap();
    assert_eq!((code, unusable.len(), &unusable[499]["row"]), (Some(REFUSED), 500, &json!(500)));
}

#[tokio::test]
async fn a_file_that_is_not_mosip_apis_is_refused_and_makes_no_outbox() {
    let gateway = Gateway::new();
    let path = |name: &str| gateway.home().join(name);
    let file = |name: &str, content: &str| -> PathBuf {
        std::fs::write(path(name), content).unwrap();
        path(name)
    };
    let other = path("other.db");
    Rows::of(&other).run("CREATE TABLE transactions (id TEXT, amount INTEGER)");
    for (file, code, what) in [
        (
            path("none.db"),
            ENVIRONMENT,
            "cannot be read (no such file or folder); name a file that this user can read",
        ),
        (gateway.home().to_owned(), ENVIRONMENT, "cannot be read (this is no regular file)"),
        (
            file("empty.db", ""),
            REFUSED,
            "the file is empty; name the file that SQLITE_DATABASE_PATH of mosip-api names",
        ),
        (file("text.db", &"text".repeat(1000)), REFUSED, "this is no database of SQLite"),
        (other, REFUSED, "the database has no column registration_number in its table transactions"),
    ] {
        let (ended, out, err) = import(&gateway, &file, &[]);
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{}: {err}", file.display());
        assert!(err.contains(what), "{err}");
    }
    assert!(!path("outbox.db").exists());
    let used = gateway.run(&["import", "openhim", "x"]);
    assert_eq!(used.status.code(), Some(USAGE));
    let good = path("mosip-api.db");
    let _database = waiting(&good);
    assert_eq!(import(&gateway, &good, &[]).0, Some(0));
    let (code, _, err) = import(&gateway, &path("outbox.db"), &[]);
    assert!(code == Some(REFUSED) && err.contains("this is the outbox of a gateway"), "{err}");
}

/// The gateway refuses for itself what its caller has to correct.
#[tokio::test]
async fn a_gateway_that_does_not_take_it_is_heard() {
    let mut gateway = Gateway::new();
    let file = gateway.home().join("mosip-api.db");
    let _database = waiting(&file);
    let secret = gateway.home().join("token");
    std::fs::write(&secret, "a token of the plain API").unwrap();
    gateway.set(&[("INTERNAL__TOKEN_FILE", secret.to_str().unwrap())]);
    gateway.start();
    gateway.ready().await;
    assert_eq!(import(&gateway, &file, &[]).0, Some(0), "the command brings the token");
    std::fs::write(&secret, "another").unwrap();
    let (code, out, err) = import(&gateway, &file, &[]);
    assert_eq!((code, out.as_str()), (Some(REFUSED), ""));
    assert!(err.contains("unauthorized"), "{err}");
}
