//! Any container to what it holds.

use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::der::{self, AnyRef, Decode, ErrorKind, Reader, Tag, Tagged};
use rsa::pkcs8::{self, DecodePrivateKey, DecodePublicKey, EncodePublicKey, spki};

use super::{LoadError, encrypted, jwk, pem};
use crate::crypto::rsa::PublicKey;
use crate::keys::cert::{Certificate, key_type};

/// What a file holds, in its order.
#[derive(Default)]
pub(super) struct Contents {
    /// `PKCS#12`, `PEM`, `DER` or `JWK`.
    pub(super) container: &'static str,
    /// RSA keys that passed the checks of the parser.
    pub(super) keys: Vec<rsa::PrivateKey>,
    /// RSA certificates.
    pub(super) certificates: Vec<Certificate>,
    /// Bare public keys.
    pub(super) public_keys: Vec<PublicKey>,
    /// Items that are of no use here: EC keys, broken certificates.
    pub(super) refused: Vec<LoadError>,
    /// What is odd about the container.
    pub(super) warnings: Vec<LoadError>,
}

impl Contents {
    /// Reads `bytes`, whatever they are. Fails when the container does not open; a useless item inside stands in `refused`.
    pub(super) fn read(bytes: &[u8], password: Option<&[u8]>) -> Result<Self, LoadError> {
        let mut contents = Self::default();
        if bytes.trim_ascii().is_empty() {
            return Err(LoadError::Empty);
        }
        if pem::is_pem(bytes) {
            contents.container = "PEM";
            for der in pem::blocks(bytes)? {
                contents.add_der(&der, password)?;
            }
        } else if let Some(json) = jwk::json(bytes) {
            contents.container = "JWK";
            jwk::read(&json, &mut contents)?;
        } else {
            contents.container = "DER";
            contents.add_der(bytes, password)?;
        }
        Ok(contents)
    }

    pub(super) fn add_public(&mut self, key: &rsa::PublicKey) -> Result<(), LoadError> {
        self.public_keys.push(prepare(key)?);
        Ok(())
    }

    fn add_der(&mut self, der: &[u8], password: Option<&[u8]>) -> Result<(), LoadError> {
        match Shape::of(der)? {
            Shape::Pkcs12 { has_mac } => self.add_pkcs12(der, password, has_mac)?,
            Shape::EncryptedPkcs8 => {
                let document = encrypted::open_pkcs8(der, password)?;
                self.add_private(rsa::PrivateKey::from_pkcs8_der(document.as_bytes()).map_err(refusal));
            }
            Shape::Pkcs8 => self.add_private(rsa::PrivateKey::from_pkcs8_der(der).map_err(refusal)),
            Shape::Pkcs1 => {
                let key = rsa::PrivateKey::from_pkcs1_der(der);
                self.add_private(key.map_err(|_| LoadError::BadKey("its numbers do not fit together")));
            }
            Shape::Sec1 => self.refused.push(LoadError::NotRsa("EC".into())),
            Shape::Certificate => self.add_certificate(der),
            Shape::PublicKey => {
                self.add_public(
                    &rsa::PublicKey::from_public_key_der(der).map_err(|error| refusal(error.into()))?,
                )?;
            }
            Shape::Pkcs1Public => {
                let key = rsa::PublicKey::from_pkcs1_der(der);
                self.add_public(&key.map_err(|_| LoadError::BadKey("its numbers do not fit together"))?)?;
            }
        }
        Ok(())
    }

    /// p12-keystore keeps decrypted keys in plain vectors: the archive lives no longer than this call.
    fn add_pkcs12(&mut self, der: &[u8], password: Option<&[u8]>, has_mac: bool) -> Result<(), LoadError> {
        let archive = encrypted::open_pkcs12(der, password, has_mac)?;
        self.container = "PKCS#12";
        if !has_mac {
            self.warnings.push(LoadError::NoMac);
        }
        for bag in &archive.keys {
            self.add_private(rsa::PrivateKey::from_pkcs8_der(bag.key.as_der()).map_err(refusal));
        }
        for bag in &archive.certs {
            self.add_certificate(bag.cert.as_der());
        }
        Ok(())
    }

