//! A port of the loopback that stays ours while nobody listens on it, so that what is killed comes back where it was.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// Whoever binds it with `SO_REUSEADDR`, as listeners do, may listen; nobody is given it who asks for any port.
pub(crate) struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    pub(crate) fn hold() -> Self {
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: held.local_addr().unwrap(), _held: held }
    }

    /// `ip:port`
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn number(&self) -> u16 {
        self.address.port()
    }
}
