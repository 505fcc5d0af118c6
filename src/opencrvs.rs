//! OpenCRVS's messages, without I/O: its webhooks and the events in them, what its country configuration is posted, and the token of the gateway's own client.

pub(crate) mod client_token;
pub mod event;
pub mod legacy;
pub mod webhook;
