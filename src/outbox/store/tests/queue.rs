//! The order in which entries go: those whose attempts fail stop no other.

use rusqlite::StatementStatus;

use super::*;
use crate::outbox::channel::{Channel, Next, Turn};
use crate::outbox::store::queue;

const KIND: [EventKind; 1] = [EventKind::Birth];

/// Leases one and has its attempt fail, due again at once: its id.
async fn fail_next(store: &Store) -> String {
    let id = store.lease(&KIND, 1).await.unwrap().remove(0).entry.id;
    store.settle(id.clone(), Verdict::Again { next_at: 0, refusal: refusal() }).await.unwrap();
    id
}

#[tokio::test]
async fn an_entry_that_failed_waits_until_every_other_that_is_due_has_been_tried() {
    let home = Home::new();
    let store = home.open();
    for composition in ["a", "b", "c"] {
        accept(&store, birth(composition)).await;
    }
    let mut tried = vec![fail_next(&store).await, fail_next(&store).await];
    accept(&store, birth("d")).await;
    for _ in 0..6 {
        tried.push(fail_next(&store).await);
    }
    assert_eq!(tried, ["a", "b", "c", "a", "b", "d", "c", "a"]);
}

/// When the event `index` is registered: one comes each second.
fn registered_at(index: usize) -> Millis {
    Millis::try_from(index).unwrap() * 1_000
}

/// Accepts what has been registered since `start`, beginning with the event `next` and up to `count` events; the next one.
async fn register(store: &Store, start: Millis, next: usize, count: usize) -> usize {
    let due = (next..count).take_while(|index| registered_at(*index) <= store.uptime() - start);
    let mut next = next;
    for index in due {
        accept(store, birth(&format!("c{index}"))).await;
        next = index + 1;
    }
    next
}

/// MOSIP never answers for two compositions, with the settings that a gateway has by default. Time is virtual.
#[tokio::test(start_paused = true)]
async fn two_events_on_which_mosip_hangs_do_not_stop_the_others() {
    const DEADLINE: Duration = Duration::from_secs(90);
    const OTHERS: usize = 272;
    let home = Home::new();
    let store = home.open();
    let mut channel = Channel::new(Duration::from_secs(30), DEADLINE);
    for composition in ["hangs1", "hangs2"] {
        accept(&store, birth(composition)).await;
    }
    let start = store.uptime();
    let (mut registered, mut done, mut hung, mut longest) = (0, 0, 0, 0);
    while done < OTHERS {
        registered = register(&store, start, registered, OTHERS).await;
        let turn = channel.turn(store.uptime());
        let lease = match turn {
            Turn::Wait(_) => None,
            Turn::Free | Turn::Trial => store.lease(&KIND, 1).await.unwrap().pop(),
        };
        let Some(lease) = lease else {
            tokio::time::advance(Duration::from_secs(1)).await;
            continue;
        };
        let id = lease.entry.id;
        let verdict = if id.starts_with("hangs") {
            tokio::time::advance(DEADLINE).await;
            registered = register(&store, start, registered, OTHERS).await;
            hung += 1;
            let timeout = Error::new(Code::UpstreamTimeout, "MOSIP did not answer");
            match channel.failed(&id, lease.entry.attempts, &timeout, store.uptime()) {
                Next::Again(next_at) => Verdict::Again { next_at, refusal: (&timeout).into() },
                Next::Park(reason) => Verdict::Park((&reason).into()),
            }
        } else {
            channel.succeeded(&id);
            let index: usize = id[1..].parse().unwrap();
            assert_eq!(index, done, "they go in order of acceptance");
            longest = longest.max(store.uptime() - start - registered_at(index));
            done += 1;
            Verdict::Done
        };
        store.settle(id, verdict).await.unwrap();
    }
    assert!(hung >= 2, "{hung}");
    // No longer than both of them hang once.
    assert!(longest <= 181_000, "{longest} ms");
}

#[tokio::test]
async fn what_follows_an_entry_that_fails_again_and_again_waits_for_it_and_parked_too() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("a")).await;
    let second = accept(&store, event(EventKind::Birth, "a", "second", "w")).await.id;
    let third = accept(&store, event(EventKind::Birth, "a", "third", "w")).await.id;
    accept(&store, birth("b")).await;
    let mut tried = Vec::new();
    for _ in 0..4 {
        tried.push(fail_next(&store).await);
    }
    assert_eq!(tried, ["a", "b", "a", "b"]);
    store.settle("a".into(), Verdict::Park(refusal())).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["b"]);
    store.settle("b".into(), Verdict::Done).await.unwrap();
    store.discard(second, "registered twice".into()).await.unwrap();
    assert!(lease_ids(&store, EventKind::Birth).await.is_empty(), "the third still stands behind the first");
    assert_eq!(store.retry_all(crate::error::Fault::Upstream).await.unwrap(), 1);
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["a"]);
    store.settle("a".into(), Verdict::Done).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, [third]);
}

#[tokio::test]
async fn what_a_person_puts_back_stands_behind_what_waits_in_order_of_acceptance() {
    let home = Home::new();
    let store = home.open();
    for composition in ["a", "b", "c"] {
        accept(&store, birth(composition)).await;
    }
    for id in ["b", "a"] {
        store.settle(id.into(), Verdict::Park(refusal())).await.unwrap();
    }
    assert_eq!(store.retry_all(crate::error::Fault::Upstream).await.unwrap(), 2);
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c", "a", "b"]);
}

