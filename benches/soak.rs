//! A day of a country in ten minutes: 100,000 births and deaths on a day's profile, MOSIP away for a third of it, the signing key
//! replaced and the process killed, twice. Counts what MOSIP's side saw: lost 0, two ids for one event 0.
//!
//! `cargo bench --bench soak` runs it; `-- --events N --seconds S` makes it smaller, `-- --test` only shows that it runs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::zombie_processes,
    reason = "a soak says so by panicking, and prints"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::config::Config;
use mosip_gateway::keys::Certificate;
use mosip_gateway::keys::make::{CertificateRequest, KeyMaker};
use mosip_gateway::simulator::history::Record;
use mosip_gateway::simulator::{Knobs, Running, Settings, Simulator};
use mosip_gateway::upstream::{Client, Request};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const EXAMPLE: &str = include_str!("../deploy/example.toml");
const BIRTH: &str = include_str!("../src/demo/birth.json");
const COMPOSITION: &str = "3b1c2f40-0000-4000-8000-000000000001";
/// Registrations by hour, as shares of the busiest: offices open at eight and close at six.
const DAY: [f64; 24] = [
    0.02, 0.02, 0.02, 0.02, 0.02, 0.05, 0.1, 0.3, 0.8, 1.0, 1.0, 0.9, 0.6, 0.8, 0.9, 0.8, 0.6, 0.3, 0.15,
    0.1, 0.08, 0.05, 0.03, 0.02,
];
/// Hours at which MOSIP goes away and comes back, the key is replaced, the process is killed.
const AWAY: (usize, usize) = (9, 17);
const ROTATED: usize = 12;
const KILLED: [usize; 2] = [11, 18];

#[tokio::main]
async fn main() {
    let (events, day) = size();
    let home = tempfile::tempdir_in("target").unwrap();
    let keys = home.path().join("keys");
    copy("keys.example", &keys);
    let (successor, certificate) = successor();
    let mosip = mosip(certificate).await;
    let gateway = Gateway::new(home.path(), &mosip.base_url).await;
    let mut process = gateway.start().await;

    let hour = day / 24;
    let begun = Instant::now();
    let retries = Arc::new(AtomicU64::new(0));
    let posting = tokio::spawn(post_day(gateway.clone(), events, hour, begun, Arc::clone(&retries)));
    let mut peak = 0;
    for at in 0..24 {
        sleep_until(begun + hour * u32::try_from(at).unwrap()).await;
        if at == AWAY.0 {
            mosip.dials.set(Knobs { down: true, ..Knobs::default() });
        }
        if at == AWAY.1 {
            mosip.dials.set(Knobs::default());
        }
        if at == ROTATED {
            replace(&keys.join("keystore.p12"), &successor);
        }
        if KILLED.contains(&at) {
            peak = peak.max(resident_peak(&process));
            process.kill().unwrap();
            process.wait().unwrap();
            process = gateway.start().await;
        }
    }
    posting.await.unwrap();
    let posted = begun.elapsed();
    let record = drained_record(&mosip, events).await;
    let drained = begun.elapsed();
    peak = peak.max(resident_peak(&process));
    process.kill().unwrap();
    process.wait().unwrap();

    let Count { lost, two_ids, aids_changed, resent } = count(&record, events);
    println!(
        "events {events} in {posted:.0?}, all with MOSIP after {drained:.0?}; posts repeated {}",
        retries.load(Ordering::Relaxed)
    );
    println!(
        "lost {lost}, two ids for one event {two_ids}, changed between attempts {aids_changed}; resent under the same id {resent}"
    );
    println!("resident memory of the gateway at most {peak} KiB");
    assert_eq!((lost, two_ids, aids_changed), (0, 0, 0));
}

/// What MOSIP's side has once it has everything, or once nothing more has come for a minute.
async fn drained_record(mosip: &Running, events: usize) -> Record {
    const PATIENCE: Duration = Duration::from_secs(60);
    loop {
        let before = mosip.history.record().accepted.len();
        let grown = mosip.history.wait_until(|record| record.accepted.len() >= events.min(before + 2_000));
        match tokio::time::timeout(PATIENCE, grown).await {
            Ok(record) if record.accepted.len() < events => {}
            Ok(record) => return record,
            Err(_) => return mosip.history.record(),
        }
    }
}

/// Events and the length of the day.
fn size() -> (usize, Duration) {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let is_test = arguments.iter().any(|word| word == "--test");
    let (events, seconds) = if is_test { (200, 12) } else { (100_000, 600) };
    (value("--events").unwrap_or(events) as usize, Duration::from_secs(value("--seconds").unwrap_or(seconds)))
}

/// Posts every event once its time has come, until it is acknowledged.
async fn post_day(gateway: Gateway, events: usize, hour: Duration, begun: Instant, retries: Arc<AtomicU64>) {
    let client = gateway.client();
    let mut posting = JoinSet::new();
    let whole: f64 = DAY.iter().sum();
    let mut first = 0;
    let mut share = 0.0;
    for (at, weight) in DAY.iter().enumerate() {
        share += weight / whole;
        let last = if at == 23 { events } else { (events as f64 * share) as usize };
        for index in first..last {
            let within = hour.mul_f64((index - first) as f64 / (last - first) as f64);
            sleep_until(begun + hour * u32::try_from(at).unwrap() + within).await;
            while posting.len() >= 64 {
                posting.join_next().await;
            }
            let (client, api, retries) = (client.clone(), gateway.api.clone(), Arc::clone(&retries));
            posting.spawn(async move {
                while !post(&client, &api, index).await {
                    retries.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(100)).await;
                }
            });
        }
        first = last;
    }
    posting.join_all().await;
}

