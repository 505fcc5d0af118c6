//! The cryptography of an IDA request beside its bare primitives: `cargo bench --bench ida`. The inner request is sealed, and a body
//! that holds its members is signed. What is summed stands in `support/bare.rs`.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench says so by panicking, and prints")]

mod support;

use criterion::Criterion;
use mosip_gateway::mosip::ida;
use support::bare::Bare;
use support::message;
use support::paired::Comparison;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let ring = support::ring();
    let bare = Bare::new("partner", "ida");
    let own = ring.signer(Some("partner")).expect("our key");
    let ida = ring.peer("ida").and_then(|peer| peer.certificate.as_ref()).expect("IDA's certificate");
    let head = {
        let token = ida::sign_body(own, b"").expect("a signature");
        token.split_once('.').expect("a token").0.to_owned() + "."
    };

    let comparison = Comparison::run(
        &mut criterion,
        "IDA request",
        |bytes| {
            let inner = message(bytes);
            let sealed = ida::seal_request(&inner, ida).expect("a sealed request");
            (inner, serde_json::to_vec(&sealed).expect("a body"))
        },
        |(inner, body)| {
            let sealed = ida::seal_request(inner, ida).expect("a sealed request");
            (sealed, ida::sign_body(own, body).expect("a signature"))
        },
        |(inner, body)| bare.ida_request(inner, &head, body),
    );
    criterion.final_summary();
    println!("{comparison}");
}
