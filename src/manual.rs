//! The manual: what the code cannot say about itself. Nothing here runs.
//!
//! - [`threat_model`]: what is protected, against whom, and where the protection ends;
//! - [`wire`]: every byte layout that travels or is stored, with the function that writes or reads it;
//! - [`decisions`]: why it is built this way, and what was turned down;
//! - [`departures`]: where the code differs from the design that it was built from.
//!
//! How to call it and how to run it stands in `README.md`; every setting stands in `deploy/mosip-gateway.toml`.

pub mod decisions;
pub mod departures;
pub mod threat_model;
pub mod wire;
