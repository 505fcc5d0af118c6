//! Registrations on their whole way: through MOSIP's packet manager and workflow, and back to OpenCRVS's core. The destinations are those of
//! production; the two that they call are faked here, and write down what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::Plant;
use crate::clock::{Clock, Timestamp};
use crate::destinations::fake::tools;
use crate::destinations::opencrvs::{self, CONFIRM, ConfirmWith, Opencrvs};
use crate::destinations::packets::{self, Packets};
use crate::destinations::{Destination, Listed, Route, Rows, Step, Steps, Tools, Work};
use crate::error::Result;
use crate::keys::{Keyring, Ring};
use crate::ledger::Confirmations;
use crate::mosip::push::Outcome;
use crate::opencrvs::confirm::Verdict;
use crate::opencrvs::record_token::{KeptToken, RecordToken};
use crate::random::Random;

/// The destination of packets.
pub(super) const PACKETS: &str = "packets";
/// The destination of confirmations.
pub(super) const OPENCRVS: &str = "opencrvs";
/// What a record of OpenCRVS waits for.
const ACTION: &str = "action";

/// How the ledger confirms: what MOSIP rejects, and what it is silent about, is rejected.
pub(super) fn confirmations() -> Confirmations {
    Confirmations {
        destination: OPENCRVS,
        kind: CONFIRM,
        national_id_key: "VID".to_owned(),
        rejects_rejected: true,
        rejects_silent: true,
        keeps_tokens: true,
        settles: false,
    }
}

/// Both destinations, as they are in production, but for a planted defect.
pub(super) fn destinations(plant: Option<Plant>, random: &Random) -> [Arc<dyn Destination>; 2] {
    let tools = || -> Tools {
        tools(Keyring::fixed(Ring::default()), Clock::fixed(Timestamp::from_seconds(1_800_000_000)))
    };
    let url = |path: &str| Some(format!("http://upstream{path}").parse().unwrap());
    let settings = packets::Settings {
        create: url("/create"),
        process: url("/process"),
        center_id: Some("1".to_owned()),
        machine_id: Some("2".to_owned()),
        ..packets::Settings::default()
    };
    let packets = Packets::new(settings, &tools());
    let mut settings = opencrvs::Settings::default();
    settings.confirmation.url = url("/core");
    // Where no token came, or it is refused, the client confirms.
    settings.confirmation.with = ConfirmWith::RecordToken;
    settings.confirmation.national_id_key = "VID".to_owned();
    let opencrvs = Opencrvs::new(settings, &tools());
    let real: [Arc<dyn Destination>; 2] = [Arc::new(packets), Arc::new(opencrvs)];
    real.map(|real| -> Arc<dyn Destination> { Arc::new(Spoilt { real, plant, random: random.clone() }) })
}

/// A destination with a planted defect.
struct Spoilt {
    real: Arc<dyn Destination>,
    plant: Option<Plant>,
    random: Random,
}

impl Destination for Spoilt {
    fn rows(&self) -> Rows {
        self.real.rows()
    }

    fn routes(&self) -> Vec<Route> {
        self.real.routes()
    }
}

impl Steps for Spoilt {
    fn next(&self, work: &Work) -> Result<Step> {
        let is_confirmation = work.kind == CONFIRM;
        let (id, payload) = match self.plant {
            Some(Plant::AnotherTransaction) if is_confirmation => {
                let mut confirmation: Value = serde_json::from_slice(&work.payload).unwrap();
                confirmation["transactionId"] = format!("drawn-{}", self.random.u32()).into();
                (work.id.clone(), Bytes::from(confirmation.to_string()))
            }
            Some(Plant::AnotherPacket) if !is_confirmation && self.random.u32().is_multiple_of(8) => {
                (format!("10001{:010}", self.random.u32()), work.payload.clone())
            }
            _ => return self.real.next(work),
        };
        self.real.next(&Work {
            id,
            kind: work.kind.clone(),
            payload,
            progress: work.progress.clone(),
            record_token: match &work.record_token {
                KeptToken::None => KeptToken::None,
                KeptToken::Rejected => KeptToken::Rejected,
                KeptToken::Ended => KeptToken::Ended,
                KeptToken::Token(kept) => KeptToken::Token(token(kept.event_id()).unwrap()),
            },
        })
    }
}

/// A packet that MOSIP has.
struct Packet {
    content: Value,
    is_processed: bool,
}

