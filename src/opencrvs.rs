//! OpenCRVS's messages, without I/O: its webhooks and the events in them, its EventDocuments, the registrations that its country configuration hands over for MOSIP and how its client of `mosip-api` posts them and what waits in the database of `mosip-api`, what that configuration is posted, how its core is told what became of a registration, the token that comes with a registration, that of the gateway's own client, and what that client asks: subscriptions to webhooks, and which records there are.

pub(crate) mod client_token;
pub mod confirm;
pub mod document;
pub mod event;
pub mod interop;
pub(crate) mod legacy;
pub(crate) mod pending;
pub(crate) mod record_token;
pub mod registration;
pub mod search;
pub mod subscription;
pub mod webhook;
