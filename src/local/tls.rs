//! TLS to a listener of this gateway. The configuration names the certificate of the listener, so exactly that certificate is trusted,
//! whatever name it is issued for and whoever signed it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{ClientFiles, TargetError};
use crate::config::ServerTls;
use crate::regular;
use crate::tls_files::cut_off;

/// The settings for a listener without TLS. They trust no server.
pub(super) fn unused() -> Result<ClientConfig, TargetError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| refuse(Path::new(""), error))?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// The settings for a listener whose certificate nobody can know. It has to have the key of the one that it shows, and nothing else is asked.
pub(super) fn to_anybody(client: Option<ClientFiles<'_>>) -> Result<ClientConfig, TargetError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(Path::new(""), error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { trusted: Trusted::Any, provider }));
    match client {
        Some(files) => presenting(builder, files),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The settings for the listener that is configured by `server`. `client` is the client certificate that is presented to it.
pub(super) fn to_listener(
    server: &ServerTls,
    client: Option<ClientFiles<'_>>,
) -> Result<ClientConfig, TargetError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificate = certificates(&server.cert)?
        .into_iter()
        .next()
        .ok_or_else(|| refuse(&server.cert, "this holds no certificate in PEM"))?;
    let trusted = Trusted::This { certificate, file: server.cert.clone() };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&server.cert, error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { trusted, provider }));
    match (client, &server.client_ca) {
        (Some(files), _) => presenting(builder, files),
        (None, Some(_)) => Err(TargetError::ClientCertificate),
        (None, None) => Ok(builder.with_no_client_auth()),
    }
}

fn presenting(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    files: ClientFiles<'_>,
) -> Result<ClientConfig, TargetError> {
    let key = regular::read(files.key).map_err(|error| refuse(files.key, unreadable(&error)))?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| refuse(files.key, cut_off(&error).unwrap_or("this holds no private key in PEM")))?;
    builder.with_client_auth_cert(certificates(files.cert)?, key).map_err(|error| refuse(files.cert, error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let bytes = regular::read(file).map_err(|error| refuse(file, unreadable(&error)))?;
    CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| refuse(file, cut_off(&error).unwrap_or("this is not PEM")))
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read ({})", regular::reason(error))
}

fn refuse(file: &Path, what: impl ToString) -> TargetError {
    TargetError::File { file: file.to_owned(), what: what.to_string() }
}

/// Trusts only a server that has the private key of its certificate.
#[derive(Debug)]
struct Verifier {
    trusted: Trusted,
    provider: Arc<CryptoProvider>,
}

/// Which certificate is trusted.
#[derive(Debug)]
enum Trusted {
    /// This one, byte for byte.
    This {
        certificate: CertificateDer<'static>,
        file: PathBuf,
    },
    Any,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trusted {
            Trusted::This { certificate, file } if end_entity != certificate => Err(Error::General(format!(
                "the listener's certificate is not the one in {}",
                file.display()
            ))),
            Trusted::This { .. } | Trusted::Any => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
