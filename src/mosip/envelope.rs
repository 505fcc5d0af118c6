//! MOSIP's hybrid envelope (keymanager's `cryptomanager`) and the raw signature beside it.
//!
//! ```text
//! VER_R2   "VER_R2" ‖ thumbprint 32 ‖ wrapped key k ‖ "#KEY_SPLITTER#" ‖ aad 32 ‖ ciphertext ‖ tag 16     nonce = aad[..12]
//! legacy   [thumbprint 32] ‖ wrapped key k ‖ "#KEY_SPLITTER#" ‖ ciphertext ‖ tag 16 ‖ iv 16               aad = the caller's
//! ```
//!
//! `k` is the modulus length of the recipient's key. The session key is 32 random bytes under RSA-OAEP-256.

use std::ops::{Deref, Range};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::aead::{self, Nonce, TAG_LEN};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::secret::{self, SessionKey};
use crate::crypto::{CryptoError, base64};
use crate::error::Result;
use crate::keys::{Certificate, Thumbprint};
use crate::mosip::body;
use crate::words::words;

mod open;

pub use open::{Over, Policy, Sealed, open};
pub(in crate::mosip) use open::{open_jwe_with_ring, open_with_ring, unknown_key};

/// The header of the current form.
pub(crate) const VERSION: &[u8; 6] = b"VER_R2";

/// What separates the wrapped key from the body.
pub const SPLITTER: &[u8; 14] = b"#KEY_SPLITTER#";

const THUMBPRINT_LEN: usize = 32;
const AAD_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const IV_LEN: usize = 16;

/// The modulus lengths of RSA-2048, -3072 and -4096. The splitter is looked for at these offsets before anything is scanned.
const USUAL_KEY_LENS: [usize; 3] = [256, 384, 512];
const KEY_LEN_RANGE: Range<usize> = 256..513;

/// The form that [`seal`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The current form.
    #[default]
    #[serde(rename = "ver_r2")]
    VerR2,
    /// Thumbprint and trailing 16-byte IV, for receivers older than VER_R2.
    Legacy,
}

/// Seals `plaintext` (may be empty) to the key of `to`. The result is the raw envelope, before base64.
pub fn seal(to: &Certificate, plaintext: &[u8], format: Format) -> Result<Vec<u8>, CryptoError> {
    let key = SessionKey::generate();
    let wrapped = to.public_key().wrap(&key)?;
    let overhead =
        VERSION.len() + THUMBPRINT_LEN + wrapped.len() + SPLITTER.len() + AAD_LEN + TAG_LEN + IV_LEN;
    let mut out = Vec::with_capacity(overhead + plaintext.len());
    if format == Format::VerR2 {
        out.extend_from_slice(VERSION);
    }
    out.extend_from_slice(to.thumbprint().as_bytes());
    out.extend_from_slice(&wrapped);
    out.extend_from_slice(SPLITTER);
    match format {
        Format::VerR2 => {
            let nonce: [u8; NONCE_LEN] = secret::random();
            let rest: [u8; AAD_LEN - NONCE_LEN] = secret::random();
            let mut aad = [0; AAD_LEN];
            let (head, tail) = aad.split_at_mut(NONCE_LEN);
            head.copy_from_slice(&nonce);
            tail.copy_from_slice(&rest);
            out.extend_from_slice(&aad);
            let from = out.len();
            out.extend_from_slice(plaintext);
            aead::seal_tail(&key, Nonce::Twelve(&nonce), &aad, &mut out, from)?;
        }
        Format::Legacy => {
            let iv: [u8; IV_LEN] = secret::random();
            let from = out.len();
            out.extend_from_slice(plaintext);
            aead::seal_tail(&key, Nonce::Sixteen(&iv), &[], &mut out, from)?;
            out.extend_from_slice(&iv);
        }
    }
    Ok(out)
}

/// SHA512withRSA (PKCS#1 v1.5), MOSIP's signature beside an envelope. Over the envelope towards MOSIP, over the plaintext from it.
pub fn sign(key: &PrivateKey, bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
    key.sign(SignatureAlgorithm::Rs512, &[bytes])
}

/// What the signature beside an envelope covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignOver {
    /// The envelope bytes, whose signature the MOSIP-side mediator checks.
    #[default]
    Envelope,
    /// The plaintext bytes, which MOSIP signs towards us.
    Plaintext,
    /// Unsigned.
    None,
}

