//! What a login at eSignet costs beside the RSA operations in it: in process, with a stand-in for the network, and through the listeners
//! of a whole gateway beside `/v1/ida/auth`. All figures are CPU time, which other work on the machine changes little.
//!
//! `cargo bench --bench esignet` measures, and fails above a limit; `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use mosip_gateway::OfflineEsignet;
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::crypto::rsa::{PublicKey, SignatureAlgorithm};
use mosip_gateway::crypto::secret::{self, SessionKey};
use mosip_gateway::keys::settings::UnknownThumbprint;
use mosip_gateway::keys::{OwnKey, Ring};
use mosip_gateway::simulator::{self, Behaviour};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};
use support::ida_calls;
use support::load::{Measured, is_test};
use support::process::cpu_time;
use support::rings::process::{Gateway, client, post};
use support::rings::{self, now};
use support::vectors::public_key;

/// In process, beside the RSA operations.
const WANTED: f64 = 1.3;
/// Through HTTP, beside the same.
const WANTED_HTTP: f64 = 1.4;
const CONNECTIONS: usize = 16;
const FORM: &str = "https://register.example.org/form";
/// Signs assertions; userinfo is sealed to the other one.
const CLIENT_KEY: &str = "ida";
const RECIPIENT: &str = "partner";

struct Size {
    /// Blocks of work that alternate, and how often each piece is done in one.
    blocks: usize,
    logins: usize,
    calls: usize,
}

