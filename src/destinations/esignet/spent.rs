//! A login whose code eSignet may have used: it cannot be sent again.

use crate::error::Error;

/// What to do then.
const LOG_IN_AGAIN: &str =
    "Let the person log in again: a code can be used once, and eSignet may have used this one.";

/// `error` of a login whose code was sent: the same login cannot succeed later.
pub(super) fn spent(error: Error) -> Error {
    if !error.retryable() {
        return error;
    }
    let (fault, advice) = (error.fault(), error.advice());
    let advice = match advice == error.code().advice() {
        true => LOG_IN_AGAIN.to_owned(),
        false => format!("{LOG_IN_AGAIN} {advice}"),
    };
    error.blame(fault, false).advise(advice).with_retry_after(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Fault};

    #[test]
    fn a_spent_login_is_not_sent_again_and_who_can_put_it_right_still_learns_how() {
        let away = spent(Error::new(Code::UpstreamTimeout, "late"));
        assert_eq!((away.retryable(), away.fault(), away.advice()), (false, Fault::Upstream, LOG_IN_AGAIN));
        let keys = spent(Error::new(Code::Keys, "does not open").advise("Check the certificate."));
        assert_eq!((keys.retryable(), keys.fault()), (false, Fault::Keys));
        assert!(keys.advice().contains("log in again") && keys.advice().ends_with("Check the certificate."));
        let tampered = Error::new(Code::Tampered, "not believed");
        assert_eq!(spent(tampered.clone()), tampered);
    }
}
