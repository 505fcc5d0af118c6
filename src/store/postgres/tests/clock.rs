use super::*;

const HOUR: i64 = 3_600_000;

async fn clock(store: &Store) -> i64 {
    store.run(|tx| tx.clock()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_clock_of_several_gateways_is_one_and_goes_back_for_none() {
    let Some(home) = Home::new() else { return };
    let (one, other) = (home.store(), home.store());
    let mut last = 0;
    for _ in 0..5 {
        for store in [&one, &other] {
            let now = clock(store).await;
            assert!(now >= last, "{last} {now}");
            last = now;
            store.look_after().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_clock_stands_while_no_gateway_runs() {
    let Some(home) = Home::new() else { return };
    drop(home.store());
    home.sql("UPDATE clock SET value=1000, at=clock_timestamp() - interval '1 day'");
    let store = home.store();
    assert!((1000..HOUR).contains(&clock(&store).await));
    store.look_after().await.unwrap();
    assert!((1000..HOUR).contains(&clock(&store).await));
}

#[tokio::test]
async fn a_step_of_the_databases_clock_ends_no_lease_early_and_stops_nothing() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.run(|tx| tx.insert(&[new("a")])).await.unwrap();
    let lease = async |store: &Store| {
        let rows = store.run(|tx| {
            let now = tx.clock()?.unwrap_or_default();
            let pick = conformance::pick(now, now + 10 * HOUR);
            tx.lease(&conformance::lane(), pick)
        });
        rows.await.unwrap().len()
    };
    assert_eq!(lease(&store).await, 1);
    // As after a step forward by a day, and then one back.
    home.sql("UPDATE clock SET at=clock_timestamp() - interval '1 day'");
    assert_eq!(lease(&home.store()).await, 0);
    home.sql("UPDATE clock SET at=clock_timestamp() + interval '1 day'");
    let before = clock(&store).await;
    let again = home.store();
    again.look_after().await.unwrap();
    assert!(clock(&again).await >= before);
    assert_eq!(home.number("SELECT count(*) FROM clock WHERE at <= clock_timestamp()"), 1);
}
