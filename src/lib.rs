//! A sidecar that does all cryptography between a civil registry (OpenCRVS) and a national ID system (MOSIP).
//!
//! Everything takes one way:
//!
//! ```text
//! caller ── face ──▶ intent ──▶ queue (durable) ──▶ worker ──▶ destination: next step ──▶ upstream ──▶ MOSIP, OpenCRVS
//! caller ◀─ delivery ◀─ queue (durable) ◀─ Verified, or quarantine ◀─ stored first ◀─ callback ◀─ MOSIP pushes
//! ```
//!
//! | room | what lives there | may use |
//! | --- | --- | --- |
//! | [`cli`], [`gateway`], [`settings`] | commands; what is made at start, in which order, and how it stops; the settings of all rooms | all |
//! | `faces` | what others call, one folder for each: routes, bodies, who may call | everything below |
//! | `destinations` | what we send to, one folder for each; a destination says what the next step of an entry is, without I/O | mosip, opencrvs, keys |
//! | `ledger` | what was accepted and what came, with the rules | store, crypto, mosip, opencrvs |
//! | `tasks` | what runs by itself | ledger, mosip, keys |
//! | `queue` | the engine: one worker loop, breaker and pauses, what a failure means | ledger, store, upstream |
//! | `store` | rows and transactions | leaves |
//! | [`mosip`] | a message kind a file, without I/O; its results are [`mosip::Verified`] or [`mosip::Attested`] | keys, crypto |
//! | [`opencrvs`] | OpenCRVS's messages, without I/O | mosip, keys, crypto |
//! | [`keys`] | from files to an immutable ring, validated before it is swapped in | crypto |
//! | [`crypto`] | bytes in, bytes out | nothing of ours |
//! | `http` | transport: listeners, TLS, limits, and the one place where an error becomes a reply | leaves |
//! | [`upstream`] | carries bytes: TLS, deadlines, caps, the cache of the token | leaves |
//! | [`doctor`], `inspect`, `local` | the work of commands | what they report on |
//! | `simulator`, `demo` | a strict fake of the MOSIP side (feature `simulator`, on by default) | mosip, keys, crypto; the demo: all |
//! | [`config`], [`clock`], [`error`], [`json`], `loopback`, `place`, `pool`, `random`, [`telemetry`] | leaves | – |
//!
//! What the code cannot say about itself is in `docs/`: `architecture.md` (the life of an event, the data model, the decisions),
//! `protocol.md` (every byte layout), `security.md` (the threat model), `glossary.md` (the words).
#![forbid(unsafe_code)]

mod bearer;
pub mod cli;
pub mod clock;
pub mod config;
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
pub mod upstream;
