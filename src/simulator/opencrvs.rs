//! OpenCRVS: its auth service, `POST /core/auth/token` and `GET /core/auth/.well-known`, and of its core the calls under `/core/events/` by which a registration or a correction
//! that waits is looked up, accepted and rejected (tRPC in batches of one, with superjson).
//!
//! As the real core, it answers a repeat of a decision with the event, an acceptance of what was rejected with `BAD_REQUEST`, and a rejection of
//! what was accepted, or is not there, with an error that bears no code of its own. It is stricter about what it is sent: a member that a
//! procedure does not have is refused. A record token decides the one action that it names, and reads nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use super::answer::{self, json_response};
use super::behaviour::{AfterAccept, Held, OpencrvsReply};
use super::procedures::{
    APPROVE_CORRECTION, BAD_REQUEST, CONFLICT, Decision, FORBIDDEN, Lookup, NO_PROCEDURE, NOT_FOUND,
    PROCEDURES, Procedure, REGISTER, Refusal, read,
};
use super::record_token::{self, Caller};
use super::tokens::secret_fits;
use crate::crypto::rsa::PrivateKey;

/// The realm of its tokens.
const REALM: &str = "opencrvs";

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/core/auth/token", post(token))
        .route("/core/auth/.well-known", get(record_token::well_known))
        .route("/core/events/event.get", get(event))
        .route("/core/events/{procedure}", post(decide))
}

/// The records of OpenCRVS.
pub struct Core {
    /// The actions of each.
    records: Mutex<BTreeMap<String, Vec<Value>>>,
    /// That of its auth service.
    pub(super) key: Arc<PrivateKey>,
}

/// What waits in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Its registration.
    Registration,
    /// A correction, whose request is named `<action>-request`.
    Correction,
}

/// A call about what waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoreCall {
    /// Such as `event.actions.register.accept`.
    pub procedure: String,
    /// What it was asked with.
    pub input: Value,
    /// HTTP status of the answer.
    pub status: u16,
}

impl Core {
    pub(super) fn new(key: Arc<PrivateKey>) -> Self {
        Self { records: Mutex::default(), key }
    }

    /// From now on `what` waits in the record `event` as the action `action`.
    pub fn asks(&self, event: &str, action: &str, what: Waiting) {
        let (kind, request) = match what {
            Waiting::Registration => (REGISTER, json!({})),
            Waiting::Correction => (APPROVE_CORRECTION, json!({ "requestId": format!("{action}-request") })),
        };
        self.add(event, action_of(action, kind, "Requested", request));
    }

    /// What waits as the action `action` is decided by somebody else: `Accepted` or `Rejected`.
    pub fn decided(&self, event: &str, action: &str, status: &str) {
        let of = json!({ "originalActionId": action });
        self.add(event, action_of(&format!("{action}-{status}"), REGISTER, status, of));
    }

    /// The actions of the record `event`.
    pub fn actions(&self, event: &str) -> Vec<Value> {
        self.events().get(event).cloned().unwrap_or_default()
    }

    fn add(&self, event: &str, action: Value) {
        self.events().entry(event.to_owned()).or_default().push(action);
    }

