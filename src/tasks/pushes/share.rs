//! Credentials that the hub only names: each is fetched from its data share and put into its message, which is then examined as any other.
//!
//! The message is durable before the hub is answered. Until its share is there it is in quarantine with the reason of the last attempt,
//! and is tried again, after a start from the beginning. What a gateway was to fetch that is gone, another one over the database takes up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Pushes, PushesInner, is_ours, reason};
use crate::config::Token;
use crate::destinations::TokenSource;
use crate::destinations::drive::Outside;
use crate::destinations::iam::IamToken;
use crate::error::{Code, Error, Fault, Result};
use crate::ledger::{KnownShare, Quarantined, Received};
use crate::mosip::credential::event::Notification;
use crate::mosip::credential::share::{self, DataShare, SHARE_LIMIT};
use crate::mosip::websub::credential::CREDENTIAL;
use crate::pool;
use crate::random::Random;
use crate::upstream::{Request, SendError};

/// For one share.
const DEADLINE: Duration = Duration::from_secs(30);
/// Shares that are fetched at once.
const AT_ONCE: usize = 4;
/// How long the second attempt waits at most; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// However often it failed, a share is tried again after this time.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// On a share that MOSIP does not give again.
const GIVEN_BEFORE: &str = "Another message brought this share before: its credential was delivered, or a person discarded that message. It is tried again by itself, since MOSIP may give a share more than once. If it stays away, ask the MOSIP administrator which message is theirs, have the credential issued again where it was not delivered, and discard this message.";
/// When nothing waits.
const REST: Duration = Duration::from_hours(24);

/// `[credentials.data_share]`
pub struct Settings {
    /// The folder of the shares.
    pub url: Uri,
    /// The same, as addresses are compared with it.
    pub place: DataShare,
    /// Fetches the token that is shown there; absent = none is shown.
    pub token: Option<Token>,
}

/// Where shares are fetched, and which messages wait for theirs.
pub(crate) struct Shares {
    place: Option<Place>,
    outside: Arc<dyn Outside>,
    random: Random,
    queue: Arc<Queue>,
}

/// Which messages wait for their shares.
#[derive(Default)]
struct Queue {
    waiting: Mutex<BTreeMap<String, Wait>>,
    wake: Notify,
}

struct Place {
    folder: DataShare,
    token: Option<Arc<TokenSource>>,
}

/// When a message is tried again, and how often it was tried.
#[derive(Clone, Copy)]
struct Wait {
    attempts: u32,
    /// `None`: it is under way.
    due: Option<Instant>,
}

/// An attempt for one message. As long as it lasts, nobody makes another one. Where it is given up, as when its caller hangs up, the
/// message is due again.
pub(super) struct Attempt {
    queue: Arc<Queue>,
    pub(super) id: String,
    has_ended: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        if let Some(wait) = self.queue.waiting().get_mut(&self.id) {
            wait.due = wait.due.or(Some(Instant::now()));
        }
        self.queue.wake.notify_one();
    }
}

/// The token that is shown to the place of shares, and nowhere else.
pub(crate) fn token(settings: Token) -> Arc<TokenSource> {
    Arc::new(TokenSource::new(IamToken::cookie("credentials.data_share.token", settings)))
}

impl Shares {
    /// From the place of `settings`; without one, none is fetched.
    pub(crate) fn new(settings: Option<Settings>, outside: Arc<dyn Outside>, random: Random) -> Self {
        let place =
            settings.map(|settings| Place { folder: settings.place, token: settings.token.map(token) });
        Self { place, outside, random, queue: Arc::default() }
    }

    /// The sealed credential at `uri`, which [`Self::check`] allowed.
    async fn fetch(&self, uri: Uri) -> Result<String> {
        let place = self.place.as_ref().ok_or_else(is_unset)?;
        let (method, deadline, max_response) = (Method::GET, DEADLINE, SHARE_LIMIT);
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        let request = Request { method, uri, headers, body, deadline, max_response };
        let reply = match self.outside.send(place.token.clone(), request).await? {
            Err(failure @ SendError::TooLarge { .. }) => {
                return Err(Error::new(Code::Malformed, format!("the share is no credential: {failure}"))
                    .advise("Ask the MOSIP administrator what is shared there."));
            }
            reply => reply?,
        };
        share::read(reply.status, &reply.body).map(str::to_owned).map_err(|error| reply.explain(error))
    }

