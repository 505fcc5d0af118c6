use http::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};

use super::partner::{
    COMPOSITION, Partner, birth, certificate, envelope, envelope_to, event, private_key, vector,
};
use crate::crypto::base64;
use crate::crypto::rsa::SignatureAlgorithm::{Rs256, Rs512};
use crate::crypto::secret::random;
use crate::simulator::event::Kind;
use crate::simulator::{Behaviour, envelope as simulated};

#[tokio::test]
async fn a_birth_is_accepted_and_recorded() {
    let partner = Partner::start().await;
    let aid = partner.aid().await;
    let plaintext = birth(&[&aid]).to_string();
    let answer = partner.send("birth", &partner.signed(COMPOSITION, &envelope(plaintext.as_bytes()))).await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "id": "mosip-opencrvs-mediator",
            "version": "1.0",
            "responseTime": "2026-11-24T08:00:00.000Z",
            "response": { "message": "Received" },
        })
    );
    assert_eq!(answer.headers["x-simulator"], "not for production");
    let entry = partner.simulator.history.accepted(COMPOSITION).unwrap();
    assert_eq!((entry.kind, entry.count, entry.repeats), (Kind::Birth, 1, 0));
    assert_eq!(entry.composition, COMPOSITION);
    assert_eq!(entry.aid, Some(aid));
    assert_eq!(entry.thumbprint, certificate(vector!("mosip.crt.pem")).thumbprint().to_string());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, plaintext.as_bytes());
    assert_eq!(entry.digest, format!("{digest:?}").trim_start_matches("SHA256:"));
}

#[tokio::test]
async fn a_repeated_birth_is_a_plain_success_and_counted_once() {
    let partner = Partner::start().await;
    let body = partner.send_birth().await;
    let answer = partner.send("birth", &body).await;

    assert_eq!(answer.json()["response"]["message"], "Packet Already Uploaded");
    let entry = partner.simulator.history.accepted(COMPOSITION).unwrap();
    assert_eq!((entry.count, entry.repeats, entry.altered), (1, 1, 0));
    assert_eq!(partner.simulator.history.record().accepted.len(), 1);
}

#[tokio::test]
async fn a_birth_swallowed_with_other_content_shows_in_the_history() {
    let partner = Partner::start().await;
    let aid = partner.aid().await;
    let mut birth = birth(&[&aid]);
    partner.send("birth", &partner.sealed(COMPOSITION, &birth)).await;
    birth["timestamp"] = "2026-11-25T07:59:58.000Z".into();
    let answer = partner.send("birth", &partner.sealed(COMPOSITION, &birth)).await;

    assert_eq!(answer.status, 200);
    let entry = partner.simulator.history.accepted(COMPOSITION).unwrap();
    assert_eq!((entry.count, entry.repeats, entry.altered), (1, 1, 1));
}

#[tokio::test]
async fn a_repeated_death_is_processed_again() {
    let partner = Partner::start().await;
    let death = event("DEATH_REGISTERED", COMPOSITION, &[&partner.aid().await]);
    for _ in 0..2 {
        assert_eq!(partner.send("death", &partner.sealed(COMPOSITION, &death)).await.status, 200);
    }
    let entry = partner.simulator.history.accepted(COMPOSITION).unwrap();
    assert_eq!((entry.kind, entry.count, entry.repeats), (Kind::Death, 2, 0));
}

#[tokio::test]
async fn a_correction_has_an_id_of_its_own_and_no_aid() {
    let partner = Partner::start().await;
    partner.send_birth().await;
    let correction = event("BIRTH_CORRECTED", COMPOSITION, &[]);
    let id = format!("{COMPOSITION}-0a1b2c3d");

    assert_eq!(partner.send("birth-correction", &partner.sealed(&id, &correction)).await.status, 200);
    let under_the_birth = partner.send("birth-correction", &partner.sealed(COMPOSITION, &correction)).await;
    assert_eq!(under_the_birth.refusal(), (400, "SIM-ID-KIND".to_owned()));
    assert_eq!(partner.simulator.history.accepted(&id).unwrap().aid, None);
}

#[tokio::test]
async fn an_unknown_kind_is_not_found() {
    let partner = Partner::start().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
    assert_eq!(partner.send("marriage", &body).await.status, 404);
}

#[tokio::test]
async fn a_wrong_signature_is_refused_on_both_routes() {
    let partner = Partner::start().await;
    for (kind, topic) in [("birth", "BIRTH_REGISTERED"), ("death", "DEATH_REGISTERED")] {
        let plaintext = event(topic, COMPOSITION, &[&partner.aid().await]).to_string();
        let envelope = envelope(plaintext.as_bytes());
        let stranger = private_key(vector!("stranger.key.pem"));
        let signatures = [
            ("by a stranger", stranger.sign(Rs512, &[&envelope])),
            ("over the plaintext", partner.key.sign(Rs512, &[plaintext.as_bytes()])),
            ("with SHA-256", partner.key.sign(Rs256, &[&envelope])),
            ("empty", Ok(Vec::new())),
        ];
        for (defect, signature) in signatures {
            let mut body = partner.signed(COMPOSITION, &envelope);
            body["signature"] = base64::encode(&signature.unwrap()).into();
            let answer = partner.send(kind, &body).await;
            assert_eq!(answer.refusal(), (400, "OPN-CRVS-026".to_owned()), "{kind}: {defect}");
        }
    }
    assert!(partner.simulator.history.record().accepted.is_empty());
}

