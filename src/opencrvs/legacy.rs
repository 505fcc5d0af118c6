//! The bodies that the country configuration of OpenCRVS 1.x takes for an application id and for a UINTOKEN.

use std::collections::BTreeMap;

use http::StatusCode;

use crate::error::{Code, Error, Fault, Result};
use crate::refusal;
use crate::registration::Aid;

/// The number by which OpenCRVS finds the registration.
#[derive(Clone, Copy)]
pub(crate) enum Number<'a> {
    /// Birth registration number.
    Brn(&'a str),
    /// Death registration number.
    Drn(&'a str),
}

/// `{"BRN"|"DRN": number, "MOSIP_AID": aid}`
pub(crate) fn aid_body(number: Number<'_>, aid: &Aid) -> Result<Vec<u8>> {
    let (name, number) = match number {
        Number::Brn(number) => ("BRN", number),
        Number::Drn(number) => ("DRN", number),
    };
    body([(name, number), ("MOSIP_AID", aid.as_str())])
}

/// `{"BRN": number, "<member>": token}`; `member` is `MOSIP_PSUT_TOKEN_ID`, or `UINTOKEN` for the oldest country configurations.
pub(crate) fn token_body(brn: &str, member: &str, uin_token: &str) -> Result<Vec<u8>> {
    body([("BRN", brn), (member, uin_token)])
}

fn body(members: [(&str, &str); 2]) -> Result<Vec<u8>> {
    serde_json::to_vec(&BTreeMap::from(members))
        .map_err(|_| Error::new(Code::Bug, "a body for OpenCRVS does not serialise"))
}

/// 2xx means that the country configuration took the body, whatever it answers. 401 means that it refuses the token, which affects every
/// entry alike. 408, 429 and 5xx ask for a later attempt: the country configuration answers 500 for a record that it does not find yet. Any
/// other 4xx is about this entry.
pub(crate) fn read_answer(status: StatusCode) -> Result<()> {
    let answered = format!("the country configuration of OpenCRVS answered {}", status.as_u16());
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED => Err(Error::new(Code::Partner, answered).advise(
            "Give the client of opencrvs.client_id the scope nationalId in OpenCRVS, and check that opencrvs.auth_url and \
             opencrvs.legacy_url belong to one OpenCRVS.",
        )),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Error::new(Code::Upstream, answered)),
        status if status.is_client_error() => {
            Err(Error::new(Code::Upstream, answered).blame(Fault::Caller, false).advise(
                "Check opencrvs.legacy_url and opencrvs.legacy_token_member, and read in the log of the country configuration why; \
                 then try the entry again, or discard it.",
            ))
        }
        _ => Err(refusal::of_status("the country configuration of OpenCRVS", status, "opencrvs.legacy_url")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_those_that_the_country_configuration_reads() {
        let aid = Aid::parse("10001").unwrap();
        let text = |body: Result<Vec<u8>>| String::from_utf8(body.unwrap()).unwrap();
        assert_eq!(text(aid_body(Number::Brn("2022B1"), &aid)), r#"{"BRN":"2022B1","MOSIP_AID":"10001"}"#);
        assert_eq!(
            text(aid_body(Number::Drn("2022D\"1"), &aid)),
            r#"{"DRN":"2022D\"1","MOSIP_AID":"10001"}"#
        );
        let token = |member| text(token_body("2022B1", member, "36"));
        assert_eq!(token("MOSIP_PSUT_TOKEN_ID"), r#"{"BRN":"2022B1","MOSIP_PSUT_TOKEN_ID":"36"}"#);
        assert_eq!(token("UINTOKEN"), r#"{"BRN":"2022B1","UINTOKEN":"36"}"#);
    }

    #[test]
    fn every_status_is_taken_or_has_a_fault() {
        let fault =
            |status| read_answer(StatusCode::from_u16(status).unwrap()).err().map(|error| error.fault());
        for status in [200, 201, 202, 204] {
            assert_eq!(fault(status), None, "{status}");
        }
        assert_eq!(fault(401), Some(Fault::Partner));
        for status in [400, 403, 404, 409, 413, 422] {
            assert_eq!(fault(status), Some(Fault::Caller), "{status}");
        }
        assert_eq!(fault(302), Some(Fault::Partner), "the URL leads elsewhere");
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(fault(status), Some(Fault::Upstream), "{status}");
        }
    }
}
