//! `GET` and `POST /simulator/knobs`, `GET /simulator/history`: what tests in other languages use.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::World;
use super::answer::json_response;
use super::knobs::Behaviour;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/simulator/knobs", get(knobs).post(set_knobs))
        .route("/simulator/history", get(history))
}

async fn knobs(State(world): State<Arc<World>>) -> Response {
    show(&world.controls.get())
}

async fn set_knobs(State(world): State<Arc<World>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Behaviour>(&body) {
        Ok(knobs) => {
            world.controls.set(knobs);
            show(&world.controls.get())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn history(State(world): State<Arc<World>>) -> Response {
    show(&world.history.record())
}

fn show(value: &impl Serialize) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
