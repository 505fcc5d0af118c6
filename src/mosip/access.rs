//! Access tokens: asking MOSIP's IAM for one and reading its answer. The token itself stays opaque.

use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::codes::{self, UpstreamError};
use crate::bearer;
use crate::clock::Timestamp;
use crate::config::{Token, TokenKind};
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};
use crate::refusal;

const REFUSED: &str =
    "Check upstream.token with the MOSIP administrator: the client id, its secret and its roles.";

const REALM: &str = "Check that upstream.token.url is the realm's token endpoint.";
const SETTING: &str = "upstream.token.url";
const IAM: &str = "MOSIP's IAM";

/// A token that MOSIP's services accept in a cookie. Its `Debug` shows only when it ends.
#[derive(Debug)]
pub struct AccessToken {
    /// Kept in the form in which it is sent and marked sensitive. It is wiped on drop, but the buffers into which hyper copies it are not.
    cookie: HeaderValue,
    expires: Option<Timestamp>,
}

impl AccessToken {
    /// When the token expires: `exp` where it is a JWT that has one, else by `expires_in`. `None` where that is unknown; such a token is not
    /// kept.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    fn new(token: &str, expires_in: Option<i64>, now: Timestamp) -> Result<Self> {
        // RFC 6265 4.1.1, cookie-octet. Anything else would end the cookie early or smuggle in another.
        let fits = |b: u8| matches!(b, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E);
        if token.is_empty() || !token.bytes().all(fits) {
            return Err(broken("a token that does not fit into a cookie"));
        }
        let mut text = SecretWriter::default();
        text.push(b"Authorization=");
        text.push(token.as_bytes());
        let mut cookie = HeaderValue::from_maybe_shared(text.into_bytes())
            .map_err(|_| broken("a token that is not text"))?;
        cookie.set_sensitive(true);
        Ok(Self { cookie, expires: bearer::expiry(token, expires_in, now) })
    }
}

/// `Authorization=<token>`, the value of the `Cookie` header that MOSIP's services read; marked sensitive.
pub fn cookie(token: &AccessToken) -> HeaderValue {
    token.cookie.clone()
}

/// The `POST` that asks for a token: URL, headers, body. [`Code::Partner`] for a secret that the protocol cannot carry.
pub fn request(settings: &Token, now: Timestamp) -> Result<(Uri, HeaderMap, Bytes)> {
    let (content_type, body) = match &settings.kind {
        TokenKind::KeycloakClientCredentials => (FORM, client_form("client_credentials", settings)),
        TokenKind::KeycloakPassword { username, password } => {
            let mut form = client_form("password", settings);
            push_field(&mut form, "username", username.as_bytes());
            push_field(&mut form, "password", password.expose());
            (FORM, form)
        }
        TokenKind::Authmanager { app_id } => (JSON, authmanager_body(settings, app_id, now)?),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::ACCEPT, JSON);
    Ok((settings.url.clone(), headers, body.into_bytes()))
}

/// The token in the answer to [`request`]. [`Code::Partner`] where the IAM refuses our registration, [`Code::Upstream`] where it is
/// broken. The IAM's own words travel in [`Error::upstream`]; no secret of ours is in the error.
pub fn read(
    kind: &TokenKind,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<AccessToken> {
    if status.is_server_error() || status.is_redirection() {
        return Err(refusal::of_status(IAM, status, SETTING));
    }
    match kind {
        TokenKind::KeycloakClientCredentials | TokenKind::KeycloakPassword { .. } => {
            read_keycloak(status, body, now)
        }
        TokenKind::Authmanager { .. } => read_authmanager(status, headers, body, now),
    }
}

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The members of RFC 6749 4.3.2 and 4.4.2, with the client in the body (2.3.1), as MOSIP's own clients send it.
fn client_form(grant: &str, settings: &Token) -> SecretWriter {
    let mut form = SecretWriter::default();
    form.push(b"grant_type=");
    form.push(grant.as_bytes());
    push_field(&mut form, "client_id", settings.client_id.as_bytes());
    push_field(&mut form, "client_secret", settings.client_secret.expose());
    form
}

fn push_field(form: &mut SecretWriter, name: &str, value: &[u8]) {
    for piece in ["&", name, "="].into_iter().chain(byte_serialize(value)) {
        form.push(piece.as_bytes());
    }
}

fn authmanager_body(settings: &Token, app_id: &str, now: Timestamp) -> Result<SecretWriter> {
    #[derive(Serialize)]
    struct Wrapper<'a> {
        id: &'a str,
        version: &'a str,
        requesttime: String,
        metadata: serde_json::Map<String, serde_json::Value>,
        request: Login<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Login<'a> {
        client_id: &'a str,
        secret_key: &'a str,
        app_id: &'a str,
    }
    let secret_key = std::str::from_utf8(settings.client_secret.expose())
        .map_err(|_| Error::new(Code::Partner, "the client secret is not UTF-8 text").advise(REFUSED))?;
    // authmanager looks at neither `id` nor `version`; MOSIP's own examples write `string`.
    let wrapper = Wrapper {
        id: "string",
        version: "string",
        requesttime: now.to_iso(),
        metadata: serde_json::Map::new(),
        request: Login { client_id: &settings.client_id, secret_key, app_id },
    };
    let mut body = SecretWriter::default();
    serde_json::to_writer(&mut body, &wrapper)
        .map_err(|_| Error::new(Code::Bug, "the token request does not serialise"))?;
    Ok(body)
}

