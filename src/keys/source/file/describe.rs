//! What a key file holds, for `inspect` and `doctor`.

use serde::Serialize;

use super::contents::Contents;
use super::{LoadError, Passwords};
use crate::crypto::rsa::PublicKey;
use crate::keys::cert::Certificate;
use crate::keys::example::{digest, is_example};

/// What a file holds. Nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// `PKCS#12`, `PKCS#7`, `PEM`, `DER` or `JWK`.
    pub container: &'static str,
    /// RSA private keys, in file order.
    pub private_keys: Vec<KeyDescription>,
    /// Bare public keys, in file order.
    pub public_keys: Vec<KeyDescription>,
    /// Certificates, in file order.
    pub certificates: Vec<CertificateDescription>,
    /// What is odd or of no use here, as sentences that follow the file's name.
    pub notes: Vec<String>,
}

/// A key by its public half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyDescription {
    /// Modulus in bits.
    pub bits: usize,
    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hex: a certificate in whatever file that shows the same belongs to this key.
    pub public_key: String,
    /// Whether the private half is published with this program.
    pub development: bool,
    /// Thumbprints (lower-case hex) of the certificates of this key in the same file.
    pub certificates: Vec<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateDescription {
    /// `C=XX, O=Ministry, CN=partner`
    pub subject: String,
    /// Likewise.
    pub issuer: String,
    /// SHA-256 of the DER, lower-case hex.
    pub thumbprint: String,
    /// First valid moment, ISO 8601 in UTC.
    pub not_before: String,
    /// Last valid moment, likewise.
    pub not_after: String,
    /// Modulus in bits.
    pub bits: usize,
    /// As [`KeyDescription::public_key`].
    pub public_key: String,
    /// Whether it stands for nobody: the private half of its key is published with this program, or `keygen development` made it.
    pub development: bool,
    /// keyUsage in words; absent where the certificate does not restrict it.
    pub key_usage: Option<String>,
    /// basicConstraints.
    pub ca: bool,
}

/// Looks into the bytes of a file without using what is there: no key is promoted. Fails where nothing is found but what cannot be
/// opened or read.
pub fn describe(bytes: &[u8], password: Option<&[u8]>) -> Result<Description, LoadError> {
    let contents = Contents::read(bytes, Passwords { container: password, key: None })?;
    let found = contents.keys.len()
        + contents.ec_keys.len()
        + contents.certificates.len()
        + contents.public_keys.len();
    if found == 0 && !contents.refused.iter().any(|part| part.error.says_what_is_there()) {
        return Err(contents.refused.into_iter().next().map_or(LoadError::Unknown, |part| part.error));
    }
    let describe_key = |key: &PublicKey| KeyDescription {
        bits: key.modulus_len() * 8,
        public_key: digest(key),
        development: is_example(key),
        certificates: contents
            .certificates
            .iter()
            .filter(|certificate| certificate.public_key() == key)
            .map(|certificate| certificate.thumbprint().to_string())
            .collect(),
    };
    let mut private_keys = Vec::new();
    let mut notes: Vec<String> = contents
        .warnings
        .iter()
        .chain(contents.refused.iter().map(|part| &part.error))
        .map(LoadError::to_string)
        .collect();
    notes.extend(
        contents
            .ec_keys
            .iter()
            .map(|_| "holds an EC key on the curve P-256, which [esignet] can sign with".to_owned()),
    );
    for key in &contents.keys {
        match super::contents::public_half(key) {
            Ok(public) => private_keys.push(describe_key(&public)),
            Err(refusal) => notes.push(refusal.to_string()),
        }
    }
    Ok(Description {
        container: contents.container,
        private_keys,
        public_keys: contents.public_keys.iter().map(describe_key).collect(),
        certificates: contents.certificates.iter().map(describe_certificate).collect(),
        notes,
    })
}

fn describe_certificate(certificate: &Certificate) -> CertificateDescription {
    CertificateDescription {
        subject: certificate.subject().to_owned(),
        issuer: certificate.issuer().to_owned(),
        thumbprint: certificate.thumbprint().to_string(),
        not_before: certificate.not_before().to_iso(),
        not_after: certificate.not_after().to_iso(),
        bits: certificate.public_key().modulus_len() * 8,
        public_key: digest(certificate.public_key()),
        development: is_example(certificate.public_key()) || certificate.is_for_development(),
        key_usage: certificate.key_usage(),
        ca: certificate.is_ca(),
    }
}
