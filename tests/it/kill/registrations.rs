//! Registrations that the country configuration hands over while the gateway is killed again and again, and what MOSIP says of each.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator;
use mosip_gateway::simulator::credentials::{CredentialType, Registration};
use mosip_gateway::simulator::opencrvs::{Core, Waiting};
use mosip_gateway::simulator::packets::Packet;
use mosip_gateway::upstream::{Client, Request};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::Delivered;
use super::hub::{self, rejection};
use crate::support::mosip::caller_token;
use crate::support::process;
use crate::support::random::Random;

/// What MOSIP says of a registration once it has its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Issued,
    /// Two credentials are issued, which are no repeats of each other.
    IssuedTwice,
    Rejected,
    /// It is rejected, and then a credential comes all the same.
    RejectedThenIssued,
    /// Nothing at all.
    Silent,
}

/// A registration that was acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) kind: &'static str,
    pub(super) fate: Fate,
    /// All of it was posted: MOSIP may speak of it. Another one under its number is no longer refused then.
    is_over: bool,
    /// The hub has brought all that MOSIP says of it.
    is_answered: bool,
}

pub(super) struct Registrations {
    /// A permit for every registration that may be posted.
    pub(super) gate: Semaphore,
    is_ever_silent: bool,
    /// By the number, which names the record too.
    stories: Mutex<BTreeMap<String, Story>>,
}

impl Registrations {
    pub(super) fn new(is_ever_silent: bool) -> Self {
        Self { gate: Semaphore::new(0), is_ever_silent, stories: Mutex::default() }
    }

    pub(super) fn stories(&self) -> MutexGuard<'_, BTreeMap<String, Story>> {
        self.stories.lock().unwrap()
    }

    /// Posts one registration after another, until the gate closes: each until it is taken, sometimes once more, and sometimes with other
    /// fields under its number, which is refused while the first one is on its way.
    pub(super) async fn post(&self, core: &Core, url: &str, mut random: Random) {
        let (client, own) = (process::client(), random.below(1 << 32));
        let route = format!("{url}/events/registration");
        for index in 0.. {
            let Ok(permit) = self.gate.acquire().await else { return };
            permit.forget();
            let kind = if random.one_in(3) { "death" } else { "birth" };
            let number = format!("n{own}-{index}");
            core.asks(&number, &format!("{number}-action"), Waiting::Registration);
            let fate = self.fate(index, &mut random);
            post_until(&client, &route, &body(kind, &number, "Ada"), 202).await;
            let story = Story { kind, fate, is_over: false, is_answered: false };
            self.stories().insert(number.clone(), story);
            if random.one_in(3) {
                post_until(&client, &route, &body(kind, &number, "Ada"), 202).await;
            }
            if random.one_in(4) {
                post_until(&client, &route, &body(kind, &number, "Mary"), 422).await;
            }
            self.stories().get_mut(&number).unwrap().is_over = true;
        }
    }

    /// Each of them at the first registrations of a poster, and then at random.
    fn fate(&self, index: u64, random: &mut Random) -> Fate {
        const FIRST: [Fate; 4] = [Fate::Issued, Fate::Rejected, Fate::IssuedTwice, Fate::RejectedThenIssued];
        let drawn = random.below(20);
        match usize::try_from(index).ok().and_then(|index| FIRST.get(index)) {
            Some(fate) => *fate,
            None => match drawn {
                0..2 => Fate::Rejected,
                2 => Fate::RejectedThenIssued,
                3..6 => Fate::IssuedTwice,
                6 if self.is_ever_silent => Fate::Silent,
                _ => Fate::Issued,
            },
        }
    }

    /// As MOSIP's hub, says of each registration that MOSIP has what is its fate. Once the hub is to end, everything is with MOSIP: then it says
    /// what it has not said.
    pub(super) async fn answer(
        &self,
        simulator: &simulator::Running,
        callback: &str,
        speaks: watch::Receiver<bool>,
    ) {
        let client = process::client();
        loop {
            let is_last_round = !*speaks.borrow();
            for packet in simulator.history.record().packets.iter().filter(|packet| packet.processed > 0) {
                let number = number_of(packet);
                let story = self.stories().get(number).cloned();
                let Some(story) = story.filter(|story| story.is_over && !story.is_answered) else { continue };
                for message in messages(simulator, packet, &story) {
                    hub::post(&client, callback, &message).await;
                }
                self.stories().get_mut(number).unwrap().is_answered = true;
            }
            if is_last_round {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether the mediator was told of every registration that MOSIP is silent about.
    pub(super) fn are_silent_told(&self, delivered: &Delivered) -> bool {
        let stories = self.stories();
        let mut silent = stories.iter().filter(|(_, story)| story.fate == Fate::Silent);
        silent.all(|(number, _)| delivered.silent.contains(number))
    }
}

/// The number of the person of a birth.
pub(super) fn national_id(packet: &Packet) -> String {
    packet.id.chars().rev().take(16).collect()
}

/// The number of the registration, which MOSIP's side finds in another field at a death.
pub(super) fn number_of(packet: &Packet) -> &str {
    packet.content["fields"]["referenceNumber"].as_str().unwrap()
}

/// What the hub brings, in order.
fn messages(simulator: &simulator::Running, packet: &Packet, story: &Story) -> Vec<String> {
    let registration = Registration {
        registration_id: packet.id.clone(),
        number: (story.kind == "birth").then(|| national_id(packet)),
        ..Registration::default()
    };
    let credential = || {
        let now = Clock::system().now();
        let published = simulator.issuer.publish(&registration, CredentialType::Vercred, None, now).unwrap();
        String::from_utf8(published.body.to_vec()).unwrap()
    };
    let rejection = || rejection(&packet.id).to_string();
    match story.fate {
        Fate::Issued => vec![credential()],
        Fate::IssuedTwice => vec![credential(), credential()],
        Fate::Rejected => vec![rejection()],
        Fate::RejectedThenIssued => vec![rejection(), credential()],
        Fate::Silent => Vec::new(),
    }
}

/// As the country configuration makes it.
fn body(kind: &str, number: &str, name: &str) -> Value {
    let of_kind = if kind == "birth" { "birthCertificateNumber" } else { "deathCertificateNumber" };
    json!({
        "trackingId": format!("T{number}"),
        "eventId": number,
        "actionId": format!("{number}-action"),
        "requestFields": { of_kind: number, "referenceNumber": number, "fullName": name },
        "schemaJson": "{}",
    })
}

/// Posts it until the gateway answers; that has to be `wanted`.
async fn post_until(client: &Client, route: &str, body: &Value, wanted: u16) {
    let bearer: HeaderValue = format!("Bearer {}", caller_token()).parse().unwrap();
    let json = HeaderValue::from_static("application/json");
    loop {
        let request = Request {
            method: Method::POST,
            uri: route.parse().unwrap(),
            headers: HeaderMap::from_iter([
                (header::CONTENT_TYPE, json.clone()),
                (header::AUTHORIZATION, bearer.clone()),
            ]),
            body: body.to_string().into(),
            deadline: Duration::from_secs(30),
            max_response: 1 << 20,
        };
        match client.send(request).await.ok().filter(|reply| !matches!(reply.status.as_u16(), 503 | 507)) {
            // Until it is back.
            None => tokio::time::sleep(Duration::from_millis(2)).await,
            Some(reply) => {
                let text = String::from_utf8_lossy(&reply.body);
                return assert_eq!(reply.status, wanted, "{body}: {text}");
            }
        }
    }
}
