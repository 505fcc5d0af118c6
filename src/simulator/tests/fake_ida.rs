//! IDA's strictness, defect by defect, against requests put together here and not by the gateway.

use data_encoding::{HEXLOWER, HEXUPPER};
use http::HeaderName;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::partner::{Answer, Partner, START, certificate, private_key, vector};
use crate::clock::Timestamp;
use crate::crypto::aead::{self, Nonce};
use crate::crypto::base64;
use crate::crypto::jws::{self, Jws, Protected};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::secret::{SessionKey, random};
use crate::simulator::{Behaviour, IdaReply};

const PATH: &str = "licence/partner/api";
const UIN: &str = "4152630978";
const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// What goes into a request, to be spoiled before it is sent.
struct Draft {
    service: &'static str,
    path: String,
    open: Value,
    inner: Value,
    uppercase_digest: bool,
    signer: PrivateKey,
    x5c: Vec<Vec<u8>>,
    authorization: Option<&'static str>,
}

impl Draft {
    fn new(service: &'static str) -> Self {
        let now = START.to_iso();
        Self {
            service,
            path: PATH.to_owned(),
            open: json!({
                "id": format!("mosip.identity.{service}"), "version": "1.0", "individualId": UIN, "individualIdType": "UIN",
                "transactionID": "1234567890", "requestTime": now, "consentObtained": true,
                "thumbprint": certificate(vector!("ida.crt.pem")).thumbprint().to_hex_upper(),
            }),
            inner: json!({"otp": "", "timestamp": now, "demographics": {"dob": "1990/03/14"}, "biometrics": []}),
            uppercase_digest: true,
            signer: private_key(vector!("partner.key.pem")),
            x5c: vec![certificate(vector!("partner.crt.pem")).der().to_vec()],
            authorization: Some("Authorization"),
        }
    }

    fn otp() -> Self {
        let mut draft = Self::new("otp");
        draft.open["otpChannel"] = json!(["email", "phone"]);
        draft
    }

    fn body(&self) -> String {
        let mut body = self.open.clone();
        if self.service != "otp" {
            let key = SessionKey::generate();
            let seal = |plaintext: &[u8]| {
                let (iv, mut bytes) = (random::<16>(), plaintext.to_vec());
                aead::seal_tail(&key, Nonce::Sixteen(&iv), &[], &mut bytes, 0).unwrap();
                bytes.extend_from_slice(&iv);
                base64::encode_url(&bytes)
            };
            let inner = self.inner.to_string();
            let form = if self.uppercase_digest { HEXUPPER } else { HEXLOWER };
            let digest = form.encode(&Sha256::digest(&inner));
            let wrapped = certificate(vector!("ida.crt.pem")).public_key().wrap(&key).unwrap();
            for (name, value) in [
                ("request", seal(inner.as_bytes())),
                ("requestHMAC", seal(digest.as_bytes())),
                ("requestSessionKey", base64::encode_url(&wrapped)),
            ] {
                if body.get(name).is_none() {
                    body[name] = json!(value);
                }
            }
        }
        body.to_string()
    }

    async fn send(&self, partner: &Partner) -> Answer {
        let body = self.body();
        let x5c: Vec<&[u8]> = self.x5c.iter().map(Vec::as_slice).collect();
        let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
        let signature = jws::sign_detached(&self.signer, protected, body.as_bytes()).unwrap();
        self.post(partner, Some(&signature), body).await
    }

    async fn post(&self, partner: &Partner, signature: Option<&str>, body: String) -> Answer {
        let path = format!("/idauthentication/v1/{}/{}", self.service, self.path);
        let mut headers = Vec::new();
        headers.extend(signature.map(|signature| (SIGNATURE, signature)));
        headers.extend(self.authorization.map(|value| (AUTHORIZATION, value)));
        partner.call("POST", &path, &headers, body).await.unwrap()
    }
}

async fn code(partner: &Partner, draft: &Draft) -> String {
    let (status, code) = draft.send(partner).await.refusal();
    assert_eq!(status, 200);
    code
}

fn is_signed(answer: &Answer, signer: &[u8]) -> bool {
    let Some(header) = answer.headers.get("response-signature") else { return false };
    let signer = certificate(signer);
    let token = Jws::parse(header.to_str().unwrap()).unwrap();
    assert_eq!(token.x5c_first(), Some(signer.der()));
    token.verify(signer.public_key(), &[SignatureAlgorithm::Rs256], Some(&answer.body)).is_ok()
}

