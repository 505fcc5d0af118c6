//! TLS of a listener: its certificate, and the client certificates it demands.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{AlertDescription, InvalidMessage, PeerIncompatible, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use super::server::BindError;
use super::subject::DistinguishedName;
use crate::config::ServerTls;
use crate::crypto::words;
use crate::regular;

/// No file of TLS settings is larger, bytes.
const LARGEST: u64 = 1 << 20;

/// Turns connections into TLS connections of callers that are let in.
pub(crate) struct Acceptor {
    tls: TlsAcceptor,
    subjects: Vec<DistinguishedName>,
    has_client_ca: bool,
}

/// Why a caller is not let in.
pub(super) struct NotLetIn {
    pub(super) why: String,
    /// Of its certificate, where that is the reason.
    pub(super) subject: Option<String>,
}

impl NotLetIn {
    fn because(why: String) -> Self {
        Self { why, subject: None }
    }
}

impl Acceptor {
    /// Reads the files of `settings`. What protects works or is refused: subjects without a CA that vouches for them are an error.
    pub(crate) fn load(settings: &ServerTls) -> Result<Self, BindError> {
        if settings.client_ca.is_none() && !settings.client_subjects.is_empty() {
            let what = "client_subjects protects nothing without client_ca";
            return Err(refuse(&settings.cert, what, "set client_ca, or remove client_subjects"));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(&settings.cert, error, REPLACE))?;
        let builder = match &settings.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(file)?), provider);
                builder
                    .with_client_cert_verifier(verifier.build().map_err(|error| refuse(file, error, ROOTS))?)
            }
        };
        let key = read(&settings.key)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
            refuse(&settings.key, "this holds no private key in PEM", "put the key there in PEM")
        })?;
        let chain = certificates(&settings.cert)?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| unusable(settings, &error))?;
        config.alpn_protocols = http1();
        if settings.client_ca.is_some() {
            // A resumed session would carry a client certificate past its last day.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let subjects = settings.client_subjects.iter().map(|text| DistinguishedName::parse(text)).collect();
        let has_client_ca = settings.client_ca.is_some();
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), subjects, has_client_ca })
    }

    /// In place of the files of `settings`, which cannot be used: a certificate that is made for this run, signs itself, and says nothing to
    /// those who look at it. No client has to show one.
    pub(crate) fn in_place_of(settings: &ServerTls) -> Result<Self, BindError> {
        let refused = |error: &dyn std::fmt::Display| refuse(&settings.cert, error, REPLACE);
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(|error| refused(&error))?;
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![cert.into()], key)
            .map_err(|error| refused(&error))?;
        config.alpn_protocols = http1();
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), subjects: Vec::new(), has_client_ca: false })
    }

    /// Whether every client has to show a certificate.
    pub(super) fn demands_certificates(&self) -> bool {
        self.has_client_ca
    }

    /// The handshake, and the subject of the client's verified certificate where one is demanded.
    pub(super) async fn accept<S>(
        &self,
        stream: S,
        deadline: Duration,
    ) -> Result<(TlsStream<S>, Option<DistinguishedName>), NotLetIn>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = match tokio::time::timeout(deadline, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(NotLetIn::because(why(&error))),
            Err(_) => return Err(NotLetIn::because("it was not finished in time".to_owned())),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let subject = certificate.and_then(|certificate| DistinguishedName::of_certificate(certificate));
        if !self.lets_in(subject.as_ref()) {
            let subject = subject.as_ref().map(ToString::to_string);
            let why = "the client certificate is not among client_subjects".to_owned();
            return Err(NotLetIn { why, subject });
        }
        Ok((stream, subject))
    }

    fn lets_in(&self, subject: Option<&DistinguishedName>) -> bool {
        self.subjects.is_empty()
            || subject.is_some_and(|subject| self.subjects.iter().any(|allowed| allowed.is(subject)))
    }
}

/// Why a handshake failed, in words where its kind is known; else what rustls says.
fn why(error: &io::Error) -> String {
    const TOO_OLD: &str = "the client offers no version of TLS that is taken here: 1.2 or 1.3";
    let told = match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::NoCertificatesPresented) => {
            "the client shows no certificate, and client_ca demands one"
        }
        Some(rustls::Error::InvalidCertificate(refusal)) => {
            return format!("the client's certificate is not accepted: {}", words::of(refusal));
        }
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "what came is not TLS; a client that calls with http:// has to call with https://"
        }
        Some(rustls::Error::PeerIncompatible(
            // What is older than 1.2 names none.
            PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        )) => TOO_OLD,
        Some(rustls::Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion)) => TOO_OLD,
        Some(rustls::Error::AlertReceived(AlertDescription::UnknownCA)) => {
            "the client does not accept the listener's certificate: it does not know the CA that signed it"
        }
        Some(rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate),
        )) => return format!("the client does not accept the listener's certificate ({alert:?})"),
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "the client broke the connection off"
        }
        _ => return error.to_string(),
    };
    told.to_owned()
}

fn http1() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

/// Where nothing better can be said.
const REPLACE: &str = "replace the file";
/// For a file of roots.
const ROOTS: &str = "put one or more CA certificates in PEM there";
/// For a certificate that no caller could use.
const REISSUE: &str = "have a certificate issued for the key, and put it there";

/// Why the certificate and the key of `settings` make no pair that callers can use.
fn unusable(settings: &ServerTls, error: &rustls::Error) -> BindError {
    let (cert, key) = (&settings.cert, &settings.key);
    match error {
        rustls::Error::InconsistentKeys(_) => refuse(
            cert,
            format_args!("the first certificate in it does not belong to the key in {}", key.display()),
            "put the certificate there that was issued for this key, or the key that belongs to it",
        ),
        rustls::Error::InvalidCertificate(error) => {
            refuse(cert, format_args!("the certificate cannot be used: {}", words::of(error)), REISSUE)
        }
        // rustls has no kind of error for it, and a sentence that names the kinds.
        rustls::Error::General(_) => refuse(
            key,
            "this holds a key of a kind that TLS does not use, or a broken one",
            "use an RSA key, an ECDSA key (P-256, P-384, P-521) or an Ed25519 key, and a certificate that is issued for it",
        ),
        other => {
            refuse(cert, format_args!("cannot be used with the key in {} ({other})", key.display()), REPLACE)
        }
    }
}

fn roots(file: &Path) -> Result<RootCertStore, BindError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|_| refuse(file, "this holds something that is no CA certificate", ROOTS))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BindError> {
    const PEM: &str = "put the certificate there in PEM";
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|_| refuse(file, "this is not PEM", PEM))?;
    if certificates.is_empty() {
        return Err(refuse(file, "this holds no certificate in PEM", PEM));
    }
    Ok(certificates)
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, BindError> {
    regular::read_bounded(file, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => refuse(file, "is larger than 1 MiB", REPLACE),
        _ => refuse(
            file,
            format_args!("cannot be read ({})", regular::reason(&error)),
            "put the file there, readable for this process",
        ),
    })
}

fn refuse(file: &Path, what: impl ToString, advice: &'static str) -> BindError {
    BindError::File { file: file.to_owned(), what: what.to_string(), advice }
}
