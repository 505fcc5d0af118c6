//! To what a piece of work belongs: the id of the request that caused it, and its trace. Whoever accepts a request says it once, for its task;
//! log lines, rows and calls that come of it take it from there.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use tokio::task_local;

use super::spans::Tracer;
use super::traceparent::Traceparent;
use crate::crypto::secret;

/// Names a request, in the log of each system that it reaches.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest id of a request.
const LONGEST_ID: usize = 128;

/// To what a piece of work belongs. Cheap to clone. [`fmt::Display`] writes it as a row keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Letters, digits, dot, hyphen and underscore, at most 128: no sentence about a person fits in.
    request: Arc<str>,
    /// The span that asked for the work. `None`: nobody traces.
    pub(super) parent: Option<Traceparent>,
}

/// What a line of the log says of the work that it belongs to.
#[derive(Serialize)]
pub(super) struct Work<'t> {
    name: &'static str,
    request: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

task_local! {
    static CURRENT: (Trace, Tracer);
}

impl Trace {
    /// What the `headers` of a request say; false: there is a `traceparent` that is none, or several, so that it counts for nothing. The id of
    /// the request is drawn where none comes, or one in another alphabet.
    pub(crate) fn of(headers: &HeaderMap) -> (Self, bool) {
        let request =
            one(headers, &X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_id(id));
        let request = request.map_or_else(|| HEXLOWER.encode(&secret::random::<8>()).into(), Arc::from);
        let parent = one(headers, &TRACEPARENT).and_then(|value| Traceparent::parse(value.as_bytes()));
        let is_read = parent.is_some() || !headers.contains_key(TRACEPARENT);
        (Self { request, parent }, is_read)
    }

    /// As a row keeps it; `None` where it is nothing that [`Self`] writes.
    pub(crate) fn read(kept: &str) -> Option<Self> {
        let (request, parent) = kept.split_once(' ').map_or((kept, None), |(id, parent)| (id, Some(parent)));
        let parent = parent.map(|parent| Traceparent::parse(parent.as_bytes()).ok_or(())).transpose().ok()?;
        is_id(request).then(|| Self { request: request.into(), parent })
    }

    /// That of the task that asks; `None`: no request caused it.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|(trace, _)| trace.clone()).ok()
    }

    /// The trace of the task that asks, and who records its spans.
    pub(super) fn current_with_tracer() -> Option<(Self, Tracer)> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The id of the request.
    pub(crate) fn request(&self) -> &str {
        &self.request
    }

    /// Writes it into the headers of a call that belongs to it.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let parent = self.parent.map(|parent| parent.to_string());
        let pairs = [(X_REQUEST_ID, Some(&*self.request)), (TRACEPARENT, parent.as_deref())];
        for (name, value) in pairs {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// Does `work` for it. Log lines carry it as `span`.
    pub(crate) fn scope<F: Future>(self, tracer: &Tracer, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope((self, tracer.clone()), work)
    }

    /// Hands what a line of the log says of the task that writes it to `write`, unless no request caused it.
    pub(super) fn of_line(write: impl FnOnce(&Work<'_>)) {
        // A thread that ends has no task.
        let _ = CURRENT.try_with(|(Self { request, parent }, _)| {
            write(&Work { name: "work", request, trace: parent.map(|parent| parent.trace_id()) });
        });
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.request)?;
        self.parent.map_or(Ok(()), |parent| write!(f, " {parent}"))
    }
}

/// Does `work` for `trace`, where there is one.
pub(crate) async fn scoped<F: Future>(trace: Option<Trace>, tracer: &Tracer, work: F) -> F::Output {
    match trace {
        Some(trace) => trace.scope(tracer, work).await,
        None => work.await,
    }
}

/// `work`, which a task of its own does, for the trace of the task that asks.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let current = Trace::current_with_tracer();
    async move {
        match current {
            Some((trace, tracer)) => trace.scope(&tracer, work).await,
            None => work.await,
        }
    }
}

fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_plain)
}

/// The value of a header that comes once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(pairs: &[(HeaderName, &str)]) -> (Trace, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Trace::of(&headers)
    }

    #[test]
    fn what_a_request_says_is_kept_and_sent_on() {
        let (trace, is_read) = of(&[(X_REQUEST_ID, "core-7.a_B"), (TRACEPARENT, PARENT)]);
        assert!(is_read);
        let kept = trace.to_string();
        assert_eq!(kept, format!("core-7.a_B {PARENT}"));
        assert_eq!(Trace::read(&kept), Some(trace.clone()));
        let mut headers = HeaderMap::new();
        trace.write(&mut headers);
        assert_eq!(
            (&headers[X_REQUEST_ID], &headers[TRACEPARENT]),
            (&HeaderValue::from_static("core-7.a_B"), &HeaderValue::from_static(PARENT))
        );
    }

    #[test]
    fn an_id_in_another_alphabet_too_long_or_twice_is_replaced() {
        let long = "x".repeat(129);
        for id in ["", "Ada Lovelace", "a,b", "<script>", "A\u{e9}", "a/b", &long] {
            let (trace, is_read) = of(&[(X_REQUEST_ID, id)]);
            assert!(is_read && trace.request() != id && trace.request().len() == 16, "{id}");
        }
        let (trace, _) = of(&[(X_REQUEST_ID, "one"), (X_REQUEST_ID, "two")]);
        assert_eq!(trace.request().len(), 16);
        assert_eq!(of(&[(X_REQUEST_ID, &long[1..])]).0.request(), &long[1..]);
    }

    #[test]
    fn a_traceparent_that_is_none_or_comes_twice_counts_for_nothing_and_is_told() {
        for pairs in [&[(TRACEPARENT, "00-0-0-0")][..], &[(TRACEPARENT, PARENT), (TRACEPARENT, PARENT)]] {
            let (trace, is_read) = of(pairs);
            assert!(!is_read && trace.parent.is_none());
            assert_eq!(Trace::read(&trace.to_string()), Some(trace));
        }
    }

    #[test]
    fn what_a_row_does_not_keep_so_is_no_trace() {
        for text in ["", " ", "a b", "a b c", &format!(" {PARENT}"), &format!("a {PARENT} "), "\u{e9}"] {
            assert_eq!(Trace::read(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_task_belongs_to_one_trace_and_the_next_task_to_none() {
        let (trace, _) = of(&[(X_REQUEST_ID, "one")]);
        let tracer = Tracer::default();
        assert_eq!(trace.clone().scope(&tracer, async { Trace::current() }).await, Some(trace.clone()));
        let spawned = async { tokio::spawn(carried(async { Trace::current() })).await.unwrap() };
        assert_eq!(trace.clone().scope(&tracer, spawned).await, Some(trace));
        assert_eq!(Trace::current(), None);
    }
}
