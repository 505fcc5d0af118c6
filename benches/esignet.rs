//! What a login at eSignet costs beside its RSA and EC operations: in process, with a stand-in for the network, and through the listeners of
//! a whole gateway beside `/v1/ida/auth`. All figures are CPU time, which other work on the machine changes little.
//!
//! `cargo bench --bench esignet` measures, and fails above a limit; `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use http::{HeaderMap, HeaderValue, StatusCode};
use mosip_gateway::OfflineEsignet;
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::crypto::ec;
use mosip_gateway::crypto::jwk::Jwk;
use mosip_gateway::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};
use mosip_gateway::crypto::secret::{self, SessionKey};
use mosip_gateway::keys::Ring;
use mosip_gateway::keys::settings::{UnknownThumbprint, Uses};
use mosip_gateway::simulator::{self, Behaviour};
use mosip_gateway::upstream::{Reply, Request};
use serde_json::{Value, json};
use support::load::{Measured, is_test};
use support::paired::{Case, Comparison};
use support::process::cpu_time;
use support::rings::process::{Gateway, client, post};
use support::rings::{self, now};
use support::vectors::{pem, private_key, public_key};
use support::{ida_calls, rings::ida_setup};

/// In process, beside its operations.
const WANTED: f64 = 1.3;
/// Through HTTP, beside `/v1/ida/auth` of the same run and the operations that a login has beyond it.
const WANTED_HTTP: f64 = 1.4;
const CONNECTIONS: usize = 16;
const FORM: &str = "https://register.example.org/form";
/// Userinfo is sealed to it.
const RECIPIENT: &str = "partner";

/// A kind of login.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// The client and eSignet sign ES256; else RS256 and PS256.
    is_ec: bool,
    is_sealed: bool,
    /// eSignet demands proofs of possession. It takes none without its nonce, so that the assertion goes twice.
    has_proofs: bool,
}

const KINDS: [Kind; 4] = [
    Kind { name: "RSA, JWS", is_ec: false, is_sealed: false, has_proofs: false },
    Kind { name: "RSA, nested JWE", is_ec: false, is_sealed: true, has_proofs: false },
    Kind { name: "EC, JWS", is_ec: true, is_sealed: false, has_proofs: false },
    Kind { name: "EC, JWS, DPoP", is_ec: true, is_sealed: false, has_proofs: true },
];

impl Kind {
    /// The key of the client among those of the vectors.
    const fn client_key(self) -> &'static str {
        if self.is_ec { "ec" } else { "ida" }
    }
}

struct Size {
    calls: usize,
    /// How often the operations are measured beside them.
    turns: usize,
}

