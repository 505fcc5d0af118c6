//! The files of TLS: a certificate that the gateway shows, a listener's or the one by which servers know the gateway, and the authorities
//! that it trusts.

mod contents;
mod renewed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

pub(crate) use self::contents::Contents;
pub(crate) use self::renewed::Renewed;
use crate::crypto::words;

/// No file of TLS settings is larger, bytes.
const LARGEST: u64 = 1 << 20;
/// Where nothing better can be said.
pub(crate) const REPLACE: &str = "replace the file";
/// What is said of a file of which nothing can be made any more.
pub(crate) const STAYS: &str = "what was loaded before stays in use";

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

/// The chain in `cert` and the key in `key`, both of which `contents` holds (PEM: PKCS#8, PKCS#1 or SEC1, without a password), which belong
/// together. Whether the certificate has expired is not looked at.
pub(crate) fn pair(cert: &Path, key: &Path, contents: &Contents) -> Result<CertifiedKey, Refusal> {
    let private = PrivateKeyDer::from_pem_slice(contents.of(key)?).map_err(|error| {
        let what = cut_off(&error).unwrap_or("this holds no private key in PEM");
        Refusal::new(key, what, "put the key there in PEM, without a password")
    })?;
    let chain = certificates_in(cert, contents.of(cert)?)?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map_err(|error| unusable(cert, key, &error))
}

/// The authorities that a file trusts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Roots {
    pub(crate) store: Arc<RootCertStore>,
    /// As they stand in the file, with their dates.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
}

impl Roots {
    /// Of the text `pem`, which is called `file` and holds roots, and nothing but roots.
    pub(crate) fn of(file: &Path, pem: &[u8]) -> Result<Self, Refusal> {
        const ROOTS: &str = "put one or more CA certificates in PEM there";
        let certificates =
            certificates_in(file, pem).map_err(|refusal| Refusal { advice: ROOTS, ..refusal })?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store
                .add(certificate.clone())
                .map_err(|_| Refusal::new(file, "this holds something that is no CA certificate", ROOTS))?;
        }
        Ok(Self { store: Arc::new(store), certificates: certificates.into() })
    }
}

/// One at least.
fn certificates_in(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    const PEM: &str = "put the certificate there in PEM";
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Refusal::new(file, cut_off(&error).unwrap_or("this is not PEM"), PEM))?;
    if certificates.is_empty() {
        return Err(Refusal::new(file, "this holds no certificate in PEM", PEM));
    }
    Ok(certificates)
}

/// That a file in PEM ends within a block, where `error` says so.
pub(crate) fn cut_off(error: &pem::Error) -> Option<&'static str> {
    let is_cut_off = matches!(error, pem::Error::MissingSectionEnd { .. });
    is_cut_off.then_some("this is cut off: its last block in PEM has no end")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::test_pki::Authority;

    #[test]
    fn a_file_of_roots_gives_all_of_them_and_one_without_a_usable_root_is_refused() {
        let [one, other] = ["one", "other"].map(Authority::new);
        let file = Path::new("roots.crt");
        let both = Roots::of(file, [one.pem(), other.pem()].concat().as_bytes()).unwrap();
        assert_eq!((both.store.len(), both.certificates.len()), (2, 2));
        let broken_base64 = "-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n";
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let whole = one.pem();
        for (pem, what) in [
            ("", "no certificate"),
            (broken_base64, "not PEM"),
            (&whole[..whole.len() / 2], "cut off"),
            (not_a_certificate, "no CA certificate"),
        ] {
            let refusal = Roots::of(file, pem.as_bytes()).err().unwrap();
            assert!(refusal.to_string().contains(what), "{refusal}");
            assert!(refusal.advice.contains("CA certificates"), "{}", refusal.advice);
        }
    }
}
