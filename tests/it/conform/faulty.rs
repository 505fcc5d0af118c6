//! A proxy in front of a program that keeps the rules, so that the two together break just those that a test plants.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mosip_gateway::crypto::aead::{self, Nonce};
use mosip_gateway::crypto::base64;
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::mosip::envelope::SPLITTER;
use mosip_gateway::settings::Config;
use mosip_gateway::upstream::{Client, Reply, Request as Outgoing};
use serde_json::{Value, json};

use crate::support::gateway::{EXAMPLE, secrets};
use crate::support::mosip::private_key;
use crate::support::webhook::signature;

/// The faults that are planted.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    /// A webhook counts under any signature.
    pub(super) believes_unsigned_webhooks: bool,
    /// A webhook that is signed is refused where it holds a character beyond ASCII.
    pub(super) refuses_beyond_ascii: bool,
    /// A UINTOKEN counts under any signature.
    pub(super) believes_forged_pushes: bool,
    /// What MOSIP answers with HTTP 200 was taken.
    pub(super) takes_errors_for_success: bool,
    /// An event counts under any signature.
    pub(super) believes_unsigned_events: bool,
    /// IDA's filter says the code alone.
    pub(super) sends_no_pairs: bool,
    /// IDA signs nothing.
    pub(super) signs_no_replies: bool,
    /// An id that comes again is an error.
    pub(super) refuses_repeats: bool,
}

pub(super) struct Proxy {
    pub(super) base_url: String,
    /// `ip:port`
    pub(super) address: String,
}

struct Desk {
    to: String,
    faults: Faults,
    client: Client,
    seen: Mutex<BTreeSet<String>>,
}

impl Proxy {
    /// In front of `to`, `ip:port`.
    pub(super) async fn start(to: &str, faults: Faults) -> Self {
        let desk = Arc::new(Desk { to: to.to_owned(), faults, client: client(), seen: Mutex::default() });
        let address = serve(Router::new().fallback(pass).with_state(desk)).await;
        Self { base_url: format!("http://{address}"), address }
    }

    /// The URL of a program that sends back what it gets, among what would steer a terminal.
    pub(super) async fn echo() -> String {
        let answer = async |request: Request| {
            let path = request.uri().path().to_owned();
            let bearer =
                format!("{:?}", request.headers().get("authorization").map(|value| value.to_str().unwrap()));
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            format!(
                "{path}{bearer}\u{1b}[31m\0\u{202e}{}{}",
                String::from_utf8_lossy(&body),
                "x".repeat(1 << 16)
            )
        };
        format!("http://{}", serve(Router::new().fallback(answer)).await)
    }
}

async fn serve(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn client() -> Client {
    let read = |path: &Path| std::fs::read(path);
    Client::new(&Config::from_toml(EXAMPLE, Path::new("deploy"), &secrets(), &read).unwrap().upstream)
        .unwrap()
}

async fn pass(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut headers = head.headers;
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    if let Some(refusal) = desk.refuse(&headers, &body) {
        return refusal;
    }
    let body = desk.spoil(&mut headers, body);
    for written_anew in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION]
    {
        headers.remove(written_anew);
    }
    let path = head.uri.path_and_query().unwrap();
    let outgoing = Outgoing {
        method: head.method,
        uri: format!("http://{}{path}", desk.to).parse().unwrap(),
        headers,
        body,
        deadline: Duration::from_secs(60),
        max_response: 1 << 24,
    };
    match desk.client.send(outgoing).await {
        Ok(reply) => desk.answer(path.path(), reply),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Desk {
    fn refuse(&self, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
        let Faults { refuses_beyond_ascii, refuses_repeats, .. } = self.faults;
        let text = String::from_utf8_lossy(body);
        let is_signed =
            headers.get("x-hub-signature").is_some_and(|given| given == signature(&text).as_str());
        let beyond = refuses_beyond_ascii && is_signed && !body.is_ascii();
        let id = json_of(body)["id"].as_str().map(str::to_owned);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let again = refuses_repeats && id.is_some_and(|id| id.len() == 36 && !seen.insert(id));
        (beyond || again).then(|| (StatusCode::BAD_REQUEST, "no").into_response())
    }

    fn spoil(&self, headers: &mut HeaderMap, body: Bytes) -> Bytes {
        if self.faults.believes_unsigned_webhooks {
            let right = signature(&String::from_utf8_lossy(&body));
            headers.insert("x-hub-signature", HeaderValue::from_str(&right).unwrap());
        }
        if self.faults.believes_unsigned_events && json_of(&body)["data"].is_string() {
            let mut event = json_of(&body);
            let sealed = base64::decode(event["data"].as_str().unwrap().as_bytes()).unwrap();
            let key = private_key("keys.example/opencrvs-priv.key");
            event["signature"] =
                base64::encode(&key.sign(SignatureAlgorithm::Rs512, &[&sealed]).unwrap()).into();
            return event.to_string().into();
        }
        if self.faults.believes_forged_pushes {
            return believed(&body).unwrap_or(body);
        }
        body
    }

    fn answer(&self, path: &str, reply: Reply) -> Response {
        let Reply { status, mut headers, body } = reply;
        for written_anew in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
            headers.remove(written_anew);
        }
        let mut answered = json_of(&body);
        if self.faults.takes_errors_for_success
            && status == 200
            && answered["errors"].is_array()
            && path.starts_with("/opencrvs/")
        {
            let taken = json!({ "response": { "message": "Received" } });
            let aid = json!("10001100010000120261128090000");
            let said = if path.ends_with("/generateAid") { aid } else { taken };
            return axum::Json(said).into_response();
        }
        if self.faults.signs_no_replies {
            headers.remove("response-signature");
        }
        let is_pair = answered["errors"].as_array().is_some_and(|errors| errors.len() == 2);
        if self.faults.sends_no_pairs && is_pair {
            answered["errors"].as_array_mut().unwrap().remove(0);
            return (status, headers, answered.to_string()).into_response();
        }
        (status, headers, body).into_response()
    }
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// The push, whose signature is right now, whatever it was.
fn believed(body: &[u8]) -> Option<Bytes> {
    let mut push = json_of(body);
    let sealed = base64::decode(push["data"].as_str()?.as_bytes()).ok()?;
    let plaintext = open(&sealed)?;
    let key = private_key("keys.example/simulator/mosip-priv.key");
    let signature = key.sign(SignatureAlgorithm::Rs512, &[&plaintext]).unwrap();
    push["signature"] = base64::encode_url(&signature).into();
    Some(push.to_string().into())
}

/// Opens VER_R2 under any thumbprint.
fn open(sealed: &[u8]) -> Option<Vec<u8>> {
    let key = private_key("keys.example/opencrvs-priv.key");
    let (wrapped, rest) = sealed.get(6 + 32..)?.split_at_checked(key.modulus_len())?;
    let (aad, ciphertext) = rest.get(SPLITTER.len()..)?.split_first_chunk::<32>()?;
    let session_key = key.unwrap(wrapped).ok()?;
    let mut bytes = ciphertext.to_vec();
    let nonce = Nonce::Twelve(aad.first_chunk()?);
    Some(aead::open_in_place(&session_key, nonce, aad, &mut bytes).ok()?.to_vec())
}
