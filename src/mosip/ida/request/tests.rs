use data_encoding::HEXUPPER;
use serde_json::{Value, json};

use super::*;
use crate::crypto::aead::{self, Nonce};
use crate::crypto::jws::Jws;
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::sha256;

const NOW: Timestamp = Timestamp::from_millis(1_795_507_200_123);

fn pem(bytes: &[u8]) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(bytes).unwrap().1.contents
}

fn ida() -> Certificate {
    Certificate::from_der(&pem(include_bytes!("../../../../tests/vectors/keys/ida.crt.pem"))).unwrap()
}

fn partner() -> OwnKey {
    let certificate = pem(include_bytes!("../../../../tests/vectors/keys/partner.crt.pem"));
    let key = pem(include_bytes!("../../../../tests/vectors/keys/partner.key.pem"));
    OwnKey {
        name: None,
        location: crate::keys::Location::from("partner.key.pem"),
        private: PrivateKey::from_pkcs8_der(&key).unwrap(),
        certificate: Some(Certificate::from_der(&certificate).unwrap()),
        certificate_at: crate::keys::Location::from("partner.crt.pem"),
        chain: Vec::new(),
        uses: crate::keys::settings::Uses { sign: true, decrypt: false },
    }
}

fn built(service: Service, asked: &Value, origin: Origin<'_>) -> (SignedRequest, Value) {
    let intent = Intent::parse(service, asked.to_string().as_bytes()).ok().unwrap();
    let request = request(&intent, origin, &ida(), &partner(), NOW).unwrap();
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

/// What IDA finds in the request `body`: it unwraps the session key, opens both members, and compares the digest.
fn opened(body: &[u8]) -> Option<Vec<u8>> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let member = |name: &str| base64::decode(body[name].as_str().unwrap().as_bytes()).ok();
    let key = pem(include_bytes!("../../../../tests/vectors/keys/ida.key.pem"));
    let session = PrivateKey::from_pkcs8_der(&key).unwrap().unwrap(&member("requestSessionKey")?).ok()?;
    let open = |name: &str| {
        let mut bytes = member(name)?;
        let iv: [u8; 16] = bytes.split_off(bytes.len().checked_sub(16)?).try_into().unwrap();
        Some(aead::open_in_place(&session, Nonce::Sixteen(&iv), &[], &mut bytes).ok()?.to_vec())
    };
    let (inner, digest) = (open("request")?, open("requestHMAC")?);
    (digest == HEXUPPER.encode(&sha256(&inner)).as_bytes()).then_some(inner)
}

/// A request that MOSIP's published SDK made, sealed to the same key.
fn of_the_sdk() -> Value {
    let vector: Value = serde_json::from_slice(include_bytes!("../../../../tests/vectors/ida.json")).unwrap();
    vector["request"].clone()
}

#[test]
fn the_sdks_request_opens_here_as_at_ida() {
    let vector = of_the_sdk();
    let inner = opened(vector["body"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&inner).unwrap(), vector["expect_request"]);
}

#[test]
fn what_we_seal_for_the_sdks_person_is_what_the_sdk_seals() {
    let vector = of_the_sdk();
    let asked = json!({
        "individualId": "2345678901", "individualIdType": "UIN", "consent": true, "transactionId": "1234567890",
        "demographics": vector["expect_request"]["demographics"],
    });
    let intent = Intent::parse(Service::Auth, asked.to_string().as_bytes()).ok().unwrap();
    let origin = Origin { domain_uri: Some("https://ida.example"), env: Some("Staging") };
    let stamp = Timestamp::from_iso("2026-11-24T08:00:00.000Z").unwrap();
    let request = request(&intent, origin, &ida(), &partner(), stamp).unwrap();
    let inner = opened(&request.body).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&inner).unwrap(), vector["expect_request"]);

    let mut sent: Value = serde_json::from_slice(&request.body).unwrap();
    let mut sdk: Value = serde_json::from_str(vector["body"].as_str().unwrap()).unwrap();
    // Random each time, or padded by the SDK alone; `metadata` is optional.
    for member in ["request", "requestHMAC", "requestSessionKey", "thumbprint", "metadata"] {
        for body in [&mut sent, &mut sdk] {
            body.as_object_mut().unwrap().remove(member);
        }
    }
    assert_eq!(sent, sdk);
}

