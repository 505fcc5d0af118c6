//! Skeleton.
#![forbid(unsafe_code)]
pub mod clock;
pub mod config;
pub mod crypto;
pub mod error;
pub mod http {
    //! Listeners, routes, problems.
    pub mod body;
    pub mod guard;
    pub mod problem;
    pub mod server;
    mod subject;
    mod tls;
}
pub mod keys;
pub mod mosip;
pub mod outbox;
pub mod pool;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod telemetry;
pub mod upstream;
