//! Access tokens: asking MOSIP's IAM, or that of another system, for one and reading its answer. The token itself stays opaque.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::codes::{self, UpstreamError};
use crate::bearer;
use crate::clock::Timestamp;
use crate::config::{Token, TokenKind};
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Fault, Result};
use crate::json::{self, Object};
use crate::refusal;

/// An IAM, as the settings of one section name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iam {
    /// Whose it is: `MOSIP`.
    pub of: &'static str,
    /// `upstream.token`, `websub.token`, …: where a person puts right what keeps the gateway from a token.
    pub section: &'static str,
}

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

    /// `Err` says what the IAM answered instead.
    fn new(token: &str, expires_in: Option<i64>, now: Timestamp) -> Result<Self, &'static str> {
        // RFC 6265 4.1.1, cookie-octet. Anything else would end the cookie early or smuggle in another.
        let fits = |b: u8| matches!(b, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E);
        if token.is_empty() || !token.bytes().all(fits) {
            return Err("a token that does not fit into a cookie");
        }
        let mut text = SecretWriter::default();
        text.push(IN_COOKIE);
        text.push(token.as_bytes());
        let mut cookie =
            HeaderValue::from_maybe_shared(text.into_bytes()).map_err(|_| "a token that is not text")?;
        cookie.set_sensitive(true);
        Ok(Self { cookie, expires: bearer::expiry(token, expires_in, now) })
    }
}

/// `Authorization=<token>`, the value of the `Cookie` header that MOSIP's services read; marked sensitive.
pub fn cookie(token: &AccessToken) -> HeaderValue {
    token.cookie.clone()
}