#[tokio::test]
async fn a_good_request_is_answered_and_the_answer_signed() {
    let partner = Partner::start().await;
    let answer = Draft::new("auth").send(&partner).await;
    let body = answer.json();
    assert_eq!(body["response"]["authStatus"], json!(true), "{body}");
    assert_eq!(body["response"]["authToken"].as_str().unwrap().len(), 36);
    assert_eq!((&body["transactionID"], &body["id"]), (&json!("1234567890"), &json!("mosip.identity.auth")));
    assert!(is_signed(&answer, vector!("issuer.crt.pem")));
    let calls = partner.simulator.history.record().ida;
    assert_eq!((calls[0].service, calls[0].code.as_deref()), ("mosip.identity.auth", None));
}

#[tokio::test]
async fn every_defect_of_a_request_has_its_code() {
    let partner = Partner::start().await;
    let at = |seconds: i64| json!(Timestamp::from_seconds(START.seconds() + seconds).to_iso());
    type Spoil = Box<dyn Fn(&mut Draft)>;
    let open = |name: &'static str, value: Value| -> Spoil {
        Box::new(move |draft| draft.open[name] = value.clone())
    };
    let inner = |name: &'static str, value: Value| -> Spoil {
        Box::new(move |draft| draft.inner[name] = value.clone())
    };
    let path = |path: &'static str| -> Spoil { Box::new(move |draft| path.clone_into(&mut draft.path)) };
    let cases: Vec<(Spoil, &str)> = vec![
        (open("id", json!("mosip.identity.kyc")), "IDA-MLC-009"),
        (open("version", json!("1")), "IDA-MLC-009"),
        (open("transactionID", json!("123456789")), "IDA-MLC-009"),
        (open("transactionID", json!(null)), "IDA-MLC-006"),
        (open("env", json!("Moon")), "IDA-MLC-009"),
        (open("surprise", json!(1)), "IDA-MLC-009"),
        (open("requestTime", json!(null)), "IDA-MLC-006"),
        (open("requestTime", json!("2026-11-24T08:00:00Z")), "IDA-MLC-001"),
        (open("requestTime", at(-61)), "IDA-MLC-001"),
        (open("requestTime", at(31)), "IDA-MLC-001"),
        (inner("timestamp", at(-61)), "IDA-MLC-001"),
        (open("consentObtained", json!(false)), "IDA-MLC-012"),
        (open("consentObtained", json!(null)), "IDA-MLC-012"),
        (open("thumbprint", json!(null)), "IDA-MLC-006"),
        (open("thumbprint", json!("00".repeat(32))), "IDA-MPA-003"),
        (open("requestSessionKey", json!("AAAA")), "IDA-MPA-003"),
        (open("request", json!("+/+/")), "IDA-MPA-003"),
        (open("request", json!("")), "IDA-MLC-006"),
        (Box::new(|draft| draft.uppercase_digest = false), "IDA-MPA-016"),
        (inner("surprise", json!(1)), "IDA-MLC-009"),
        (inner("demographics", json!({})), "IDA-MLC-008"),
        (path("other/partner/api"), "IDA-MPA-009"),
        (path("licence/other/api"), "IDA-MPA-009"),
        (path("licence/partner/other"), "IDA-MPA-009"),
        (Box::new(|draft| draft.authorization = None), "IDA-MLC-006"),
        (Box::new(|draft| draft.authorization = Some("")), "IDA-MLC-006"),
        (Box::new(|draft| draft.x5c.clear()), "IDA-MPA-022"),
        (Box::new(|draft| draft.signer = private_key(vector!("stranger.key.pem"))), "IDA-MPA-001"),
        (
            Box::new(|draft| {
                draft.signer = private_key(vector!("stranger.key.pem"));
                draft.x5c = vec![certificate(vector!("stranger.crt.pem")).der().to_vec()];
            }),
            "IDA-MPA-001",
        ),
    ];
    for (index, (spoil, wanted)) in cases.into_iter().enumerate() {
        let mut draft = Draft::new("auth");
        spoil(&mut draft);
        assert_eq!(code(&partner, &draft).await, wanted, "case {index}");
    }
}

