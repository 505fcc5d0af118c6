//! Why a request brought no answer, and who has to act.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use crate::clock::Timestamp;
use crate::crypto::words;
use crate::error::{Code, Error};

/// Why a request brought no answer. `Display` names host and port and nothing else of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No connection: refused, no such host, no TLS there, or the deadline passed while connecting. Nothing was sent.
    #[error("no connection to {host}: {reason}")]
    NotSent {
        /// `host[:port]`
        host: String,
        /// The message of the system or of rustls.
        reason: String,
        /// What the system calls it, where it was the system that said so.
        kind: ErrorKind,
    },
    /// The server's certificate does not verify. Nothing was sent.
    #[error("the certificate of {host} is not accepted: {reason}")]
    Certificate {
        /// `host[:port]`
        host: String,
        /// What is wrong with it.
        reason: NotTrusted,
    },
    /// The certificate by which the server would know us cannot be used. Nothing was sent.
    #[error("no client certificate can be shown to {host}: {what}")]
    NoCertificate {
        /// `host[:port]`
        host: String,
        /// The file, and what is wrong with it.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The server knows its callers by certificates, and does not accept ours.
    #[error("{host} {}", not_accepted(.why, .setting.as_deref()))]
    NotAccepted {
        /// `host[:port]`
        host: String,
        /// What the server says of it.
        why: &'static str,
        /// The setting that holds what it was shown. `None`: nothing was.
        setting: Option<String>,
    },
    /// The URL is `http` to another machine, and no `danger` setting allows it. Nothing was sent.
    #[error("plain http to {host} is refused: it is not this machine")]
    PlainHttp {
        /// `host[:port]`
        host: String,
    },
    /// The deadline passed after the request had been sent, wholly or in part.
    #[error("{host} did not answer within {} ms", after.as_millis())]
    Timeout {
        /// `host[:port]`
        host: String,
        /// The deadline.
        after: Duration,
    },
    /// The answer is larger than the limit; it was not read to its end.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// `host[:port]`
        host: String,
        /// The limit, bytes.
        limit: usize,
    },
    /// The connection broke, or the answer is not HTTP, after the request had been sent, wholly or in part.
    #[error("the connection to {host} broke: {reason}")]
    Broken {
        /// `host[:port]`
        host: String,
        /// The message of the system or of hyper.
        reason: String,
    },
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTrusted {
    /// It chains to no root that we trust.
    #[error("none of the trusted roots has signed it")]
    UnknownRoot,
    /// It has expired.
    #[error("it expired at {}", .0.to_iso())]
    Expired(Timestamp),
    /// It is not valid yet.
    #[error("it is not valid before {}", .0.to_iso())]
    NotYetValid(Timestamp),
    /// It is issued for other names.
    #[error("it is made out to another name ({0})")]
    OtherName(String),
    /// No root is trusted, since the file of `upstream.ca_file` cannot be used.
    #[error("no root is trusted, since upstream.ca_file cannot be used")]
    NoRoot,
    /// Anything else.
    #[error("{0}")]
    Other(&'static str),
}

impl SendError {
    /// Classifies an error of the client. `sent` says whether the request may have been sent.
    pub(super) fn of(host: String, sent: bool, error: &(dyn StdError + 'static)) -> Self {
        match innermost(error) {
            Cause::Certificate(error) => Self::Certificate { host, reason: NotTrusted::of(error) },
            Cause::NotAccepted(why) => Self::NotAccepted { host, why, setting: None },
            Cause::Text(reason, _) if sent => Self::Broken { host, reason },
            Cause::Text(reason, kind) => Self::NotSent { host, reason, kind },
        }
    }

    /// Whether no byte of the request was sent, so that a repeat cannot have a double effect.
    pub(crate) fn is_retry_safe(&self) -> bool {
        matches!(
            self,
            Self::NotSent { .. }
                | Self::Certificate { .. }
                | Self::NoCertificate { .. }
                | Self::PlainHttp { .. }
        )
    }
}

impl From<SendError> for Error {
    fn from(failure: SendError) -> Self {
        let code = match failure {
            SendError::Timeout { .. } => Code::UpstreamTimeout,
            SendError::NoCertificate { .. } | SendError::NotAccepted { .. } => Code::Keys,
            _ => Code::Upstream,
        };
        let error = Self::new(code, failure.to_string());
        match failure {
            SendError::Certificate { .. } => error.advise(
                "Name the root that signs this server in upstream.ca_file; an expired or misnamed certificate has to be \
                 replaced on that server, or its URL corrected.",
            ),
            SendError::NoCertificate { advice, .. } => {
                error.advise(format!("{}; no restart is needed.", capitalized(advice)))
            }
            SendError::NotAccepted { setting: None, .. } => error.advise(
                "Set client_cert and client_key in the section of this URL, or in [upstream], to a certificate that this server accepts.",
            ),
            SendError::NotAccepted { setting: Some(setting), .. } => error.advise(format!(
                "Put a certificate into the file of {setting} that an authority of this server has signed and that has not ended; no restart \
                 is needed."
            )),
            SendError::PlainHttp { .. } => {
                error.advise("Use an https URL; a host in upstream.danger_plain_http_hosts is sent tokens in the clear.")
            }
            SendError::NotSent { host, kind, .. } => error.advise(match kind {
                ErrorKind::ConnectionRefused => format!(
                    "Start the server that is to listen at {host}, or correct its URL in the configuration; nothing was sent."
                ),
                ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => format!(
                    "Open the way to {host} (routes, firewalls), or correct its URL in the configuration; nothing was sent."
                ),
                _ => format!(
                    "Check that {host} has an address and its server is up, or correct its URL in the configuration; nothing was sent."
                ),
            }),
            _ => error,
        }
    }
}

impl NotTrusted {
    fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownRoot,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(moment(*not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(moment(*not_before)),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::OtherName(presented.join(", "))
            }
            other => Self::Other(words::of(other)),
        }
    }
}

fn moment(at: UnixTime) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

/// The rest of a sentence about the server. `setting`: what it was shown.
fn not_accepted(why: &str, setting: Option<&str>) -> String {
    match setting {
        None => "demands a client certificate, and none is set for it".to_owned(),
        Some(setting) => format!("does not accept the certificate in {setting}: {why}"),
    }
}

/// What a server says of the certificate of its client, in words. `None`: it says something else.
fn of_client(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired => "it takes none of this kind",
        AlertDescription::UnknownCA => "none of the authorities that it knows has signed it",
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it is revoked",
        AlertDescription::UnsupportedCertificate => "it is of a kind that the server does not take",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "the server gives no reason"
        }
        AlertDescription::AccessDenied => "whom it names is not let in",
        _ => return None,
    })
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

enum Cause<'a> {
    Certificate(&'a CertificateError),
    NotAccepted(&'static str),
    Text(String, ErrorKind),
}

/// Follows the sources down to the certificate or to the innermost error. hyper, rustls and the system name no URL there.
fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> Cause<'a> {
    let mut last = error;
    loop {
        if let Some(rustls::Error::InvalidCertificate(error)) = last.downcast_ref() {
            return Cause::Certificate(error);
        }
        if let Some(rustls::Error::AlertReceived(alert)) = last.downcast_ref()
            && let Some(why) = of_client(*alert)
        {
            return Cause::NotAccepted(why);
        }
        // `io::Error::source` skips the error that it wraps.
        let wrapped = last.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let next = wrapped.map(|error| error as &'a (dyn StdError + 'static)).or_else(|| last.source());
        match next {
            Some(error) => last = error,
            None => {
                let kind = last.downcast_ref().map_or(ErrorKind::Other, std::io::Error::kind);
                return Cause::Text(last.to_string(), kind);
            }
        }
    }
}