fn asked() -> Value {
    json!({
        "individualId": "4152630978", "individualIdType": "UIN", "consent": true, "transactionId": "1234567890",
        "demographics": {"name": [{"language": "ara", "value": "ليلى \"كريم\""}], "dob": "1990/03/14", "bloodType": "0+"},
        "otp": "111111",
        "biometrics": [{"specVersion": "0.9.5", "data": "aGVhZA.cGF5bG9hZA.c2ln", "hash": "00FF", "sessionKey": "a2V5", "thumbprint": "ABCD"}],
    })
}

#[test]
fn a_request_says_in_the_open_what_ida_demands_and_seals_the_rest_under_one_stamp() {
    let origin = Origin { domain_uri: Some("https://ida.example.org"), env: Some("Staging") };
    for (service, id) in [(Service::Auth, "mosip.identity.auth"), (Service::Kyc, "mosip.identity.kyc")] {
        let (request, body) = built(service, &asked(), origin);
        let open = json!({
            "id": id, "version": "1.0", "individualId": "4152630978", "individualIdType": "UIN",
            "transactionID": "1234567890", "requestTime": "2026-11-24T08:00:00.123Z", "specVersion": "1.0",
            "domainUri": "https://ida.example.org", "env": "Staging", "consentObtained": true,
            "thumbprint": ida().thumbprint().to_base64url(),
        });
        let sealed = ["request", "requestSessionKey", "requestHMAC"];
        let mut rest = body.clone();
        rest.as_object_mut().unwrap().retain(|name, _| !sealed.contains(&name.as_str()));
        assert_eq!(rest, open);
        assert_eq!(request.sealed_to, Some(ida().thumbprint()));

        let inner = opened(&request.body).unwrap();
        let mut expected = asked();
        expected
            .as_object_mut()
            .unwrap()
            .retain(|name, _| ["demographics", "otp", "biometrics"].contains(&name.as_str()));
        expected["timestamp"] = open["requestTime"].clone();
        assert_eq!(serde_json::from_slice::<Value>(&inner).unwrap(), expected);
    }
}

#[test]
fn a_factor_that_is_not_used_is_sealed_as_the_sdk_does_and_an_unset_origin_is_left_out() {
    let by_otp = json!({"individualId": "1", "individualIdType": "VID", "consent": true, "otp": "111111"});
    let (request, body) = built(Service::Auth, &by_otp, Origin::default());
    assert!(body.get("domainUri").is_none() && body.get("env").is_none());
    let inner: Value = serde_json::from_slice(&opened(&request.body).unwrap()).unwrap();
    assert_eq!(inner, json!({"otp": "111111", "timestamp": "2026-11-24T08:00:00.123Z", "biometrics": []}));
}

#[test]
fn a_one_time_password_is_ordered_in_the_open() {
    let order = json!({"individualId": "a@handle", "individualIdType": "HANDLE", "consent": true, "transactionId": "1234567890", "otpChannel": ["PHONE"]});
    let (request, body) = built(Service::Otp, &order, Origin::default());
    let expected = json!({
        "id": "mosip.identity.otp", "version": "1.0", "individualId": "a@handle", "individualIdType": "HANDLE",
        "transactionID": "1234567890", "requestTime": "2026-11-24T08:00:00.123Z", "otpChannel": ["phone"],
    });
    assert_eq!((body, request.sealed_to), (expected, None));
}

#[test]
fn the_signature_is_detached_over_the_very_bytes_and_its_x5c_is_plain_base64_of_der() {
    let (request, _) = built(Service::Auth, &asked(), Origin::default());
    let own = partner();
    let certificate = own.certificate.unwrap();
    let token = Jws::parse(&request.signature).unwrap();
    assert!(token.is_detached());
    token.verify(certificate.public_key(), &[SignatureAlgorithm::Rs256], Some(&request.body)).ok().unwrap();
    let header = base64::decode_url_strict(request.signature.split('.').next().unwrap().as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["x5c"], json!([base64::encode(certificate.der())]));
    assert_eq!(header["alg"], "RS256");
    assert!(header.get("crit").is_none() && header.get("b64").is_none());
}

#[test]
fn no_two_requests_are_sealed_alike() {
    let [first, second] = [(); 2].map(|()| built(Service::Auth, &asked(), Origin::default()).1);
    for member in ["request", "requestSessionKey", "requestHMAC"] {
        assert_ne!(first[member], second[member], "{member}");
    }
}
