//! The files of a certificate that the gateway shows over TLS: a listener's, and the one by which servers know the gateway.

use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::crypto::words;
use crate::regular;

/// No file of TLS settings is larger, bytes.
const LARGEST: u64 = 1 << 20;
/// Where nothing better can be said.
pub(crate) const REPLACE: &str = "replace the file";

/// Why a file cannot be used. Never holds what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", file.display())]
pub(crate) struct Refusal {
    pub(crate) file: PathBuf,
    /// As the rest of a sentence.
    pub(crate) what: String,
    /// What to do.
    pub(crate) advice: &'static str,
}

impl Refusal {
    pub(crate) fn new(file: &Path, what: impl ToString, advice: &'static str) -> Self {
        Self { file: file.to_owned(), what: what.to_string(), advice }
    }
}

/// The chain in `cert` and the key in `key` (PEM: PKCS#8, PKCS#1 or SEC1, without a password), which belong together. Whether the certificate
/// has expired is not looked at.
pub(crate) fn pair(cert: &Path, key: &Path) -> Result<CertifiedKey, Refusal> {
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| {
        Refusal::new(key, "this holds no private key in PEM", "put the key there in PEM, without a password")
    })?;
    let chain = certificates(cert)?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map_err(|error| unusable(cert, key, &error))
}

/// The certificates in `file`: one at least.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    const PEM: &str = "put the certificate there in PEM";
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::new(file, "this is not PEM", PEM))?;
    if certificates.is_empty() {
        return Err(Refusal::new(file, "this holds no certificate in PEM", PEM));
    }
    Ok(certificates)
}

/// Why `cert` and `key` make no pair that the other side can use.
fn unusable(cert: &Path, key: &Path, error: &rustls::Error) -> Refusal {
    match error {
        rustls::Error::InconsistentKeys(_) => Refusal::new(
            cert,
            format_args!("the first certificate in it does not belong to the key in {}", key.display()),
            "put the certificate there that was issued for this key, or the key that belongs to it",
        ),
        rustls::Error::InvalidCertificate(error) => Refusal::new(
            cert,
            format_args!("the certificate cannot be used: {}", words::of(error)),
            "have a certificate issued for the key, and put it there",
        ),
        // rustls has no kind of error for it, and a sentence that names the kinds.
        rustls::Error::General(_) => Refusal::new(
            key,
            "this holds a key of a kind that TLS does not use, or a broken one",
            "use an RSA key, an ECDSA key (P-256, P-384, P-521) or an Ed25519 key, and a certificate that is issued for it",
        ),
        other => Refusal::new(
            cert,
            format_args!("cannot be used with the key in {} ({other})", key.display()),
            REPLACE,
        ),
    }
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    regular::read_bounded(file, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Refusal::new(file, "is larger than 1 MiB", REPLACE),
        _ => Refusal::new(
            file,
            format_args!("cannot be read ({})", regular::reason(&error)),
            "put the file there, readable for this process",
        ),
    })
}
