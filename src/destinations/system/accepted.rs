//! What the status of another ID system's answer says.

use http::StatusCode;

use crate::config::value::{Complaint, complaint};
use crate::error::{Code, Error, Fault};
use crate::refusal;

/// Which statuses say that the system took a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Every 2xx.
    success: bool,
    /// These, too.
    statuses: Vec<StatusCode>,
}

impl Default for Taken {
    fn default() -> Self {
        Self { success: true, statuses: Vec::new() }
    }
}

impl Taken {
    /// `accepted`: `2xx` and statuses, between commas. A refusal of this gateway, or a wish for time, is never a success, nor is a redirect or
    /// a failure of the system.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let wrong = || {
            complaint(
                "is neither 2xx nor a list of statuses that can mean success",
                "write \"2xx\", or statuses between commas, such as \"2xx, 409\"",
            )
        };
        let mut taken = Self { success: false, statuses: Vec::new() };
        for word in text.split(',').map(str::trim) {
            if word == "2xx" {
                taken.success = true;
                continue;
            }
            let status = word.parse().map_err(|_| wrong())?;
            let can_be = matches!(status, StatusCode::CONFLICT | StatusCode::GONE) || status.is_success();
            taken.statuses.push(can_be.then_some(status).ok_or_else(wrong)?);
        }
        Ok(taken)
    }

    /// Whether `status` is one of them.
    pub(crate) fn holds(&self, status: StatusCode) -> bool {
        (self.success && status.is_success()) || self.statuses.contains(&status)
    }
}

/// Why the system `name`, whose settings stand in `section`, did not take a post: it answered `status`.
///
/// 401, 403 and 407 are about this gateway, and a redirect or a success that is not among those of `accepted` about its settings: they hit
/// all posts alike and end when a person has put them right. 408, 425, 429 and 5xx ask for a later attempt. Any other 4xx is about this post.
pub(super) fn refused(name: &str, section: &str, status: StatusCode) -> Error {
    let answered = format!("{name} answered {}", status.as_u16());
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Error::new(Code::Partner, format!("{answered}: it refuses this gateway")).advise(format!(
                "Check with the administrator of {name} how it knows this gateway: token, sign and headers of {section}."
            ))
        }
        status if status.is_success() => Error::new(
            Code::Partner,
            format!("{answered}, which {section}.accepted does not name"),
        )
        .advise(format!(
            "Ask the administrator of {name} what this status means. If it means that the post was taken, add it to {section}.accepted."
        )),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Error::new(Code::Upstream, answered)
        }
        status if status.is_client_error() => {
            Error::new(Code::Upstream, format!("{answered}: it refuses this event"))
                .blame(Fault::Caller, false)
                .advise(format!(
                    "Read in the log of {name} why. Where the registration is wrong, have it corrected in OpenCRVS; where {section}.url \
                     leads elsewhere, correct it; then try the event again, or discard it."
                ))
                .with_upstream(status.as_str(), "")
        }
        _ => refusal::of_status(name, status, &format!("{section}.url")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(number: u16) -> StatusCode {
        StatusCode::from_u16(number).unwrap()
    }

    #[test]
    fn what_counts_as_taken_is_what_the_setting_names() {
        let of = |text: &str, number| Taken::parse(text).unwrap().holds(status(number));
        assert!(of("2xx", 200) && of("2xx", 299) && !of("2xx", 300) && !of("2xx", 409));
        assert!(of("202", 202) && !of("202", 200));
        assert!(of("2xx, 409", 409) && of("2xx,409", 201) && of("200,410", 410));
        assert_eq!(Taken::default(), Taken::parse("2xx").unwrap());
    }

    #[test]
    fn a_status_that_never_means_success_is_refused_at_start() {
        for text in [
            "", "xx", "2XX", "2xx,", "302", "401", "403", "404", "422", "429", "500", "99", "1000", "2xx 409",
        ] {
            assert!(Taken::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_other_status_has_a_fault() {
        let fault = |number| refused("nia", "systems[0]", status(number)).fault();
        for number in [200, 204, 301, 302, 307, 308, 401, 403, 407] {
            assert_eq!(fault(number), Fault::Partner, "{number}");
        }
        for number in [400, 404, 405, 409, 410, 413, 415, 422, 451] {
            assert_eq!(fault(number), Fault::Caller, "{number}");
        }
        for number in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(fault(number), Fault::Upstream, "{number}");
        }
    }
}
