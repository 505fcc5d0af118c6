//! A sidecar that does all cryptography between a civil registry (OpenCRVS) and a national ID system (MOSIP).
//!
//! Everything takes one way:
//!
//! ```text
//! mediator ─ plain JSON ─▶ faces ─▶ outbox (durable) ─▶ mosip: seal, sign with the current keys ─▶ upstream ─▶ MOSIP
//! mediator ◀─ plain JSON ─ outbox::delivery ◀─ Verified, or quarantine ◀─ mosip: open, verify ◀─ outbox (durable) ◀─ faces::callback ◀─ MOSIP
//! ```
//!
//! | room | what lives there | may use |
//! | --- | --- | --- |
//! | [`cli`] | arguments, subcommands, exit codes | all |
//! | [`gateway`] | what is made at start, in which order, and how it stops | all |
//! | `faces` | what others call, one folder for each: routes, bodies, who may call | outbox, mosip, keys, http |
//! | [`http`] | transport: listeners, TLS, limits, and the one place where an error becomes a reply | leaves |
//! | [`ida`], [`seeder`] | calls to IDA: one at once, or many as a job that survives a crash | outbox, mosip, keys, upstream |
//! | [`outbox`] | what goes to MOSIP and back to the mediator, kept until it has arrived | mosip, keys, upstream |
//! | [`mosip`] | a message kind a file, without I/O; its results are [`mosip::Verified`] or [`mosip::Attested`] | keys, crypto |
//! | [`opencrvs`] | OpenCRVS's messages, without I/O | mosip, keys, crypto |
//! | [`keys`] | from files to an immutable ring, validated before it is swapped in | crypto |
//! | [`crypto`] | bytes in, bytes out | nothing of ours |
//! | [`upstream`] | carries bytes: TLS, deadlines, caps, the cache of the token | leaves |
//! | [`doctor`], [`inspect`], [`local`] | the work of commands | what they report on |
//! | `simulator`, `demo` | a strict fake of the MOSIP side (feature `simulator`, on by default) | mosip, keys, crypto; the demo: all |
//! | [`config`], [`clock`], [`error`], [`json`], `loopback`, [`pool`], [`telemetry`] | leaves | – |
//!
//! What the code cannot say about itself stands in `docs/`: `architecture.md` (the life of an event, the data model, the decisions),
//! `protocol.md` (every byte layout), `security.md` (the threat model), `glossary.md` (the words).
#![forbid(unsafe_code)]

mod bearer;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
#[cfg(feature = "simulator")]
pub mod demo;
#[allow(dead_code, unused_imports, reason = "takes the outbox's place next")]
mod destinations;
pub mod doctor;
pub mod error;
pub(crate) mod faces;
pub mod gateway;
pub mod http;
pub mod ida;
pub mod inspect;
pub mod json;
pub mod keys;
#[allow(dead_code, unused_imports, reason = "takes the outbox's place next")]
mod ledger;
pub mod local;
mod loopback;
pub mod mosip;
pub mod opencrvs;
pub mod outbox;
pub mod pool;
#[allow(dead_code, unused_imports, reason = "takes the outbox's place next")]
mod queue;
#[allow(dead_code, unused_imports, reason = "takes the outbox's place next")]
mod random;
mod refusal;
pub mod seeder;
#[cfg(feature = "simulator")]
pub mod simulator;
#[allow(dead_code, unused_imports, reason = "takes the outbox's place next")]
mod store;
pub mod telemetry;
pub mod upstream;
