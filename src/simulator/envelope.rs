//! The hybrid envelope VER_R2 as this side reads and writes it.
//!
//! `"VER_R2" · thumbprint(32) · wrapped key(k) · "#KEY_SPLITTER#" · aad(32) · ciphertext · tag(16)`, nonce = first 12 bytes of aad.

use super::answer::Refusal;
use crate::crypto::CryptoError;
use crate::crypto::aead::{self, Nonce};
use crate::crypto::rsa::{PrivateKey, PublicKey};
use crate::crypto::secret::{SessionKey, random};
use crate::keys::Thumbprint;

const HEADER: &[u8] = b"VER_R2";
const SPLITTER: &[u8] = b"#KEY_SPLITTER#";
const NONCE_LEN: usize = 12;

/// Opens an envelope that is addressed to `thumbprint`; without one, whatever it is addressed to.
pub(super) fn open(
    envelope: &[u8],
    key: &PrivateKey,
    thumbprint: Option<&Thumbprint>,
) -> Result<Vec<u8>, Refusal> {
    let rest = envelope
        .strip_prefix(HEADER)
        .ok_or(Refusal::strict("SIM-HEADER", "the envelope does not begin with VER_R2"))?;
    let (addressee, rest) = rest.split_first_chunk::<32>().ok_or(TOO_SHORT)?;
    if thumbprint.is_some_and(|thumbprint| addressee != thumbprint.as_bytes()) {
        return Err(Refusal::strict("SIM-THUMBPRINT", "the thumbprint is not that of MOSIP's certificate"));
    }
    let (wrapped, rest) = rest.split_at_checked(key.modulus_len()).ok_or(TOO_SHORT)?;
    let rest = rest
        .strip_prefix(SPLITTER)
        .ok_or(Refusal::strict("SIM-SPLITTER", "no #KEY_SPLITTER# follows the wrapped key"))?;
    let (aad, sealed) = rest.split_first_chunk::<32>().ok_or(TOO_SHORT)?;
    let nonce = aad.first_chunk::<NONCE_LEN>().ok_or(TOO_SHORT)?;

    let session_key = key.unwrap(wrapped).map_err(|_| Refusal::DECRYPT)?;
    let mut sealed = sealed.to_vec();
    let plaintext = aead::open_in_place(&session_key, Nonce::Twelve(nonce), aad, &mut sealed)
        .map_err(|_| Refusal::DECRYPT)?;
    Ok(plaintext.to_vec())
}

/// Seals as the real MOSIP-side mediator does: under a random thumbprint.
pub(super) fn seal(to: &PublicKey, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    seal_under(&random::<32>(), to, plaintext)
}

/// Seals as keymanager does: under the thumbprint of the receiver's certificate.
pub(super) fn seal_under(
    thumbprint: &[u8; 32],
    to: &PublicKey,
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let session_key = SessionKey::generate();
    let nonce = random::<NONCE_LEN>();
    let salt = random::<{ 32 - NONCE_LEN }>();
    let aad = [nonce.as_slice(), salt.as_slice()].concat();

    let mut envelope =
        [HEADER, thumbprint.as_slice(), to.wrap(&session_key)?.as_slice(), SPLITTER, aad.as_slice()].concat();
    let from = envelope.len();
    envelope.extend_from_slice(plaintext);
    aead::seal_tail(&session_key, Nonce::Twelve(&nonce), &aad, &mut envelope, from)?;
    Ok(envelope)
}

const TOO_SHORT: Refusal = Refusal::strict("SIM-TRUNCATED", "the envelope ends too early");
