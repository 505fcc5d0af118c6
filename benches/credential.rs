//! A pushed credential of a birth, opened and verified, beside the RSA operations in it: `cargo bench --bench credential`. What the
//! statements of the credential cost, their expansion and canonical form, stands by itself.
//!
//! It fails above a limit; with `-- --test` it only shows that it runs.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mosip_gateway::crypto::base64;
use mosip_gateway::crypto::jws::Jws;
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::crypto::secret;
use mosip_gateway::keys::settings::UnknownThumbprint;
use mosip_gateway::keys::{Certificate, Ring};
use mosip_gateway::mosip::credential::event::Notification;
use mosip_gateway::mosip::credential::{Contexts, Credentials, Issuer, ProofKind};
use mosip_gateway::mosip::envelope::ParsedEnvelope;
use serde_json::{Value, json};
use support::load::is_test;
use support::rings::{self, now};

/// Each piece of work once in a round.
const ROUNDS: usize = 2_000;
/// Opening and verifying, in times of its RSA operations.
const MOST_OF_RSA: f64 = 1.3;
/// Expansion and canonical form, in times of one RSA private operation.
const MOST_OF_ONE: f64 = 1.0;

fn main() -> ExitCode {
    // CI asks for one round, which says nothing about time.
    let rounds = if is_test() { 1 } else { ROUNDS };
    secret::warm_up();
    let ring: Ring = rings::ring(&["partner"], &["mosip"], UnknownThumbprint::Reject);
    let cases: Vec<Value> = serde_json::from_slice(&vector("event.json")).expect("JSON");
    let case = cases.iter().find(|case| case["name"] == "good").expect("a known message");
    let (body, credential) = (case["event"].to_string(), &case["expect"]);
    let certificate = Certificate::from_der(&vector("keys/issuer.crt.der")).expect("a certificate");
    let issuer = certificate.public_key().clone();
    let credentials = Credentials {
        contexts: Some(contexts()),
        issuers: vec![Issuer {
            verification_method: text(&credential["proof"]["verificationMethod"]).to_owned(),
            certificate,
            history: true,
        }],
        require: vec![ProofKind::Event, ProofKind::Embedded],
        danger_accept_jcs: false,
        danger_accept_hub_alone: false,
    };
    let contexts = credentials.contexts.as_ref().expect("contexts");

    // What RSA has to do: one unwrapping, and two verifications whatever they say of these bytes.
    let data = &case["event"]["event"]["data"];
    let envelope = base64::decode(text(&data["credential"]).as_bytes()).expect("base64");
    let wrapped = &envelope[ParsedEnvelope::parse(&envelope).expect("an envelope").wrapped];
    let beside = Jws::parse(text(&data["proof"]["signature"])).expect("a token");
    let inside = Jws::parse(text(&credential["proof"]["jws"])).expect("a token");
    let own = &ring.own()[0].private;
    let verifies = |token: &Jws<'_>, alg| token.verify(&issuer, &[alg], Some(&[0; 64])).is_ok();

    let mut times: [Vec<Duration>; 5] = Default::default();
    for _ in 0..rounds {
        times[0].push(time(|| own.unwrap(wrapped).expect("it unwraps")));
        times[1].push(time(|| verifies(&beside, SignatureAlgorithm::Rs256)));
        times[2].push(time(|| verifies(&inside, SignatureAlgorithm::Ps256)));
        times[3].push(time(|| contexts.read(credential).expect("statements").text));
        times[4].push(time(|| {
            let notification = Notification::read(body.as_bytes()).expect("a message");
            credentials.verify_issued(&notification, &ring, now()).map_err(|error| error.to_string())
        }));
    }
    let [unwrap, beside, inside, statements, all] = times.map(median);
    let rsa = unwrap + beside + inside;
    let rest = all.saturating_sub(statements);
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    let (of_rsa, of_one) = (ratio(rest, rsa), ratio(statements, unwrap));
    println!("| credential of a birth, median of {rounds} | time | beside | wanted |");
    println!("| --- | --- | --- | --- |");
    println!("| unwrapping (one RSA private operation) | {unwrap:.0?} | | |");
    println!("| both RSA verifications | {:.0?} | | |", beside + inside);
    println!(
        "| open and verify both proofs, without statements | {rest:.0?} | {of_rsa:.2} × its RSA operations | ≤ {MOST_OF_RSA:.2} |"
    );
    println!(
        "| statements: expansion and canonical form | {statements:.0?} | {of_one:.2} × one private operation | ≤ {MOST_OF_ONE:.2} |"
    );
    match is_test() || (of_rsa <= MOST_OF_RSA && of_one <= MOST_OF_ONE) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn time<T>(work: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    drop(black_box(work()));
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a vector")
}

fn contexts() -> Contexts {
    let files = ["credentials-v1.jsonld", "odrl.jsonld", "mosip-context.json"];
    let urls = [
        "https://www.w3.org/2018/credentials/v1",
        "https://www.w3.org/ns/odrl.jsonld",
        "https://api.example.org/.well-known/mosip-context.json",
    ];
    let documents: BTreeMap<String, Vec<u8>> = urls
        .iter()
        .zip(files)
        .map(|(url, file)| ((*url).to_owned(), vector(&format!("contexts/{file}"))))
        .collect();
    let context = vec![json!(urls[0]), json!(urls[2]), json!({ "sec": "https://w3id.org/security#" })];
    Contexts::pin(documents, context).expect("contexts")
}
