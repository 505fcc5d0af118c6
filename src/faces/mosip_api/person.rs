//! A person in the form that OpenCRVS fills its fields with.

use serde::{Deserialize, Serialize};
use time::macros::format_description;
use utoipa::ToSchema;

use crate::clock;
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::Verified;
use crate::mosip::esignet::UserInfo;

/// Who logged in, as `mosip-api` says it: what eSignet does not know is left out. No `sub` leaves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EsignetPerson)]
pub(super) struct Person {
    #[schema(inline)]
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gender: Option<String>,
    /// Always null, beside a date of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    dob_unknown: Option<Nothing>,
    /// `yyyy-MM-dd`; empty where eSignet's date is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    birth_date: Option<String>,
    /// `authenticated`; null where the keys of the issuer came over plain http, so that somebody on the way could have written both
    #[schema(value_type = Option<String>)]
    verification_status: Option<&'static str>,
    /// Always null.
    #[schema(value_type = Option<String>)]
    id_type: Nothing,
    /// Always null.
    #[schema(value_type = Option<String>)]
    nid: Nothing,
}

/// `null`
type Nothing = ();

#[derive(Serialize, ToSchema)]
struct Name {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    firstname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    middlename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    surname: Option<String>,
}

/// The claims of which the form is made (OpenID Connect Core 5.1).
#[derive(Deserialize)]
struct Claims {
    given_name: Option<String>,
    middle_name: Option<String>,
    family_name: Option<String>,
    gender: Option<String>,
    birthdate: Option<String>,
}

impl Person {
    /// Of the person whom eSignet knows by `known`.
    pub(super) fn of(known: &Verified<UserInfo>) -> Result<Self> {
        let claims: Claims = serde_json::from_str(known.get().claims().get()).map_err(|_| {
            Error::new(Code::Upstream, "a name, the gender or the date of birth of eSignet is not text")
                .blame(Fault::Upstream, false)
                .advise("Ask the administrator of eSignet for claims of OpenID Connect: each of these is one text.")
        })?;
        let birthdate = claims.birthdate.filter(|date| !date.is_empty());
        Ok(Self {
            name: Name {
                firstname: claims.given_name,
                middlename: claims.middle_name,
                surname: claims.family_name,
            },
            gender: claims.gender.map(|gender| gender.to_lowercase()),
            dob_unknown: birthdate.as_ref().map(|_| ()),
            birth_date: birthdate.as_deref().map(iso_date),
            verification_status: (known.word() == "signature").then_some("authenticated"),
            id_type: (),
            nid: (),
        })
    }
}

/// `yyyy/MM/dd`, as eSignet writes it, as `yyyy-MM-dd`.
fn iso_date(date: &str) -> String {
    clock::day(date, format_description!("[year]/[month]/[day]"))
        .and_then(|date| date.format(format_description!("[year]-[month]-[day]")).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;
    use crate::keys::Ring;
    use crate::mosip::Evidence;
    use crate::mosip::esignet::{Expected, read_keys, verify_userinfo};

    /// The person of the vectors, whose claims are worth `evidence`.
    fn person(evidence: Evidence) -> Person {
        let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/esignet.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = read_keys(file["jwks"].to_string().as_bytes()).unwrap();
        let (issuer, client_id, subject) =
            (text(&file["issuer"]), text(&file["client_id"]), text(&file["sub"]));
        let now = Timestamp::from_seconds(file["now"].as_i64().unwrap());
        let expected = Expected { issuer: &issuer, client_id: &client_id, subject: &subject, now };
        let token = text(&file["userinfo"][0]["token"]);
        let known = verify_userinfo(token.as_bytes(), &Ring::default(), &keys, &expected, evidence);
        Person::of(&known.ok().unwrap()).unwrap()
    }

    #[test]
    fn nobody_is_authenticated_under_keys_that_others_could_have_written() {
        for (evidence, status) in
            [(Evidence::Plaintext, json!("authenticated")), (Evidence::DangerPlainKeys, Value::Null)]
        {
            let person = serde_json::to_value(person(evidence)).unwrap();
            assert_eq!(
                (&person["verificationStatus"], &person["name"]["firstname"]),
                (&status, &json!("Leila"))
            );
        }
    }

    #[test]
    fn a_date_is_rewritten_and_one_that_is_none_is_empty() {
        for (theirs, ours) in [
            ("1990/03/14", "1990-03-14"),
            ("1990/02/30", ""),
            ("1990-03-14", ""),
            ("14/03/1990", ""),
            ("1990/3/4", ""),
            ("-1990/03/14", ""),
            ("", ""),
        ] {
            assert_eq!(iso_date(theirs), ours, "{theirs}");
        }
    }
}
