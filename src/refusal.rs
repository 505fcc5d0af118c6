//! What the status of an answer says that is no success and holds no code of MOSIP's: who has to act.

use http::StatusCode;

use crate::error::{Code, Error, Fault};

/// The advice where the gateway cannot tell whether the record or the other side is at fault.
pub(crate) const UNKNOWN: &str = "The gateway does not know this refusal, and so not whether the record or the other side has to be put right. Ask the \
     administrator of that side, whose log says why.";

/// The failure that `status` stands for, of `who` ("MOSIP"); `setting` holds the URL.
///
/// A redirect, 404 and 405 say that the URL leads elsewhere. They hit everything that goes there and end when a person corrects the
/// URL, so they have fault [`Fault::Partner`]. 413 is about this record and a limit at that URL.
pub(crate) fn of_status(who: &str, status: StatusCode, setting: &str) -> Error {
    let number = status.as_u16();
    let error = |what: &str| Error::new(Code::Upstream, format!("{who} answered {number}{what}"));
    let of_url = |what: &str, advice: String| error(what).blame(Fault::Partner, true).advise(advice);
    match status {
        _ if status.is_redirection() => of_url(
            ", a redirect, which is not followed",
            format!(
                "Set {setting} to the address that answers by itself; a redirect leads to a login page, or from http to https."
            ),
        ),
        StatusCode::NOT_FOUND | StatusCode::GONE => of_url(
            ": there is nothing at this URL",
            format!("Correct {setting}: the path leads to nothing on that server."),
        ),
        StatusCode::METHOD_NOT_ALLOWED => of_url(
            ": this URL takes another method",
            format!("Correct {setting}: what stands there is another service."),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => error(": the body is larger than that server takes")
            .advise(format!(
                "Have the limit for bodies raised on the server at {setting}, or on the proxy before it."
            ))
            .with_upstream(status.as_str(), ""),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => error(""),
        _ if status.is_client_error() => {
            error(" without a code that says why").advise(UNKNOWN).with_upstream(status.as_str(), "")
        }
        _ => error(""),
    }
}

/// The failure of an answer under `status` whose body is not what was expected.
pub(crate) fn of_body(who: &str, status: StatusCode, setting: &str) -> Error {
    if !status.is_success() {
        return of_status(who, status, setting);
    }
    Error::new(
        Code::Upstream,
        format!("{who} answered {} with a body that is not the expected JSON", status.as_u16()),
    )
    .advise(format!("Check {setting}: something else answers there, such as a login page or a proxy."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16) -> Error {
        of_body("MOSIP", StatusCode::from_u16(status).unwrap(), "upstream.x.url")
    }

    #[test]
    fn a_url_that_leads_elsewhere_waits_for_a_person_and_names_the_setting() {
        for status in [300, 301, 302, 303, 307, 308, 404, 405, 410] {
            let error = of(status);
            assert_eq!(
                (error.code(), error.fault(), error.retryable()),
                (Code::Upstream, Fault::Partner, true)
            );
            assert!(error.advice().contains("upstream.x.url"), "{status}: {}", error.advice());
            assert!(error.detail().contains(&status.to_string()), "{status}");
        }
        assert!(of(302).detail().contains("redirect"));
    }

    #[test]
    fn a_body_that_is_too_large_is_about_this_record_and_names_the_setting() {
        let error = of(413);
        assert_eq!((error.fault(), error.retryable()), (Fault::Upstream, true));
        assert!(error.advice().contains("upstream.x.url") && error.upstream().is_some(), "the others go on");
    }

    #[test]
    fn nothing_is_said_of_the_record_where_nothing_is_known() {
        for status in [200, 301, 302, 400, 404, 405, 409, 413, 415, 422, 431] {
            let advice = of(status).advice().to_lowercase();
            assert!(!advice.contains("nothing is wrong"), "{status}: {advice}");
        }
        for status in [400, 409, 422] {
            assert!(of(status).advice().contains("does not know"), "{status}");
            assert_eq!(of(status).fault(), Fault::Upstream, "{status}");
        }
    }

    #[test]
    fn who_is_away_or_asks_for_time_says_nothing_against_the_record() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(
                (of(status).fault(), of(status).upstream().is_none()),
                (Fault::Upstream, true),
                "{status}"
            );
            assert!(of(status).advice().contains("it can be sent again"), "{status}");
        }
    }
}
