//! Errors by fault: who has to act, and what they have to do. No error holds personal data. `http::problem` turns an error into a reply.

use std::fmt;
use std::time::Duration;

use crate::crypto::CryptoError;

/// Who can put it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller's data.
    Caller,
    /// Our keys or certificates.
    Keys,
    /// The registration with MOSIP: partner, licence, API key, client secret.
    Partner,
    /// MOSIP is away or broken.
    Upstream,
    /// What came back does not verify.
    Tampered,
    /// Our disk.
    Storage,
    /// This program.
    Bug,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] =
        [Self::Caller, Self::Keys, Self::Partner, Self::Upstream, Self::Tampered, Self::Storage, Self::Bug];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Keys => "keys",
            Self::Partner => "partner",
            Self::Upstream => "upstream",
            Self::Tampered => "tampered",
            Self::Storage => "storage",
            Self::Bug => "bug",
        }
    }
}

impl std::str::FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or_else(|| {
            Error::new(
                Code::Field,
                "the fault is none of caller, keys, partner, upstream, tampered, storage, bug",
            )
            .advise("Write one of them.")
        })
    }
}

/// The problem codes of the plain API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// Not JSON, not base64, not an envelope, not a token.
    Malformed,
    /// A value is wrong or missing; `pointer` says which.
    Field,
    /// The thumbprint is not in the ring and the policy is `reject`.
    UnknownKey,
    /// Unwrapping or GCM failed. The caller never learns which.
    Decrypt,
    /// The signature is wrong.
    SignatureInvalid,
    /// The signature is absent.
    SignatureMissing,
    /// The signature is good, but the certificate of the signer has ended.
    SignerExpired,
    /// The same `Idempotency-Key` with other content.
    IdempotencyConflict,
    /// Retry or discard of an entry in the wrong state.
    StateConflict,
    /// No such thing.
    NotFound,
    /// The wrong method on a known path.
    MethodNotAllowed,
    /// No upstream URL is set for this kind of event.
    KindNotConfigured,
    /// Larger than the limit.
    TooLarge,
    /// Not the content type the route wants.
    MediaType,
    /// No bearer token, or a wrong one.
    Unauthorized,
    /// No signature of the caller over its message, or a wrong one.
    CallerSignature,
    /// Refused origin, host or caller.
    Forbidden,
    /// The body did not arrive within the deadline.
    Timeout,
    /// Too much in flight; try again.
    Busy,
    /// A reply that does not verify.
    Tampered,
    /// MOSIP is away or broken; 504 on time-out.
    Upstream,
    /// MOSIP's deadline passed.
    UpstreamTimeout,
    /// The partner registration is refused.
    Partner,
    /// A key or certificate is missing or unusable.
    Keys,
    /// The place that holds a private key cannot be reached for now, so nothing is known about the message.
    KeyUnavailable,
    /// The disk.
    Storage,
    /// A defect of ours.
    Bug,
}

/// One refusal: what is wrong, whose fault it is, and what to do.
///
/// `detail` and `advice` are shown to the caller and logged, so neither ever holds a payload, a secret or personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    code: Code,
    fault: Fault,
    retryable: bool,
    detail: String,
    advice: String,
    pointer: Option<String>,
    upstream: Option<UpstreamCode>,
    operator: Option<String>,
    is_server_error: bool,
    retry_after: Option<Duration>,
}

/// MOSIP's own code and words, carried along to the caller, never logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamCode {
    /// E.g. `IDA-MLC-007`.
    pub code: String,
    /// MOSIP's sentence.
    pub message: String,
}

