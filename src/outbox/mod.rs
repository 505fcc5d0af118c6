//! What goes to MOSIP and what goes back to the mediator. For now each event is one immediate exchange; the durable store comes
//! between `http` and [`worker`] without changing either.

pub mod delivery;
pub mod entry;
pub mod store;
mod uptime;
mod vault;
pub mod worker;
