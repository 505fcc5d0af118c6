//! `GET` and `POST /simulator/behaviour`, `GET /simulator/history`, `POST /simulator/issue`, `POST /simulator/record`: what tests in other languages use.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::World;
use super::answer::json_response;
use super::behaviour::Behaviour;
use super::credentials::{CredentialType, IssueError, Lie, Registration};
use super::opencrvs::Waiting;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/simulator/behaviour", get(behaviour).post(set_behaviour))
        // Its former name, which clients in other languages call.
        .route("/simulator/knobs", get(behaviour).post(set_behaviour))
        .route("/simulator/history", get(history))
        .route("/simulator/issue", post(issue))
        .route("/simulator/record", post(record))
}

async fn behaviour(State(world): State<Arc<World>>) -> Response {
    show(&world.controls.get())
}

async fn set_behaviour(State(world): State<Arc<World>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Behaviour>(&body) {
        Ok(behaviour) => {
            world.controls.set(behaviour);
            show(&world.controls.get())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn history(State(world): State<Arc<World>>) -> Response {
    show(&world.history.record())
}

/// What is issued over the hub.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issue {
    registration: Registration,
    credential_type: CredentialType,
    lie: Option<Lie>,
    /// The message names the credential and does not bring it.
    #[serde(default)]
    share: bool,
}

async fn issue(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let asked: Issue = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let Issue { registration, credential_type, lie, share } = asked;
    let issued = || -> Result<usize, IssueError> {
        let mut published = world.issuer.publish(&registration, credential_type, lie, world.clock.now())?;
        if share {
            published = world.shares.take_out(published)?;
        }
        Ok(world.hub.publish_credential(&published)?)
    };
    match issued() {
        Ok(reached) => json_response(StatusCode::OK, &json!({ "subscribers": reached })),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What waits for MOSIP in a record of OpenCRVS's core from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Waits {
    event_id: String,
    action_id: String,
    awaits: Waiting,
}

/// Answers with the token that core hands to its country configuration.
async fn record(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let Waits { event_id, action_id, awaits } = match serde_json::from_slice(&body) {
        Ok(waits) => waits,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    world.core.asks(&event_id, &action_id, awaits);
    match world.core.record_token(&event_id, &action_id, world.clock.now()) {
        Some(token) => json_response(StatusCode::OK, &json!({ "token": token })),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn show(value: &impl Serialize) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
