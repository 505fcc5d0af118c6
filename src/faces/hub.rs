//! What MOSIP's hub calls: it brings messages, which are stored under its signature, and asks whether a subscription is meant. The callback
//! listener takes it, and so does the face of `mosip-api`.

use std::sync::Arc;

use axum::extract::Request;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{App, hub_signature, signature_refused};
use crate::crypto::hmac::HubSignature;
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::http::body::{self, Limits, Spent};
use crate::http::caller::Caller;
use crate::ledger::Sender;
use crate::mosip::push::PushKind;
use crate::mosip::websub::Denial;
use crate::pool;

/// Where the hub posts.
pub(super) const PATHS: [&str; 3] =
    ["/websub/callback", "/websub/callback/", "/websub/callback/{*unguessable}"];

/// What stands before the part that cannot be guessed.
const PREFIX: &str = "/websub/callback/";

/// Largest message, bytes: a credential with a photo stays below it.
pub(super) const BODY_LIMIT: usize = 6 << 20;

/// Longest question of the hub whether a request is meant, bytes. MOSIP's is a UUID.
const LONGEST_CHALLENGE: usize = 1 << 10;

/// Why further parameters of the hub are not refused.
pub(super) const OTHER_PARAMETERS: &str = "Any further parameter is taken, and none is read: hubs add their own, and keep those of the callback URL.";

/// How the hub proves itself.
pub(crate) struct HubProof {
    /// `websub.secret_file`: it signs the raw body with this.
    pub(crate) secret: Arc<SecretBytes>,
    /// The last part of `websub.callback_url`, where it cannot be guessed: a caller that knows it is the hub.
    pub(crate) path: Option<SecretBytes>,
}

impl HubProof {
    /// Whether `path` ends with the part that the hub alone knows.
    fn knows_path(&self, path: &str) -> bool {
        let part = path.strip_prefix(PREFIX).map(|part| part.trim_end_matches('/'));
        self.path.as_ref().zip(part).is_some_and(|(wanted, part)| wanted.matches(part.as_bytes()))
    }
}

/// The callback of the hub. Cheap to clone.
#[derive(Clone)]
pub(super) struct HubCallback {
    app: App,
    proof: Arc<HubProof>,
    /// Of the bodies of callers that have proved themselves.
    known: Limits,
    /// Of the bodies of callers that nothing is known of yet.
    strangers: Limits,
}

/// What the hub says or asks in a query.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Intent {
    #[serde(rename = "hub.mode")]
    pub(super) mode: String,
    #[serde(rename = "hub.topic")]
    pub(super) topic: Option<String>,
    #[serde(rename = "hub.challenge")]
    pub(super) challenge: Option<String>,
    #[serde(rename = "hub.lease_seconds")]
    pub(super) lease: Option<String>,
    #[serde(rename = "hub.reason")]
    pub(super) reason: Option<String>,
}

impl HubCallback {
    /// `None`: no secret is shared with the hub.
    pub(super) fn new(app: &App, known: Limits, strangers: Limits) -> Option<Self> {
        Some(Self { app: app.clone(), proof: app.hub_proof()?, known, strangers })
    }

    /// Stores a message of the hub, and gives it back; it is on the disk once this returns. The hub stops for good after an answer that is no
    /// success.
    pub(super) async fn take(&self, caller: &Caller, request: Request) -> Result<Bytes> {
        let hub = self.app.hub();
        let is_hub = self.is_hub(caller, request.uri().path())?;
        let body = match self.signed(caller, is_hub, request).await {
            Ok(body) => body,
            Err(Unsigned { refusal, body }) => {
                // What the hub's own message says of its topic tells which subscription fails; of a stranger's nothing is read.
                let read = match body.filter(|_| is_hub) {
                    Some(body) => self.kind_of(body).await.ok(),
                    None => None,
                };
                hub.refused(refusal.code(), is_hub, read.map(|(kind, _)| kind));
                return Err(refusal);
            }
        };
        caller.prove();
        // Whatever it is, the hub signed it: it is kept, and the verdict comes after.
        let read = self.kind_of(body).await;
        let (kind, body) = read.inspect_err(|refusal| hub.refused(refusal.code(), true, None))?;
        let stored = self.app.pushes().receive(kind, body.clone(), Sender::Known).await;
        stored.inspect_err(|_| hub.missed(kind))?;
        Ok(body)
    }

    /// The answer to what the hub asks at `path`: its challenge, byte for byte, while a request of the gateway about that topic waits for it.
    /// That a subscription is denied or broken is a hint.
    pub(super) async fn confirm(&self, caller: &Caller, path: &str, intent: Intent) -> Result<String> {
        if !self.is_hub(caller, path)? {
            caller.count()?;
        }
        let hub = self.app.hub();
        let Intent { mode, topic, challenge, lease, reason } = intent;
        if let Some(denial) = Denial::of(&mode) {
            hub.denied(denial, topic.as_deref(), reason.as_deref());
            return Ok(String::new());
        }
        if challenge.as_ref().is_some_and(|challenge| challenge.len() > LONGEST_CHALLENGE) {
            let what = format!("`hub.challenge` is longer than {LONGEST_CHALLENGE} bytes");
            return Err(Error::new(Code::Field, what));
        }
        let unasked =
            || Error::new(Code::NotFound, "this gateway has not just asked the hub about that topic");
        let (challenge, topic) = challenge.zip(topic).ok_or_else(unasked)?;
        match hub.confirms(&mode, &topic, lease.as_deref()).await {
            true => Ok(challenge),
            false => Err(unasked()),
        }
    }

    /// Whether `caller`, which calls `path`, is the hub as far as these and its certificate tell. Where the hub has an address of its own,
    /// no other one is there: [`Code::NotFound`].
    fn is_hub(&self, caller: &Caller, path: &str) -> Result<bool> {
        if self.proof.knows_path(path) {
            caller.prove();
            return Ok(true);
        }
        let is_hub = caller.has_certificate();
        if self.proof.path.is_some() {
            if !is_hub {
                caller.count()?;
            }
            return Err(Error::new(Code::NotFound, "the hub has another address"));
        }
        Ok(is_hub)
    }

    /// The body of a message under the hub's signature. That of the hub waits for its turn where others take the room, since a refusal may
    /// end what the hub delivers.
    async fn signed(&self, caller: &Caller, is_hub: bool, request: Request) -> Result<Bytes, Unsigned> {
        let mut signature =
            HubSignature::begin(self.proof.secret.expose(), hub_signature(request.headers())?)
                .map_err(|refusal| signature_refused(&refusal))?;
        let (limits, spent) = match is_hub {
            true => (self.known.clone(), Spent::Waits),
            false => (self.strangers.of(caller.address()), Spent::Refused),
        };
        let body =
            body::read_seeing(request, &limits, spent, |piece| signature.update(piece)).await?.into_bytes();
        match signature.verify() {
            Ok(()) => Ok(body),
            Err(refusal) => Err(Unsigned { refusal: signature_refused(&refusal), body: Some(body) }),
        }
    }

    async fn kind_of(&self, body: Bytes) -> Result<(PushKind, Bytes)> {
        let hub = self.app.hub().clone();
        pool::offload(body.len(), move || Ok((hub.kind_of(&body), body))).await
    }
}

/// A message that is not under the hub's signature, with its body where that is whole.
struct Unsigned {
    refusal: Error,
    body: Option<Bytes>,
}

impl From<Error> for Unsigned {
    fn from(refusal: Error) -> Self {
        Self { refusal, body: None }
    }
}
