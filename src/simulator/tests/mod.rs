//! The fake, driven over the loopback by a partner made by hand from the primitives.

mod credentials;
mod fake_ida;
mod hostility;
mod mediator;
mod packets;
mod partner;
mod push;
mod running;
mod tokens;
