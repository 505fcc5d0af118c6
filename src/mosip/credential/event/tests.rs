//! The known messages, and what can be wrong with one.

use serde_json::json;

use super::super::tests::{NOW, credentials};
use super::*;
use crate::crypto::base64;
use crate::crypto::rsa::Keeper;
use crate::keys::ring::fake as keys;
use crate::keys::settings::UnknownThumbprint;
use crate::mosip::credential::share;
use crate::mosip::fake;

fn ring() -> Ring {
    keys::ring(&[("partner", &Keeper::there("files"))], UnknownThumbprint::Reject)
}

fn known() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../../tests/vectors/event.json")).unwrap()
}

/// The message that verifies.
fn good() -> Value {
    known().into_iter().find(|case| case["name"] == "good").unwrap()["event"].clone()
}

/// Its credential.
fn birth() -> Value {
    known().into_iter().find(|case| case["name"] == "good").unwrap()["expect"].clone()
}

/// A credential without an embedded proof.
fn plain(subject: Value) -> Value {
    json!({ "id": "urn:c", "issuanceDate": "2026-11-24T08:00:00.134Z", "credentialSubject": subject })
}

fn verify_event(credentials: &Credentials, message: &Value) -> Result<Verified<Issued>> {
    let body = message.to_string();
    credentials.verify_issued(&Notification::read(body.as_bytes())?, &ring(), NOW)
}

fn code(credentials: &Credentials, message: &Value) -> Code {
    verify_event(credentials, message).err().unwrap().code()
}

#[test]
fn every_known_message_is_told_from_every_forged_one() {
    let credentials = credentials(false);
    let cases = known();
    assert!(cases.len() >= 3);
    for case in cases {
        let verdict = verify_event(&credentials, &case["event"]);
        assert_eq!(verdict.is_ok(), case["valid"].as_bool().unwrap(), "{}", case["name"]);
        match verdict {
            Ok(issued) => assert_eq!(issued.get().credential, case["expect"], "{}", case["name"]),
            Err(error) => assert_eq!(error.code(), Code::SignatureInvalid, "{}", case["name"]),
        }
    }
}

#[test]
fn what_verifies_says_whom_it_is_for() {
    let issued = verify_event(&credentials(false), &good()).unwrap();
    assert_eq!(issued.word(), "signature");
    assert!(issued.key().is_some_and(|key| ring().decryptor(&key).is_some()));
    let issued = issued.into_inner();
    let mut data = issued.data();
    assert_eq!(data["credential"].take(), birth());
    assert!(data["issuer"].take().is_string());
    assert!(data["covered"].take().as_array().is_some_and(|covered| covered.len() > 5));
    let told = json!({
        "registrationId": "100010033575073", "transactionId": "a6115271-3ef7-49ef-a4b4-ea9b8f26819d",
        "credentialType": "vercred", "event": "birth", "vid": "8031687218", "certificateNumber": "C83B0shared",
        "unsigned": ["transactionId", "credentialType"],
        "issuer": null, "covered": null, "not_covered": [], "credential": null,
    });
    assert_eq!(data, told);
    assert_eq!(issued.event_id, "2104f44a-339d-4e22-ad55-18f8dfc2be85");
    assert_eq!(issued.transaction_id.as_deref(), Some("a6115271-3ef7-49ef-a4b4-ea9b8f26819d"));
    assert_eq!(issued.registration_id, Some(named("100010033575073", true)));
    assert_eq!(issued.credential_type.as_deref(), Some("vercred"));
    assert!(issued.number == Some(IssuedNumber::Vid("8031687218".to_owned())));
    let number = "C83B0shared".to_owned();
    assert_eq!((issued.occasion, issued.certificate_number), (Occasion::Birth, Some(number)));
    assert!(issued.covered.contains(&"/credentialSubject/birthCertificateNumber".to_owned()));
    assert!(issued.not_covered.is_empty(), "the proof beside it covers every byte");
}

fn named(value: &str, is_covered: bool) -> Named {
    Named { value: value.to_owned(), is_covered }
}

