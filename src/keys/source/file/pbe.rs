//! Decryption under a password: PBES2 (RFC 8018 6.2) and the schemes of PKCS#12 (RFC 7292 appendix C).

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use pkcs5::pbes2::{self, Kdf};
use pkcs12::kdf::{Pkcs12KeyType, derive_key};
use rsa::pkcs8::der::asn1::ObjectIdentifier;
use rsa::pkcs8::der::{self, AnyRef};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::contents::members;
use super::{LoadError, ber};

/// Rounds beyond which a file is refused rather than worked on: four seconds.
pub(super) const MAX_ROUNDS: u32 = 1_000_000;

/// Memory of scrypt, 128·N·r·p bytes, beyond which a file is refused.
const MAX_SCRYPT: u64 = 64 << 20;

/// Memory of scrypt that takes as long as one round.
const SCRYPT_PER_ROUND: u64 = 64;

/// Rounds that are left for all passwords and all parts of one file together.
pub(super) struct Rounds(pub(super) u64);

impl Default for Rounds {
    fn default() -> Self {
        Self(10 * u64::from(MAX_ROUNDS))
    }
}

impl Rounds {
    /// Takes `rounds` off, or refuses where so many are not left.
    pub(super) fn spend(&mut self, rounds: u64) -> Result<(), LoadError> {
        self.0 = self.0.checked_sub(rounds).ok_or(LoadError::TooManyRounds)?;
        Ok(())
    }
}

/// Every form in which writers of PKCS#12 hand `password` to its key derivation: UTF-16 with a final zero, characters beyond the BMP
/// as two units (OpenSSL, Java); nothing at all where it is empty (.NET, BouncyCastle); each byte of UTF-8 as a character (OpenSSL
/// before 1.1).
pub(super) fn forms(password: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, LoadError> {
    let text = std::str::from_utf8(password).map_err(|_| LoadError::PasswordNotText)?;
    let mut forms = vec![terminated(text.encode_utf16())];
    if text.is_empty() {
        forms.push(Zeroizing::default());
    } else if !text.is_ascii() {
        forms.push(terminated(password.iter().copied().map(u16::from)));
    }
    Ok(forms)
}

fn terminated(units: impl Iterator<Item = u16> + Clone) -> Zeroizing<Vec<u8>> {
    // Sized once: growing would leave copies of the password behind.
    let mut form = Zeroizing::new(Vec::with_capacity(2 * units.clone().count() + 2));
    for unit in units.chain([0]) {
        form.extend_from_slice(&unit.to_be_bytes());
    }
    form
}

/// What `algorithm` (an `AlgorithmIdentifier`) made of a document, under the first of `passwords` that fits.
pub(super) fn decrypt(
    algorithm: AnyRef<'_>,
    data: &[u8],
    passwords: &[&[u8]],
    rounds: &mut Rounds,
) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let scheme = Scheme::of(algorithm)?;
    let mut refusal = LoadError::WrongPassword;
    for password in passwords {
        match scheme.decrypt(data, password, rounds) {
            Err(error) => refusal = error,
            found => return found,
        }
    }
    Err(refusal)
}

enum Scheme<'a> {
    Pbes2 { parameters: Box<pbes2::Parameters>, rounds: u64 },
    Pkcs12 { cipher: Cipher, salt: &'a [u8], rounds: i32 },
}

#[derive(Clone, Copy)]
enum Cipher {
    TripleDes,
    TwoKeyTripleDes,
    Rc2 { key_length: usize },
}