    /// The `address` that the hub named, as it is called; one that is never called is refused.
    fn check(&self, address: &str) -> Result<Uri> {
        self.place.as_ref().ok_or_else(is_unset)?.folder.address(address)
    }

    /// `id` is tried at once, unless it is under way.
    pub(super) fn ask_for(&self, id: String) {
        let now = Some(Instant::now());
        let mut waiting = self.queue.waiting();
        let wait = waiting.entry(id).or_insert(Wait { attempts: 0, due: now });
        if wait.due.is_some() {
            wait.due = now;
        }
        drop(waiting);
        self.queue.wake.notify_one();
    }

    /// `id`, which another gateway may be trying, is tried here too, once that one has had the time for it.
    pub(super) fn take_up(&self, id: String) {
        let due = Some(Instant::now() + 2 * DEADLINE);
        self.queue.waiting().entry(id).or_insert(Wait { attempts: 0, due });
        self.queue.wake.notify_one();
    }

    /// An attempt for `id`, whenever it is due; `None` while one is under way.
    pub(super) fn begin(&self, id: &str) -> Option<Attempt> {
        let mut waiting = self.queue.waiting();
        let wait = waiting.entry(id.to_owned()).or_insert(Wait { attempts: 0, due: Some(Instant::now()) });
        wait.due.take().map(|_| self.attempt(id))
    }

    fn attempt(&self, id: &str) -> Attempt {
        Attempt { queue: Arc::clone(&self.queue), id: id.to_owned(), has_ended: false }
    }

    /// An attempt for the message that is due first; else when the next one is due.
    fn next(&self) -> Result<Attempt, Instant> {
        let (mut waiting, now) = (self.queue.waiting(), Instant::now());
        let due = waiting.iter_mut().filter_map(|(id, wait)| Some((wait.due?, id, wait)));
        match due.min_by_key(|(due, ..)| *due) {
            Some((due, id, wait)) if due <= now => {
                wait.due = None;
                Ok(self.attempt(id))
            }
            Some((due, ..)) => Err(due),
            None => Err(now + REST),
        }
    }

    /// An attempt for `id` failed by `error`, which may be over later.
    fn failed(&self, id: &str, error: &Error) {
        let mut waiting = self.queue.waiting();
        let wait = waiting.entry(id.to_owned()).or_insert(Wait { attempts: 0, due: None });
        let most = FIRST_WAIT.saturating_mul(1 << wait.attempts.min(16)).min(LONGEST_WAIT);
        // Between a half and the whole, so that what failed together is not tried together.
        let half = u64::try_from(most.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        let wanted = Duration::from_millis(half + u64::from(self.random.u32()) % half);
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_WAIT);
        wait.attempts = wait.attempts.saturating_add(1);
        wait.due = Some(Instant::now() + wanted.max(asked));
        drop(waiting);
        self.queue.wake.notify_one();
    }

