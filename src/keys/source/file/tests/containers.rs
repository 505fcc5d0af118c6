//! Files that other tools made, and texts as people hand them on.

use super::*;

fn own_key(bytes: &[u8], password: Option<&[u8]>) -> KeyMaterial {
    let material = parse_own(bytes, password).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(material.keys.len(), 1);
    assert!(material.keys[0].public_key() == from_pem(made!("leaf.crt")).public_key());
    material
}

#[test]
fn pkcs12_in_ber_opens_and_its_certificates_keep_their_thumbprints() {
    let partner = certificate(vector!("partner.crt.der"));
    for (tool, bytes) in [("BouncyCastle", made!("bouncycastle-ber.p12")), ("NSS", made!("nss.p12"))] {
        assert_eq!(own_key(bytes, PASSWORD).certificates, std::slice::from_ref(&partner), "{tool}");
    }
    let chain = own_key(made!("bouncycastle-chain.p12"), PASSWORD).certificates;
    assert_eq!(chain, [made!("leaf.crt"), made!("sub.crt"), made!("root.crt")].map(from_pem));
}

#[test]
fn wrong_password_of_pkcs12_in_ber() {
    for bytes in [made!("bouncycastle-ber.p12"), made!("nss.p12")] {
        assert_eq!(refusal(parse_own(bytes, Some(b"mosip124"))), LoadError::WrongPassword);
        assert_eq!(refusal(parse_own(bytes, None)), LoadError::PasswordMissing);
    }
}

#[test]
fn truncated_pkcs12_in_ber() {
    for bytes in [made!("bouncycastle-ber.p12"), made!("nss.p12")] {
        for length in 1..bytes.len() {
            assert_eq!(refusal(parse_own(&bytes[..length], PASSWORD)), LoadError::Truncated, "{length}");
        }
    }
}

#[test]
fn passwords_of_any_characters_open() {
    let emoji: Option<&[u8]> = Some("p🔑key".as_bytes());
    own_key(made!("openssl-emoji-aes.p12"), emoji);
    own_key(made!("openssl-emoji-3des.p12"), emoji);
    own_key(made!("nss-umlaut.p12"), Some("pässwörd".as_bytes()));
    assert_eq!(
        refusal(parse_own(made!("openssl-emoji-3des.p12"), Some("p🔒key".as_bytes()))),
        LoadError::WrongPassword
    );
}

#[test]
fn null_password_is_an_empty_one_or_none() {
    own_key(made!("bouncycastle-null-password.p12"), None);
    own_key(made!("bouncycastle-null-password.p12"), Some(b""));
    assert_eq!(
        refusal(parse_own(made!("bouncycastle-null-password.p12"), Some(b"x"))),
        LoadError::WrongPassword
    );
}

#[test]
fn older_and_newer_algorithms_of_pkcs12_open() {
    for bytes in [
        made!("java-default-prf.p12"),
        made!("openssl-mac-sha512.p12"),
        made!("openssl-2des.p12"),
        made!("openssl-no-names.p12"),
    ] {
        own_key(bytes, PASSWORD);
    }
}

#[test]
fn cipher_that_is_not_supported_is_named_and_the_certificate_beside_it_serves() {
    let error = refusal(parse_own(made!("openssl-rc4.p12"), PASSWORD));
    assert_eq!(error, LoadError::UnsupportedCipher("PBE-SHA1-RC4-128".into()));
    let described = describe(made!("openssl-rc4.p12"), PASSWORD).unwrap();
    assert_eq!(described.certificates.len(), 1);
}

#[test]
fn key_under_another_password_than_the_store() {
    let both = Passwords { container: PASSWORD, key: Some(b"of the key") };
    assert_eq!(parse_own_under(made!("java-key-password.p12"), both).unwrap().keys.len(), 1);

    let error = refusal(parse_own(made!("java-key-password.p12"), PASSWORD));
    assert_eq!(error, LoadError::KeyPassword);
    assert!(error.advice().contains("key_password_file"));

    let material = own_key(made!("java-two-passwords.p12"), PASSWORD);
    assert_eq!(material.warnings, [LoadError::KeyPassword]);
    let of_the_first = Passwords { container: PASSWORD, key: Some(b"of the stranger") };
    assert_eq!(parse_own_under(made!("java-two-passwords.p12"), of_the_first).unwrap().keys.len(), 2);
}

#[test]
fn pkcs7_and_pkipath_give_the_end_entity_certificate_whatever_their_order() {
    let leaf = from_pem(made!("leaf.crt"));
    for (form, bytes, others) in [
        ("PEM, root first", made!("openssl-chain.p7b"), 2),
        ("DER", made!("java-trust-path.p7b"), 2),
        ("base64url", made!("mosip-signed-certificate.txt"), 2),
        ("BER", made!("openssl-streamed.p7m"), 1),
        ("PkiPath", made!("java-trust-path.pkipath"), 2),
    ] {
        let peer = parse_peer(bytes, NOW).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(peer.certificate.as_ref(), Some(&leaf), "{form}");
        assert_eq!((peer.others.len(), peer.warnings.len()), (others, 0), "{form}");
    }
}

