//! A sidecar that does all cryptography between a civil registry (OpenCRVS) and a national ID system (MOSIP).
//!
//! Everything takes one way:
//!
//! ```text
//! caller ── face ──▶ intent ──▶ queue (durable) ──▶ worker ──▶ destination: next step ──▶ upstream ──▶ MOSIP, OpenCRVS
//! caller ◀─ delivery ◀─ queue (durable) ◀─ Verified, or quarantine ◀─ stored first ◀─ callback ◀─ MOSIP pushes
//! ```
//!
//! The rooms, and what each may use, stand in `docs/architecture.md`; a test holds that table true.
//!
//! What the code cannot say about itself is in `docs/`: `architecture.md` (the life of an event, the data model, the decisions),
//! `protocol.md` (every byte layout), `security.md` (the threat model), `glossary.md` (the words).
#![forbid(unsafe_code)]

mod bearer;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "simulator")]
pub mod conform;
pub mod crypto;
#[cfg(feature = "simulator")]
pub mod demo;
mod destinations;
pub mod doctor;
pub mod error;
pub(crate) mod faces;
pub mod gateway;
mod http;
mod inspect;
pub mod json;
pub mod keys;
mod ledger;
mod local;
mod loopback;
pub mod mosip;
pub mod opencrvs;
mod place;
mod pool;
mod queue;
mod random;
mod refusal;
pub mod registration;
mod regular;
mod services;
pub mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod store;
mod tasks;
pub mod telemetry;
mod tls_files;
pub mod upstream;
mod words;

#[cfg(feature = "simulator")]
pub use destinations::esignet::Offline as OfflineEsignet;
pub use destinations::system::{NoNumber, NumberAt};
