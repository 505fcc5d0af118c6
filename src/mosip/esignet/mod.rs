//! eSignet, MOSIP's login service (OpenID Connect Core 1.0): a person logs in with a browser, and what the browser brings back becomes
//! the claims of that person.
//!
//! Two tokens prove the claims. The ID token, which eSignet signs, says for whom and until when the login is good. The userinfo, which IDA or
//! eSignet signs and may seal to us, holds the claims; it is the person's of the ID token where its `sub` is the same. IDA's has neither
//! `iss` nor `aud` nor `exp`, so these are demanded of the ID token, and have to be right in the userinfo where they are there.

mod answer;
mod discovery;
mod dpop;
mod id_token;
mod login;
mod pushed;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

pub(crate) use discovery::{Metadata, document_url};
pub(crate) use dpop::{Challenge, DPOP, DpopKey, Proof};
pub(crate) use id_token::Subject;
pub(crate) use login::Login;
pub(crate) use pushed::{Authorization, Pushed};
pub(crate) use token::{TokenReply, Tokens};
pub use userinfo::{Expected, UserInfo, read as read_userinfo};
pub(crate) use userinfo::{challenge, is_quick, verify as verify_userinfo};
pub(crate) use {discovery::read as read_metadata, token::assertion};

use super::jwks::Jwks;
use super::jwt::OF_ESIGNET;
use crate::error::{Code, Error, Result};

/// eSignet as errors call it.
const ESIGNET: &str = "eSignet";

/// eSignet's keys, from its JSON Web Key Set.
pub(crate) fn read_keys(json: &[u8]) -> Result<Jwks> {
    Jwks::read(json, OF_ESIGNET)
}

/// The word of an error (RFC 6749 5.2) as it may be logged: who answers could repeat what it was sent, the code of a login among it.
fn printable(word: &str) -> &str {
    let is_word = (1..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { word } else { "an error without a code" }
}

/// `what` of eSignet is not believed. The operator's log says why, and the caller does not learn it.
fn unbelieved(what: &str, why: &str) -> Error {
    Error::new(Code::Tampered, format!("the {what} of eSignet is not believed"))
        .for_operator(why)
        .advise("Do not use the login, and let the person log in again. The log says which check failed.")
}

/// eSignet answered `what`.
fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(Code::Upstream, format!("eSignet answered {what}"))
}