impl<'a> Scheme<'a> {
    fn of(algorithm: AnyRef<'a>) -> Result<Self, LoadError> {
        let unknown = |_| LoadError::UnsupportedCipher("an unknown cipher".to_owned());
        let (oid, parameters) = identifier(algorithm).map_err(unknown)?;
        let cipher = match oid.to_string().as_str() {
            PBES2 => return parameters.ok_or_else(|| unsupported(oid)).and_then(Self::pbes2),
            "1.2.840.113549.1.12.1.3" => Cipher::TripleDes,
            "1.2.840.113549.1.12.1.4" => Cipher::TwoKeyTripleDes,
            "1.2.840.113549.1.12.1.5" => Cipher::Rc2 { key_length: 16 },
            "1.2.840.113549.1.12.1.6" => Cipher::Rc2 { key_length: 5 },
            _ => return Err(unsupported(oid)),
        };
        let parameters = members(parameters.ok_or_else(|| unsupported(oid))?).map_err(unknown)?;
        let [salt, rounds] = parameters.as_slice() else { return Err(unsupported(oid)) };
        let rounds = rounds.decode_as::<u32>().map_err(unknown)?;
        let rounds = i32::try_from(rounds).ok().filter(|_| rounds <= MAX_ROUNDS);
        Ok(Self::Pkcs12 { cipher, salt: salt.value(), rounds: rounds.ok_or(LoadError::TooManyRounds)? })
    }

    fn pbes2(parameters: AnyRef<'_>) -> Result<Self, LoadError> {
        let parsed = pbes2::Parameters::try_from(parameters).map_err(|_| unsupported_in(parameters))?;
        let rounds = match &parsed.kdf {
            Kdf::Pbkdf2(pbkdf2) => {
                Some(pbkdf2.iteration_count).filter(|rounds| *rounds <= MAX_ROUNDS).map(u64::from)
            }
            Kdf::Scrypt(scrypt) => {
                let cost = u64::from(scrypt.block_size) * u64::from(scrypt.parallelization) * 128;
                let memory = cost.checked_mul(scrypt.cost_parameter).filter(|bytes| *bytes <= MAX_SCRYPT);
                memory.map(|bytes| bytes / SCRYPT_PER_ROUND)
            }
            _ => return Err(unsupported(parsed.kdf.oid())),
        };
        let rounds = rounds.ok_or(LoadError::TooManyRounds)?;
        Ok(Self::Pbes2 { parameters: Box::new(parsed), rounds })
    }

    fn decrypt(
        &self,
        data: &[u8],
        password: &[u8],
        left: &mut Rounds,
    ) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        let mut attempt = |password: &[u8]| match self {
            Self::Pbes2 { parameters, rounds } => {
                left.spend(*rounds)?;
                match parameters.decrypt(password, data) {
                    Err(pkcs5::Error::UnsupportedAlgorithm { oid }) => Err(unsupported(oid)),
                    Err(pkcs5::Error::AlgorithmParametersInvalid { .. }) => Err(unfitting()),
                    plain => document(plain.ok()).ok_or(LoadError::WrongPassword),
                }
            }
            Self::Pkcs12 { cipher, salt, rounds } => {
                // Two blocks of the key and one of the IV, each by as many.
                left.spend(3 * u64::from(rounds.unsigned_abs()))?;
                document(cipher.decrypt(data, password, salt, *rounds)).ok_or(LoadError::WrongPassword)
            }
        };
        let forms = match self {
            // Some releases of NSS derive the key of PBES2 from the form of PKCS#12, too.
            Self::Pbes2 { .. } => match attempt(password) {
                Err(LoadError::WrongPassword) => forms(password).unwrap_or_default(),
                found => return found,
            },
            Self::Pkcs12 { .. } => forms(password)?,
        };
        for form in &forms {
            match attempt(form) {
                Err(LoadError::WrongPassword) => {}
                found => return found,
            }
        }
        Err(LoadError::WrongPassword)
    }
}

impl Cipher {
    fn decrypt(self, data: &[u8], password: &[u8], salt: &[u8], rounds: i32) -> Option<Vec<u8>> {
        let derived = |id, length| Zeroizing::new(derive_key::<Sha1>(password, salt, id, rounds, length));
        let key = |length| derived(Pkcs12KeyType::EncryptionKey, length);
        let iv = derived(Pkcs12KeyType::Iv, 8);
        match self {
            Self::TripleDes => cbc::<des::TdesEde3>(data, &key(24), &iv),
            Self::TwoKeyTripleDes => cbc::<des::TdesEde2>(data, &key(16), &iv),
            Self::Rc2 { key_length } => cbc::<rc2::Rc2>(data, &key(key_length), &iv),
        }
    }
}