#[test]
fn a_proof_that_is_there_and_wrong_is_refused_whatever_else_is_good() {
    let mut lax = credentials(false);
    lax.danger_accept_hub_alone = true;
    for signature in [
        "",
        "x",
        "a.b.c",
        "eyJhbGciOiJub25lIn0..",
        "eyJhbGciOiJSUzI1NiJ9..AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
    ] {
        let mut message = good();
        message["event"]["data"]["proof"]["signature"] = json!(signature);
        assert_eq!(code(&lax, &message), Code::SignatureInvalid, "{signature}");
    }
    // The issuer's key, and another algorithm than MOSIP signs events with.
    let mut message = good();
    message["event"]["data"]["proof"]["signature"] = birth()["proof"]["jws"].clone();
    assert_eq!(code(&lax, &message), Code::SignatureInvalid);
    assert_eq!(code(&lax, &fake::issued(&birth(), Some("stranger"))), Code::SignatureInvalid);
    // The proof beside it is good, the one inside is not.
    let mut altered = birth();
    altered["credentialSubject"]["VID"] = json!("8031687219");
    assert_eq!(code(&lax, &fake::issued(&altered, Some("issuer"))), Code::SignatureInvalid);
    let mut empty = birth();
    empty["proof"] = Value::Null;
    assert_eq!(code(&lax, &fake::issued(&empty, Some("issuer"))), Code::SignatureInvalid);
}

#[test]
fn one_of_the_proofs_that_are_required_has_to_be_there() {
    let (event, embedded) = (vec![ProofKind::Event], vec![ProofKind::Embedded]);
    let with = |require: &Vec<ProofKind>| Credentials { require: require.clone(), ..credentials(false) };
    let both = credentials(false).require;
    let mut embedded_alone = good();
    embedded_alone["event"]["data"].as_object_mut().unwrap().remove("proof");
    let beside_alone = fake::issued(&plain(json!({ "UIN": 4_961_827_350_u64 })), Some("issuer"));
    for (message, require, is_enough) in [
        (&embedded_alone, &both, true),
        (&embedded_alone, &embedded, true),
        (&embedded_alone, &event, false),
        (&beside_alone, &both, true),
        (&beside_alone, &event, true),
        (&beside_alone, &embedded, false),
    ] {
        let verdict = verify_event(&with(require), message).map(|issued| issued.word());
        assert_eq!(verdict.as_ref().ok().copied(), is_enough.then_some("signature"), "{require:?}");
        if let Err(error) = verdict {
            assert_eq!(error.code(), Code::SignatureMissing);
            assert!(error.detail().contains("has a good proof, but not one"), "{require:?}: {error}");
        }
    }
    let issued = verify_event(&credentials(false), &embedded_alone).unwrap().into_inner();
    assert_eq!(issued.not_covered, ["/credentialSubject/birthCertificateNumber", "/type/1"]);
    assert!(issued.covered.contains(&"/credentialSubject/VID".to_owned()));
    assert!(issued.registration_id.is_some_and(|id| id.is_covered));
    assert_eq!(issued.certificate_number, None, "anyone could have written it");
}

#[test]
fn what_no_proof_covers_makes_no_other_event_of_a_credential() {
    let credentials = credentials(false);
    let mut birth = birth();
    let subject = birth["credentialSubject"].as_object_mut().unwrap();
    subject.remove("birthCertificateNumber");
    subject.insert("deathCertificateNumber".to_owned(), json!("D-OF-SOMEBODY"));
    let issued = verify_event(&credentials, &fake::issued(&birth, None)).unwrap().into_inner();
    assert_eq!((issued.occasion, issued.certificate_number.clone()), (Occasion::Birth, None));
    assert!(issued.number == Some(IssuedNumber::Vid("8031687218".to_owned())));
    assert!(issued.not_covered.contains(&"/credentialSubject/deathCertificateNumber".to_owned()));
    assert_eq!(issued.data().get("certificateNumber"), None);

    let vectors = super::super::tests::vectors();
    let mut death = vectors["cases"][1]["credential"].clone();
    death["credentialSubject"]["birthCertificateNumber"] = json!("B-OF-SOMEBODY");
    let issued = verify_event(&credentials, &fake::issued(&death, None)).unwrap().into_inner();
    assert_eq!((issued.occasion, issued.certificate_number), (Occasion::Death, None));
    assert!(issued.number.is_none());
}

