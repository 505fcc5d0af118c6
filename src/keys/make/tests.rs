use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::keys::cert::Validity;
use crate::keys::source::file::{describe, parse_own, parse_peer};

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/vectors/keys/", $name)).as_slice()
    };
}

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn partner() -> KeyMaker {
    KeyMaker::from_file(vector!("partner.key.pem"), None).ok().unwrap()
}

fn request<'a>(common_name: &'a str, ca: bool, names: &'a [&'a str]) -> CertificateRequest<'a> {
    let not_after = Timestamp::from_seconds(NOW.seconds() + 60);
    CertificateRequest {
        country: "XX",
        organization: "Test Only",
        common_name,
        not_before: NOW,
        not_after,
        ca,
        names,
    }
}

#[test]
fn fresh_key_loads() {
    let key = KeyMaker::generate(2048).ok().unwrap();
    let material = parse_own(key.to_pem().unwrap().as_bytes(), None).unwrap();
    let public = parse_peer(key.to_public_pem().unwrap().as_bytes(), NOW).unwrap();
    assert!(material.keys[0].public_key() == &public.key);
    assert_eq!(public.key.modulus_len(), 256);
}

#[test]
fn key_of_other_size_is_refused() {
    for bits in [0, 1024, 2047, 8192] {
        assert!(matches!(KeyMaker::generate(bits), Err(MakeError::Bits(refused)) if refused == bits));
    }
}

#[test]
fn jwk_is_what_esignet_hands_out() {
    let text = KeyMaker::from_file(vector!("esignet-jwk.txt"), None).ok().unwrap().to_jwk_base64().unwrap();
    let decode = |text: &[u8]| -> serde_json::Value {
        serde_json::from_slice(&base64::decode(text.trim_ascii()).unwrap()).unwrap()
    };
    let mut theirs = decode(vector!("esignet-jwk.txt"));
    theirs.as_object_mut().unwrap().remove("kid");
    theirs["use"] = "sig".into();
    theirs["alg"] = "RS256".into();
    assert_eq!(decode(text.as_bytes()), theirs);
}

#[test]
fn self_signed_certificate_says_what_was_asked() {
    let certificate = partner().certify(&request("somebody", false, &[]), None).unwrap();
    assert_eq!(certificate.subject(), "C=XX, O=Test Only, CN=somebody");
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!((certificate.not_before(), certificate.validity(NOW)), (NOW, Validity::Valid));
    assert_eq!(certificate.not_after().seconds(), NOW.seconds() + 60);
    assert_eq!(certificate.key_usage().as_deref(), Some("Digital Signature, Key Encipherment"));
    assert!(!certificate.is_ca());
    assert!(certificate.is_issued_by(&certificate));
}

#[test]
fn certificate_signed_by_a_ca() {
    let authority = KeyMaker::from_file(vector!("issuer.key.pem"), None).ok().unwrap();
    let root = authority.certify(&request("root", true, &[]), None).unwrap();
    let leaf =
        partner().certify(&request("leaf", false, &["localhost", "127.0.0.1"]), Some((&root, &authority)));
    let leaf = leaf.unwrap();
    assert!(root.is_ca());
    assert_eq!(leaf.issuer(), root.subject());
    assert!(leaf.is_issued_by(&root) && !leaf.is_issued_by(&leaf));

    let (_, parsed) = x509_parser::parse_x509_certificate(leaf.der()).unwrap();
    let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.len(), 2);
}

/// Read by x509-parser, which shares no code with the library that writes it.
#[test]
fn signing_request_is_signed_by_its_key_and_says_what_was_asked() {
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::extensions::ParsedExtension;
    use x509_parser::prelude::FromDer as _;

    let subject = r"C=XX, O=Registry\, Ministry of Justice, CN=opencrvs-partner".parse().unwrap();
    let text = partner().request(&subject).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap();
    assert_eq!(pem.label, "CERTIFICATE REQUEST");
    let (rest, request) = X509CertificationRequest::from_der(&pem.contents).unwrap();
    assert!(rest.is_empty());
    request.verify_signature().unwrap();
    let asked = &request.certification_request_info;
    let names: Vec<_> =
        asked.subject.iter_attributes().map(|attribute| attribute.as_str().unwrap()).collect();
    assert_eq!(names, ["XX", "Registry, Ministry of Justice", "opencrvs-partner"]);
    let material = parse_own(vector!("partner.key.pem"), None).unwrap();
    assert_eq!(asked.subject_pki.raw, material.keys[0].public_key().spki_der());
    let usages: Vec<_> = request
        .requested_extensions()
        .unwrap()
        .filter_map(|extension| match extension {
            ParsedExtension::KeyUsage(usage) => Some(usage.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(usages, ["Digital Signature, Key Encipherment"]);
}

#[test]
fn certificate_by_a_key_that_is_not_the_issuers_is_refused() {
    let authority = KeyMaker::from_file(vector!("issuer.key.pem"), None).ok().unwrap();
    let root = authority.certify(&request("root", true, &[]), None).unwrap();
    let stranger = KeyMaker::from_file(vector!("stranger.key.pem"), None).ok().unwrap();
    let refused = partner().certify(&request("leaf", false, &[]), Some((&root, &stranger)));
    assert!(matches!(refused, Err(MakeError::Issuer)));
}

#[test]
fn pkcs1_is_read_again() {
    let text = partner().to_pkcs1_pem().unwrap();
    assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let material = parse_own(text.as_bytes(), None).unwrap();
    assert!(
        material.keys[0].public_key()
            == parse_own(vector!("partner.key.pem"), None).unwrap().keys[0].public_key()
    );
}

#[test]
fn pkcs12_opens_with_its_password_and_holds_the_chain() {
    let certificates = [partner().certify(&request("partner", false, &[]), None).unwrap()];
    let bundle = partner().to_pkcs12(&certificates, "päss").unwrap();
    let material = parse_own(&bundle, Some("päss".as_bytes())).unwrap();
    assert_eq!(material.certificates, certificates);
    assert!(material.warnings.is_empty());
    assert!(parse_own(&bundle, Some(b"pass")).is_err());
}

#[test]
fn development_set_is_complete_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let files = development_set(dir.path(), NOW).unwrap();
    let private = [
        "keystore.p12",
        "opencrvs-priv.key",
        "esignet-jwk.txt",
        "simulator/mosip-priv.key",
        "simulator/ida-priv.key",
        "simulator/ida-sign-priv.key",
        "simulator/issuer-priv.key",
        "simulator/opencrvs-jwt-priv.key",
    ];
    let public = [
        "partner.crt",
        "opencrvs-pub.key",
        "mosip-public.key",
        "ida-partner.crt",
        "ida-sign.crt",
        "issuer.crt",
        "opencrvs-jwt.pem",
    ];
    for name in private {
        let path = dir.path().join(name);
        parse_own(&std::fs::read(&path).unwrap(), Some(b"mosip123"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    for name in public {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        let read = parse_peer(&bytes, NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read.certificate.is_none_or(|made| made.is_for_development()), "{name}");
        let told = serde_json::to_value(describe(&bytes, None).unwrap()).unwrap();
        let certificates = told["certificates"].as_array().unwrap();
        assert!(certificates.iter().all(|told| told["development"] == true), "{name}: {told}");
    }
    assert_eq!(files.len(), private.len() + public.len() + 1, "and keystore.password");

    let before = std::fs::read(dir.path().join("keystore.p12")).unwrap();
    assert!(matches!(development_set(dir.path(), NOW), Err(MakeError::File { .. })));
    assert_eq!(std::fs::read(dir.path().join("keystore.p12")).unwrap(), before);
}