#[tokio::test]
async fn the_filter_refuses_in_signed_pairs_without_service_and_a_controller_alone() {
    let partner = Partner::start().await;
    type Spoil = fn(&mut Draft);
    let by_filter: [(Spoil, &str); 5] = [
        (|draft| "other/partner/api".clone_into(&mut draft.path), "IDA-MPA-009"),
        (|draft| draft.signer = private_key(vector!("stranger.key.pem")), "IDA-MPA-001"),
        (|draft| draft.x5c.clear(), "IDA-MPA-022"),
        (|draft| draft.authorization = None, "IDA-MLC-006"),
        (|draft| draft.open["thumbprint"] = json!("00".repeat(32)), "IDA-MPA-003"),
    ];
    let (auth, kyc) = (
        json!({"authStatus": false, "authToken": null}),
        json!({"kycStatus": false, "authToken": null, "thumbprint": null, "identity": null, "sessionKey": null}),
    );
    for (spoil, code) in by_filter {
        for (mut draft, transaction, response) in [
            (Draft::new("auth"), json!("1234567890"), &auth),
            (Draft::new("kyc"), Value::Null, &kyc),
            (Draft::otp(), json!("1234567890"), &Value::Null),
        ] {
            if draft.service == "otp" && code == "IDA-MPA-003" {
                continue;
            }
            spoil(&mut draft);
            let answer = draft.send(&partner).await;
            assert!(is_signed(&answer, vector!("issuer.crt.pem")), "{code}");
            let body = answer.json();
            let codes = [&body["errors"][0]["errorCode"], &body["errors"][1]["errorCode"]];
            assert_eq!(codes, [&json!("IDA-MLC-007"), &json!(code)], "{body}");
            assert_eq!((&body["id"], &body["version"]), (&Value::Null, &Value::Null), "{body}");
            assert_eq!((&body["transactionID"], &body["response"]), (&transaction, response), "{body}");
        }
    }
    let mut wrong = Draft::new("kyc");
    wrong.inner["demographics"] = json!({"dob": "1990/03/15"});
    let answer = wrong.send(&partner).await;
    assert!(is_signed(&answer, vector!("issuer.crt.pem")));
    let body = answer.json();
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
    assert_eq!((&body["id"], &body["transactionID"]), (&json!("mosip.identity.kyc"), &json!("1234567890")));
}

#[tokio::test]
async fn a_number_without_a_type_is_told_by_its_length() {
    let partner = Partner::start().await;
    for id in [UIN, "6042817395162840", "leila.karim@handle"] {
        let mut draft = Draft::new("auth");
        draft.open["individualId"] = json!(id);
        draft.open.as_object_mut().unwrap().remove("individualIdType");
        let body = draft.send(&partner).await.json();
        assert_eq!(body["response"]["authStatus"], json!(true), "{id}: {body}");
    }
}

#[tokio::test]
async fn a_signature_that_is_absent_or_over_other_bytes_is_refused() {
    let partner = Partner::start().await;
    let draft = Draft::new("auth");
    let unsigned = draft.post(&partner, None, draft.body()).await;
    assert_eq!(unsigned.refusal().1, "IDA-MLC-006");
    let body = draft.body();
    let x5c = [draft.x5c[0].as_slice()];
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
    let signature = jws::sign_detached(&draft.signer, protected, body.as_bytes()).unwrap();
    let spaced = draft.post(&partner, Some(&signature), body.replacen(':', ": ", 1)).await;
    assert_eq!(spaced.refusal().1, "IDA-MPA-001");
}

#[tokio::test]
async fn a_request_is_taken_to_the_edges_of_its_window() {
    let partner = Partner::start().await;
    for seconds in [-60, 30] {
        let mut draft = Draft::new("auth");
        draft.open["requestTime"] = json!(Timestamp::from_seconds(START.seconds() + seconds).to_iso());
        assert_eq!(draft.send(&partner).await.json()["errors"], json!(null), "{seconds}");
    }
}

#[tokio::test]
async fn a_person_is_confirmed_by_what_ida_holds_and_by_nothing_else() {
    let partner = Partner::start().await;
    let name = |language: &str, value: &str| json!({"name": [{"language": language, "value": value}]});
    let cases = [
        (UIN, json!({"dob": "1990/03/15"}), "IDA-DEA-001"),
        (UIN, name("eng", "Leila Kari"), "IDA-DEA-001"),
        (UIN, name("xyz", "Leila Karim"), "IDA-DEA-002"),
        (UIN, json!({"bloodType": "0+"}), "IDA-DEA-003"),
        ("2961743850", json!({"gender": [{"language": "eng", "value": "Female"}]}), "IDA-DEA-003"),
        ("1111111111", json!({"dob": "1990/03/14"}), "IDA-MLC-018"),
        ("415263097", json!({"dob": "1990/03/14"}), "IDA-MLC-002"),
        ("8520417639", json!({"dob": "1965/01/20"}), "IDA-MLC-022"),
    ];
    for (uin, demographics, wanted) in cases {
        let mut draft = Draft::new("auth");
        draft.open["individualId"] = json!(uin);
        draft.inner["demographics"] = demographics;
        assert_eq!(code(&partner, &draft).await, wanted, "{uin}");
    }
    let mut expired = Draft::new("auth");
    expired.open["individualIdType"] = json!("VID");
    expired.open["individualId"] = json!("7283940516273849");
    assert_eq!(code(&partner, &expired).await, "IDA-MLC-023");
}

