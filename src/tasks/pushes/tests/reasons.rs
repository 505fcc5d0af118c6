//! Every reason for which a message of MOSIP is kept, with what the operator does about it.

use serde_json::json;

use super::*;

/// A known credential, whose proof inside is good.
fn birth() -> Value {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../../tests/vectors/event.json")).unwrap();
    cases.into_iter().find(|case| case["name"] == "good").unwrap()["expect"].clone()
}

/// A message with the known credential, which `change` has altered before it was signed again beside.
fn altered(change: impl FnOnce(&mut Value)) -> Value {
    let mut credential = birth();
    change(&mut credential);
    fake::issued(&credential, Some("issuer"))
}

/// A message with a credential without a proof inside.
fn plain(credential: Value) -> Value {
    fake::issued(&credential, Some("issuer"))
}

/// A message whose sealed part is this.
fn holding(sealed: String) -> Value {
    let mut message = fake::issued(&birth(), None);
    message["event"]["data"]["credential"] = sealed.into();
    message
}

fn dated(date: &str) -> Value {
    json!({ "issuanceDate": date, "credentialSubject": { "VID": "1" } })
}

/// A message that names a share.
fn shared() -> Value {
    let mut message = holding(String::new());
    message["event"]["dataShareUri"] = json!("https://elsewhere.example/v1/datashare/key");
    message
}

fn credentials() -> Vec<(&'static str, Value, Code, &'static str)> {
    const ISSUERS: &str = "credentials.issuers";
    const ADMINISTRATOR: &str = "MOSIP administrator";
    let mut broken = fake::sealed(birth().to_string().as_bytes());
    broken.replace_range(broken.len() - 8.., "AAAAAAAA");
    let mut without_id = fake::issued(&birth(), None);
    without_id["event"]["id"] = json!("");
    let long_ago = dated("2001-01-01T00:00:00.000Z");
    let far_ahead = dated("2099-01-01T00:00:00.000Z");
    vec![
        ("wrong-event-proof", fake::issued(&birth(), Some("stranger")), Code::SignatureInvalid, ISSUERS),
        (
            "wrong-embedded-proof",
            altered(|it| it["credentialSubject"]["VID"] = json!("1")),
            Code::SignatureInvalid,
            ISSUERS,
        ),
        (
            "unreadable-proof",
            altered(|it| it["proof"]["jws"] = json!("x")),
            Code::SignatureInvalid,
            ADMINISTRATOR,
        ),
        (
            "other-method",
            altered(|it| it["proof"]["verificationMethod"] = json!("https://a.example/")),
            Code::SignatureInvalid,
            ISSUERS,
        ),
        (
            "other-context",
            altered(|it| it["@context"] = json!([])),
            Code::SignatureInvalid,
            "credentials.context",
        ),
        (
            "other-shape",
            altered(|it| it["credentialSubject"]["a:b"] = json!(1)),
            Code::SignatureInvalid,
            ADMINISTRATOR,
        ),
        ("before-the-certificate", plain(long_ago), Code::SignatureInvalid, ISSUERS),
        ("signer-expired", plain(far_ahead), Code::SignerExpired, ISSUERS),
        (
            "no-proof",
            fake::issued(&dated("2026-11-24T08:00:00.134Z"), None),
            Code::SignatureMissing,
            "credentials.require",
        ),
        ("other-partner", holding(fake::sealed_to("partner-old", b"{}")), Code::UnknownKey, "keys.own"),
        ("broken-envelope", holding(broken), Code::Decrypt, ADMINISTRATOR),
        ("no-envelope", holding("AAAA".to_owned()), Code::Malformed, ADMINISTRATOR),
        ("no-credential", holding(fake::sealed(b"no JSON")), Code::Malformed, ADMINISTRATOR),
        (
            "without-number",
            plain(
                json!({ "issuanceDate": "2026-11-24T08:00:00.134Z", "credentialSubject": { "birthCertificateNumber": "B" } }),
            ),
            Code::Field,
            ADMINISTRATOR,
        ),
        ("without-id", without_id, Code::Field, ADMINISTRATOR),
        ("share-while-none-is-set", shared(), Code::Keys, "credentials.data_share"),
    ]
}

#[tokio::test]
async fn each_reason_names_the_setting_or_the_party_to_ask() {
    let home = Home::new();
    let mut messages: Vec<_> = credentials()
        .into_iter()
        .map(|(name, message, code, named)| (name, CREDENTIAL, Bytes::from(message.to_string()), code, named))
        .collect();
    let signed = String::from_utf8(push().to_vec()).unwrap();
    let unsigned = signed.replace("\"signature\"", "\"other\"");
    messages.extend([
        ("token-of-a-stranger", BIRTH_NID, push(), Code::SignatureInvalid, "keys.peers"),
        (
            "token-without-signature",
            BIRTH_NID,
            unsigned.into(),
            Code::SignatureMissing,
            "MOSIP administrator",
        ),
        (
            "unknown-topic",
            websub::HUB,
            Bytes::from_static(br#"{"topic":"OTHER"}"#),
            Code::Field,
            "websub.topics",
        ),
    ]);
    for (name, kind, body, code, named) in messages {
        let id = home.pushes.receive(kind, body, Sender::Known).await.unwrap();
        let refused = home.pushes.verify(id.clone()).await.unwrap_err();
        assert_eq!(refused.code(), code, "{name}: {refused}");
        let kept = home.ledger.quarantined(0).await.unwrap().remove(0);
        let reason = kept.refusal.unwrap();
        assert_eq!((kept.id, reason.code.as_str()), (id.clone(), code.as_str()), "{name}");
        assert!(reason.advice.contains(named), "{name}: {}", reason.advice);
        assert_ne!(reason.advice, code.advice(), "{name}: what is said to a caller");
        home.pushes.discard(id).await.unwrap();
    }
}
