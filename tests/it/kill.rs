//! SIGKILL at random points under load, in a process of its own, again and again over one database: nothing that was taken is
//! lost, no event goes under two ids, no application id changes, no registration becomes two packets, and what the gateway acknowledged to MOSIP's hub reaches the mediator once. Counted by what the
//! simulator saw.
//!
//! `MOSIP_GATEWAY_KILLS=500 cargo test --release --test it kill -- --nocapture` kills 500 times and prints the counts in one line. A
//! run that failed is repeated with its `MOSIP_GATEWAY_SEED`; the seed decides what is posted and when to kill, not the scheduler.

mod counts;
mod packets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use self::counts::Counts;
use self::packets::Registrations;
use crate::support::event::event;
use crate::support::gateway::HUB_SECRET;
use crate::support::mediator::Mediator;
use crate::support::mosip::Push;
use crate::support::process::Gateway;
use crate::support::random::Random;
use crate::support::world::{self, Hub, urls};
use mosip_gateway::clock::Clock;
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::simulator::history::Record;
use mosip_gateway::simulator::{self, AfterAccept, Behaviour, Callback, Settings, Simulator};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Kills where `MOSIP_GATEWAY_KILLS` says nothing.
const KILLS: u64 = 10;
/// Who posts at the same time.
const POSTERS: u64 = 4;
/// Compositions and registrations that are let out between two kills.
const STORIES_PER_KILL: usize = 8;
/// Beside a second for every kill.
const LONGEST_DRAIN: Duration = Duration::from_secs(20);
/// When whatever a kill waits for does not come, it comes without.
const LONGEST_LIFE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_random_points_under_load_loses_nothing_and_doubles_nothing() {
    let kills = variable("MOSIP_GATEWAY_KILLS").unwrap_or(KILLS);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = variable("MOSIP_GATEWAY_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("MOSIP_GATEWAY_SEED={seed}");
    let (start, mut random) = (Instant::now(), Random::new(seed));

    let mut mediator = Mediator::start();
    let mut gateway = Gateway::new();
    let simulator = start_simulator(&gateway.callback).await;
    gateway.set(&[("DELIVER__URL", &mediator.url)]);
    for (name, url) in urls(&simulator.base_url).into_iter().chain(world::packets(&simulator.base_url)) {
        gateway.set(&[(name, &url)]);
    }
    let hub = Hub::beside(&simulator.base_url, &gateway.callback);
    gateway.configure(hub.text);
    gateway.set(&hub.set().collect::<Vec<_>>());
    let load = Arc::new(Load::default());
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let (load, url) = (Arc::clone(&load), gateway.api());
        posters.spawn(async move { load.post_stories(&url, Random::new(seed ^ (poster + 1) << 32)).await });
    }
    for poster in POSTERS..POSTERS + 2 {
        let (load, url) = (Arc::clone(&load), gateway.api());
        let random = Random::new(seed ^ (poster + 1) << 32);
        posters.spawn(async move { load.registrations.post(&load.gate, &url, random).await });
    }

    let (pushing, callback) = (Arc::clone(&load), format!("http://{}{}", gateway.callback, Hub::CALLBACK));
    let hub = tokio::spawn(async move { pushing.push_rejections(&callback).await });

    for _ in 0..kills {
        simulator.controls.set(hostile(&mut random));
        load.gate.add_permits(STORIES_PER_KILL);
        gateway.start();
        await_the_moment(&gateway, &simulator, &load, &mut random).await;
        gateway.kill();
    }
    simulator.controls.set(Behaviour::default());
    gateway.start();
    load.gate.close();
    posters.join_all().await;
    load.rejecting.send_replace(false);
    hub.await.unwrap();
    let mut delivered = Delivered::default();
    // What does not come to rest shows in the counts.
    let longest = LONGEST_DRAIN + Duration::from_secs(kills);
    let drained =
        tokio::time::timeout(longest, drain(&gateway, &simulator, &mut mediator, &mut delivered)).await;

    let counts = Counts::of(&load, &simulator.history.record(), &gateway, &delivered).await;
    println!("{kills} kills, {counts}; {:.0} s", start.elapsed().as_secs_f64());
    assert!(drained.is_ok() || !counts.failures().is_empty(), "it did not come to rest");
    assert!(
        counts.taken > 0 && counts.resent > 0 && counts.rejected > 0 && counts.registered > 0,
        "there was no load"
    );
    assert_eq!(counts.failures(), BTreeMap::new(), "MOSIP_GATEWAY_SEED={seed}; log:\n{}", gateway.log());
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn start_simulator(callback: &str) -> simulator::Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let url = format!("http://{callback}/birthReceiveNid").parse().unwrap();
    settings.callback = Some(Callback { url, roots_pem: None, client: None });
    Simulator::start(settings, Clock::system()).await.unwrap()
}

