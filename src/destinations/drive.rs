//! From step to step: what a destination asks for is done, and how far the entry has come is stored before the next call leaves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Call, Done, News, Progress, Read, Seal, Step, Steps, TokenSource, Work};
use crate::error::{Code, Error, Result};
use crate::opencrvs::record_token::KeptToken;
use crate::pool;
use crate::upstream::{Reply, Request, SendError, host_and_port};

/// More steps than this lead nowhere.
const MOST_STEPS: usize = 32;

/// What lies outside the engine: the network, the keys, and threads for what takes its time.
pub(crate) trait Outside: Send + Sync {
    /// Makes a call with a token of the cache; [`SendError`] where no answer came, `Err` where no token is to be had.
    fn send(
        &self,
        token: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>>;

    /// Asks for the next step of `work`, and gives it back.
    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>>;

    /// Makes the body of a call.
    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Bytes>> {
        std::future::ready(seal()).boxed()
    }

    /// Has the key files read at once, where they changed.
    fn refresh_keys(&self) -> BoxFuture<'_, ()>;
}

/// What is known of the health of a URL that entries go to. Calls beside the entries follow it, and add to it.
pub(crate) trait Breaker: Send + Sync {
    /// Whether a call may go now.
    fn lets_through(&self) -> bool;
    /// For how long the URL, which is away, is left alone. `None`: it is not known to be away, or a call is due.
    fn is_away_for(&self) -> Option<Duration>;
    /// It answered.
    fn succeeded(&self);
    /// A call failed.
    fn failed(&self, error: &Error);
}

/// Where it is kept how far an entry has come.
pub(crate) trait Keep: Send + Sync {
    /// It is durable once this returns; false: another worker has the entry by now.
    fn keep<'a>(&'a self, progress: &'a Progress, news: Option<News>) -> BoxFuture<'a, Result<bool>>;
    /// Whether no other worker can have the entry by now. Asked right before each call.
    fn holds(&self) -> bool {
        true
    }
}

/// Takes `work` all its steps. `None`: another worker has the entry by now.
pub(crate) async fn drive(
    outside: &dyn Outside,
    steps: &Arc<dyn Steps>,
    mut work: Work,
    keeper: &dyn Keep,
) -> Result<Option<Done>> {
    let mut may_resend = true;
    // What the last call brought. It is kept before anything else leaves.
    let mut brought: Option<(Progress, Option<News>)> = None;
    for _ in 0..MOST_STEPS {
        let mut asked = outside.next(steps, work).await;
        let (before, seal) = match &mut asked {
            Ok((_, Step::Call(call))) => (call.before.take(), call.seal.take()),
            _ => (None, None),
        };
        let (progress, news) = brought.take().unzip();
        // What the step stores before its call holds what was brought, so one commit takes both.
        let progress = before.or(progress);
        let keep = async {
            match &progress {
                Some(progress) => keeper.keep(progress, news.flatten()).await,
                None => Ok(true),
            }
        };
        // Neither needs the other. Where it is stored that the entry may have gone, and it cannot be sealed, it goes later as after a crash.
        let (is_kept, body) = tokio::join!(keep, sealed(outside, seal));
        if !is_kept? {
            return Ok(None);
        }
        let (asked, step) = asked?;
        work = asked;
        if let Some(progress) = progress {
            work.progress = progress;
        }
        let Call { mut request, token, resend, read, .. } = match step {
            Step::Done(done) => return Ok(Some(done)),
            Step::Call(call) => *call,
        };
        if let Some(body) = body? {
            request.body = body;
        }
        if !keeper.holds() {
            return Ok(None);
        }
        let host = host_and_port(&request.uri);
        let reply = outside.send(token, request).await?;
        if resend && may_resend && matches!(&reply, Err(failure) if failure.is_retry_safe()) {
            may_resend = false;
            continue;
        }
        let of_call = |error: Error| error.of_call_to(&host);
        let len = reply.as_ref().map_or(0, |reply| reply.body.len());
        let read = pool::offload(len, move || read(reply)).await.map_err(of_call)?;
        match settled(outside, read).await.map_err(of_call)? {
            None => {}
            Some(Read::Done(done)) => return Ok(Some(done)),
            Some(Read::Advance { progress, news }) => {
                work.progress = progress.clone();
                brought = Some((progress, news));
            }
            Some(Read::Refused { progress, error }) => {
                let is_kept = keeper.keep(&progress, None).await?;
                return if is_kept { Err(of_call(error)) } else { Ok(None) };
            }
            Some(Read::KeysMayBeOld { .. }) => return Err(no_end()),
        }
    }
    Err(no_end())
}

async fn sealed(outside: &dyn Outside, seal: Option<Seal>) -> Result<Option<Bytes>> {
    match seal {
        Some(seal) => outside.seal(seal).await.map(Some),
        None => Ok(None),
    }
}

/// What `read` means once the keys are those of the files. `None`: the step is made again.
async fn settled(outside: &dyn Outside, read: Read) -> Result<Option<Read>> {
    match read {
        Read::KeysMayBeOld { then } => {
            outside.refresh_keys().await;
            then()
        }
        read => Ok(Some(read)),
    }
}

fn no_end() -> Error {
    Error::new(Code::Bug, "a destination finds no end")
}

/// Makes the call that `call` builds, for a caller who waits, with the same resending and reading as an entry has, and answers with
/// what the call puts into its slot. Nothing of it is stored.
pub(crate) async fn ask<T: Send + 'static>(
    outside: &dyn Outside,
    call: impl Fn(Slot<T>) -> Result<Call> + Send + Sync + 'static,
) -> Result<T> {
    let slot = Slot(Arc::new(Mutex::new(None)));
    let (into, payload) = (slot.clone(), Bytes::new());
    let steps: Arc<dyn Steps> = Arc::new(Once(move || call(into.clone())));
    let (id, kind) = (String::new(), String::new());
    let work = Work { id, kind, payload, progress: Progress::default(), record_token: KeptToken::None };
    drive(outside, &steps, work, &Nowhere).await?;
    let answer = slot.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.ok_or_else(|| Error::new(Code::Bug, "a call ended without an answer"))
}

/// Where the answer to [`ask`] goes.
pub(crate) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    /// This is the answer, and the call is done.
    pub(crate) fn put(self, answer: T) -> Read {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Read::Done(Done::default())
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Once<F>(F);

impl<F: Fn() -> Result<Call> + Send + Sync> Steps for Once<F> {
    fn next(&self, _: &Work) -> Result<Step> {
        (self.0)().map(Step::from)
    }
}

/// Nothing is kept: the caller waits, and asks again if the process dies.
struct Nowhere;

impl Keep for Nowhere {
    fn keep<'a>(&'a self, _: &'a Progress, _: Option<News>) -> BoxFuture<'a, Result<bool>> {
        std::future::ready(Ok(true)).boxed()
    }
}
