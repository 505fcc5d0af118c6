//! Keys and certificates: from files to an immutable ring, validated before it is swapped in.

pub mod cert;
mod chain;
mod example;
pub mod make;
mod promote;
pub mod ring;
pub mod source;
pub mod watch;

pub use cert::{Certificate, Thumbprint};
pub use ring::{OwnKey, Peer, Ring, Trouble};
pub use watch::Keyring;
