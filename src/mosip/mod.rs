//! What MOSIP says and hears, one message kind per file. Functions without I/O: (intent, keys, now) to a request, and
//! (reply bytes, keys, now) to [`Verified`] or [`Attested`].

pub mod access;
pub mod authtoken;
mod body;
pub mod caller;
pub mod codes;
pub mod credential;
pub mod envelope;
#[cfg(test)]
pub(crate) mod fake;
pub mod ida;
pub mod mediator;
pub mod primitives;
pub(crate) mod push;
pub(crate) mod roles;
pub mod signature;
mod verified;
pub(crate) mod websub;

pub use verified::{Attested, Evidence, Stated, Transport, Verified};

#[cfg(test)]
mod tests;