/// Whether the gateway acknowledged it. Every seventh event is a death.
async fn post(client: &Client, api: &str, index: usize) -> bool {
    let kind = if index.is_multiple_of(7) { "death" } else { "birth" };
    let topic = if kind == "death" { "DEATH_REGISTERED" } else { "BIRTH_REGISTERED" };
    let body = BIRTH.replace(COMPOSITION, &composition(index)).replace("BIRTH_REGISTERED", topic);
    let request = Request {
        method: Method::POST,
        uri: format!("http://{api}/v1/events/{kind}").parse().unwrap(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
        body: body.into(),
        deadline: Duration::from_secs(10),
        max_response: 1 << 16,
    };
    match client.send(request).await {
        Ok(reply) if matches!(reply.status.as_u16(), 200 | 202) => true,
        Ok(reply) => {
            panic!("the gateway answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body))
        }
        Err(_) => false,
    }
}

fn composition(index: usize) -> String {
    format!("3b1c2f40-0000-4000-8000-{index:012x}")
}

struct Count {
    lost: usize,
    two_ids: usize,
    aids_changed: u64,
    resent: u64,
}

fn count(record: &Record, events: usize) -> Count {
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    for accepted in &record.accepted {
        *ids.entry(accepted.composition.as_str()).or_default() += 1;
    }
    Count {
        lost: (0..events).filter(|index| !ids.contains_key(composition(*index).as_str())).count(),
        two_ids: ids.values().filter(|count| **count > 1).count(),
        aids_changed: record.accepted.iter().map(|accepted| accepted.altered).sum(),
        resent: record.accepted.iter().map(|accepted| accepted.repeats + accepted.count - 1).sum(),
    }
}

/// MOSIP's side; it knows the successor of our signing key from the start.
async fn mosip(successor: Certificate) -> Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    settings.partners.push(successor);
    Simulator::start(settings, Clock::system()).await.unwrap()
}

/// A bundle with the next signing key, and its certificate.
fn successor() -> (Vec<u8>, Certificate) {
    let key = KeyMaker::generate(2048).unwrap();
    let now = Clock::system().now().seconds();
    let request = CertificateRequest {
        country: "MA",
        organization: "OpenCRVS",
        common_name: "opencrvs-partner",
        not_before: Timestamp::from_seconds(now - 60),
        not_after: Timestamp::from_seconds(now + 30 * 86_400),
        ca: false,
        names: &[],
    };
    let certificate = key.certify(&request, None).unwrap();
    let password = fs::read_to_string("keys.example/keystore.password").unwrap();
    (key.to_pkcs12(std::slice::from_ref(&certificate), password.trim_end()).unwrap(), certificate)
}

/// As a volume is replaced: by rename.
fn replace(file: &Path, content: &[u8]) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, content).unwrap();
    fs::rename(fresh, file).unwrap();
}

fn copy(from: &str, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// `VmHWM`, KiB.
fn resident_peak(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The gateway as a process.
#[derive(Clone)]
struct Gateway {
    config: PathBuf,
    log: PathBuf,
    api: String,
    ops: String,
}

impl Gateway {
    async fn new(home: &Path, mosip: &str) -> Self {
        let home = std::path::absolute(home).unwrap();
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let [internal, ops, callback] =
            [0, 1, 2].map(|at: usize| ports[at].local_addr().unwrap().to_string());
        let text = EXAMPLE
            .replace("http://127.0.0.1:4600", mosip)
            .replace("127.0.0.1:4546", &internal)
            .replace("127.0.0.1:4547", &callback)
            .replace("127.0.0.1:4548", &ops)
            .replace("../keys.example", &home.join("keys").display().to_string());
        let config = home.join("gateway.toml");
        fs::write(&config, text).unwrap();
        let log = home.join("gateway.log");
        Self { config, log, api: internal, ops }
    }

    fn client(&self) -> Client {
        let variables =
            BTreeMap::from([("MOSIP_AUTH_CLIENT_SECRET".to_owned(), "example-client-secret".to_owned())]);
        Client::new(&Config::load(Some(&self.config), &variables).unwrap().upstream).unwrap()
    }

    /// Starts it and waits until it is ready.
    async fn start(&self) -> Child {
        let process = Command::new(env!("CARGO_BIN_EXE_mosip-gateway"))
            .args(["serve", "--allow-example-keys", "--config"])
            .arg(&self.config)
            .env("MOSIP_AUTH_CLIENT_SECRET", "example-client-secret")
            .env("MOSIP_GATEWAY_LOG", "error")
            .env("MOSIP_GATEWAY__LISTEN__INTERNAL", &self.api)
            .env("MOSIP_GATEWAY__LISTEN__OPS", &self.ops)
            .stderr(File::options().append(true).create(true).open(&self.log).unwrap())
            .spawn()
            .unwrap();
        let client = self.client();
        loop {
            let request = Request {
                method: Method::GET,
                uri: format!("http://{}/readyz", self.ops).parse().unwrap(),
                headers: HeaderMap::new(),
                body: Default::default(),
                deadline: Duration::from_secs(5),
                max_response: 1 << 20,
            };
            if client.send(request).await.is_ok_and(|reply| reply.status == 200) {
                return process;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
