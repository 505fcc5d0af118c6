//! MOSIP's error codes in our fault language, and the one reading of its error lists.
//!
//! MOSIP reports errors inside HTTP 200 as well as with real statuses, as `errorMessage` or as `message` (PROTOCOL.md 9).

use serde::Deserialize;

use crate::error::{Code, Error, Fault, Result};

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
        let meaning = Meaning::of(&error.error_code);
        let code = match meaning.fault {
            Fault::Partner => Code::Partner,
            Fault::Keys => Code::Keys,
            _ => Code::Upstream,
        };
        Self::new(code, format!("MOSIP answered {}", printable(&error.error_code)))
            .blame(meaning.fault, true)
            .advise(meaning.advice)
            .with_upstream(error.error_code, error.error_message)
    }
}

/// What a code means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Whose move it is.
    pub fault: Fault,
    /// What the operator does.
    pub advice: &'static str,
}

impl Meaning {
    /// Looks `code` up; a code that is not in the table means that MOSIP is broken, never that the record is.
    pub fn of(code: &str) -> Self {
        let row = TABLE.iter().find(|(prefix, ..)| code.starts_with(prefix));
        let (fault, advice) = row.map_or((Fault::Upstream, UNKNOWN), |&(_, fault, advice)| (fault, advice));
        Self { fault, advice }
    }
}

const UNKNOWN: &str =
    "The gateway does not know this code; nothing is wrong with the record, it can be sent again.";
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

/// The first error of a list; `Ok` for null, absent and empty, which all mean success.
pub fn check(errors: Option<Vec<UpstreamError>>) -> Result<()> {
    errors.into_iter().flatten().next().map_or(Ok(()), |error| Err(error.into()))
}

/// A code is MOSIP's word in our sentence: only what a code can be made of is repeated.
fn printable(code: &str) -> &str {
    let fits = code.len() <= 32 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits && !code.is_empty() { code } else { "an error without a code" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(json: &str) -> Option<Vec<UpstreamError>> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_and_empty_are_success() {
        assert!(check(None).is_ok());
        assert!(check(errors("null")).is_ok());
        assert!(check(errors("[]")).is_ok());
    }

    #[test]
    fn both_spellings_of_the_message_are_carried_along_and_never_shown_in_the_detail() {
        for key in ["errorMessage", "message"] {
            let error =
                check(errors(&format!(r#"[{{"errorCode":"OPN-AUT-002","{key}":"Jane Doe"}}]"#))).unwrap_err();
            assert_eq!(error.fault(), Fault::Partner);
            assert_eq!(error.upstream().unwrap().message, "Jane Doe");
            assert!(!error.to_string().contains("Jane"));
        }
    }

    #[test]
    fn an_unknown_code_is_never_the_records_fault() {
        let error = check(errors(r#"[{"errorCode":"<script>Jane"}]"#)).unwrap_err();
        assert_eq!((error.fault(), error.retryable()), (Fault::Upstream, true));
        assert!(!error.detail().contains("script"));
    }
}
