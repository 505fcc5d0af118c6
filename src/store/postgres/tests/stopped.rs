//! Gateways that stop, or are cut off, in the midst of a transaction: what they hold is the others' again.

use std::time::Duration;

use super::*;

/// A gateway's connection as it is between two statements of a transaction that holds the lock of `home`.
async fn holding(home: &Home) -> Client {
    let client = connected(home).await;
    client.batch_execute(&beginning(home)).await.unwrap();
    client
}

async fn connected(home: &Home) -> Client {
    let client = home.target(None).connect().await.unwrap();
    session::set_up(&client).await.map_err(|failure| failure.error).unwrap();
    client
}

/// One that no other test takes.
fn beginning(home: &Home) -> String {
    let (class, number) = (schema::class(), locks::number_of(&home.schema));
    format!("BEGIN; SELECT pg_advisory_xact_lock({class}, {number})")
}

fn waiting(home: &Home) -> i64 {
    home.number(&format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name='{}')",
        home.schema
    ))
}

#[tokio::test]
async fn a_gateway_that_stops_reading_an_answer_keeps_no_lock() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    let stopped = holding(&home).await;
    // More than the buffers of a connection take, and nobody takes a row of it.
    let large = "SELECT repeat('x', 1000000) FROM generate_series(1, 500)";
    let answer = stopped.query_raw(large, Vec::<i32>::new()).await.unwrap();
    store.take(vec![home.schema.clone()], count).await.unwrap();
    assert_eq!(store.trouble(), None);
    drop((answer, stopped));
}

#[tokio::test]
async fn a_gateway_that_is_gone_while_it_waits_for_a_lock_waits_no_more() {
    let Some(home) = Home::new() else { return };
    let holder = holding(&home).await;
    // Were it idle, the server would end it.
    let busy = holder.batch_execute("SELECT pg_sleep(45)");
    let gone = async {
        apart(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = connected(&home).await;
                let begin = beginning(&home);
                let seen = async {
                    while waiting(&home) == 0 {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    begun = client.batch_execute(&begin) => panic!("it has the lock: {begun:?}"),
                    () = seen => {}
                }
            });
        });
        for _ in 0..300 {
            if waiting(&home) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it still waits");
    };
    tokio::select! {
        ended = busy => panic!("the lock is held no more: {ended:?}"),
        () = gone => {}
    }
    home.cut();
}