fn cbc<C: BlockCipherDecrypt + KeyInit>(data: &[u8], key: &[u8], iv: &[u8]) -> Option<Vec<u8>> {
    cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(data).ok()
}

/// A wrong password yields nonsense whose padding fits once in 256 times: what is decrypted has to be one whole element.
fn document(plain: Option<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let plain = Zeroizing::new(plain?);
    let whole = ber::first(&plain).is_ok_and(|first| first.length == plain.len());
    (whole && plain.starts_with(&[super::shape::SEQUENCE])).then_some(plain)
}

/// Object identifier and parameters of an `AlgorithmIdentifier`.
pub(super) fn identifier(algorithm: AnyRef<'_>) -> der::Result<(ObjectIdentifier, Option<AnyRef<'_>>)> {
    let members = members(algorithm)?;
    let oid = members.first().ok_or(der::ErrorKind::Failed)?.decode_as()?;
    Ok((oid, members.get(1).copied()))
}

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";

/// Names the part of PBES2 that is not supported.
fn unsupported_in(parameters: AnyRef<'_>) -> LoadError {
    fn parts(parameters: AnyRef<'_>) -> der::Result<Vec<ObjectIdentifier>> {
        let members = members(parameters)?;
        let [kdf, cipher] = members.as_slice() else { return Err(der::ErrorKind::Failed.into()) };
        let ((kdf, details), (cipher, _)) = (identifier(*kdf)?, identifier(*cipher)?);
        let prf = match details {
            Some(details) if kdf.to_string() == PBKDF2 => {
                self::members(details)?.last().and_then(|last| identifier(*last).ok()).map(|(prf, _)| prf)
            }
            _ => None,
        };
        Ok([Some(kdf), prf, Some(cipher)].into_iter().flatten().collect())
    }
    // What is supported of these was read: the first name that is not of that kind is the cause.
    let parts = parts(parameters).unwrap_or_default();
    let culprit = parts.iter().find(|oid| !SUPPORTED.contains(&oid.to_string().as_str()));
    culprit.map_or_else(unfitting, |oid| unsupported(*oid))
}

fn unfitting() -> LoadError {
    LoadError::UnsupportedCipher("PBES2 with parameters that do not fit".to_owned())
}

/// PBKDF2, scrypt, HMAC with SHA-1 and SHA-2, AES in CBC and GCM, 3DES.
const SUPPORTED: [&str; 13] = [
    PBKDF2,
    "1.3.6.1.4.1.11591.4.11",
    "1.2.840.113549.2.7",
    "1.2.840.113549.2.8",
    "1.2.840.113549.2.9",
    "1.2.840.113549.2.10",
    "1.2.840.113549.2.11",
    "2.16.840.1.101.3.4.1.2",
    "2.16.840.1.101.3.4.1.22",
    "2.16.840.1.101.3.4.1.42",
    "2.16.840.1.101.3.4.1.6",
    "2.16.840.1.101.3.4.1.46",
    "1.2.840.113549.3.7",
];

fn unsupported(oid: ObjectIdentifier) -> LoadError {
    let oid = oid.to_string();
    let name = match oid.as_str() {
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128",
        "1.2.840.113549.1.12.1.2" => "PBE-SHA1-RC4-40",
        "1.2.840.113549.1.5.1" => "PBE-MD2-DES",
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES",
        "1.2.840.113549.1.5.4" => "PBE-MD2-RC2-64",
        "1.2.840.113549.1.5.6" => "PBE-MD5-RC2-64",
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES",
        "1.2.840.113549.1.5.11" => "PBE-SHA1-RC2-64",
        "1.2.840.113549.3.2" => "RC2-CBC",
        "1.3.14.3.2.7" => "DES-CBC",
        "1.2.392.200011.61.1.1.1.2" | "1.2.392.200011.61.1.1.1.3" | "1.2.392.200011.61.1.1.1.4" => {
            "Camellia-CBC"
        }
        "1.2.410.200004.1.4" => "SEED-CBC",
        other => other,
    };
    LoadError::UnsupportedCipher(name.to_owned())
}