fn main() -> ExitCode {
    let size = match is_test() {
        true => Size { blocks: 1, logins: 2, calls: 32 },
        false => Size { blocks: 20, logins: 200, calls: 10_000 },
    };
    secret::warm_up();
    let vectors = Vectors::read();
    let mut kept = true;
    println!("| in process | CPU a login | its RSA operations | ratio | wanted |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, userinfo, alg) in [
        ("userinfo as JWS", "rs256-as-ida-signs", SignatureAlgorithm::Rs256),
        ("userinfo as nested JWE", "nested-jwe-deflated", SignatureAlgorithm::Ps256),
    ] {
        let (login, rsa) = vectors.measure(userinfo, alg, &size);
        kept &= row(name, login, rsa, WANTED);
    }
    let operations = Operations::new(&vectors.ring());
    let turns = if is_test() { 10 } else { 2_000 };
    let floors = [false, true].map(|is_sealed| {
        ida_calls::median(turns, || operations.of_a_login(SignatureAlgorithm::Rs256, is_sealed))
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    kept &= runtime.block_on(through_http(&size, floors, ida_calls::floor(turns)));
    match kept || is_test() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Whether it keeps the limit.
fn row(name: &str, ours: Duration, beside: Duration, wanted: f64) -> bool {
    let ratio = ours.as_secs_f64() / beside.as_secs_f64();
    println!("| {name} | {ours:.0?} | {beside:.0?} | {ratio:.2} × | ≤ {wanted:.2} |");
    ratio <= wanted
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

    fn ring(&self) -> Ring {
        let mut keys = rings::key_settings(&[CLIENT_KEY, RECIPIENT], &[], UnknownThumbprint::Reject);
        keys.esignet = Some(CLIENT_KEY.to_owned());
        Ring::load(&keys, now())
    }

    /// A login whose userinfo is that case, signed with `alg`, and its RSA operations; CPU time of each, in blocks that alternate.
    fn measure(&self, userinfo: &str, alg: SignatureAlgorithm, size: &Size) -> (Duration, Duration) {
        let token = self.token("userinfo", userinfo);
        let is_sealed = token.split('.').count() == 5;
        let tokens = json!({
            "token_type": "Bearer", "expires_in": 3600, "access_token": self.text("access_token"),
            "id_token": self.token("id_tokens", "ps256-as-esignet-signs"),
        });
        let (tokens, keys) = (tokens.to_string(), self.0["jwks"].to_string());
        let says = |body: &str| Reply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec().into(),
        };
        let clock = Clock::fixed(Timestamp::from_seconds(self.0["now"].as_i64().unwrap()));
        let esignet =
            OfflineEsignet::new(&self.text("issuer"), CLIENT_KEY, self.ring(), clock, move |request| {
                match request.uri.path() {
                    "/token" => says(&tokens),
                    "/userinfo" => says(&token),
                    _ => says(&keys),
                }
            })
            .unwrap();
        let login = json!({"code": "c-1", "clientId": self.text("client_id"), "redirectUri": FORM, "nonce": self.text("nonce")});
        let login = login.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let log_in = || drop(black_box(runtime.block_on(esignet.userinfo(login.as_bytes())).unwrap()));
        let operations = Operations::new(&self.ring());
        let rsa = || operations.of_a_login(alg, is_sealed);
        // The keys of the issuer are fetched, and the threads are there.
        log_in();
        let (mut ours, mut beside) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..size.blocks {
            ours += cpu_of(size.logins, &log_in);
            beside += cpu_of(size.logins, &rsa);
        }
        let each = |sum: Duration| sum.div_f64((size.blocks * size.logins) as f64);
        (each(ours), each(beside))
    }
}

/// CPU time of this process for `work`, done so often.
fn cpu_of(times: usize, work: &impl Fn()) -> Duration {
    let before = cpu_time(std::process::id());
    (0..times).for_each(|_| work());
    cpu_time(std::process::id()) - before
}

/// The RSA operations of a login: the client's signature, two of eSignet and IDA to be verified, and the session key of what is sealed.
/// The EC operations of proofs of possession come on top where eSignet demands them.
struct Operations {
    client: Arc<OwnKey>,
    recipient: Arc<OwnKey>,
    issuer: PublicKey,
    wrapped: Vec<u8>,
}

impl Operations {
    fn new(ring: &Ring) -> Self {
        let own = |name| Arc::clone(ring.own().iter().find(|own| own.name.as_deref() == Some(name)).unwrap());
        let recipient = own(RECIPIENT);
        let wrapped =
            recipient.private.public_key().wrap(&SessionKey::from_bytes(&[7; 32]).unwrap()).unwrap();
        Self { client: own(CLIENT_KEY), recipient, issuer: public_key("issuer"), wrapped }
    }

    fn of_a_login(&self, userinfo: SignatureAlgorithm, is_sealed: bool) {
        let (message, signature) = ([b'a'; 400], [1; 256]);
        black_box(self.client.private.sign(SignatureAlgorithm::Rs256, &[&message]).unwrap());
        for alg in [SignatureAlgorithm::Ps256, userinfo] {
            // What it says of these bytes takes as long as what it says of good ones.
            let _ = black_box(self.issuer.verify(alg, &[&message], &signature));
        }
        if is_sealed {
            black_box(self.recipient.private.unwrap(&self.wrapped).unwrap());
        }
    }
}

/// Logins and calls of `/v1/ida/auth` over as many connections, in turns, through one gateway; its CPU time a call beside the floors.
async fn through_http(size: &Size, floors: [Duration; 2], ida_floor: Duration) -> bool {
    let simulator = rings::ida_setup::simulator(None).await;
    let mut gateway = Gateway::new();
    gateway.configure(include_str!("../deploy/example-esignet.toml"));
    let ida = format!("{}/idauthentication/v1", simulator.base_url);
    gateway.set(&[("UPSTREAM__IDA__URL", &ida), ("ESIGNET__ISSUER", &simulator.base_url)]);
    gateway.start();
    gateway.ready().await;
    println!("\n| {CONNECTIONS} connections | CPU a call | its RSA operations | ratio | wanted |");
    println!("| --- | --- | --- | --- | --- |");
    let mut kept = true;
    let cases = [("userinfo as JWS", false), ("userinfo as nested JWE", true)];
    for ((name, esignet_seals), floor) in cases.into_iter().zip(floors) {
        simulator.controls.set(Behaviour { esignet_seals, ..Behaviour::default() });
        // Connections, threads and keys are there before anything is measured.
        log_in(&gateway, &simulator, 8 * CONNECTIONS).await;
        let cpu = cpu_time(gateway.pid());
        let measured = log_in(&gateway, &simulator, size.calls).await;
        let each = (cpu_time(gateway.pid()) - cpu).div_f64(size.calls as f64);
        kept &= row(name, each, floor, WANTED_HTTP);
        println!(
            "| | {:.0} a second | p50 {:.2?} | p99 {:.2?} | |",
            measured.rate(),
            measured.at(50),
            measured.at(99)
        );
    }
    ida_calls::call(&gateway, 8 * CONNECTIONS, CONNECTIONS).await;
    let cpu = cpu_time(gateway.pid());
    let measured = ida_calls::call(&gateway, size.calls, CONNECTIONS).await;
    let each = (cpu_time(gateway.pid()) - cpu).div_f64(size.calls as f64);
    row("`/v1/ida/auth`, with AES", each, ida_floor, WANTED_HTTP);
    println!(
        "| | {:.0} a second | p50 {:.2?} | p99 {:.2?} | |",
        measured.rate(),
        measured.at(50),
        measured.at(99)
    );
    drop(gateway);
    simulator.shutdown().await;
    kept
}

/// So many logins, each with a code of its own.
async fn log_in(gateway: &Gateway, simulator: &simulator::Running, count: usize) -> Measured {
    let (client, url) = (client(), format!("{}/v1/esignet/userinfo", gateway.api()));
    let esignet = Arc::clone(&simulator.esignet);
    let send = move |_| {
        let (client, url) = (client.clone(), url.clone());
        let code = esignet.log_in(FORM, None, None);
        async move {
            let login = json!({"code": code, "clientId": "opencrvs-client", "redirectUri": FORM}).to_string();
            let begun = Instant::now();
            let reply = post(&client, &url, login).await.expect("an answer");
            assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
            begun.elapsed()
        }
    };
    Measured::of(0, count, CONNECTIONS, send).await
}
