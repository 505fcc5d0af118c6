//! Userinfo that is no token, or is sealed to us and does not open.

use super::*;
use crate::crypto::rsa::Keeper;
use crate::keys::ring::fake as keys;
use crate::keys::settings::UnknownThumbprint;

#[test]
fn what_inflates_beyond_the_cap_is_refused() {
    let (file, ring) = (file(), ring());
    let to = ring.own()[0].private.public_key();
    let bomb = jwe::encrypt(to, None, &vec![b'a'; 9 << 20], true).unwrap();
    assert!(bomb.len() < 64 << 10);
    assert_eq!(read_token(&file, &bomb).err().unwrap().code(), Code::Keys, "it names no key");
}

#[test]
fn what_is_sealed_to_a_key_of_ours_and_does_not_open_was_altered() {
    let (file, ring) = (file(), ring_with(Some("partner.crt.pem")));
    let own = &ring.own()[0];
    let kid = base64::encode_url(own.certificate.as_ref().unwrap().thumbprint().as_bytes());
    let seal =
        |plaintext: &[u8]| jwe::encrypt(own.private.public_key(), Some(&kid), plaintext, true).unwrap();
    let read = |token: &str| {
        read_userinfo(token.as_bytes(), file["jwks"].to_string().as_bytes(), &ring, &expected(&file))
            .err()
            .unwrap()
    };
    let signed = file["userinfo"][0]["token"].as_str().unwrap();
    let good = seal(signed.as_bytes());
    let (head, tag) = good.rsplit_once('.').unwrap();
    let flipped: String = tag.chars().rev().collect();
    for altered in [format!("{head}.{flipped}"), seal(&vec![b'a'; 9 << 20])] {
        let refused = read(&altered);
        assert_eq!((refused.code(), refused.retryable()), (Code::Tampered, false), "{refused}");
    }
    let ida = Certificate::from_der(include_bytes!("../../../../tests/vectors/keys/ida.crt.der")).unwrap();
    let another = base64::encode_url(&[7; 32]);
    let to_another = jwe::encrypt(ida.public_key(), Some(&another), signed.as_bytes(), true).unwrap();
    assert_eq!(read(&to_another).code(), Code::Keys, "no key of ours fits");
}

#[test]
fn a_body_that_is_no_token_is_refused() {
    let file = file();
    let (html, json) = ("<html><title>Login</title></html>", r#"{"sub":"a","given_name":"b"}"#);
    for body in ["", html, json, ".", "..", "a.b", "....", "a.b.c.d", "\u{feff}a.b.c"] {
        let refused = read_token(&file, body).err().unwrap();
        assert_eq!((refused.code(), refused.fault()), (Code::Tampered, Fault::Tampered), "{body}");
    }
    let not_utf8 = read_userinfo(b"a.\xff.c", file["jwks"].to_string().as_bytes(), &ring(), &expected(&file));
    assert_eq!(not_utf8.err().unwrap().code(), Code::Tampered);
}

#[test]
fn a_userinfo_whose_key_is_away_was_not_altered() {
    let (file, away) = (file(), Keeper::away("token `mosip`"));
    let ring = keys::ring(&[("partner", &away)], UnknownThumbprint::Reject);
    let signed = file["userinfo"][0]["token"].as_str().unwrap();
    let token = jwe::encrypt(ring.own()[0].private.public_key(), None, signed.as_bytes(), false).unwrap();
    let jwks = file["jwks"].to_string();
    let read = || read_userinfo(token.as_bytes(), jwks.as_bytes(), &ring, &expected(&file));
    assert_eq!(read().err().unwrap().code(), Code::KeyUnavailable);
    away.come_back();
    assert!(read().is_ok());
}
