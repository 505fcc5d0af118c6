//! Reads a request body under three limits: its size, its time, and the bytes of all bodies in flight.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::caller::Caller;
use crate::error::{Code, Error, Result};
use crate::pool;

/// A declared length reserves at most this much; beyond it memory grows with what arrives, so that a claim costs nothing.
const RESERVE: usize = 1 << 20;

/// A body of at least this length that comes in one piece is not copied. A shorter one would hold on to much more than its bytes: the buffer
/// that its connection read it into.
const WHOLE: usize = 32 << 10;

/// The limits of a body. Clones share the budget.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    body: usize,
    deadline: Duration,
    /// What `in_flight` began with.
    budget: usize,
    in_flight: Arc<Semaphore>,
    /// The one place for a body that goes beyond the budget.
    beyond: Arc<Semaphore>,
    /// What each address may hold, where callers are strangers.
    shares: Option<Arc<Shares>>,
    /// What the address of one caller may hold.
    of_address: Option<Arc<Semaphore>>,
}

/// What one address may hold of the budget of strangers.
#[derive(Debug)]
struct Shares {
    each: usize,
    held: Mutex<BTreeMap<IpAddr, Weak<Semaphore>>>,
}

impl Shares {
    fn of(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = held.get(&address).and_then(Weak::upgrade) {
            return share;
        }
        held.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.each));
        held.insert(address, Arc::downgrade(&share));
        share
    }
}

impl Limits {
    /// `body` bytes per body, `deadline` from the first to the last byte, `in_flight` bytes over all bodies that are held; where bodies
    /// wait for their turn, one of them may come on top.
    pub(crate) fn new(body: usize, deadline: Duration, in_flight: usize) -> Self {
        let budget = in_flight.min(Semaphore::MAX_PERMITS);
        let (in_flight, beyond) = (Arc::new(Semaphore::new(budget)), Arc::new(Semaphore::new(1)));
        Self { body, deadline, budget, in_flight, beyond, shares: None, of_address: None }
    }

    /// The largest body, bytes.
    pub(crate) fn body_limit(&self) -> usize {
        self.body
    }

    /// The same deadline with bodies of up to `body` bytes, and a budget of its own, a quarter of this one but room for one body: for
    /// the callers of another listener, so that they take no room from those of the plain API.
    #[must_use]
    pub(crate) fn apart(&self, body: usize) -> Self {
        Self::new(body, self.deadline, (self.budget / 4).max(body))
    }

    /// As [`Self::apart`], for callers that have proved nothing before their body is read. Of this budget one address may hold a half,
    /// but room for one body: [`Self::of`].
    #[must_use]
    pub(crate) fn for_strangers(&self, body: usize) -> Self {
        let limits = self.apart(body);
        let each = (limits.budget / 2).max(body);
        Self { shares: Some(Arc::new(Shares { each, held: Mutex::default() })), ..limits }
    }

    /// The same for a stranger from `address`.
    #[must_use]
    pub(crate) fn of(&self, address: IpAddr) -> Self {
        let of_address = self.shares.as_ref().map(|shares| shares.of(address));
        Self { of_address, ..self.clone() }
    }

    /// The same deadline and the same budget with another size for one body.
    #[must_use]
    pub(crate) fn with_body_limit(&self, body: usize) -> Self {
        Self { body, ..self.clone() }
    }
}

/// A whole body. Its share of the budget is given back when it, or what [`HeldBody::into_bytes`] made of it, is dropped.
pub(crate) struct HeldBody {
    bytes: Bytes,
    share: Share,
}

