//! Simulates the day of a country in ten minutes: 100,000 births and deaths spread as over a day, while MOSIP is away for a third of it, the
//! signing key is replaced, and the process is killed twice. It then counts the events on MOSIP's side: none may be lost, and none may have
//! two ids.
//!
//! `cargo bench --bench soak` runs it; `-- --events N --seconds S` makes it smaller, `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::keys::Certificate;
use mosip_gateway::keys::make::{CertificateRequest, KeyMaker};
use mosip_gateway::simulator::history::Record;
use mosip_gateway::simulator::{Behaviour, Running, Settings, Simulator};
use mosip_gateway::upstream::Client;
use support::process::peak_memory;
use support::rings::event::event;
use support::rings::process::{Gateway, client, post};
use support::rings::world;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

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
    let mut gateway = Gateway::new();
    let urls = world::urls(&mosip.base_url);
    gateway.set(&urls.iter().map(|(name, url)| (*name, url.as_str())).collect::<Vec<_>>());
    gateway.set(&[("KEYS__DIR", &std::path::absolute(&keys).unwrap().display().to_string())]);
    gateway.start();
    gateway.ready().await;

    let hour = day / 24;
    let begun = Instant::now();
    let retries = Arc::new(AtomicU64::new(0));
    let posting = tokio::spawn(post_day(gateway.api(), events, hour, begun, Arc::clone(&retries)));
    let mut peak = 0;
    for at in 0..24 {
        sleep_until(begun + hour * u32::try_from(at).unwrap()).await;
        if at == AWAY.0 {
            mosip.controls.set(Behaviour { down: true, ..Behaviour::default() });
        }
        if at == AWAY.1 {
            mosip.controls.set(Behaviour::default());
        }
        if at == ROTATED {
            replace(&keys.join("keystore.p12"), &successor);
        }
        if KILLED.contains(&at) {
            peak = peak.max(peak_memory(gateway.pid()));
            gateway.kill();
            gateway.start();
            gateway.ready().await;
        }
    }
    posting.await.unwrap();
    let posted = begun.elapsed();
    let record = drained_record(&mosip, events).await;
    let drained = begun.elapsed();
    peak = peak.max(peak_memory(gateway.pid()));
    drop(gateway);

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
    let is_test = support::load::is_test();
    let (events, seconds) = if is_test { (200, 12) } else { (100_000, 600) };
    (value("--events").unwrap_or(events) as usize, Duration::from_secs(value("--seconds").unwrap_or(seconds)))
}

/// Posts every event once its time has come, until it is acknowledged.
async fn post_day(api: String, events: usize, hour: Duration, begun: Instant, retries: Arc<AtomicU64>) {
    let client = client();
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
            let (client, api, retries) = (client.clone(), api.clone(), Arc::clone(&retries));
            posting.spawn(async move {
                while !is_taken(&client, &api, index).await {
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
async fn is_taken(client: &Client, api: &str, index: usize) -> bool {
    let kind = if index.is_multiple_of(7) { "death" } else { "birth" };
    let body = event(kind, &composition(index), "Ada");
    match post(client, &format!("{api}/v1/events/{kind}"), body).await {
        Some(reply) if matches!(reply.status.as_u16(), 200 | 202) => true,
        Some(reply) => {
            panic!("the gateway answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body))
        }
        None => false,
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

/// MOSIP's side. It knows the next signing key of the gateway from the start.
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

/// Replaces files as a volume does, by renaming.
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
