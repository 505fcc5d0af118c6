//! Sockets that connections come from.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};

use super::places::Places;
use crate::config::Address;
use crate::http::activation::Socket;
use crate::http::meters::Meters;
use crate::place;

/// Connections that wait in the kernel while all slots are taken.
const BACKLOG: u32 = 1024;

/// Out of file descriptors, most likely: wait for one instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Owner and group may connect to a unix socket.
const SOCKET_MODE: u32 = 0o660;

/// A bound socket.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

/// A connection, with who made it.
pub(super) enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Stream {
    /// Where it comes from; `None` over a unix socket.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(_, address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

impl Listener {
    /// Takes `address`; with it the address as it is: the port that the system gave where port 0 was asked for. A unix socket left
    /// behind by a dead process is replaced; one that a process listens on is not.
    pub(super) async fn bind(address: &Address) -> io::Result<(Self, Address)> {
        match address {
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted).await?;
                let actual = listener.local_addr()?;
                Ok((Self::Tcp(listener), Address::Tcp(actual)))
            }
            Address::Unix(path) => {
                let listener = bind_unix(path).await?;
                let file = Some(SocketFile(path.clone()));
                Ok((Self::Unix { listener, _file: file }, Address::Unix(path.clone())))
            }
        }
    }

    /// Goes on with a socket that is bound already. Its file, if it has one, belongs to the process that bound it.
    pub(super) fn adopt(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix { listener: UnixListener::from_std(listener)?, _file: None })
            }
        }
    }

    /// The next connection. Where the process has no file left for it, one of `places` is made free.
    pub(super) async fn accept(&self, places: &Places, meters: &Meters, listener: &'static str) -> Stream {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => {
                    listener.accept().await.map(|(stream, from)| Stream::Tcp(stream, from))
                }
                Self::Unix { listener, .. } => {
                    listener.accept().await.map(|(stream, _)| Stream::Unix(stream))
                }
            };
            match accepted {
                Ok(stream) => return stream,
                Err(error) => {
                    if meters.is_first(listener, "-", "accept") {
                        tracing::warn!(listener, %error, "a connection cannot be accepted");
                    }
                    places.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The file of a unix socket that we bound; gone with the listener.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, and the next start replaces it otherwise.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Before `listen`, so that there is no moment in which others could connect.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)
}

/// What [`bind_unix`] would say, with nothing changed.
pub(super) fn try_unix(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = place::folder(path);
            accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
            Ok(())
        }
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => Err(no_socket()),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(held()),
        },
    }
}

fn no_socket() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "the file exists and is not a socket")
}

fn held() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => Err(no_socket()),
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            Err(error) => Err(error),
            Ok(_) => Err(held()),
        },
    }
}
