//! The names of an event outlive its payload, and pushes find the event by them.

use super::*;
use crate::outbox::vault::{Place, Vault};

/// A birth or death with the numbers that OpenCRVS gives it.
pub(super) fn registered(kind: EventKind, composition: &str, number: &str) -> Event {
    let (topic, name) =
        if kind == EventKind::Death { ("DEATH_REGISTERED", "death") } else { ("BIRTH_REGISTERED", "birth") };
    let identifier = |kind: &str, value: String| json!({ "system": format!("http://opencrvs.org/specs/id/{name}-{kind}"), "value": value });
    let body = json!({ "event": { "hub": { "topic": topic }, "context": [{ "entry": [
        { "resource": {
            "resourceType": "Task",
            "focus": { "reference": format!("Composition/{composition}") },
            "identifier": [
                identifier("tracking-id", format!("T{number}")),
                identifier("registration-number", number.to_owned()),
            ],
        } },
        { "resource": { "resourceType": "Patient", "name": [{ "family": [FAMILY_NAME], "text": kind.as_str() }] } },
    ]}]}});
    Event::parse(kind, Bytes::from(body.to_string())).unwrap()
}

pub(super) fn told(brn: &str) -> Told {
    Told {
        kind: "uin-token.received",
        brn: brn.to_owned(),
        uin_token: "36".to_owned(),
        data: json!({ "uinToken": "36" }),
        verified: "signature",
        key: None,
    }
}

/// A verified push for `brn`.
pub(super) async fn push(store: &Store, brn: &str, plaintext: &[u8]) -> String {
    let id = store.receive(PushKind::BirthNid, b"sealed".to_vec()).await.unwrap();
    assert!(store.verified(id.clone(), PushKind::BirthNid, plaintext, told(brn)).await.unwrap());
    id
}

/// What waits for the mediator: types, and subjects.
pub(super) async fn messages(store: &Store) -> Vec<(String, serde_json::Value)> {
    let waiting = store.undelivered(0, 100, true).await.unwrap();
    let read = |message: Undelivered| {
        let mut body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        (body["type"].as_str().unwrap().to_owned(), body["subject"].take())
    };
    waiting.into_iter().map(read).collect()
}

/// Sends `id` with a fresh application id, and MOSIP takes it.
pub(super) async fn send(store: &Store, id: &str, kind: EventKind, aid: &str) {
    assert_eq!(lease_ids(store, kind).await, [id]);
    store.begin_send(id.to_owned(), Aid::parse(aid)).await.unwrap();
    store.settle(id.to_owned(), Verdict::Done).await.unwrap();
}

#[tokio::test]
async fn every_message_names_all_that_the_event_held_and_a_push_finds_it_when_its_payload_is_gone() {
    let home = Home::new();
    let store = home.open();
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    send(&store, "c1", EventKind::Birth, "10001").await;
    let names = json!({ "compositionId": "c1", "trackingId": "TB1", "brn": "B1", "aid": "10001" });
    let expected = ["aid.assigned", "event.accepted"].map(|kind| (kind.to_owned(), names.clone()));
    assert_eq!(messages(&store).await, expected);
    drop(store);
    // The entry is forgotten after 30 days, its names are not.
    home.sql("UPDATE meta SET value=2678400000 WHERE name='uptime'");
    let store = home.open();
    store.keep_house().await.unwrap();
    assert_eq!(store.entry("c1".into()).await.unwrap_err().code(), Code::NotFound);
    push(&store, "B1", b"1").await;
    assert_eq!(messages(&store).await, [("uin-token.received".to_owned(), names)]);
}

#[tokio::test]
async fn a_death_is_told_by_its_own_number_and_a_parked_event_by_all_names() {
    let home = Home::new();
    let store = home.open();
    accept(&store, registered(EventKind::Death, "c1", "D1")).await;
    lease_ids(&store, EventKind::Death).await;
    store.settle("c1".into(), Verdict::Park(refusal())).await.unwrap();
    let names = json!({ "compositionId": "c1", "trackingId": "TD1", "drn": "D1" });
    assert_eq!(messages(&store).await, [("event.parked".to_owned(), names)]);
}

#[tokio::test]
async fn a_push_without_an_event_is_told_with_what_it_holds() {
    let home = Home::new();
    let store = home.open();
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    push(&store, "B2", b"1").await;
    assert_eq!(messages(&store).await, [("uin-token.received".to_owned(), json!({ "brn": "B2" }))]);
}

