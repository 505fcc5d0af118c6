//! Files to key material, saying which file and why on failure: `<file>: <what>; <what to do>`.
//!
//! Read are PKCS#12 (PBES2, 3DES, RC2-40), PEM and DER of PKCS#1, PKCS#8, encrypted PKCS#8, certificates and bare public keys, and
//! JWK in base64. What a file is, is told from its bytes: MOSIP's `mosip-public.key` is a certificate.

mod contents;
mod describe;
mod encrypted;
mod jwk;
mod pem;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::LoadError;
use crate::clock::Timestamp;
use crate::crypto::rsa::{PrivateKey, PublicKey};
use crate::keys::cert::{Certificate, CertificateError, Validity};
use crate::keys::promote::promote;
use contents::Contents;

pub use describe::{CertificateDescription, Description, KeyDescription, describe};

/// Largest key file; the largest bundle seen is 10 kB.
const MAX_FILE: u64 = 1 << 20;

/// What a file of ours holds: promoted private keys (at least one) and certificates, in file order.
pub struct KeyMaterial {
    /// Each one signed and unwrapped once, checked with the other library.
    pub keys: Vec<PrivateKey>,
    /// Of the keys and of their issuers.
    pub certificates: Vec<Certificate>,
    /// What is odd and does not hinder.
    pub warnings: Vec<LoadError>,
}

/// A private key with what belongs to it.
pub struct MatchedKey {
    /// The private key.
    pub private: PrivateKey,
    /// The certificate with the same public key; a JWK or a bare key may have none.
    pub certificate: Option<Certificate>,
    /// The other certificates of the file.
    pub others: Vec<Certificate>,
    /// What is odd and does not hinder.
    pub warnings: Vec<LoadError>,
}

/// What a peer's file holds.
pub struct PeerMaterial {
    /// Its certificate; a bare public key has none.
    pub certificate: Option<Certificate>,
    /// The key that verifies.
    pub key: PublicKey,
    /// The other certificates of the file.
    pub others: Vec<Certificate>,
}

/// Private keys and certificates from the bytes of any container. No file system: fuzzing starts here.
pub fn parse_own(bytes: &[u8], password: Option<&[u8]>) -> Result<KeyMaterial, LoadError> {
    let mut contents = Contents::read(bytes, password)?;
    let keys = contents.keys.iter().map(promote).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(contents.refused.pop().unwrap_or(LoadError::NoPrivateKey));
    }
    Ok(KeyMaterial { keys, certificates: contents.certificates, warnings: contents.warnings })
}

/// A peer's certificate or public key: the first one of the file. No file system: fuzzing starts here.
pub fn parse_peer(bytes: &[u8]) -> Result<PeerMaterial, LoadError> {
    let mut contents = Contents::read(bytes, None)?;
    let mut certificates = contents.certificates.into_iter();
    if let Some(certificate) = certificates.next() {
        let key = certificate.public_key().clone();
        return Ok(PeerMaterial { certificate: Some(certificate), key, others: certificates.collect() });
    }
    match contents.public_keys.into_iter().next() {
        Some(key) => Ok(PeerMaterial { certificate: None, key, others: Vec::new() }),
        None => Err(contents.refused.pop().unwrap_or(LoadError::NoPublicKey)),
    }
}

/// Every certificate of a PEM or DER file; at least one.
pub fn parse_certificates(bytes: &[u8]) -> Result<Vec<Certificate>, LoadError> {
    let mut contents = Contents::read(bytes, None)?;
    match (contents.refused.pop(), contents.certificates) {
        (Some(refusal), _) => Err(refusal),
        (None, certificates) if certificates.is_empty() => {
            Err(LoadError::Certificate(CertificateError::Malformed))
        }
        (None, certificates) => Ok(certificates),
    }
}

/// The first private key of a file, for `keygen`, which writes it out again.
pub(in crate::keys) fn first_private_key(
    bytes: &[u8],
    password: Option<&[u8]>,
) -> Result<rsa::PrivateKey, LoadError> {
    let mut contents = Contents::read(bytes, password)?;
    let refusal = contents.refused.pop().unwrap_or(LoadError::NoPrivateKey);
    contents.keys.into_iter().next().ok_or(refusal)
}

impl KeyMaterial {
    /// Finds key and certificate that belong together, by public key and never by alias.
    ///
    /// The certificate is sought among `configured` (the `cert` file), or where that is empty in the file itself. The first key that
    /// has one is taken, and of several certificates of that key (signed by the CA and by MOSIP) the one valid at `now`, then the latest.
    pub fn matched(mut self, configured: Vec<Certificate>, now: Timestamp) -> Result<MatchedKey, LoadError> {
        let pool = if configured.is_empty() { &self.certificates } else { &configured };
        let of_key = |key: &PrivateKey| {
            let mine = pool.iter().filter(|found| found.public_key() == key.public_key());
            mine.max_by_key(|found| (found.validity(now) == Validity::Valid, found.not_before())).cloned()
        };
        let (position, certificate) = self
            .keys
            .iter()
            .enumerate()
            .find_map(|(at, key)| Some((at, Some(of_key(key)?))))
            .or(pool.is_empty().then_some((0, None)))
            .ok_or(LoadError::Mismatch)?;
        if self.keys.len() > 1 {
            self.warnings.push(LoadError::SeveralKeys(self.keys.len()));
        }
        let private = self.keys.into_iter().nth(position).ok_or(LoadError::NoPrivateKey)?;
        let mut others = [configured, self.certificates].concat();
        others.retain(|found| Some(found) != certificate.as_ref());
        Ok(MatchedKey { private, certificate, others, warnings: self.warnings })
    }
}

/// The bytes of a file of at most 1 MiB and its metadata.
pub(in crate::keys) fn read_file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), LoadError> {
    let refusal = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing,
        kind => LoadError::Unreadable(kind.to_string()),
    };
    let mut file = File::open(path).map_err(refusal)?;
    let metadata = file.metadata().map_err(refusal)?;
    if metadata.len() > MAX_FILE {
        return Err(LoadError::TooLarge);
    }
    // Sized once: growing would leave copies of a private key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    (&mut file).take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(refusal)?;
    if bytes.len() as u64 > MAX_FILE { Err(LoadError::TooLarge) } else { Ok((bytes, metadata)) }
}

/// The password in `path`, without the one newline that editors append.
pub fn read_password(path: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let (mut password, _) = read_file(path)?;
    if password.last() == Some(&b'\n') {
        password.pop();
        if password.last() == Some(&b'\r') {
            password.pop();
        }
    }
    Ok(password)
}

/// Whether every user of the machine may read the file. Group access is common: Kubernetes gives it for `fsGroup`.
pub fn readable_by_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(test)]
mod tests;
