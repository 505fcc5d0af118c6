//! Any container to what it holds.

use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::der::{self, AnyRef, Decode, Reader, SliceReader, Tag, Tagged};
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::{self, DecodePrivateKey, EncodePublicKey, PrivateKeyInfoRef};
use rsa::traits::PublicKeyParts as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::numbers::{self, NUMBERS, of_size};
use super::shape::{SEQUENCE, Shape};
use super::{LoadError, MOST_PARTS, Passwords, jwk, pbe, pem, pkcs12, text};
use crate::crypto::rsa::PublicKey;
use crate::crypto::{CryptoError, ec};
use crate::keys::cert::{Certificate, CertificateError, PSS_ONLY, key_type, may_be_end_entity};
use crate::keys::source::Foreign;

/// What a file holds, in its order.
#[derive(Default)]
pub(super) struct Contents {
    /// `PKCS#12`, `PKCS#7`, `PEM`, `DER` or `JWK`.
    pub(super) container: &'static str,
    /// RSA keys of a size that is used here and that passed the checks of the parser.
    pub(super) keys: Vec<rsa::PrivateKey>,
    /// Keys on P-256.
    pub(super) ec_keys: Vec<ec::PrivateKey>,
    /// RSA certificates.
    pub(super) certificates: Vec<Certificate>,
    /// Bare public keys.
    pub(super) public_keys: Vec<PublicKey>,
    /// What is of no use here: keys on other curves, broken certificates, a container that does not open.
    pub(super) refused: Vec<Refused>,
    /// Certificates of keys that are of no use here, in DER, each with why.
    pub(super) useless: Vec<(Vec<u8>, CertificateError)>,
    /// What is odd about the container.
    pub(super) warnings: Vec<LoadError>,
    /// What is left for passwords.
    pub(super) rounds: pbe::Rounds,
    /// How many private keys were seen.
    private_keys: usize,
}

/// A part of a file that is of no use.
pub(super) struct Refused {
    pub(super) kind: Kind,
    pub(super) error: LoadError,
}

/// What a part seems to be. A caller that looks for this kind gets the refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A private key.
    Key,
    /// A certificate or a public key.
    Public,
    /// Anything may be inside.
    Container,
    /// Neither a key nor a certificate.
    Other,
}

impl Kind {
    fn of_label(label: &[u8]) -> Self {
        match label {
            _ if label.ends_with(b"PRIVATE KEY") => Self::Key,
            _ if label.ends_with(b"PUBLIC KEY") || label.ends_with(b"CERTIFICATE") => Self::Public,
            _ if label.ends_with(b"PARAMETERS") || label.ends_with(b"CRL") => Self::Other,
            _ => Self::Container,
        }
    }
}

/// How many layers of text (UTF-16, base64) are taken off: a Secret holds base64 of what may itself be base64.
const MAX_LAYERS: u8 = 4;

impl Contents {
    /// Reads `bytes`, whatever they are. Fails where there is nothing; what is of no use stands in `refused`.
    pub(super) fn read(bytes: &[u8], passwords: Passwords<'_>) -> Result<Self, LoadError> {
        let mut contents = Self::default();
        if text::without_mark(bytes).trim_ascii().is_empty() {
            return Err(LoadError::Empty);
        }
        contents.add(bytes, passwords, MAX_LAYERS);
        Ok(contents)
    }

    fn add(&mut self, bytes: &[u8], passwords: Passwords<'_>, layers: u8) {
        let Some(layers) = layers.checked_sub(1) else {
            return self.refuse(Kind::Container, LoadError::Unknown);
        };
        let bytes = text::without_mark(bytes);
        if let Some(form) = Foreign::of(bytes) {
            self.refuse(form.into(), form.into());
        } else if pem::is_pem(bytes) {
            self.container = "PEM";
            self.add_pem(bytes, passwords);
        } else if bytes.trim_ascii_start().starts_with(b"{") {
            self.container = "JWK";
            jwk::read(bytes, self);
        } else if let Some(text) = text::from_utf16(bytes).or_else(|| text::from_base64(bytes)) {
            self.add(&text, passwords, layers);
        } else {
            self.container = "DER";
            self.add_der(bytes, passwords);
        }
    }

