//! A sidecar that does all cryptography between a civil registry (OpenCRVS) and a national ID system (MOSIP).
//!
//! Data travels one way: `config` and `keys` are read at start; `mosip` turns intents into sealed and signed requests and replies
//! into [`mosip::Verified`] or [`mosip::Attested`] values; `upstream` carries bytes; `crypto` knows none of them.
#![forbid(unsafe_code)]
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod error;
pub mod gateway;
pub mod http;
pub mod ida;
pub mod keys;
pub mod mosip;
pub mod outbox;
pub mod pool;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod telemetry;
pub mod upstream;
