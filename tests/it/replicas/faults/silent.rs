//! A database that says nothing: a post waits for it, and no longer than the gateway lets a request.

use serde_json::Value;

use super::site::Site;
use crate::support::event::birth;
use crate::support::patience;
use crate::support::wire::Way;

/// Nobody listens here.
const AWAY: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_the_database_does_not_answer_is_refused_in_time_and_makes_no_second_event() {
    let Some(site) = Site::new(AWAY).await else { return };
    let (site, mut gateways) = site.start(1, &[("LISTEN__REQUEST_DEADLINE", "3s")]).await;
    let (gateway, wire) = (&mut gateways[0], &site.peers[0].wire);

    wire.is(Way::Silent);
    let (status, problem) = gateway.post_event("birth", birth("late")).await;
    assert_eq!((status, &problem["fault"]), (507, &Value::from("storage")), "{problem}");
    wire.is(site.way());
    gateway.ready().await;
    let taken =
        patience::until("an answer", async || match gateway.post_event("birth", birth("late")).await {
            (202, answer) => Ok(answer),
            other => Err(other),
        });
    assert_eq!(taken.await["id"], "late");
    assert_eq!(gateway.events().await.len(), 1, "what was refused is the same event");
}
