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

use rsa::pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use super::{KeyMaterial, LoadError};
use crate::config::{self, Password};
use crate::crypto::rsa::{PrivateKey, PublicKey};
use crate::keys::Trouble;
use crate::keys::cert::{Certificate, CertificateError};
use crate::keys::promote::promote;
use contents::Contents;

pub use describe::{CertificateDescription, Description, KeyDescription, describe};

/// Largest key file; the largest bundle seen is 10 kB.
const MAX_FILE: u64 = 1 << 20;

/// A key file of ours and its password, as an entry of `keys.own` names them.
pub(in crate::keys) struct KeyFile<'a> {
    path: &'a Path,
    password: &'a Password,
}

impl<'a> KeyFile<'a> {
    pub(super) fn of(entry: &'a config::OwnKey) -> Self {
        Self { path: &entry.file, password: &entry.password }
    }

    /// Reads the file. One that every user of the machine can read is refused under `strict_permissions`, else a warning.
    pub(super) fn load(&self, strict_permissions: bool) -> Result<KeyMaterial, Trouble> {
        let refusal = |error: LoadError| Trouble::new(self.path, &error, true);
        let (bytes, metadata) = read_file(self.path).map_err(refusal)?;
        let from_file = match self.password {
            Password::File(path) => {
                Some(read_password(path).map_err(|error| Trouble::new(path, &error, true))?)
            }
            Password::None | Password::Value(_) => None,
        };
        let password = match self.password {
            Password::Value(value) => Some(value.expose()),
            Password::File(_) | Password::None => from_file.as_deref().map(Vec::as_slice),
        };
        let mut material = parse_own(&bytes, password).map_err(refusal)?;
        if readable_by_others(&metadata) {
            if strict_permissions {
                return Err(refusal(LoadError::ReadableByOthers));
            }
            material.warnings.push(LoadError::ReadableByOthers);
        }
        Ok(material)
    }

    /// The files whose change means that the key has to be loaded again.
    pub(super) fn watched(&self) -> Vec<&'a Path> {
        match self.password {
            Password::File(password) => vec![self.path, password],
            Password::None | Password::Value(_) => vec![self.path],
        }
    }
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
    let keys = contents.keys.iter().map(in_memory).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(contents.refused.pop().unwrap_or(LoadError::NoPrivateKey));
    }
    Ok(KeyMaterial { keys, certificates: contents.certificates, warnings: contents.warnings })
}

/// Hands a parsed key over to the library that uses it, and tries it there.
fn in_memory(parsed: &rsa::PrivateKey) -> Result<PrivateKey, LoadError> {
    let pkcs8 = parsed.to_pkcs8_der().map_err(|_| LoadError::CrossCheck)?;
    let key =
        PrivateKey::from_pkcs8_der(pkcs8.as_bytes()).map_err(|error| LoadError::BadKey(error.reason()))?;
    promote(key, parsed.as_public_key())
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
