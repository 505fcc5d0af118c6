//! MOSIP's packet manager, `PUT /commons/v1/packetmanager/createPacket`, and the workflow of its registration processor,
//! `POST /registrationprocessor/v1/workflowmanager/workflowinstance`. Both report what is wrong inside HTTP 200, but for the token.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{post, put};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use super::answer::{self, json_response};
use super::behaviour::{AfterAccept, Held};
use super::history::{LIMIT, Refused};
use super::hostility;
use super::mediator::check_token;

/// A registration may hold scans of documents.
const BODY_LIMIT: usize = 72 << 20;
/// The processes that are registered under the source `OPENCRVS`, and the field that a packet of each has to hold.
const PROCESSES: [(&str, Option<&str>); 5] = [
    ("CRVS_NEW", Some("birthCertificateNumber")),
    ("CRVS_DEATH", None),
    ("CRVS_UPDATE", Some("VID")),
    ("CRVS_deactivate_ID", None),
    ("CRVS_Fraud_Death", None),
];

/// A packet, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Packet {
    /// The registration id.
    pub id: String,
    /// `request` of the call that created it first.
    pub content: Value,
    /// How often it was created; each time with the same content.
    pub created: u64,
    /// How often it began to be processed: never more than once.
    pub processed: u64,
    /// How often it was to be processed once more, and was refused.
    pub repeats: u64,
    /// `request` of the call that had it processed.
    pub workflow: Option<Value>,
}

pub(super) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .route("/commons/v1/packetmanager/createPacket", put(create))
        .route("/registrationprocessor/v1/workflowmanager/workflowinstance", post(process))
        .layer(from_fn_with_state(Arc::clone(world), hostility::before_the_mediator))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Why a packet is refused: MOSIP's code, or one that begins with `SIM-` where only the simulator finds the defect.