/// How MOSIP is until the next kill.
fn hostile(random: &mut Random) -> Behaviour {
    Behaviour {
        delay_ms: random.below(8),
        fault_rate: [0.0, 0.0, 0.1, 0.4][random.index(4)],
        seed: random.below(u64::MAX),
        fault_after_accept: [None, None, Some(AfterAccept::HangUp), Some(AfterAccept::Answer500)]
            [random.index(4)],
        reject_token_once: random.one_in(8),
        ..Behaviour::default()
    }
}

/// When to kill: while it starts, at an acknowledgement, or as soon as MOSIP has accepted; each a little later.
async fn await_the_moment(
    gateway: &Gateway,
    simulator: &simulator::Running,
    load: &Load,
    random: &mut Random,
) {
    let (trigger, count) = (random.below(8), 1 + random.below(8));
    let later = Duration::from_micros(random.below(20_000));
    if trigger == 0 {
        // About as long as a start takes.
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
        return;
    }
    gateway.ready().await;
    let come = async {
        if trigger < 4 {
            let mut acknowledged = load.acknowledgements.subscribe();
            let enough = *acknowledged.borrow() + count;
            acknowledged.wait_for(|seen| *seen >= enough).await.unwrap();
        } else {
            let calls = |record: &Record| posts(record) + calls_about_packets(record);
            let enough = calls(&simulator.history.record()) + count;
            simulator.history.wait_until(|record| calls(record) >= enough).await;
        }
    };
    // Nothing comes where the breaker is open or nothing is left to post.
    let _ = tokio::time::timeout(LONGEST_LIFE, come).await;
    tokio::time::sleep(later).await;
}

/// Posts that MOSIP took, repeats among them.
fn posts(record: &Record) -> u64 {
    record.accepted.iter().map(|accepted| accepted.count + accepted.repeats).sum()
}

/// Calls that the packet manager and the workflow took, repeats among them.
fn calls_about_packets(record: &Record) -> u64 {
    record.packets.iter().map(|packet| packet.created + packet.processed + packet.repeats).sum()
}

/// Waits until nothing is left to send, to examine or to deliver. What the mediator got goes into `delivered`.
async fn drain(
    gateway: &Gateway,
    simulator: &simulator::Running,
    mediator: &mut Mediator,
    delivered: &mut Delivered,
) {
    gateway.ready().await;
    empty(gateway, "/v1/events?state=queued").await;
    empty(gateway, "/v1/events?state=leased").await;
    // MOSIP pushes after every birth, once.
    let births =
        |record: &Record| record.accepted.iter().filter(|accepted| json!(accepted.kind) == "birth").count();
    simulator.history.wait_until(|record| record.pushes.len() == births(record)).await;
    // Pushes are examined in order: once this one is, so is every other.
    let last = "last";
    gateway.push(Push::new(last).body()).await;
    let mut hear = |delivery: Value| {
        let what = match delivery["type"].as_str().unwrap() {
            "event.accepted" => &delivery["data"]["id"],
            "uin-token.received" => &delivery["data"]["uinToken"],
            "registration.rejected" => {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let ids = delivered.rejections.entry(text(&delivery["data"]["registrationId"])).or_default();
                ids.insert(text(&delivery["id"]));
                return false;
            }
            _ => return false,
        };
        delivered.ids.insert(what.as_str().unwrap().to_owned());
        what == last
    };
    while !hear(mediator.next().await.1) {}
    empty(gateway, "/v1/inbox").await;
    while let Ok((_, delivery)) = mediator.deliveries.try_recv() {
        hear(delivery);
    }
}

