//! Databases of older versions, and what a lease costs over many rows.

use rusqlite::StatementStatus;
use rusqlite::types::Value;

use super::*;
use crate::store::sqlite::sql::{Table, table};
use crate::store::sqlite::{lines, schema};

/// As a gateway of that version left it: one row is queued for later, what follows it too, one was cut off, and another is parked and has
/// a successor.
fn old_database(home: &Home, version: usize) {
    fs::write(home.key_file(), KEY).unwrap();
    let connection = Connection::open(home.file("")).unwrap();
    schema::migrate_to(&connection, 0, version).unwrap();
    let line = if version < 5 { "composition" } else { "line" };
    let insert = format!(
        "INSERT INTO entry (id, kind, {line}, state, accepted_at, waiting_since, next_at, payload, aid)
                  VALUES (?1, 'birth', ?2, ?3, 5, 6, ?4, x'01', x'02')"
    );
    for (id, composition, state, next_at) in [
        ("gone", "g", "done", 0),
        ("first", "a", "queued", 5_000),
        ("behind", "a", "queued", 0),
        ("cut-off", "b", "leased", 0),
        ("parked", "c", "parked", 0),
        ("held", "c", "queued", 0),
        ("follows", "g", "queued", 0),
    ] {
        connection.execute(&insert, (id, composition, state, next_at)).unwrap();
    }
    connection
        .execute_batch(
            "INSERT INTO meta (name, sealed) VALUES ('owner', CAST('the key of the rows' AS BLOB));
             UPDATE meta SET value=7 WHERE name='uptime';
             INSERT INTO identity (hash, entry, seen_at) VALUES (x'03', 'first', 4);
             INSERT INTO idempotency (hash, identity, seen_at) VALUES (x'04', x'03', 4);
             INSERT INTO push (id, kind, state, received_at, bytes, body) VALUES ('p', 'credential', 'quarantined', 1, 2, x'08');",
        )
        .unwrap();
    // One shape for all three queues since then.
    let delivery = match version {
        ..5 => "INSERT INTO delivery (id, type, made_at, attempts, next_at, body) VALUES",
        _ => {
            "INSERT INTO delivery (id, kind, waiting_since, attempts, next_at, body, destination, line, state, accepted_at, held, position) VALUES"
        }
    };
    for (position, id, values) in [
        (1, "d1", "'event.parked', 8, 2, 900, x'05'"),
        (2, "d2", "'event.accepted', 9, 0, 0, x'06'"),
        (3, "d3", "'x', 9, 0, 0, x'07'"),
    ] {
        let more = match version {
            ..5 => String::new(),
            _ => format!(", 'delivery', '', 'queued', 0, 0, {position}"),
        };
        connection.execute_batch(&format!("{delivery} ('{id}', {values}{more})")).unwrap();
    }
    connection.execute_batch("DELETE FROM delivery WHERE id='d3'").unwrap();
    if version >= 2 {
        let (columns, more) = match version {
            ..5 => ("", ""),
            _ => (
                ", destination, kind, line, accepted_at, waiting_since, held, position",
                ", 'ida', 'uin-token', '', 0, 11, 0, 0",
            ),
        };
        connection.execute_batch("INSERT INTO job (id, form, made_at) VALUES ('j', 'json', 11)").unwrap();
        for record in [
            "'j/0', 1, 0, 'leased', 0, x'09', NULL",
            "'j/1', 1, 1, 'queued', 7000, x'09', NULL",
            "'j/2', 1, 2, 'queued', 0, x'09', NULL",
            "'j/3', 1, 3, 'done', 0, NULL, x'0a'",
            "'j/4', 1, 4, 'invalid', 0, NULL, x'0a'",
        ] {
            let columns = format!("id, job, number, state, next_at, payload, result{columns}");
            let insert = format!("INSERT INTO job_record ({columns}) VALUES ({record}{more})");
            connection.execute_batch(&insert).unwrap();
        }
    }
    if version >= 3 {
        // The second has failed since, so that it goes behind all others.
        connection
            .execute_batch(
                "UPDATE entry SET position=seq, held=id IN ('behind', 'held');
                 UPDATE job_record SET position=seq;
                 UPDATE entry SET position=8 WHERE id='first';
                 UPDATE job_record SET position=9 WHERE id='j/0';
                 UPDATE meta SET value=9 WHERE name='position';",
            )
            .unwrap();
    }
    if version >= 4 {
        connection
            .execute_batch(&format!(
                "INSERT INTO entry (id, kind, destination, {line}, state, accepted_at, waiting_since, next_at, position) VALUES
                   ('first@legacy-aid', 'legacy', 'opencrvs', 'a', 'queued', 5, 6, 0, 10);
                 UPDATE meta SET value=10 WHERE name='position';
                 UPDATE delivery SET settled_by='first@legacy-aid' WHERE id='d2';"
            ))
            .unwrap();
        let names = ["brn", "tracking"].map(name);
        if version < 9 {
            let insert = "INSERT INTO correlation (entry, made_at, subject) VALUES ('first', 4, x'0b')";
            connection.execute(insert, ()).unwrap();
            for name in names {
                let insert = "INSERT INTO correlation_name (hash, entry) VALUES (?1, 'first')";
                connection.execute(insert, [name]).unwrap();
            }
        } else {
            let insert =
                "INSERT INTO correlation (entry, made_at, subject, names) VALUES ('first', 4, x'0b', ?1)";
            connection.execute(insert, [names.concat()]).unwrap();
        }
    }
}