fn read_keycloak(status: StatusCode, body: &[u8], now: Timestamp) -> Result<AccessToken> {
    #[derive(Deserialize)]
    struct KeycloakReply {
        access_token: Option<String>,
        expires_in: Option<serde_json::Value>,
        error: Option<String>,
        error_description: Option<String>,
    }
    let Object(reply): Object<KeycloakReply> = serde_json::from_slice(body).map_err(|_| not_json(status))?;
    if let Some(word) = reply.error {
        return Err(keycloak_refusal(status, word, reply.error_description.unwrap_or_default()));
    }
    if !status.is_success() {
        return Err(refusal::of_status(IAM, status, SETTING));
    }
    let token = Zeroizing::new(reply.access_token.ok_or_else(|| broken("no access_token"))?);
    AccessToken::new(&token, reply.expires_in.as_ref().and_then(json::seconds), now)
}

/// By RFC 6749 5.2, an error code about the client or its grant comes with 400 or 401. Any other refusal means that the URL is wrong.
fn keycloak_refusal(status: StatusCode, word: String, description: String) -> Error {
    const ABOUT_US: [&str; 3] = ["invalid_client", "unauthorized_client", "invalid_grant"];
    let known = ABOUT_US.into_iter().find(|known| *known == word);
    let error = match known {
        Some(known) if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) => {
            Error::new(Code::Partner, format!("MOSIP's IAM answered {known}")).advise(REFUSED)
        }
        _ if status.is_success() => broken("with an error inside of success").advise(REALM),
        _ => refusal::of_status(IAM, status, SETTING).advise(REALM),
    };
    // The code goes into logs. Text that is no code, such as Keycloak's `Realm does not exist`, joins the sentence.
    let message = if description.is_empty() { &word } else { &description };
    error.with_upstream(codes::printable(&word), message)
}

fn read_authmanager(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<AccessToken> {
    #[derive(Deserialize)]
    struct AuthmanagerReply {
        errors: Option<Vec<UpstreamError>>,
    }
    let Object(reply): Object<AuthmanagerReply> =
        serde_json::from_slice(body).map_err(|_| not_json(status))?;
    codes::check(reply.errors)?;
    if !status.is_success() {
        return Err(refusal::of_status(IAM, status, SETTING));
    }
    let token =
        token_in_headers(headers).ok_or_else(|| broken("neither a cookie nor a header with a token"))?;
    // `Max-Age` of the cookie is configured separately and says nothing about the lifetime of the token.
    AccessToken::new(token, None, now)
}

/// `Set-Cookie: Authorization=<token>; …`, else the `Authorization` header.
fn token_in_headers(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(header::SET_COOKIE).iter().find_map(token_in_cookie).or_else(|| {
        let value = headers.get(header::AUTHORIZATION)?;
        std::str::from_utf8(bearer::token(value).unwrap_or(value.as_bytes())).ok()
    })
}

fn token_in_cookie(value: &HeaderValue) -> Option<&str> {
    let pair = value.to_str().ok()?.split(';').next()?;
    pair.trim().strip_prefix("Authorization=").filter(|token| !token.is_empty())
}

fn not_json(status: StatusCode) -> Error {
    refusal::of_body(IAM, status, SETTING)
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(Code::Upstream, format!("{IAM} answered {what}")).advise(REALM)
}

#[cfg(test)]
mod tests;