    fn add_pem(&mut self, text: &[u8], passwords: Passwords<'_>) {
        for block in pem::blocks(text) {
            match block.content {
                Ok(content) if Foreign::of(&content).is_none() => self.add_der(&content, passwords),
                Ok(content) => self.add(&content, passwords, 1),
                Err(error) => self.refuse(Kind::of_label(block.label), error),
            }
        }
    }

    /// One document after the other; what follows the last one (a newline) is of no matter.
    fn add_der(&mut self, mut bytes: &[u8], passwords: Passwords<'_>) {
        let mut documents = 0;
        while documents == 0 || bytes.starts_with(&[SEQUENCE]) {
            let read = Shape::first(bytes).map(|first| {
                let (document, rest) = bytes.split_at_checked(first.length).unwrap_or((bytes, &[]));
                self.add_document(first.der.as_deref().map_or(document, Vec::as_slice), passwords);
                bytes = rest;
            });
            if let Err(error) = read {
                return self.refuse(Kind::Container, error);
            }
            documents += 1;
        }
    }

    fn add_document(&mut self, der: &[u8], passwords: Passwords<'_>) {
        match Shape::of(der) {
            Some(Shape::Pkcs12) => {
                self.container = "PKCS#12";
                if let Err(error) = pkcs12::read(der, passwords, self) {
                    self.refuse(Kind::Container, error);
                }
            }
            Some(Shape::Pkcs7) => {
                self.container = if self.container == "PEM" { "PEM" } else { "PKCS#7" };
                match certificates_of_pkcs7(der) {
                    Ok(certificates) if certificates.is_empty() => {
                        self.refuse(
                            Kind::Public,
                            LoadError::NoKeyMaterial("a PKCS#7 message without certificates"),
                        );
                    }
                    Ok(certificates) => certificates.iter().for_each(|der| self.add_certificate(der)),
                    Err(error) => self.refuse(Kind::Public, error),
                }
            }
            Some(Shape::Path) => match elements(der) {
                Ok(certificates) => certificates.iter().for_each(|der| self.add_certificate(der)),
                Err(_) => self.refuse(Kind::Container, LoadError::Unknown),
            },
            Some(Shape::EncryptedPkcs8) => self.add_encrypted_pkcs8(der, passwords),
            Some(Shape::Pkcs8) => self.add_pkcs8(der),
            Some(Shape::Pkcs1) => self.add_private(|| {
                numbers::check_pkcs1(der)?;
                rsa::PrivateKey::from_pkcs1_der(der).map_err(|_| NUMBERS)
            }),
            Some(Shape::Sec1) => self.add_ec(ec::PrivateKey::from_der(der)),
            Some(Shape::Certificate) => self.add_certificate(der),
            Some(Shape::PublicKey) => self.add_prepared(public_key(der)),
            Some(Shape::Pkcs1Public) => {
                let checked = numbers::check_pkcs1_public(der);
                match checked.and_then(|()| rsa::PublicKey::from_pkcs1_der(der).map_err(|_| NUMBERS)) {
                    Ok(key) => self.add_public(&key),
                    Err(refusal) => self.refuse(Kind::Public, refusal),
                }
            }
            None => self.refuse(Kind::Container, LoadError::Unknown),
        }
    }

    fn add_encrypted_pkcs8(&mut self, der: &[u8], passwords: Passwords<'_>) {
        let both: Vec<&[u8]> = [passwords.key, passwords.container].into_iter().flatten().collect();
        let parts = AnyRef::from_der(der).and_then(members).unwrap_or_default();
        let [algorithm, data] = parts.as_slice() else { return self.refuse(Kind::Key, LoadError::Unknown) };
        match pbe::decrypt(*algorithm, data.value(), &both, &mut self.rounds) {
            Ok(key) => self.add_pkcs8(&key),
            Err(LoadError::WrongPassword) if both.is_empty() => {
                self.refuse(Kind::Key, LoadError::PasswordMissing)
            }
            Err(error) => self.refuse(Kind::Key, error),
        }
    }

