//! A person in the form that OpenCRVS fills its fields with.

use serde::{Deserialize, Serialize};
use time::macros::format_description;
use utoipa::ToSchema;

use crate::clock;
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::Verified;
use crate::mosip::esignet::UserInfo;

/// Who logged in, as `mosip-api` says it: what eSignet does not know is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EsignetPerson)]
pub(super) struct Person {
    /// The number that stands for the person towards this partner alone. Forms of OpenCRVS 2.0 and later hand it on to MOSIP.
    sub: String,
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
    /// `NATIONAL_ID` beside a `nid`.
    #[schema(value_type = Option<String>)]
    id_type: Option<&'static str>,
    /// The claim `individual_id`, where the login asked for it.
    nid: Option<String>,
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

/// The claims of which the form is made (OpenID Connect Core 5.1), and `individual_id`, which is MOSIP's own.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    name: Option<String>,
    given_name: Option<String>,
    middle_name: Option<String>,
    family_name: Option<String>,
    gender: Option<String>,
    birthdate: Option<String>,
    individual_id: Option<String>,
}

impl Person {
    /// Of the person whom eSignet knows by `known`.
    pub(super) fn of(known: &Verified<UserInfo>) -> Result<Self> {
        let claims: Claims = serde_json::from_str(known.get().claims().get()).map_err(|_| {
            Error::new(
                Code::Upstream,
                "a name, the gender, the date of birth or the number of eSignet is not text",
            )
            .blame(Fault::Upstream, false)
            .advise(
                "Ask the administrator of eSignet for claims of OpenID Connect: each of these is one text.",
            )
        })?;
        Ok(Self::made_of(claims, known.word() == "signature"))
    }

    /// `is_proved`: nobody else can have written the keys under which the claims stand.
    fn made_of(claims: Claims, is_proved: bool) -> Self {
        let birthdate = claims.birthdate.filter(|date| !date.is_empty());
        let nid = claims.individual_id.filter(|number| !number.is_empty());
        Self {
            sub: claims.sub,
            name: Name {
                firstname: claims.given_name,
                middlename: claims.middle_name,
                surname: claims.family_name,
            }
            .or_of(claims.name.as_deref()),
            gender: claims.gender.map(|gender| gender.to_lowercase()),
            dob_unknown: birthdate.as_ref().map(|_| ()),
            birth_date: birthdate.as_deref().map(iso_date),
            verification_status: is_proved.then_some("authenticated"),
            id_type: nid.as_ref().map(|_| "NATIONAL_ID"),
            nid,
        }
    }
}

impl Name {
    /// Where eSignet knows none of its parts, the first and the last word of the `whole` name: forms of OpenCRVS 2.0 and later ask for that.
    fn or_of(self, whole: Option<&str>) -> Self {
        if [&self.firstname, &self.middlename, &self.surname].into_iter().any(Option::is_some) {
            return self;
        }
        let mut words = whole.unwrap_or_default().split_whitespace();
        let firstname = words.next().map(str::to_owned);
        let surname = words.next_back().map(str::to_owned).or_else(|| firstname.clone());
        Self { firstname, middlename: None, surname }
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

    /// What the form gets of these claims.
    fn of_claims(claims: &Value) -> Value {
        let claims: Claims = serde_json::from_value(claims.clone()).unwrap();
        serde_json::to_value(Person::made_of(claims, true)).unwrap()
    }

    /// OpenCRVS 2.0 and later.
    #[test]
    fn a_form_that_asks_for_the_whole_name_and_the_number_gets_them() {
        let asked = json!({ "sub": "2948", "name": "Leila Noor  Karim", "individual_id": "4152630978" });
        let wanted = json!({
            "sub": "2948", "name": { "firstname": "Leila", "surname": "Karim" }, "verificationStatus": "authenticated",
            "idType": "NATIONAL_ID", "nid": "4152630978",
        });
        assert_eq!(of_claims(&asked), wanted);
    }

    #[test]
    fn the_parts_of_a_name_count_before_the_whole_and_what_is_not_known_is_no_number() {
        for (claims, name) in [
            (json!({ "sub": "1", "name": "A B", "given_name": "Leila" }), json!({ "firstname": "Leila" })),
            (json!({ "sub": "1", "name": "Leila" }), json!({ "firstname": "Leila", "surname": "Leila" })),
            (json!({ "sub": "1", "name": " ", "individual_id": "" }), json!({})),
            (json!({ "sub": "1" }), json!({})),
        ] {
            let person = of_claims(&claims);
            assert_eq!(
                (&person["name"], &person["idType"], &person["nid"]),
                (&name, &Value::Null, &Value::Null)
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
