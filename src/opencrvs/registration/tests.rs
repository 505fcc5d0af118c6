use serde_json::{Value, json};

use super::*;

fn body() -> Value {
    json!({
        "trackingId": "T1",
        "eventId": "e1",
        "actionId": "a1",
        "notification": { "recipientFullName": "Grace", "recipientEmail": null, "recipientPhone": "1" },
        "requestFields": { "birthCertificateNumber": "B1", "IDSchemaVersion": 3.101, "fullName": "[]" },
        "metaInfo": { "registrationId": "x" },
        "audit": { "uuid": "u" },
        "schemaJson": "{}",
    })
}

fn parse(kind: EventKind, body: &str) -> Result<Registration> {
    Registration::parse(kind, Bytes::copy_from_slice(body.as_bytes()))
}

fn with(pointer: &str, value: Value) -> String {
    let mut body = body();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body.to_string()
}

fn fields(registration: &Registration) -> String {
    serde_json::to_string(&registration.content().unwrap().fields).unwrap()
}

#[test]
fn what_it_holds_travels_on_as_it_came() {
    let text = r#"{"requestFields":{"z":1.10,"birthCertificateNumber":"B\u0031","a":{"b": [ 1,2 ]}},"metaInfo":{"k": 1e3}}"#;
    let birth = parse(EventKind::Birth, text).unwrap();
    assert_eq!(birth.number(), "B1");
    assert_eq!(fields(&birth), r#"{"z":1.10,"birthCertificateNumber":"B\u0031","a":{"b": [ 1,2 ]}}"#);
    let content = birth.content().unwrap();
    assert_eq!((content.meta_info.get(), content.audit.get()), (r#"{"k": 1e3}"#, "{}"));
    assert!(content.schema_json.is_none() && content.recipient.name.is_empty());
}

#[test]
fn the_number_of_a_birth_certificate_goes_to_mosip_and_that_of_a_death_certificate_does_not() {
    let text = r#"{"requestFields":{"deathCertificateNumber":"D1","VID":"8031687218"}}"#;
    let death = parse(EventKind::Death, text).unwrap();
    assert_eq!(fields(&death), r#"{"VID":"8031687218"}"#);
    assert_eq!(death.subject().drn.as_deref(), Some("D1"));
    let text = r#"{"requestFields":{"z":1.10,"deathCertificate\u004eumber":"D1","a":{"b": [ 1,2 ]}}}"#;
    assert_eq!(fields(&parse(EventKind::Death, text).unwrap()), r#"{"z":1.10,"a":{"b": [ 1,2 ]}}"#);
    assert_eq!(death.order(), "D1");
    let both = with("/requestFields/deathCertificateNumber", json!("D1"));
    let fields = fields(&parse(EventKind::Birth, &both).unwrap());
    assert!(fields.contains("birthCertificateNumber") && !fields.contains("deathCertificateNumber"));
}

#[test]
fn its_names_are_those_by_which_others_speak_of_it_and_never_the_number_of_a_person() {
    let birth = parse(EventKind::Birth, &body().to_string()).unwrap();
    let subject = birth.subject();
    let names: Vec<_> = subject.names().collect();
    assert_eq!(names, [("eventId", "e1"), ("actionId", "a1"), ("trackingId", "T1"), ("brn", "B1")]);
    assert_eq!(birth.order(), "T1");
    let untracked = with("/trackingId", Value::Null);
    assert_eq!(parse(EventKind::Birth, &untracked).unwrap().order(), "e1");
    let text = r#"{"requestFields":{"VID":"8031687218"}}"#;
    for kind in [EventKind::BirthCorrection, EventKind::DeathRevocation, EventKind::BirthRevocation] {
        let update = parse(kind, text).unwrap();
        assert_eq!((update.number(), update.subject().names().count()), ("8031687218", 0), "{kind}");
    }
}

#[test]
fn two_with_the_same_fields_are_one_whatever_stands_beside_them() {
    let content = |text: &str| {
        let mut written = String::new();
        parse(EventKind::Birth, text)
            .unwrap()
            .write_fields(&mut |piece: &str| written.push_str(piece))
            .unwrap();
        written
    };
    let one = content(r#"{"requestFields":{"birthCertificateNumber":"B1","a":1.0}}"#);
    assert_eq!(
        content(r#"{"trackingId":"T","requestFields":{ "a" : 1.0,"birthCertificateNumber":"\u00421"}}"#),
        one
    );
    assert_ne!(content(r#"{"requestFields":{"birthCertificateNumber":"B1","a":1}}"#), one);
}

#[test]
fn a_member_that_is_missing_or_wrong_is_named() {
    let cases = [
        ("/requestFields", json!(null), "/requestFields"),
        ("/requestFields", json!([]), "/requestFields"),
        ("/requestFields", json!({}), "/requestFields/birthCertificateNumber"),
        ("/requestFields/birthCertificateNumber", json!(7), "/requestFields/birthCertificateNumber"),
        ("/requestFields/birthCertificateNumber", json!(" "), "/requestFields/birthCertificateNumber"),
        (
            "/requestFields/birthCertificateNumber",
            json!("9".repeat(256)),
            "/requestFields/birthCertificateNumber",
        ),
        ("/requestFields/birthCertificateNumber", json!("a\nb"), "/requestFields/birthCertificateNumber"),
        ("/trackingId", json!(7), "/trackingId"),
        ("/trackingId", json!(""), "/trackingId"),
        ("/notification", json!("x"), "/notification"),
        ("/notification/recipientPhone", json!(7), "/notification/recipientPhone"),
        ("/metaInfo", json!([]), "/metaInfo"),
        ("/audit", json!("x"), "/audit"),
        ("/schemaJson", json!({}), "/schemaJson"),
        ("/requestfields", json!({}), ""),
    ];
    let lone = r#"{"requestFields":{"birthCertificateNumber":"B1","\ud800":1}}"#;
    assert_eq!(parse(EventKind::Birth, lone).err().unwrap().pointer(), Some("/requestFields"));
    for (at, value, pointer) in cases {
        let text = with(at, value);
        let error = parse(EventKind::Birth, &text).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!((error.code(), error.pointer()), (Code::Field, Some(pointer)), "{text}");
    }
    for (kind, pointer) in [
        (EventKind::Death, "/requestFields/deathCertificateNumber"),
        (EventKind::BirthCorrection, "/requestFields/VID"),
    ] {
        assert_eq!(parse(kind, &body().to_string()).err().unwrap().pointer(), Some(pointer));
    }
    let of_no_kind = parse(EventKind::DeathCorrection, &body().to_string()).err().unwrap();
    assert_eq!(of_no_kind.code(), Code::NotFound);
}

#[test]
fn a_record_that_the_body_names_is_not_that_of_the_token() {
    let of = |body: &str, record| {
        let registration = parse(EventKind::Birth, body).unwrap().of_record(Some(record), Some("a2"));
        let Subject { event_id, action_id, .. } = registration.subject();
        (event_id, action_id)
    };
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(of(&body().to_string(), "e2"), (name("e1"), name("a1")));
    let one = |event: &str| {
        json!({ "eventId": event, "requestFields": { "birthCertificateNumber": "B1" } }).to_string()
    };
    assert_eq!(of(&one("e1"), "e2"), (name("e1"), None));
    assert_eq!(of(&one("e2"), "e2"), (name("e2"), name("a2")), "the action of the same record");
    let none = r#"{"requestFields":{"birthCertificateNumber":"B1"}}"#;
    assert_eq!(of(none, "e2"), (name("e2"), name("a2")));
    assert_eq!(of(none, "e\n2"), (None, name("a2")), "it is no name");
}

#[test]
fn an_ambiguous_text_is_refused_and_nothing_of_it_is_repeated() {
    for text in [
        r#"{"requestFields":{"birthCertificateNumber":"47110815","birthCertificateNumber":"2"}}"#,
        r#"{"requestFields":{"birthCertificateNumber":"47110815"}"#,
        r#"[{"requestFields":{"birthCertificateNumber":"47110815"}}]"#,
        "\u{0}47110815",
    ] {
        let error = parse(EventKind::Birth, text).err().unwrap();
        assert!(!format!("{error:?}").contains("47110815"), "{error:?}");
    }
}