/// The result of everything above `crypto` and `keys`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refusal with the fault, status and advice that belong to `code`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            fault: code.fault(),
            retryable: code.retryable(),
            detail: detail.into(),
            advice: code.advice().to_owned(),
            pointer: None,
            upstream: None,
            operator: None,
            is_server_error: false,
            retry_after: None,
        }))
    }

    /// A wrong or missing value; `pointer` is a JSON pointer (RFC 6901) into the caller's body.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut error = Self::new(Code::Field, detail);
        error.0.pointer = Some(pointer.into());
        error
    }

    /// Replaces the advice.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = advice.into();
        self
    }

    /// Replaces fault and retryability (MOSIP's code table decides them for upstream answers).
    #[must_use]
    pub(crate) fn blame(mut self, fault: Fault, retryable: bool) -> Self {
        self.0.fault = fault;
        self.0.retryable = retryable;
        self
    }

    /// Puts `prefix` in front of the pointer, if there is one, for a value inside a larger body.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        if let Some(pointer) = &mut self.0.pointer {
            pointer.insert_str(0, prefix);
        }
        self
    }

    /// Adds MOSIP's own code and sentence.
    #[must_use]
    pub(crate) fn with_upstream(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.upstream = Some(UpstreamCode { code: code.into(), message: message.into() });
        self
    }

    /// MOSIP answered with a status of 500 or above. It is away or broken, whatever the body of the answer says.
    #[must_use]
    pub(crate) fn with_server_error(mut self) -> Self {
        self.0.code = Code::Upstream;
        self.0.pointer = None;
        self.0.is_server_error = true;
        self.blame(Fault::Upstream, true)
    }

    /// MOSIP asked to be left alone for this long.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Adds a detail for the operator's log only (never personal, never secret): which step of opening failed.
    #[must_use]
    pub(crate) fn for_operator(mut self, detail: impl Into<String>) -> Self {
        self.0.operator = Some(detail.into());
        self
    }

    /// The problem code.
    pub fn code(&self) -> Code {
        self.0.code
    }
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        self.0.fault
    }
    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }
    /// What is wrong, for the caller.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    /// What to do, for the person who can do it.
    pub fn advice(&self) -> &str {
        &self.0.advice
    }
    /// JSON pointer into the caller's body.
    pub fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }
    /// MOSIP's own code, if MOSIP gave one.
    pub fn upstream(&self) -> Option<&UpstreamCode> {
        self.0.upstream.as_ref()
    }
    /// Whether MOSIP answered with a status of 500 or above.
    pub(crate) fn is_server_error(&self) -> bool {
        self.0.is_server_error
    }
    /// How long MOSIP asked to be left alone, unbounded.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
    /// The operator's detail.
    pub fn operator_detail(&self) -> Option<&str> {
        self.0.operator.as_deref()
    }
}

/// The caller gets the same answer for every failure of unwrapping or decrypting. The step that failed goes to the operator's log.
impl From<CryptoError> for Error {
    fn from(refusal: CryptoError) -> Self {
        let code = match &refusal {
            CryptoError::Malformed(_) => Code::Malformed,
            CryptoError::Decrypt(_) => Code::Decrypt,
            CryptoError::Signature(_) => Code::SignatureInvalid,
            CryptoError::Key(_) => Code::Keys,
            CryptoError::Unavailable(_) => Code::KeyUnavailable,
        };
        Self::new(code, refusal.to_string()).for_operator(refusal.stage())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl std::error::Error for Error {}

impl Code {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// The fault this code has unless MOSIP's own code says otherwise.
    pub const fn fault(self) -> Fault {
        self.row().2
    }

    /// Whether the same request can succeed later, at the latest once its advice is followed.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Timeout
                | Self::Upstream
                | Self::UpstreamTimeout
                | Self::Keys
                | Self::KeyUnavailable
                | Self::Partner
                | Self::Storage
        )
    }