    /// `attempt` ended, and unless it failed in a way that may be over later it is the last one for its message.
    pub(super) fn end(&self, mut attempt: Attempt, outcome: &Result<()>) {
        attempt.has_ended = true;
        match outcome {
            Err(error) if may_come(error) => self.failed(&attempt.id, error),
            _ => drop(self.queue.waiting().remove(&attempt.id)),
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Wait>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pushes {
    /// Fetches what messages wait for. Runs for ever.
    pub(super) async fn fetch_shares(&self) {
        let shares = &self.0.shares;
        let mut running = JoinSet::new();
        loop {
            let is_full = running.len() >= AT_ONCE;
            let next = match (!is_full).then(|| shares.next()) {
                Some(Ok(attempt)) => {
                    let pushes = self.clone();
                    running.spawn(async move { pushes.0.make(attempt).await });
                    continue;
                }
                Some(Err(due)) => due,
                None => Instant::now(),
            };
            tokio::select! {
                Some(_) = running.join_next() => {}
                () = sleep_until(next), if !is_full => {}
                () = shares.queue.wake.notified(), if !is_full => {}
            }
        }
    }
}

impl PushesInner {
    /// Makes `attempt`: its message is read now, since an attempt before this one may have brought the share.
    pub(super) async fn make(&self, attempt: Attempt) -> Result<()> {
        let outcome = match self.ledger.push(attempt.id.clone()).await {
            Ok(push) => self.examine(push).await,
            Err(error) => Err(error),
        };
        self.shares.end(attempt, &outcome);
        outcome
    }

    /// The push, and where the credential is that it brings, if that is not in it. `None`: it repeats a message whose share was fetched,
    /// and is gone; MOSIP may not give the share again.
    pub(super) async fn look_for_share(&self, push: Received) -> Result<Option<(Received, Option<String>)>> {
        if push.kind != CREDENTIAL.name {
            return Ok(Some((push, None)));
        }
        let read = move || {
            // What cannot be read is refused where it is verified.
            let shared = Notification::read(&push.body).ok().and_then(|message| {
                Some((message.share()?.to_owned(), message.id().to_owned(), message.says_of_share()?))
            });
            Ok((push, shared))
        };
        let (push, shared) = pool::beside(read).await?;
        let Some((address, own_id, says)) = shared else { return Ok(Some((push, None))) };
        if self.ledger.is_fetched(push.id.clone(), own_id, says).await? {
            tracing::info!(
                push = push.id,
                repeated = true,
                "the hub repeats a message whose share was fetched"
            );
            return Ok(None);
        }
        Ok(Some((push, Some(address))))
    }

    /// Keeps `push` until what is at `address` has been fetched: other messages do not wait for it.
    pub(super) async fn leave(&self, push: Received, address: &str) -> Result<()> {
        let Received { id, kind, received_at, .. } = push;
        if let Err(error) = self.shares.check(address) {
            self.refuse(id, error).await?;
            self.arrived(&kind, received_at, false);
            return Ok(());
        }
        let reason = Error::new(Code::Upstream, "the credential is in a data share, which is being fetched")
            .advise("Nothing is to be done: it is tried again by itself until it is there.");
        self.ledger.quarantine(id.clone(), (&reason).into()).await?;
        self.shares.ask_for(id);
        self.arrived(&kind, received_at, false);
        Ok(())
    }

    /// `push` with the credential at `address` in it, durable; else it is kept in quarantine with the reason, which is returned.
    pub(super) async fn complete(&self, push: Received, address: &str) -> Result<Received> {
        let Received { id, kind, body, received_at } = push;
        let fetched = async {
            let uri = self.shares.check(address)?;
            // The rest of it is that of the setting.
            let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let credential = self.give(uri, &path).await?;
            let body = pool::beside(move || share::brought(&body, &credential).map(Bytes::from)).await?;
            Ok::<_, Error>((path, body))
        };
        match fetched.await {
            Ok((path, body)) => {
                self.ledger.complete_push(id.clone(), path, body.clone()).await?;
                Ok(Received { id, kind, body: body.to_vec().into(), received_at })
            }
            Err(error) => {
                tracing::warn!(
                    push = id,
                    code = error.code().as_str(),
                    detail = error.detail(),
                    "a credential cannot be fetched from its data share"
                );
                self.ledger.quarantine(id, reason(&error)).await?;
                Err(error)
            }
        }
    }

    /// The sealed credential at `uri`, whose path is `path`. Where a message holds it that does not verify, such as one of somebody else who
    /// knows the hub's secret, MOSIP is not asked again.
    async fn give(&self, uri: Uri, path: &str) -> Result<String> {
        let was_given = match self.ledger.known_share(path.to_owned()).await? {
            KnownShare::Kept(other) => return pool::beside(move || share::held(&other.body)).await,
            KnownShare::Gone => true,
            KnownShare::New => false,
        };
        let given = self.shares.fetch(uri).await;
        given.map_err(|error| match error.fault() {
            Fault::Upstream if was_given => error.advise(GIVEN_BEFORE),
            _ => error,
        })
    }
}

/// Nothing is wrong with the message: its share may be there later.
fn may_come(error: &Error) -> bool {
    is_ours(error) || is_of_mosip(error.fault())
}

/// Whether `push` is kept until its share is there.
pub(super) fn is_awaited(push: &Quarantined) -> bool {
    push.kind == CREDENTIAL.name && push.refusal.as_ref().is_some_and(|refusal| is_of_mosip(refusal.fault))
}

fn is_of_mosip(fault: Fault) -> bool {
    matches!(fault, Fault::Upstream | Fault::Partner)
}

fn is_unset() -> Error {
    Error::new(Code::Keys, "the credential is in a data share, and none is fetched").advise(
        "Set credentials.data_share to the place that MOSIP shares under, and start the gateway again.",
    )
}

#[cfg(test)]
mod tests;