async fn lease(store: &Store, queue: Queue, destination: &str) -> Vec<Row> {
    let lane = Lane { queue, destination: destination.to_owned(), kinds: Vec::new() };
    store.run(move |tx| tx.lease(&lane, Pick { now: 10, until: 20, limit: 9 })).await.unwrap()
}

#[tokio::test]
async fn a_database_of_an_older_version_goes_on_in_its_order_and_loses_nothing() {
    let newest = usize::try_from(schema::newest()).unwrap();
    for version in 1..=newest {
        let home = Home::new();
        old_database(&home, version);
        let store = home.open();
        accept(&store, "new").await;
        assert_eq!(entries(&store).await.len(), if version >= 4 { 9 } else { 8 }, "{version}");
        let first = row(&store, "first").await;
        assert_eq!((first.line.as_deref(), first.accepted_at, first.waiting_since), (Some("a"), 5, 6));
        assert_eq!((first.payload.as_deref(), first.result.as_deref()), (Some(&[1][..]), Some(&[2][..])));
        let leased = lease(&store, Queue::Entries, "mediator").await;
        let order = if version < 3 {
            ["first", "follows", "cut-off", "new"]
        } else {
            ["follows", "first", "cut-off", "new"]
        };
        assert_eq!(ids(&leased), order, "{version}");
        for row in &leased {
            settle(&store, row, conformance::done()).await;
        }
        let parked = row(&store, "parked").await.seq;
        let close = move |tx: &mut dyn Tx| tx.close(Queue::Entries, parked, discarded(None), 30);
        assert!(store.run(close).await.unwrap());
        assert_eq!(ids(&lease(&store, Queue::Entries, "mediator").await), ["behind", "held"], "{version}");
        let legacy = lease(&store, Queue::Entries, "opencrvs").await;
        assert_eq!(ids(&legacy), if version < 4 { &[][..] } else { &["first@legacy-aid"] });

        let records = lease(&store, Queue::Records, "ida").await;
        let order: &[&str] = match version {
            1 => &[],
            _ => &["j/1", "j/2", "j/0"],
        };
        assert_eq!(ids(&records), order, "{version}");
        assert!(records.iter().all(|row| row.kind == "uin-token" && row.waiting_since == 11));
        if version >= 2 {
            let found = store.run(|tx| tx.records(1, 0, 9)).await.unwrap();
            let found: Vec<_> =
                found.iter().map(|(place, row)| (*place, row.id.as_str(), row.state)).collect();
            assert_eq!(found, [(3, "j/3", State::Done), (4, "j/4", State::Invalid)]);
        }

        let deliveries = lease(&store, Queue::Deliveries, "delivery").await;
        assert_eq!(ids(&deliveries), ["d1", "d2"], "{version}");
        let oldest = &deliveries[0];
        assert_eq!((oldest.kind.as_str(), oldest.waiting_since, oldest.attempts), ("event.parked", 8, 3));
        assert_eq!(oldest.payload.as_deref(), Some(&[5][..]));
        let more = crate::store::NewRow { queue: Queue::Deliveries, ..new("d4") };
        store.run(move |tx| tx.insert(std::slice::from_ref(&more))).await.unwrap();
        let more = store.run(|tx| tx.row(Queue::Deliveries, "d4")).await.unwrap().unwrap();
        assert_eq!(more.seq, 4, "no number is given twice, though its row is gone");
        store.run(|tx| tx.delete_met_by("first@legacy-aid")).await.unwrap();
        let is_there = store.run(|tx| tx.row(Queue::Deliveries, "d2")).await.unwrap().is_some();
        assert_eq!(is_there, version < 4);

        assert_eq!(store.run(|tx| tx.number("uptime")).await.unwrap(), Some(7));
        assert_eq!(store.run(|tx| tx.identity(&[3])).await.unwrap().unwrap().entry, "first");
        assert_eq!(store.run(|tx| tx.key(&[4])).await.unwrap(), Some(vec![3]));
        let push = store.run(|tx| tx.listed_push("p")).await.unwrap().unwrap();
        assert!(push.is_quarantined);
        assert_eq!(store.run(move |tx| tx.push_size(&push.kind)).await.unwrap(), (1, push.bytes));
        for text in ["brn", "tracking"] {
            let named = store.run(move |tx| tx.named(&name(text), 9)).await.unwrap();
            assert_eq!(named.len(), usize::from(version >= 4));
        }
        let correlation = store.run(|tx| tx.correlation("first")).await.unwrap();
        assert_eq!(correlation.map(|row| row.subject), (version >= 4).then(|| vec![11]));
    }
}