fn main() -> ExitCode {
    let size = match is_test() {
        true => Size { calls: 32, turns: 10 },
        false => Size { calls: 10_000, turns: 2_000 },
    };
    secret::warm_up();
    let mut criterion = Criterion::default().configure_from_args();
    let (vectors, operations) = (Vectors::read(), Arc::new(Operations::new()));
    let cases = KINDS.map(|kind| {
        let operations = Arc::clone(&operations);
        // One for the tokens, and one for the userinfo.
        let bare = move || operations.of_a_login(kind, 2);
        Case { name: kind.name, ours: vectors.login(kind), bare: Box::new(bare) }
    });
    let comparison = Comparison::of_cases(&mut criterion, "login", WANTED, cases);
    criterion.final_summary();
    println!("{comparison}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let is_kept = runtime.block_on(through_http(&size, &operations)) & comparison.is_kept();
    match is_kept || is_test() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The tokens of the tests, which another library made.
struct Vectors(Value);

impl Vectors {
    fn read() -> Self {
        Self(serde_json::from_slice(&std::fs::read(rings::vectors().join("esignet.json")).unwrap()).unwrap())
    }

    fn text(&self, name: &str) -> String {
        self.0[name].as_str().unwrap().to_owned()
    }

    fn token(&self, list: &str, name: &str) -> String {
        let cases = self.0[list].as_array().unwrap();
        cases.iter().find(|case| case["name"] == name).unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// A login of this kind, from the body of its request to its claims.
    fn login(&self, kind: Kind) -> Box<dyn Fn()> {
        let (id_token, userinfo) = match (kind.is_ec, kind.is_sealed) {
            (true, _) => ("es256", "es256"),
            (false, false) => ("ps256-as-esignet-signs", "rs256-as-ida-signs"),
            (false, true) => ("ps256-as-esignet-signs", "nested-jwe-deflated"),
        };
        let tokens = json!({
            "token_type": if kind.has_proofs { "DPoP" } else { "Bearer" }, "expires_in": 3600,
            "access_token": self.text("access_token"), "id_token": self.token("id_tokens", id_token),
        });
        let (tokens, userinfo) = (tokens.to_string(), self.token("userinfo", userinfo));
        let keys = self.0["jwks"].to_string();
        let answer = move |request: &Request| match request.uri.path() {
            "/token" if kind.has_proofs && !request.headers.contains_key("dpop") => challenge(),
            "/token" => says(&tokens),
            "/userinfo" => says(&userinfo),
            _ => says(&keys),
        };
        let clock = Clock::fixed(Timestamp::from_seconds(self.0["now"].as_i64().unwrap()));
        let esignet =
            OfflineEsignet::new(&self.text("issuer"), kind.client_key(), ring(kind), clock, answer).unwrap();
        let login = json!({
            "code": "c-1", "clientId": self.text("client_id"), "redirectUri": FORM, "nonce": self.text("nonce"),
        });
        let login = login.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Box::new(move || drop(black_box(runtime.block_on(esignet.userinfo(login.as_bytes())).unwrap())))
    }
}

fn says(body: &str) -> Reply {
    Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: body.as_bytes().to_vec().into() }
}

fn challenge() -> Reply {
    let mut reply = says(r#"{"error":"use_dpop_nonce"}"#);
    reply.status = StatusCode::BAD_REQUEST;
    reply.headers.insert("dpop-nonce", HeaderValue::from_static("eyJ7S_zG.eyJH0-Z"));
    reply
}

/// The key of the client, which signs, and the one that userinfo is sealed to.
fn ring(kind: Kind) -> Ring {
    let mut keys = rings::key_settings(&[kind.client_key(), RECIPIENT], &[], UnknownThumbprint::Reject);
    (keys.own[0].cert, keys.own[0].uses) = (None, Uses { sign: true, decrypt: false });
    keys.esignet = Some(kind.client_key().to_owned());
    Ring::load(&keys, now())
}

/// The RSA and EC operations of a login.
struct Operations {
    rsa_client: PrivateKey,
    ec_client: ec::PrivateKey,
    recipient: PrivateKey,
    issuer: PublicKey,
    wrapped: Vec<u8>,
}

impl Operations {
    fn new() -> Self {
        let recipient = private_key(RECIPIENT);
        let wrapped = recipient.public_key().wrap(&SessionKey::from_bytes(&[7; 32]).unwrap()).unwrap();
        let ec_client = ec::PrivateKey::from_der(&pem("keys/ec.key.pem")).unwrap();
        Self { rsa_client: private_key("ida"), ec_client, recipient, issuer: public_key("issuer"), wrapped }
    }

    /// The client's signature, two of eSignet and IDA to be verified, the session key of what is sealed, and `proofs` of possession with
    /// their key, where there are any.
    fn of_a_login(&self, kind: Kind, proofs: usize) {
        let message = [b'a'; 400];
        for _ in 0..if kind.has_proofs { 2 } else { 1 } {
            black_box(match kind.is_ec {
                true => self.ec_client.sign(&message).unwrap(),
                false => self.rsa_client.sign(SignatureAlgorithm::Rs256, &[&message]).unwrap(),
            });
        }
        for alg in [SignatureAlgorithm::Ps256, SignatureAlgorithm::Rs256] {
            // What it says of these bytes takes as long as what it says of good ones.
            let _ = black_box(match kind.is_ec {
                true => self.ec_client.public_key().verify(&message, &[1; 64]),
                false => self.issuer.verify(alg, &[&message], &[1; 256]),
            });
        }
        if kind.is_sealed {
            black_box(self.recipient.unwrap(&self.wrapped).unwrap());
        }
        if kind.has_proofs {
            let key = ec::PrivateKey::generate().unwrap();
            (0..proofs).for_each(|_| drop(black_box(key.sign(&message).unwrap())));
        }
    }
}

/// Calls of `/v1/ida/auth` and logins over as many connections, through a gateway, with its CPU time a call. Whether they keep the limit.
async fn through_http(size: &Size, operations: &Operations) -> bool {
    println!("| {CONNECTIONS} connections | CPU a call | its operations | a second | p50 | p99 | ratio |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut is_kept = true;
    for is_ec in [false, true] {
        let place = Place::start(is_ec).await;
        let auth_floor = ida_calls::floor(size.turns);
        let calls = async |count| ida_calls::call(&place.gateway, count, CONNECTIONS).await;
        let auth = place.measure(size.calls, calls).await;
        auth.print("`/v1/ida/auth`, with AES", auth_floor, "");
        for kind in KINDS.into_iter().filter(|kind| kind.is_ec == is_ec) {
            place.behave(kind);
            // One for the tokens, and two for the userinfo: the first of these lacks the nonce.
            let floor = ida_calls::median(size.turns, || operations.of_a_login(kind, 3));
            let login = place.measure(size.calls, async |count| place.log_in(count).await).await;
            let beside = auth.cpu + floor.saturating_sub(auth_floor);
            let ratio = login.cpu.as_secs_f64() / beside.as_secs_f64();
            login.print(kind.name, floor, &format!("{ratio:.2} ×"));
            is_kept &= ratio <= WANTED_HTTP;
        }
        let Place { gateway, simulator } = place;
        drop(gateway);
        simulator.shutdown().await;
    }
    println!("wanted: at most {WANTED_HTTP} × of /v1/ida/auth and the operations that a login has beyond it");
    is_kept
}

/// Calls that were measured.
struct Calls {
    /// CPU time of the gateway for one.
    cpu: Duration,
    measured: Measured,
}

impl Calls {
    fn print(&self, name: &str, operations: Duration, ratio: &str) {
        let Self { cpu, measured } = self;
        let (rate, p50, p99) = (measured.rate(), measured.at(50), measured.at(99));
        println!("| {name} | {cpu:.0?} | {operations:.0?} | {rate:.0} | {p50:.2?} | {p99:.2?} | {ratio} |");
    }
}

/// A gateway beside the simulator.
struct Place {
    gateway: Gateway,
    simulator: simulator::Running,
}

impl Place {
    /// eSignet knows the client by an EC key, or by an RSA key.
    async fn start(is_ec: bool) -> Self {
        let key = ec::PrivateKey::from_der(&pem("keys/ec.key.pem")).unwrap();
        let simulator = ida_setup::simulator_with(|settings| {
            if is_ec {
                settings.esignet.jwk = Jwk::of_ec(key.public_key()).as_json().to_owned();
            }
        })
        .await;
        let mut gateway = Gateway::new();
        let file = rings::vectors().join("keys/ec.key.pem").display().to_string();
        let configuration = include_str!("../deploy/example-esignet.toml");
        gateway.configure(&match is_ec {
            true => configuration.replace("esignet-jwk.txt", &file),
            false => configuration.to_owned(),
        });
        let ida = format!("{}/idauthentication/v1", simulator.base_url);
        gateway.set(&[("UPSTREAM__IDA__URL", &ida), ("ESIGNET__ISSUER", &simulator.base_url)]);
        gateway.start();
        gateway.ready().await;
        Self { gateway, simulator }
    }

    fn behave(&self, kind: Kind) {
        self.simulator.controls.set(Behaviour {
            esignet_seals: kind.is_sealed,
            esignet_dpop: kind.has_proofs,
            // Its later key is an EC key.
            esignet_rotated: kind.is_ec,
            ..Behaviour::default()
        });
    }

    /// Measures `calls`, of as many as it is told.
    async fn measure(&self, count: usize, calls: impl AsyncFn(usize) -> Measured) -> Calls {
        // Connections, threads and keys are there before anything is measured.
        calls(8 * CONNECTIONS).await;
        let before = cpu_time(self.gateway.pid());
        let measured = calls(count).await;
        Calls { cpu: (cpu_time(self.gateway.pid()) - before).div_f64(count as f64), measured }
    }

    /// So many logins, each with a code of its own.
    async fn log_in(&self, count: usize) -> Measured {
        let (client, url) = (client(), format!("{}/v1/esignet/userinfo", self.gateway.api()));
        let esignet = Arc::clone(&self.simulator.esignet);
        let send = move |_| {
            let (client, url) = (client.clone(), url.clone());
            let code = esignet.log_in(FORM, None, None);
            async move {
                let login =
                    json!({"code": code, "clientId": "opencrvs-client", "redirectUri": FORM}).to_string();
                let begun = Instant::now();
                let reply = post(&client, &url, login).await.expect("an answer");
                assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
                begun.elapsed()
            }
        };
        Measured::of(0, count, CONNECTIONS, send).await
    }
}
