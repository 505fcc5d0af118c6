//! X.509 certificates (RFC 5280): thumbprint, dates, key usage, who issued whom.

use std::fmt;
use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::KeyUsage;

use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::rsa::{PublicKey, UnusableKey};

/// SHA-256 over the DER certificate (not the SPKI, not the PEM text): how MOSIP names a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Of a DER certificate.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// From the 32 raw bytes inside an envelope.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Hex (either case) or base64url: IDA tries hex first, so do we.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = match text.len() {
            64 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?,
            _ => base64::decode(text.as_bytes()).ok()?,
        };
        bytes.try_into().ok().map(Self)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Upper-case hex, as IDA writes it.
    pub fn to_hex_upper(self) -> String {
        HEXUPPER.encode(&self.0)
    }

    /// base64url, as JOSE headers carry it.
    pub(crate) fn to_base64url(self) -> String {
        base64::encode_url(&self.0)
    }
}

/// Lower-case hex, as our own answers carry it.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a moment stands in a certificate's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    /// Inside.
    Valid,
    /// Expired at this moment.
    ExpiredSince(Timestamp),
    /// Starts at this moment.
    NotYetValid(Timestamp),
}

/// The first and the last moment in which a certificate counts, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dates {
    /// First valid moment.
    pub not_before: Timestamp,
    /// Last valid moment.
    pub not_after: Timestamp,
}

impl Dates {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            not_before: Timestamp::from_seconds(validity.not_before.timestamp()),
            not_after: Timestamp::from_seconds(validity.not_after.timestamp()),
        }
    }

    /// Where `now` stands.
    pub(crate) fn validity(self, now: Timestamp) -> Validity {
        if now.seconds() < self.not_before.seconds() {
            Validity::NotYetValid(self.not_before)
        } else if now.seconds() > self.not_after.seconds() {
            Validity::ExpiredSince(self.not_after)
        } else {
            Validity::Valid
        }
    }
}

/// Whose a certificate is, and when it counts, whatever its key is.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// As [`Certificate::subject`].
    pub(crate) subject: String,
    /// First and last valid moment.
    pub(crate) dates: Dates,
}

impl Summary {
    /// Of a certificate in DER.
    pub(crate) fn of_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        Ok(Self { subject: printable(&certificate.subject().to_string()), dates: Dates::of(&certificate) })
    }
}

/// The organisation in every certificate that `keygen development` makes.
pub(super) const DEVELOPMENT: &str = "Development Only";

/// A parsed certificate with an RSA key. Cheap to clone; equality is equality of the DER.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    thumbprint: Thumbprint,
    key: PublicKey,
    subject: String,
    issuer: String,
    /// The two names in DER.
    names: Names,
    dates: Dates,
    usage: Option<KeyUsage>,
    ca: bool,
    is_for_development: bool,
}

struct Names {
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Certificate {
    /// From DER; trailing bytes and every key but RSA of 2048 to 4096 bits are refused.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        let spki = certificate.public_key();
        if spki.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION {
            let oid = spki.algorithm.algorithm.to_id_string();
            let pss = oid == PSS_ONLY;
            return Err(if pss {
                CertificateError::PssOnly
            } else {
                CertificateError::NotRsa(key_type(&oid))
            });
        }
        let usage = certificate.key_usage().map_err(|_| CertificateError::Malformed)?;
        Ok(Self(Arc::new(Parsed {
            der: der.to_vec(),
            thumbprint: Thumbprint::of(der),
            key: PublicKey::from_spki_der(spki.raw)?,
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            names: Names {
                subject: certificate.subject().as_raw().to_vec(),
                issuer: certificate.issuer().as_raw().to_vec(),
            },
            dates: Dates::of(&certificate),
            usage: usage.map(|extension| *extension.value),
            ca: certificate.is_ca(),
            is_for_development: certificate
                .subject()
                .iter_organization()
                .any(|name| name.as_str() == Ok(DEVELOPMENT)),
        })))
    }

    /// DER bytes as they came.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// SHA-256 of the DER.
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// The key inside.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Subject as RFC 4514-like text, in the order of the certificate: `C=XX, O=Ministry, CN=partner`.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Issuer, likewise.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// First and last valid moment.
    pub(crate) fn dates(&self) -> Dates {
        self.0.dates
    }

