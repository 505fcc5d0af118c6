use super::*;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/keys/", $name)).as_slice()
    };
}

/// Of other tools.
macro_rules! made {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/containers/", $name)).as_slice()
    };
}

mod choice;
mod containers;
mod hostile;
mod named;

const PASSWORD: Option<&[u8]> = Some(b"mosip123");
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn refusal<T>(result: Result<T, LoadError>) -> LoadError {
    result.err().expect("this file must be refused")
}

fn from_pem(pem: &[u8]) -> Certificate {
    certificate(&pem::blocks(pem).remove(0).content.unwrap())
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// The partner's key comes out of `bytes`, with as many certificates.
fn assert_partner(name: &str, bytes: &[u8], certificates: usize) {
    let material = parse_own(bytes, PASSWORD).unwrap_or_else(|error| panic!("{name}: {error}"));
    let partner = certificate(vector!("partner.crt.der"));
    assert_eq!(material.keys.len(), 1, "{name}");
    assert!(material.keys[0].public_key() == partner.public_key(), "{name}");
    assert_eq!(material.certificates.len(), certificates, "{name}");
    assert_eq!(material.certificates.contains(&partner), certificates > 0, "{name}");
}

#[test]
fn every_container_of_a_private_key_opens() {
    assert_partner("PBES2", vector!("partner-pbes2.p12"), 1);
    assert_partner("3DES", vector!("partner-3des.p12"), 1);
    assert_partner("RC2-40", vector!("partner-rc2-40.p12"), 1);
    assert_partner("keytool", vector!("partner-keytool.p12"), 1);
    assert_partner("chain", vector!("partner-chain.p12"), 2);
    assert_partner("PKCS#1 PEM", vector!("partner.pkcs1.pem"), 0);
    assert_partner("PKCS#8 PEM", vector!("partner.key.pem"), 0);
    assert_partner("encrypted PKCS#8 PEM", vector!("partner.enc.pem"), 0);
    assert_partner("PKCS#8 DER", vector!("partner.pkcs8.der"), 0);
}

#[test]
fn key_and_certificate_in_one_pem_with_text_around_and_crlf() {
    let text =
        [b"Bag Attributes\n  localKeyID: 01\n", vector!("partner.key.pem"), vector!("partner.crt.pem")]
            .concat();
    let text = String::from_utf8(text).unwrap().replace('\n', "\r\n");
    assert_partner("bundle", text.as_bytes(), 1);
}

#[test]
fn label_that_lies_does_not_matter() {
    let text = String::from_utf8(vector!("partner.key.pem").to_vec()).unwrap();
    assert_partner("mislabelled", text.replace("PRIVATE KEY", "RSA PRIVATE KEY").as_bytes(), 0);
}

#[test]
fn jwk_opens_in_base64_and_bare() {
    let base64 = vector!("esignet-jwk.txt");
    let json = crate::crypto::base64::decode(base64.trim_ascii()).unwrap();
    let (first, second) = (parse_own(base64, None).unwrap(), parse_own(&json, None).unwrap());
    assert_eq!(first.keys[0].modulus_len(), 256);
    assert!(first.keys[0].public_key() == second.keys[0].public_key());
}

#[test]
fn sizes_of_3072_and_4096_bits_open() {
    assert_eq!(parse_own(vector!("partner-3072.key.pem"), None).unwrap().keys[0].modulus_len(), 384);
    assert_eq!(parse_own(vector!("partner-4096.key.pem"), None).unwrap().keys[0].modulus_len(), 512);
}

#[test]
fn peer_certificate_opens_as_pem_and_der() {
    let (pem, der) = (
        parse_peer(vector!("mosip.crt.pem"), NOW).unwrap(),
        parse_peer(vector!("mosip.crt.der"), NOW).unwrap(),
    );
    assert_eq!(pem.certificate, Some(certificate(vector!("mosip.crt.der"))));
    assert_eq!(der.certificate, pem.certificate);
    assert!(pem.key == der.key);
}

#[test]
fn bare_public_key_verifies_and_has_no_certificate() {
    let peer = parse_peer(vector!("mosip.pub.pem"), NOW).unwrap();
    assert_eq!(peer.certificate, None);
    assert!(peer.key == *certificate(vector!("mosip.crt.der")).public_key());
}

#[test]
fn wrong_password() {
    let wrong: Option<&[u8]> = Some(b"mosip124");
    for bytes in [
        vector!("partner-pbes2.p12"),
        vector!("partner-3des.p12"),
        vector!("partner-rc2-40.p12"),
        vector!("partner-keytool.p12"),
        vector!("partner-nomac.p12"),
        vector!("partner.enc.pem"),
    ] {
        assert_eq!(refusal(parse_own(bytes, wrong)), LoadError::WrongPassword);
    }
}

#[test]
fn missing_password() {
    for bytes in [vector!("partner-pbes2.p12"), vector!("partner-nomac.p12"), vector!("partner.enc.pem")] {
        assert_eq!(refusal(parse_own(bytes, None)), LoadError::PasswordMissing);
    }
}

#[test]
fn password_that_is_not_text() {
    assert_eq!(refusal(parse_own(vector!("partner-3des.p12"), Some(&[0xff]))), LoadError::PasswordNotText);
}

#[test]
fn older_ciphers_of_openssl_open() {
    assert_partner("RC2-128", vector!("partner-rc2-128.p12"), 1);
    assert_partner("PBES2 with 3DES", vector!("partner-des3.enc.pem"), 0);
    assert_partner("PBE-SHA1-3DES", vector!("partner-pbes1.enc.pem"), 0);
    assert_partner("PBKDF2 with HMAC-SHA1", vector!("partner-sha1.enc.pem"), 0);
}

#[test]
fn unsupported_cipher_is_named() {
    let error = refusal(parse_own(vector!("partner-traditional.enc.pem"), PASSWORD));
    assert_eq!(error, LoadError::UnsupportedCipher("traditional PEM encryption (DEK-Info)".into()));
    assert!(error.advice().contains("openssl pkcs8 -topk8 -v2 aes256"));
}

#[test]
fn pkcs12_without_mac_opens_with_a_warning() {
    let material = parse_own(vector!("partner-nomac.p12"), PASSWORD).unwrap();
    assert_eq!(material.warnings, [LoadError::NoMac]);
}

#[test]
fn no_private_key_inside() {
    for bytes in [vector!("partner-nokey.p12"), vector!("partner.crt.pem"), vector!("mosip.pub.pem")] {
        assert_eq!(refusal(parse_own(bytes, PASSWORD)), LoadError::NoPrivateKey);
    }
}

#[test]
fn no_public_key_inside() {
    assert_eq!(refusal(parse_peer(vector!("partner.key.pem"), NOW)), LoadError::NoPublicKey);
}

#[test]
fn ec_where_rsa_is_wanted() {
    assert_eq!(refusal(parse_own(vector!("ec.key.pem"), None)), LoadError::NotRsa("EC".into()));
    let error = refusal(parse_peer(vector!("ec.crt.pem"), NOW));
    assert_eq!(error.to_string(), "holds a key that is not RSA (EC)");
    assert!(error.advice().contains("RSA"));
    let jwk = br#"{"kty":"EC","crv":"P-256"}"#;
    assert_eq!(refusal(parse_own(jwk, None)), LoadError::NotRsa("EC".into()));
}

#[test]
fn key_whose_numbers_do_not_fit() {
    let json = crate::crypto::base64::decode(vector!("esignet-jwk.txt").trim_ascii()).unwrap();
    let jwk: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for member in ["n", "e", "d", "p", "q"] {
        // Nothing, zero, one, an even number, and a number of another place.
        for wrong in ["", "AA", "AQ", "_-4", jwk["dp"].as_str().unwrap()] {
            let mut jwk = jwk.clone();
            jwk[member] = wrong.into();
            let error = refusal(parse_own(jwk.to_string().as_bytes(), None));
            let fits = matches!(error, LoadError::BadKey("its numbers do not fit together"));
            // A modulus of 1,023 bits is a number of another place, too.
            assert!(
                fits || (member == "n" && error == LoadError::KeySize(1023)),
                "{member} {wrong}: {error}"
            );
        }
    }
}

#[test]
fn jwk_without_a_member() {
    let error = refusal(parse_own(br#"{"kty":"RSA","e":"AQAB"}"#, None));
    assert_eq!(error, LoadError::BadKey("a member of the JSON Web Key is missing"));
}

#[test]
fn empty() {
    for bytes in [b"".as_slice(), b" \n"] {
        assert_eq!(refusal(parse_own(bytes, PASSWORD)), LoadError::Empty);
        assert_eq!(refusal(parse_peer(bytes, NOW)), LoadError::Empty);
    }
}

#[test]
fn truncated() {
    for bytes in [
        vector!("partner-pbes2.p12"),
        vector!("partner.pkcs8.der"),
        vector!("partner.key.pem"),
        vector!("mosip.crt.der"),
        vector!("mosip.crt.pem"),
    ] {
        assert_eq!(refusal(parse_own(&bytes[..bytes.len() / 2], PASSWORD)), LoadError::Truncated);
    }
}

#[test]
fn truncated_anywhere() {
    for bytes in [vector!("partner-3des.p12"), vector!("partner.pkcs8.der"), vector!("mosip.crt.der")] {
        for length in 1..bytes.len() {
            assert!(
                matches!(refusal(parse_own(&bytes[..length], PASSWORD)), LoadError::Truncated),
                "{length}"
            );
        }
    }
}

#[test]
fn trailing_bytes_do_not_spoil_a_key() {
    for trailing in [b"\n".as_slice(), b"\r\n", b"\0\0", b"\x1a"] {
        assert_partner("trailing", &[vector!("partner.pkcs8.der"), trailing].concat(), 0);
    }
}

#[test]
fn altered_pkcs12() {
    let mut bytes = vector!("partner-pbes2.p12").to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert_eq!(refusal(parse_own(&bytes, PASSWORD)), LoadError::WrongPassword);
}

#[test]
fn neither_key_nor_certificate() {
    for bytes in [b"<html>404</html>".as_slice(), b"hello", &[0x30, 0x03, 0x02, 0x01, 0x05], &[0xff; 40]] {
        assert_eq!(refusal(parse_own(bytes, None)), LoadError::Unknown);
    }
}

#[test]
fn pem_that_is_not_base64() {
    let text = String::from_utf8(vector!("partner.key.pem").to_vec()).unwrap().replacen("MII", "M*I", 1);
    let error = refusal(parse_own(text.as_bytes(), None));
    assert_eq!(error, LoadError::Damaged("not base64 between the PEM lines"));
}

#[test]
fn encrypted_key_that_asks_for_endless_work() {
    // 2048 rounds (02 02 08 00) become 2^31 - 1, by lengthening each SEQUENCE around them.
    let der = pem::blocks(vector!("partner.enc.pem")).remove(0).content.unwrap();
    let rounds = memchr::memmem::find(&der, &[2, 2, 8, 0]).unwrap();
    let mut costly = der.to_vec();
    costly.splice(rounds..rounds + 4, [2, 4, 0x7f, 0xff, 0xff, 0xff]);
    costly[2..4].copy_from_slice(&(u16::from_be_bytes([der[2], der[3]]) + 2).to_be_bytes());
    for (at, byte) in der.iter().enumerate().take(rounds).skip(4) {
        let end = at + 2 + usize::from(der[at + 1]);
        if *byte == 0x30 && der[at + 1] < 0x80 && end >= rounds + 4 {
            costly[at + 1] += 2;
        }
    }
    let error = refusal(parse_own(&costly, PASSWORD));
    assert_eq!(error, LoadError::TooManyRounds);
}

#[test]
fn configured_certificate_wins_and_the_rest_are_chain_candidates() {
    let material = parse_own(vector!("partner-chain.p12"), PASSWORD).unwrap();
    let partner = certificate(vector!("partner.crt.der"));
    let matched = material.matched(vec![partner.clone()], NOW).unwrap();
    assert_eq!(matched.certificate, Some(partner.clone()));
    assert_eq!(matched.others.len(), 1);
    assert!(matched.private.public_key() == partner.public_key());
}

#[test]
fn certificate_is_found_by_public_key_whatever_the_order() {
    let text = [vector!("mosip.crt.pem"), vector!("partner.crt.pem"), vector!("partner.key.pem")].concat();
    let matched = parse_own(&text, None).unwrap().matched(vec![], NOW).unwrap();
    assert_eq!(matched.certificate, Some(certificate(vector!("partner.crt.der"))));
    assert_eq!(matched.others, [certificate(vector!("mosip.crt.der"))]);
}

#[test]
fn of_two_keys_the_one_with_a_certificate_is_used_and_said() {
    let text = [vector!("stranger.key.pem"), vector!("partner.key.pem"), vector!("partner.crt.pem")].concat();
    let matched = parse_own(&text, None).unwrap().matched(vec![], NOW).unwrap();
    let partner = certificate(vector!("partner.crt.der"));
    assert!(matched.private.public_key() == partner.public_key());
    assert_eq!(matched.warnings, [LoadError::SeveralKeys(2)]);
}

#[test]
fn key_and_certificate_do_not_match() {
    let mosip = certificate(vector!("mosip.crt.der"));
    let material = parse_own(vector!("partner.key.pem"), None).unwrap();
    assert_eq!(refusal(material.matched(vec![mosip], NOW)), LoadError::Mismatch);

    let text = [vector!("partner.key.pem"), vector!("mosip.crt.pem")].concat();
    assert_eq!(refusal(parse_own(&text, None).unwrap().matched(vec![], NOW)), LoadError::Mismatch);
}

#[test]
fn missing_file_and_unreadable_file() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(refusal(Reader::default().read(&dir.path().join("absent.p12"))), LoadError::Missing);
    assert!(matches!(refusal(Reader::default().read(dir.path())), LoadError::NotRegular));
}

#[test]
fn file_of_more_than_a_mebibyte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
    assert_eq!(refusal(Reader::default().read(&path)), LoadError::TooLarge);
}

#[test]
fn password_loses_one_trailing_newline_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    for (written, read) in
        [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("", "")]
    {
        std::fs::write(&path, written).unwrap();
        assert_eq!(
            Reader::default().read_password(&path).unwrap().as_slice(),
            read.as_bytes(),
            "{written:?}"
        );
    }
}

