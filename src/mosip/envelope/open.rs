//! Opens messages with the key ring: it chooses the key and checks the signature of the peer.

use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ParsedEnvelope, Plaintext, open_body};
use crate::crypto::CryptoError;
use crate::crypto::base64;
use crate::crypto::jwe::Jwe;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::error::{Code, Error, Result};
use crate::keys::settings::UnknownThumbprint;
use crate::keys::{Certificate, OwnKey, Peer, Ring, Thumbprint};
use crate::mosip::{Evidence, Verified, signature};

/// Most own keys that are tried on an envelope that names none of them. Each try is one private-key operation.
const MAX_TRIES: usize = 4;

/// Largest plaintext of a JWE, in bytes; `zip=DEF` must not inflate beyond it.
const MAX_INFLATED: usize = 64 << 20;

/// A message to open, in the form in which it travels.
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    /// base64 of an envelope (either alphabet, padded or not), or a compact JWE.
    pub data: &'a str,
    /// base64 of SHA512withRSA over the envelope or over the plaintext.
    pub signature: Option<&'a str>,
    /// The additional data (AAD) that the sender bound to a legacy envelope.
    pub aad: &'a [u8],
    /// What was signed, where the caller knows; absent: what of the two the signature fits.
    pub over: Option<Over>,
}

/// What the signature beside a message is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// The plaintext.
    Plaintext,
    /// The envelope.
    Envelope,
}

/// The operator's settings for opening.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// `envelope.danger_accept_unsigned`: an absent signature is accepted, a wrong one never.
    pub danger_accept_unsigned: bool,
}

/// Opens a message from `from` with our ring and checks its signature. A JWE that holds a JWS is verified under `from`, by the same rules
/// as a JWS by itself.
pub fn open(ring: &Ring, from: &Peer, message: Sealed<'_>, policy: Policy) -> Result<Verified<Plaintext>> {
    let envelope = match base64::decode(message.data.as_bytes()) {
        Ok(envelope) => envelope,
        // The dots of a JWE belong to neither alphabet of base64.
        Err(_) if looks_like_jwe(message.data) => return open_jwe(ring, from, message, policy),
        Err(error) => return Err(error.into()),
    };
    let over_envelope = match (message.signature, message.over) {
        // Judged before the envelope is opened in place.
        (Some(signature), Some(Over::Envelope)) => {
            Some(Beside::read(from, signature)?.over_envelope(&envelope)?)
        }
        _ => None,
    };
    let (plaintext, key) = open_envelope(ring, from.unknown_thumbprint, envelope, message.aad)?;
    let evidence = match (over_envelope, message.signature, message.over) {
        (Some(evidence), ..) => evidence,
        (None, None, _) => unsigned(policy)?,
        (None, Some(signature), Some(_)) => Beside::read(from, signature)?.over_plaintext(&plaintext)?,
        (None, Some(signature), None) => {
            Beside::read(from, signature)?.over_either(&plaintext, message.data)?
        }
    };
    Ok(Verified::new(plaintext, evidence, key))
}

/// Opens `data`, base64 of an envelope that names a key of the ring, and returns the plaintext with the thumbprint of that key. It checks no
/// signature, which the caller has to do.
pub(in crate::mosip) fn open_with_ring(ring: &Ring, data: &str) -> Result<(Plaintext, Option<Thumbprint>)> {
    open_envelope(ring, UnknownThumbprint::Reject, base64::decode(data.as_bytes())?, &[])
}

fn unsigned(policy: Policy) -> Result<Evidence> {
    if policy.danger_accept_unsigned {
        return Ok(Evidence::DangerUnsigned);
    }
    Err(Error::new(Code::SignatureMissing, "the message opened, but it carries no signature"))
}

/// The signature of a peer beside a message.
struct Beside<'a> {
    from: &'a Peer,
    signature: Vec<u8>,
}

