//! A network between two programs, that can be slow, silent or broken.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Everything goes to this port of the loopback.
    To(u16),
    /// Nothing comes through, and nobody is told: what was sent comes later.
    Silent,
    /// Every connection breaks.
    Broken,
}

/// Listens at an address of its own. Dropped, it is gone, and its connections with it.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: watch::Sender<State>,
}

/// How it is, and how much later each part comes.
type State = (Way, Duration);

impl Wire {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = watch::Sender::new((Way::To(port), Duration::ZERO));
        let wire = Self { port: listener.local_addr().unwrap().port(), state };
        let state = wire.state.subscribe();
        tokio::spawn(async move {
            let mut end = state.clone();
            let accept = async {
                while let Ok((connection, _)) = listener.accept().await {
                    tokio::spawn(join(connection, state.clone()));
                }
            };
            tokio::select! {
                () = accept => {}
                () = gone(&mut end) => {}
            }
        });
        wire
    }

    pub(crate) fn is(&self, way: Way) {
        self.state.send_modify(|state| state.0 = way);
    }

    /// Each part comes so much later.
    pub(crate) fn is_slow(&self, later: Duration) {
        self.state.send_modify(|state| state.1 = later);
    }
}

async fn gone(state: &mut watch::Receiver<State>) {
    while state.changed().await.is_ok() {}
}

async fn join(near: TcpStream, mut state: watch::Receiver<State>) {
    let Some(port) = open(&mut state).await.map(|(port, _)| port) else { return };
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    // The one that ends breaks the other.
    tokio::select! {
        () = carry(near_in, far_out, state.clone()) => {}
        () = carry(far_in, near_out, state.clone()) => {}
        () = broken(&mut state) => {}
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut part = vec![0; 1 << 16];
    loop {
        let Ok(length @ 1..) = from.read(&mut part).await else { return ended(&mut state).await };
        let Some((_, later)) = open(&mut state).await else { return };
        // No time at all is a millisecond to the timer.
        if !later.is_zero() {
            tokio::time::sleep(later).await;
        }
        if to.write_all(&part[..length]).await.is_err() {
            return;
        }
    }
}

/// What is silent does not say that an end has hung up either.
async fn ended(state: &mut watch::Receiver<State>) {
    open(state).await;
}

/// Waits while it is silent: where it leads, and how much later. `None`: it is broken.
async fn open(state: &mut watch::Receiver<State>) -> Option<(u16, Duration)> {
    let state = state.wait_for(|(way, _)| *way != Way::Silent).await.ok()?;
    match *state {
        (Way::To(port), later) => Some((port, later)),
        _ => None,
    }
}

async fn broken(state: &mut watch::Receiver<State>) {
    // Broken or gone, it ends.
    let _ = state.wait_for(|(way, _)| *way == Way::Broken).await;
}
