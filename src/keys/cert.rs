//! X.509 certificates (RFC 5280): thumbprint, validity, key usage, chain.
use std::fmt;

use crate::clock::Timestamp;
use crate::crypto::rsa::PublicKey;

/// SHA-256 over the DER certificate (not the SPKI, not the PEM text): how MOSIP names a certificate (PROTOCOL 1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Of a DER certificate.
    pub fn of(_der: &[u8]) -> Self {
        todo!()
    }
    /// From the 32 raw bytes inside an envelope.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// Hex (either case) or base64url: IDA tries hex first, so do we.
    pub fn parse(_text: &str) -> Option<Self> {
        todo!()
    }
    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// Upper-case hex, as IDA writes it.
    pub fn to_hex_upper(self) -> String {
        todo!()
    }
    /// base64url, as JOSE headers carry it.
    pub fn to_base64url(self) -> String {
        todo!()
    }
}
/// Lower-case hex, as our own answers carry it.
impl fmt::Display for Thumbprint {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a moment stands in a certificate's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Inside.
    Valid,
    /// Expired at this moment.
    ExpiredSince(Timestamp),
    /// Starts at this moment.
    NotYetValid(Timestamp),
}

/// A parsed certificate with an RSA key.
#[derive(Clone)]
pub struct Certificate {}

impl Certificate {
    /// From DER; trailing bytes, other than RSA 2048 to 4096 are refused, with the sentence for `<file>: <what>`.
    pub fn from_der(_der: &[u8]) -> Result<Self, CertificateError> {
        todo!()
    }
    /// DER bytes as they came.
    pub fn der(&self) -> &[u8] {
        todo!()
    }
    /// SHA-256 of the DER.
    pub fn thumbprint(&self) -> Thumbprint {
        todo!()
    }
    /// The key inside.
    pub fn public_key(&self) -> &PublicKey {
        todo!()
    }
    /// Subject as RFC 4514-like text.
    pub fn subject(&self) -> &str {
        todo!()
    }
    /// Issuer, likewise.
    pub fn issuer(&self) -> &str {
        todo!()
    }
    /// First valid moment.
    pub fn not_before(&self) -> Timestamp {
        todo!()
    }
    /// Last valid moment.
    pub fn not_after(&self) -> Timestamp {
        todo!()
    }
    /// Where `now` stands.
    pub fn validity(&self, _now: Timestamp) -> Validity {
        todo!()
    }
}

/// Why a certificate is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not one DER certificate.
    #[error("is not an X.509 certificate")]
    Malformed,
    /// EC and the like.
    #[error("holds a key that is not RSA ({0})")]
    NotRsa(String),
    /// Too short or too long.
    #[error("holds an RSA key that is not usable: {0}")]
    Key(&'static str),
}
