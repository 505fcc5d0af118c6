use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::partner::{COMPOSITION, Partner, START, birth, settings};
use crate::clock::Clock;
use crate::simulator::{AfterAccept, Behaviour, World, routes};

#[tokio::test]
async fn a_fault_before_the_answer_does_nothing() {
    let partner = Partner::start().await;
    let token = partner.token().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
    partner.simulator.controls.set(Behaviour { fault_rate: 1.0, ..Behaviour::default() });

    assert_eq!(partner.post("birth", &token, &body).await.unwrap().status, 503);
    assert!(partner.simulator.history.record().accepted.is_empty());
}

#[tokio::test]
async fn a_fault_rate_hits_the_same_requests_for_the_same_seed() {
    let partner = Partner::start().await;
    let token = partner.token().await;
    let statuses = async |seed: u64| {
        partner.simulator.controls.set(Behaviour { fault_rate: 0.5, seed, ..Behaviour::default() });
        let mut statuses = Vec::new();
        for _ in 0..32 {
            statuses.push(partner.generate_aid(&token).await.unwrap().status.as_u16());
        }
        statuses
    };
    let first = statuses(1).await;
    assert!(first.contains(&200) && first.contains(&503), "{first:?}");
    assert_eq!(first, statuses(1).await);
    assert_ne!(first, statuses(2).await);
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_before_any_answer() {
    let world = Arc::new(World::new(settings(), "http://127.0.0.1", Clock::fixed(START)).unwrap());
    world.controls.set(Behaviour { delay_ms: 90_000, ..Behaviour::default() });
    let start = tokio::time::Instant::now();
    let request = Request::get("/opencrvs/v1/generateAid").body(Body::empty()).unwrap();
    routes(world).oneshot(request).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(90));
}

#[tokio::test]
async fn when_down_connections_close_without_an_answer() {
    let partner = Partner::start().await;
    let token = partner.token().await;
    partner.simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
    let address = partner.simulator.base_url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET /opencrvs/v1/generateAid HTTP/1.1\r\nHost: mosip\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"");

    partner.simulator.controls.set(Behaviour::default());
    assert_eq!(partner.generate_aid(&token).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_html_page_with_200_does_nothing() {
    let partner = Partner::start().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
    partner.simulator.controls.set(Behaviour { answer_html: true, ..Behaviour::default() });
    let answer = partner.send("birth", &body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(partner.simulator.history.record().accepted.is_empty());
}

#[tokio::test]
async fn errors_in_200_do_nothing() {
    let partner = Partner::start().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
    let code = Some("OPN-CRVS-012".to_owned());
    partner.simulator.controls.set(Behaviour { errors_in_200: code, ..Behaviour::default() });
    assert_eq!(partner.send("birth", &body).await.refusal(), (200, "OPN-CRVS-012".to_owned()));
    assert!(partner.simulator.history.record().accepted.is_empty());
}

#[tokio::test]
async fn a_fault_after_accept_leaves_the_event_accepted() {
    for fault in [AfterAccept::HangUp, AfterAccept::Answer500] {
        let partner = Partner::start().await;
        let token = partner.token().await;
        let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
        partner.simulator.controls.set(Behaviour { fault_after_accept: Some(fault), ..Behaviour::default() });
        let answer = partner.post("birth", &token, &body).await;
        match fault {
            AfterAccept::HangUp => assert!(answer.is_none()),
            AfterAccept::Answer500 => {
                assert_eq!(answer.unwrap().refusal(), (500, "OPN-CRVS-010".to_owned()));
            }
        }
        assert_eq!(partner.simulator.history.accepted(COMPOSITION).unwrap().count, 1);

        partner.simulator.controls.set(Behaviour::default());
        let again = partner.post("birth", &token, &body).await.unwrap();
        assert_eq!(again.json()["response"]["message"], "Packet Already Uploaded", "{fault:?}");
    }
}

#[tokio::test]
async fn a_token_is_rejected_once() {
    let partner = Partner::start().await;
    let token = partner.token().await;
    partner.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    let first = partner.generate_aid(&token).await.unwrap();
    assert_eq!(first.refusal(), (401, "OPN-AUT-002".to_owned()));
    assert_eq!(partner.generate_aid(&token).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_bad_client_secret_refuses_the_right_one() {
    let partner = Partner::start().await;
    partner.simulator.controls.set(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    let form = "grant_type=client_credentials&client_id=opencrvs&client_secret=secret";
    assert_eq!(partner.ask_for_token(form).await.status, 401);
}

#[tokio::test]
async fn a_token_may_have_no_life_at_all() {
    let partner = Partner::start().await;
    partner.simulator.controls.set(Behaviour { token_lifetime_s: 0, ..Behaviour::default() });
    let answer = partner.generate_aid(&partner.token().await).await.unwrap();
    assert_eq!(answer.refusal(), (401, "OPN-AUT-002".to_owned()));
}
