//! eSignet's endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::check::{Refused, Request};
use super::sign::How;
use super::{Begun, Bound, token};
use crate::crypto::{base64, sha256};
use crate::simulator::answer::{html, json_response};
use crate::simulator::{Behaviour, EsignetLie, World};

const AUTHORIZE: &str = "/authorize";
const PUSH: &str = "/v1/esignet/oauth/par";
const TOKEN: &str = "/v1/esignet/oauth/v2/token";
const USERINFO: &str = "/v1/esignet/oidc/userinfo";
const KEYS: &str = "/v1/esignet/oauth/.well-known/jwks.json";

/// The header of the next nonce.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

pub(in crate::simulator) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/.well-known/openid-configuration", get(document))
        .route(AUTHORIZE, get(authorize))
        .route(PUSH, post(push))
        .route(TOKEN, post(exchange))
        .route(USERINFO, get(userinfo))
        .route(KEYS, get(keys))
}

async fn document(State(world): State<Arc<World>>) -> Response {
    let (esignet, behaviour) = (&world.esignet, world.controls.get());
    let issuer = match behaviour.esignet_lie {
        Some(EsignetLie::OtherIssuer) => "https://other.example.org",
        _ => &esignet.issuer,
    };
    let token = match behaviour.esignet_lie {
        Some(EsignetLie::OtherHost) => "https://other.example.org/token".to_owned(),
        _ => esignet.url(TOKEN),
    };
    let algs: &[&str] = if behaviour.esignet_dpop { &["RS256", "ES256"] } else { &[] };
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": esignet.url(AUTHORIZE),
        "token_endpoint": token,
        "userinfo_endpoint": esignet.url(USERINFO),
        "jwks_uri": esignet.url(KEYS),
        "pushed_authorization_request_endpoint": esignet.url(PUSH),
        "require_pushed_authorization_requests": behaviour.esignet_par,
        "dpop_signing_alg_values_supported": algs,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        // Placeholders, as the real one has them.
        "userinfo_encryption_alg_values_supported": ["RSAXXXXX"],
        "userinfo_encryption_enc_values_supported": ["A128GCM"],
    });
    json_response(StatusCode::OK, &document)
}

async fn keys(State(world): State<Arc<World>>) -> Response {
    world.esignet.keys_served.fetch_add(1, Ordering::SeqCst);
    let behaviour = world.controls.get();
    let set = world.esignet.key_set(behaviour.esignet_rotated);
    match behaviour.esignet_lie {
        Some(EsignetLie::KeysHtml) => html(),
        Some(EsignetLie::KeysLarge) => {
            json_response(StatusCode::OK, &json!({"keys": set.get("keys"), "x": "a".repeat(10 << 20)}))
        }
        Some(EsignetLie::KeysThousand) => {
            let first = set.pointer("/keys/0").cloned().unwrap_or_default();
            json_response(StatusCode::OK, &json!({ "keys": vec![first; 1000] }))
        }
        _ => json_response(StatusCode::OK, &set),
    }
}

/// Logs everybody in who comes with right parameters.
async fn authorize(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Response {
    let Some(mut asked) = fields(query.unwrap_or_default().as_bytes()) else {
        return refuse("invalid_request", None);
    };
    if let Some(uri) = asked.get("request_uri") {
        let pushed = world.esignet.memory().pushed.remove(uri);
        match pushed.filter(|pushed| pushed.get("client_id") == asked.get("client_id")) {
            Some(pushed) => asked = pushed,
            None => return refuse("invalid_request_uri", None),
        }
    } else if world.controls.get().esignet_par {
        return refuse("invalid_request", None);
    }
    let Some(redirect_uri) = checked(&world, &asked) else { return refuse("invalid_request", None) };
    let field = |name: &str| asked.get(name).map(String::as_str);
    let code = world.esignet.log_in(redirect_uri, field("code_challenge"), field("nonce"));
    let brought = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", field("state").unwrap_or_default())
        .finish();
    let parted_by = if redirect_uri.contains('?') { '&' } else { '?' };
    (StatusCode::FOUND, [(LOCATION, format!("{redirect_uri}{parted_by}{brought}"))]).into_response()
}

/// The address to lead the browser back to, if the parameters of a login are right.
fn checked<'a>(world: &World, asked: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let field = |name: &str| asked.get(name).map(String::as_str);
    let is_right = field("client_id") == Some(&world.esignet.client.id)
        && field("response_type") == Some("code")
        && field("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid"))
        && field("state").is_some_and(|state| !state.is_empty())
        && field("code_challenge").is_some() == (field("code_challenge_method") == Some("S256"));
    field("redirect_uri").filter(|uri| is_right && !uri.is_empty())
}

async fn push(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let Some(mut form) = fields(&body) else { return refuse("invalid_request", None) };
    let esignet = &world.esignet;
    if let Err(word) = esignet.check_client(&form, &esignet.url(PUSH), world.clock.now().seconds()) {
        return refuse(word, None);
    }
    if form.contains_key("request_uri") || checked(&world, &form).is_none() {
        return refuse("invalid_request", None);
    }
    form.retain(|name, _| !name.starts_with("client_assertion"));
    let uri = format!("urn:ietf:params:oauth:request_uri:{}", token());
    esignet.memory().pushed.insert(uri.clone(), form);
    json_response(StatusCode::CREATED, &json!({ "request_uri": uri, "expires_in": 60 }))
}

