//! The form of OpenCRVS asks whether a person is who they say they are.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use serde::Deserialize;
use time::macros::format_description;
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::MosipApi;
use super::refusal::PeerError;
use crate::clock;
use crate::error::{Code, Error, Result};
use crate::faces::request::read_object;
use crate::http::caller::Caller;
use crate::json::Object;
use crate::mosip::ida::{
    Attribute, Authentication, Demographics, IdLengths, IdType, Individual, Intent, Text, TransactionId,
};

/// How long IDA may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(6);

/// The language of names and genders, as in `mosip-api`.
const LANGUAGE: &str = "eng";

/// `/verify`
pub(super) fn route() -> UtoipaMethodRouter<MosipApi> {
    routes!(verify)
}

/// `faces.verify_names`: the parts of a name that IDA compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// All of them.
    All,
    /// The first and the last, as in `mosip-api`.
    FirstLast,
}

/// Whom the form asks about. Further members are not read.
#[derive(Deserialize, ToSchema)]
#[schema(as = VerifiedPerson)]
struct Asked {
    /// UIN or VID.
    nid: String,
    /// `yyyy-MM-dd`
    dob: String,
    #[schema(value_type = Name)]
    name: Object<Name>,
    /// In English; empty where it is not known.
    gender: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = VerifiedName)]
struct Name {
    firstname: String,
    middlename: Option<String>,
    surname: String,
}

/// Asks IDA whether a person is who they say they are: `verified` or `failed`, and neither unless IDA has decided about them.
#[utoipa::path(post, path = "/verify", request_body = Asked, security(("opencrvs-jwt" = [])),
    responses((status = 200, description = "`verified` or `failed`.", content_type = "text/plain", body = String)))]
async fn verify(
    State(MosipApi(face)): State<MosipApi>,
    caller: Caller,
    request: Request,
) -> Result<&'static str, PeerError> {
    face.let_in(&caller, request.headers()).await?;
    let asked: Asked = read_object(request, &face.limits).await?;
    let ida = face.app.ida();
    let intent = asked.intent(ida.id_lengths(), face.names)?;
    let is_confirmed = ida.confirm(Arc::new(intent), ANSWERED_WITHIN).await?;
    Ok(if is_confirmed { "verified" } else { "failed" })
}

impl Asked {
    /// The body has no place for the person's consent: `faces.consent` stands for it.
    fn intent(self, lengths: IdLengths, names: Names) -> Result<Intent> {
        let id_type = if self.nid.len() == lengths.vid { IdType::Vid } else { IdType::Uin };
        let individual = Individual::new(id_type, self.nid)
            .map_err(|_| Error::field("/nid", "this is no UIN or VID: 1 to 128 digits"))?;
        let dob = clock::day(&self.dob, format_description!("[year]-[month]-[day]"))
            .ok_or_else(|| Error::field("/dob", "this is no date of the form yyyy-MM-dd"))?;
        let dob = dob
            .format(format_description!("[year]/[month]/[day]"))
            .map_err(|_| Error::new(Code::Bug, "a date cannot be written"))?;
        let name = self.name.0.joined(names);
        if name.is_empty() {
            return Err(Error::field("/name", "this holds no part that counts"));
        }
        let text = |value| Attribute::InLanguages(vec![Text { language: LANGUAGE.to_owned(), value }]);
        let mut attributes = vec![("name".to_owned(), text(name)), ("dob".to_owned(), Attribute::Plain(dob))];
        let gender = self.gender.filter(|gender| !gender.trim().is_empty());
        attributes.extend(gender.map(|gender| ("gender".to_owned(), text(gender))));
        Ok(Intent::Auth(Authentication {
            individual,
            transaction: TransactionId::generate(),
            demographics: Some(Demographics::new(attributes)?),
            otp: None,
            biometrics: Vec::new(),
        }))
    }
}

impl Name {
    fn joined(self, names: Names) -> String {
        let middlename = self.middlename.filter(|_| names == Names::All).unwrap_or_default();
        let parts = [self.firstname, middlename, self.surname];
        let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::json;

    fn read(body: &Value) -> Result<Intent> {
        let Object(asked): Object<Asked> = json::read(body.to_string().as_bytes())?;
        asked.intent(IdLengths::default(), Names::All)
    }

    fn body() -> Value {
        json!({
            "nid": "4152630978", "dob": "1990-03-14", "gender": "female", "transactionId": "t1",
            "name": {"firstname": "Leila", "surname": "Karim"},
        })
    }

    #[test]
    fn the_parts_of_a_name_are_those_of_the_setting_and_empty_ones_are_none() {
        let name = |middlename: Option<&str>| Name {
            firstname: "Leila ".to_owned(),
            middlename: middlename.map(str::to_owned),
            surname: "Karim".to_owned(),
        };
        for (middlename, all) in
            [(Some("Noor"), "Leila Noor Karim"), (Some(" "), "Leila Karim"), (None, "Leila Karim")]
        {
            assert_eq!(name(middlename).joined(Names::All), all);
            assert_eq!(name(middlename).joined(Names::FirstLast), "Leila Karim");
        }
    }

    #[test]
    fn the_length_of_a_number_says_what_it_is() {
        for (nid, id_type) in
            [("4152630978", IdType::Uin), ("6042817395162840", IdType::Vid), ("1", IdType::Uin)]
        {
            let mut body = body();
            body["nid"] = json!(nid);
            assert_eq!(read(&body).unwrap().individual().id_type(), id_type, "{nid}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (pointer, value) in [
            ("/nid", json!(null)),
            ("/nid", json!("")),
            ("/nid", json!("41526309x8")),
            ("/nid", json!(4_152_630_978_u64)),
            ("/nid", json!("9".repeat(129))),
            ("/dob", json!("01.02.2002")),
            ("/dob", json!("1990-02-30")),
            ("/dob", json!("1990/03/14")),
            ("/dob", json!("-1990-03-14")),
            ("/dob", json!("+1990-03-14")),
            ("/name", json!("Leila Karim")),
            ("/name", json!(["Leila", null, "Karim"])),
            ("/name", json!({"firstname": " ", "surname": ""})),
            ("/gender", json!(1)),
        ] {
            let mut body = body();
            *body.pointer_mut(pointer).unwrap() = value;
            let error = read(&body).err().unwrap();
            assert_eq!((error.code(), error.pointer()), (Code::Field, Some(pointer)), "{body}");
        }
        for member in ["nid", "dob", "name"] {
            let mut body = body();
            body.as_object_mut().unwrap().remove(member);
            assert_eq!(read(&body).err().unwrap().pointer(), Some(&*format!("/{member}")));
        }
        let mut without = body();
        without["gender"] = json!("");
        assert!(read(&without).is_ok(), "a gender that is not known");
    }
}
