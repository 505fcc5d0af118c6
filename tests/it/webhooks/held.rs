//! While there is no room for a webhook it is held; and while nothing runs, its connection waits.

use std::net::TcpListener;

use super::*;
use crate::support::process;
use crate::support::rows::Rows;

impl Home {
    async fn held(&self, posts: u64) {
        self.metric_is("mosip_gateway_webhooks_held", posts).await;
    }

    /// From now on the store refuses each new event and each new message at once.
    fn refuse_rows(&self) {
        alter(
            &self.dir,
            "CREATE TRIGGER no_entry BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'refused'); END;
             CREATE TRIGGER no_push BEFORE INSERT ON push BEGIN SELECT RAISE(ABORT, 'refused'); END;",
        );
    }
}

fn take_rows(dir: &TempDir) {
    alter(dir, "DROP TRIGGER no_entry; DROP TRIGGER no_push;");
}

fn alter(dir: &TempDir, sql: &str) {
    Rows::of(&dir.path().join("outbox.db")).run(sql);
}

#[tokio::test]
async fn a_webhook_is_held_until_the_store_has_room() {
    let home = Home::start(&[("LISTEN__REQUEST_DEADLINE", "1s")]).await;
    home.refuse_rows();
    let (event, nonsense) =
        (Post::send(&home.gateway.api, BIRTH).await, Post::send(&home.gateway.api, "nonsense").await);
    home.held(2).await;
    take_rows(&home.dir);
    assert_eq!(event.answered().await, (202, json!({ "id": COMPOSITION, "state": "queued" })));
    assert_eq!(nonsense.answered().await.1["state"], "quarantined");
    home.held(0).await;
    assert_eq!((home.gateway.ids("").await, home.kept().await.len()), (vec![COMPOSITION.to_owned()], 1));
}

#[tokio::test]
async fn sixteen_are_held_beside_every_limit_and_the_next_connection_breaks_without_an_answer() {
    // Not all of the sixteen fit at once: the last ones wait until the first ones are held.
    let limits = [("LISTEN__BODY_LIMIT", "64KiB"), ("LISTEN__IN_FLIGHT_LIMIT", "64KiB")];
    let home = Home::start(&limits).await;
    let birth = |composition: &str| birth(composition).replace("Ada", &"A".repeat(8 << 10));
    home.refuse_rows();
    let mut held = Vec::new();
    for number in 0..16 {
        held.push(Post::send(&home.gateway.api, &birth(&format!("held-{number}"))).await);
    }
    home.held(16).await;
    assert!(Post::send(&home.gateway.api, &birth("one-more")).await.answer().await.is_none());
    home.metric_is(NO_ANSWER, 1).await;
    drop(held.pop());
    home.held(15).await;
    held.push(Post::send(&home.gateway.api, &birth("in-its-place")).await);
    home.held(16).await;
    take_rows(&home.dir);
    for post in held {
        assert_eq!(post.answered().await.0, 202);
    }
    let ids = home.gateway.ids("").await;
    assert!(ids.contains(&"in-its-place".to_owned()) && !ids.contains(&"one-more".to_owned()), "{ids:?}");
}

#[tokio::test]
async fn the_stop_breaks_what_is_held_and_the_repeat_is_taken_after_it() {
    let home = Home::start(&[]).await;
    home.refuse_rows();
    let held = Post::send(&home.gateway.api, BIRTH).await;
    home.held(1).await;
    let Home { dir, gateway: running } = home;
    let (answer, ()) = tokio::join!(held.answer(), running.stop());
    assert!(answer.is_none(), "{answer:?}");
    take_rows(&dir);
    let gateway = gateway(&dir, EXAMPLE, &[]).await;
    assert_eq!(Post::send(&gateway.api, BIRTH).await.answered().await.1["id"], COMPOSITION);
}

#[tokio::test]
async fn a_body_that_does_not_come_has_its_connection_broken() {
    let home = Home::start(&[("LISTEN__REQUEST_DEADLINE", "1s")]).await;
    let post = Post::begin(&home.gateway.api, Some(&signature(BIRTH)), BIRTH.len()).await;
    assert!(post.answer().await.is_none());
    home.metric_is(NO_ANSWER, 1).await;
}

#[tokio::test]
async fn a_socket_that_is_passed_at_start_refuses_no_connection_while_nothing_runs() {
    let mut gateway = process::Gateway::new();
    let secret = gateway.home().join("webhook.secret");
    std::fs::write(&secret, SHA_SECRET).unwrap();
    gateway.set(&[("FACES__WEBHOOKS", "true"), ("FACES__WEBHOOK_SECRET_FILE", secret.to_str().unwrap())]);
    let address = gateway.api().trim_start_matches("http://").to_owned();
    let socket = TcpListener::bind(&address).unwrap();
    gateway.start_on(&socket, "internal");
    gateway.ready().await;
    assert_eq!(Post::send(&address, &birth("before")).await.answered().await.0, 202);
    gateway.kill();
    let between = Post::send(&address, &birth("between")).await;
    gateway.start_on(&socket, "internal");
    assert_eq!(between.answered().await.1["id"], "between");
    gateway.kill();
}

#[test]
fn a_passed_socket_that_the_configuration_does_not_know_is_refused_by_name() {
    let gateway = process::Gateway::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let expected = [
        ("internal", "`internal`: it stands at 127.0.0.1:"),
        ("faces", "`faces`: no listener of this name is on"),
        ("mosip-gateway.socket", "`mosip-gateway.socket`: no listener of this name is on"),
        ("", "``: no listener of this name is on"),
    ];
    for (name, what) in expected {
        let (status, said) = gateway.refused_on(&elsewhere, name);
        assert_eq!(status, Some(3), "{name}: {said}");
        assert!(said.contains(what) && said.contains("FileDescriptorName="), "{name}: {said}");
    }
}