impl<'a> Beside<'a> {
    /// From base64.
    fn read(from: &'a Peer, text: &str) -> Result<Self> {
        let signature = base64::decode(text.as_bytes()).map_err(|error| {
            // Some tool broke the text into lines, which does not mean that somebody altered it.
            if text.contains(|c: char| c.is_ascii_whitespace()) {
                return Error::new(Code::Malformed, format!("the signature does not read: {error}"));
            }
            refused_of(from, "is not base64")
        })?;
        Ok(Self { from, signature })
    }

    fn covers(&self, bytes: &[u8]) -> bool {
        self.from.key.verify(SignatureAlgorithm::Rs512, &[bytes], &self.signature).is_ok()
    }

    fn over_plaintext(&self, plaintext: &[u8]) -> Result<Evidence> {
        let covered = self.covers(plaintext).then_some(Evidence::Plaintext);
        covered.ok_or_else(|| self.refused("does not cover the plaintext"))
    }

    fn over_envelope(&self, envelope: &[u8]) -> Result<Evidence> {
        let covered = self.covers(envelope).then_some(Evidence::Envelope);
        covered.ok_or_else(|| self.refused("does not cover the envelope"))
    }

    /// Over the plaintext first, because MOSIP signs so towards us. Only where that fails, the envelope, which was opened in place, is
    /// decoded again from `data`.
    fn over_either(&self, plaintext: &[u8], data: &str) -> Result<Evidence> {
        if let Ok(evidence) = self.over_plaintext(plaintext) {
            return Ok(evidence);
        }
        let envelope = base64::decode(data.as_bytes())?;
        self.over_envelope(&envelope).map_err(|_| self.refused("covers neither envelope nor plaintext"))
    }

    fn refused(&self, why: &str) -> Error {
        refused_of(self.from, why)
    }
}

fn refused_of(from: &Peer, why: &str) -> Error {
    Error::new(Code::SignatureInvalid, format!("the signature by peer `{}` {why}", from.name))
}

fn open_envelope(
    ring: &Ring,
    policy: UnknownThumbprint,
    mut envelope: Vec<u8>,
    caller_aad: &[u8],
) -> Result<(Plaintext, Option<Thumbprint>)> {
    let parts = ParsedEnvelope::parse(&envelope)?;
    let wrapped = envelope.get(parts.wrapped.clone()).unwrap_or_default();
    let keys = candidates(ring, policy, parts.thumbprint, parts.wrapped.len())?;
    let opened = unwrap_any(keys, |key| key.unwrap(wrapped))
        .and_then(|(own, session)| Ok((own, open_body(&session, &parts, &mut envelope, caller_aad)?)));
    let (own, range) = opened.map_err(|error| or_away(ring, parts.thumbprint, error))?;
    Ok((Plaintext { buffer: Zeroizing::new(envelope), range }, thumbprint_of(&own)))
}

/// The keys that a message may be for: the one that it names, else (policy `try`, or a message that names none) those of the right size.
fn candidates(
    ring: &Ring,
    policy: UnknownThumbprint,
    named: Option<Thumbprint>,
    wrapped_len: usize,
) -> Result<Vec<Arc<OwnKey>>> {
    if let Some(own) = named.and_then(|thumbprint| ring.decryptor(&thumbprint)) {
        return Ok(vec![Arc::clone(own)]);
    }
    if let (Some(thumbprint), UnknownThumbprint::Reject) = (named, policy) {
        return Err(unknown_key(ring, thumbprint));
    }
    Ok(ring.decryptors_of_len(wrapped_len).into_iter().take(MAX_TRIES).cloned().collect())
}

/// No own key has this thumbprint; while one is unavailable, the message may be for that.
pub(in crate::mosip) fn unknown_key(ring: &Ring, thumbprint: Thumbprint) -> Error {
    let unknown = || Error::new(Code::UnknownKey, format!("no own key has the thumbprint {thumbprint}"));
    away(ring).unwrap_or_else(unknown)
}

