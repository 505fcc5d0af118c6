//! Keys and certificates, read again because somebody asks: a post, or a signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::{Extension, Json};
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
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
    turns: Arc<Turns>,
}

/// Whoever asks while the files are read waits for one more reading, together with all that do.
#[derive(Default)]
struct Turns {
    begun: AtomicU64,
    /// The last one that ended. Held while one is under way.
    ended: Mutex<u64>,
}

impl Turns {
    /// Has `read` run, unless one that began after this call ends before it is its turn.
    async fn share(&self, read: impl Future<Output = ()>) {
        let before = self.begun.load(Ordering::Relaxed);
        let mut ended = self.ended.lock().await;
        if *ended <= before {
            let this = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            read.await;
            *ended = this;
        }
    }
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
        Self { keys, looks, certificates, turns: Arc::default() }
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

    /// Reads all of them again, for `by`, and waits for it; no longer than a volume may take, or twice as long behind another one.
    pub(crate) async fn now(&self, by: &str) -> Reloaded {
        let certificates = async {
            let (done, wait) = oneshot::channel();
            if self.looks.send(done).await.is_ok() {
                let _ = wait.await;
            }
        };
        self.turns
            .share(async {
                tokio::join!(self.keys.reload(), certificates);
            })
            .await;
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::{join, join_all};

    use super::*;
    use crate::keys::ring::fake::ring;
    use crate::keys::settings::UnknownThumbprint;

    #[tokio::test]
    async fn those_who_ask_while_the_files_are_read_share_one_more_reading() {
        let (looks, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
        let reload = Reload::new(
            Keyring::fixed(ring(&[], UnknownThumbprint::Reject)),
            looks,
            watch::channel(Arc::default()).1,
        );
        let answering = async {
            let mut count = 0;
            while let Some(done) = asked.recv().await {
                count += 1;
                // All others ask before the first one is answered.
                tokio::task::yield_now().await;
                done.send(()).unwrap();
            }
            count
        };
        let asking = async move {
            let all = join_all((0..20).map(|_| reload.now("a test"))).await;
            assert_eq!(all.len(), 20, "each is answered");
        };
        assert_eq!(join(asking, answering).await.1, 2);
    }

    #[tokio::test]
    async fn who_hangs_up_takes_nobody_elses_reading_away() {
        let turns = Turns::default();
        let mut first = Box::pin(turns.share(std::future::pending()));
        assert!((&mut first).now_or_never().is_none());
        let mut has_read = false;
        let mut second = Box::pin(turns.share(async { has_read = true }));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        second.await;
        assert!(has_read);
    }
}