async fn exchange(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let (esignet, behaviour) = (&world.esignet, world.controls.get());
    let nonce = || esignet.new_nonce();
    match behaviour.esignet_lie {
        Some(EsignetLie::EndlessNonce) => return refuse("use_dpop_nonce", Some(nonce())),
        Some(EsignetLie::ProofRefused) => return refuse("invalid_dpop_proof", Some(nonce())),
        Some(EsignetLie::Echo) => return echo(&body),
        Some(EsignetLie::Redirect) => return (StatusCode::FOUND, [(LOCATION, "/login")]).into_response(),
        _ => {}
    }
    let now = world.clock.now().seconds();
    let (url, is_form) = (
        esignet.url(TOKEN),
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-www-form-urlencoded"),
    );
    let Some(form) = fields(&body).filter(|_| is_form) else { return refuse("invalid_request", None) };
    let mut thumbprint = None;
    if behaviour.esignet_dpop || headers.contains_key("dpop") {
        let request = Request { method: "POST", url: &url, access_token: None, now };
        match esignet.check_proof(&headers, &request) {
            Ok(of_key) => thumbprint = Some(of_key),
            Err(word) => return refuse(word, Some(nonce())),
        }
    }
    if let Err(word) = esignet.check_client(&form, &url, now) {
        return refuse(word, None);
    }
    let begun = match take_code(&world, &form) {
        Ok(begun) => begun,
        Err(word) => return refuse(word, None),
    };
    let access_token = token();
    let Some(id_token) = esignet.id_token(how(&behaviour, true), &access_token, begun.nonce.as_deref(), now)
    else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if behaviour.esignet_lie == Some(EsignetLie::Unbound) {
        thumbprint = None;
    }
    let token_type = if thumbprint.is_some() { "DPoP" } else { "Bearer" };
    esignet.memory().tokens.insert(access_token.clone(), Bound { thumbprint });
    let tokens = json!({"id_token": id_token, "token_type": token_type, "access_token": access_token, "expires_in": 3600});
    json_response(StatusCode::OK, &tokens)
}

/// What was sent comes back as an error.
fn echo(body: &[u8]) -> Response {
    let code = fields(body).and_then(|mut form| form.remove("code")).unwrap_or_default();
    json_response(StatusCode::BAD_REQUEST, &json!({"error": code, "error_description": code}))
}

fn take_code(world: &World, form: &BTreeMap<String, String>) -> Result<Begun, Refused> {
    let field = |name: &str| form.get(name).map(String::as_str);
    if field("grant_type") != Some("authorization_code") {
        return Err("unsupported_grant_type");
    }
    let code = field("code").ok_or("invalid_code")?;
    let begun = world.esignet.memory().codes.remove(code).ok_or("invalid_grant")?;
    if field("redirect_uri") != Some(&begun.redirect_uri) {
        return Err("invalid_redirect_uri");
    }
    let hashed = field("code_verifier").map(|verifier| base64::encode_url(&sha256(verifier.as_bytes())));
    if hashed != begun.challenge { Err("invalid_pkce") } else { Ok(begun) }
}

async fn userinfo(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let (esignet, behaviour) = (&world.esignet, world.controls.get());
    let now = world.clock.now().seconds();
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, access_token) = sent.split_once(' ').unwrap_or_default();
    let bound = match esignet.memory().tokens.get(access_token) {
        Some(Bound { thumbprint }) => thumbprint.clone(),
        None => return challenge("Bearer", "invalid_token", None),
    };
    match bound {
        Some(_) if behaviour.esignet_lie == Some(EsignetLie::EndlessUserinfoNonce) => {
            return challenge("DPoP", "use_dpop_nonce", Some(esignet.new_nonce()));
        }
        Some(thumbprint) => {
            let url = esignet.url(USERINFO);
            let request = Request { method: "GET", url: &url, access_token: Some(access_token), now };
            match esignet.check_proof(&headers, &request) {
                Ok(of_key) if scheme == "DPoP" && of_key == thumbprint => {}
                Ok(_) => return challenge("DPoP", "invalid_token", None),
                Err(word) => return challenge("DPoP", word, Some(esignet.new_nonce())),
            }
        }
        None if scheme != "Bearer" => return challenge("Bearer", "invalid_token", None),
        None => {}
    }
    if behaviour.esignet_lie == Some(EsignetLie::Large) {
        return ([(CONTENT_TYPE, "application/jwt")], "a".repeat(10 << 20)).into_response();
    }
    if behaviour.esignet_lie == Some(EsignetLie::UserinfoRedirect) {
        return (StatusCode::FOUND, [(LOCATION, "/login")]).into_response();
    }
    match esignet.userinfo(how(&behaviour, false), behaviour.esignet_seals, now) {
        Some(userinfo) => ([(CONTENT_TYPE, "application/jwt")], userinfo).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// How a token is made: the ID token, or the userinfo.
fn how(behaviour: &Behaviour, is_id_token: bool) -> How {
    let is_there = behaviour.esignet_lies_in_id_token == is_id_token;
    How { lie: behaviour.esignet_lie.filter(|_| is_there), is_rotated: behaviour.esignet_rotated }
}

/// Names with their values; `None` where one stands twice.
fn fields(text: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(fields)
}

fn refuse(word: Refused, nonce: Option<String>) -> Response {
    let status = if word == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    let answer = json_response(status, &json!({"error": word, "error_description": word}));
    match nonce {
        Some(nonce) => ([(DPOP_NONCE, nonce)], answer).into_response(),
        None => answer,
    }
}

fn challenge(scheme: &str, word: Refused, nonce: Option<String>) -> Response {
    let answer = (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, format!("{scheme} error=\"{word}\""))])
        .into_response();
    match nonce {
        Some(nonce) => ([(DPOP_NONCE, nonce)], answer).into_response(),
        None => answer,
    }
}
