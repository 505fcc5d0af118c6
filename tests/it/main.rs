//! What the gateway promises, through its listeners, its command line and its library. One binary, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so by panicking"
)]

mod support;

#[cfg(feature = "simulator")]
mod authtoken;
mod bad_input;
mod caller_keys;
mod client_certificates;
mod command_line;
#[cfg(feature = "simulator")]
mod confirm;
#[cfg(feature = "simulator")]
mod conform;
mod credentials;
mod crypto_vectors;
#[cfg(feature = "simulator")]
mod decisions;
mod delivery;
#[cfg(feature = "simulator")]
mod demo;
mod differential;
#[cfg(feature = "simulator")]
mod doctor_online;
#[cfg(feature = "simulator")]
mod doctor_red;
#[cfg(feature = "simulator")]
mod end_to_end;
mod envelope_http;
#[cfg(feature = "simulator")]
mod esignet;
mod faces;
mod flood;
#[cfg(feature = "simulator")]
mod hanging;
#[cfg(feature = "simulator")]
mod hostile;
#[cfg(feature = "simulator")]
mod hub_gaps;
#[cfg(feature = "simulator")]
mod ida_errors;
#[cfg(feature = "simulator")]
mod ida_once;
#[cfg(feature = "simulator")]
mod ida_routes;
#[cfg(feature = "simulator")]
mod import;
#[cfg(feature = "simulator")]
mod kill;
#[cfg(feature = "simulator")]
mod legacy;
#[cfg(feature = "simulator")]
mod marker;
#[cfg(feature = "simulator")]
mod migrate;
#[cfg(feature = "simulator")]
mod mosip_api;
mod mosip_vectors;
mod openapi;
#[cfg(feature = "simulator")]
mod ops;
#[cfg(feature = "simulator")]
mod ops_truth;
#[cfg(feature = "simulator")]
mod outbox;
#[cfg(feature = "simulator")]
mod packets;
#[cfg(feature = "simulator")]
mod readme;
#[cfg(feature = "simulator")]
mod reconcile;
#[cfg(feature = "simulator")]
mod record_tokens;
#[cfg(feature = "simulator")]
mod renewal;
#[cfg(feature = "simulator")]
mod replicas;
#[cfg(feature = "simulator")]
mod revocations;
mod rooms;
mod round_trips;
#[cfg(feature = "simulator")]
mod shares;
mod stop;
mod strangers;
#[cfg(feature = "simulator")]
mod subscriptions;
#[cfg(feature = "simulator")]
mod systems;
mod threats;
#[cfg(feature = "simulator")]
mod tls;
#[cfg(feature = "simulator")]
mod traces;
#[cfg(feature = "simulator")]
mod uin_tokens;
#[cfg(feature = "simulator")]
mod upgrade;
#[cfg(feature = "simulator")]
mod upstream_faults;
mod webhooks;
#[cfg(feature = "simulator")]
mod websub;
mod wycheproof;
