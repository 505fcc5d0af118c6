//! Errors by fault: who has to act, and what they have to do. No error holds personal data. `http::problem` turns an error into a reply.

mod code;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::code::Code;
use crate::crypto::CryptoError;
use crate::words::words;

words! {
    /// Who has to act.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Fault {
        /// The caller's data.
        Caller = "caller",
        /// Our keys or certificates.
        Keys = "keys",
        /// The registration with MOSIP: partner, licence, API key, client secret.
        Partner = "partner",
        /// The upstream is away or broken.
        Upstream = "upstream",
        /// What came back does not verify.
        Tampered = "tampered",
        /// Our disk.
        Storage = "storage",
        /// This program.
        Bug = "bug",
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
    reason: Option<String>,
    pointer: Option<String>,
    upstream: Option<UpstreamCode>,
    operator: Option<String>,
    host: Option<String>,
    registrar: Option<&'static str>,
    is_server_error: bool,
    is_of_all: bool,
    is_before_call: bool,
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
            reason: None,
            pointer: None,
            upstream: None,
            operator: None,
            host: None,
            registrar: None,
            is_server_error: false,
            is_of_all: false,
            is_before_call: false,
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

    /// Adds why, without what follows from it, where the detail says both.
    #[must_use]
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
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

    /// It came of a call to `host`, unless it is known of which call it came.
    #[must_use]
    pub(crate) fn of_call_to(mut self, host: &str) -> Self {
        self.0.host.get_or_insert_with(|| host.to_owned());
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

    /// Whatever is sent there meets it until a person has put it right, though its fault does not say so.
    #[must_use]
    pub(crate) fn of_all(mut self) -> Self {
        self.0.is_of_all = true;
        self.0.retryable = true;
        self
    }

    /// It was found before anything was called, so that it says nothing of whom the call would have reached.
    #[must_use]
    pub(crate) fn before_call(mut self) -> Self {
        self.0.is_before_call = true;
        self
    }

    /// MOSIP asked to be left alone for this long.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Adds a sentence for the registrar who sits with the person. Operators do not read it.
    #[must_use]
    pub(crate) fn for_registrar(mut self, sentence: &'static str) -> Self {
        self.0.registrar = Some(sentence);
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
    /// What is wrong, for callers and operators.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    /// The detail, and what the registrar has to know of it.
    pub(crate) fn detail_for_registrar(&self) -> Cow<'_, str> {
        match self.0.registrar {
            Some(sentence) => format!("{}. {sentence}", self.0.detail).into(),
            None => self.detail().into(),
        }
    }
    /// What to do, for the person who can do it.
    pub fn advice(&self) -> &str {
        &self.0.advice
    }
    /// Why, where the detail says more than that.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// JSON pointer into the caller's body.
    pub fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }
    /// MOSIP's own code, if MOSIP gave one.
    pub fn upstream(&self) -> Option<&UpstreamCode> {
        self.0.upstream.as_ref()
    }
    /// Host and port of the call that it came of.
    pub(crate) fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }
    /// Whether MOSIP answered with a status of 500 or above.
    pub(crate) fn is_server_error(&self) -> bool {
        self.0.is_server_error
    }
    /// Whether it was found before anything was called.
    pub(crate) fn is_before_call(&self) -> bool {
        self.0.is_before_call
    }
    /// Whether whatever is sent there meets it.
    pub(crate) fn is_of_all(&self) -> bool {
        self.0.is_of_all
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

/// `what` and what to do about it, on one line.
pub(crate) fn with_advice(what: &str, advice: &str) -> String {
    match advice.starts_with(char::is_uppercase) {
        true => format!("{}. {advice}", what.trim_end_matches('.')),
        false => format!("{what}; {advice}"),
    }
}
