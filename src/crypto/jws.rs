//! JWS compact and detached (RFC 7515, 7797 for `b64:false`), RSA only. A token has one signature, and the caller names the key.

use std::borrow::Cow;

use aws_lc_rs::digest;
use serde::Serialize;
use x509_parser::pem::parse_x509_pem;

use super::CryptoError;
use super::base64;
use super::header::Header;
use super::rsa::{Message, PrivateKey, PublicKey, SignatureAlgorithm};

/// The parameters of the protected header. They are written in the order `b64`, `crit`, `x5c`, `x5t#S256`, `kid`, `alg`.
#[derive(Clone, Copy)]
pub struct Protected<'a> {
    /// `alg`.
    pub alg: SignatureAlgorithm,
    /// DER certificates for `x5c` (standard base64, no newlines); empty for none. The first also gives `x5t#S256`.
    pub x5c: &'a [&'a [u8]],
    /// `kid`.
    pub kid: Option<&'a str>,
    /// `false` writes `b64:false` with `crit` and signs the raw payload bytes (RFC 7797).
    pub b64: bool,
}

/// Makes `header.payload.signature`. `b64: false` is refused, because an unencoded payload always travels detached.
pub fn sign(key: &PrivateKey, protected: Protected<'_>, payload: &[u8]) -> Result<String, CryptoError> {
    if !protected.b64 {
        return Err(UNENCODED_INSIDE);
    }
    let mut token = protected.start_token(key, base64::encoded_url_len(payload.len()))?;
    token.push('.');
    base64::encode_url_append(payload, &mut token);
    let signature = key.sign(protected.alg, &[token.as_bytes()])?;
    token.push('.');
    base64::encode_url_append(&signature, &mut token);
    Ok(token)
}

/// Makes `header..signature`. The payload travels apart from the token.
pub fn sign_detached(
    key: &PrivateKey,
    protected: Protected<'_>,
    payload: &[u8],
) -> Result<String, CryptoError> {
    let mut token = protected.start_token(key, 0)?;
    let signature = key.sign_message(detached_input(protected.alg, &token, protected.b64, payload))?;
    token.push_str("..");
    base64::encode_url_append(&signature, &mut token);
    Ok(token)
}

impl Protected<'_> {
    /// The first segment, with room for the payload and the signature of `key` behind it.
    fn start_token(&self, key: &PrivateKey, payload_len: usize) -> Result<String, CryptoError> {
        #[derive(Serialize)]
        struct Written<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            b64: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            crit: Option<[&'static str; 1]>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            x5c: Vec<String>,
            #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
            x5t: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'a str>,
            alg: &'static str,
        }
        let thumbprint = |der: &&[u8]| base64::encode_url(digest::digest(&digest::SHA256, der).as_ref());
        let header = serde_json::to_vec(&Written {
            b64: (!self.b64).then_some(false),
            crit: (!self.b64).then_some(["b64"]),
            x5c: self.x5c.iter().map(|der| base64::encode(der)).collect(),
            x5t: self.x5c.first().map(thumbprint),
            kid: self.kid,
            alg: self.alg.name(),
        })
        .map_err(|_| CryptoError::Malformed("the header does not serialise"))?;
        let (header_len, signature_len) =
            (base64::encoded_url_len(header.len()), base64::encoded_url_len(key.modulus_len()));
        let mut token = String::with_capacity(header_len + payload_len + signature_len + 2);
        base64::encode_url_append(&header, &mut token);
        Ok(token)
    }
}

/// A parsed, *unverified* token. Only [`Jws::verify`] gives its payload.
pub struct Jws<'a> {
    header: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    alg: SignatureAlgorithm,
    b64: bool,
    kid: Option<String>,
    x5c_first: Option<Vec<u8>>,
}

impl<'a> Jws<'a> {
    /// Whether `text` looks like a JWS: a header, which is a JSON object in base64 without `enc` (which marks a JWE), stands before two
    /// dots or more. The token may still be malformed.
    pub(crate) fn has_shape(text: &str) -> bool {
        let Some((header, rest)) = text.trim_start().split_once('.') else { return false };
        let header = base64::decode(header.as_bytes()).unwrap_or_default();
        let is_jwe = || Header::read(&header).is_ok_and(|header| header.enc.is_some());
        rest.contains('.') && header.trim_ascii_start().starts_with(b"{") && !is_jwe()
    }

