//! SIGKILL at random points under load, in a process of its own, again and again over one database: nothing that was taken is
//! lost, no event goes under two ids, no application id changes, and what the gateway acknowledged to MOSIP's hub reaches the mediator once.
//! Registrations go the whole way: from the country configuration to a packet, and from what the hub brings of it to OpenCRVS's core, under
//! one transaction. Events go to another ID system, too, which is down half the time: each under one id, in order, and held up by nobody.
//! Counted by what the simulator's MOSIP, its core and that system saw.
//!
//! Besides, the process dies where a packet was created, begun to be processed, or confirmed, and the answer has not come: the simulator holds it.
//!
//! `MOSIP_GATEWAY_KILLS=500 cargo test --release --test it kill -- --nocapture` kills 500 times, with three registrations for each kill, and
//! prints the counts in one line. A run that failed is repeated with its `MOSIP_GATEWAY_SEED`; the seed decides what is posted and when to
//! kill, not the scheduler.

mod confirmed;
mod counts;
mod hub;
mod moment;
mod registrations;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use self::counts::Counts;
use self::moment::{Moment, await_the_moment, posts};
use self::registrations::Registrations;
use crate::support::event::event;
use crate::support::mediator::Mediator;
use crate::support::mosip::Push;
use crate::support::process::Gateway;
use crate::support::random::Random;
use crate::support::system::IdSystem;
use crate::support::world::{self, urls};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::history::Record;
use mosip_gateway::simulator::{self, Behaviour, Callback, Settings, Simulator};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Kills where `MOSIP_GATEWAY_KILLS` says nothing.
const KILLS: u64 = 10;
/// Who posts at the same time.
const POSTERS: u64 = 4;
/// Compositions that are let out between two kills.
const STORIES_PER_KILL: usize = 6;
/// Registrations that are.
const REGISTRATIONS_PER_KILL: usize = 3;
/// From so many kills on MOSIP is silent about some registrations, which the gateway tells after a minute.
const SILENT_FROM: u64 = 100;
/// Until MOSIP's silence is told: the gateway looks for it once a minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(130);
/// Beside a second for every kill.
const LONGEST_DRAIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_random_points_under_load_loses_nothing_and_doubles_nothing() {
    let kills = variable("MOSIP_GATEWAY_KILLS").unwrap_or(KILLS);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = variable("MOSIP_GATEWAY_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("MOSIP_GATEWAY_SEED={seed}");
    let (start, mut random) = (Instant::now(), Random::new(seed));

    let mut mediator = Mediator::start();
    let mut gateway = Gateway::new();
    let simulator = Arc::new(start_simulator(&gateway.callback).await);
    let mut nia = IdSystem::start().await;
    configure(&mut gateway, &simulator, &mediator, &nia);
    let load = Arc::new(Load::new(kills >= SILENT_FROM));
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let (load, url) = (Arc::clone(&load), gateway.api());
        posters.spawn(async move { load.post_stories(&url, Random::new(seed ^ (poster + 1) << 32)).await });
    }
    for poster in POSTERS..POSTERS + 2 {
        let (load, url, simulator) = (Arc::clone(&load), gateway.api(), Arc::clone(&simulator));
        let random = Random::new(seed ^ (poster + 1) << 32);
        posters.spawn(async move { load.registrations.post(&simulator.core, &url, random).await });
    }
    let callback = format!("http://{}{}", gateway.callback, world::Hub::CALLBACK);
    let mut hub = JoinSet::new();
    let (pushing, url) = (Arc::clone(&load), callback.clone());
    hub.spawn(async move { pushing.push_rejections(&url).await });
    let (answering, mosip) = (Arc::clone(&load), Arc::clone(&simulator));
    hub.spawn(async move {
        answering.registrations.answer(&mosip, &callback, answering.hub_speaks.subscribe()).await;
    });

    let mut held = BTreeMap::new();
    for kill in 0..kills {
        let moment = Moment::of(kill, &mut random);
        simulator.controls.set(moment.behaviour(&mut random));
        system::take_turns(&nia, kill);
        load.gate.add_permits(STORIES_PER_KILL);
        load.registrations.gate.add_permits(REGISTRATIONS_PER_KILL);
        gateway.start();
        if let Some(step) = await_the_moment(moment, &gateway, &simulator, &load, &mut random).await {
            *held.entry(step).or_insert(0) += 1;
        }
        gateway.kill();
    }
    simulator.controls.set(Behaviour::default());
    nia.says(200, "{}");
    gateway.start();
    load.gate.close();
    load.registrations.gate.close();
    posters.join_all().await;
    let mut delivered = Delivered::default();
    // What does not come to rest shows in the counts.
    let silence = if kills >= SILENT_FROM { LONGEST_SILENCE } else { Duration::ZERO };
    let longest = LONGEST_DRAIN + Duration::from_secs(kills) + silence;
    let rest = async {
        settle(&gateway).await;
        load.hub_speaks.send_replace(false);
        hub.join_all().await;
        drain(&gateway, &simulator, &mut mediator, &load, &mut delivered).await;
    };
    let drained = tokio::time::timeout(longest, rest).await;

    let counts = Counts::of(&load, &simulator, &nia.all(), &gateway, &delivered).await;
    println!(
        "{kills} kills, of which the answer was held of {held:?}; {counts}; {:.0} s",
        start.elapsed().as_secs_f64()
    );
    assert!(drained.is_ok() || !counts.failures().is_empty(), "it did not come to rest");
    assert!(counts.taken > 0 && counts.resent > 0 && counts.rejected > 0, "there was no load");
    assert!(counts.system.has_every_end(), "the system was never down: {counts}");
    assert!(counts.registrations.have_every_end(), "there was no load of registrations: {counts}");
    assert_eq!(counts.failures(), BTreeMap::new(), "MOSIP_GATEWAY_SEED={seed}; log:\n{}", gateway.log());
    assert_eq!(held.len(), moment::HELD.len(), "each step was held: {held:?}");
}