    /// First valid moment.
    pub fn not_before(&self) -> Timestamp {
        self.0.dates.not_before
    }

    /// Last valid moment, to the second.
    pub fn not_after(&self) -> Timestamp {
        self.0.dates.not_after
    }

    /// Where `now` stands.
    pub(crate) fn validity(&self, now: Timestamp) -> Validity {
        self.0.dates.validity(now)
    }

    /// Whether basicConstraints says CA (RFC 5280 4.2.1.9). Leaves of MOSIP may say so too.
    pub(crate) fn is_ca(&self) -> bool {
        self.0.ca
    }

    /// Whether its subject says that it was made for development, as `keygen development` writes it.
    pub(crate) fn is_for_development(&self) -> bool {
        self.0.is_for_development
    }

    /// keyUsage in words (`Digital Signature, Key Encipherment`); `None` where the extension is absent, which allows everything.
    pub(crate) fn key_usage(&self) -> Option<String> {
        self.0.usage.as_ref().map(KeyUsage::to_string)
    }

    /// Whether keyUsage allows signatures over messages (RFC 5280 4.2.1.3).
    pub(crate) fn may_sign(&self) -> bool {
        self.0.usage.as_ref().is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
    }

    /// Whether keyUsage allows session keys to be wrapped to it.
    pub(crate) fn may_wrap(&self) -> bool {
        self.0.usage.as_ref().is_none_or(|usage| usage.key_encipherment() || usage.data_encipherment())
    }

    /// Whether `der`, a certificate of whatever key, names this one as its issuer and not itself.
    pub(super) fn is_named_as_issuer_by(&self, der: &[u8]) -> bool {
        let Ok(subject) = parse(der) else { return false };
        subject.issuer().as_raw() == self.0.names.subject
            && subject.subject().as_raw() != subject.issuer().as_raw()
    }

    /// Whether the name of its issuer is its own.
    pub(super) fn names_itself_as_issuer(&self) -> bool {
        self.0.names.issuer == self.0.names.subject
    }

    /// Whether name and signature of `issuer` stand in this certificate. Says nothing about dates and CA flag.
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        // The names first: they cost nothing beside a signature.
        if self.0.names.issuer != issuer.0.names.subject {
            return false;
        }
        let (Ok(subject), Ok(issuer)) = (parse(self.der()), parse(issuer.der())) else {
            return false;
        };
        subject.verify_signature(Some(issuer.public_key())).is_ok()
    }
}

/// Whether `der` is not a certificate of an authority: it says that it is none, or it cannot be read.
pub(super) fn may_be_end_entity(der: &[u8]) -> bool {
    parse(der).map_or(true, |certificate| !certificate.is_ca())
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint() == other.thumbprint()
    }
}

impl Eq for Certificate {}

/// Subject and thumbprint.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.thumbprint())
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
    /// RSA that may not decrypt, and may not make the signatures of MOSIP.
    #[error("holds an RSA key that is for PSS signatures only (id-RSASSA-PSS)")]
    PssOnly,
    /// Too short or too long; its bits.
    #[error("holds an RSA key of {0} bits, and 2048 to 4096 are accepted")]
    KeySize(usize),
    /// Numbers that are no usable key.
    #[error("holds an RSA key that is not usable: {0}")]
    Key(&'static str),
}

impl From<UnusableKey> for CertificateError {
    fn from(error: UnusableKey) -> Self {
        match error {
            UnusableKey::Size(bits) => Self::KeySize(bits),
            UnusableKey::Form(what) => Self::Key(what),
        }
    }
}

/// id-RSASSA-PSS (RFC 4055 1.2).
pub(super) const PSS_ONLY: &str = "1.2.840.113549.1.1.10";

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Malformed),
    }
}

/// The name of a type of key by its dotted object identifier (RFC 3279, 5480, 8410), or the identifier itself.
pub(super) fn key_type(oid: &str) -> String {
    match oid {
        "1.2.840.10045.2.1" => "EC",
        "1.3.101.110" => "X25519",
        "1.3.101.111" => "X448",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.2.840.113549.1.3.1" => "DH",
        "1.2.840.10040.4.1" => "DSA",
        other => other,
    }
    .to_owned()
}

/// Names come from strangers and go to logs: no control character passes.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests;
