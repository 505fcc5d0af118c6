//! The meaning of MOSIP's error codes as faults, and the reading of MOSIP's error lists.
//!
//! MOSIP reports errors inside HTTP 200 as well as with real statuses, as `errorMessage` or as `message`. A list may hold several:
//! IDA's filter puts IDA-MLC-007, which says nothing, in front of the code that says what is wrong.

mod ida_codes;
mod packet_codes;

use serde::Deserialize;

pub(crate) use self::packet_codes::was_here_before;
use crate::error::{Code, Error, Fault, Result};
use crate::refusal;

/// One element of `errors`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamError {
    /// E.g. `OPN-CRVS-026`.
    #[serde(default)]
    pub error_code: String,
    /// MOSIP's sentence.
    #[serde(default, alias = "message")]
    pub error_message: String,
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        let meaning = Meaning::of_error(&error);
        let named = printable(&error.error_code);
        let answered = format!("MOSIP answered {named}");
        let is_of_record = meaning.fault == Fault::Caller;
        let detail = if is_of_record { format!("{answered}. {}", meaning.registrar) } else { answered };
        let refusal = match (meaning.fault, meaning.pointer) {
            (Fault::Caller, Some(pointer)) => Self::field(pointer, detail),
            (Fault::Caller, None) => Self::new(Code::Field, detail),
            (Fault::Partner, _) => Self::new(Code::Partner, detail),
            (Fault::Keys, _) => Self::new(Code::Keys, detail),
            _ => Self::new(Code::Upstream, detail),
        };
        let refusal = if is_of_record { refusal } else { refusal.for_registrar(meaning.registrar) };
        refusal
            .blame(meaning.fault, meaning.retryable)
            .advise(meaning.operator)
            .with_upstream(named, error.error_message)
    }
}

/// What a code means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Who has to act.
    pub fault: Fault,
    /// Whether the same request may succeed later, at the latest once what `operator` says is done.
    pub retryable: bool,
    /// Whether the code is a verdict about the person, and not a failure of the call: IDA looked, and the person is not confirmed.
    pub is_verdict: bool,
    /// The part of the caller's body that the code is about, as a JSON pointer.
    pub pointer: Option<&'static str>,
    /// What it means, to the registrar who sits with the person.
    pub registrar: &'static str,
    /// What to do, to the operator.
    pub operator: &'static str,
}

impl Meaning {
    /// The meaning of `error`, by its code and, where one code stands for two things, by its sentence.
    fn of_error(error: &UpstreamError) -> Self {
        ida_codes::meaning_of_sentence(&error.error_code, &error.error_message)
            .unwrap_or_else(|| Self::of(&error.error_code))
    }

    /// Looks `code` up. An unknown code never counts as a fault of the record.
    pub(crate) fn of(code: &str) -> Self {
        if let Some(meaning) = ida_codes::meaning(code).or_else(|| packet_codes::meaning(code)) {
            return meaning;
        }
        let (fault, registrar, operator) = row(code)
            .map_or((Fault::Upstream, UNKNOWN_TO_REGISTRAR, refusal::UNKNOWN), |&(_, fault, advice)| {
                (fault, "Nothing is wrong with the record.", advice)
            });
        Self { fault, retryable: true, is_verdict: false, pointer: None, registrar, operator }
    }
}

const UNKNOWN_TO_REGISTRAR: &str = "The gateway does not know what this code means. Tell the operator.";
const TOKEN: &str = "Check upstream.token: the client id, its secret and its roles at MOSIP's IAM.";

