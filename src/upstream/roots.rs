//! The roots that the certificate of a TLS server must chain to.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Code, Error, Result};

/// TLS 1.2 and 1.3 on aws-lc-rs. Private roots (PEM) replace the public ones, so that a country can trust its own root alone. Where
/// [`check`] refuses them, no root is trusted.
/// `certified` is what a server sees that asks for a certificate.
pub(super) fn client_config(ca_pem: Option<&[u8]>, certified: Option<CertifiedKey>) -> Result<ClientConfig> {
    let roots = match ca_pem {
        Some(pem) => private(pem).unwrap_or_else(|_| RootCertStore::empty()),
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(Code::Bug, error.to_string()))?
            .with_root_certificates(roots);
    Ok(match certified {
        None => builder.with_no_client_auth(),
        Some(certified) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
    })
}

/// Whether `pem` holds roots, and nothing but roots; else what is wrong with it.
pub(crate) fn check(pem: &[u8]) -> Result<(), &'static str> {
    private(pem).map(drop)
}

fn private(pem: &[u8]) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is not PEM")?;
        roots.add(certificate).map_err(|_| "holds something that is no CA certificate")?;
    }
    if roots.is_empty() { Err("holds no certificate") } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_roots_replace_the_public_ones() {
        let authority = super::super::test_pki::Authority::new("root");
        assert_eq!(private(authority.pem().as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn a_root_file_without_a_usable_root_is_refused() {
        let broken_base64 = "-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n";
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, what) in
            [("", "no certificate"), (broken_base64, "not PEM"), (not_a_certificate, "no CA certificate")]
        {
            let refusal = check(pem.as_bytes()).unwrap_err();
            assert!(refusal.contains(what), "{refusal}");
            assert!(
                client_config(Some(pem.as_bytes()), None).is_ok(),
                "the gateway starts, and trusts nobody"
            );
        }
    }
}
