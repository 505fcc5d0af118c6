//! What the client of `mosip-api` in OpenCRVS 1.9 and later posts (`createMosipInteropClient`): registrations, and changes of a person. As
//! `mosip-api` does, this leaves out the members that it does not know, so that no registration fails for what a version of OpenCRVS adds.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::event::EventKind;
use super::registration::Registration;
use crate::error::{Code, Error, Result};
use crate::json::{self, Object, read_at};

/// The members that count, with their values as they came. What is null is not there.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    tracking_id: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    action_id: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    notification: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    request_fields: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    meta_info: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    audit: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    schema_json: Option<&'a RawValue>,
}

/// Those of `notification`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    recipient_full_name: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    recipient_phone: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    recipient_email: Option<&'a RawValue>,
}

/// The body of `/events/registration`: a birth, a death, or both, the birth first. A number that is null is not there.
///
/// # Errors
///
/// As [`Registration::parse`]; [`Code::Field`] where it is neither.
pub fn registrations(body: Bytes) -> Result<Vec<Registration>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        #[serde(default)]
        request_fields: Option<Object<Numbers>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Numbers {
        birth_certificate_number: Option<IgnoredAny>,
        death_certificate_number: Option<IgnoredAny>,
    }
    let body = known(&body)?;
    let Object(Peek { request_fields }) = read_at(json::text(&body)?, "")?;
    let kinds: Vec<_> = match request_fields {
        Some(Object(Numbers { birth_certificate_number: birth, death_certificate_number: death })) => {
            let birth = birth.map(|_| EventKind::Birth);
            birth.into_iter().chain(death.map(|_| EventKind::Death)).collect()
        }
        // What is missing is said as of a birth.
        None => vec![EventKind::Birth],
    };
    if kinds.is_empty() {
        const NO_NUMBER: &str = "this holds neither birthCertificateNumber nor deathCertificateNumber, by which a registration is known";
        return Err(Error::field("/requestFields", NO_NUMBER));
    }
    kinds.into_iter().map(|kind| Registration::read(kind, body.clone())).collect()
}

/// The body of `/events/update-biographics`.
///
/// # Errors
///
/// As [`Registration::parse`].
pub fn update(body: Bytes) -> Result<Vec<Registration>> {
    Ok(vec![Registration::read(EventKind::BirthCorrection, known(&body)?)?])
}

/// `body`, which is unambiguous, without the members that do not count.
fn known(body: &Bytes) -> Result<Bytes> {
    let text = json::text(body)?;
    json::check_unambiguous(text)?;
    let Object(payload): Object<Payload<'_>> = read_at(text, "")?;
    let unwritten = |_: serde_json::Error| Error::new(Code::Bug, "a registration does not serialise");
    // What is no object is refused when it is read.
    let notification = payload.notification.filter(|value| value.get().starts_with('{'));
    let notification = match notification {
        None => None,
        Some(value) => {
            let Object(known): Object<Notification<'_>> = read_at(value.get(), "/notification")?;
            Some(to_raw_value(&known).map_err(unwritten)?)
        }
    };
    let notification = notification.as_deref().or(payload.notification);
    let mut known = Vec::with_capacity(body.len());
    serde_json::to_writer(&mut known, &Payload { notification, ..payload }).map_err(unwritten)?;
    Ok(known.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<Registration>> {
        registrations(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn one_body_may_hold_a_birth_and_a_death_and_a_number_that_is_null_is_none() {
        for (numbers, wanted) in [
            (r#""birthCertificateNumber":"B1""#, &[(EventKind::Birth, "B1")][..]),
            (r#""deathCertificateNumber":"D1","birthCertificateNumber":null"#, &[(EventKind::Death, "D1")]),
            (
                r#""deathCertificateNumber":"D1","birthCertificateNumber":"B1""#,
                &[(EventKind::Birth, "B1"), (EventKind::Death, "D1")],
            ),
        ] {
            let read = read(&format!(r#"{{"requestFields":{{{numbers}}}}}"#)).unwrap();
            let read: Vec<_> = read.iter().map(|one| (one.kind(), one.number())).collect();
            assert_eq!(read, wanted, "{numbers}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_and_all_else_stays_as_it_came() {
        let plain = r#"{"trackingId":"T","requestFields":{"z":1.10,"birthCertificateNumber":"B\u0031"},"audit":{"k": 1e3}}"#;
        assert_eq!(read(plain).unwrap()[0].body(), plain);
        let more = r#"{"new":[{}],"trackingId":"T","notification":{"recipientFullName":"\u0041","language":"eng"},"requestFields":{"z":1.10,"birthCertificateNumber":"B1"}}"#;
        assert_eq!(
            read(more).unwrap()[0].body(),
            r#"{"trackingId":"T","notification":{"recipientFullName":"\u0041"},"requestFields":{"z":1.10,"birthCertificateNumber":"B1"}}"#
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (body, pointer) in [
            ("[]", ""),
            ("{}", "/requestFields"),
            (r#"{"requestFields":null}"#, "/requestFields"),
            (r#"{"requestFields":[]}"#, "/requestFields"),
            (r#"{"requestFields":{}}"#, "/requestFields"),
            (r#"{"requestFields":{"birthCertificateNumber":null}}"#, "/requestFields"),
            (r#"{"requestFields":{"VID":"1"}}"#, "/requestFields"),
            (r#"{"requestFields":{"birthCertificateNumber":7}}"#, "/requestFields/birthCertificateNumber"),
            (r#"{"notification":7,"requestFields":{"birthCertificateNumber":"B"}}"#, "/notification"),
            (
                r#"{"x":1,"notification":{"recipientPhone":7},"requestFields":{"birthCertificateNumber":"B"}}"#,
                "/notification/recipientPhone",
            ),
        ] {
            let error = read(body).err().unwrap();
            assert_eq!((error.code(), error.pointer()), (Code::Field, Some(pointer)), "{body}");
        }
        let error = update(Bytes::from(r#"{"requestFields":{"birthCertificateNumber":"B"}}"#)).err().unwrap();
        assert_eq!(error.pointer(), Some("/requestFields/VID"));
        let twice = r#"{"requestFields":{"birthCertificateNumber":"47110815","birthCertificateNumber":"2"}}"#;
        assert_eq!(read(twice).err().unwrap().code(), Code::Malformed);
    }
}