    pub(super) fn add_pkcs8(&mut self, der: &[u8]) {
        const EC: &str = "1.2.840.10045.2.1";
        if PrivateKeyInfoRef::from_der(der).is_ok_and(|info| info.algorithm.oid.to_string() == EC) {
            return self.add_ec(ec::PrivateKey::from_der(der));
        }
        self.add_private(|| {
            let info = PrivateKeyInfoRef::from_der(der).map_err(|_| NUMBERS)?;
            // The parser takes a key for PSS, too, where that has no parameters.
            of_type(info.algorithm.oid).map_or(Ok(()), Err)?;
            numbers::check_pkcs1(info.private_key.as_bytes())?;
            rsa::PrivateKey::from_pkcs8_der(der).map_err(|_| NUMBERS)
        });
    }

    /// Adds a key on P-256; one on another curve is of no use.
    pub(super) fn add_ec(&mut self, key: Result<ec::PrivateKey, CryptoError>) {
        match key {
            Ok(key) if self.ec_keys.len() < MOST_PARTS => self.ec_keys.push(key),
            Ok(_) => {}
            Err(_) => self.refuse(Kind::Key, LoadError::NotRsa("EC".into())),
        }
    }

    /// Reads a private key, unless there were too many: each costs the time of several private-key operations.
    pub(super) fn add_private(&mut self, read: impl FnOnce() -> Result<rsa::PrivateKey, LoadError>) {
        self.private_keys += 1;
        if self.private_keys > MOST_PARTS {
            if self.private_keys == MOST_PARTS + 1 {
                self.warnings.push(LoadError::TooMany("private keys"));
            }
            return;
        }
        match read().and_then(|key| of_size(key.n().bit_width() as usize).map_or(Ok(key), Err)) {
            Ok(key) => self.keys.push(key),
            Err(refusal) => self.refuse(Kind::Key, refusal),
        }
    }

    pub(super) fn add_public(&mut self, key: &rsa::PublicKey) {
        self.add_prepared(prepare(key));
    }

    fn add_prepared(&mut self, key: Result<PublicKey, LoadError>) {
        match key {
            Ok(key) => self.public_keys.push(key),
            Err(refusal) => self.refuse(Kind::Public, refusal),
        }
    }

    pub(super) fn add_certificate(&mut self, der: &[u8]) {
        match Certificate::from_der(der) {
            Ok(certificate) => self.certificates.push(certificate),
            Err(CertificateError::Malformed) if is_request(der) => {
                self.refuse(Kind::Public, Foreign::SigningRequest.into());
            }
            Err(CertificateError::Malformed) if CertificateRevocationList::from_der(der).is_ok() => {
                self.refuse(Kind::Other, LoadError::NoKeyMaterial("a revocation list"));
            }
            Err(refusal) => {
                self.useless.push((der.to_vec(), refusal.clone()));
                self.refuse(Kind::Public, refusal.into());
            }
        }
    }

    /// Why `certificate` must not count as the holder's own: it is an authority's, and the holder's own is there and of no use.
    pub(super) fn displaced_by(&self, certificate: &Certificate) -> Option<LoadError> {
        let useless = self.useless.iter().find(|(der, _)| {
            certificate.is_named_as_issuer_by(der) || (certificate.is_ca() && may_be_end_entity(der))
        });
        let unread = || {
            let unread = |part: &&Refused| {
                part.kind == Kind::Public
                    && matches!(part.error, LoadError::Truncated | LoadError::Damaged(_))
            };
            self.refused.iter().find(unread).filter(|_| certificate.is_ca()).map(|part| part.error.clone())
        };
        useless.map(|(_, error)| error.clone().into()).or_else(unread)
    }