/// Waits until nothing is left in a list.
async fn empty(gateway: &Gateway, route: &str) {
    loop {
        let answer = gateway.get(route).await;
        let left = ["events", "messages"].into_iter().find_map(|name| answer[name].as_array());
        if left.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the mediator got.
#[derive(Default)]
struct Delivered {
    /// The ids of acceptances, and UINTOKENs.
    ids: BTreeSet<String>,
    /// Under which ids each rejected registration was reported; more than one is a failure.
    rejections: BTreeMap<String, BTreeSet<String>>,
}

/// Posters, and what they know.
struct Load {
    /// A permit for every composition that may be posted.
    gate: Semaphore,
    acknowledgements: watch::Sender<u64>,
    /// Turns false when the hub has nothing more to say.
    rejecting: watch::Sender<bool>,
    known: Mutex<Known>,
    registrations: Registrations,
}

#[derive(Default)]
struct Known {
    compositions: u64,
    /// What was posted, whether or not anybody heard that it was taken.
    posted: BTreeSet<Event>,
    /// Under which ids it was taken; more than one is a failure.
    taken: BTreeMap<Event, BTreeSet<String>>,
    /// Registrations whose rejection was answered 200.
    rejected: BTreeSet<String>,
}

/// What makes two posts the same event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    composition: String,
    kind: &'static str,
    name: &'static str,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            gate: Semaphore::new(0),
            acknowledgements: watch::Sender::new(0),
            rejecting: watch::Sender::new(true),
            known: Mutex::default(),
            registrations: Registrations::default(),
        }
    }
}

impl Load {
    /// Posts rejections as MOSIP's hub does, each until it is answered 2xx, and every third once more.
    async fn push_rejections(&self, callback: &str) {
        let client = crate::support::process::client();
        for number in 0.. {
            if !*self.rejecting.borrow() {
                return;
            }
            let id = format!("r{number}");
            let body =
                json!({ "instanceId": id, "resultCode": "REJECTED", "workflowType": "CRVS_NEW" }).to_string();
            let tag = hmac::tag(HmacAlgorithm::Sha256, HUB_SECRET.as_bytes(), &[body.as_bytes()]);
            let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut left = if number % 3 == 0 { 2 } else { 1 };
            while left > 0 {
                let reply = crate::support::process::push(&client, callback, &hex, &body).await;
                match reply.map(|reply| reply.status.as_u16()) {
                    Some(200) => left -= 1,
                    None | Some(503 | 507) => {}
                    Some(status) => panic!("the hub is answered {status}"),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.known.lock().unwrap().rejected.insert(id);
        }
    }

    /// Posts everything about one composition after another, until the gate closes.
    async fn post_stories(&self, url: &str, mut random: Random) {
        let client = crate::support::process::client();
        while let Ok(permit) = self.gate.acquire().await {
            permit.forget();
            for event in self.story(&mut random) {
                let gives_up = random.one_in(20);
                self.known.lock().unwrap().posted.insert(event.clone());
                while let Err(refused) = self.post(&client, url, &event, &mut random).await {
                    assert!(refused.is_none_or(|status| matches!(status, 503 | 507)), "{refused:?}");
                    if gives_up {
                        break;
                    }
                    // Until it is back.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }

    /// A birth or death; sometimes its correction, the same again, or the same composition registered with other content.
    fn story(&self, random: &mut Random) -> Vec<Event> {
        let composition = {
            let mut known = self.known.lock().unwrap();
            known.compositions += 1;
            format!("k{}", known.compositions)
        };
        let (kind, correction) =
            if random.one_in(3) { ("death", "death-correction") } else { ("birth", "birth-correction") };
        let event = |kind, name| Event { composition: composition.clone(), kind, name };
        let mut story = vec![event(kind, "Ada")];
        let further = [(4, event(correction, "Ada")), (3, event(kind, "Ada")), (6, event(kind, "Mary"))];
        story.extend(further.into_iter().filter_map(|(share, event)| random.one_in(share).then_some(event)));
        story
    }

    /// Posts once, as a webhook of its own; the status of a refusal, if there was an answer.
    async fn post(
        &self,
        client: &mosip_gateway::upstream::Client,
        url: &str,
        event: &Event,
        random: &mut Random,
    ) -> Result<(), Option<u16>> {
        let body = self::event(event.kind, &event.composition, event.name);
        let webhook = format!("{:08x}", random.below(1 << 32));
        let body = body.replace("7d1f0a52", &webhook);
        let route = format!("{url}/v1/events/{}", event.kind);
        let reply = crate::support::process::post(client, &route, body).await.ok_or(None)?;
        if !matches!(reply.status.as_u16(), 200 | 202) {
            return Err(Some(reply.status.as_u16()));
        }
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        let id = answer["id"].as_str().unwrap().to_owned();
        self.known.lock().unwrap().taken.entry(event.clone()).or_default().insert(id);
        self.acknowledgements.send_modify(|count| *count += 1);
        Ok(())
    }
}

#[tokio::test]
async fn a_process_that_crashes_leaves_no_core() {
    let mut gateway = Gateway::new();
    gateway.start();
    gateway.ready().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core: Vec<_> = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(core[..2], ["0", "0"], "soft and hard limit");
    gateway.kill();
}
