//! Sockets that systemd binds and passes at start (`sd_listen_fds(3)`), so that a restart refuses no connection: whoever connects
//! while nothing runs waits in the backlog of the socket.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use listenfd::ListenFd;

use super::server::BindError;
use crate::config::Address;

/// Names of the sockets, joined with colons.
const NAMES: &str = "LISTEN_FDNAMES";

/// The sockets that were passed, by name.
#[derive(Default)]
pub(crate) struct Sockets(BTreeMap<String, Socket>);

/// A socket that listens already.
pub(crate) enum Socket {
    /// Over TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

impl Sockets {
    /// What `LISTEN_FDS` passes to this process; none without it. Once for each process, before its threads: the variables are taken
    /// away. Every socket needs a name of its own.
    pub(crate) fn from_environment() -> Result<Self, BindError> {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut passed = ListenFd::from_env();
        let mut sockets = BTreeMap::new();
        let mut names = names.split(':');
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            let refuse = |what: String| BindError::Passed { name: name.to_owned(), what };
            let socket = Socket::take(&mut passed, index).map_err(|error| refuse(error.to_string()))?;
            if sockets.insert(name.to_owned(), socket).is_some() {
                return Err(refuse("another one has this name".to_owned()));
            }
        }
        Ok(Self(sockets))
    }

    /// The socket of the listener `name`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Socket> {
        self.0.remove(name)
    }

    /// Refuses a socket that no listener took: a client that connects to it would wait for ever.
    pub(crate) fn all_taken(&self) -> Result<(), BindError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(BindError::Passed {
                name: name.clone(),
                what: "no listener of this name is on".to_owned(),
            }),
        }
    }
}

impl Socket {
    fn take(passed: &mut ListenFd, index: usize) -> io::Result<Self> {
        let tcp = passed.take_tcp_listener(index).ok().flatten().map(Self::Tcp);
        let socket = match tcp {
            Some(socket) => Some(socket),
            None => passed.take_unix_listener(index)?.map(Self::Unix),
        };
        socket.ok_or_else(|| io::Error::other("it is not there"))
    }

    /// The address that it is bound to.
    pub(super) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(Path::to_owned);
                path.map(Address::Unix).ok_or_else(|| io::Error::other("it has no path"))
            }
        }
    }
}
