//! What MOSIP calls (DESIGN.md 7): `POST /birthReceiveNid`, authenticated, opened, verified, delivered.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{App, body, internal};
use crate::error::{Code, Error, Result};
use crate::mosip::Evidence;
use crate::mosip::caller::CallerKey;
use crate::mosip::mediator;
use crate::mosip::roles;
use crate::outbox::delivery::{Delivery, Subject, fresh_id};

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

/// The answer is an empty body whatever the verdict; the verdict is in the log.
async fn birth_receive_nid(State(callback): State<Callback>, request: Request) -> Result<Response> {
    let app = &callback.app;
    callback.caller.check(request.headers(), app)?;
    let body = body::read(request, &app.limits().with_body_limit(BODY_LIMIT)).await?;
    let (ring, policy) = (app.ring(), app.policy());
    let opened =
        app.run(move || mediator::open_nid(&ring, roles::peer(&ring, roles::MOSIP)?, &body, policy)).await;
    let nid = match opened {
        Ok(nid) => nid,
        Err(error) => {
            tracing::warn!(
                code = error.code().as_str(),
                detail = error.detail(),
                step = error.operator_detail(),
                "a push does not verify"
            );
            return Ok(StatusCode::UNPROCESSABLE_ENTITY.into_response());
        }
    };
    let id = fresh_id();
    let delivery = Delivery {
        id: &id,
        kind: "uin-token.received",
        occurred_at: app.now().to_iso(),
        subject: Subject { brn: Some(&nid.get().brn) },
        data: json!({ "uinToken": nid.get().uin_token }),
        verified: if nid.evidence() == Evidence::DangerUnsigned { "none" } else { "signature" },
        key: nid.key().map(|key| key.to_string()),
    };
    match app.deliverer().deliver(&delivery).await {
        Ok(()) => Ok(StatusCode::OK.into_response()),
        Err(error) => {
            tracing::error!(
                delivery = id,
                code = error.code().as_str(),
                detail = error.detail(),
                "a verified push could not be delivered"
            );
            Ok(StatusCode::SERVICE_UNAVAILABLE.into_response())
        }
    }
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
