//! JWE compact (RFC 7516): `RSA-OAEP-256` with `A256GCM`, and `zip=DEF` up to a limit.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use zeroize::Zeroizing;

use super::CryptoError;
use super::aead::{self, Nonce, TAG_LEN};
use super::base64;
use super::header::Header;
use super::rsa::{PrivateKey, PublicKey};
use super::secret::{SecretWriter, SessionKey, random};

const ALG: &str = "RSA-OAEP-256";
const ENC: &str = "A256GCM";
const ZIP: &str = "DEF";

/// A parsed, unopened token.
pub struct Jwe<'a> {
    /// Also the data that the tag authenticates (RFC 7516 5.1, step 14).
    header: &'a str,
    wrapped: Vec<u8>,
    nonce: [u8; 12],
    ciphertext: &'a str,
    tag: [u8; TAG_LEN],
    kid: Option<String>,
    deflated: bool,
}

impl<'a> Jwe<'a> {
    /// Splits and reads the header; five segments, `alg` and `enc` as above, no `crit`, no other `zip`.
    /// The ciphertext is decoded in [`Jwe::decrypt`].
    pub fn parse(token: &'a str) -> Result<Self, CryptoError> {
        let mut segments = token.split('.');
        let (Some(header_segment), Some(wrapped), Some(nonce), Some(ciphertext), Some(tag), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(CryptoError::Malformed("not five segments"));
        };
        let header = Header::parse(header_segment)?;
        if (header.alg.as_deref(), header.enc.as_deref()) != (Some(ALG), Some(ENC)) {
            return Err(CryptoError::Malformed("not RSA-OAEP-256 with A256GCM"));
        }
        if header.crit.is_some() {
            return Err(CryptoError::Malformed("crit names what is not known here"));
        }
        Ok(Self {
            header: header_segment,
            wrapped: base64::decode_url_strict(wrapped.as_bytes())?,
            nonce: fixed(nonce).ok_or(CryptoError::Malformed("the IV is not 12 bytes"))?,
            ciphertext,
            tag: fixed(tag).ok_or(CryptoError::Malformed("the tag is not 16 bytes"))?,
            kid: header.kid,
            deflated: match header.zip.as_deref() {
                None => false,
                Some(ZIP) => true,
                Some(_) => return Err(CryptoError::Malformed("zip is not DEF")),
            },
        })
    }

    /// `kid`: base64url of the SHA-256 thumbprint of the recipient's certificate, where MOSIP made the token.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Bytes of the wrapped key, which say which of our keys can fit.
    pub(crate) fn wrapped_len(&self) -> usize {
        self.wrapped.len()
    }

    /// Opens with `key` and inflates where `zip` says so. A plaintext longer than `max_plaintext` bytes is refused.
    /// Every failure but a ciphertext that is not base64url is `Decrypt`.
    pub fn decrypt(&self, key: &PrivateKey, max_plaintext: usize) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut buffer = Zeroizing::new(base64::decode_url_strict(self.ciphertext.as_bytes())?);
        buffer.extend_from_slice(&self.tag);
        let session_key = key.unwrap(&self.wrapped)?;
        let header = self.header.as_bytes();
        let len = aead::open_in_place(&session_key, Nonce::Twelve(&self.nonce), header, &mut buffer)?.len();
        buffer.truncate(len);
        if self.deflated {
            inflate(&buffer, max_plaintext)
        } else if len > max_plaintext {
            Err(TOO_LONG)
        } else {
            Ok(buffer)
        }
    }
}

/// The protected header of a token that is made here.
#[derive(Serialize)]
struct Written<'a> {
    alg: &'static str,
    enc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<&'static str>,
    cty: &'a str,
}

/// Seals `plaintext`; `deflate` writes `zip=DEF` as MOSIP does by default. `typ` and `cty` are `JWT`, as
/// MOSIP writes them whatever is inside.
pub fn encrypt(
    to: &PublicKey,
    kid: Option<&str>,
    plaintext: &[u8],
    deflate: bool,
) -> Result<String, CryptoError> {
    let zip = deflate.then_some(ZIP);
    seal(to, &Written { alg: ALG, enc: ENC, zip, kid, typ: Some("JWT"), cty: "JWT" }, plaintext)
}

/// Seals `content`, whose media type is `cty` (RFC 7516 4.1.12: `application/` before a type without `/` is left out).
pub(crate) fn encrypt_content(
    to: &PublicKey,
    kid: &str,
    cty: &str,
    content: &[u8],
) -> Result<String, CryptoError> {
    seal(to, &Written { alg: ALG, enc: ENC, zip: None, kid: Some(kid), typ: None, cty }, content)
}

fn seal(to: &PublicKey, header: &Written<'_>, plaintext: &[u8]) -> Result<String, CryptoError> {
    let text =
        serde_json::to_vec(header).map_err(|_| CryptoError::Malformed("the header does not serialise"))?;
    let mut token = base64::encode_url(&text);

    let session_key = SessionKey::generate();
    let nonce = random();
    let mut sealed = if header.zip.is_some() { deflated(plaintext)? } else { copied(plaintext) };
    aead::seal_tail(&session_key, Nonce::Twelve(&nonce), token.as_bytes(), &mut sealed, 0)?;
    let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG_LEN);

    let wrapped = to.wrap(&session_key)?;
    let segments = [wrapped.as_slice(), &nonce, ciphertext, tag];
    token.reserve(segments.iter().map(|segment| 1 + base64::encoded_url_len(segment.len())).sum());
    for segment in segments {
        token.push('.');
        base64::encode_url_append(segment, &mut token);
    }
    Ok(token)
}

const TOO_LONG: CryptoError = CryptoError::Decrypt("the plaintext is longer than the cap");

fn fixed<const N: usize>(segment: &str) -> Option<[u8; N]> {
    base64::decode_url_strict(segment.as_bytes()).ok()?.try_into().ok()
}

fn copied(plaintext: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_LEN));
    buffer.extend_from_slice(plaintext);
    buffer
}

fn deflated(plaintext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut encoder = DeflateEncoder::new(SecretWriter::default(), Compression::default());
    encoder
        .write_all(plaintext)
        .and_then(|()| encoder.finish())
        .map(SecretWriter::finish)
        .map_err(|_| CryptoError::Malformed("the plaintext does not deflate"))
}

/// Inflates raw DEFLATE (RFC 1951). It stops one byte beyond `cap`, so that a decompression bomb costs no more than the cap.
fn inflate(deflated: &[u8], cap: usize) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut decoder = DeflateDecoder::new(deflated);
    let mut plaintext = SecretWriter::default();
    plaintext
        .read_to_end(decoder.by_ref().take((cap as u64).saturating_add(1)))
        .map_err(|_| CryptoError::Decrypt("the plaintext does not inflate"))?;
    let plaintext = plaintext.finish();
    if plaintext.len() > cap {
        return Err(TOO_LONG);
    }
    if !decoder.into_inner().is_empty() {
        return Err(CryptoError::Decrypt("something follows the deflated plaintext"));
    }
    Ok(plaintext)
}

#[cfg(test)]
mod tests;