#[tokio::test]
async fn a_random_thumbprint_is_refused() {
    let partner = Partner::start().await;
    let plaintext = birth(&[&partner.aid().await]).to_string();
    let body = partner.signed(COMPOSITION, &envelope_to(&random(), plaintext.as_bytes()));
    assert_eq!(partner.send("birth", &body).await.refusal(), (400, "SIM-THUMBPRINT".to_owned()));

    let refused = partner.simulator.history.record().refused;
    assert_eq!(refused[0].code, "SIM-THUMBPRINT");
    assert_eq!((refused[0].route.as_str(), refused[0].id.as_deref()), ("birth", Some(COMPOSITION)));
}

#[tokio::test]
async fn a_random_thumbprint_is_taken_where_it_is_as_lenient_as_the_real_mediator() {
    let partner = Partner::start().await;
    partner.simulator.controls.set(Behaviour { any_thumbprint: true, ..Behaviour::default() });
    let plaintext = birth(&[&partner.aid().await]).to_string();
    let body = partner.signed(COMPOSITION, &envelope_to(&random(), plaintext.as_bytes()));
    assert_eq!(partner.send("birth", &body).await.status, 200);
    assert_eq!(partner.simulator.history.record().accepted.len(), 1);
}

#[tokio::test]
async fn a_broken_envelope_is_refused_by_its_defect() {
    let partner = Partner::start().await;
    let good = envelope(birth(&[&partner.aid().await]).to_string().as_bytes());
    let flipped = |at: usize| {
        let mut envelope = good.clone();
        envelope[at] ^= 1;
        envelope
    };
    let splitter = 6 + 32 + 256;
    let cases = [
        ("legacy, without header", good[6..].to_vec(), "SIM-HEADER"),
        ("empty", Vec::new(), "SIM-HEADER"),
        ("truncated in the thumbprint", good[..20].to_vec(), "SIM-TRUNCATED"),
        ("truncated in the wrapped key", good[..100].to_vec(), "SIM-TRUNCATED"),
        ("splitter misspelt", flipped(splitter), "SIM-SPLITTER"),
        ("truncated in the aad", good[..splitter + 14 + 31].to_vec(), "SIM-TRUNCATED"),
        ("wrapped key altered", flipped(splitter - 1), "OPN-CRVS-022"),
        ("nonce altered", flipped(splitter + 14), "OPN-CRVS-022"),
        ("end of the aad altered", flipped(splitter + 14 + 31), "OPN-CRVS-022"),
        ("ciphertext altered", flipped(splitter + 14 + 32), "OPN-CRVS-022"),
        ("tag altered", flipped(good.len() - 1), "OPN-CRVS-022"),
        ("no tag", good[..splitter + 14 + 32].to_vec(), "OPN-CRVS-022"),
    ];
    for (defect, envelope, code) in cases {
        let answer = partner.send("birth", &partner.signed(COMPOSITION, &envelope)).await;
        assert_eq!(answer.refusal(), (400, code.to_owned()), "{defect}");
    }
    assert!(partner.simulator.history.record().accepted.is_empty());
}

#[tokio::test]
async fn a_body_of_another_form_is_refused_by_its_defect() {
    let partner = Partner::start().await;
    let good = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    let without = |member: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(member);
        body
    };
    let bytes = base64::decode(good["data"].as_str().unwrap().as_bytes()).unwrap();
    let signature = good["signature"].as_str().unwrap();
    let cases = [
        ("base64url", with("data", base64::encode_url(&bytes).into()), "SIM-BASE64"),
        ("unpadded", with("signature", signature.trim_end_matches('=').into()), "SIM-BASE64"),
        ("not base64", with("data", "%%%".into()), "SIM-BASE64"),
        ("a member too many", with("version", "1.0".into()), "SIM-BODY"),
        ("no signature", without("signature"), "SIM-BODY"),
        ("no id", without("id"), "SIM-BODY"),
        ("time without milliseconds", with("requestTime", "2026-11-24T08:00:00Z".into()), "SIM-REQUEST-TIME"),
        ("local time", with("requestTime", "2026-11-24T08:00:00+00:00".into()), "SIM-REQUEST-TIME"),
        ("no time", with("requestTime", "2026-11-24T08:00:00.00xZ".into()), "SIM-REQUEST-TIME"),
        ("id of another composition", with("id", "c0ffee00".into()), "SIM-ID"),
        ("id with a short suffix", with("id", format!("{COMPOSITION}-0a1b").into()), "SIM-ID"),
        ("id with another suffix", with("id", format!("{COMPOSITION}-0A1B2C3D").into()), "SIM-ID"),
    ];
    for (defect, body, code) in cases {
        assert_eq!(partner.send("birth", &body).await.refusal(), (400, code.to_owned()), "{defect}");
    }
    assert!(partner.simulator.history.record().accepted.is_empty());
}