#[test]
fn a_number_that_is_covered_counts_and_one_that_is_not_does_not() {
    let credential =
        plain(json!({ "VID": "1", "UIN": "2", "birthCertificateNumber": "B1", "id": "http://a.example/7" }));
    let read = |covered: &[&str]| CredentialSubject::read(&credential, |name| covered.contains(&name));
    assert!(read(&["UIN"]).ok().unwrap().number == Some(IssuedNumber::Uin("2".to_owned())));
    assert!(read(&["VID", "UIN"]).ok().unwrap().number == Some(IssuedNumber::Vid("1".to_owned())));
    let none = read(&[]).ok().unwrap();
    assert!(none.number.is_none() && none.certificate_number.is_none() && none.registration_id.is_none());
    assert_eq!(read(&["birthCertificateNumber"]).err().unwrap().code(), Code::Field);
}

#[test]
fn that_no_number_is_there_proves_a_death_only_where_one_would_be_signed() {
    let mut credentials = credentials(false);
    let vectors = super::super::tests::vectors();
    let death = &vectors["cases"][1]["credential"];
    credentials.check_absence(death).unwrap();
    let contexts =
        json!({ "@context": { "id": "@id", "type": "@type", "credentialSubject": "urn:s", "VID": "urn:v" } });
    let url = "https://a.example/c".to_owned();
    let documents = [(url.clone(), contexts.to_string().into_bytes())].into();
    credentials.contexts = Some(super::super::Contexts::pin(documents, vec![json!(url)]).unwrap());
    let own = json!({ "@context": [url], "id": "urn:c", "credentialSubject": { "id": "urn:s" } });
    let error = credentials.check_absence(&own).err().unwrap();
    assert_eq!((error.code(), error.pointer()), (Code::Field, Some("/credential/credentialSubject/UIN")));
}

#[test]
fn a_number_in_a_form_that_mosip_does_not_write_is_refused_and_never_left_out() {
    for vid in [json!(["1"]), json!({}), json!(true), json!(1.5), json!(-1)] {
        let message = fake::issued(&plain(json!({ "VID": vid })), Some("issuer"));
        let error = verify_event(&credentials(false), &message).err().unwrap();
        assert_eq!((error.code(), error.pointer()), (Code::Field, Some("/credential/credentialSubject/VID")));
    }
}

#[test]
fn the_hub_alone_is_enough_where_a_danger_setting_says_so() {
    let message = fake::issued(&plain(json!({ "VID": "1" })), None);
    let mut credentials = credentials(false);
    assert_eq!(code(&credentials, &message), Code::SignatureMissing);
    credentials.danger_accept_hub_alone = true;
    let issued = verify_event(&credentials, &message).unwrap();
    assert_eq!(issued.word(), "hub");
    assert!(issued.get().covered.is_empty());
    assert_eq!(issued.get().not_covered, ["/credentialSubject/VID", "/id", "/issuanceDate"]);
    assert!(issued.get().issuer.is_none());
}

#[test]
fn what_is_sealed_to_another_partner_is_for_a_key_that_is_unknown() {
    let other = keys::ring(&[("partner-old", &Keeper::there("files"))], UnknownThumbprint::Try);
    let body = good().to_string();
    let notification = Notification::read(body.as_bytes()).unwrap();
    let error = credentials(false).verify_issued(&notification, &other, NOW).err().unwrap();
    assert_eq!(error.code(), Code::UnknownKey);
}

#[test]
fn what_an_issuer_signed_outside_its_dates_says_so() {
    let mut credentials = credentials(false);
    let later = Timestamp::from_seconds(5_000_000_000);
    let body = good().to_string();
    let notification = Notification::read(body.as_bytes()).unwrap();
    let at = |credentials: &Credentials| credentials.verify_issued(&notification, &ring(), later);
    assert_eq!(at(&credentials).err().unwrap().code(), Code::SignerExpired);
    credentials.issuers[0].history = true;
    assert!(at(&credentials).is_ok());
    for (date, expected) in [
        (json!("2099-01-01T00:00:00.000Z"), Code::SignerExpired),
        (json!("2020-01-01T00:00:00.000Z"), Code::SignatureInvalid),
        (json!("yesterday"), Code::SignatureInvalid),
        (Value::Null, Code::SignatureInvalid),
    ] {
        let mut credential = plain(json!({ "VID": "1" }));
        credential["issuanceDate"] = date.clone();
        assert_eq!(code(&credentials, &fake::issued(&credential, Some("issuer"))), expected, "{date}");
    }
}

