//! The messages of MOSIP, one kind in each file. The functions do no I/O: they make a request from (intent, keys, now), and a
//! [`Verified`] or [`Attested`] value from (reply bytes, keys, now).

pub mod access;
pub mod authtoken;
mod body;
pub mod caller;
pub mod codes;
pub mod credential;
pub mod envelope;
pub mod esignet;
#[cfg(test)]
pub(crate) mod fake;
pub mod ida;
pub(crate) mod jwks;
mod jwt;
pub mod mediator;
pub mod packet;
pub mod primitives;
pub(crate) mod push;
pub(crate) mod roles;
pub mod signature;
mod verified;
pub(crate) mod websub;

pub use verified::{Attested, Evidence, Stated, Transport, Verified};

#[cfg(test)]
mod tests;