#[test]
fn own_certificate_as_mosip_returns_it_belongs_to_the_key() {
    let certificates = parse_certificates(made!("mosip-signed-certificate.txt")).unwrap();
    let material = parse_own(vector!("partner.key.pem"), None).unwrap();
    let matched = material.matched(certificates, NOW).unwrap();
    assert_eq!(matched.certificate, Some(from_pem(made!("leaf.crt"))));
    assert_eq!(matched.others.len(), 2);
}

#[test]
fn pkcs7_with_one_odd_certificate_gives_the_others() {
    let mut bytes = made!("java-trust-path.p7b").to_vec();
    let sub = from_pem(made!("sub.crt"));
    let at = memchr::memmem::find(&bytes, sub.der()).unwrap();
    // The version of X.509 becomes nonsense.
    bytes[at + 12] = 9;
    let peer = parse_peer(&bytes, NOW).unwrap();
    assert_eq!(peer.certificate, Some(from_pem(made!("leaf.crt"))));
}

#[test]
fn pkcs7_of_another_kind_is_named() {
    // id-data in place of id-signedData.
    let mut bytes = made!("java-trust-path.p7b").to_vec();
    let at = memchr::memmem::find(&bytes, &[0xf7, 0x0d, 1, 7, 2]).unwrap() + 4;
    bytes[at] = 3;
    let error = refusal(parse_peer(&bytes, NOW));
    assert!(error.to_string().contains("PKCS#7 message of another kind"), "{error}");
}

#[test]
fn text_around_a_file_is_taken_off() {
    let p12 = crate::crypto::base64::encode(vector!("partner-3des.p12"));
    let lines: Vec<&str> = p12.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = std::str::from_utf8(vector!("partner.key.pem")).unwrap();
    let jwk = std::str::from_utf8(vector!("esignet-jwk.txt")).unwrap().trim();
    let utf16 =
        |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    for (name, bytes) in [
        ("base64 in lines", lines.join("\n").into_bytes()),
        ("base64 with CRLF", lines.join("\r\n").into_bytes()),
        ("base64url", p12.replace('+', "-").replace('/', "_").replace('=', "").into_bytes()),
        ("base64 between quotation marks", format!("\"{p12}\"\n").into_bytes()),
        ("base64 of PEM", crate::crypto::base64::encode(pem.as_bytes()).into_bytes()),
        ("PEM behind a byte order mark", format!("\u{feff}{pem}").into_bytes()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("PEM with escaped line ends", pem.replace('\n', "\\n").into_bytes()),
        ("PEM with twice escaped line ends", pem.replace('\n', "\\\\r\\\\n").into_bytes()),
        (
            "PEM in a JSON reply",
            format!("{{\"key\":\"{}\"}}", pem.replace('\n', "\\n").replace('/', "\\/")).into_bytes(),
        ),
        ("PEM on one line", pem.replace('\n', " ").into_bytes()),
        ("PEM in UTF-16LE with a mark", utf16(&format!("\u{feff}{pem}"), u16::to_le_bytes)),
        ("PEM in UTF-16BE with a mark", utf16(&format!("\u{feff}{pem}"), u16::to_be_bytes)),
        ("PEM in UTF-16LE", utf16(pem, u16::to_le_bytes)),
        ("PEM in UTF-16BE", utf16(pem, u16::to_be_bytes)),
        ("base64 in UTF-16LE", utf16(&p12, u16::to_le_bytes)),
    ] {
        own_key(&bytes, PASSWORD);
        assert!(describe(&bytes, PASSWORD).is_ok(), "{name}");
    }
    for (name, bytes) in [
        ("JWK in UTF-16", utf16(jwk, u16::to_le_bytes)),
        ("JWK in lines", jwk.replace("LCJ", "LC\nJ").into()),
    ] {
        assert!(parse_own(&bytes, None).is_ok(), "{name}");
    }
}

#[test]
fn text_nested_without_end_is_refused() {
    let mut text = vector!("partner.key.pem").to_vec();
    for _ in 0..5 {
        text = crate::crypto::base64::encode(&text).into_bytes();
    }
    assert_eq!(refusal(parse_own(&text, None)), LoadError::Unknown);
}

#[test]
fn half_a_character_of_utf16_is_no_text() {
    for bytes in [b"\xff\xfe-\0-".as_slice(), b"\xff\xfe\0\xd8", b"\xfe\xff\xdc\0\0-"] {
        assert_eq!(refusal(parse_own(bytes, None)), LoadError::Unknown, "{bytes:?}");
    }
}

#[test]
fn certificate_as_bare_base64_and_concatenated_der() {
    let leaf = from_pem(made!("leaf.crt"));
    let bare = crate::crypto::base64::encode(leaf.der());
    assert_eq!(parse_peer(bare.as_bytes(), NOW).unwrap().certificate, Some(leaf.clone()));
    let chain: Vec<u8> = [made!("root.crt"), made!("sub.crt"), made!("leaf.crt")]
        .iter()
        .flat_map(|pem| from_pem(pem).der().to_vec())
        .collect();
    assert_eq!(parse_peer(&chain, NOW).unwrap().certificate, Some(leaf));
}