#[test]
fn password_loses_the_byte_order_mark_that_an_editor_adds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    for written in [b"\xef\xbb\xbfp\xc3\xa4\n".as_slice(), b"\xff\xfep\0\xe4\0\r\0\n\0", b"\xfe\xff\0p\0\xe4"]
    {
        std::fs::write(&path, written).unwrap();
        assert_eq!(
            Reader::default().read_password(&path).unwrap().as_slice(),
            "pä".as_bytes(),
            "{written:?}"
        );
    }
}

#[test]
fn description_says_what_is_inside_and_nothing_secret() {
    let description = describe(vector!("partner-chain.p12"), PASSWORD).unwrap();
    let partner = certificate(vector!("partner.crt.der"));
    assert_eq!(description.container, "PKCS#12");
    assert_eq!(description.private_keys.len(), 1);
    assert_eq!(description.private_keys[0].bits, 2048);
    assert_eq!(description.private_keys[0].certificates, [partner.thumbprint().to_string()]);
    assert_eq!(description.certificates[0].subject, partner.subject());
    assert_eq!(description.certificates.len(), 2);
    assert!(description.notes.is_empty());

    let jwk = describe(vector!("esignet-jwk.txt"), None).unwrap();
    let shown = serde_json::to_string(&jwk).unwrap();
    assert_eq!(jwk.container, "JWK");
    // Whatever is secret of a key has more digits than this.
    assert!(shown.len() < 300, "{shown}");
}

#[test]
fn description_notes_what_is_of_no_use() {
    let description = describe(vector!("ec.key.pem"), None).unwrap();
    assert_eq!(description.notes, ["holds an EC key on the curve P-256, which [esignet] can sign with"]);
    assert!(description.private_keys.is_empty());
}