#[rustfmt::skip]
const TABLE: [(&str, Fault, &str); 6] = [
    ("OPN-AUT-", Fault::Partner, TOKEN),
    ("OPN-CRVS-026", Fault::Upstream, "The MOSIP-side mediator refused the signature. If it does so for every event, give it the certificate that /v1/keys lists for signing."),
    ("OPN-CRVS-022", Fault::Upstream, "The MOSIP-side mediator could not open the envelope. If it refuses every event so, seal to its current certificate: replace the file of peer `mosip`."),
    ("OPN-SUB-001", Fault::Upstream, "The MOSIP-side mediator could not take the packet; it can be sent again."),
    ("KER-ATH-", Fault::Partner, TOKEN),
    ("KER-KMS-025", Fault::Keys, "MOSIP no longer has the key we seal to: fetch its current certificate into keys.dir."),
];

/// Returns the most specific error of a list, and the first of equally specific ones. A list that is null, absent or empty means success.
pub(crate) fn check(errors: Option<Vec<UpstreamError>>) -> Result<()> {
    let decisive = errors.into_iter().flatten().reduce(|kept, next| {
        if Weight::of(&next.error_code) > Weight::of(&kept.error_code) { next } else { kept }
    });
    decisive.map_or(Ok(()), |error| Err(error.into()))
}

/// How specific a code is, in ascending order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It is absent, or does not have the form of a code.
    NoCode,
    /// IDA gives it for every failure.
    Generic,
    /// It is not in the table, but MOSIP's administrator may know it.
    Unknown,
    /// It is in the table.
    Known,
}

impl Weight {
    fn of(code: &str) -> Self {
        if printable(code) != code {
            Self::NoCode
        } else if code == ida_codes::GENERIC {
            Self::Generic
        } else if ida_codes::known(code).or_else(|| packet_codes::meaning(code)).is_some()
            || row(code).is_some()
        {
            Self::Known
        } else {
            Self::Unknown
        }
    }
}

/// Whether the code has a meaning here.
pub(crate) fn is_known(code: &str) -> bool {
    Weight::of(code) == Weight::Known
}

/// Whether MOSIP refused the token, and looked at nothing else.
pub(crate) fn is_of_token(code: &str) -> bool {
    code.starts_with("KER-ATH-")
}

fn row(code: &str) -> Option<&'static (&'static str, Fault, &'static str)> {
    TABLE.iter().find(|(prefix, ..)| code.starts_with(prefix))
}

/// Whether MOSIP refused what was sent before it looked at what is in it: the MOSIP-side mediator could not verify or open it, or IDA,
/// whose codes it passes on, refused the call (a clock that is wrong, a partner that has expired).
pub(crate) fn is_unread(code: &str) -> bool {
    matches!(code, "OPN-CRVS-026" | "OPN-CRVS-022") || code.starts_with("IDA-")
}

/// Why a person is not confirmed. No `Debug`: MOSIP's sentence may name which of their details did not fit.
pub struct Reason {
    /// E.g. `IDA-DEA-001`.
    pub code: String,
    /// MOSIP's sentence.
    pub message: String,
    /// What the code means.
    pub meaning: Meaning,
}

/// Reads IDA's error list, which is not empty. Where every error is a verdict about the person, it returns the reasons. Otherwise it returns
/// the failure that [`check`] chooses among the other errors, so that a failure of the call never reads as a verdict.
pub(crate) fn verdict(errors: Vec<UpstreamError>) -> Result<Vec<Reason>> {
    let (mut reasons, mut failures) = (Vec::with_capacity(errors.len()), Vec::new());
    for error in errors {
        let meaning = Meaning::of_error(&error);
        if meaning.is_verdict {
            reasons.push(Reason { code: error.error_code, message: error.error_message, meaning });
        } else {
            failures.push(error);
        }
    }
    check(Some(failures))?;
    Ok(reasons)
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        UpstreamError { error_code: reason.code, error_message: reason.message }.into()
    }
}

/// The code, if it has the form of a code. Our sentences repeat no other text of MOSIP.
pub(super) fn printable(code: &str) -> &str {
    let fits =
        code.len() <= 32 && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fits && !code.is_empty() { code } else { "an error without a code" }
}

#[cfg(test)]
mod tests;
