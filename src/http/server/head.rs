//! Two limits where hyper has one. Its `header_read_timeout` runs from the moment it wants a head, so that a connection which rests
//! between two requests falls to it as a slow head does, and a caller's pool meets closed connections. Here a rest has a limit of its
//! own, and the limit of a head runs from its first byte.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Ties a timer for hyper to the stream that it serves. hyper has to be given `idle` as its `header_read_timeout`.
pub(super) fn watch<S>(stream: S, head: Duration) -> (HeadTimer, Watched<S>) {
    let arrived = Arc::new(AtomicBool::new(false));
    let timer = HeadTimer { head, used: AtomicBool::new(false), arrived: Arc::clone(&arrived) };
    (timer, Watched { stream, arrived })
}

/// What hyper waits with for heads; its http1 server waits for nothing else with it.
pub(super) struct HeadTimer {
    head: Duration,
    /// Whether a head was waited for already. Before its first request a connection does not rest: it is late.
    used: AtomicBool,
    /// Whether a byte came since the wait began.
    arrived: Arc<AtomicBool>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    /// Called when the wait for a head begins. Bytes that came with the request before count as rest until the next ones come.
    fn sleep_until(&self, idle: Instant) -> Pin<Box<dyn Sleep>> {
        let rests = self.used.swap(true, Ordering::Relaxed);
        self.arrived.store(false, Ordering::Relaxed);
        let deadline = if rests { idle } else { self.now() + self.head };
        Box::pin(HeadSleep {
            sleep: Box::pin(tokio::time::sleep_until(deadline.into())),
            head: self.head,
            rests,
            arrived: Arc::clone(&self.arrived),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

struct HeadSleep {
    sleep: Pin<Box<tokio::time::Sleep>>,
    head: Duration,
    rests: bool,
    arrived: Arc<AtomicBool>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    /// hyper polls after each read that did not complete the head, and so after the one that began it.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.rests && self.arrived.load(Ordering::Relaxed) {
            self.rests = false;
            let deadline = tokio::time::Instant::now() + self.head;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// A stream that tells its [`HeadTimer`] of what arrives.
pub(super) struct Watched<S> {
    stream: S,
    arrived: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.arrived.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
