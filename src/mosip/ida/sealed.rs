//! IDA's cryptography: the sealed request, the detached signatures over bodies, the sealed kyc identity.

use data_encoding::HEXUPPER;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::crypto::aead::{self, Nonce};
use crate::crypto::jws::Jws;
use crate::crypto::secret::{self, SessionKey};
use crate::crypto::{CryptoError, base64, sha256};
use crate::error::{Code, Error, Result};
use crate::keys::{Certificate, OwnKey, Peer, Ring, Thumbprint};
use crate::mosip::envelope::{Plaintext, unknown_key};
use crate::mosip::signature;

const IV_LEN: usize = 16;

/// The bytes that sealing adds to a plaintext: tag and IV.
pub(super) const OVERHEAD: usize = aead::TAG_LEN + IV_LEN;

/// The sealed members of a request, before base64.
pub(super) struct Sealed {
    /// `ciphertext ‖ tag ‖ iv 16` of the inner request, no AAD.
    pub(super) request: Vec<u8>,
    /// The AES key under RSA-OAEP-256.
    pub(super) session_key: Vec<u8>,
    /// `requestHMAC`. Not an HMAC: the upper-case hex SHA-256 of the inner request, sealed under the same key with an IV of its own.
    pub(super) hmac: Vec<u8>,
}

impl Sealed {
    /// Seals `inner` (`{"otp","timestamp","demographics","biometrics"}`) to IDA's partner certificate, in place. With [`OVERHEAD`] spare
    /// bytes the buffer does not move.
    pub(super) fn new(mut inner: Zeroizing<Vec<u8>>, to: &Certificate) -> Result<Self> {
        let key = SessionKey::generate();
        let mut digest = Vec::with_capacity(64 + OVERHEAD);
        digest.extend_from_slice(&hex_digest(&inner));
        seal(&key, &mut digest)?;
        seal(&key, &mut inner)?;
        // The bytes that are taken out are ciphertext by now.
        let request = std::mem::take(&mut *inner);
        Ok(Self { request, session_key: to.public_key().wrap(&key)?, hmac: digest })
    }
}

/// The `Signature` header: a detached JWS over the very bytes that are sent.
pub fn sign_body(own: &OwnKey, body: &[u8]) -> Result<String> {
    signature::sign(own, body, true)
}

/// Checks a `response-signature` (or a request's `Signature`) over the exact body, by one of `signers`: the one whose certificate
/// is in `x5c`, or any where the token names none.
pub fn verify_body(signers: &[&Peer], body: &[u8], header: &str, now: Timestamp) -> Result<()> {
    let token = Jws::parse(header)?;
    let named = token.x5c_first().map(Thumbprint::of);
    let mut refusal = Error::new(Code::SignatureInvalid, "the signer is none of the configured ones");
    for signer in signers {
        let held = signer.certificate.as_ref().map(Certificate::thumbprint);
        if named.is_some() && held.is_some() && named != held {
            continue;
        }
        match signature::verify(signer, header, Some(body), now) {
            Ok(_) => return Ok(()),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// The sealed members of a kyc reply's `response`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedIdentity {
    /// Upper-case hex (or base64url) SHA-256 of our certificate.
    pub(crate) thumbprint: String,
    /// The AES key under RSA-OAEP-256; arrives without padding.
    pub(crate) session_key: String,
    /// `ciphertext ‖ tag ‖ iv 16` of a JSON object.
    pub(crate) identity: String,
}

/// Opens a kyc identity with the key that its thumbprint names. The signature of the reply, over the whole body, is checked elsewhere.
pub(crate) fn open_identity(ring: &Ring, sealed: &SealedIdentity) -> Result<Plaintext> {
    let thumbprint = Thumbprint::parse(&sealed.thumbprint).ok_or_else(|| {
        Error::new(Code::Malformed, "the thumbprint of the identity is neither hex nor base64url")
    })?;
    let own = ring.decryptor(&thumbprint).ok_or_else(|| unknown_key(ring, thumbprint))?;
    let session = own.private.unwrap(&base64::decode(sealed.session_key.as_bytes())?)?;
    Ok(open(&session, &sealed.identity)?.into())
}

/// SHA-256 in upper-case hex, which IDA compares as text.
fn hex_digest(bytes: &[u8]) -> [u8; 64] {
    let mut hex = [0; 64];
    HEXUPPER.encode_mut(&sha256(bytes), &mut hex);
    hex
}

fn seal(key: &SessionKey, buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
    let iv: [u8; IV_LEN] = secret::random();
    aead::seal_tail(key, Nonce::Sixteen(&iv), &[], buffer, 0)?;
    buffer.extend_from_slice(&iv);
    Ok(())
}

fn open(key: &SessionKey, text: &str) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut bytes = Zeroizing::new(base64::decode(text.as_bytes())?);
    let at = bytes.len().checked_sub(IV_LEN).ok_or(CryptoError::Decrypt("shorter than an IV"))?;
    let iv: [u8; IV_LEN] =
        bytes.get(at..).and_then(|iv| iv.try_into().ok()).ok_or(CryptoError::Decrypt("no IV"))?;
    bytes.truncate(at);
    let len = aead::open_in_place(key, Nonce::Sixteen(&iv), &[], &mut bytes)?.len();
    bytes.truncate(len);
    Ok(bytes)
}
