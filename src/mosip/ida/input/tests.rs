use serde_json::{Value, json};

use super::*;
use crate::error::Code;
use crate::error::Error;

fn auth() -> Value {
    json!({
        "individualId": "4152630978",
        "individualIdType": "UIN",
        "consent": true,
        "demographics": {
            "name": [{"language": "eng", "value": "Leila Karim"}],
            "dob": "1990/03/14",
        },
    })
}

fn capture() -> Value {
    json!({"data": "aGVhZA.cGF5bG9hZA.c2ln", "hash": "00FF", "sessionKey": "a2V5", "specVersion": "0.9.5", "thumbprint": "ABCD"})
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    if let Some(there) = body.pointer_mut(pointer) {
        *there = value;
        return body;
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn refusal(service: Service, body: &Value) -> Error {
    Intent::parse(service, body.to_string().as_bytes()).err().unwrap_or_else(|| panic!("taken: {body}"))
}

/// Each value in its place is refused with the pointer.
fn assert_refused(service: Service, cases: Vec<(&str, Value, &str)>, body: fn() -> Value) {
    for (place, value, pointer) in cases {
        let body = with(body(), place, value);
        let error = refusal(service, &body);
        assert_eq!((error.code(), error.pointer()), (Code::Field, Some(pointer)), "{body}");
    }
}

#[test]
fn values_that_are_missing_or_wrong_are_named() {
    let name = "/demographics/name";
    let cases = vec![
        ("/consent", json!(null), "/consent"),
        ("/consent", json!(false), "/consent"),
        ("/consent", json!("true"), "/consent"),
        ("/individualIdType", json!(null), "/individualIdType"),
        ("/individualIdType", json!("uin"), "/individualIdType"),
        ("/individualIdType", json!("NIN"), "/individualIdType"),
        ("/individualId", json!(null), "/individualId"),
        ("/individualId", json!(""), "/individualId"),
        ("/individualId", json!("41526309x8"), "/individualId"),
        ("/individualId", json!(4_152_630_978_u64), "/individualId"),
        ("/transactionId", json!("123456789"), "/transactionId"),
        ("/transactionId", json!("12345678901"), "/transactionId"),
        ("/transactionId", json!("12345-7890"), "/transactionId"),
        ("/transactionId", json!("12345678é"), "/transactionId"),
        ("/otp", json!(""), "/otp"),
        ("/otp", json!("11 11"), "/otp"),
        ("/otpChannel", json!(["email"]), "/otpChannel"),
        ("/surprise", json!(1), ""),
        ("/demographics", json!({}), "/demographics"),
        ("/demographics", json!([]), "/demographics"),
        ("/demographics", json!(null), "/demographics"),
        ("/demographics/dob", json!("1990-03-14"), "/demographics/dob"),
        ("/demographics/dob", json!("1990/02/30"), "/demographics/dob"),
        ("/demographics/dob", json!("-1990/03/14"), "/demographics/dob"),
        ("/demographics/dob", json!("14/03/1990"), "/demographics/dob"),
        ("/demographics/dob", json!(["1990/03/14"]), "/demographics/dob/0"),
        ("/demographics/age", json!("old"), "/demographics/age"),
        ("/demographics/age", json!(34), "/demographics/age"),
        ("/demographics/age", json!("1234"), "/demographics/age"),
        ("/demographics/age", json!("-7"), "/demographics/age"),
        ("/demographics/phoneNumber", json!(" "), "/demographics/phoneNumber"),
        (name, json!("Leila Karim"), name),
        (name, json!([]), name),
        (name, json!(["eng"]), "/demographics/name/0"),
        (name, json!([["eng", "Leila Karim"]]), "/demographics/name/0"),
        (name, json!([{"value": "x"}]), "/demographics/name/0/language"),
        (
            name,
            json!([{"language": "eng", "value": "x"}, {"language": "english", "value": "x"}]),
            "/demographics/name/1/language",
        ),
        (name, json!([{"language": "zzz", "value": "x"}]), "/demographics/name/0/language"),
        (name, json!([{"language": "en", "value": "x"}]), "/demographics/name/0/language"),
        (name, json!([{"language": "ENG", "value": "x"}]), "/demographics/name/0/language"),
        (name, json!([{"language": "eng"}]), "/demographics/name/0/value"),
        (name, json!([{"language": "eng", "value": ""}]), "/demographics/name/0/value"),
        (name, json!([{"language": "eng", "value": "x", "v": 1}]), "/demographics/name/0"),
    ];
    assert_refused(Service::Auth, cases, auth);
    for age in ["7", "34", "102"] {
        let body = with(auth(), "/demographics/age", json!(age)).to_string();
        assert!(Intent::parse(Service::Auth, body.as_bytes()).is_ok(), "{age}");
    }
}

#[test]
fn a_slip_of_the_pen_in_a_name_is_refused_and_an_attribute_of_a_country_is_taken() {
    let text = || json!([{"language": "eng", "value": "x"}]);
    for slip in ["nmae", "Name", "names", "full_address", "gender_", "d-o-b", "phonenumber"] {
        let error = refusal(Service::Auth, &with(auth(), &format!("/demographics/{slip}"), text()));
        assert_eq!(error.pointer(), Some(&*format!("/demographics/{slip}")));
    }
    for own in ["location4", "addressLine12", "residenceStatus", "bloodType", "name2"] {
        let body = with(auth(), &format!("/demographics/{own}"), text());
        assert!(Intent::parse(Service::Auth, body.to_string().as_bytes()).is_ok(), "{own}");
    }
    let text = r#"{"individualId":"1","individualIdType":"UIN","consent":true,"demographics":{"dob":"1990/03/14","dob":"1990/03/15"}}"#;
    let error = Intent::parse(Service::Auth, text.as_bytes()).err().unwrap();
    assert_eq!((error.code(), error.pointer()), (Code::Malformed, None));
}

#[test]
fn biometrics_that_are_no_captures_are_named() {
    let body = || with(auth(), "/biometrics", json!([capture(), capture()]));
    let cases = vec![
        ("/biometrics", json!("x"), "/biometrics"),
        ("/biometrics/1", json!(["data"]), "/biometrics/1"),
        ("/biometrics/1/data", json!("aGVhZA.cGF5bG9hZA"), "/biometrics/1/data"),
        ("/biometrics/1/data", json!("aGVhZA.not base64.c2ln"), "/biometrics/1/data"),
        ("/biometrics/1/data", json!("aGVhZA..c2ln"), "/biometrics/1/data"),
        ("/biometrics/1/data", json!({"bioType": "Face"}), "/biometrics/1/data"),
        ("/biometrics/1/sessionKey", json!("%"), "/biometrics/1/sessionKey"),
        ("/biometrics/1/hash", json!(""), "/biometrics/1/hash"),
        ("/biometrics/1/thumbprint", json!("é"), "/biometrics/1/thumbprint"),
        ("/biometrics/1/specVersion", json!(""), "/biometrics/1/specVersion"),
        ("/biometrics/1/extra", json!(1), "/biometrics/1"),
    ];
    assert_refused(Service::Kyc, cases, body);
}

#[test]
fn nothing_to_recognise_the_person_by_is_refused() {
    let mut body = auth();
    body.as_object_mut().unwrap().remove("demographics");
    assert_eq!(refusal(Service::Auth, &body).pointer(), Some("/demographics"));
    let empty = with(body.clone(), "/biometrics", json!([]));
    assert_eq!(refusal(Service::Auth, &empty).pointer(), Some("/demographics"));
    for (factor, value) in [("/otp", json!("111111")), ("/biometrics", json!([capture()]))] {
        assert!(
            Intent::parse(Service::Auth, with(body.clone(), factor, value).to_string().as_bytes()).is_ok()
        );
    }
}

#[test]
fn a_one_time_password_is_ordered_over_a_channel_and_by_nothing_else() {
    let order = || json!({"individualId": "leila@handle", "individualIdType": "HANDLE", "consent": true, "otpChannel": ["EMAIL", "phone"]});
    assert!(Intent::parse(Service::Otp, order().to_string().as_bytes()).is_ok());
    let cases = vec![
        ("/otpChannel", json!(null), "/otpChannel"),
        ("/otpChannel", json!([]), "/otpChannel"),
        ("/otpChannel", json!(["pigeon"]), "/otpChannel/0"),
        ("/consent", json!(null), "/consent"),
        ("/individualId", json!("with space"), "/individualId"),
        ("/demographics", json!({"dob": "1990/03/14"}), "/demographics"),
        ("/otp", json!("111111"), "/otp"),
        ("/biometrics", json!([]), "/biometrics"),
    ];
    assert_refused(Service::Otp, cases, order);
}

#[test]
fn what_is_not_json_or_not_an_object_is_refused() {
    for (body, code) in
        [("", Code::Malformed), ("{", Code::Malformed), ("[]", Code::Field), ("null", Code::Field)]
    {
        assert_eq!(Intent::parse(Service::Auth, body.as_bytes()).err().unwrap().code(), code, "{body}");
    }
    assert_eq!(Intent::parse(Service::Auth, b"\xff").err().unwrap().code(), Code::Malformed);
}

#[test]
fn no_refusal_repeats_a_value() {
    let body = with(auth(), "/individualIdType", json!("Leila"));
    let error = refusal(Service::Auth, &with(body, "/demographics/dob", json!("Leila")));
    assert!(!format!("{error:?}").contains("Leila"));
}

#[test]
fn a_transaction_id_is_the_callers_or_ten_fresh_characters() {
    let parse = |body: &Value| Intent::parse(Service::Auth, body.to_string().as_bytes()).ok().unwrap();
    let own = with(auth(), "/transactionId", json!("aB34567890"));
    assert_eq!(parse(&own).transaction().as_str(), "aB34567890");
    let (first, second) = (parse(&auth()), parse(&auth()));
    let [first, second] = [first, second].map(|intent| intent.transaction().as_str().to_owned());
    assert_ne!(first, second);
    assert!(TransactionId::parse(first).is_ok());
}

#[test]
fn a_transaction_id_that_is_made_is_unlike_the_earlier_ones() {
    let made: std::collections::BTreeSet<String> =
        (0..100).map(|_| TransactionId::generate().as_str().to_owned()).collect();
    assert_eq!(made.len(), 100);
    assert!(made.into_iter().all(|text| TransactionId::parse(text).is_ok()));
}