type Refusal = (&'static str, &'static str);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapper {
    id: String,
    version: String,
    requesttime: String,
    request: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateRequest {
    id: String,
    ref_id: String,
    offline_mode: bool,
    process: String,
    source: String,
    schema_version: String,
    schema_json: Option<String>,
    fields: BTreeMap<String, Value>,
    #[allow(dead_code, reason = "it is an object, whatever it holds")]
    meta_info: BTreeMap<String, Value>,
    audits: Vec<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ProcessRequest {
    registration_id: String,
    process: String,
    source: String,
    additional_info_req_id: String,
    #[allow(dead_code, reason = "it has its three members")]
    notification_info: NotificationInfo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "their form alone counts")]
struct NotificationInfo {
    name: String,
    phone: String,
    email: String,
}

async fn create(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    const ID: &str = "mosip.registration.packet.writer";
    if let Some(refusal) = turned_away(&world, &headers) {
        return refusal;
    }
    let created = read(&body, "SIM-PACKET-BODY").and_then(|wrapper: Wrapper| {
        let request = checked(&wrapper)?;
        world.history.packets(|packets| keep(packets, &request, wrapper.request))?;
        Ok(json!([{
            "id": request.id,
            "packetName": format!("{}_id", request.id),
            "source": request.source,
            "process": request.process,
            "refId": request.ref_id,
            "schemaVersion": request.schema_version,
            "providerName": "PacketWriterImpl",
            "providerVersion": "v1.0",
            "creationDate": world.clock.now().to_iso(),
        }]))
    });
    answered(&world, ID, Held::Packet, created).await
}

async fn process(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    const ID: &str = "mosip.registration.processor.workflow.instance";
    if let Some(refusal) = turned_away(&world, &headers) {
        return refusal;
    }
    let taken = read(&body, "SIM-WORKFLOW-BODY").and_then(|wrapper: Wrapper| {
        if (wrapper.id.as_str(), wrapper.version.as_str()) != (ID, "v1") || wrapper.requesttime.is_empty() {
            return Err(("RPR-WIN-001", "Invalid Request Value - id"));
        }
        let request: ProcessRequest = of_value(&wrapper.request, "SIM-WORKFLOW-REQUEST")?;
        world.history.packets(|packets| begin(packets, &request, &wrapper.request))?;
        Ok(json!({ "workflowInstanceId": "dd9f218b-279c-4d93-8cda-9857976293ea" }))
    });
    answered(&world, ID, Held::Workflow, taken).await
}

/// Whoever brings no token, or no JSON.
fn turned_away(world: &World, headers: &HeaderMap) -> Option<Response> {
    if check_token(world, headers).is_err() {
        return Some(errors(world, StatusCode::UNAUTHORIZED, "", ("KER-ATH-401", "Authentication Failed")));
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = media_type.split(';').next().map(str::trim) == Some("application/json");
    let wrong_type = || json_response(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({ "status": 415 }));
    (!is_json).then(wrong_type)
}

fn checked(wrapper: &Wrapper) -> Result<CreateRequest, Refusal> {
    let request: CreateRequest = of_value(&wrapper.request, "SIM-PACKET-REQUEST")?;
    let process = PROCESSES.iter().find(|(process, _)| *process == request.process);
    let Some((_, wanted)) = process.filter(|_| request.source == "OPENCRVS") else {
        return Err(("KER-PUT-025", "Invalid source or process."));
    };
    let is_id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id(&request.id) || request.id.len() > 39 {
        return Err(("SIM-PACKET-ID", "the id is no registration id"));
    }
    if !request.ref_id.split_once('_').is_some_and(|(center, machine)| is_id(center) && is_id(machine)) {
        return Err(("SIM-REF-ID", "refId is not <center>_<machine>"));
    }
    if request.offline_mode || request.schema_version.parse::<f64>().is_err() {
        return Err(("SIM-PACKET-REQUEST", "offlineMode is true, or schemaVersion is no number"));
    }
    // A Java map of texts, into which numbers are turned.
    if !request.fields.values().all(|value| value.is_string() || value.is_number()) {
        return Err(("SIM-FIELDS", "a field is neither a text nor a number"));
    }
    if wanted.is_some_and(|wanted| !request.fields.contains_key(wanted)) {
        return Err(("KER-PUT-020", "Packet Validation exception occured."));
    }
    if request.fields.contains_key("deathCertificateNumber") {
        return Err(("SIM-FIELDS", "deathCertificateNumber is OpenCRVS's own"));
    }
    if request.audits.is_empty() {
        return Err(("KER-KPM-008", "Registration audits is empty"));
    }
    let is_schema = |text: &String| serde_json::from_str::<BTreeMap<String, Value>>(text).is_ok();
    match request.schema_json.as_ref().is_none_or(is_schema) {
        true => Ok(request),
        false => Err(("KER-KPM-002", "Failed to parse json : ")),
    }
}

/// The real one writes over what it has under the id. This one refuses other content.
fn keep(packets: &mut VecDeque<Packet>, request: &CreateRequest, content: Value) -> Result<(), Refusal> {
    match packets.iter_mut().rev().find(|packet| packet.id == request.id) {
        Some(packet) if packet.content != content => {
            Err(("SIM-PACKET-ALTERED", "the id came before with other content"))
        }
        Some(packet) => {
            packet.created += 1;
            Ok(())
        }
        None => {
            if packets.len() == LIMIT {
                packets.pop_front();
            }
            let id = request.id.clone();
            packets.push_back(Packet { id, content, created: 1, processed: 0, repeats: 0, workflow: None });
            Ok(())
        }
    }
}

fn begin(packets: &mut VecDeque<Packet>, request: &ProcessRequest, workflow: &Value) -> Result<(), Refusal> {
    let packet = packets.iter_mut().rev().find(|packet| packet.id == request.registration_id);
    let packet = packet.ok_or(("SIM-NO-PACKET", "there is no packet under this registration id"))?;
    let holds = |name: &str, value: &str| packet.content.get(name).and_then(Value::as_str) == Some(value);
    let is_of_packet = holds("process", &request.process)
        && holds("source", &request.source)
        && request.additional_info_req_id.is_empty();
    if !is_of_packet {
        return Err(("SIM-WORKFLOW-PROCESS", "source and process are not those of the packet"));
    }
    if packet.processed > 0 {
        packet.repeats += 1;
        return Err(("RPR-WIS-001", "WorkflowInstance already present"));
    }
    packet.processed += 1;
    packet.workflow = Some(workflow.clone());
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8], code: &'static str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| (code, "the body has not its members"))
}

fn of_value<T: serde::de::DeserializeOwned>(value: &Value, code: &'static str) -> Result<T, Refusal> {
    T::deserialize(value).map_err(|_| (code, "the request has not its members"))
}

async fn answered(world: &World, id: &str, step: Held, outcome: Result<Value, Refusal>) -> Response {
    let response = match outcome {
        Err(refusal) => {
            let (code, message) = refusal;
            let route = if step == Held::Packet { "createPacket" } else { "workflowinstance" };
            world.history.refuse(Refused { route: route.to_owned(), id: None, code, message });
            return errors(world, StatusCode::OK, id, refusal);
        }
        Ok(response) => response,
    };
    world.controls.hold(step).await;
    match world.controls.get().fault_after_accept {
        Some(AfterAccept::HangUp) => answer::hang_up(),
        Some(AfterAccept::Answer500) => {
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "status": 500 }))
        }
        None => json_response(StatusCode::OK, &envelope(world, id, response, &json!([]))),
    }
}

fn errors(world: &World, status: StatusCode, id: &str, (code, message): Refusal) -> Response {
    tracing::info!(code, "a packet is refused");
    let errors = json!([{ "errorCode": code, "message": message }]);
    json_response(status, &envelope(world, id, Value::Null, &errors))
}

fn envelope(world: &World, id: &str, response: Value, errors: &Value) -> Value {
    json!({
        "id": id,
        "version": "v1",
        "responsetime": world.clock.now().to_iso(),
        "metadata": null,
        "response": response,
        "errors": errors,
    })
}
