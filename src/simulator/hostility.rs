//! The hostile behaviour that replaces the answer to a request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::World;
use super::answer;

/// On every route but the management ones: `down`, `delay_ms`, `fault_rate`.
pub(super) async fn before_any_answer(
    State(world): State<Arc<World>>,
    request: Request,
    next: Next,
) -> Response {
    let _visit = world.history.visit(request.uri().path(), request.headers());
    let behaviour = world.controls.get();
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    if behaviour.down {
        return answer::hang_up();
    }
    if world.controls.fault_strikes() {
        return (StatusCode::SERVICE_UNAVAILABLE, "fault on request").into_response();
    }
    next.run(request).await
}

/// On the routes of the MOSIP-side mediator, the packet manager and the workflow: `answer_html`, `errors_in_200`.
pub(super) async fn before_the_mediator(
    State(world): State<Arc<World>>,
    request: Request,
    next: Next,
) -> Response {
    let behaviour = world.controls.get();
    if behaviour.answer_html {
        return answer::html();
    }
    if let Some(code) = behaviour.errors_in_200 {
        return answer::errors(StatusCode::OK, &code, "error on request");
    }
    next.run(request).await
}
