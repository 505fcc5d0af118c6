//! Refusals in the words of a login: what was made for registrations speaks of records, which can be sent again.

use crate::error::{Code, Error};
use crate::refusal;

/// What to do where eSignet may have used the code.
const LOG_IN_AGAIN: &str =
    "Let the person log in again: a code can be used once, and eSignet may have used this one.";

/// Where it has not.
const SEND_AGAIN: &str = "Nothing is wrong with the login; it can be sent again.";

/// Where nobody knows.
const UNKNOWN: &str = "The gateway does not know this refusal, and so not whether the login or eSignet has to be put right. Ask the administrator of \
     eSignet, whose log says why.";

/// `error` of a login. Where its code was sent, the same login cannot succeed later.
pub(super) fn of_a_login(error: Error, is_sent: bool) -> Error {
    let is_usual = error.advice() == error.code().advice();
    let is_spent = is_sent && error.retryable();
    let advice = match error.advice() {
        refusal::UNKNOWN => UNKNOWN,
        _ if is_usual && is_spent => "",
        advice if advice == Code::Upstream.advice() => SEND_AGAIN,
        advice => advice,
    };
    match is_spent {
        true => {
            let (fault, advice) = (error.fault(), format!("{LOG_IN_AGAIN} {advice}"));
            error.blame(fault, false).advise(advice.trim_end()).with_retry_after(None)
        }
        false => {
            let advice = advice.to_owned();
            error.advise(advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::error::Fault;

    #[test]
    fn a_spent_login_is_not_sent_again_and_who_can_put_it_right_still_learns_how() {
        let away = of_a_login(Error::new(Code::UpstreamTimeout, "late"), true);
        assert_eq!((away.retryable(), away.fault(), away.advice()), (false, Fault::Upstream, LOG_IN_AGAIN));
        let keys = of_a_login(Error::new(Code::Keys, "does not open").advise("Check the certificate."), true);
        assert_eq!((keys.retryable(), keys.fault()), (false, Fault::Keys));
        assert!(keys.advice().contains("log in again") && keys.advice().ends_with("Check the certificate."));
        let tampered = Error::new(Code::Tampered, "not believed");
        assert_eq!(of_a_login(tampered.clone(), true), tampered);
    }

    #[test]
    fn nothing_is_said_of_a_record_where_there_is_a_login() {
        let status =
            |status| refusal::of_status("eSignet", StatusCode::from_u16(status).unwrap(), "esignet.x");
        let statuses = [301, 400, 403, 404, 405, 408, 413, 429, 500, 503].map(status);
        let others = [Error::new(Code::Upstream, "broke"), Error::new(Code::UpstreamTimeout, "late")];
        for error in others.into_iter().chain(statuses) {
            for is_sent in [false, true] {
                let told = of_a_login(error.clone(), is_sent);
                assert!(!told.advice().contains("record"), "{told}: {}", told.advice());
                assert!(!is_sent || told.advice().contains("log in again"), "{told}: {}", told.advice());
                assert_eq!((told.code(), told.retryable()), (error.code(), !is_sent), "{told}");
            }
        }
        for error in [status(400), status(503)] {
            let told = of_a_login(error, false);
            assert!(told.advice().contains("the login"), "{told}: {}", told.advice());
        }
    }
}
