//! What is sent for a call to IDA, JSON included, beside its bare primitives: `cargo bench --bench ida`. What is summed stands in
//! `support/bare.rs`.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use bytes::Bytes;
use criterion::Criterion;
use mosip_gateway::crypto::base64;
use mosip_gateway::mosip::ida::{self, Intent, Origin, Service, SignedRequest};
use serde_json::{Value, json};
use support::bare::Bare;
use support::message;
use support::paired::Comparison;
use support::rings::now;

/// base64 of three bytes.
const SHORTEST: usize = 4;
/// IV and tag, which sealing adds.
const OVERHEAD: usize = 32;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let ring = support::ring();
    let bare = Bare::new("partner", "ida");
    let own = ring.signer(Some("partner")).expect("our key");
    let to = ring.peer("ida").and_then(|peer| peer.certificate.as_ref()).expect("IDA's certificate");
    let now = now();
    let build = |intent: &Intent| ida::request(intent, Origin::default(), to, own, now).expect("a request");
    let inner_len = |body: &Bytes| {
        let body: Value = serde_json::from_slice(body).expect("a body");
        base64::decode(body["request"].as_str().expect("a text").as_bytes()).expect("base64").len() - OVERHEAD
    };
    let head = {
        let token = build(&intent(SHORTEST)).signature;
        token.split_once('.').expect("a token").0.to_owned() + "."
    };

    let comparison = Comparison::run(
        &mut criterion,
        "IDA request",
        |bytes| {
            let frame = inner_len(&build(&intent(SHORTEST)).body) - SHORTEST;
            // base64 has no length of 4 n + 1.
            let intent = intent((bytes - frame) / 4 * 4);
            let SignedRequest { body, .. } = build(&intent);
            (intent, message(inner_len(&body)), body)
        },
        |(intent, ..)| build(intent),
        |(_, inner, body)| bare.ida_request(inner, &head, body),
    );
    criterion.final_summary();
    println!("{comparison}");
}

/// Demographics, and a finger whose payload has `len` characters.
fn intent(len: usize) -> Intent {
    let body = json!({
        "individualId": "4152630978", "individualIdType": "UIN", "consent": true, "transactionId": "A123456789",
        "demographics": {"name": [{"language": "eng", "value": "Leila Karim"}], "dob": "1990/03/14"},
        "biometrics": [{
            "data": format!("aGVhZA.{}.c2ln", "A".repeat(len)),
            "hash": "00FF", "sessionKey": "a2V5", "specVersion": "0.9.5", "thumbprint": "ABCD",
        }],
    });
    Intent::parse(Service::Auth, body.to_string().as_bytes()).expect("an intent")
}