/// Which base64 is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// Standard alphabet, padded: towards the MOSIP-side mediator.
    #[default]
    Standard,
    /// URL-safe alphabet, unpadded: MOSIP's own.
    Url,
}

impl Flavour {
    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Standard => base64::encode(bytes),
            Self::Url => base64::encode_url(bytes),
        }
    }

    pub(super) fn encode_append(self, bytes: &[u8], text: &mut Vec<u8>) {
        match self {
            Self::Standard => base64::encode_append(bytes, text),
            Self::Url => base64::encode_url_append(bytes, text),
        }
    }
}

/// How [`seal_message`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SealOptions {
    /// Layout of the envelope.
    pub format: Format,
    /// What is signed.
    pub sign: SignOver,
    /// Alphabet of `data` and `signature`.
    pub base64: Flavour,
}

/// An envelope and its signature, in the form in which they travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SealedMessage {
    /// base64 of the envelope.
    pub data: String,
    /// base64 of SHA512withRSA; absent under `sign=none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub signature: Option<String>,
    /// Lower-case hex thumbprint of the certificate that was sealed to.
    pub thumbprint: String,
}

/// Seals `plaintext` to `to` and signs it with `signer` (unused under [`SignOver::None`]).
pub fn seal_message(
    to: &Certificate,
    signer: Option<&PrivateKey>,
    plaintext: &[u8],
    options: SealOptions,
) -> Result<SealedMessage> {
    let (envelope, signature) = seal_and_sign(to, signer, plaintext, options)?;
    let data = options.base64.encode(&envelope);
    Ok(SealedMessage { data, signature, thumbprint: to.thumbprint().to_string() })
}

/// As [`seal_message`], as a JSON object. The plaintext is dropped once it is sealed.
pub fn seal_json(
    to: &Certificate,
    signer: Option<&PrivateKey>,
    plaintext: impl AsRef<[u8]>,
    options: SealOptions,
) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct BesideData {
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        thumbprint: String,
    }
    let (envelope, signature) = seal_and_sign(to, signer, plaintext.as_ref(), options)?;
    drop(plaintext);
    let beside = BesideData { signature, thumbprint: to.thumbprint().to_string() };
    body::to_json_around(&serde_json::Map::new(), &envelope, options.base64, &beside)
}

/// The envelope, and base64 of its signature.
pub(super) fn seal_and_sign(
    to: &Certificate,
    signer: Option<&PrivateKey>,
    plaintext: &[u8],
    options: SealOptions,
) -> Result<(Vec<u8>, Option<String>)> {
    let envelope = seal(to, plaintext, options.format)?;
    let signed = match options.sign {
        SignOver::Envelope => Some(envelope.as_slice()),
        SignOver::Plaintext => Some(plaintext),
        SignOver::None => None,
    };
    let signature = match signed.zip(signer) {
        Some((bytes, key)) => Some(options.base64.encode(&sign(key, bytes)?)),
        None => None,
    };
    Ok((envelope, signature))
}

words! {
    /// The three layouts of an envelope.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Layout {
        /// The current form.
        VerR2 = "ver_r2",
        /// Trailing IV, with thumbprint.
        LegacyThumbprint = "legacy",
        /// Trailing IV, without thumbprint (1.1.3).
        LegacyPlain = "legacy-without-thumbprint",
    }
}

impl Layout {
    /// Bytes of the body beside the ciphertext.
    const fn overhead(self) -> usize {
        match self {
            Self::VerR2 => AAD_LEN + TAG_LEN,
            Self::LegacyThumbprint | Self::LegacyPlain => TAG_LEN + IV_LEN,
        }
    }
}

/// The parts of an envelope, unopened, as offsets into the bytes that it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedEnvelope {
    /// Which form.
    pub layout: Layout,
    /// The recipient it names, if it names one.
    pub thumbprint: Option<Thumbprint>,
    /// The wrapped session key.
    pub wrapped: Range<usize>,
    /// Everything after the splitter.
    pub body: Range<usize>,
}

