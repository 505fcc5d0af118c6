//! Files below 1 MiB that would panic or take hours.

use rsa::pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use rsa::pkcs8::PrivateKeyInfoRef;
use rsa::pkcs8::der::asn1::UintRef;
use rsa::pkcs8::der::{AnyRef, Decode as _, Encode as _};
use serde_json::{Value, json};

use super::*;
use crate::crypto::base64;
use crate::keys::make::{CertificateRequest, KeyMaker};

const UNFIT: LoadError = LoadError::BadKey("its numbers do not fit together");

/// The JSON Web Key of eSignet.
fn jwk() -> Value {
    serde_json::from_slice(&base64::decode(vector!("esignet-jwk.txt").trim_ascii()).unwrap()).unwrap()
}

/// The same without what can be computed from `n`, `e` and `d`.
fn short_jwk() -> Value {
    let jwk = jwk();
    json!({ "kty": "RSA", "n": jwk["n"], "e": jwk["e"], "d": jwk["d"] })
}

#[test]
fn jwk_without_primes_whose_numbers_are_degenerate() {
    assert!(parse_own(short_jwk().to_string().as_bytes(), None).is_ok());
    let n = short_jwk()["n"].as_str().unwrap().to_owned();
    let mut even = base64::decode(n.as_bytes()).unwrap();
    *even.last_mut().unwrap() &= 0xfe;
    let even = base64::encode_url(&even);
    for (member, wrong) in [
        ("d", ""),
        ("d", "AA"),
        ("d", "AQ"),
        ("d", &n),
        ("e", ""),
        ("e", "AA"),
        ("e", "AQ"),
        ("e", "Ag"),
        ("e", &n),
        ("n", ""),
        ("n", "AA"),
        ("n", "Dw"),
        ("n", &even),
    ] {
        let mut jwk = short_jwk();
        jwk[member] = wrong.into();
        assert_eq!(refusal(parse_own(jwk.to_string().as_bytes(), None)), UNFIT, "{member} {wrong}");
    }
}

#[test]
fn jwk_with_leading_zeros_is_the_same_key() {
    let plain = parse_own(short_jwk().to_string().as_bytes(), None).unwrap();
    for members in [["n", "n"], ["n", "d"], ["e", "d"]] {
        let mut jwk = short_jwk();
        for member in members {
            let number = base64::decode(jwk[member].as_str().unwrap().as_bytes()).unwrap();
            jwk[member] = base64::encode_url(&[vec![0; 150_000], number].concat()).into();
        }
        let read = parse_own(jwk.to_string().as_bytes(), None).unwrap();
        assert!(read.keys[0].public_key() == plain.keys[0].public_key(), "{members:?}");
    }
}

#[test]
fn number_of_half_a_megabyte_in_pkcs1_and_pkcs8() {
    let pkcs8 = PrivateKeyInfoRef::from_der(vector!("partner.pkcs8.der")).unwrap();
    let huge = vec![0xff; 500_000];
    let huge = UintRef::new(&huge).unwrap();
    let key = || RsaPrivateKeyRef::from_der(pkcs8.private_key.as_bytes()).unwrap();
    let mut keys = vec![(key(), LoadError::KeySize(4_000_000))];
    keys[0].0.modulus = huge;
    for member in 0..6 {
        let mut key = key();
        match member {
            0 => key.private_exponent = huge,
            1 => key.prime1 = huge,
            2 => key.public_exponent = huge,
            3 => key.exponent1 = huge,
            4 => key.exponent2 = huge,
            _ => key.coefficient = huge,
        }
        keys.push((key, UNFIT));
    }
    for (key, refused) in keys {
        let pkcs1 = key.to_der().unwrap();
        assert_eq!(refusal(parse_own(&pkcs1, None)), refused);
        let octets = rsa::pkcs8::der::asn1::OctetStringRef::new(&pkcs1).unwrap();
        let pkcs8 = PrivateKeyInfoRef::new(pkcs8.algorithm, octets).to_der().unwrap();
        assert_eq!(refusal(parse_own(&pkcs8, None)), refused);
    }
    let public_exponent = key().public_exponent;
    let public = RsaPublicKeyRef { modulus: huge, public_exponent }.to_der().unwrap();
    assert_eq!(refusal(parse_peer(&public, NOW)), LoadError::KeySize(4_000_000));
}

