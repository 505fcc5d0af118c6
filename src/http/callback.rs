//! What MOSIP calls (DESIGN.md 7): `POST /birthReceiveNid`, authenticated and stored.

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};

use super::{App, body, internal};
use crate::error::{Code, Error, Result};
use crate::mosip::caller::CallerKey;
use crate::outbox::store::PushKind;

/// Largest push, bytes: a credential with a photo stays below it.
const BODY_LIMIT: usize = 6 << 20;

/// What the callback listener checks before it reads a body.
#[derive(Clone)]
pub struct Callback {
    app: App,
    caller: Caller,
}

/// How a caller proves itself.
#[derive(Clone)]
pub enum Caller {
    /// By a bearer JWT that OpenCRVS's auth service made (`opencrvs-jwt`).
    OpencrvsJwt(std::sync::Arc<CallerKey>),
    /// Not at all: the listener is on the loopback, or `callback.danger_open` is on.
    Open,
}

/// Routes of the callback listener.
pub fn router(app: App, caller: Caller) -> Router {
    Router::new()
        .route("/birthReceiveNid", post(birth_receive_nid))
        .route("/birthReceiveNid/", post(birth_receive_nid))
        .fallback(internal::not_found)
        .method_not_allowed_fallback(internal::method_not_allowed)
        .with_state(Callback { app, caller })
}

/// Authenticated, durable, 200; the verdict comes after, so that a key mishap on our side never costs a message. The answer is the
/// same empty body whatever the verdict.
async fn birth_receive_nid(State(callback): State<Callback>, request: Request) -> Result<StatusCode> {
    let app = &callback.app;
    callback.caller.check(request.headers(), app)?;
    let body = body::read(request, &app.limits().with_body_limit(BODY_LIMIT)).await?;
    app.outbox().inbox().receive(PushKind::BirthNid, body.to_vec()).await?;
    Ok(StatusCode::OK)
}

impl Caller {
    fn check(&self, headers: &HeaderMap, app: &App) -> Result<()> {
        let Self::OpencrvsJwt(key) = self else { return Ok(()) };
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| Error::new(Code::Unauthorized, "no bearer token"))?;
        key.check(bearer, app.now())
    }
}
