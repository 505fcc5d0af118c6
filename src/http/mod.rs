//! Transport: listeners, TLS, limits, the guard, and the one place where an error becomes a reply. It knows no message.

pub(crate) mod activation;
pub(crate) mod body;
pub(crate) mod caller;
pub(crate) mod guard;
pub(crate) mod meters;
pub(crate) mod problem;
pub(crate) mod server;
mod subject;
mod tls;
pub(crate) mod trace;

#[cfg(test)]
mod tests;