    fn events(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Value>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record as core answers with it.
    fn document(&self, event: &str) -> Result<Value, Refusal> {
        let actions = self.events().get(event).cloned().ok_or(NOT_FOUND)?;
        Ok(
            json!({ "id": event, "type": "birth", "createdAt": CREATED, "trackingId": "B77AAA", "actions": actions }),
        )
    }

    /// Stores what `input` decides, unless it was decided so before.
    fn decide(&self, procedure: &Procedure, input: &Decision) -> Result<(), Refusal> {
        let mut events = self.events();
        let actions = events.get_mut(&input.event_id).ok_or(NOT_FOUND)?;
        let is =
            |action: &Value, name: &str, value: &str| action.get(name).and_then(Value::as_str) == Some(value);
        let asked = actions.iter().find(|action| {
            is(action, "id", &input.action_id)
                && is(action, "type", procedure.kind)
                && is(action, "status", "Requested")
        });
        let [unknown, contradicted] = procedure.refusals;
        let asked = asked.ok_or(unknown)?;
        let request = asked.get("requestId").and_then(Value::as_str).map(str::to_owned);
        if request != input.request_id {
            return Err(BAD_REQUEST);
        }
        let before = actions.iter().find(|action| is(action, "originalActionId", &input.action_id));
        if let Some(before) = before {
            return if is(before, "status", procedure.status) { Ok(()) } else { Err(contradicted) };
        }
        let id = format!("{}-{}", input.action_id, procedure.status);
        let decided = json!({
            "originalActionId": input.action_id,
            "requestId": request,
            "transactionId": input.transaction_id,
            "registrationNumber": input.registration_number,
            "declaration": input.declaration,
        });
        actions.push(action_of(&id, procedure.kind, procedure.status, decided));
        Ok(())
    }
}

const CREATED: &str = "2026-11-28T09:00:00.000Z";

fn action_of(id: &str, kind: &str, status: &str, more: Value) -> Value {
    let mut action =
        json!({ "id": id, "type": kind, "status": status, "requestId": null, "createdAt": CREATED });
    if let (Some(members), Value::Object(more)) = (action.as_object_mut(), more) {
        members.extend(more);
    }
    action
}

#[derive(Deserialize)]
struct Grant {
    client_id: String,
    client_secret: String,
    grant_type: String,
}

/// In a form, as OpenCRVS 2.0 and later want it, or in the query, as 1.x does.
async fn token(
    State(world): State<Arc<World>>,
    query: Result<Query<Grant>, QueryRejection>,
    form: Result<Form<Grant>, FormRejection>,
) -> Response {
    let grant = form.map(|Form(grant)| grant).ok().or_else(|| query.ok().map(|Query(grant)| grant));
    let granted = grant.filter(|grant| {
        grant.grant_type == "client_credentials"
            && secret_fits(&world, &grant.client_id, &grant.client_secret)
    });
    let lifetime_s = world.controls.get().token_lifetime_s;
    match granted.and_then(|_| world.tokens.issue(REALM, world.clock.now(), lifetime_s)) {
        Some(token) => {
            world.history.token_issued();
            json_response(StatusCode::OK, &json!({ "access_token": token, "token_type": "Bearer" }))
        }
        None => {
            world.history.token_refused();
            json_response(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client" }))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    batch: String,
    input: String,
}

async fn event(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Response {
    const PROCEDURE: &str = "event.get";
    let asked = query.ok().filter(|Query(query)| query.batch == "1");
    let input = asked.map_or_else(Bytes::new, |Query(query)| query.input.into());
    let outcome = || match record_token::caller(&world, &headers)? {
        Caller::Client => world.core.document(&read::<Lookup>(&input)?.event_id),
        Caller::Record(_) => Err(FORBIDDEN),
    };
    answered(&world, PROCEDURE, &input, outcome())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchQuery {
    batch: String,
}

async fn decide(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    query: Result<Query<BatchQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|media| media == "application/json");
    let is_batch = query.is_ok_and(|Query(query)| query.batch == "1");
    let outcome = || {
        let caller = record_token::caller(&world, &headers)?;
        let procedure = PROCEDURES.iter().find(|procedure| procedure.name == name).ok_or(NO_PROCEDURE)?;
        let decision = read::<Decision>(&body)?;
        if !is_json || !is_batch || !decision.fits(procedure) {
            return Err(BAD_REQUEST);
        }
        if let Caller::Record(claims) = caller
            && (procedure.kind != REGISTER || !claims.are_for(&decision.event_id, &decision.action_id))
        {
            return Err(FORBIDDEN);
        }
        match world.controls.get().opencrvs {
            Some(OpencrvsReply::Conflict) => return Err(CONFLICT),
            Some(OpencrvsReply::Forbidden) => return Err(FORBIDDEN),
            _ => {}
        }
        world.core.decide(procedure, &decision)?;
        world.core.document(&decision.event_id)
    };
    let outcome = outcome();
    let is_taken = outcome.is_ok();
    let answer = answered(&world, &name, &body, outcome);
    if is_taken {
        world.controls.hold(Held::Decision).await;
    }
    match world.controls.get().fault_after_accept.filter(|_| is_taken) {
        Some(AfterAccept::HangUp) => answer::hang_up(),
        Some(AfterAccept::Answer500) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        None => answer,
    }
}

/// Whether a caller of OpenCRVS 1.x brings a token of the simulator.
pub(super) fn is_caller(world: &World, headers: &HeaderMap) -> bool {
    matches!(record_token::caller(world, headers), Ok(Caller::Client))
}

fn answered(world: &World, procedure: &str, input: &[u8], outcome: Result<Value, Refusal>) -> Response {
    let (status, body) = match outcome {
        Ok(event) => {
            let meta = json!({ "values": { "createdAt": ["Date"] } });
            (StatusCode::OK, json!([{ "result": { "data": { "json": event, "meta": meta } } }]))
        }
        Err((status, code, message)) => {
            let data = json!({ "code": code, "httpStatus": status.as_u16(), "path": procedure });
            (status, json!([{ "error": { "json": { "message": message, "code": -32009, "data": data } } }]))
        }
    };
    let input: Value = serde_json::from_slice(input).unwrap_or_default();
    let input = input.pointer("/0/json").cloned().unwrap_or_default();
    world.history.core_call(CoreCall { procedure: procedure.to_owned(), input, status: status.as_u16() });
    match world.controls.get().opencrvs {
        Some(OpencrvsReply::Html) => answer::html(),
        Some(OpencrvsReply::Half) => {
            let text = body.to_string();
            (
                status,
                [(CONTENT_TYPE, "application/json")],
                text.get(..text.len() / 2).unwrap_or_default().to_owned(),
            )
                .into_response()
        }
        _ => json_response(status, &body),
    }
}
