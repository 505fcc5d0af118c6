//! The roots that the certificate of a TLS server must chain to.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Code, Error, Result};

/// TLS 1.2 and 1.3 on aws-lc-rs. Private roots (PEM) replace the public ones, so that a country can trust its own root alone.
pub(super) fn client_config(ca_pem: Option<&[u8]>) -> Result<ClientConfig> {
    let roots = match ca_pem {
        Some(pem) => private(pem)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Code::Bug, error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn private(pem: &[u8]) -> Result<RootCertStore> {
    let refuse = |what: &str| {
        Error::new(Code::Keys, format!("upstream.ca_file: {what}"))
            .advise("Put one or more CA certificates in PEM into the file that upstream.ca_file names.")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| refuse("it is not PEM"))?;
        roots.add(certificate).map_err(|_| refuse("it holds something that is no CA certificate"))?;
    }
    if roots.is_empty() { Err(refuse("there is no certificate in it")) } else { Ok(roots) }
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
            let error = client_config(Some(pem.as_bytes())).unwrap_err();
            assert!(
                error.detail().starts_with("upstream.ca_file: ") && error.detail().contains(what),
                "{error}"
            );
        }
    }
}
