//! What is opened, what is made, and what is refused with what to do.

use super::*;
use crate::store::Database;

/// Of a database.
const UTF8: &str = "ENCODING 'UTF8'";

#[test]
fn one_gateway_makes_the_tables_and_the_others_wait() {
    let Some(home) = Home::new() else { return };
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| home.postgres().map(drop).map_err(|error| format!("{error:?}")).unwrap());
        }
    });
    assert_eq!(home.number("SELECT count(*) FROM mosip_gateway"), 1);
    assert_eq!(home.number("SELECT version FROM mosip_gateway"), schema::newest());
    assert_eq!(home.number("SELECT count(*) FROM meta WHERE name='owner'"), 1);
}

#[test]
fn a_newer_database_is_opened_where_it_says_that_this_version_may_and_refused_else() {
    let Some(home) = Home::new() else { return };
    drop(home.store());
    home.sql("UPDATE mosip_gateway SET version=99; ALTER TABLE entry ADD COLUMN later TEXT");
    drop(home.store());
    assert_eq!(home.number("SELECT version FROM mosip_gateway"), 99, "it stays what it is");
    home.sql("UPDATE mosip_gateway SET readable_by=99");
    let refused = home.refused();
    assert!(refused.contains("version 99") && refused.contains("newer gateway"), "{refused}");
}

#[tokio::test]
async fn a_gateway_that_runs_does_nothing_more_where_a_newer_one_says_that_it_may_not() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.run(count).await.unwrap();
    home.sql("UPDATE mosip_gateway SET version=99, readable_by=99");
    assert_eq!(store.take(Vec::new(), count).await.unwrap_err().code(), Code::Storage);
    for _ in 0..2 {
        let trouble = store.trouble().unwrap();
        assert!(trouble.detail().contains("newer gateway"), "{trouble:?}");
        assert!(store.look_after().await.is_err(), "it stays so");
    }
    assert_eq!(home.number("SELECT value FROM meta WHERE name='n'"), 1);
    home.sql("UPDATE mosip_gateway SET version=1, readable_by=1");
    store.look_after().await.unwrap();
    store.run(count).await.unwrap();
    assert_eq!(home.number("SELECT value FROM meta WHERE name='n'"), 2, "it goes on by itself");
}

#[tokio::test]
async fn a_program_that_holds_a_table_keeps_the_others_waiting_for_seconds_and_no_start_from_going_on() {
    let Some(home) = Home::new() else { return };
    let target = home.target(None);
    let dump = target.connect().await.unwrap();
    dump.batch_execute("BEGIN; CREATE TABLE entry (id TEXT)").await.unwrap();
    let store = home.store();
    let trouble = store.trouble().unwrap();
    assert!(trouble.detail().contains("such as a dump"), "{trouble:?}");
    dump.batch_execute("ROLLBACK").await.unwrap();
    while store.look_after().await.is_err() {
        tokio::task::yield_now().await;
    }
    store.run(count).await.unwrap();
}

#[test]
fn tables_of_another_program_are_left_alone() {
    let Some(home) = Home::new() else { return };
    home.sql("CREATE TABLE entry (id TEXT); INSERT INTO entry VALUES ('theirs')");
    let refused = home.refused();
    assert!(refused.contains("another program") && refused.contains("for the outbox alone"), "{refused}");
    assert_eq!(home.number("SELECT count(*) FROM entry"), 1);
    assert_eq!(home.number("SELECT count(*) FROM pg_class WHERE relname='writer' AND relnamespace=current_schema()::regnamespace"), 0);
}

#[test]
fn an_encoding_that_cannot_hold_every_name_is_refused() {
    let Some(home) = Apart::new("ENCODING 'LATIN1' LOCALE 'C'") else { return };
    let refused = home.refused();
    assert!(refused.contains("LATIN1") && refused.contains("UTF8"), "{refused}");
}

