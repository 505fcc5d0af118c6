//! The program that is examined, and what it answers, in a form that may stand in a report.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::keys::Keys;
use super::{CannotRun, Plan};
use crate::clock::Clock;
use crate::config;
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::secret::SecretBytes;
use crate::upstream::{Client, Reply, Request, SendError};

/// The largest answer that is read, bytes.
const LARGEST: usize = 1 << 20;
/// Characters of a body that a report shows.
const SHOWN: usize = 300;
/// What stands in a report in place of a secret.
const HIDDEN: &str = "[secret]";
/// Seconds that a token of OpenCRVS lives.
const TOKEN_LIFETIME_S: i64 = 600;

/// The program, as the kit reaches it.
pub(super) struct Target {
    client: Client,
    deadline: Duration,
    secrets: Vec<String>,
}

/// What came in answer to a request.
pub(super) struct Came(pub(super) Result<Reply, SendError>);

impl Target {
    pub(super) fn new(plan: &Plan, keys: &Keys) -> Result<Self, CannotRun> {
        let client = Client::new(&config::Upstream {
            roots: plan.roots.clone().map(config::Roots::Pem),
            danger_plain_http: plan.danger_plain_http,
            danger_plain_http_hosts: Vec::new(),
            probe_interval: plan.deadline,
            client: config::ClientCertificates::default(),
        })?;
        let (registered, ida) = (&keys.theirs.client, &keys.theirs.ida);
        let mut target = Self { client, deadline: plan.deadline, secrets: Vec::new() };
        let known = [&registered.secret, &registered.password, &ida.license_key, &ida.api_key];
        for secret in known.into_iter().chain(&plan.webhook_secret) {
            target.hide(&String::from_utf8_lossy(secret.expose()));
            target.hide(&in_path(secret));
        }
        Ok(target)
    }

    /// From now on `secret` stands in no text of [`Self::shown`].
    pub(super) fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(secret.to_owned());
        }
    }

    /// Refuses a URL at which nobody answers, whatever the answer is.
    pub(super) async fn reach(&self, url: &Uri) -> Result<(), CannotRun> {
        match self.send(Method::GET, url, [], Bytes::new()).await.0 {
            Err(failure) if failure.is_retry_safe() => Err(CannotRun::Unreachable(failure.to_string())),
            _ => Ok(()),
        }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &Uri,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        body: impl Into<Bytes>,
    ) -> Came {
        let request = Request {
            method,
            uri: url.clone(),
            headers: HeaderMap::from_iter(headers),
            body: body.into(),
            deadline: self.deadline,
            max_response: LARGEST,
        };
        Came(self.client.send(request).await)
    }

    /// Posts JSON.
    pub(super) async fn post(
        &self,
        url: &Uri,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        body: impl Into<Bytes>,
    ) -> Came {
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Method::POST, url, [json].into_iter().chain(headers), body).await
    }

    /// Bytes from outside as a report shows them: cut, without secrets, and without a character that steers a terminal or is none of XML.
    pub(super) fn shown(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret, HIDDEN);
        }
        let mut shown = String::new();
        for (index, c) in text.chars().enumerate() {
            if index == SHOWN {
                shown.push_str(&format!("… ({} bytes in all)", bytes.len()));
                break;
            }
            if c.is_control() || is_invisible(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
        }
        shown
    }

    /// What came, as a report shows it.
    pub(super) fn describe(&self, came: &Came) -> String {
        match &came.0 {
            Err(failure) => self.shown(failure.to_string().as_bytes()),
            Ok(reply) if reply.body.is_empty() => {
                format!("HTTP {} with an empty body", reply.status.as_u16())
            }
            Ok(reply) => format!("HTTP {} {}", reply.status.as_u16(), self.shown(&reply.body)),
        }
    }
}

impl Came {
    pub(super) fn status(&self) -> Option<u16> {
        self.0.as_ref().ok().map(|reply| reply.status.as_u16())
    }

    /// 2xx
    pub(super) fn is_success(&self) -> bool {
        self.0.as_ref().is_ok_and(|reply| reply.status.is_success())
    }

    /// 4xx
    pub(super) fn is_refusal(&self) -> bool {
        self.0.as_ref().is_ok_and(|reply| reply.status.is_client_error())
    }

    pub(super) fn body(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |reply| &reply.body)
    }
}

/// `url` with `path` behind its own.
pub(super) fn behind(url: &Uri, path: &str) -> Result<Uri, CannotRun> {
    let base = url.to_string();
    let joined = format!("{}{path}", base.trim_end_matches('/'));
    joined.parse().map_err(|_| CannotRun::Unreachable(format!("{path} fits behind no such URL")))
}

/// A token of OpenCRVS's auth service, which `target` may repeat and no report shows.
pub(super) fn opencrvs_token(key: &PrivateKey, target: &mut Target) -> Result<HeaderValue, CannotRun> {
    let now = Clock::system().now().seconds();
    let claims = serde_json::json!({
        "scope": ["notify"],
        "iat": now,
        "exp": now.saturating_add(TOKEN_LIFETIME_S),
        "aud": ["opencrvs:auth-user", "opencrvs:mosip-user"],
        "iss": "opencrvs:auth-service",
        "sub": "00000000-0000-4000-8000-000000000002",
    });
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
    let token = jws::sign(key, protected, claims.to_string().as_bytes());
    let kit = |what: &str| CannotRun::Keys(what.to_owned());
    let token = token.map_err(|_| kit("the key of OpenCRVS's tokens signs nothing"))?;
    target.hide(&token);
    HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| kit("a token fits into no header"))
}

/// A secret as it travels in a path.
pub(super) fn in_path(secret: &SecretBytes) -> String {
    percent_encoding::percent_encode(secret.expose(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Changes the direction of text, or takes no room, or is no character of XML 1.0.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}