#[test]
fn a_birth_brings_a_number_and_a_death_needs_none() {
    let credentials = credentials(false);
    let about = |subject: Value| verify_event(&credentials, &fake::issued(&plain(subject), Some("issuer")));
    for subject in [json!({ "birthCertificateNumber": "B1" }), json!({ "opencrvsBRN": "B1", "UIN": " " })] {
        let error = about(subject).err().unwrap();
        assert_eq!((error.code(), error.pointer()), (Code::Field, Some("/credential/credentialSubject/VID")));
    }
    assert_eq!(about(json!([])).err().unwrap().code(), Code::Field);
    let uin = about(json!({ "UIN": 4_961_827_350_u64, "id": "http://a.example/credentials/7" }))
        .unwrap()
        .into_inner();
    assert!(uin.number == Some(IssuedNumber::Uin("4961827350".to_owned())));
    assert_eq!(
        uin.registration_id,
        Some(named("7", true)),
        "what is signed goes before what the message says"
    );
    let without_id = about(json!({ "VID": "1" })).unwrap().into_inner();
    assert_eq!(without_id.registration_id, Some(named("10001", false)));
    assert_eq!(without_id.data()["unsigned"], json!(["registrationId", "transactionId", "credentialType"]));
    for (subject, occasion) in [
        (json!({ "id": "http://a.example/7", "vcVer": "VC-V1" }), Occasion::Death),
        (json!({ "deathCertificateNumber": "D1", "VID": "1" }), Occasion::Death),
        (json!({ "VID": "1" }), Occasion::Birth),
    ] {
        assert_eq!(about(subject.clone()).unwrap().get().occasion, occasion, "{subject}");
    }
}

#[test]
fn a_shared_credential_is_opened_as_one_that_came_along() {
    let mut message = good();
    let sealed = message["event"]["data"].as_object_mut().unwrap().remove("credential").unwrap();
    message["event"]["dataShareUri"] = json!("https://api.example.org/v1/datashare/key");
    let body = message.to_string();
    let notification = Notification::read(body.as_bytes()).unwrap();
    assert_eq!(notification.share(), Some("https://api.example.org/v1/datashare/key"));
    let credentials = credentials(false);
    let error = credentials.verify_issued(&notification, &ring(), NOW).err().unwrap();
    assert_eq!(error.code(), Code::Keys);
    assert!(error.advice().contains("credentials.data_share"));
    let brought = share::brought(body.as_bytes(), sealed.as_str().unwrap()).unwrap();
    let notification = Notification::read(&brought).unwrap();
    assert_eq!(notification.share(), None);
    assert_eq!(credentials.verify_issued(&notification, &ring(), NOW).unwrap().get().credential, birth());
}

/// MOSIP writes all members of its event, whether they hold anything or not.
#[test]
fn an_empty_credential_or_an_empty_address_is_none() {
    let with = |credential: Value, share: Value| {
        let mut message = good();
        message["event"]["data"]["credential"] = credential;
        message["event"]["dataShareUri"] = share;
        let body = message.to_string();
        Notification::read(body.as_bytes())
            .map(|read| read.share().map(str::to_owned))
            .map_err(|error| error.code())
    };
    let share = "https://api.example.org/v1/datashare/key";
    for empty in [json!(""), json!("  "), Value::Null] {
        assert_eq!(with(empty.clone(), json!(share)), Ok(Some(share.to_owned())), "{empty}");
        assert_eq!(with(json!("sealed"), empty.clone()), Ok(None), "{empty}");
        assert_eq!(with(empty.clone(), empty.clone()), Err(Code::Field), "{empty}");
    }
    assert_eq!(with(json!("sealed"), json!(share)), Ok(None), "what came along counts");
}

