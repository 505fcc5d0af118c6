//! Calls of `/v1/ida/auth`, and the cryptography that they cannot do without.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mosip_gateway::mosip::ida::{self, Intent, Origin, Service};
use serde_json::json;

use super::load::Measured;
use super::rings::process::{Gateway, client, post};

const PERSON: &str = r#"{"individualId":"4152630978","individualIdType":"UIN","consent":true,"demographics":{"name":[{"language":"eng","value":"Leila Karim"}],"dob":"1990/03/14"}}"#;

/// Building the request of [`PERSON`], and one verification of a reply's signature: medians of one thread.
pub(crate) fn floor(turns: usize) -> Duration {
    let ring = super::ring();
    let own = ring.signer(Some("partner")).unwrap();
    let to = ring.peer("ida").unwrap().certificate.as_ref().unwrap();
    let now = super::rings::now();
    let intent = Intent::parse(Service::Auth, PERSON.as_bytes()).unwrap();
    let reply = json!({"id": "mosip.identity.auth", "version": "1.0", "transactionID": "A123456789", "responseTime": now.to_iso(),
        "response": {"authStatus": true, "authToken": "1".repeat(36)}, "errors": null})
    .to_string();
    let signature = ida::sign_body(ring.signer(Some("mosip")).unwrap(), reply.as_bytes()).unwrap();
    let signers = [&**ring.peer("mosip").unwrap()];
    median(turns, || {
        black_box(ida::request(&intent, Origin::default(), to, own, now).unwrap());
    }) + median(turns, || ida::verify_body(&signers, reply.as_bytes(), &signature, now).unwrap())
}

/// Of how long `work` takes, done so often.
pub(crate) fn median(turns: usize, work: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..turns)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// `count` calls over `connections`.
pub(crate) async fn call(gateway: &Gateway, count: usize, connections: usize) -> Measured {
    let (client, url) = (client(), format!("{}/v1/ida/auth", gateway.api()));
    let send = move |_| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let begun = Instant::now();
            let reply = post(&client, &url, PERSON.to_owned()).await.expect("an answer");
            assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
            begun.elapsed()
        }
    };
    Measured::of(0, count, connections, send).await
}