#[tokio::test]
async fn an_attempt_that_a_kill_cut_off_goes_again_behind_the_others() {
    let home = Home::new();
    let store = home.open();
    for composition in ["a", "b", "c"] {
        accept(&store, birth(composition)).await;
    }
    store.lease(&KIND, 1).await.unwrap();
    drop(store);
    let store = home.open();
    assert_eq!(fail_next(&store).await, "b");
    store.lease(&KIND, 1).await.unwrap();
    store.void_leases(vec![EventKind::Birth.into()]).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["a", "b", "c"]);
}

/// As a gateway of that version left it: one birth is queued, what follows it too, another is parked and has a successor.
fn old_database(home: &Home, version: usize) {
    let settings = home.settings();
    let vault = Vault::create(&settings.key_file).unwrap();
    let connection = Connection::open(&settings.path).unwrap();
    schema::make(&connection, version).unwrap();
    let insert =
        "INSERT INTO entry (id, kind, composition, state, accepted_at, waiting_since, next_at, payload)
                  VALUES (?1, 'birth', ?2, ?3, 0, 0, ?4, ?5)";
    for (id, composition, state, next_at) in [
        ("gone", "g", "done", 0),
        ("first", "a", "queued", 5_000),
        ("behind", "a", "queued", 0),
        ("cut-off", "b", "leased", 0),
        ("parked", "c", "parked", 0),
        ("held", "c", "queued", 0),
        ("follows", "g", "queued", 0),
    ] {
        let sealed = vault.seal(Place { table: "entry", row: id, column: "payload" }, b"{}").unwrap();
        connection.execute(insert, (id, composition, state, next_at, sealed)).unwrap();
    }
    if version > 1 {
        connection
            .execute_batch(
                "INSERT INTO job (id, form, made_at) VALUES ('j', 'json', 0);
                 INSERT INTO job_record (id, job, number, state, next_at) VALUES
                   ('j/0', 1, 0, 'leased', 0), ('j/1', 1, 1, 'queued', 7000), ('j/2', 1, 2, 'queued', 0);",
            )
            .unwrap();
        for id in ["j/0", "j/1", "j/2"] {
            let place = Place { table: "job_record", row: id, column: "payload" };
            let sealed = vault.seal(place, id.as_bytes()).unwrap();
            connection.execute("UPDATE job_record SET payload=?2 WHERE id=?1", (id, sealed)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_database_of_an_older_version_goes_on_in_its_order() {
    for version in [1, 2] {
        let home = Home::new();
        old_database(&home, version);
        let store = home.open();
        accept(&store, birth("new")).await;
        assert_eq!(
            lease_ids(&store, EventKind::Birth).await,
            ["first", "follows", "cut-off", "new"],
            "{version}"
        );
        store.settle("first".into(), Verdict::Done).await.unwrap();
        store.discard("parked".into(), "registered twice".into()).await.unwrap();
        assert_eq!(lease_ids(&store, EventKind::Birth).await, ["behind", "held"], "{version}");
        let records = store.lease_records(9).await.unwrap();
        let ids: Vec<_> = records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, if version == 1 { &[][..] } else { &["j/1", "j/2", "j/0"] }, "{version}");
    }
}

/// Steps of SQLite's machine that `sql` takes.
fn steps(connection: &Connection, sql: &str) -> i32 {
    let mut statement = connection.prepare(sql).unwrap();
    let values = [rusqlite::types::Value::from("birth".to_owned()), 1_i64.into()];
    // Statements about records take the moment or the limit alone.
    let skip = usize::from(statement.parameter_count() == 1 && !sql.contains("kind=?1"));
    let count = statement.parameter_count();
    let mut rows =
        statement.query(rusqlite::params_from_iter(values.into_iter().skip(skip).take(count))).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

#[tokio::test]
async fn the_next_is_found_at_once_behind_a_hundred_thousand_that_may_not_go() {
    let home = Home::new();
    let store = home.open();
    home.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100000)
         INSERT INTO entry (id, kind, composition, state, accepted_at, waiting_since, next_at, held, position)
         SELECT 'e'||i, 'birth', 'e'||(i/2), CASE WHEN i%4=0 THEN 'parked' ELSE 'queued' END, 0, 0,
                CASE WHEN i%4=2 THEN 9000000000 ELSE 0 END, i%2, i FROM n;
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100000)
         INSERT INTO job_record (id, job, number, state, next_at, position)
         SELECT 'j'||i, 1, i, 'queued', 9000000000, i FROM n;
         UPDATE meta SET value=100000 WHERE name='position';",
    );
    accept(&store, birth("last")).await;
    let statements = [
        queue::NEXT_POSITION,
        queue::CALL_ENTRIES,
        queue::FIRST_ENTRY,
        queue::NEXT_ENTRY,
        queue::CALL_RECORDS,
        queue::FIRST_RECORDS,
        queue::NEXT_RECORD,
    ];
    let taken = store
        .run(move |tables| Ok(statements.map(|sql| (steps(tables.connection, sql), sql))))
        .await
        .unwrap();
    for (steps, sql) in taken {
        assert!(steps < 200, "{steps} steps: {sql}");
    }
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["last"]);
}