impl ParsedEnvelope {
    /// Finds the splitter at the offsets that the usual key lengths give, and only then by scanning, so that the bytes of a
    /// splitter inside a thumbprint, a wrapped key or a ciphertext do no harm.
    pub fn parse(envelope: &[u8]) -> Result<Self, CryptoError> {
        let headed = envelope.starts_with(VERSION);
        let at_usual = |prefix: usize| {
            USUAL_KEY_LENS.into_iter().map(move |len| prefix + len).find(|&at| splitter_at(envelope, at))
        };
        let current = VERSION.len() + THUMBPRINT_LEN;
        let (layout, splitter) = if headed {
            let found = at_usual(current).or_else(|| scan(envelope));
            (Layout::VerR2, found)
        } else if let Some(at) = at_usual(THUMBPRINT_LEN) {
            (Layout::LegacyThumbprint, Some(at))
        } else if let Some(at) = at_usual(0) {
            (Layout::LegacyPlain, Some(at))
        } else {
            (Layout::LegacyThumbprint, scan(envelope))
        };
        let splitter =
            splitter.ok_or(CryptoError::Malformed("no #KEY_SPLITTER# where an envelope has it"))?;
        let key_start = match layout {
            Layout::VerR2 => current,
            Layout::LegacyThumbprint => THUMBPRINT_LEN,
            Layout::LegacyPlain => 0,
        };
        // A splitter before its place leaves a range of no length.
        let wrapped = key_start..splitter;
        if !KEY_LEN_RANGE.contains(&wrapped.len()) {
            return Err(CryptoError::Malformed("the wrapped key has no length of an RSA key"));
        }
        let body = splitter + SPLITTER.len()..envelope.len();
        if body.len() < layout.overhead() {
            return Err(CryptoError::Malformed("the envelope ends before its tag"));
        }
        let thumbprint = key_start
            .checked_sub(THUMBPRINT_LEN)
            .and_then(|start| envelope.get(start..key_start))
            .and_then(|bytes| bytes.try_into().ok())
            .map(Thumbprint::from_bytes);
        Ok(Self { layout, thumbprint, wrapped, body })
    }

    /// Bytes of the ciphertext, and so of the plaintext.
    pub(crate) fn ciphertext_len(&self) -> usize {
        self.body.len().saturating_sub(self.layout.overhead())
    }
}

fn splitter_at(envelope: &[u8], at: usize) -> bool {
    envelope.get(at..).is_some_and(|rest| rest.starts_with(SPLITTER))
}

fn scan(envelope: &[u8]) -> Option<usize> {
    memchr::memmem::find(envelope, SPLITTER)
}

/// An opened message: the buffer it was opened in, wiped on drop, and the range of the plaintext in it.
pub struct Plaintext {
    buffer: Zeroizing<Vec<u8>>,
    range: Range<usize>,
}

impl Deref for Plaintext {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Plaintext {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// `zeroize` wipes the content of a vector byte by byte and its spare capacity in one sweep, so the vector is cleared first.
impl Drop for Plaintext {
    fn drop(&mut self) {
        self.buffer.clear();
    }
}

impl From<Zeroizing<Vec<u8>>> for Plaintext {
    fn from(buffer: Zeroizing<Vec<u8>>) -> Self {
        let range = 0..buffer.len();
        Self { buffer, range }
    }
}

fn open_body(
    session: &SessionKey,
    parts: &ParsedEnvelope,
    envelope: &mut [u8],
    caller_aad: &[u8],
) -> Result<Range<usize>, CryptoError> {
    const SHORT: CryptoError = CryptoError::Decrypt("the body is short");
    let body = envelope.get_mut(parts.body.clone()).ok_or(SHORT)?;
    let (start, opened) = match parts.layout {
        Layout::VerR2 => {
            let (aad, sealed) = body.split_at_mut_checked(AAD_LEN).ok_or(SHORT)?;
            let nonce = aad.first_chunk::<NONCE_LEN>().ok_or(SHORT)?;
            (AAD_LEN, aead::open_in_place(session, Nonce::Twelve(nonce), aad, sealed)?.len())
        }
        Layout::LegacyThumbprint | Layout::LegacyPlain => {
            let at = body.len().checked_sub(IV_LEN).ok_or(SHORT)?;
            let (sealed, iv) = body.split_at_mut_checked(at).ok_or(SHORT)?;
            let iv = iv.first_chunk::<IV_LEN>().ok_or(SHORT)?;
            (0, aead::open_in_place(session, Nonce::Sixteen(iv), caller_aad, sealed)?.len())
        }
    };
    let start = parts.body.start + start;
    Ok(start..start + opened)
}

#[cfg(test)]
mod tests;
