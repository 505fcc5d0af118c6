//! Files to key material, saying which file and why on failure: `<file>: <what>; <what to do>`.
//!
//! Read are PKCS#12 and PKCS#7 (DER and BER), PEM and DER of PKCS#1, PKCS#8, encrypted PKCS#8, certificates and bare public keys, JWK
//! and JWK sets, and base64 or UTF-16 of each. The bytes of a file say what it is: MOSIP's `mosip-public.key` is a certificate.
//! A part that is of no use does not spoil the others.

mod ber;
mod contents;
mod describe;
mod jwk;
mod numbers;
mod password;
mod pbe;
mod pem;
mod pkcs12;
mod settings;
mod shape;
mod text;

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rsa::pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use super::{KeyMaterial, KeySource, LoadError, MOST_PARTS, Reader};
use crate::clock::Timestamp;
use crate::crypto::rsa::{PrivateKey, PublicKey};
use crate::keys::cert::{Certificate, CertificateError, Summary};
use crate::keys::chain;
use crate::keys::promote::{promote, promote_ec};
use crate::keys::{Location, Trouble};
use contents::{Contents, Kind};

pub use password::Password;
pub(super) use settings::KIND;

pub use describe::{CertificateDescription, Description, KeyDescription, describe};

/// The passwords of a key file.
#[derive(Clone, Copy, Default)]
pub struct Passwords<'a> {
    /// Of the container, or of a single key.
    pub container: Option<&'a [u8]>,
    /// Of the private key, where it is another.
    pub key: Option<&'a [u8]>,
}

/// A key file of ours and its passwords, as an entry of `keys.own` names them.
pub struct KeyFile {
    /// Joined with `keys.dir`.
    pub path: PathBuf,
    /// Of the container, and of the private key in it.
    pub password: Password,
}

impl KeyFile {
    /// The source of an entry.
    pub fn source(path: impl Into<PathBuf>, password: Password) -> Arc<dyn KeySource> {
        Arc::new(Self { path: path.into(), password })
    }

    /// The file of `source`, which is one.
    #[cfg(test)]
    pub(crate) fn of(source: &dyn KeySource) -> &Self {
        (source as &dyn std::any::Any).downcast_ref().unwrap()
    }
}

impl KeySource for KeyFile {
    fn location(&self) -> Location {
        Location::from(&self.path)
    }

    /// One that every user of the machine can read is refused under `strict_permissions`, else a warning.
    fn load(&self, files: &Reader, strict_permissions: bool) -> Result<KeyMaterial, Trouble> {
        let refusal = |error: LoadError| Trouble::new(&self.path, &error, true);
        let (bytes, metadata) = files.read(&self.path).map_err(refusal)?;
        let (container, key) = self.password.parts();
        let (container, key) = (ReadPassword::of(container, files)?, ReadPassword::of(key, files)?);
        let passwords = Passwords { container: container.expose(), key: key.expose() };
        let mut material = parse_any(&bytes, passwords).map_err(refusal)?;
        if readable_by_others(&metadata) {
            if strict_permissions {
                return Err(refusal(LoadError::ReadableByOthers));
            }
            material.warnings.push(LoadError::ReadableByOthers);
        }
        Ok(material)
    }

    fn watched(&self) -> Vec<&Path> {
        std::iter::once(self.path.as_path()).chain(self.password.files()).collect()
    }

    fn secret_files(&self) -> Vec<&Path> {
        self.password.files().collect()
    }
}

/// A password as it is used: from the configuration, or read from its file.
enum ReadPassword<'a> {
    None,
    Value(&'a [u8]),
    Read(Zeroizing<Vec<u8>>),
}

impl<'a> ReadPassword<'a> {
    fn of(password: &'a Password, files: &Reader) -> Result<Self, Trouble> {
        match password {
            Password::None | Password::AndOfKey { .. } => Ok(Self::None),
            Password::Value(value) => Ok(Self::Value(value.expose())),
            Password::File(path) => {
                let read = files.read_password(path);
                read.map(Self::Read).map_err(|error| Trouble::new(path, &error, true))
            }
        }
    }

