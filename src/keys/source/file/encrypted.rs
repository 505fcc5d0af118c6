//! Containers under a password: PKCS#12 (RFC 7292) and encrypted PKCS#8 (RFC 5958 3, PBES2 of RFC 8018).

use memchr::memmem;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use rsa::pkcs8::pkcs5::{self, EncryptionScheme, pbes2::Kdf};
use rsa::pkcs8::{EncryptedPrivateKeyInfoRef, Error as Pkcs8Error, SecretDocument};

use super::LoadError;

/// Rounds of PBKDF2 beyond which a file is refused rather than worked on: four seconds. p12-keystore has the same cap.
const MAX_ROUNDS: u32 = 1_000_000;

/// Memory of scrypt, 128·N·r·p bytes, beyond which a file is refused.
const MAX_SCRYPT: u64 = 1 << 30;

/// Every bag of a PKCS#12 file; `has_mac` tells what a failure inside means.
pub(super) fn open_pkcs12(
    der: &[u8],
    password: Option<&[u8]>,
    has_mac: bool,
) -> Result<Pkcs12Archive, LoadError> {
    let text = std::str::from_utf8(password.unwrap_or_default()).map_err(|_| LoadError::PasswordNotText)?;
    let refused = if password.is_some() { LoadError::WrongPassword } else { LoadError::PasswordMissing };
    Pkcs12Archive::from_pkcs12(der, text).map_err(|error| match error {
        Pkcs12Error::MacError(_) => refused,
        Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => unsupported(der),
        Pkcs12Error::InvalidParameters => EXPENSIVE,
        // Without a MAC a wrong password shows only as nonsense after decryption.
        _ if !has_mac => refused,
        _ if cipher_in(der).is_some() => unsupported(der),
        _ => LoadError::Damaged("not a readable PKCS#12 file"),
    })
}

/// The PKCS#8 document inside an encrypted one.
pub(super) fn open_pkcs8(der: &[u8], password: Option<&[u8]>) -> Result<SecretDocument, LoadError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| unsupported(der))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(unsupported(der));
    };
    let affordable = match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(scrypt) => {
            let cost = u64::from(scrypt.block_size) * u64::from(scrypt.parallelization) * 128;
            cost.checked_mul(scrypt.cost_parameter).is_some_and(|bytes| bytes <= MAX_SCRYPT)
        }
        _ => return Err(unsupported(der)),
    };
    if !affordable {
        return Err(EXPENSIVE);
    }
    info.decrypt(password.ok_or(LoadError::PasswordMissing)?).map_err(|error| match error {
        Pkcs8Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { oid }) => {
            unsupported(oid.as_bytes())
        }
        _ => LoadError::WrongPassword,
    })
}

const EXPENSIVE: LoadError = LoadError::Damaged("its password check asks for more than a million rounds");

fn unsupported(der: &[u8]) -> LoadError {
    LoadError::UnsupportedCipher(cipher_in(der).unwrap_or("an unknown cipher").to_owned())
}

/// Name of the first unsupported algorithm whose object identifier stands in `der`. For the message only: the libraries do not say
/// which algorithm they refuse.
fn cipher_in(der: &[u8]) -> Option<&'static str> {
    // Content octets of the identifiers under 1.2.840.113549 (RSADSI), those that only PKCS#12 supports last.
    const CIPHERS: [(&[u8], &str); 12] = [
        (&[1, 12, 1, 1], "PBE-SHA1-RC4-128"),
        (&[1, 12, 1, 2], "PBE-SHA1-RC4-40"),
        (&[1, 12, 1, 4], "PBE-SHA1-2DES"),
        (&[1, 12, 1, 5], "PBE-SHA1-RC2-128"),
        (&[1, 5, 14], "PBMAC1"),
        (&[1, 5, 3], "PBE-MD5-DES"),
        (&[1, 5, 10], "PBE-SHA1-DES"),
        (&[3, 7], "DES-EDE3-CBC"),
        (&[3, 2], "RC2-CBC"),
        (&[2, 7], "PBKDF2 with HMAC-SHA1"),
        (&[1, 12, 1, 3], "PBE-SHA1-3DES"),
        (&[1, 12, 1, 6], "PBE-SHA1-RC2-40"),
    ];
    const RSADSI: [u8; 6] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d];
    CIPHERS
        .iter()
        .find(|(arc, _)| memmem::find(der, &[&RSADSI, *arc].concat()).is_some())
        .map(|(_, name)| *name)
}
