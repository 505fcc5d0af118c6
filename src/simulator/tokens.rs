//! Keycloak's token endpoint and authmanager, and the check of the tokens they made.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::World;
use super::answer::{Refusal, json_response};
use super::settings::{Client, StartError};
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::jws::{self, Jws, Protected};
use crate::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};
use crate::crypto::secret::random;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/auth/realms/{realm}/protocol/openid-connect/token", post(keycloak))
        .route("/v1/authmanager/authenticate/clientidsecretkey", post(authmanager))
}

/// Makes and checks access tokens.
pub(super) struct Issuer {
    key: PrivateKey,
    base_url: String,
    client: Client,
}

/// The claims of a Keycloak access token that are used.
#[derive(Serialize, Deserialize)]
struct Claims {
    exp: i64,
    iat: i64,
    jti: String,
    iss: String,
    aud: String,
    sub: String,
    azp: String,
    preferred_username: String,
}

impl Issuer {
    /// With a new key, so that tokens of another run are invalid.
    pub(super) fn new(base_url: &str, client: Client) -> Result<Self, StartError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| StartError::TokenKey)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| StartError::TokenKey)?;
        let key = PrivateKey::from_pkcs8_der(pkcs8.as_ref()).map_err(|_| StartError::TokenKey)?;
        Ok(Self { key, base_url: base_url.to_owned(), client })
    }

    /// A key pair whose private half never leaves this struct.
    pub(super) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Signature, issuer and `exp`.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        let payload = Jws::parse(token)
            .and_then(|jws| jws.verify(self.public_key(), &[SignatureAlgorithm::Rs256], None))
            .map_err(|_| Refusal::INVALID_TOKEN)?;
        let claims: Claims = serde_json::from_slice(&payload.bytes).map_err(|_| Refusal::INVALID_TOKEN)?;
        if now.seconds() < claims.exp && claims.iss.starts_with(&self.base_url) {
            Ok(())
        } else {
            Err(Refusal::INVALID_TOKEN)
        }
    }

    pub(super) fn issue(&self, realm: &str, now: Timestamp, lifetime_s: u32) -> Option<String> {
        let iat = now.seconds();
        let claims = Claims {
            exp: iat.saturating_add(i64::from(lifetime_s)),
            iat,
            jti: base64::encode_url(&random::<16>()),
            iss: format!("{}/auth/realms/{realm}", self.base_url),
            aud: "account".to_owned(),
            sub: "00000000-0000-4000-8000-000000000001".to_owned(),
            azp: self.client.id.clone(),
            preferred_username: format!("service-account-{}", self.client.id),
        };
        sign(&self.key, &claims)
    }
}

/// A compact JWT, RS256.
pub(super) fn sign(key: &PrivateKey, claims: &impl Serialize) -> Option<String> {
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
    jws::sign(key, protected, &serde_json::to_vec(claims).ok()?).ok()
}

#[derive(Deserialize)]
struct Grant {
    grant_type: String,
    client_id: String,
    client_secret: String,
    username: Option<String>,
    password: Option<String>,
}

async fn keycloak(
    State(world): State<Arc<World>>,
    Path(realm): Path<String>,
    form: Result<Form<Grant>, FormRejection>,
) -> Response {
    let refuse = |status, error: &str, description: &str| {
        world.history.token_refused();
        json_response(status, &json!({ "error": error, "error_description": description }))
    };
    let Ok(Form(grant)) = form else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", "Missing form parameter");
    };
    if !secret_fits(&world, &grant.client_id, &grant.client_secret) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "unauthorized_client",
            "Invalid client or Invalid client credentials",
        );
    }
    match grant.grant_type.as_str() {
        "client_credentials" => {}
        "password" if user_fits(&world, grant.username.as_deref(), grant.password.as_deref()) => {}
        "password" => return refuse(StatusCode::UNAUTHORIZED, "invalid_grant", "Invalid user credentials"),
        _ => return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant_type"),
    }
    let lifetime_s = world.controls.get().token_lifetime_s;
    let Some(token) = world.tokens.issue(&realm, world.clock.now(), lifetime_s) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    world.history.token_issued();
    let body = json!({
        "access_token": token,
        "expires_in": lifetime_s,
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "scope": "email profile",
    });
    json_response(StatusCode::OK, &body)
}

#[derive(Deserialize)]
struct Wrapped {
    request: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    client_id: String,
    secret_key: String,
    app_id: String,
}

/// A wrong secret is HTTP 200 with errors, and the cookie's Max-Age says nothing about the token: as in the field.
async fn authmanager(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let refuse = |code: &str, message: &str| {
        world.history.token_refused();
        json_response(
            StatusCode::OK,
            &json!({ "response": null, "errors": [{ "errorCode": code, "message": message }] }),
        )
    };
    let credentials = match serde_json::from_slice::<Wrapped>(&body) {
        Ok(Wrapped { request }) if !request.app_id.is_empty() => request,
        _ => return refuse("KER-ATH-400", "Bad request"),
    };
    if !secret_fits(&world, &credentials.client_id, &credentials.secret_key) {
        return refuse("KER-ATH-401", "Unauthorized");
    }
    let lifetime_s = world.controls.get().token_lifetime_s;
    let Some(token) = world.tokens.issue("mosip", world.clock.now(), lifetime_s) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    world.history.token_issued();
    let cookie = format!("Authorization={token}; Max-Age=6000000; Path=/; HttpOnly");
    let body = json!({
        "id": null,
        "version": null,
        "responsetime": world.clock.now().to_iso(),
        "metadata": null,
        "response": { "status": "Success", "message": "Clientid and Token combination had been validated successfully" },
        "errors": null,
    });
    ([(SET_COOKIE, cookie), (AUTHORIZATION, token)], json_response(StatusCode::OK, &body)).into_response()
}

pub(super) fn secret_fits(world: &World, id: &str, secret: &str) -> bool {
    let client = &world.tokens.client;
    client.id == id && client.secret.matches(secret.as_bytes()) && !world.controls.get().bad_client_secret
}

fn user_fits(world: &World, username: Option<&str>, password: Option<&str>) -> bool {
    let client = &world.tokens.client;
    username == Some(client.username.as_str())
        && password.is_some_and(|password| client.password.matches(password.as_bytes()))
}