    fn expose(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Value(value) => Some(value),
            Self::Read(bytes) => Some(bytes),
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
    /// What is odd and does not hinder.
    pub warnings: Vec<LoadError>,
}

/// Private keys and certificates from the bytes of any container. No file system: fuzzing starts here.
pub fn parse_own(bytes: &[u8], password: Option<&[u8]>) -> Result<KeyMaterial, LoadError> {
    parse_own_under(bytes, Passwords { container: password, key: None })
}

/// The same where the private key has a password of its own.
pub fn parse_own_under(bytes: &[u8], passwords: Passwords<'_>) -> Result<KeyMaterial, LoadError> {
    let material = parse_any(bytes, passwords)?;
    if material.keys.is_empty() { Err(LoadError::NotRsa("EC".to_owned())) } else { Ok(material) }
}

/// The same for files that may hold a key on P-256 and no RSA key.
fn parse_any(bytes: &[u8], passwords: Passwords<'_>) -> Result<KeyMaterial, LoadError> {
    let mut contents = Contents::read(bytes, passwords)?;
    let (mut keys, mut failed) = (Vec::new(), Vec::new());
    let ec_keys: Vec<_> = std::mem::take(&mut contents.ec_keys).into_iter().filter_map(promote_ec).collect();
    for parsed in &contents.keys {
        match in_memory(parsed) {
            Ok(key) => keys.push(key),
            Err(error) => failed.push(error),
        }
    }
    if keys.is_empty() && ec_keys.is_empty() {
        return Err(failed.pop().unwrap_or_else(|| contents.refusal(Kind::Key, LoadError::NoPrivateKey)));
    }
    let certificates = std::mem::take(&mut contents.certificates);
    let notable = contents.refused.into_iter().filter(|part| match part.kind {
        Kind::Key => part.error == LoadError::KeyPassword,
        // A key without its certificate can sign, and no receiver can tell whose key it is.
        Kind::Public => certificates.is_empty(),
        Kind::Container | Kind::Other => false,
    });
    let warnings =
        contents.warnings.into_iter().chain(failed).chain(notable.map(|part| part.error)).collect();
    Ok(KeyMaterial { keys, ec_keys, certificates, warnings })
}

/// Hands a parsed key over to the library that uses it, and tries it there.
fn in_memory(parsed: &rsa::PrivateKey) -> Result<PrivateKey, LoadError> {
    let pkcs8 = parsed.to_pkcs8_der().map_err(|_| LoadError::CrossCheck)?;
    let key = PrivateKey::from_pkcs8_der(pkcs8.as_bytes())?;
    promote(key, parsed.as_public_key())
}

/// A peer's certificate, or the first public key where there is none. Of several certificates the end-entity one counts, whatever the
/// order; of several of these the one that is valid at `now`, then the latest. No file system: fuzzing starts here.
pub fn parse_peer(bytes: &[u8], now: Timestamp) -> Result<PeerMaterial, LoadError> {
    let mut contents = Contents::read(bytes, Passwords::default())?;
    let mut others = std::mem::take(&mut contents.certificates);
    let too_many = others.len() > MOST_PARTS;
    others.truncate(MOST_PARTS);
    if let Some(chosen) = chain::end_entity(&others, now) {
        let certificate = chosen.certificate.clone();
        // The end-entity certificate is there and of no use: its issuer does not take its place.
        if let Some(error) = contents.displaced_by(&certificate) {
            return Err(error);
        }
        let mut warnings = Vec::new();
        if too_many {
            let error = LoadError::TooMany("certificates");
            // The peer's own may be among those that were not looked at.
            if certificate.is_ca() {
                return Err(error);
            }
            warnings.push(error);
        }
        if chosen.rivals > 0 {
            warnings.push(LoadError::SeveralCertificates(chosen.rivals + 1));
        }
        let of_another = |other: &&Certificate| **other != certificate;
        let mut beside = others.iter().filter(of_another).peekable();
        if certificate.is_ca() && beside.peek().is_some() && beside.all(Certificate::is_ca) {
            warnings.push(LoadError::AuthoritiesOnly(certificate.subject().to_owned()));
        }
        others.retain(|other| *other != certificate);
        let key = certificate.public_key().clone();
        return Ok(PeerMaterial { certificate: Some(certificate), key, others, warnings });
    }
    match contents.public_keys.first().cloned() {
        Some(key) => Ok(PeerMaterial { certificate: None, key, others, warnings: Vec::new() }),
        None => Err(match contents.refusal(Kind::Public, LoadError::NoPublicKey) {
            LoadError::PasswordMissing => LoadError::PeerEncrypted,
            other => other,
        }),
    }
}

/// Every certificate of a file; at least one. What else is there is passed over.
pub fn parse_certificates(bytes: &[u8]) -> Result<Vec<Certificate>, LoadError> {
    let mut contents = Contents::read(bytes, Passwords::default())?;
    let certificates = std::mem::take(&mut contents.certificates);
    if certificates.is_empty() {
        return Err(contents.refusal(Kind::Public, CertificateError::Malformed.into()));
    }
    Ok(certificates)
}

/// As [`parse_certificates`], with the certificates whose keys are of no use here, each with why.
pub(in crate::keys) fn parse_authorities(bytes: &[u8]) -> Result<Authorities, LoadError> {
    let mut contents = Contents::read(bytes, Passwords::default())?;
    let certificates = std::mem::take(&mut contents.certificates);
    let of_no_use = std::mem::take(&mut contents.useless).into_iter();
    let useless: Vec<_> =
        of_no_use.filter_map(|(der, why)| Some((Summary::of_der(&der).ok()?, why))).collect();
    if certificates.is_empty() && useless.is_empty() {
        return Err(contents.refusal(Kind::Public, CertificateError::Malformed.into()));
    }
    Ok(Authorities { certificates, useless })
}

/// What the file of authorities holds.
pub(in crate::keys) struct Authorities {
    /// Those that can vouch.
    pub(in crate::keys) certificates: Vec<Certificate>,
    /// Those that cannot, and why.
    pub(in crate::keys) useless: Vec<(Summary, CertificateError)>,
}

/// The first private key of a file, for `keygen`, which writes it out again.
pub(in crate::keys) fn first_private_key(
    bytes: &[u8],
    password: Option<&[u8]>,
) -> Result<rsa::PrivateKey, LoadError> {
    let mut contents = Contents::read(bytes, Passwords { container: password, key: None })?;
    let key = (!contents.keys.is_empty()).then(|| contents.keys.remove(0));
    key.ok_or_else(|| contents.refusal(Kind::Key, LoadError::NoPrivateKey))
}

/// The password that a file of `bytes` holds, without the one newline and the byte order mark that editors add. UTF-16 behind such a mark is
/// read as text.
pub(crate) fn password(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut password =
        text::from_marked_utf16(bytes).unwrap_or_else(|| Zeroizing::new(text::without_mark(bytes).to_vec()));
    if password.last() == Some(&b'\n') {
        password.pop();
        if password.last() == Some(&b'\r') {
            password.pop();
        }
    }
    password
}

/// Whether every user of the machine may read the file. Group access is common: Kubernetes gives it for `fsGroup`.
pub(crate) fn readable_by_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(test)]
mod tests;
