//! What the targets share: keys, known messages, edits that turn a known message into a hostile one, and what a refusal may say.
//!
//! Nothing here is drawn at random, so that an input that fails once fails again.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "what cannot be set up has to stop the fuzzer")]

pub mod credentials;
pub mod edit;
pub mod ida_side;
pub mod keys;
pub mod known;
pub mod offset;
pub mod refusal;