    /// One sentence that says what to do.
    pub const fn advice(self) -> &'static str {
        self.row().4
    }

    /// How a caller can prove itself who has not, for `WWW-Authenticate` (RFC 9110 11.6.1).
    pub const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => Some("Bearer"),
            Self::CallerSignature => Some("X-Hub-Signature"),
            _ => None,
        }
    }

    /// The human title of RFC 9457.
    pub const fn title(self) -> &'static str {
        self.row().3
    }

    #[rustfmt::skip]
    const fn row(self) -> (&'static str, u16, Fault, &'static str, &'static str) {
        match self {
            Self::Malformed => ("malformed", 400, Fault::Caller, "The message cannot be read", "Send the form that docs/api.md gives for this route."),
            Self::Field => ("field", 422, Fault::Caller, "A value is wrong or missing", "Correct the value at `pointer`."),
            Self::UnknownKey => ("unknown-key", 422, Fault::Keys, "The message is addressed to a key that is not loaded", "Put the key with this thumbprint into keys.dir, or set unknown_thumbprint = \"try\" for a peer that writes no real thumbprint."),
            Self::Decrypt => ("decrypt", 422, Fault::Caller, "The message does not open", "Ask the sender to seal again to the certificate that /v1/keys lists; the operator's log says which step failed."),
            Self::SignatureInvalid => ("signature-invalid", 422, Fault::Tampered, "The signature is wrong", "Do not use the message; check that the peer's certificate is the current one."),
            Self::SignatureMissing => ("signature-missing", 422, Fault::Tampered, "The signature is absent", "Ask the sender to sign; an unsigned message is never passed on."),
            Self::SignerExpired => ("signer-expired", 422, Fault::Keys, "The certificate of the signer has ended", "Put the signer's current certificate into the configuration."),
            Self::IdempotencyConflict => ("idempotency-conflict", 409, Fault::Caller, "This key came with other content", "Give every event an Idempotency-Key of its own, or none."),
            Self::StateConflict => ("state-conflict", 409, Fault::Caller, "The event is in another state", "Look at its state under /v1/events; only what is queued or parked can be retried or discarded."),
            Self::NotFound => ("not-found", 404, Fault::Caller, "There is no such thing", "Check the path and the id."),
            Self::MethodNotAllowed => ("method-not-allowed", 405, Fault::Caller, "The path does not take this method", "Use the method in the Allow header."),
            Self::KindNotConfigured => ("kind-not-configured", 422, Fault::Caller, "No upstream URL is set for this kind", "Set the URL under [upstream.mediator]."),
            Self::TooLarge => ("too-large", 413, Fault::Caller, "The body is larger than the limit", "Send less, or raise listen.body_limit."),
            Self::MediaType => ("media-type", 415, Fault::Caller, "The content type is not the one this route takes", "Send Content-Type: application/json."),
            Self::Unauthorized => ("unauthorized", 401, Fault::Caller, "The bearer token is absent or wrong", "Send Authorization: Bearer with the token this listener is configured with."),
            Self::CallerSignature => ("unauthorized", 401, Fault::Caller, "The signature of the caller is absent or wrong", "Sign the body with the secret that this gateway is configured with, and send the signature in X-Hub-Signature."),
            Self::Forbidden => ("forbidden", 403, Fault::Caller, "This caller is refused", "Call from the mediator, not from a browser page; add further host names to listen.hosts."),
            Self::Timeout => ("timeout", 408, Fault::Caller, "The body did not arrive in time", "Send the whole body without pause."),
            Self::Busy => ("busy", 503, Fault::Upstream, "Too much is in flight", "Try again after the time in Retry-After."),
            Self::Tampered => ("tampered", 502, Fault::Tampered, "The reply does not verify", "Do not use the reply; check the certificate of the signer and the path to MOSIP."),
            Self::Upstream => ("upstream", 502, Fault::Upstream, "MOSIP is away or broken", "Nothing is wrong with the record; it can be sent again."),
            Self::UpstreamTimeout => ("upstream", 504, Fault::Upstream, "MOSIP did not answer in time", "Nothing is wrong with the record; it can be sent again."),
            Self::Partner => ("partner", 502, Fault::Partner, "MOSIP refuses this partner", "Check partner id, licence key, API key and client secret with the MOSIP administrator."),
            Self::Keys => ("keys", 503, Fault::Keys, "A key or certificate is missing or unusable", "Run `mosip-gateway doctor` and replace the file it names."),
            Self::KeyUnavailable => ("keys", 503, Fault::Keys, "A private key is unavailable", "Bring back what keeps the key; nothing is wrong with the message, and it can be sent again."),
            Self::Storage => ("storage", 507, Fault::Storage, "The outbox cannot be read or written", "Free space on the volume of outbox.path."),
            Self::Bug => ("bug", 500, Fault::Bug, "The gateway failed", "Report this with the log line of the same time."),
        }
    }
}