#[test]
fn what_is_no_message_is_refused_with_the_place() {
    let without = |pointer: &str, value: Value| {
        let mut message = good();
        *message.pointer_mut(pointer).unwrap() = value;
        let body = message.to_string();
        let error = Notification::read(body.as_bytes()).err().unwrap();
        (error.code(), error.pointer().map(str::to_owned))
    };
    let field = |at: &str| (Code::Field, Some(at.to_owned()));
    assert_eq!(without("/event", json!([])), field("/event"));
    assert_eq!(without("/event/id", json!(7)), field("/event/id"));
    assert_eq!(without("/event/id", json!(" ")), field("/event/id"));
    assert_eq!(without("/event/data", Value::Null), field("/event/data"));
    assert_eq!(without("/event/data/credential", Value::Null), field("/event/data/credential"));
    assert_eq!(without("/event/data/proof", json!("x")), field("/event/data/proof"));
    assert_eq!(without("/event/data/proof", json!({})), field("/event/data/proof/signature"));
    for body in ["", "[]", "7", "<html>", "{}", r#"{"event":{},"event":{}}"#] {
        assert!(Notification::read(body.as_bytes()).is_err(), "{body}");
    }
    let twice = good().to_string().replacen("\"data\":{", "\"data\":{\"registrationId\":\"2\",", 1);
    assert_eq!(Notification::read(twice.as_bytes()).err().unwrap().code(), Code::Malformed);
}

#[test]
fn what_was_sealed_is_read_in_one_way_only() {
    let credentials = credentials(false);
    let mut message = fake::issued(&plain(json!({ "VID": "1" })), None);
    for plaintext in ["[]", "7", "no JSON", r#"{"credentialSubject":{"VID":"1","VID":"2"}}"#] {
        message["event"]["data"]["credential"] = json!(fake::sealed(plaintext.as_bytes()));
        assert_eq!(code(&credentials, &message), Code::Malformed, "{plaintext}");
    }
    message["event"]["data"]["credential"] = json!(base64::encode_url(b"no envelope"));
    assert_eq!(code(&credentials, &message), Code::Malformed);
}

#[test]
fn a_credential_is_one_under_whichever_ids_it_comes_and_whatever_is_added_that_no_proof_covers() {
    let credentials = credentials(false);
    let identity = |message: &Value| {
        let issued = verify_event(&credentials, message).unwrap().into_inner();
        (issued.identity, issued.says)
    };
    let known = identity(&good());
    let mut repeated = good();
    repeated["event"]["id"] = json!("another");
    repeated["event"]["transactionId"] = json!("another");
    assert_eq!(identity(&repeated).0, known.0);
    assert_ne!(identity(&repeated).1, known.1, "it is another message all the same");
    let mut embedded = good();
    embedded["event"]["data"].as_object_mut().unwrap().remove("proof");
    assert_eq!(identity(&embedded).0, known.0);
    // The stock context gives this member no meaning, so that anybody can write it.
    let mut added = birth();
    added["credentialSubject"]["birthCertificateNumber"] = json!("B-9");
    assert_eq!(identity(&fake::issued(&added, None)).0, known.0);
    // Without an id of its issuer, all that is signed counts.
    let subject = |vid: &str| json!({ "id": "http://credential.idrepo/credentials/1000", "VID": vid });
    let nameless = |vid: &str| {
        let mut credential = plain(subject(vid));
        credential.as_object_mut().unwrap().remove("id");
        identity(&fake::issued(&credential, Some("issuer"))).0
    };
    assert_eq!(nameless("8031687218"), nameless("8031687218"));
    assert_ne!(nameless("8031687218"), nameless("8031687219"));
    // Its issuer's id makes it one, whether a proof covers that or the hub alone is trusted.
    let hub_alone = Credentials { danger_accept_hub_alone: true, ..self::credentials(false) };
    for (credentials, signer) in [(&credentials, Some("issuer")), (&hub_alone, None)] {
        let identity = |vid: &str| {
            let message = fake::issued(&plain(subject(vid)), signer);
            verify_event(credentials, &message).unwrap().into_inner().identity
        };
        assert_eq!(identity("8031687218"), identity("8031687219"), "{signer:?}");
    }
    assert_ne!(identity(&fake::issued(&plain(subject("8031687218")), Some("issuer"))).0, known.0);
}