/// `Bearer <token>`, the value of the `Authorization` header of RFC 6750; marked sensitive.
pub(crate) fn bearer(token: &AccessToken) -> Result<HeaderValue> {
    let cookie = token.cookie.as_bytes();
    let mut text = SecretWriter::default();
    text.push(b"Bearer ");
    text.push(cookie.strip_prefix(IN_COOKIE).unwrap_or(cookie));
    let mut value = HeaderValue::from_maybe_shared(text.into_bytes())
        .map_err(|_| Error::new(Code::Bug, "a token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Iam {
    /// The `POST` that asks for a token: URL, headers, body. [`Code::Partner`] for a secret that the protocol cannot carry.
    pub fn request(self, settings: &Token, now: Timestamp) -> Result<(Uri, HeaderMap, Bytes)> {
        let (content_type, body) = match &settings.kind {
            TokenKind::KeycloakClientCredentials => (FORM, client_form("client_credentials", settings)),
            TokenKind::KeycloakPassword { username, password } => {
                let mut form = client_form("password", settings);
                form.field("username", username.as_bytes());
                form.field("password", password.expose());
                (FORM, form)
            }
            TokenKind::Authmanager { app_id } => (JSON, self.authmanager_body(settings, app_id, now)?),
        };
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type), (header::ACCEPT, JSON)]);
        Ok((settings.url.clone(), headers, body.into_bytes()))
    }

    /// The token in the answer to [`Self::request`]. [`Code::Partner`] where the IAM refuses our registration, [`Code::Upstream`] where
    /// it is broken. The IAM's own words travel in [`Error::upstream`]; no secret of ours is in the error.
    pub fn read(
        self,
        kind: &TokenKind,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<AccessToken> {
        if status.is_server_error() || status.is_redirection() {
            return Err(self.of_status(status));
        }
        match kind {
            TokenKind::KeycloakClientCredentials | TokenKind::KeycloakPassword { .. } => {
                self.read_keycloak(status, body, now)
            }
            TokenKind::Authmanager { .. } => self.read_authmanager(status, headers, body, now),
        }
    }

    fn authmanager_body(self, settings: &Token, app_id: &str, now: Timestamp) -> Result<SecretWriter> {
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
            .map_err(|_| self.refused("the client secret is not UTF-8 text"))?;
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

    fn read_keycloak(self, status: StatusCode, body: &[u8], now: Timestamp) -> Result<AccessToken> {
        #[derive(Deserialize)]
        struct KeycloakReply {
            access_token: Option<String>,
            expires_in: Option<serde_json::Value>,
            error: Option<String>,
            error_description: Option<String>,
        }
        let Object(reply): Object<KeycloakReply> =
            serde_json::from_slice(body).map_err(|_| self.not_json(status))?;
        if let Some(word) = reply.error {
            return Err(self.keycloak_refusal(status, word, reply.error_description.unwrap_or_default()));
        }
        if !status.is_success() {
            return Err(self.of_status(status));
        }
        let token = Zeroizing::new(reply.access_token.ok_or_else(|| self.broken("no access_token"))?);
        let expires_in = reply.expires_in.as_ref().and_then(json::seconds);
        AccessToken::new(&token, expires_in, now).map_err(|what| self.broken(what))
    }

    /// By RFC 6749 5.2, an error code about the client or its grant comes with 400 or 401. Any other refusal means that the URL is wrong.
    fn keycloak_refusal(self, status: StatusCode, word: String, description: String) -> Error {
        const ABOUT_US: [&str; 3] = ["invalid_client", "unauthorized_client", "invalid_grant"];
        let known = ABOUT_US.into_iter().find(|known| *known == word);
        let error = match known {
            Some(known) if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) => {
                self.refused(format!("{} answered {known}", self.name()))
            }
            _ if status.is_success() => self.broken("with an error inside of success"),
            _ => self.of_status(status).advise(self.check_url()),
        };
        // The code goes into logs. Text that is no code, such as Keycloak's `Realm does not exist`, joins the sentence.
        let message = if description.is_empty() { &word } else { &description };
        error.with_upstream(codes::printable(&word), message)
    }

    fn read_authmanager(
        self,
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
            serde_json::from_slice(body).map_err(|_| self.not_json(status))?;
        codes::check(reply.errors).map_err(|error| match error.fault() {
            Fault::Partner => error.advise(self.check_client()),
            _ => error,
        })?;
        if !status.is_success() {
            return Err(self.of_status(status));
        }
        let token = token_in_headers(headers)
            .ok_or_else(|| self.broken("neither a cookie nor a header with a token"))?;
        // `Max-Age` of the cookie is configured separately and says nothing about the lifetime of the token.
        AccessToken::new(token, None, now).map_err(|what| self.broken(what))
    }

    fn check_client(self) -> String {
        format!(
            "Check {} with the {} administrator: its URL, the client id, its secret and its roles.",
            self.section, self.of
        )
    }

    fn check_url(self) -> String {
        format!("Check that {}.url is the realm's token endpoint.", self.section)
    }

    fn refused(self, what: impl Into<String>) -> Error {
        Error::new(Code::Partner, what).advise(self.check_client())
    }

    /// `MOSIP's IAM`
    fn name(self) -> String {
        format!("{}'s IAM", self.of)
    }

    fn of_status(self, status: StatusCode) -> Error {
        refusal::of_status(&self.name(), status, &format!("{}.url", self.section))
    }

    fn not_json(self, status: StatusCode) -> Error {
        refusal::of_body(&self.name(), status, &format!("{}.url", self.section))
    }

    fn broken(self, what: &str) -> Error {
        Error::new(Code::Upstream, format!("{} answered {what}", self.name())).advise(self.check_url())
    }
}

/// What stands before the token in a cookie.
const IN_COOKIE: &[u8] = b"Authorization=";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The members of RFC 6749 4.3.2 and 4.4.2, with the client in the body (2.3.1), as MOSIP's own clients send it.
fn client_form(grant: &str, settings: &Token) -> SecretWriter {
    let mut form = SecretWriter::default();
    form.field("grant_type", grant.as_bytes());
    form.field("client_id", settings.client_id.as_bytes());
    form.field("client_secret", settings.client_secret.expose());
    form
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

#[cfg(test)]
mod tests;
