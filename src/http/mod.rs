//! Transport: listeners, TLS, limits, the guard, and the one place where an error becomes a reply. It knows no message.

pub mod activation;
pub mod body;
pub mod guard;
pub mod meters;
pub mod problem;
pub mod rate;
pub mod server;
mod subject;
mod tls;
pub mod trace;

#[cfg(test)]
mod tests;
