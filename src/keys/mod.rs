//! Keys and certificates: from files to an immutable ring, validated before it is swapped in.

pub mod cert;
mod chain;
pub(crate) mod dated;
mod example;
mod keyring;
mod location;
pub mod make;
mod promote;
pub mod ring;
pub mod settings;
pub mod source;

pub use cert::{Certificate, Thumbprint};
pub(crate) use dated::Dated;
pub(crate) use example::{EXAMPLE, NO_EXAMPLE, is_stand_in};
pub use keyring::Keyring;
pub(crate) use keyring::Look;
pub use location::Location;
pub use ring::{OwnKey, Peer, Ring, Trouble};