    pub(super) fn refuse(&mut self, kind: Kind, error: LoadError) {
        self.refused.push(Refused { kind, error });
    }

    /// Why there is nothing of the kinds that were looked for: the first refusal of them, or `none` where something else is there.
    pub(super) fn refusal(self, kind: Kind, none: LoadError) -> LoadError {
        let found = !(self.keys.is_empty() && self.certificates.is_empty() && self.public_keys.is_empty());
        let mut refused = self.refused;
        let at = refused.iter().position(|part| part.kind == kind || part.kind == Kind::Container);
        match at {
            Some(at) => refused.swap_remove(at).error,
            None if found || refused.iter().any(|part| part.kind == Kind::Key) => none,
            None => refused.into_iter().next().map_or(none, |part| part.error),
        }
    }
}

impl From<Foreign> for Kind {
    fn from(form: Foreign) -> Self {
        match form {
            Foreign::OpenSshPrivateKey | Foreign::Putty => Self::Key,
            Foreign::OpenSshPublicKey | Foreign::SigningRequest => Self::Public,
            _ => Self::Container,
        }
    }
}

/// The members of a constructed element.
pub(super) fn members(element: AnyRef<'_>) -> der::Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(element.value())?;
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(AnyRef::decode(&mut reader)?);
    }
    Ok(members)
}

/// The members of a constructed element as they stand, with their headers.
fn elements(der: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(AnyRef::from_der(der)?.value())?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(reader.tlv_bytes()?);
    }
    Ok(elements)
}

/// The certificates of a PKCS#7 message (`SignedData`, RFC 5652 5.1) as they stand: one that is odd does not spoil the others.
fn certificates_of_pkcs7(der: &[u8]) -> Result<Vec<&[u8]>, LoadError> {
    const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
    const BROKEN: LoadError = LoadError::Damaged("not a readable PKCS#7 message");
    let message = AnyRef::from_der(der).and_then(pkcs12::content_info);
    let (kind, signed) = message.map_err(|_| BROKEN)?;
    if kind.to_string() != SIGNED_DATA {
        return Err(LoadError::NoKeyMaterial("a PKCS#7 message of another kind than signed data"));
    }
    let parts = members(signed).map_err(|_| BROKEN)?;
    let Some(set) = parts.iter().skip(3).find(|part| part.tag() == CERTIFICATES) else {
        return Ok(Vec::new());
    };
    let mut reader = SliceReader::new(set.value()).map_err(|_| BROKEN)?;
    let mut certificates = Vec::new();
    while !reader.is_finished() {
        certificates.push(reader.tlv_bytes().map_err(|_| BROKEN)?);
    }
    Ok(certificates)
}

/// `[0] IMPLICIT CertificateSet`
const CERTIFICATES: Tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(0) };

fn is_request(der: &[u8]) -> bool {
    X509CertificationRequest::from_der(der).is_ok()
}

/// The public half of a parsed private key.
pub(super) fn public_half(key: &rsa::PrivateKey) -> Result<PublicKey, LoadError> {
    prepare(key.as_public_key())
}

fn prepare(key: &rsa::PublicKey) -> Result<PublicKey, LoadError> {
    let spki = key.to_public_key_der().map_err(|_| NUMBERS)?;
    Ok(PublicKey::from_spki_der(spki.as_bytes())?)
}

/// A SubjectPublicKeyInfo.
fn public_key(der: &[u8]) -> Result<PublicKey, LoadError> {
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| LoadError::Unknown)?;
    of_type(spki.algorithm.oid).map_or(Ok(()), Err)?;
    Ok(PublicKey::from_spki_der(der)?)
}

/// A type of key that is refused.
fn of_type(oid: pkcs8::ObjectIdentifier) -> Option<LoadError> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    match oid.to_string().as_str() {
        RSA => None,
        PSS_ONLY => Some(LoadError::PssOnly),
        other => Some(LoadError::NotRsa(key_type(other))),
    }
}
