//! TLS to servers: whom they have to be trusted by, and what they see of us.

use std::sync::Arc;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Code, Error, Result};

/// The public roots.
pub(super) fn public() -> Arc<RootCertStore> {
    Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}

/// TLS 1.2 and 1.3 on aws-lc-rs. The certificate of a server must chain to one of `roots`.
/// `certified` is what a server sees that asks for a certificate.
pub(super) fn client_config(
    roots: Arc<RootCertStore>,
    certified: Option<CertifiedKey>,
) -> Result<ClientConfig> {
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
