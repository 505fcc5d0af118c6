//! The tokens of OpenCRVS's auth service that go with a record which waits for MOSIP, and the key by which they are known,
//! `GET /core/auth/.well-known`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::World;
use super::opencrvs::Core;
use super::tokens;
use crate::clock::Timestamp;
use crate::crypto::base64;

/// Seconds that such a token lives: seven days.
const LIFETIME_S: i64 = 7 * 24 * 60 * 60;

impl Core {
    /// The token that OpenCRVS's core hands to its country configuration with the action `action` of the record `event`, as in OpenCRVS 1.9.
    /// None where it cannot be signed.
    pub fn record_token(&self, event: &str, action: &str, now: Timestamp) -> Option<String> {
        let claims = json!({
            "scope": ["record.confirm-registration", "record.reject-registration"],
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
