//! What is asked of the hub, what its answers mean, and which messages are which.

use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::config::UnknownThumbprint;
use crate::crypto::rsa::Keeper;
use crate::crypto::secret::SecretBytes;
use crate::error::Fault;
use crate::keys::ring::fake::ring;
use crate::mosip::envelope::Policy;

fn topics() -> Topics {
    Topics {
        credential: Some("opencrvs-partner/CREDENTIAL_ISSUED".to_owned()),
        packet_status: Some("REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT".to_owned()),
        errors: Some("ERRORS".to_owned()),
    }
}

#[test]
fn a_subscription_is_a_form_that_nothing_breaks_out_of() {
    let hub = "https://api.example.org/hub/".parse().unwrap();
    let callback = "https://gateway.example.org/websub/callback/0123456789abcdef".parse().unwrap();
    let secret = SecretBytes::new("s&hub.topic=x %é".as_bytes().to_vec());
    let (uri, headers, body) = subscribe(&hub, "opencrvs-partner/CREDENTIAL_ISSUED", &callback, &secret);
    assert_eq!(uri, hub);
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let fields: Vec<(String, String)> =
        form_urlencoded::parse(&body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let wanted = [
        ("hub.mode", "subscribe"),
        ("hub.topic", "opencrvs-partner/CREDENTIAL_ISSUED"),
        ("hub.callback", "https://gateway.example.org/websub/callback/0123456789abcdef"),
        ("hub.secret", "s&hub.topic=x %é"),
    ];
    assert_eq!(fields, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn the_body_of_an_answer_decides_and_not_its_status() {
    let accepted =
        [(202, "hub.mode=accepted"), (200, "hub.mode=accepted"), (200, "a=b&hub.mode=accepted"), (202, "")];
    for (status, body) in accepted {
        let answer = read_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(answer, Ok(Answer::Accepted), "{status} {body}");
    }
    for status in [200, 202, 400, 409, 500] {
        let body = b"hub.mode=denied&hub.reason=Subscriber+has+already+registered+with+the+Hub";
        let answer = read_answer(StatusCode::from_u16(status).unwrap(), body);
        assert_eq!(answer, Ok(Answer::AlreadyRegistered), "{status}");
    }
    let refused = [
        (200, "hub.mode=denied&hub.reason=Topic+is+not+registered", Fault::Partner),
        (400, "hub.mode=denied&hub.reason=not+authorized", Fault::Partner),
        (202, "hub.mode=denied", Fault::Partner),
        (500, "hub.mode=denied&hub.reason=kafka", Fault::Upstream),
        (401, "", Fault::Partner),
        (403, "<html>", Fault::Partner),
        (200, "", Fault::Upstream),
        (200, "<html>hub.mode=accepted</html>", Fault::Upstream),
        (202, "<html>login</html>", Fault::Upstream),
        (200, r#"{"hub.mode":"accepted"}"#, Fault::Upstream),
        (400, "hub.mode=accepted", Fault::Upstream),
        (404, "", Fault::Partner),
        (302, "", Fault::Partner),
        (503, "", Fault::Upstream),
    ];
    for (status, body, fault) in refused {
        let error = read_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err();
        assert_eq!(error.fault(), fault, "{status} {body}");
        assert!(!error.detail().contains("kafka"), "the hub's words are not logged");
    }
}

#[test]
fn a_lease_is_clamped_whoever_says_it() {
    let lease = |text: &str| lease(Some(text)).as_secs();
    assert_eq!((lease("86400"), lease(" 86400 ")), (86_400, 86_400));
    for short in ["0", "1", "299"] {
        assert_eq!(lease(short), 300, "{short}");
    }
    assert_eq!((lease("2592001"), lease("99999999999999999999999999")), (2_592_000, 2_592_000));
    for odd in ["", "-1", "1e9", "ten", "1.5"] {
        assert_eq!(lease(odd), 86_400, "{odd}");
    }
    assert_eq!(super::lease(None).as_secs(), 86_400);
}

#[test]
fn what_the_hub_signed_says_which_message_it_is() {
    for (body, kind) in [
        (r#"{"topic":"opencrvs-partner/CREDENTIAL_ISSUED","event":{}}"#, "credential"),
        (r#"{"topic":"REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT","event":{}}"#, "packet-status"),
        (r#"{"topic":"ERRORS","event":{}}"#, "registration-error"),
        (r#"{"instanceId":"1","resultCode":"REJECTED"}"#, "packet-status"),
        (r#"{"registrationId":"1","failureReason":"x"}"#, "registration-error"),
        (r#"{"topic":"other","instanceId":"1"}"#, "hub"),
        (r#"{"topic":"other-partner/CREDENTIAL_ISSUED","event":{}}"#, "hub"),
        (r#"{"topic":"ERRORS","topic":"other"}"#, "hub"),
        (r#"{"event":{"id":"1"}}"#, "hub"),
        (r#"{"topic":null}"#, "hub"),
        (r#"{"topic":["ERRORS"]}"#, "hub"),
        ("[]", "hub"),
        ("<html>", "hub"),
        ("", "hub"),
    ] {
        assert_eq!(kind_of(body.as_bytes(), &topics()).name(), kind, "{body}");
    }
    let none = Topics::default();
    assert_eq!(kind_of(br#"{"instanceId":"1"}"#, &none).name(), "hub", "the topic is not set");
}

fn verify(kind: PushKind, body: &Value) -> Result<Stated<Notice>> {
    let ring = ring(&[("partner", &Keeper::there("file"))], UnknownThumbprint::Try);
    let policy = Policy { danger_accept_unsigned: false };
    let now = Timestamp::from_seconds(1_800_000_000);
    let credentials = Err(Error::new(Code::Keys, "credentials.issuers is not set"));
    kind.verify(body.to_string().as_bytes(), Trust { ring: &ring, now, policy, credentials: &credentials })
}

#[test]
fn a_rejection_tells_its_reason_and_what_to_do_and_that_it_rests_on_the_hub() {
    // As MOSIP's registration processor writes it: bare, with a map of what its notification is made of.
    let bare = json!({
        "instanceId": "10001100771006920220408105832", "resultCode": "REJECTED", "workflowType": "CRVS_NEW",
        "errorCode": "PACKET_REJECTED", "notificationAttributes": { "NAME": "Ada" },
    });
    let around = json!({ "publisher": "x", "topic": "t", "event": { "id": "e-1", "data": bare } });
    for (body, identity) in
        [(&bare, "10001100771006920220408105832\0REJECTED\0PACKET_REJECTED"), (&around, "e-1")]
    {
        let stated = verify(push::PACKET_STATUS, body).unwrap();
        assert_eq!((stated.word(), stated.get().kind), ("hub", "registration.rejected"));
        assert_eq!(stated.get().identity, identity);
        assert_eq!(stated.get().subject.registration_id.as_deref(), Some("10001100771006920220408105832"));
        let data = &stated.get().data;
        assert_eq!((&data["result"], &data["reason"]), (&json!("REJECTED"), &json!("PACKET_REJECTED")));
        assert!(data["advice"].as_str().unwrap().ends_with('.'));
        assert!(!data.to_string().contains("Ada"), "only what is needed");
    }
    let failed =
        json!({ "registrationId": "1", "registrationType": "NEW", "failureReason": "NIN_NOT_FOUND" });
    let stated = verify(push::REGISTRATION_ERROR, &failed).unwrap();
    assert_eq!((stated.word(), &stated.get().data["reason"]), ("hub", &json!("NIN_NOT_FOUND")));
}

#[test]
fn results_are_told_apart_and_what_is_unknown_is_kept() {
    let kind = |body: Value| {
        verify(push::PACKET_STATUS, &body).map(|stated| stated.get().kind).map_err(|e| e.code())
    };
    assert_eq!(kind(json!({ "instanceId": "1", "resultCode": "FAILED" })), Ok("registration.rejected"));
    assert_eq!(kind(json!({ "instanceId": "1", "resultCode": "PROCESSED" })), Ok("registration.processed"));
    assert_eq!(
        kind(
            json!({ "instanceId": "1", "workflowType": "NEW", "additionalInfoProcess": "CORRECTION", "additionalInfoRequestId": "1-CORRECTION-1" })
        ),
        Ok("registration.paused")
    );
    for odd in [
        json!({ "instanceId": "1", "resultCode": "rejected" }),
        json!({ "instanceId": "1", "resultCode": "MAYBE" }),
        json!({ "instanceId": "1" }),
        json!({ "instanceId": "", "resultCode": "REJECTED" }),
        json!({ "instanceId": "a b", "resultCode": "REJECTED" }),
        json!({ "instanceId": 1, "resultCode": "REJECTED" }),
        json!({ "resultCode": "REJECTED" }),
        json!({ "event": { "id": "1", "data": {} } }),
    ] {
        assert_eq!(kind(odd.clone()), Err(Code::Field), "{odd}");
    }
    let long = "1".repeat(129);
    assert_eq!(kind(json!({ "instanceId": long, "resultCode": "REJECTED" })), Err(Code::Field));
    let empty = json!({ "registrationId": "1", "failureReason": " " });
    assert_eq!(verify(push::REGISTRATION_ERROR, &empty).err().unwrap().code(), Code::Field);
    let twice = br#"{"instanceId":"1","instanceId":"2","resultCode":"REJECTED"}"#;
    let ring = ring(&[("partner", &Keeper::there("file"))], UnknownThumbprint::Try);
    let policy = Policy { danger_accept_unsigned: false };
    let credentials = Err(Error::new(Code::Keys, "credentials.issuers is not set"));
    let trust = Trust { ring: &ring, now: Timestamp::from_seconds(0), policy, credentials: &credentials };
    assert_eq!(push::PACKET_STATUS.verify(twice, trust).err().unwrap().code(), Code::Malformed);
}
