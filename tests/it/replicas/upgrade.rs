//! Gateways are updated one after the other: a newer one changes the tables while an older one works on them.

use super::*;

/// How many compositions each half of the update takes, each with a birth and its correction.
const HALF: usize = 16;

/// What a gateway does whose tables are one step newer than those of this program: the locks and the mark are those of `store/postgres`. It adds
/// what the version before can ignore.
const STEP: &str = "BEGIN;
    SELECT pg_advisory_xact_lock(1296518978#current_schema()::regnamespace::oid::int, 1);
    SELECT pg_advisory_xact_lock(1296518978#current_schema()::regnamespace::oid::int, 0);
    ALTER TABLE entry ADD COLUMN later TEXT NOT NULL DEFAULT 'unknown';
    ALTER TABLE delivery ADD COLUMN later BIGINT;
    ALTER TABLE meta ADD COLUMN later BYTEA;
    CREATE TABLE later (entry BIGINT NOT NULL REFERENCES entry ON DELETE CASCADE, what TEXT NOT NULL);
    CREATE INDEX entry_by_later ON entry (later);
    UPDATE mosip_gateway SET version=version+1;
    COMMIT";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_gateway_changes_the_tables_under_load_and_the_older_one_goes_on_until_it_is_replaced() {
    let Some(shared) = Shared::new().await else { return };
    let simulator = simulator().await;
    let (mut older, mut newer) = (shared.gateway(&simulator), shared.gateway(&simulator));
    let made = older.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    older.start();
    older.ready().await;

    // The older one takes and sends events while the tables change and the newer one starts over them.
    let arrived = || simulator.history.record().accepted.len();
    let change = async {
        simulator.history.wait_until(|record| record.accepted.len() >= 4).await;
        assert!(arrived() < 2 * HALF, "there is no load any more");
        shared.sql(&format!("SET search_path TO {}; {STEP}", shared.schema)).await;
        newer.start();
        newer.ready().await;
    };
    let (mut acknowledged, ()) = tokio::join!(post_stories(&older, &older, 0), change);
    let versions = format!(
        "DO $$ BEGIN ASSERT (SELECT version FROM {}.mosip_gateway) = (SELECT readable_by + 1 FROM {0}.mosip_gateway); END $$",
        shared.schema
    );
    shared.sql(&versions).await;

    // Both work on the newer tables, until the older one is stopped and its successor is there.
    acknowledged.extend(post_stories(&older, &newer, HALF).await);
    older.end().await;
    acknowledged.extend(post_stories(&newer, &newer, 2 * HALF).await);
    older.start();
    older.ready().await;
    acknowledged.extend(post_stories(&newer, &older, 3 * HALF).await);

    assert_eq!(acknowledged.len(), 8 * HALF);
    let accepted = simulator.history.wait_until(|record| record.accepted.len() >= 8 * HALF).await.accepted;
    let arrived: BTreeSet<_> = accepted.iter().map(|accepted| accepted.id.clone()).collect();
    assert_eq!(arrived, acknowledged, "nothing is lost, and nothing went under two ids");
    assert!(accepted.iter().all(|accepted| accepted.altered == 0));
    for number in 0..4 * HALF {
        let composition = format!("u{number}");
        let of = |accepted: &&Accepted| accepted.composition == composition;
        let kinds: Vec<_> = accepted.iter().filter(of).map(|accepted| json!(accepted.kind)).collect();
        assert_eq!(kinds, ["birth", "birth-correction"], "{composition} keeps its order");
    }
    older.kill();
    newer.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}

/// Births by the `one`, each with its correction by the `other`; the ids under which they were taken.
async fn post_stories(one: &Gateway, other: &Gateway, from: usize) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for number in from..from + HALF {
        let composition = format!("u{number}");
        acknowledged.insert(post(one, "birth", &composition).await);
        acknowledged.insert(post(other, "birth-correction", &composition).await);
    }
    acknowledged
}