#[tokio::test]
async fn another_media_type_is_refused() {
    let partner = Partner::start().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await])).to_string();
    let cookie = format!("Authorization={}", partner.token().await);
    let headers = [(COOKIE, cookie.as_str()), (CONTENT_TYPE, "text/plain")];
    let answer = partner.call("POST", "/opencrvs/v1/birth", &headers, body).await.unwrap();
    assert_eq!(answer.refusal(), (415, "SIM-MEDIA-TYPE".to_owned()));
}

#[tokio::test]
async fn an_event_of_another_form_is_refused_by_its_defect() {
    let partner = Partner::start().await;
    let good = birth(&[&partner.aid().await]);
    let without = |pointer: &str, member: &str| {
        let mut event = good.clone();
        event.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(member);
        event
    };
    let mut second_task = good.clone();
    let entries = second_task.pointer_mut("/event/context/0/entry").unwrap().as_array_mut().unwrap();
    entries.push(entries[0].clone());
    let cases = [
        ("null", Value::Null, "SIM-TOPIC"),
        ("topic of a death", event("DEATH_REGISTERED", COMPOSITION, &[]), "SIM-TOPIC"),
        ("no topic", without("/event/hub", "topic"), "SIM-TOPIC"),
        ("no entries", without("/event/context/0", "entry"), "SIM-EVENT"),
        ("no Task", without("/event/context/0/entry/0", "resource"), "SIM-TASK"),
        ("two Tasks", second_task, "SIM-TASK"),
        ("no focus", without("/event/context/0/entry/0/resource", "focus"), "SIM-TASK"),
        ("no Patient", without("/event/context/0/entry/1", "resource"), "SIM-AID-ABSENT"),
    ];
    for (defect, event, code) in cases {
        let answer = partner.send("birth", &partner.sealed(COMPOSITION, &event)).await;
        assert_eq!(answer.refusal(), (400, code.to_owned()), "{defect}");
    }
    let not_json = partner.send("birth", &partner.signed(COMPOSITION, &envelope(b"{"))).await;
    assert_eq!(not_json.refusal(), (400, "SIM-EVENT".to_owned()));
}

#[tokio::test]
async fn an_aid_counts_once_and_only_where_it_was_handed_out() {
    let partner = Partner::start().await;
    let (first, second) = (partner.aid().await, partner.aid().await);
    assert_ne!(first, second);
    let other = "66854a75-94c8-47fb-9d00-e8c64cc0e4b3";
    let send = async |composition: &str, aids: &[&str]| {
        let event = event("BIRTH_REGISTERED", composition, aids);
        partner.send("birth", &partner.sealed(composition, &event)).await
    };
    let refused = |code: &str| (400, code.to_owned());

    assert_eq!(send(COMPOSITION, &[]).await.refusal(), refused("SIM-AID-ABSENT"));
    assert_eq!(send(COMPOSITION, &[&first, &second]).await.refusal(), refused("SIM-AID-SEVERAL"));
    assert_eq!(send(COMPOSITION, &["10001"]).await.refusal(), refused("SIM-AID-UNKNOWN"));
    assert_eq!(send(COMPOSITION, &[&first]).await.status, 200);
    assert_eq!(send(COMPOSITION, &[&second]).await.refusal(), refused("SIM-AID-CHANGED"));
    assert_eq!(send(other, &[&first]).await.refusal(), refused("SIM-AID-USED"));
    assert_eq!(send(other, &[&second]).await.status, 200);

    let used: Vec<_> = partner.simulator.history.record().aids.into_iter().map(|aid| aid.used_by).collect();
    assert_eq!(used, [Some(COMPOSITION.to_owned()), Some(other.to_owned())]);
}

#[tokio::test]
async fn an_aid_is_found_in_both_shapes_of_an_identifier() {
    let partner = Partner::start().await;
    let mut birth = birth(&[&partner.aid().await]);
    *birth.pointer_mut("/event/context/0/entry/1/resource/identifier/0/type").unwrap() = "MOSIP_AID".into();
    assert_eq!(partner.send("birth", &partner.sealed(COMPOSITION, &birth)).await.status, 200);
}

#[test]
fn envelopes_of_another_implementation_open() {
    let cases: Value =
        serde_json::from_slice(include_bytes!("../../../tests/vectors/envelope.json")).unwrap();
    let (key, certificate) =
        (private_key(vector!("partner.key.pem")), certificate(vector!("partner.crt.pem")));
    for name in ["plain-json", "unicode", "empty-plaintext", "splitter-inside-plaintext"] {
        let case = cases.as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
        let decode = |member: &str| base64::decode(case[member].as_str().unwrap().as_bytes()).unwrap();
        let opened = simulated::open(&decode("envelope"), &key, Some(&certificate.thumbprint())).unwrap();
        assert_eq!(opened, decode("expect_b64"), "{name}");
    }
}
