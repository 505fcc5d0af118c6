//! What is posted to the gateway, and what it acknowledged: events, a job, and pushes of MOSIP.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::country::{self, PACKETS};
use super::world::Seen;
use crate::error::{Code, Error, Result};
use crate::ledger::job::NewRecord;
use crate::ledger::{IdempotencyKey, Ledger, Sender};
use crate::mosip::authtoken::Form;
use crate::mosip::mediator::BIRTH_NID;
use crate::mosip::push::{Identity, Notice, Outcome};
use crate::mosip::{Stated, fake};
use crate::opencrvs::event::{Event, EventKind};
use crate::opencrvs::registration::Registration;
use crate::random::Random;
use crate::registration::Subject;

/// Where every event goes.
pub(super) const DESTINATIONS: [&str; 2] = ["mediator", "system"];
pub(super) const RECORDS: u64 = 3;
/// The type of a message that tells what came of a registration.
pub(super) const VERDICT: &str = "verdict";
const COMPOSITIONS: u32 = 2;
/// Events that are posted.
pub(super) const EVENTS: u32 = 5;
const PUSHES: u32 = 2;
const REGISTRATIONS: u32 = 2;

/// A call from outside, which is made again until it is acknowledged.
#[derive(Clone)]
enum Post {
    Event {
        composition: u32,
        kind: EventKind,
        body: Bytes,
    },
    Job,
    Push {
        composition: u32,
        token: String,
    },
    Verdict {
        composition: u32,
        outcome: Outcome,
    },
    Registration {
        number: u32,
        tracking: u32,
    },
    /// What MOSIP says of the registration under this id, once it has its packet.
    Answer {
        number: u32,
        id: String,
        outcome: Outcome,
    },
}

/// A push that was sent.
pub(super) struct Push {
    pub(super) composition: u32,
    /// Whether an event of its composition had been acknowledged before it was sent first.
    pub(super) finds_event: bool,
    /// The id that was acknowledged.
    pub(super) acknowledged: Option<String>,
}

/// A registration that was acknowledged.
pub(super) struct Registered {
    pub(super) id: String,
    /// What MOSIP says of it, and the id that its message was acknowledged with.
    pub(super) answer: Option<(Outcome, Option<String>)>,
}

/// What is posted, in order, and what came of it.
pub(super) struct Posts {
    waiting: Vec<Post>,
    /// Compositions of which an event was acknowledged.
    known: Vec<u32>,
    /// By content: the id that was acknowledged.
    pub(super) events: BTreeMap<Bytes, String>,
    pub(super) job: Option<String>,
    /// By token.
    pub(super) pushes: BTreeMap<String, Push>,
    /// The compositions of which MOSIP says what came of them, once all of their events were acknowledged.
    pub(super) verdicts: Vec<u32>,
    /// By number.
    pub(super) registrations: BTreeMap<u32, Registered>,
}