/// What a body has of the budget; dropping it gives it back.
#[derive(Default)]
pub(crate) struct Share {
    charged: Option<OwnedSemaphorePermit>,
    charged_to_address: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl HeldBody {
    /// What `read` makes of it, a large one beside the reactor.
    pub(crate) async fn read_as<T, F>(self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Result<T> + Send + 'static,
    {
        pool::offload(self.len(), move || read(self)).await
    }

    /// The bytes, and apart from them the share of the budget, which the caller drops when it is to be given back.
    pub(crate) fn into_parts(self) -> (Bytes, Share) {
        (self.bytes, self.share)
    }

    /// The bytes; they carry the share of the budget with them.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for HeldBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The body of `request`: [`Code::TooLarge`] (at once where `Content-Length` says so), [`Code::Timeout`], [`Code::Busy`] when the
/// budget is used up, [`Code::Malformed`] when it breaks off. Only bytes that have arrived are charged to the budget.
pub(crate) async fn read(request: Request, limits: &Limits) -> Result<HeldBody> {
    read_under(request, limits, Spent::Refused, |_| ()).await
}

/// As [`read`]; `see` is shown each piece as it comes in, and `spent` says what happens when the budget is used up.
pub(crate) async fn read_seeing(
    request: Request,
    limits: &Limits,
    spent: Spent,
    see: impl FnMut(&[u8]),
) -> Result<HeldBody> {
    read_under(request, limits, spent, see).await
}

/// As [`read`], but when the budget is used up it waits for its turn, until the deadline: [`Code::Busy`] does not occur.
pub(crate) async fn read_in_turn(request: Request, limits: &Limits) -> Result<HeldBody> {
    read_under(request, limits, Spent::Waits, |_| ()).await
}

/// What a body does when the budget is used up.
#[derive(Clone, Copy)]
pub(crate) enum Spent {
    /// It is refused.
    Refused,
    /// It waits for its turn, as in [`read_in_turn`].
    Waits,
}

async fn read_under(
    request: Request,
    limits: &Limits,
    spent: Spent,
    see: impl FnMut(&[u8]),
) -> Result<HeldBody> {
    let _coming_in = request.extensions().get().map(Caller::begin_wait);
    let body = request.into_body();
    if body.size_hint().lower() > u64::try_from(limits.body).unwrap_or(u64::MAX) {
        return Err(too_large(limits));
    }
    tokio::time::timeout(limits.deadline, collect(body, limits, spent, see)).await.unwrap_or_else(|_| {
        let detail = format!("the body was not whole after {} ms", limits.deadline.as_millis());
        Err(Error::new(Code::Timeout, detail))
    })
}

async fn collect(
    mut body: axum::body::Body,
    limits: &Limits,
    spent: Spent,
    mut see: impl FnMut(&[u8]),
) -> Result<HeldBody> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(RESERVE);
    let mut bytes = BytesMut::with_capacity(declared.min(RESERVE));
    let mut share = Share::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::new(Code::Malformed, "the body broke off"))?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limits.body.saturating_sub(bytes.len()) {
            return Err(too_large(limits));
        }
        share.charge(limits, data.len(), spent).await?;
        see(&data);
        if bytes.is_empty() && data.len() >= WHOLE && body.is_end_stream() {
            return Ok(HeldBody { bytes: data, share });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(HeldBody { bytes: bytes.freeze(), share })
}

impl Share {
    /// Charges `len` bytes more. Bodies that wait while they hold a part could block one another for good: one at a time
    /// goes on beyond the budget.
    async fn charge(&mut self, limits: &Limits, len: usize, spent: Spent) -> Result<()> {
        if self.beyond.is_some() {
            return Ok(());
        }
        let spent_up = || Error::new(Code::Busy, "too many bytes of request bodies are in flight");
        let len = u32::try_from(len).map_err(|_| spent_up())?;
        let charged = match (spent, &self.charged) {
            (Spent::Refused, _) => limits.try_charge(len),
            (Spent::Waits, None) => limits.charge(len).await,
            (Spent::Waits, Some(_)) => tokio::select! {
                biased;
                charged = limits.charge(len) => charged,
                beyond = Arc::clone(&limits.beyond).acquire_owned() => {
                    self.beyond = beyond.ok();
                    return Ok(());
                }
            },
        }
        .ok_or_else(spent_up)?;
        let (of_address, of_all) = charged;
        add(&mut self.charged_to_address, of_address);
        add(&mut self.charged, Some(of_all));
        Ok(())
    }
}

/// What is charged to the address of a stranger, and to all.
type Charged = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

impl Limits {
    fn try_charge(&self, len: u32) -> Option<Charged> {
        let of_address = self.of_address.clone().map(|share| share.try_acquire_many_owned(len));
        Some((of_address.transpose().ok()?, Arc::clone(&self.in_flight).try_acquire_many_owned(len).ok()?))
    }

    /// First to the address, so that one address which has spent its share does not wait in the queue of all.
    async fn charge(&self, len: u32) -> Option<Charged> {
        let of_address = match &self.of_address {
            Some(share) => Some(Arc::clone(share).acquire_many_owned(len).await.ok()?),
            None => None,
        };
        Some((of_address, Arc::clone(&self.in_flight).acquire_many_owned(len).await.ok()?))
    }
}

fn add(sum: &mut Option<OwnedSemaphorePermit>, more: Option<OwnedSemaphorePermit>) {
    match (sum.as_mut(), more) {
        (Some(sum), Some(more)) => sum.merge(more),
        (None, more) => *sum = more,
        (Some(_), None) => {}
    }
}

fn too_large(limits: &Limits) -> Error {
    Error::new(Code::TooLarge, format!("the body is larger than {} bytes", limits.body))
}

#[cfg(test)]
mod tests;