#[tokio::test]
async fn an_identity_of_an_older_version_is_remembered_when_its_entry_is_forgotten() {
    let newest = usize::try_from(schema::newest()).unwrap();
    for version in 1..=newest {
        let home = Home::new();
        old_database(&home, version);
        if version >= 12 {
            home.sql("INSERT INTO entry_identity SELECT seq, id, x'03', 4 FROM entry WHERE id='first'");
        }
        let store = home.open();
        let first = row(&store, "first").await.seq;
        store.run(move |tx| tx.close(Queue::Entries, first, discarded(None), 30)).await.unwrap();
        store.run(|tx| tx.forget(30, 3)).await.unwrap();
        let known = store.run(|tx| tx.identity(&[3])).await.unwrap().unwrap();
        assert_eq!((known.entry.as_str(), known.last_state), ("first", Some(State::Discarded)), "{version}");
        assert!(store.run(|tx| tx.is_taken("first")).await.unwrap(), "{version}");
        store.run(|tx| tx.forget(30, 4)).await.unwrap();
        assert_eq!(store.run(|tx| tx.identity(&[3])).await.unwrap(), None, "{version}");
    }
}

#[tokio::test]
async fn of_registrations_of_an_older_version_nothing_is_expected_and_an_answer_is_kept_all_the_same() {
    let home = Home::new();
    fs::write(home.key_file(), KEY).unwrap();
    let connection = Connection::open(home.file("")).unwrap();
    schema::migrate_to(&connection, 0, 5).unwrap();
    connection
        .execute_batch(
            "INSERT INTO meta (name, sealed) VALUES ('owner', CAST('the key of the rows' AS BLOB));
             INSERT INTO correlation (entry, made_at, subject) VALUES ('first', 4, x'0b');",
        )
        .unwrap();
    drop(connection);
    let store = home.open();
    assert!(store.run(|tx| tx.overdue(Millis::MAX, 9)).await.unwrap().is_empty());
    assert_eq!(store.run(|tx| tx.outcome("first")).await.unwrap(), None);
    let said = crate::store::OutcomeRow { outcome: "rejected".to_owned(), answer: vec![12] };
    let kept = said.clone();
    store.run(move |tx| tx.conclude("first", &kept)).await.unwrap();
    assert_eq!(store.run(|tx| tx.outcome("first")).await.unwrap(), Some(said));
}

/// A hundred thousand rows in each queue, of which none may go: they are parked, or wait for a moment or for the one before them.
fn crowd(home: &Home) {
    for table in ["entry", "job_record", "delivery"] {
        let (column, number) = if table == "job_record" { (", job, number", ", 1, i") } else { ("", "") };
        home.sql(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100000)
             INSERT INTO {table} (id, destination, kind, line, state, accepted_at, waiting_since, next_at, held, position{column})
             SELECT 'e'||i, 'mediator', CASE WHEN i%3=0 THEN 'death' ELSE 'birth' END, 'e'||(i/2),
                    CASE WHEN i%4=0 THEN 'parked' ELSE 'queued' END, 0, 0,
                    CASE WHEN i%4=2 THEN 9000000000 ELSE 0 END, i%2, i{number} FROM n"
        ));
    }
    home.sql("UPDATE meta SET value=100000 WHERE name='position'");
}

