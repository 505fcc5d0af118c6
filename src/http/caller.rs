//! Who sends a request, for the limits: a caller that has proved who it is, or a stranger that is counted by its address.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use http::request::Parts;
use ipnet::IpNet;

use super::problem::Refusal;
use super::server::{Standing, UnderWay};
use crate::error::{Code, Error, Result};

/// A country registers a few births a second; a test of the registry may send faster for a while.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// After so many requests the addresses that are quiet again are forgotten, so that a look at all of them costs each request the same.
const REQUESTS_BETWEEN_LOOKS: usize = 4096;

/// The rate of strangers at one listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Strangers(Arc<Rates>);

struct Rates {
    /// Proxies whose `X-Forwarded-For` is believed.
    trusted: Vec<IpNet>,
    rate: DefaultKeyedRateLimiter<IpAddr>,
    requests: AtomicUsize,
}

impl Rates {
    /// Whether this request is the one that looks at all addresses.
    fn looks(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed) % REQUESTS_BETWEEN_LOOKS == REQUESTS_BETWEEN_LOOKS - 1
    }
}

impl Strangers {
    /// `trusted`: the proxies whose `X-Forwarded-For` is believed.
    pub(crate) fn new(trusted: Vec<IpNet>) -> Self {
        let rate = RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST));
        Self(Arc::new(Rates { trusted, rate, requests: AtomicUsize::new(0) }))
    }

    /// The address that a request of `peer` comes from: the last one that no trusted proxy has.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut origin = peer;
        let mut values = headers.get_all("x-forwarded-for").iter().rev();
        // What a caller wrote before its proxy did may be no text.
        let mut listed = values.by_ref().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        while self.trusts(origin) {
            let Some(next) = listed.next().and_then(forwarded) else { break };
            origin = next;
        }
        origin
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.trusted.iter().any(|network| network.contains(&address.to_canonical()))
    }

    fn admits(&self, address: IpAddr) -> bool {
        if self.0.looks() {
            self.0.rate.retain_recent();
        }
        self.0.rate.check_key(&address).is_ok()
    }
}

/// An address as proxies write it, with or without a port.
fn forwarded(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(with_port)
}

/// Middleware for listeners that strangers reach. What is refused counts for the address of a caller that did not prove who it is, and is
/// [`Code::Busy`] beyond its rate: a token or a signature that is wrong costs as much as none. `router.layer(from_fn_with_state(strangers, caller::identify))`.
pub(crate) async fn identify(
    State(strangers): State<Strangers>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    caller.address = caller.address.map(|peer| strangers.origin(peer, request.headers()));
    caller.strangers = Some(strangers);
    caller.request = Arc::default();
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    let refusal = response.extensions().get::<Refusal>().map(|Refusal(error)| error.code());
    match refusal {
        // The one who sent it may be known by a signature over what could not be read.
        Some(Code::TooLarge | Code::Timeout) | None => response,
        Some(_) => match caller.count_once() {
            Err(busy) if !caller.request.keeps_its_answer.load(Ordering::Relaxed) => busy.into_response(),
            _ => response,
        },
    }
}

/// Who sends a request; an extension of every request.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    standing: Arc<Standing>,
    /// `None`: it came over a unix socket.
    address: Option<IpAddr>,
    /// `None`: the listener has no rate.
    strangers: Option<Strangers>,
    request: Arc<RequestState>,
}

/// What is known of one request.
#[derive(Default)]
struct RequestState {
    is_proved: AtomicBool,
    is_counted: AtomicBool,
    keeps_its_answer: AtomicBool,
}

impl Caller {
    /// At the other end of the connection `standing`, from `address`.
    pub(crate) fn new(standing: Arc<Standing>, address: Option<IpAddr>) -> Self {
        Self { standing, address, strangers: None, request: Arc::default() }
    }

    /// What strangers are counted by: an address, and of an IPv6 address the network that one customer has.
    pub(crate) fn address(&self) -> IpAddr {
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            Some(address) => address,
            None => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// The caller has proved who it is, by this request or by its connection: no rate refuses it.
    pub(crate) fn prove(&self) {
        self.request.is_proved.store(true, Ordering::Relaxed);
        self.standing.prove();
    }

    /// What is refused of this request counts as any other, and no rate changes its answer.
    pub(crate) fn keep_answer(&self) {
        self.request.keeps_its_answer.store(true, Ordering::Relaxed);
    }

    /// Whether it has proved who it is, by a request of this connection or by the connection.
    pub(super) fn is_known(&self) -> bool {
        self.standing.is_known()
    }

    /// Its request waits for the rest of its body, or for what the caller is known by, as long as what this returns lives. Meanwhile its
    /// connection may be closed to make room.
    pub(crate) fn begin_wait(&self) -> UnderWay {
        self.standing.begin_wait()
    }

    /// Whether its connection has shown a client certificate.
    pub(crate) fn has_certificate(&self) -> bool {
        self.standing.has_certificate()
    }

    /// Counts a request that proves nothing; [`Code::Busy`] beyond the rate of its address.
    pub(crate) fn count(&self) -> Result<()> {
        self.request.is_counted.store(true, Ordering::Relaxed);
        match &self.strangers {
            Some(strangers) if !strangers.admits(self.address()) => {
                Err(Error::new(Code::Busy, "too many requests a second come from this address"))
            }
            _ => Ok(()),
        }
    }

    /// As [`Self::count`], unless the request was counted or its caller has proved who it is.
    pub(crate) fn count_once(&self) -> Result<()> {
        let RequestState { is_proved, is_counted, .. } = &*self.request;
        let is_over =
            is_proved.load(Ordering::Relaxed) || is_counted.load(Ordering::Relaxed) || self.has_certificate();
        if is_over { Ok(()) } else { self.count() }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