/// What MOSIP's packet manager and OpenCRVS's core saw, over all lives of the gateway.
#[derive(Default)]
pub(super) struct Country {
    /// By registration id.
    packets: BTreeMap<String, Packet>,
    /// By the number of the registration: its registration id.
    numbers: BTreeMap<String, String>,
    /// By record: what was decided, and with what.
    decisions: BTreeMap<String, (Verdict, Value)>,
    /// By record and decision: the transactions that it was tried under.
    transactions: BTreeMap<(String, bool), BTreeSet<String>>,
}

/// What is asked of the two.
pub(super) enum Asked {
    Create(Value),
    Process(String),
    Look(String),
    Decide(Verdict, Value),
}

impl Asked {
    /// `None`: it is asked of somebody else.
    pub(super) fn read(path: &str, query: Option<&str>, body: &[u8]) -> Option<Self> {
        let body = || -> Value { serde_json::from_slice(body).unwrap() };
        match path.strip_prefix("/core/events/") {
            Some("event.get") => {
                let input = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "input")?;
                let input: Value = serde_json::from_str(&input.1).unwrap();
                Some(Self::Look(text(&input["0"]["json"]["eventId"])))
            }
            Some(decides) => {
                let verdict = if decides.ends_with("accept") { Verdict::Accept } else { Verdict::Reject };
                Some(Self::Decide(verdict, body()["0"]["json"].clone()))
            }
            None if path == "/create" => Some(Self::Create(body()["request"].clone())),
            None if path == "/process" => Some(Self::Process(text(&body()["request"]["registrationId"]))),
            None => None,
        }
    }

    /// Where it is asked, and about what: no two calls about one are under way at once.
    pub(super) fn line(&self) -> (&'static str, String) {
        match self {
            Self::Create(request) => (PACKETS, text(&request["id"])),
            Self::Process(id) => (PACKETS, id.clone()),
            Self::Look(event) => (OPENCRVS, event.clone()),
            Self::Decide(_, input) => (OPENCRVS, text(&input["eventId"])),
        }
    }

    /// How it is refused with `status`.
    pub(super) fn refused(&self, status: StatusCode) -> (StatusCode, Bytes) {
        let is_core = matches!(self, Self::Look(_) | Self::Decide(..));
        match status {
            StatusCode::UNPROCESSABLE_ENTITY if is_core => error(StatusCode::CONFLICT, "CONFLICT"),
            StatusCode::UNAUTHORIZED if is_core => error(status, "UNAUTHORIZED"),
            StatusCode::UNAUTHORIZED => (status, errors("KER-ATH-401")),
            StatusCode::UNPROCESSABLE_ENTITY => (StatusCode::OK, errors("KER-PUT-022")),
            _ => (status, Bytes::new()),
        }
    }
}

impl Country {
    /// Whether MOSIP has begun to process the packet `id`.
    pub(super) fn is_processed(&self, id: &str) -> bool {
        self.packets.get(id).is_some_and(|packet| packet.is_processed)
    }

    /// Does what is asked; what must not have happened comes beside the answer.
    pub(super) fn take(&mut self, asked: Asked) -> (StatusCode, Bytes, Vec<String>) {
        let mut faults = Vec::new();
        let (status, body) = match asked {
            Asked::Create(request) => {
                let (id, number) = (text(&request["id"]), text(&request["fields"]["referenceNumber"]));
                if self.numbers.entry(number.clone()).or_insert_with(|| id.clone()) != &id {
                    faults.push(format!("{number} became two packets"));
                }
                let packet = Packet { content: request.clone(), is_processed: false };
                if self.packets.entry(id.clone()).or_insert(packet).content != request {
                    faults.push(format!("{id} came with other content"));
                }
                (StatusCode::OK, Bytes::from(json!({ "response": [{ "id": id }], "errors": [] }).to_string()))
            }
            Asked::Process(id) => match self.packets.get_mut(&id) {
                None => {
                    faults.push(format!("{id} is to be processed and has no packet"));
                    (StatusCode::OK, errors("RPR-WIN-001"))
                }
                Some(packet) if packet.is_processed => (StatusCode::OK, errors("RPR-WIS-001")),
                Some(packet) => {
                    packet.is_processed = true;
                    let response = json!({ "response": { "workflowInstanceId": id }, "errors": [] });
                    (StatusCode::OK, Bytes::from(response.to_string()))
                }
            },
            Asked::Look(event) => (StatusCode::OK, self.document(&event)),
            Asked::Decide(verdict, input) => {
                let (event, transaction) = (text(&input["eventId"]), text(&input["transactionId"]));
                let known = self.transactions.entry((event.clone(), verdict == Verdict::Accept)).or_default();
                known.insert(transaction);
                if known.len() > 1 {
                    faults.push(format!("{event} is decided under two transactions"));
                }
                match self.decisions.get(&event) {
                    Some((before, _)) if *before != verdict => error(StatusCode::BAD_REQUEST, "BAD_REQUEST"),
                    _ => {
                        self.decisions.entry(event.clone()).or_insert((verdict, input));
                        (StatusCode::OK, self.document(&event))
                    }
                }
            }
        };
        (status, body, faults)
    }

