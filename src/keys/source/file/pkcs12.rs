//! PKCS#12 (RFC 7292), bag by bag: one that does not open, or is of no use, does not spoil the others.

use hmac::{Hmac, Mac as _};
use pkcs12::kdf::{Pkcs12KeyType, derive_key};
use rsa::pkcs8::der::asn1::ObjectIdentifier;
use rsa::pkcs8::der::{self, AnyRef, Decode as _, Encode as _, Tag, Tagged as _};
use zeroize::Zeroizing;

use super::contents::{Contents, Kind, members};
use super::{LoadError, Passwords, ber, pbe};

/// Deepest nesting of bags of bags.
const MAX_DEPTH: u8 = 4;

/// Adds what the file `der` holds. Fails where its password does not fit, or where it is no PKCS#12 file.
pub(super) fn read(der: &[u8], passwords: Passwords<'_>, contents: &mut Contents) -> Result<(), LoadError> {
    let file = AnyRef::from_der(der).and_then(members).map_err(|_| UNREADABLE)?;
    let (safe, mac) = match file.as_slice() {
        [_version, safe] => (*safe, None),
        [_version, safe, mac, ..] => (*safe, Some(*mac)),
        _ => return Err(UNREADABLE),
    };
    let (kind, content) = content_info(safe).map_err(|_| UNREADABLE)?;
    if kind != DATA {
        return Err(LoadError::UnsupportedMac("a signature in place of a password".to_owned()));
    }
    let safes = octets(content).map_err(|_| UNREADABLE)?;
    let mut reader = Bags { passwords, has_mac: mac.is_some(), contents };
    match mac {
        Some(mac) => verify(mac, safes, passwords.container, &mut reader.contents.rounds)?,
        None => reader.contents.warnings.push(LoadError::NoMac),
    }
    reader.safes(safes).map_err(|error| error.unwrap_or(UNREADABLE))
}

const UNREADABLE: LoadError = LoadError::Damaged("not a readable PKCS#12 file");

/// id-data, id-encryptedData (RFC 5652 4 and 8).
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");

/// What a refusal inside means: `None` where the structure is broken.
type Refusal = Option<LoadError>;

fn broken(_: der::Error) -> Refusal {
    None
}

struct Bags<'a> {
    passwords: Passwords<'a>,
    has_mac: bool,
    contents: &'a mut Contents,
}

impl<'a> Bags<'a> {
    /// An `AuthenticatedSafe`.
    fn safes(&mut self, safes: &[u8]) -> Result<(), Refusal> {
        let safes = Rewritten::of(safes)?;
        for safe in members(AnyRef::from_der(safes.der()).map_err(broken)?).map_err(broken)? {
            let (kind, content) = content_info(safe).map_err(broken)?;
            match kind {
                DATA => self.bags(octets(content).map_err(broken)?, MAX_DEPTH)?,
                ENCRYPTED_DATA => {
                    let (algorithm, data) = encrypted(content).map_err(broken)?;
                    let passwords = both([Some(self.store()), self.passwords.key]);
                    match pbe::decrypt(algorithm, data, &passwords, &mut self.contents.rounds) {
                        Ok(bags) => self.bags(&bags, MAX_DEPTH)?,
                        Err(LoadError::WrongPassword) if self.has_mac => {
                            self.contents.refuse(Kind::Container, LoadError::PartPassword);
                        }
                        Err(error) => self.contents.refuse(Kind::Container, self.of_password(error)),
                    }
                }
                _ => self.contents.refuse(
                    Kind::Other,
                    LoadError::NoKeyMaterial("a part that is encrypted to a certificate"),
                ),
            }
        }
        Ok(())
    }

    /// `SafeContents`.
    fn bags(&mut self, bags: &[u8], depth: u8) -> Result<(), Refusal> {
        let Some(depth) = depth.checked_sub(1) else { return Err(None) };
        let bags = Rewritten::of(bags)?;
        for bag in members(AnyRef::from_der(bags.der()).map_err(broken)?).map_err(broken)? {
            let (kind, value) = content_info(bag).map_err(broken)?;
            match kind.to_string().as_str() {
                "1.2.840.113549.1.12.10.1.1" => {
                    let key = Zeroizing::new(value.to_der().map_err(broken)?);
                    self.contents.add_pkcs8(&key);
                }
                "1.2.840.113549.1.12.10.1.2" => self.shrouded(value)?,
                "1.2.840.113549.1.12.10.1.3" => {
                    let (kind, certificate) = content_info(value).map_err(broken)?;
                    if kind.to_string() == "1.2.840.113549.1.9.22.1" {
                        self.contents.add_certificate(octets(certificate).map_err(broken)?);
                    }
                }
                "1.2.840.113549.1.12.10.1.6" => {
                    let nested = value.to_der().map_err(broken)?;
                    self.bags(&nested, depth)?;
                }
                // Revocation lists, secrets, and what is to come.
                _ => {}
            }
        }
        Ok(())
    }