#[tokio::test]
async fn a_standby_starts_and_takes_nothing() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.run(count).await.unwrap();
    let url = home
        .url(None)
        .replace("&application_name", "%20-c%20default_transaction_read_only=on&application_name");
    let target = connect::parse(url.as_bytes(), None, None).map_err(|(name, _)| name).unwrap();
    let standby =
        Store::new(Postgres::open(target, Arc::new(Nobody)).map_err(|error| format!("{error:?}")).unwrap());
    let trouble = standby.trouble().unwrap();
    assert!(
        trouble.detail().contains("takes no writes") && trouble.advice().contains("primary"),
        "{trouble:?}"
    );
    assert_eq!(standby.take(Vec::new(), count).await.unwrap_err().code(), Code::Storage);
    assert!(standby.look_after().await.is_err());
    assert_eq!(store.run(|tx| tx.number("n")).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_newer_gateway_changes_the_tables_once_what_an_older_one_has_under_way_has_ended() {
    let Some(home) = Apart::new(UTF8) else { return };
    let (store, home) = (home.store(), Arc::new(home));
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (ends, may_end) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new((Some(begun), may_end, 0));
    let job = tokio::spawn(async move {
        let job = store.take(vec!["a".to_owned()], move |tx| {
            let (begun, may_end, runs) = &mut *held.lock().unwrap();
            *runs += 1;
            tx.insert(&[new("a")])?;
            if let Some(begun) = begun.take() {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
            }
            count(tx)?;
            Ok(*runs)
        });
        let runs = job.await.unwrap();
        (store, runs)
    });
    has_begun.await.unwrap();
    let newer = {
        let home = Arc::clone(&home);
        tokio::task::spawn_blocking(move || home.newer())
    };
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname=current_database()";
    while home.number(waiting) == 0 {
        tokio::task::yield_now().await;
    }
    ends.send(()).unwrap();
    let newer = newer.await.unwrap();
    let (older, runs) = job.await.unwrap();
    assert_eq!(runs, 1, "the newer one waited");
    assert_eq!(home.number("SELECT version FROM mosip_gateway"), 2);
    for store in [&older, &newer, &home.store()] {
        store.run(count).await.unwrap();
    }
    assert_eq!(newer.run(|tx| tx.number("n")).await.unwrap(), Some(4), "both versions work on it");
    assert_eq!(home.number("SELECT count(*) FROM entry WHERE later='unknown'"), 1);
}

fn target(url: &str) -> Target {
    connect::parse(url.as_bytes(), None, None).map_err(|(name, _)| name).unwrap()
}

#[test]
fn what_an_extension_has_brought_is_no_other_program() {
    let Some(home) = Apart::new(UTF8) else { return };
    home.sql("CREATE VIEW statements AS SELECT 1 AS calls; ALTER EXTENSION plpgsql ADD VIEW statements");
    drop(home.store());
}

#[test]
fn a_user_who_may_make_no_tables_is_told_what_lets_them() {
    let Some(home) = Home::new() else { return };
    let (schema, role) = (&home.schema, format!("{}_user", home.schema));
    home.sql(&format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA {schema} TO {role}"));
    let as_role = |home: &Home| {
        home.url(None).replace("&application_name", &format!("%20-c%20role={role}&application_name"))
    };
    let url = as_role(&home);
    let refused = |url: &str| match Postgres::open(target(url), Arc::new(Nobody)).err() {
        Some(OpenError::Refused(what)) => what,
        other => panic!("{other:?}"),
    };
    let advice = format!("ALTER SCHEMA {schema} OWNER TO {role}");
    let what = refused(&url);
    assert!(what.contains("may not make the tables") && what.contains(&advice), "{what}");
    let Err(looked) = database::Server(target(&url)).heads(8) else { panic!("doctor finds nothing") };
    assert!(looked.stops_start && looked.advice.contains(&advice), "{}: {}", looked.what, looked.advice);

    let Some(public) = Apart::new(UTF8) else { return };
    let what = refused(&as_role(&public));
    let advice_on_public = format!("ALTER DATABASE {} OWNER TO {role}", public.outside.schema);
    assert!(what.contains(&advice_on_public), "{what}");
    drop(public);

    home.sql(&advice);
    let opened = Postgres::open(target(&url), Arc::new(Nobody)).map(drop);
    opened.map_err(|error| format!("{error:?}")).unwrap();
    let owned = database::Server(target(&url)).heads(8);
    assert!(owned.is_ok());
    home.sql(&format!(
        "ALTER SCHEMA {schema} OWNER TO CURRENT_USER; DROP OWNED BY {role} CASCADE; DROP ROLE {role}"
    ));
}