impl Posts {
    pub(super) fn new(random: &Random) -> Self {
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        let mut waiting = Vec::new();
        for number in 0..EVENTS {
            let composition = random.u32() % COMPOSITIONS;
            let nth = last.entry(composition).and_modify(|nth| *nth += 1).or_insert(0);
            let (kind, topic) = match *nth {
                0 => (EventKind::Birth, "BIRTH_REGISTERED"),
                1 => (EventKind::BirthCorrection, "CORRECTED"),
                2 => (EventKind::Death, "DEATH_REGISTERED"),
                _ => (EventKind::DeathCorrection, "CORRECTED"),
            };
            let body = event(topic, composition, number).to_string();
            waiting.push(Post::Event { composition, kind, body: Bytes::from(body) });
        }
        let mut others = vec![Post::Job];
        others.extend(
            (0..REGISTRATIONS)
                .map(|number| Post::Registration { number, tracking: random.u32() % REGISTRATIONS }),
        );
        others.extend((0..PUSHES).map(|number| Post::Push {
            composition: random.u32() % COMPOSITIONS,
            token: format!("token-{number}"),
        }));
        for post in others {
            let place = random.u32() as usize % (waiting.len() + 1);
            waiting.insert(place, post);
        }
        let mut verdicts = Vec::new();
        for composition in 0..COMPOSITIONS {
            let outcome = match random.u32() % 3 {
                0 => Outcome::Rejected,
                1 => Outcome::Issued,
                _ => continue,
            };
            waiting.push(Post::Verdict { composition, outcome });
            verdicts.push(composition);
        }
        for number in 0..REGISTRATIONS {
            let outcome = match random.u32() % 4 {
                0 => Outcome::Rejected,
                1 => continue,
                _ => Outcome::Issued,
            };
            waiting.push(Post::Answer { number, id: String::new(), outcome });
        }
        waiting.reverse();
        let (known, events, pushes) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { waiting, known, events, job: None, pushes, verdicts, registrations: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What is posted next.
    pub(super) fn next(&mut self) -> Option<Call> {
        let mut post = self.waiting.last()?.clone();
        if let Post::Answer { number, id, outcome } = &mut post
            && let Some(registered) = self.registrations.get_mut(number)
        {
            id.clone_from(&registered.id);
            registered.answer = Some((*outcome, None));
        }
        if let Post::Push { composition, token } = &post {
            let finds_event = self.known.contains(composition);
            let push = Push { composition: *composition, finds_event, acknowledged: None };
            self.pushes.entry(token.clone()).or_insert(push);
        }
        Some(Call(post))
    }

    /// The gateway answered the call that is next.
    pub(super) fn acknowledged(&mut self, id: String) {
        match self.waiting.pop() {
            Some(Post::Event { composition, body, .. }) => {
                self.known.push(composition);
                self.events.insert(body, id);
            }
            Some(Post::Job) => self.job = Some(id),
            Some(Post::Push { token, .. }) => {
                if let Some(push) = self.pushes.get_mut(&token) {
                    push.acknowledged = Some(id);
                }
            }
            Some(Post::Registration { number, .. }) => {
                self.registrations.insert(number, Registered { id, answer: None });
            }
            Some(Post::Answer { number, outcome, .. }) => {
                if let Some(registered) = self.registrations.get_mut(&number) {
                    registered.answer = Some((outcome, Some(id)));
                }
            }
            Some(Post::Verdict { .. }) | None => {}
        }
    }
}

/// A call that is made.
pub(super) struct Call(Post);

impl Call {
    /// Makes it; the id that it is acknowledged with.
    pub(super) async fn make(self, ledger: &Ledger, seen: &Mutex<Seen>) -> Result<String> {
        match self.0 {
            Post::Event { kind, body, .. } => {
                let event = Event::parse(kind, body)?;
                Ok(ledger.accept(event, DESTINATIONS.to_vec(), None).await?.id)
            }
            Post::Job => {
                let key = IdempotencyKey::parse(b"job")?;
                let ask = |place: u64| NewRecord::Ask(Zeroizing::new(person(place).into_bytes()));
                ledger.create_job(Form::Json, (0..RECORDS).map(ask).collect::<Vec<_>>(), Some(key)).await
            }
            Post::Push { composition, token } => {
                let body = json!({ "brn": brn(composition), "token": token }).to_string();
                ledger.receive(BIRTH_NID, Bytes::from(body), Sender::Known).await
            }
            Post::Registration { number, tracking } => {
                let body = Bytes::from(country::body(number, tracking).to_string());
                let registration = Registration::parse(EventKind::Birth, body)?;
                if let Some(token) = country::token_of(number) {
                    let registrations = vec![(registration, vec![PACKETS])];
                    ledger.accept_registrations(registrations, Some(token), "10001").await?;
                    let found = ledger.find(country::number_of(number)).await?;
                    return Ok(found.into_iter().next().unwrap().id);
                }
                Ok(ledger.accept_registration(registration, vec![PACKETS], None, "10001").await?.id)
            }
            Post::Answer { id, outcome, .. } => {
                if !seen.lock().unwrap().country.is_processed(&id) {
                    return Err(Error::new(Code::Upstream, "MOSIP does not have it yet"));
                }
                let body = json!({ "registration": id, "verdict": outcome.as_str() }).to_string();
                ledger.receive(BIRTH_NID, Bytes::from(body), Sender::Known).await
            }
            Post::Verdict { composition, outcome } => {
                let body = json!({ "brn": brn(composition), "verdict": outcome.as_str() }).to_string();
                ledger.receive(BIRTH_NID, Bytes::from(body), Sender::Known).await
            }
        }
    }
}

/// The person of the record at `place`.
pub(super) fn person(place: u64) -> String {
    format!("person-{place}")
}

/// What a push tells, as if its signature had been checked.
pub(super) fn notice(body: &[u8]) -> Stated<Notice> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let outcome = Outcome::ALL.into_iter().find(|outcome| body["verdict"] == outcome.as_str());
    let (brn, registration) = (text("brn"), text("registration"));
    let (kind, identity, data) = match (text("token"), &registration) {
        (Some(token), _) => ("uin-token.received", token.clone(), json!({ "uinToken": token })),
        (None, Some(id)) => {
            let data = json!({ "id": id, "vid": country::national_id(id) });
            (VERDICT, format!("verdict-{id}"), data)
        }
        (None, None) => (VERDICT, format!("verdict-{brn:?}"), json!({ "id": brn })),
    };
    fake::under_the_hub(Notice {
        kind,
        subject: Subject { brn, registration_id: registration, ..Subject::default() },
        outcome,
        receipt: None,
        identity: Identity::Once(identity),
        data,
        uin_token: None,
    })
}

pub(super) fn composition(number: u32) -> String {
    format!("c{number}")
}

pub(super) fn brn(composition: u32) -> String {
    format!("B{composition}")
}

fn event(topic: &str, number: u32, content: u32) -> Value {
    let registered = json!({
        "system": "http://opencrvs.org/specs/id/birth-registration-number",
        "value": brn(number),
    });
    let task = json!({
        "resourceType": "Task",
        "focus": { "reference": format!("Composition/{}", composition(number)) },
        "identifier": [registered],
    });
    let entry = json!([{ "resource": task }, { "resource": { "resourceType": "Patient" } }]);
    json!({ "event": { "hub": { "topic": topic }, "context": [{ "entry": entry, "content": content }] } })
}