#[test]
fn rounds_are_counted_for_the_whole_file() {
    // 2,048 rounds, tried under the password and under its form of PKCS#12.
    let der = pem::blocks(vector!("partner.enc.pem")).remove(0).content.unwrap();
    let parts = AnyRef::from_der(&der).and_then(contents::members).unwrap();
    let [algorithm, data] = parts.as_slice() else { panic!("an EncryptedPrivateKeyInfo has two members") };
    let mut left = pbe::Rounds(3 * 2048);
    let mut decrypt = |password: &[u8]| pbe::decrypt(*algorithm, data.value(), &[password], &mut left);
    assert_eq!(refusal(decrypt(b"wrong")), LoadError::WrongPassword);
    assert!(decrypt(b"mosip123").is_ok());
    assert_eq!(refusal(decrypt(b"mosip123")), LoadError::TooManyRounds);
}

#[test]
fn more_certificates_than_any_file_has() {
    let key = KeyMaker::from_file(vector!("partner.key.pem"), None).ok().unwrap();
    let certificates = |ca: bool| -> Vec<u8> {
        let certify = |at: i64| {
            let request = CertificateRequest {
                country: "XX",
                organization: "Test Only",
                common_name: "same",
                not_before: Timestamp::from_seconds(NOW.seconds() - 100 - at),
                not_after: Timestamp::from_seconds(NOW.seconds() + 100),
                ca,
                names: &[],
            };
            key.certify(&request, None).unwrap().der().to_vec()
        };
        (0..65).flat_map(certify).collect()
    };
    let holders = certificates(false);
    assert_eq!(parse_peer(&holders, NOW).unwrap().warnings, [LoadError::TooMany("certificates")]);
    // The peer's own may be among the rest.
    assert_eq!(refusal(parse_peer(&certificates(true), NOW)), LoadError::TooMany("certificates"));
    let with_key = [vector!("partner.pkcs8.der"), &holders].concat();
    let matched = parse_own(&with_key, None).unwrap().matched(vec![], NOW).unwrap();
    assert_eq!((matched.others.len(), matched.warnings.len()), (64, 0));
    let with_more = [with_key.as_slice(), vector!("mosip.crt.der")].concat();
    let matched = parse_own(&with_more, None).unwrap().matched(vec![], NOW).unwrap();
    assert_eq!((matched.others.len(), matched.warnings), (64, vec![LoadError::TooMany("certificates")]));
}

#[test]
fn odd_key_of_a_set_does_not_spoil_the_others() {
    let good = jwk();
    for odd in [
        json!({ "kty": "EC", "crv": "P-256", "x": "a", "y": "b", "x5c": null }),
        json!({ "kty": "EC", "x5c": "no list", "n": 7 }),
        json!({ "kid": "no type" }),
        json!({ "kty": null }),
        json!({ "kty": "RSA", "use": 5 }),
        json!({ "kty": "RSA", "n": good["n"], "e": good["e"], "d": "AA" }),
        json!("a text"),
        json!(["RSA"]),
        json!(null),
    ] {
        for keys in [[&odd, &good], [&good, &odd]] {
            let set = json!({ "keys": keys }).to_string();
            assert_eq!(parse_own(set.as_bytes(), None).unwrap().keys.len(), 1, "{odd}");
        }
    }
}

#[test]
fn jwk_with_null_members_and_escapes_is_read() {
    let plain = parse_own(jwk().to_string().as_bytes(), None).unwrap();
    let mut with_nulls = short_jwk();
    for member in ["use", "p", "q", "x5c", "alg", "dp"] {
        with_nulls[member] = Value::Null;
    }
    let escaped = jwk().to_string().replace('-', "\\u002d").replace("RSA", "\\u0052SA");
    assert!(escaped.contains("\\u002d"));
    for text in [with_nulls.to_string(), escaped] {
        let read = parse_own(text.as_bytes(), None).unwrap();
        assert!(read.keys[0].public_key() == plain.keys[0].public_key(), "{text}");
    }
}