    /// The record `event`, as core gives it.
    fn document(&self, event: &str) -> Bytes {
        let mut actions = vec![json!({ "id": ACTION, "type": "REGISTER", "status": "Requested" })];
        actions.extend(self.decisions.get(event).map(|(verdict, input)| {
            let status = if *verdict == Verdict::Accept { "Accepted" } else { "Rejected" };
            json!({ "id": "decided", "type": "REGISTER", "status": status, "originalActionId": ACTION,
                "transactionId": input["transactionId"] })
        }));
        let event = json!({ "id": event, "actions": actions });
        Bytes::from(json!([{ "result": { "data": { "json": event } } }]).to_string())
    }

    /// What is wrong in the end with a registration under the id `id` that was acknowledged, of which MOSIP said `answer`, unless it was `silent`
    /// before.
    pub(super) fn faults(
        &self,
        number: u32,
        id: &str,
        answer: Option<Outcome>,
        was_silent: bool,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.is_processed(id) {
            faults.push(format!("{id} was acknowledged and is not processed"));
        }
        let Some((verdict, input)) = self.decisions.get(&event_of(number)) else {
            faults.push(format!("{id} was never decided in OpenCRVS"));
            return faults;
        };
        // What was rejected for MOSIP's silence stays so, and a credential that comes later parks.
        let is_right = match answer {
            Some(Outcome::Issued) => *verdict == Verdict::Accept || was_silent,
            _ => *verdict == Verdict::Reject,
        };
        if !is_right {
            faults.push(format!("{id} is decided otherwise than MOSIP said"));
        }
        let person = &input["declaration"]["child.nid"];
        if *verdict == Verdict::Accept
            && (*person != national_id(id) || input["registrationNumber"] != number_of(number))
        {
            faults.push(format!("{id} is accepted as another"));
        }
        faults
    }
}

/// The record of a registration in OpenCRVS.
pub(super) fn event_of(number: u32) -> String {
    format!("event-{number}")
}

pub(super) fn number_of(number: u32) -> String {
    format!("N{number}")
}

/// The number of the person in the credential of the registration `id`.
pub(super) fn national_id(id: &str) -> String {
    id.chars().rev().collect()
}

/// As the country configuration makes it; those of one tracking id go in order.
pub(super) fn body(number: u32, tracking: u32) -> Value {
    json!({
        "trackingId": format!("T{tracking}"), "eventId": event_of(number), "actionId": ACTION,
        "requestFields": { "birthCertificateNumber": number_of(number), "referenceNumber": number_of(number) },
    })
}

/// The record token with which the registration comes: that of every second one, as OpenCRVS 1.9 gives it.
pub(super) fn token_of(number: u32) -> Option<RecordToken> {
    token(&event_of(number)).filter(|_| number % 2 == 1)
}

fn token(event: &str) -> Option<RecordToken> {
    RecordToken::new("a.b.c", Some(event), Some(ACTION), Some(Timestamp::from_seconds(4_000_000_000)))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What MOSIP answers with an error.
fn errors(code: &str) -> Bytes {
    Bytes::from(json!({ "response": null, "errors": [{ "errorCode": code, "message": "" }] }).to_string())
}

/// What core refuses with.
fn error(status: StatusCode, code: &str) -> (StatusCode, Bytes) {
    let error = json!({ "message": "", "data": { "code": code, "httpStatus": status.as_u16() } });
    (status, Bytes::from(json!([{ "error": { "json": error } }]).to_string()))
}
