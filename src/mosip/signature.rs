//! Tokens of MOSIP's signature service: JWS, compact and detached, under the key of a peer that the caller names.

use serde::Deserialize;

use super::envelope;
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::jws::{self, Jws, Payload, Protected};
use crate::crypto::rsa::SignatureAlgorithm;
use crate::error::{Code, Error, Result};
use crate::keys::cert::Validity;
use crate::keys::{Certificate, OwnKey, Peer};

/// The form of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `header..signature`
    JwsDetached,
    /// `header.payload.signature`
    Jws,
    /// Padded standard base64 of SHA512withRSA.
    RawSha512,
}

/// Signs `payload` in the form asked for.
pub(crate) fn sign_as(own: &OwnKey, payload: &[u8], form: Form) -> Result<String> {
    match form {
        Form::JwsDetached => sign(own, payload, true),
        Form::Jws => sign(own, payload, false),
        Form::RawSha512 => Ok(base64::encode(&envelope::sign(&own.private, payload)?)),
    }
}

/// A JWS over `payload` by our key, RS256, with its certificate in `x5c` (plain base64 of DER) and `x5t#S256`.
pub fn sign(own: &OwnKey, payload: &[u8], detached: bool) -> Result<String> {
    let x5c: Vec<&[u8]> = own.certificate.iter().map(Certificate::der).collect();
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
    let token = if detached { jws::sign_detached } else { jws::sign };
    Ok(token(&own.private, protected, payload)?)
}

/// Verifies `token` under the key of `from` and no other. An `x5c` must be that peer's certificate. The signature is checked first;
/// a good one under a certificate outside its dates is refused, and the detail says `expired` or `not yet valid`.
pub fn verify<'p>(
    from: &Peer,
    token: &str,
    detached: Option<&'p [u8]>,
    now: Timestamp,
) -> Result<Payload<'p>> {
    verify_parsed(from, &Jws::parse(token)?, detached, now)
}

/// The same for a token that is parsed.
pub(super) fn verify_parsed<'p>(
    from: &Peer,
    token: &Jws<'_>,
    detached: Option<&'p [u8]>,
    now: Timestamp,
) -> Result<Payload<'p>> {
    let payload = token.verify(&from.key, &from.algs, detached)?;
    if let Some(der) = token.x5c_first() {
        check_x5c(from, der)?;
    }
    check_dates(from, now)?;
    Ok(payload)
}

fn check_x5c(from: &Peer, der: &[u8]) -> Result<()> {
    let same = match &from.certificate {
        Some(certificate) => certificate.der() == der,
        None => Certificate::from_der(der).is_ok_and(|certificate| *certificate.public_key() == from.key),
    };
    if same {
        return Ok(());
    }
    let what = format!("the x5c of the token is not the certificate of peer `{}`", from.name);
    Err(Error::new(Code::SignatureInvalid, what))
}

fn check_dates(from: &Peer, now: Timestamp) -> Result<()> {
    let refuse = |what: &str, at: Timestamp| {
        let what = format!(
            "the signature is good, but the certificate of peer `{}` {what} {}",
            from.name,
            at.to_iso()
        );
        Err(Error::new(Code::SignatureInvalid, what)
            .advise("Fetch the peer's current certificate into keys.dir."))
    };
    match from.certificate.as_ref().map(|certificate| certificate.validity(now)) {
        None | Some(Validity::Valid) => Ok(()),
        Some(Validity::ExpiredSince(at)) => refuse("expired on", at),
        Some(Validity::NotYetValid(at)) => refuse("is not yet valid; it starts at", at),
    }
}
