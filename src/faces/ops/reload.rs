//! Keys and certificates, read again because somebody asks: a post, or a signal.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::{Extension, Json};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use utoipa::ToSchema;

use super::{Ops, decision};
use crate::config::Trouble;
use crate::error::Result;
use crate::faces::Certificates;
use crate::faces::request::refuse_query;
use crate::http::server::Peer;
use crate::keys::dated::OWN;
use crate::keys::{Dated, Keyring, Ring};

/// Reads the files of keys and certificates again, and knows what is in use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reload {
    keys: Keyring,
    looks: mpsc::Sender<oneshot::Sender<()>>,
    certificates: watch::Receiver<Arc<Certificates>>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reloaded {
    /// What is in use now.
    loaded: Vec<Loaded>,
    /// Files that cannot be used as they are. Where something was loaded before, that stays in use.
    refused: Vec<Refused>,
    /// Own keys that will be gone, since their files are missing or hold other keys.
    retiring: Vec<Retiring>,
}

#[derive(Serialize, ToSchema)]
struct Loaded {
    /// As in `/readyz`.
    role: &'static str,
    name: String,
    /// The place of the certificate in its file, from 1; behind that of a key stand its issuers. Absent: a key without a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    number: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    valid_until: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Refused {
    /// A setting, or a file.
    subject: String,
    detail: String,
    advice: String,
}

#[derive(Serialize, ToSchema)]
struct Retiring {
    /// That of the configuration, or of the file.
    name: String,
    until: String,
}

impl Reload {
    /// Over `keys` and the `certificates` outside it, at which `looks` asks for a look.
    pub(crate) fn new(
        keys: Keyring,
        looks: mpsc::Sender<oneshot::Sender<()>>,
        certificates: watch::Receiver<Arc<Certificates>>,
    ) -> Self {
        Self { keys, looks, certificates }
    }

    /// Over `keys`, where there are no other certificates.
    #[cfg(test)]
    pub(crate) fn fixed(keys: Keyring) -> Self {
        Self::new(keys, mpsc::channel(1).0, watch::channel(Arc::default()).1)
    }

    /// The certificates outside the key ring.
    pub(crate) fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates.borrow())
    }

    /// Reads all of them again, for `by`, and waits for it; no longer than a volume may take.
    pub(crate) async fn now(&self, by: &str) -> Reloaded {
        let certificates = async {
            let (done, wait) = oneshot::channel();
            if self.looks.send(done).await.is_ok() {
                let _ = wait.await;
            }
        };
        tokio::join!(self.keys.reload(), certificates);
        let reloaded = Reloaded::of(&self.keys.current(), &self.certificates());
        tracing::info!(by, refused = reloaded.refused.len(), "keys and certificates were read again");
        reloaded
    }
}

impl Reloaded {
    fn of(ring: &Ring, certificates: &Certificates) -> Self {
        let bare = ring.own().iter().filter(|own| own.certificate.is_none());
        let bare = bare.map(|own| (&own.name, &own.location));
        let ec = ring.ec_keys().map(|key| (&key.name, &key.location));
        let without = bare.chain(ec).map(|(name, location)| Loaded {
            role: OWN,
            name: name.clone().unwrap_or_else(|| location.short()),
            number: None,
            valid_until: None,
        });
        let of_ring = ring.certificates();
        let with =
            of_ring.iter().chain(&certificates.dated).map(|Dated { place, number, dates, .. }| Loaded {
                role: place.role,
                name: place.name.clone(),
                number: Some(*number),
                valid_until: Some(dates.not_after.to_iso()),
            });
        let of_keys = ring.troubles().iter().filter(|trouble| trouble.refused).map(|trouble| Refused {
            subject: trouble.location.short(),
            detail: trouble.what.clone(),
            advice: trouble.advice.clone(),
        });
        let others = certificates.refused.iter().map(|trouble: &Trouble| Refused {
            subject: trouble.short_subject().to_owned(),
            detail: trouble.what.clone(),
            advice: trouble.advice.clone(),
        });
        Self {
            loaded: without.chain(with).collect(),
            refused: of_keys.chain(others).collect(),
            retiring: ring
                .retiring()
                .map(|key| Retiring { name: key.called(), until: key.until.to_iso() })
                .collect(),
        }
    }
}

/// Reads the files of keys and certificates again at once, as SIGHUP does, and says what is in use and what is refused.
#[utoipa::path(post, path = "/v1/keys/reload", responses((status = 200, description = "What is in use now, and what is refused.", body = Reloaded)))]
pub(super) async fn reload(
    State(ops): State<Ops>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Result<Json<Reloaded>> {
    refuse_query(&request)?;
    Ok(Json(ops.app.reload().now(&asked_by(peer)).await))
}

/// Who asks, as the log has it: an address or a certificate.
pub(super) fn asked_by(peer: Option<Extension<Peer>>) -> String {
    peer.map_or_else(|| "unknown".to_owned(), |Extension(peer)| decision::name(&peer))
}