#[tokio::test]
async fn a_one_time_password_counts_once_under_its_transaction_for_three_minutes() {
    let partner = Partner::start().await;
    let by_otp = |otp: &str, transaction: &str| {
        let mut draft = Draft::new("auth");
        draft.open["transactionID"] = json!(transaction);
        draft.inner = json!({"otp": otp, "timestamp": START.to_iso(), "biometrics": []});
        draft
    };
    assert_eq!(code(&partner, &by_otp("111111", "1234567890")).await, "IDA-OTA-005");
    let sent = Draft::otp().send(&partner).await.json();
    assert_eq!(
        sent["response"],
        json!({"maskedMobile": "XXXXXX3210", "maskedEmail": "XXXXXXXarim@example.org"})
    );
    assert_eq!(code(&partner, &by_otp("111111", "0987654321")).await, "IDA-OTA-005");
    assert_eq!(code(&partner, &by_otp("222222", "1234567890")).await, "IDA-OTA-004");
    let used = by_otp("111111", "1234567890").send(&partner).await.json();
    assert_eq!(used["response"]["authStatus"], json!(true), "{used}");
    assert_eq!(code(&partner, &by_otp("111111", "1234567890")).await, "IDA-OTA-005");

    Draft::otp().send(&partner).await;
    for _ in 0..3 {
        assert_eq!(code(&partner, &by_otp("222222", "1234567890")).await, "IDA-OTA-004");
    }
    assert_eq!(code(&partner, &by_otp("111111", "1234567890")).await, "IDA-OTA-007");
}

#[tokio::test]
async fn a_one_time_password_expires() {
    let partner = Partner::start().await;
    Draft::otp().send(&partner).await;
    let later = Timestamp::from_seconds(START.seconds() + 181);
    partner.clock.set(later);
    let mut draft = Draft::new("auth");
    draft.open["requestTime"] = json!(later.to_iso());
    draft.inner = json!({"otp": "111111", "timestamp": later.to_iso(), "biometrics": []});
    assert_eq!(code(&partner, &draft).await, "IDA-OTA-003");
}

#[tokio::test]
async fn an_identity_is_sealed_to_the_partner_under_its_thumbprint_in_upper_case_hex() {
    let partner = Partner::start().await;
    let response = Draft::new("kyc").send(&partner).await.json()["response"].clone();
    let own = certificate(vector!("partner.crt.pem"));
    assert_eq!(response["thumbprint"], own.thumbprint().to_hex_upper());
    let bytes =
        |member: &str| base64::decode_url_strict(response[member].as_str().unwrap().as_bytes()).unwrap();
    let key = partner.key.unwrap(&bytes("sessionKey")).unwrap();
    let mut sealed = bytes("identity");
    let iv: [u8; 16] = sealed.split_off(sealed.len() - 16).try_into().unwrap();
    let identity: Value =
        serde_json::from_slice(aead::open_in_place(&key, Nonce::Sixteen(&iv), &[], &mut sealed).unwrap())
            .unwrap();
    assert_eq!((&identity["name_eng"], &identity["dob"]), (&json!("Leila Karim"), &json!("1990/03/14")));
}

#[tokio::test]
async fn ida_behaves_as_it_is_set() {
    let partner = Partner::start().await;
    let turn =
        |reply| partner.simulator.controls.set(Behaviour { ida_reply: Some(reply), ..Behaviour::default() });
    let (ida, mosip) = (vector!("issuer.crt.pem"), vector!("mosip.crt.pem"));
    let draft = Draft::new("auth");
    let first = draft.send(&partner).await;

    turn(IdaReply::Unsigned);
    assert!(draft.send(&partner).await.headers.get("response-signature").is_none());
    turn(IdaReply::Stranger);
    assert!(is_signed(&draft.send(&partner).await, mosip));
    for reply in [IdaReply::Forged, IdaReply::Altered] {
        turn(reply);
        assert!(!is_signed(&draft.send(&partner).await, ida), "{reply:?}");
    }
    partner.simulator.controls.set(Behaviour::default());
    let mut other = Draft::new("auth");
    other.open["transactionID"] = json!("0987654321");
    let former = other.send(&partner).await;
    turn(IdaReply::Replayed);
    for _ in 0..2 {
        let replayed = draft.send(&partner).await;
        assert!(is_signed(&replayed, ida));
        assert_eq!(replayed.body, former.body);
        assert_ne!(replayed.body, first.body);
    }
    turn(IdaReply::Stale);
    let stale = draft.send(&partner).await;
    assert!(is_signed(&stale, ida));
    assert_eq!(stale.json()["responseTime"], json!("2026-11-24T07:50:00.000Z"));
    partner
        .simulator
        .controls
        .set(Behaviour { ida_errors_in_200: Some("IDA-MLC-007".to_owned()), ..Behaviour::default() });
    assert_eq!(code(&partner, &draft).await, "IDA-MLC-007");
}