    fn add_private(&mut self, key: Result<rsa::PrivateKey, LoadError>) {
        match key {
            Ok(key) => self.keys.push(key),
            Err(refusal) => self.refused.push(refusal),
        }
    }

    fn add_certificate(&mut self, der: &[u8]) {
        match Certificate::from_der(der) {
            Ok(certificate) => self.certificates.push(certificate),
            Err(refusal) => self.refused.push(refusal.into()),
        }
    }
}

/// First byte of every DER document here.
const SEQUENCE: u8 = 0x30;

/// What a DER document is, told from the types of its members: labels and file names mislead.
enum Shape {
    Pkcs12 { has_mac: bool },
    EncryptedPkcs8,
    Pkcs8,
    Pkcs1,
    Sec1,
    Certificate,
    PublicKey,
    Pkcs1Public,
}

impl Shape {
    fn of(der: &[u8]) -> Result<Self, LoadError> {
        if !der.starts_with(&[SEQUENCE]) {
            return Err(LoadError::Unknown);
        }
        let members = members(der).map_err(|error| match error.kind() {
            ErrorKind::Incomplete { .. } => LoadError::Truncated,
            ErrorKind::TrailingData { .. } => LoadError::Damaged("bytes follow its end"),
            ErrorKind::IndefiniteLength => LoadError::Damaged("it is BER with indefinite lengths, not DER"),
            _ => LoadError::Unknown,
        })?;
        match members.as_slice() {
            [Tag::Integer, Tag::Sequence] => Ok(Self::Pkcs12 { has_mac: false }),
            [Tag::Integer, Tag::Sequence, Tag::Sequence] => Ok(Self::Pkcs12 { has_mac: true }),
            [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => Ok(Self::Pkcs8),
            [Tag::Integer, Tag::Integer] => Ok(Self::Pkcs1Public),
            [Tag::Integer, Tag::Integer, Tag::Integer, ..] => Ok(Self::Pkcs1),
            [Tag::Integer, Tag::OctetString, ..] => Ok(Self::Sec1),
            [Tag::Sequence, Tag::OctetString] => Ok(Self::EncryptedPkcs8),
            [Tag::Sequence, Tag::Sequence, Tag::BitString] => Ok(Self::Certificate),
            [Tag::Sequence, Tag::BitString] => Ok(Self::PublicKey),
            _ => Err(LoadError::Unknown),
        }
    }
}

/// The types of the members of the outer SEQUENCE.
fn members(der: &[u8]) -> der::Result<Vec<Tag>> {
    AnyRef::from_der(der)?.sequence(|reader| {
        let mut tags = Vec::new();
        while !reader.is_finished() {
            tags.push(AnyRef::decode(reader)?.tag());
        }
        Ok(tags)
    })
}

/// The public half of a parsed private key.
pub(super) fn public_half(key: &rsa::PrivateKey) -> Result<PublicKey, LoadError> {
    prepare(key.as_public_key())
}

fn prepare(key: &rsa::PublicKey) -> Result<PublicKey, LoadError> {
    let spki = key.to_public_key_der().map_err(|_| LoadError::Damaged("not a public key"))?;
    PublicKey::from_spki_der(spki.as_bytes()).map_err(|error| LoadError::BadKey(error.reason()))
}

fn refusal(error: pkcs8::Error) -> LoadError {
    match error {
        pkcs8::Error::PublicKey(spki::Error::OidUnknown { oid }) => {
            LoadError::NotRsa(key_type(&oid.to_string()))
        }
        _ => LoadError::BadKey("its numbers do not fit together"),
    }
}