/// What tried keys do not open may be for one that is unavailable. Every refusal to decrypt becomes that one alike, wherever it stopped, and
/// one by the key that the message names stays.
fn or_away(ring: &Ring, named: Option<Thumbprint>, error: Error) -> Error {
    let is_named = named.is_some_and(|thumbprint| ring.decryptor(&thumbprint).is_some());
    if is_named || error.code() != Code::Decrypt { error } else { away(ring).unwrap_or(error) }
}

fn away(ring: &Ring) -> Option<Error> {
    let trouble = ring.decryptor_away()?;
    Some(CryptoError::Unavailable(format!("{}: {}", trouble.location, trouble.what)).into())
}

/// The first of `keys` that unwraps. A key that is unavailable ends the search: the message may be for it.
fn unwrap_any<T>(
    keys: Vec<Arc<OwnKey>>,
    unwrap: impl Fn(&PrivateKey) -> Result<T, CryptoError>,
) -> Result<(Arc<OwnKey>, T)> {
    let mut refusal = CryptoError::Decrypt("no own key has the size of the wrapped key");
    for own in keys {
        match unwrap(&own.private) {
            Ok(opened) => return Ok((own, opened)),
            Err(error @ CryptoError::Unavailable(_)) => return Err(error.into()),
            Err(error) => refusal = error,
        }
    }
    Err(refusal.into())
}

fn thumbprint_of(own: &OwnKey) -> Option<Thumbprint> {
    own.certificate.as_ref().map(Certificate::thumbprint)
}

fn looks_like_jwe(data: &str) -> bool {
    memchr::memchr_iter(b'.', data.as_bytes()).count() == 4
}

/// Opens a compact JWE with our ring, up to a plaintext of `max_plaintext` bytes, and returns that with the thumbprint of the key. It
/// checks no signature, which the caller has to do.
pub(in crate::mosip) fn open_jwe_with_ring(
    ring: &Ring,
    unknown: UnknownThumbprint,
    token: &str,
    max_plaintext: usize,
) -> Result<(Zeroizing<Vec<u8>>, Option<Thumbprint>)> {
    let jwe = Jwe::parse(token)?;
    let named = jwe.kid().map(Thumbprint::parse);
    if named == Some(None) && unknown == UnknownThumbprint::Reject {
        return Err(Error::new(Code::UnknownKey, "the kid of the token is no thumbprint of a certificate"));
    }
    let keys = candidates(ring, unknown, named.flatten(), jwe.wrapped_len())?;
    let opened = unwrap_any(keys, |key| jwe.decrypt(key, max_plaintext));
    let (own, opened) = opened.map_err(|error| or_away(ring, named.flatten(), error))?;
    Ok((opened, thumbprint_of(&own)))
}

fn open_jwe(ring: &Ring, from: &Peer, message: Sealed<'_>, policy: Policy) -> Result<Verified<Plaintext>> {
    if message.over == Some(Over::Envelope) {
        return Err(Error::field("/over", "the message is a JWE, which is signed over what is in it")
            .advise("Give `plaintext`, or leave `over` out."));
    }
    let (opened, key) = open_jwe_with_ring(ring, from.unknown_thumbprint, message.data, MAX_INFLATED)?;
    let nested = std::str::from_utf8(&opened).ok().filter(|text| Jws::has_shape(text));
    // A refused signature stays refused: it does not count as an absent one.
    if let Some(jws) = nested.map(Jws::parse).transpose()? {
        let payload = signature::verify_parsed(from, &jws, None, ring.moment())?;
        return Ok(Verified::new(
            Zeroizing::new(payload.bytes.into_owned()).into(),
            Evidence::Plaintext,
            key,
        ));
    }
    let evidence = match message.signature {
        None => unsigned(policy)?,
        Some(signature) => Beside::read(from, signature)?.over_plaintext(&opened)?,
    };
    Ok(Verified::new(opened.into(), evidence, key))
}

#[cfg(test)]
mod tests;
