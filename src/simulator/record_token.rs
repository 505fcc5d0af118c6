//! The tokens of OpenCRVS's auth service that go with a record which waits for MOSIP, and the key by which they are known,
//! `GET /core/auth/.well-known`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::World;
use super::opencrvs::Core;
use super::procedures::{Refusal, UNAUTHORIZED};
use super::tokens;
use crate::bearer;
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm;

/// Seconds that such a token lives: seven days.
const LIFETIME_S: i64 = 7 * 24 * 60 * 60;

/// What a decision demands of such a token.
const SCOPES: [&str; 2] = ["record.confirm-registration", "record.reject-registration"];

/// What is looked at of such a token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    scope: Vec<String>,
    event_id: String,
    action_id: String,
    exp: i64,
}

impl Claims {
    /// Whether it decides about this action.
    pub(super) fn are_for(&self, event: &str, action: &str) -> bool {
        (self.event_id.as_str(), self.action_id.as_str()) == (event, action)
    }
}

/// Who calls core.
pub(super) enum Caller {
    /// The client of the gateway.
    Client,
    /// Whoever holds a record token that says this.
    Record(Claims),
}

/// By the bearer token of a call.
pub(super) fn caller(world: &World, headers: &HeaderMap) -> Result<Caller, Refusal> {
    if world.controls.take_reject_token() {
        return Err(UNAUTHORIZED);
    }
    let token = headers.get(AUTHORIZATION).and_then(bearer::token);
    let token = token.and_then(|token| std::str::from_utf8(token).ok()).ok_or(UNAUTHORIZED)?;
    let now = world.clock.now();
    if let Some(claims) = world.core.claims(token, now) {
        return Ok(Caller::Record(claims));
    }
    world.tokens.check(token, now).map(|()| Caller::Client).map_err(|_| UNAUTHORIZED)
}

impl Core {
    /// What `token` says, where it is a record token that is good at `now`.
    fn claims(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let jws = Jws::parse(token).ok()?;
        let payload = jws.verify(self.key.public_key(), &[SignatureAlgorithm::Rs256], None).ok()?;
        let claims: Claims = serde_json::from_slice(&payload.bytes).ok()?;
        let has_scopes = SCOPES.iter().all(|scope| claims.scope.iter().any(|held| held == scope));
        (has_scopes && now.seconds() < claims.exp).then_some(claims)
    }

    /// The token that OpenCRVS's core hands to its country configuration with the action `action` of the record `event`, as in OpenCRVS 1.9.
    /// None where it cannot be signed.
    pub fn record_token(&self, event: &str, action: &str, now: Timestamp) -> Option<String> {
        let claims = json!({
            "scope": SCOPES,
            "eventId": event,
            "actionId": action,
            "userType": "user",
            "iat": now.seconds(),
            "exp": now.seconds().saturating_add(LIFETIME_S),
            "aud": ["opencrvs:auth-user", "opencrvs:events-user", "opencrvs:mosip-user"],
            "iss": "opencrvs:auth-service",
            "sub": "00000000-0000-4000-8000-000000000003",
        });
        tokens::sign(&self.key, &claims)
    }

    /// The public half of the key that signs them, PEM.
    fn public_key(&self) -> String {
        let text = base64::encode(self.key.public_key().spki_der());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (count, character) in text.chars().enumerate() {
            if count > 0 && count % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem + "\n-----END PUBLIC KEY-----\n"
    }
}

pub(super) async fn well_known(State(world): State<Arc<World>>) -> Response {
    world.core.public_key().into_response()
}
