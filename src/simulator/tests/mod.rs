//! The fake, driven over the loopback by a partner made by hand from the primitives.

mod credentials;
mod hostility;
mod ida;
mod mediator;
mod partner;
mod push;
mod running;
mod tokens;
