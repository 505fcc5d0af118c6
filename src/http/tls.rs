//! TLS of a listener: its certificate, and the client certificates it demands.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, InvalidMessage, PeerIncompatible, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::server::BindError;
use super::subject::DistinguishedName;
use crate::config::ServerTls;
use crate::crypto::words;
use crate::tls_files::{self, Contents, REPLACE, Refusal, Roots};

/// Turns connections into TLS connections of callers that are let in.
pub(crate) struct Acceptor {
    tls: TlsAcceptor,
    /// Its own certificate first.
    chain: Vec<CertificateDer<'static>>,
    subjects: Vec<DistinguishedName>,
    /// Who has to have signed the certificate of every client.
    authorities: Option<Roots>,
}

/// The acceptor of a listener at each moment.
pub(crate) type Acceptors = watch::Receiver<Arc<Acceptor>>;

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
    pub(crate) fn load(settings: &ServerTls) -> Result<Self, Refusal> {
        Self::of(settings, &Contents::read(settings.files()))
    }

    /// As [`Self::load`], of what was read.
    pub(crate) fn of(settings: &ServerTls, contents: &Contents) -> Result<Self, Refusal> {
        if settings.client_ca.is_none() && !settings.client_subjects.is_empty() {
            let what = "client_subjects protects nothing without client_ca";
            return Err(Refusal::new(&settings.cert, what, "set client_ca, or remove client_subjects"));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Refusal::new(&settings.cert, error, REPLACE))?;
        let authorities =
            settings.client_ca.as_deref().map(|file| Roots::of(file, contents.of(file)?)).transpose()?;
        let builder = match (&settings.client_ca, &authorities) {
            (Some(file), Some(roots)) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots.store), provider)
                        .build()
                        .map_err(|error| Refusal::new(file, error, REPLACE))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let certified = tls_files::pair(&settings.cert, &settings.key, contents)?;
        let chain = certified.cert.clone();
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = http1();
        if settings.client_ca.is_some() {
            // A resumed session would carry a client certificate past its last day.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let subjects = settings.client_subjects.iter().map(|text| DistinguishedName::parse(text)).collect();
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), chain, subjects, authorities })
    }

    /// In place of the files of `settings`, which cannot be used: a certificate that is made for this run, signs itself, and says nothing to
    /// those who look at it. No client has to show one.
    pub(crate) fn in_place_of(settings: &ServerTls) -> Result<Self, BindError> {
        let refused =
            |error: &dyn std::fmt::Display| BindError::from(Refusal::new(&settings.cert, error, REPLACE));
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
        let tls = TlsAcceptor::from(Arc::new(config));
        Ok(Self { tls, chain: Vec::new(), subjects: Vec::new(), authorities: None })
    }

    /// This one at every moment.
    pub(crate) fn fixed(self) -> Acceptors {
        watch::channel(Arc::new(self)).1
    }

    /// What it shows, its own certificate first.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Those of whom one has to have signed the certificate of every client.
    pub(crate) fn authorities(&self) -> &[CertificateDer<'static>] {
        self.authorities.as_ref().map_or(&[], |roots| &roots.certificates)
    }

    /// Whether every client has to show a certificate.
    pub(super) fn demands_certificates(&self) -> bool {
        self.authorities.is_some()
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

impl From<Refusal> for BindError {
    fn from(Refusal { file, what, advice }: Refusal) -> Self {
        Self::File { file, what, advice }
    }
}