    /// Splits and reads the header: three segments, strict base64url, a JSON object without duplicate names,
    /// `alg` known, `crit` holding nothing but `b64`, and `b64` only with it (RFC 7797 6). The payload is decoded
    /// only after the signature verified. A `b64:false` token that carries its payload is refused.
    pub fn parse(token: &'a str) -> Result<Self, CryptoError> {
        let mut segments = token.split('.');
        let (Some(header_segment), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(CryptoError::Malformed("not three segments"));
        };
        let header = Header::parse(header_segment)?;
        let b64 = unencoded_payload_option(&header)?;
        if !b64 && !payload.is_empty() {
            return Err(UNENCODED_INSIDE);
        }
        Ok(Self {
            header: header_segment,
            payload,
            signature: base64::decode_url_strict(signature.as_bytes())?,
            alg: header
                .alg
                .as_deref()
                .and_then(SignatureAlgorithm::from_name)
                .ok_or(CryptoError::Signature("an algorithm that is not known here"))?,
            b64,
            x5c_first: header
                .x5c
                .map(|chain| chain.first().ok_or(NO_CERTIFICATE).and_then(|entry| x5c_entry(entry)))
                .transpose()?,
            kid: header.kid,
        })
    }

    /// `kid`, unverified.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The first certificate of `x5c` as DER, unverified. Peers differ in how they write it, so DER and PEM, both alphabets of base64,
    /// and newlines are accepted.
    pub fn x5c_first(&self) -> Option<&[u8]> {
        self.x5c_first.as_deref()
    }

    /// Whether the payload segment is empty.
    pub(crate) fn is_detached(&self) -> bool {
        self.payload.is_empty()
    }

    /// Verifies under `key`, whatever `x5c` or `kid` say. `algs` is the peer's list; `detached` the payload that
    /// travels elsewhere (needed exactly when detached).
    pub fn verify<'p>(
        &self,
        key: &PublicKey,
        algs: &[SignatureAlgorithm],
        detached: Option<&'p [u8]>,
    ) -> Result<Payload<'p>, CryptoError> {
        if !algs.contains(&self.alg) {
            return Err(CryptoError::Signature("an algorithm that this peer may not use"));
        }
        let message = match (detached, self.is_detached()) {
            (Some(payload), true) => detached_input(self.alg, self.header, self.b64, payload),
            (None, false) => {
                let mut message = Message::new(self.alg);
                [self.header, ".", self.payload].iter().for_each(|part| message.update(part.as_bytes()));
                message
            }
            (None, true) => return Err(CryptoError::Malformed("the payload of a detached token is missing")),
            (Some(_), false) => return Err(CryptoError::Malformed("the token carries a payload of its own")),
        };
        key.verify_message(message, &self.signature)?;
        let bytes = match detached {
            Some(payload) => Cow::Borrowed(payload),
            None => Cow::Owned(base64::decode_url_strict(self.payload.as_bytes())?),
        };
        Ok(Payload { alg: self.alg, bytes })
    }
}

/// The payload of a verified token.
pub struct Payload<'p> {
    /// The algorithm that verified.
    pub alg: SignatureAlgorithm,
    /// The payload bytes: those of the token, or those that were passed in for a detached token.
    pub bytes: Cow<'p, [u8]>,
}

/// The signing input of a detached token (RFC 7515 5.1, RFC 7797 3), without joining header and payload.
fn detached_input(alg: SignatureAlgorithm, header: &str, b64: bool, payload: &[u8]) -> Message {
    let mut message = Message::new(alg);
    message.update(header.as_bytes());
    message.update(b".");
    if b64 {
        base64::encode_url_chunks(payload, |chunk| message.update(chunk));
    } else {
        message.update(payload);
    }
    message
}

/// The value of `b64`, once the rules of `crit` are checked (RFC 7515 4.1.11, RFC 7797 6).
fn unencoded_payload_option(header: &Header) -> Result<bool, CryptoError> {
    match (header.crit.as_deref(), header.b64) {
        (None, None) => Ok(true),
        (Some([name]), Some(b64)) if name == "b64" => Ok(b64),
        (Some(_), _) => Err(CryptoError::Signature("crit names what is not known here")),
        (None, Some(_)) => Err(CryptoError::Signature("b64 stands without crit")),
    }
}

/// DER of an entry of `x5c`. Peers write base64 of the DER, of PEM text with newlines, or base64url of PEM text.
pub(crate) fn x5c_entry(text: &str) -> Result<Vec<u8>, CryptoError> {
    let bytes = base64::decode(text.as_bytes())
        .or_else(|_| base64::decode(text.replace(['\r', '\n'], "").as_bytes()))
        .map_err(|_| NO_CERTIFICATE)?;
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(bytes);
    }
    match parse_x509_pem(&bytes) {
        Ok((_, pem)) if pem.label == "CERTIFICATE" => Ok(pem.contents),
        _ => Err(NO_CERTIFICATE),
    }
}

const NO_CERTIFICATE: CryptoError = CryptoError::Malformed("x5c holds no certificate");
const UNENCODED_INSIDE: CryptoError = CryptoError::Malformed("an unencoded payload travels detached only");

#[cfg(test)]
mod tests;