    fn shrouded(&mut self, value: AnyRef<'_>) -> Result<(), Refusal> {
        let parts = members(value).map_err(broken)?;
        let [algorithm, data] = parts.as_slice() else { return Err(None) };
        let passwords = both([self.passwords.key, Some(self.store())]);
        let data = octets(*data).map_err(broken)?;
        match pbe::decrypt(*algorithm, data, &passwords, &mut self.contents.rounds) {
            Ok(key) => self.contents.add_pkcs8(Rewritten::of(&key)?.der()),
            // The MAC has shown that the password of the store is right.
            Err(LoadError::WrongPassword) if self.has_mac => {
                self.contents.refuse(Kind::Key, LoadError::KeyPassword)
            }
            Err(error) => self.contents.refuse(Kind::Key, self.of_password(error)),
        }
        Ok(())
    }

    fn store(&self) -> &'a [u8] {
        self.passwords.container.unwrap_or_default()
    }

    /// Without a MAC a wrong password shows only as nonsense after decryption.
    fn of_password(&self, error: LoadError) -> LoadError {
        match error {
            LoadError::WrongPassword if self.passwords.container.is_none() => LoadError::PasswordMissing,
            other => other,
        }
    }
}

fn both(passwords: [Option<&[u8]>; 2]) -> Vec<&[u8]> {
    passwords.into_iter().flatten().collect()
}

/// Checks `MacData` over the bytes of the safes as they stand.
fn verify(
    mac: AnyRef<'_>,
    safes: &[u8],
    password: Option<&[u8]>,
    rounds: &mut pbe::Rounds,
) -> Result<(), LoadError> {
    let mac = mac.decode_as::<pkcs12::MacData>().map_err(|_| UNREADABLE)?;
    if mac.iterations > pbe::MAX_ROUNDS as i32 {
        return Err(LoadError::TooManyRounds);
    }
    macro_rules! fits {
        ($digest:ty) => {
            |form: &Zeroizing<Vec<u8>>| {
                let salt = mac.mac_salt.as_bytes();
                let length = <$digest as sha2::Digest>::output_size();
                let key = derive_key::<$digest>(form, salt, Pkcs12KeyType::Mac, mac.iterations, length);
                let keyed = <Hmac<$digest> as hmac::KeyInit>::new_from_slice(&Zeroizing::new(key));
                keyed.is_ok_and(|keyed| {
                    keyed.chain_update(safes).verify_slice(mac.mac.digest.as_bytes()).is_ok()
                })
            }
        };
    }
    let forms = pbe::forms(password.unwrap_or_default())?;
    rounds.spend(u64::from(mac.iterations.unsigned_abs()) * forms.len() as u64)?;
    let mut forms = forms.iter();
    let fits = match mac.mac.algorithm.oid.to_string().as_str() {
        "1.3.14.3.2.26" => forms.any(fits!(sha1::Sha1)),
        "2.16.840.1.101.3.4.2.4" => forms.any(fits!(sha2::Sha224)),
        "2.16.840.1.101.3.4.2.1" => forms.any(fits!(sha2::Sha256)),
        "2.16.840.1.101.3.4.2.2" => forms.any(fits!(sha2::Sha384)),
        "2.16.840.1.101.3.4.2.3" => forms.any(fits!(sha2::Sha512)),
        "2.16.840.1.101.3.4.2.5" => forms.any(fits!(sha2::Sha512_224)),
        "2.16.840.1.101.3.4.2.6" => forms.any(fits!(sha2::Sha512_256)),
        "1.2.840.113549.1.5.14" => return Err(LoadError::UnsupportedMac("PBMAC1".to_owned())),
        other => return Err(LoadError::UnsupportedMac(format!("a MAC of type {other}"))),
    };
    match password {
        _ if fits => Ok(()),
        None => Err(LoadError::PasswordMissing),
        Some(_) => Err(LoadError::WrongPassword),
    }
}

/// DER of bytes that may be BER.
struct Rewritten<'a> {
    bytes: &'a [u8],
    der: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> Rewritten<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let first = ber::first(bytes).map_err(|_| None)?;
        Ok(Self { bytes: bytes.get(..first.length).ok_or(None)?, der: first.der })
    }

    fn der(&self) -> &[u8] {
        self.der.as_deref().map_or(self.bytes, Vec::as_slice)
    }
}

/// Type and content of a `ContentInfo`, a `SafeBag` or a `CertBag`: `SEQUENCE { OID, [0] EXPLICIT ANY, … }`.
pub(super) fn content_info(info: AnyRef<'_>) -> der::Result<(ObjectIdentifier, AnyRef<'_>)> {
    let members = members(info)?;
    let [kind, content, ..] = members.as_slice() else { return Err(der::ErrorKind::Failed.into()) };
    Ok((kind.decode_as()?, AnyRef::from_der(content.value())?))
}

/// Algorithm and ciphertext of an `EncryptedData` (RFC 5652 8).
fn encrypted(data: AnyRef<'_>) -> der::Result<(AnyRef<'_>, &[u8])> {
    let data = members(data)?;
    let [_version, info, ..] = data.as_slice() else { return Err(der::ErrorKind::Failed.into()) };
    let info = members(*info)?;
    let [_kind, algorithm, content, ..] = info.as_slice() else { return Err(der::ErrorKind::Failed.into()) };
    Ok((*algorithm, content.value()))
}

fn octets(value: AnyRef<'_>) -> der::Result<&[u8]> {
    value.tag().assert_eq(Tag::OctetString)?;
    Ok(value.value())
}