/// The statements that run again and again.
fn hot(table: &Table) -> Vec<&str> {
    let Table { has_older, row, end_leases, later_kinds, call, due_kinds, due, lease, next_later, .. } =
        table;
    let Table { leased, renew, advance, again, break_off, park_held, is_held, end, line_of, .. } = table;
    let Table { next_of_line, release, kind_of, requeue, postpone, is_undecided, park, delete, .. } = table;
    let one =
        [has_older, row, end_leases, later_kinds, call, due_kinds, due, lease, next_later, leased, renew];
    let other =
        [advance, again, break_off, park_held, is_held, end, line_of, next_of_line, requeue, postpone];
    let rest = [release, kind_of, is_undecided, park, delete];
    one.into_iter().chain(other).chain(rest).map(String::as_str).collect()
}

#[tokio::test]
async fn no_statement_of_the_hot_path_looks_at_every_row() {
    let home = Home::new();
    drop(home.open());
    let connection = Connection::open(home.file("")).unwrap();
    for table in [Queue::Entries, Queue::Records, Queue::Deliveries].map(table) {
        let plan = |sql: &str| {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let (mut rows, mut steps) = (plan.raw_query(), Vec::new());
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            steps
        };
        // The lines of entries have an index of their own.
        let is_entry = table.name == "entry";
        let of_lines = [&table.has_older, &table.next_of_line];
        let mut hot = hot(table);
        if is_entry {
            hot.retain(|sql| of_lines.iter().all(|of_line| of_line.as_str() != *sql));
            hot.extend([lines::FIRST, lines::HOLDS, lines::LEAVE]);
        }
        for sql in hot {
            let plan = plan(sql);
            let scans = plan.iter().any(|step| step.starts_with(&format!("SCAN {}", table.name)));
            assert!(!scans && !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
        let leased = if table.name == "entry" { "state" } else { "leased" };
        for (sql, index) in [
            (&table.due, "due"),
            (&table.due_kinds, "due"),
            (&table.call, "later"),
            (&table.later_kinds, "later"),
            (&table.next_later, "later"),
            (&table.end_leases, leased),
            (&table.leased, leased),
            (&table.has_older, "line"),
            (&table.next_of_line, "line"),
        ] {
            if is_entry && of_lines.contains(&sql) {
                continue;
            }
            let index = format!("{}_{index}", table.name);
            assert!(plan(sql).iter().any(|step| step.contains(&index)), "{index}: {sql}: {:?}", plan(sql));
        }
    }
}

/// Steps of SQLite's machine that `sql` takes.
fn steps(connection: &Connection, sql: &str, values: &[Value]) -> i32 {
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

#[tokio::test]
async fn the_next_is_found_at_once_behind_a_hundred_thousand_that_may_not_go() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    crowd(&home);
    let taken = on_connection(&sqlite, |connection| {
        let mut taken = Vec::new();
        for table in [Queue::Entries, Queue::Records, Queue::Deliveries].map(table) {
            let (to, kind, now): (Value, Value, Value) =
                ("mediator".to_owned().into(), "birth".to_owned().into(), 10_i64.into());
            let is_entry = table.name == "entry";
            for (sql, values) in [
                (&table.end_leases, vec![now.clone()]),
                (&table.later_kinds, vec![to.clone()]),
                (&table.call, vec![to.clone(), kind.clone(), now.clone()]),
                (&table.due_kinds, vec![to.clone()]),
                (&table.due, vec![to.clone(), kind.clone(), now.clone()]),
                (&table.next_later, vec![to.clone(), kind.clone(), now.clone()]),
                (&table.leased, vec![to.clone(), now.clone()]),
                (&table.has_older, vec![to.clone(), "e7".to_owned().into()]),
                (&table.next_of_line, vec![to.clone(), "e7".to_owned().into(), 1_i64.into()]),
            ] {
                if !is_entry || ![&table.has_older, &table.next_of_line].contains(&sql) {
                    taken.push((steps(connection, sql, &values), sql.as_str()));
                }
            }
        }
        Ok(taken)
    });
    for (steps, sql) in taken.await {
        assert!(steps < 250, "{steps} steps: {sql}");
    }
    accept(&store, "last").await;
    assert_eq!(ids(&lease_at(&store, 10, 9).await), ["last"]);
    let moment: Millis = 9_000_000_000;
    let next = store.run(|tx| tx.next_due(&conformance::lane(), 200)).await.unwrap();
    assert_eq!(next, Some(moment));
    let leased = lease_at(&store, moment, 9).await;
    assert!(leased.len() == 9 && leased.iter().all(|row| row.state == State::Leased));
    settle(&store, &leased[0], Verdict::Gone).await;
}
