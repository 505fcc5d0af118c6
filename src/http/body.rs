//! Reads a request body under three limits: its size, its time, and the bytes of all bodies in flight.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result};
use crate::pool;

/// A declared length reserves at most this much; beyond it memory grows with what arrives, so that a claim costs nothing.
const RESERVE: usize = 1 << 20;

/// What a body has to keep to. Clones share the budget.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    body: usize,
    deadline: Duration,
    in_flight: Arc<Semaphore>,
}

impl Limits {
    /// `body` bytes per body, `deadline` from the first to the last byte, `in_flight` bytes over all bodies that are held.
    pub(crate) fn new(body: usize, deadline: Duration, in_flight: usize) -> Self {
        let in_flight = Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)));
        Self { body, deadline, in_flight }
    }

    /// The same deadline and the same budget with another size for one body.
    #[must_use]
    pub(crate) fn with_body_limit(&self, body: usize) -> Self {
        Self { body, ..self.clone() }
    }
}

/// A whole body. Its share of the budget is given back when it, or what [`Body::into_bytes`] made of it, is dropped.
pub(crate) struct Body {
    bytes: Bytes,
    share: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// What `read` makes of it, a large one beside the reactor.
    pub(crate) async fn read_as<T, F>(self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Result<T> + Send + 'static,
    {
        pool::aside(self.len(), move || read(self)).await
    }

    /// The bytes, and apart from them the share of the budget, which the caller drops when it is to be given back.
    pub(crate) fn into_parts(self) -> (Bytes, Option<OwnedSemaphorePermit>) {
        (self.bytes, self.share)
    }

    /// The bytes; they carry the share of the budget with them.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The body of `request`: [`Code::TooLarge`] (at once where `Content-Length` says so), [`Code::Timeout`], [`Code::Busy`] when the
/// budget is used up, [`Code::Malformed`] when it breaks off. Only bytes that have arrived are charged to the budget.
pub(crate) async fn read(request: Request, limits: &Limits) -> Result<Body> {
    read_under(request, limits, Spent::Refused).await
}

/// As [`read`], but when the budget is used up it waits for its turn, until the deadline: [`Code::Busy`] does not occur.
pub(crate) async fn read_in_turn(request: Request, limits: &Limits) -> Result<Body> {
    read_under(request, limits, Spent::Waits).await
}

/// What a body does when the budget is used up.
#[derive(Clone, Copy)]
enum Spent {
    Refused,
    Waits,
}

async fn read_under(request: Request, limits: &Limits, spent: Spent) -> Result<Body> {
    let body = request.into_body();
    if body.size_hint().lower() > u64::try_from(limits.body).unwrap_or(u64::MAX) {
        return Err(too_large(limits));
    }
    tokio::time::timeout(limits.deadline, collect(body, limits, spent)).await.unwrap_or_else(|_| {
        let detail = format!("the body was not whole after {} ms", limits.deadline.as_millis());
        Err(Error::new(Code::Timeout, detail))
    })
}

async fn collect(mut body: axum::body::Body, limits: &Limits, spent: Spent) -> Result<Body> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(RESERVE);
    let mut bytes = BytesMut::with_capacity(declared.min(RESERVE));
    let mut share: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::new(Code::Malformed, "the body broke off"))?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limits.body.saturating_sub(bytes.len()) {
            return Err(too_large(limits));
        }
        let charged = charge(&limits.in_flight, data.len(), spent).await?;
        match &mut share {
            Some(share) => share.merge(charged),
            None => share = Some(charged),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Body { bytes: bytes.freeze(), share })
}

async fn charge(in_flight: &Arc<Semaphore>, len: usize, spent: Spent) -> Result<OwnedSemaphorePermit> {
    let in_flight = Arc::clone(in_flight);
    let charged = match (u32::try_from(len), spent) {
        (Ok(len), Spent::Refused) => in_flight.try_acquire_many_owned(len).ok(),
        (Ok(len), Spent::Waits) => in_flight.acquire_many_owned(len).await.ok(),
        (Err(_), _) => None,
    };
    charged.ok_or_else(|| Error::new(Code::Busy, "too many bytes of request bodies are in flight"))
}

fn too_large(limits: &Limits) -> Error {
    Error::new(Code::TooLarge, format!("the body is larger than {} bytes", limits.body))
}

#[cfg(test)]
mod tests;