/// Under the example that subscribes, with packets to MOSIP, confirmations to OpenCRVS, and events to another ID system, too.
fn configure(gateway: &mut Gateway, simulator: &simulator::Running, mediator: &Mediator, nia: &IdSystem) {
    let base = &simulator.base_url;
    let hub = world::Hub::beside(base, &gateway.callback);
    gateway.configure(&format!("{}{}", hub.text, system::section(nia)));
    let key = std::path::absolute("keys.example/opencrvs-jwt.pem").unwrap();
    gateway.set(&[
        ("DELIVER__URL", &mediator.url),
        ("FACES__MOSIP_API", "true"),
        ("FACES__OPENCRVS_JWT__FILE", key.to_str().unwrap()),
        ("WEBSUB__EXPECT_WITHIN", "1m"),
    ]);
    for (name, value) in urls(base).into_iter().chain(world::packets(base)).chain(world::confirms(base)) {
        gateway.set(&[(name, &value)]);
    }
    gateway.set(&hub.set().collect::<Vec<_>>());
}

pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn start_simulator(callback: &str) -> simulator::Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let url = format!("http://{callback}/birthReceiveNid").parse().unwrap();
    settings.callback = Some(Callback { url, roots_pem: None, client: None });
    Simulator::start(settings, Clock::system()).await.unwrap()
}

/// Waits until nothing is left to send. An operator has everything that waits tried at once.
pub(crate) async fn settle(gateway: &Gateway) {
    gateway.ready().await;
    let client = crate::support::process::client();
    loop {
        let mut left = 0;
        for state in ["queued", "leased"] {
            for event in gateway.get(&format!("/v1/events?state={state}")).await["events"].as_array().unwrap()
            {
                let route = format!("{}/v1/events/{}/retry", gateway.api(), event["id"].as_str().unwrap());
                crate::support::process::post(&client, &route, String::new()).await;
                left += 1;
            }
        }
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing is left to examine, to send or to deliver. What the mediator got goes into `delivered`.
async fn drain(
    gateway: &Gateway,
    simulator: &simulator::Running,
    mediator: &mut Mediator,
    load: &Load,
    delivered: &mut Delivered,
) {
    // MOSIP pushes after every birth, once.
    let births =
        |record: &Record| record.accepted.iter().filter(|accepted| json!(accepted.kind) == "birth").count();
    simulator.history.wait_until(|record| record.pushes.len() == births(record)).await;
    // Pushes are examined in order: once this one is, so is every other.
    let last = "last";
    gateway.push(Push::new(last).body()).await;
    while !delivered.hear(&mediator.next().await.1, last) {}
    settle(gateway).await;
    while !load.registrations.are_silent_told(delivered) {
        delivered.hear(&mediator.next().await.1, last);
    }
    while !gateway.get("/v1/inbox").await["messages"].as_array().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while let Ok((_, delivery)) = mediator.deliveries.try_recv() {
        delivered.hear(&delivery, last);
    }
}

/// What the mediator got.
#[derive(Default)]
struct Delivered {
    /// The ids of acceptances, and UINTOKENs.
    ids: BTreeSet<String>,
    /// Under which ids each rejected registration was reported; more than one is a failure.
    rejections: BTreeMap<String, BTreeSet<String>>,
    /// The ids of parked entries.
    parked: BTreeSet<String>,
    /// The records whose registrations MOSIP was silent about.
    silent: BTreeSet<String>,
}

impl Delivered {
    /// Whether it is the UINTOKEN `last`.
    fn hear(&mut self, delivery: &Value, last: &str) -> bool {
        let text = |pointer: &str| delivery.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        match delivery["type"].as_str().unwrap() {
            "event.accepted" => self.ids.insert(text("/data/id")),
            "event.parked" => self.parked.insert(text("/data/id")),
            "registration.silent" => self.silent.insert(text("/subject/eventId")),
            "registration.rejected" => {
                self.rejections.entry(text("/data/registrationId")).or_default().insert(text("/id"))
            }
            "uin-token.received" => {
                let token = text("/data/uinToken");
                let is_last = token == last;
                self.ids.insert(token);
                return is_last;
            }
            _ => false,
        };
        false
    }
}

/// Posters, and what they know.
struct Load {
    /// A permit for every composition that may be posted.
    gate: Semaphore,
    acknowledgements: watch::Sender<u64>,
    /// Turns false once nothing more comes to MOSIP: then its hub says what is left to say.
    hub_speaks: watch::Sender<bool>,
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

impl Load {
    fn new(is_ever_silent: bool) -> Self {
        Self {
            gate: Semaphore::new(0),
            acknowledgements: watch::Sender::new(0),
            hub_speaks: watch::Sender::new(true),
            known: Mutex::default(),
            registrations: Registrations::new(is_ever_silent),
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
