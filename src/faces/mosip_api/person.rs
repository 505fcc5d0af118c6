//! A person in the form that OpenCRVS fills its fields with.

use serde::{Deserialize, Serialize};
use time::Date;
use time::macros::format_description;
use utoipa::ToSchema;

use crate::error::{Code, Error, Result};
use crate::mosip::Verified;
use crate::mosip::esignet::UserInfo;

/// Who logged in, as `mosip-api` says it: what eSignet does not know is left out. No `sub` leaves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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
    /// `authenticated`
    verification_status: &'static str,
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
            verification_status: "authenticated",
            id_type: (),
            nid: (),
        })
    }
}

/// `yyyy/MM/dd`, as eSignet writes it, as `yyyy-MM-dd`.
fn iso_date(date: &str) -> String {
    Date::parse(date, format_description!("[year]/[month]/[day]"))
        .ok()
        .and_then(|date| date.format(format_description!("[year]-[month]-[day]")).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_rewritten_and_one_that_is_none_is_empty() {
        for (theirs, ours) in [
            ("1990/03/14", "1990-03-14"),
            ("1990/02/30", ""),
            ("1990-03-14", ""),
            ("14/03/1990", ""),
            ("1990/3/4", ""),
            ("", ""),
        ] {
            assert_eq!(iso_date(theirs), ours, "{theirs}");
        }
    }
}
