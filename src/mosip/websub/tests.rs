//! What is asked of the hub, what its answers mean, and which messages are which.

use http::StatusCode;
use serde_json::{Value, json};

use super::status::{PACKET_STATUS, REGISTRATION_ERROR};
use super::*;
use crate::crypto::rsa::Keeper;
use crate::crypto::secret::SecretBytes;
use crate::error::Fault;
use crate::keys::ring::fake::ring;
use crate::keys::settings::UnknownThumbprint;
use crate::mosip::envelope::Policy;
use crate::mosip::push::{Identity, Outcome};

fn topics() -> Topics {
    let topics = [
        ("credential", "opencrvs-partner/CREDENTIAL_ISSUED"),
        ("packet_status", "REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT"),
        ("errors", "ERRORS"),
    ];
    topics.map(|(setting, topic)| (setting, topic.to_owned())).into_iter().collect()
}

#[test]
fn a_subscription_is_a_form_that_nothing_breaks_out_of() {
    let hub = "https://api.example.org/hub/".parse().unwrap();
    let callback = "https://gateway.example.org/websub/callback/0123456789abcdef".parse().unwrap();
    let secret = SecretBytes::new("s&hub.topic=x %é".as_bytes().to_vec());
    for (mode, word) in [(Mode::Subscribe, "subscribe"), (Mode::Unsubscribe, "unsubscribe")] {
        let topic = "opencrvs-partner/CREDENTIAL_ISSUED";
        let (uri, headers, body) = request(mode, &hub, topic, &callback, &secret);
        assert_eq!(uri, hub);
        assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
        assert!(!body.is_unique(), "it belongs to what wipes it");
        let fields = form_urlencoded::parse(&body);
        let fields: Vec<(String, String)> =
            fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let wanted = [
            ("hub.mode", word),
            ("hub.topic", topic),
            ("hub.callback", "https://gateway.example.org/websub/callback/0123456789abcdef"),
            ("hub.secret", "s&hub.topic=x %é"),
        ];
        assert_eq!(fields, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
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
        let is_no_hub = error.detail().contains("without saying that it accepts");
        assert_eq!(is_no_hub, status < 300 && fault == Fault::Upstream, "{status} {body}");
    }
}

#[test]
fn a_denial_on_the_callback_is_told_from_what_is_asked_there() {
    for (mode, denial) in [
        ("denied", Some(Denial::Denied)),
        ("hub-error", Some(Denial::HubError)),
        ("subscribe", None),
        ("unsubscribe", None),
        ("", None),
    ] {
        assert_eq!(Denial::of(mode), denial, "{mode}");
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
        (r#"{"event":{"id":"e","data":{"instanceId":"1","resultCode":"REJECTED"}}}"#, "packet-status"),
        (r#"{"event":{"data":{"instanceId":"1","additionalInfoProcess":"x"}}}"#, "packet-status"),
        (r#"{"event":{"data":{"registrationId":"1","failureReason":"x"}}}"#, "registration-error"),
        (r#"{"event":{"id":"e","data":{}},"instanceId":"1"}"#, "hub"),
        (r#"{"event":{"id":"e","data":["1"]}}"#, "hub"),
        (r#"["ERRORS"]"#, "hub"),
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
        assert_eq!(kind_of(body.as_bytes(), &topics()).name, kind, "{body}");
    }
    let none = Topics::default();
    assert_eq!(kind_of(br#"{"instanceId":"1"}"#, &none).name, "hub", "the topic is not set");
    let with_paused = topics().set().map(|(setting, topic)| (setting, topic.to_owned())).collect::<Vec<_>>();
    let with_paused: Topics =
        with_paused.into_iter().chain([("packet_paused", "PAUSED".to_owned())]).collect();
    for (body, kind) in [
        (r#"{"instanceId":"1","additionalInfoRequestId":"1-1"}"#, "packet-paused"),
        (r#"{"topic":"PAUSED","event":{}}"#, "packet-paused"),
        (r#"{"instanceId":"1","resultCode":"REJECTED"}"#, "packet-status"),
    ] {
        assert_eq!(kind_of(body.as_bytes(), &with_paused).name, kind, "{body}");
    }
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
    for (body, id) in [(&bare, None), (&around, Some("e-1"))] {
        let stated = verify(PACKET_STATUS, body).unwrap();
        assert_eq!((stated.word(), stated.get().kind), ("hub", "registration.rejected"));
        assert_eq!(stated.get().outcome, Some(Outcome::Rejected));
        match &stated.get().identity {
            Identity::Once(_) => panic!("the same words can be meant again"),
            Identity::Message { id: own, .. } => assert_eq!(Some(own.as_str()), id),
            Identity::Repeatable(says) => {
                assert_eq!(id, None);
                assert_eq!(serde_json::from_str::<Value>(says).unwrap(), *body, "all that it says");
            }
        }
        assert_eq!(stated.get().subject.registration_id.as_deref(), Some("10001100771006920220408105832"));
        let data = &stated.get().data;
        assert_eq!((&data["result"], &data["reason"]), (&json!("REJECTED"), &json!("PACKET_REJECTED")));
        assert!(data["advice"].as_str().unwrap().ends_with('.'));
        assert!(!data.to_string().contains("Ada"), "only what is needed");
    }
    let failed =
        json!({ "registrationId": "1", "registrationType": "NEW", "failureReason": "NIN_NOT_FOUND" });
    let stated = verify(REGISTRATION_ERROR, &failed).unwrap();
    assert_eq!((stated.word(), &stated.get().data["reason"]), ("hub", &json!("NIN_NOT_FOUND")));
}

#[test]
fn results_are_told_apart_and_what_is_unknown_is_kept() {
    let kind =
        |body: Value| verify(PACKET_STATUS, &body).map(|stated| stated.get().kind).map_err(|e| e.code());
    assert_eq!(kind(json!({ "instanceId": "1", "resultCode": "FAILED" })), Ok("registration.rejected"));
    assert_eq!(kind(json!({ "instanceId": "1", "resultCode": "PROCESSED" })), Ok("registration.processed"));
    assert_eq!(
        kind(
            json!({ "instanceId": "1", "workflowType": "NEW", "additionalInfoProcess": "CORRECTION", "additionalInfoRequestId": "1-CORRECTION-1" })
        ),
        Ok("registration.paused")
    );
    for (odd, pointer) in [
        (json!({ "instanceId": "1", "resultCode": "rejected" }), "/resultCode"),
        (json!({ "instanceId": "1", "resultCode": "MAYBE" }), "/resultCode"),
        (json!({ "instanceId": "1" }), "/resultCode"),
        (json!({ "instanceId": "", "resultCode": "REJECTED" }), "/instanceId"),
        (json!({ "instanceId": "a b", "resultCode": "REJECTED" }), "/instanceId"),
        (json!({ "instanceId": "1\u{0}", "resultCode": "REJECTED" }), "/instanceId"),
        (json!({ "instanceId": "1".repeat(129), "resultCode": "REJECTED" }), "/instanceId"),
        (json!({ "instanceId": 1, "resultCode": "REJECTED" }), "/instanceId"),
        (json!({ "resultCode": "REJECTED" }), "/instanceId"),
        (json!({ "event": { "id": "1", "data": {} } }), "/event/data/instanceId"),
        (json!({ "event": { "id": 1, "data": { "instanceId": "1" } } }), "/event/id"),
        (json!({ "event": { "data": { "instanceId": "1", "resultCode": "x" } } }), "/event/data/resultCode"),
    ] {
        let refused = verify(PACKET_STATUS, &odd).err().unwrap();
        assert_eq!((refused.code(), refused.pointer()), (Code::Field, Some(pointer)), "{odd}");
    }
    for empty in [" ", "\u{1b}\r\n"] {
        let empty = json!({ "registrationId": "1", "failureReason": empty });
        let refused = verify(REGISTRATION_ERROR, &empty).err().unwrap();
        assert_eq!((refused.code(), refused.pointer()), (Code::Field, Some("/failureReason")));
    }
    let twice = br#"{"instanceId":"1","instanceId":"2","resultCode":"REJECTED"}"#;
    let ring = ring(&[("partner", &Keeper::there("file"))], UnknownThumbprint::Try);
    let policy = Policy { danger_accept_unsigned: false };
    let credentials = Err(Error::new(Code::Keys, "credentials.issuers is not set"));
    let trust = Trust { ring: &ring, now: Timestamp::from_seconds(0), policy, credentials: &credentials };
    assert_eq!(PACKET_STATUS.verify(twice, trust).err().unwrap().code(), Code::Malformed);
}

#[test]
fn a_reason_is_short_and_on_one_line_and_holds_nothing_that_controls_who_shows_it() {
    let reason = |kind: PushKind, message: Value| {
        let stated = verify(kind, &message).unwrap();
        stated.get().data["reason"].as_str().unwrap().to_owned()
    };
    let failed =
        |why: &str| reason(REGISTRATION_ERROR, json!({ "registrationId": "1", "failureReason": why }));
    assert_eq!(failed(" a\u{0}\u{1b}[31m\r\nInjected: 1\u{202e}x\u{2028}y "), "a  [31m  Injected: 1 x y");
    assert_eq!(failed("L'identité n'existe pas: نعم"), "L'identité n'existe pas: نعم");
    let long = failed(&"é".repeat(3_000_000));
    assert_eq!((long.chars().count(), long.ends_with("é…")), (501, true));
    assert_eq!(failed(&"x".repeat(500)).len(), 500, "that is not cut");
    let rejected = |code: &str| {
        reason(PACKET_STATUS, json!({ "instanceId": "1", "resultCode": "FAILED", "errorCode": code }))
    };
    assert_eq!(rejected(&"x".repeat(501)).chars().count(), 501);
    assert_eq!((rejected("A\nB").as_str(), rejected("\u{7f}").as_str()), ("A B", "FAILED"));
}

#[test]
fn a_message_of_no_topic_of_ours_says_what_is_wrong_with_it_and_where() {
    let refused = |body: &str| {
        let ring = ring(&[], UnknownThumbprint::Try);
        let policy = Policy { danger_accept_unsigned: false };
        let credentials = Err(Error::new(Code::Keys, "credentials.issuers is not set"));
        let trust = Trust { ring: &ring, now: Timestamp::from_seconds(0), policy, credentials: &credentials };
        HUB.verify(body.as_bytes(), trust).err().unwrap()
    };
    let other = refused(r#"{"topic":"OTHER","event":{}}"#);
    assert_eq!((other.code(), other.pointer()), (Code::Field, Some("/topic")));
    assert!(other.advice().contains("websub.topics"));
    for body in ["", "<html>", r#"{"topic":"ERRORS","topic":"x"}"#, r#"{"topic":"x","a":{"b":1,"b":2}}"#] {
        let refused = refused(body);
        assert_eq!(refused.code(), Code::Malformed, "{body}");
        assert!(refused.detail().contains("(line 1, column "), "{}", refused.detail());
    }
}