#[tokio::test]
async fn names_are_forgotten_after_remember_and_stand_nowhere_in_the_open() {
    let home = Home::new();
    let store = home.open();
    accept(&store, registered(EventKind::Birth, "c1", "B-IN-THE-OPEN")).await;
    accept(&store, registered(EventKind::Birth, "c2", "B2")).await;
    for _ in 0..2 {
        store.lease(&[EventKind::Birth], 1).await.unwrap();
    }
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    drop(store);
    let files = ["", "-wal"].map(|end| {
        std::fs::read(crate::outbox::place::beside(&home.settings().path, end)).unwrap_or_default()
    });
    let written = files.concat();
    for secret in [&b"B-IN-THE-OPEN"[..], FAMILY_NAME.as_bytes()] {
        assert!(!written.windows(secret.len()).any(|window| window == secret));
    }
    home.sql("UPDATE meta SET value=34646400000 WHERE name='uptime'");
    let store = home.open();
    store.keep_house().await.unwrap();
    push(&store, "B-IN-THE-OPEN", b"1").await;
    push(&store, "B2", b"2").await;
    let messages = messages(&store).await;
    let subjects: Vec<_> = messages.iter().filter(|(kind, _)| kind == "uin-token.received").collect();
    assert_eq!(subjects[0].1, json!({ "brn": "B-IN-THE-OPEN" }));
    assert_eq!(subjects[1].1["compositionId"], "c2", "what is not settled is not forgotten");
}

#[tokio::test]
async fn names_that_were_damaged_on_the_disk_are_left_and_cost_no_event() {
    let home = Home::new();
    let store = home.open();
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    home.sql("UPDATE correlation SET subject=zeroblob(100)");
    send(&store, "c1", EventKind::Birth, "10001").await;
    push(&store, "B1", b"1").await;
    let subjects: Vec<_> = messages(&store).await.into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(
        subjects,
        [json!({ "compositionId": "c1" }), json!({ "compositionId": "c1" }), json!({ "brn": "B1" })]
    );
    let kept: Vec<u8> = Connection::open(home.settings().path)
        .unwrap()
        .query_row("SELECT subject FROM correlation", (), |row| row.get(0))
        .unwrap();
    assert_eq!(kept, [0; 100], "a backup can be compared with it");
}

/// A database as the version before left it: a birth that waits, one that MOSIP has, and one whose row was damaged.
fn old_database(home: &Home) {
    let settings = home.settings();
    let vault = Vault::create(&settings.key_file).unwrap();
    let connection = Connection::open(settings.path).unwrap();
    schema::migrate_to(&connection, 0, 2).unwrap();
    let seal = |table, row, column, text: &[u8]| vault.seal(Place { table, row, column }, text).unwrap();
    let identity = seal("meta", "identity", "sealed", &[7; 32]);
    connection.execute("INSERT INTO meta (name, sealed) VALUES ('identity', ?1)", [identity]).unwrap();
    let insert =
        "INSERT INTO entry (id, kind, composition, state, accepted_at, waiting_since, next_at, payload, aid)
                  VALUES (?1, 'birth', ?1, ?2, 0, 0, 0, ?3, ?4)";
    for (id, state) in [("waits", "queued"), ("done", "done"), ("damaged", "parked")] {
        let payload = match id {
            "waits" => Some(seal("entry", id, "payload", registered(EventKind::Birth, id, "B1").body())),
            "done" => None,
            _ => Some(vec![0; 100]),
        };
        let aid = seal("entry", id, "aid", b"10001");
        connection.execute(insert, rusqlite::params![id, state, payload, aid]).unwrap();
    }
}

#[tokio::test]
async fn entries_of_an_older_database_get_their_names_at_the_first_start_though_one_of_them_is_damaged() {
    let home = Home::new();
    old_database(&home);
    let store = home.open();
    store.correlate_older().await.unwrap();
    push(&store, "B1", b"1").await;
    let names = json!({ "compositionId": "waits", "trackingId": "TB1", "brn": "B1", "aid": "10001" });
    assert_eq!(messages(&store).await, [("uin-token.received".to_owned(), names)]);
    assert_eq!(store.entry("damaged".into()).await.unwrap().state, State::Parked);
    let count = |what: &str| -> i64 {
        let connection = Connection::open(home.settings().path).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {what}"), (), |row| row.get(0)).unwrap()
    };
    assert_eq!(count("correlation"), 1);
    assert_eq!(count("meta WHERE name='uncorrelated'"), 1, "the next start looks at the damaged one again");
    store.discard("damaged".into(), "test".into()).await.unwrap();
    store.correlate_older().await.unwrap();
    assert_eq!(count("meta WHERE name='uncorrelated'"), 0);
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["waits"]);
}

#[tokio::test]
async fn more_old_entries_than_one_step_takes_all_get_their_names_even_after_a_crash_in_the_middle() {
    let home = Home::new();
    let store = home.open();
    for index in 0..250 {
        accept(&store, registered(EventKind::Birth, &format!("c{index}"), &format!("B{index}"))).await;
    }
    // As if the first start of this version had ended in the middle.
    home.sql("DELETE FROM correlation WHERE seq>30; DELETE FROM correlation_name");
    home.sql("DELETE FROM correlation WHERE seq<=20");
    store.correlate_older().await.unwrap();
    for number in ["B0", "B120", "B249"] {
        push(&store, number, number.as_bytes()).await;
    }
    let compositions: Vec<_> =
        messages(&store).await.into_iter().map(|(_, subject)| subject["compositionId"].clone()).collect();
    assert_eq!(compositions, [json!("c0"), json!("c120"), json!("c249")]);
}
