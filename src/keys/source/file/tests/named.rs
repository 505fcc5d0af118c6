//! What is of no use is named for what it is, and does not spoil what stands beside it.

use super::*;
use crate::keys::source::Foreign;

#[test]
fn foreign_forms_are_named_with_the_command_that_converts_them() {
    for (bytes, form, command) in [
        (made!("partner.jks"), Foreign::Jks, "keytool -importkeystore"),
        (made!("partner.jceks"), Foreign::Jceks, "keytool -importkeystore"),
        (made!("partner.bks"), Foreign::Bks, "keytool -importkeystore"),
        (made!("openssh.key"), Foreign::OpenSshPrivateKey, "ssh-keygen -p -m PKCS8"),
        (made!("openssh.pub"), Foreign::OpenSshPublicKey, "ssh-keygen -e -m PKCS8"),
        (made!("partner.csr"), Foreign::SigningRequest, "openssl req"),
        (b"PuTTY-User-Key-File-3: ssh-rsa\n", Foreign::Putty, "puttygen"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", Foreign::Pgp, "PEM"),
    ] {
        for error in [refusal(parse_own(bytes, PASSWORD)), refusal(parse_peer(bytes, NOW))] {
            // A peer's file with a private key holds no public one: that is as true.
            assert!(
                matches!(error, LoadError::NoPublicKey) || error == LoadError::Foreign(form),
                "{form}: {error}"
            );
        }
        let error = LoadError::from(form);
        assert!(error.advice().contains(command), "{form}");
        if form != Foreign::SigningRequest {
            assert_eq!(describe(bytes, None).err(), Some(error));
        }
    }
    assert_eq!(refusal(parse_own(made!("openssh.key"), None)), Foreign::OpenSshPrivateKey.into());
    assert_eq!(refusal(parse_peer(made!("openssh.pub"), NOW)), Foreign::OpenSshPublicKey.into());
    let base64 = crate::crypto::base64::encode(made!("partner.jks"));
    assert_eq!(refusal(parse_own(base64.as_bytes(), None)), Foreign::Jks.into());
}

#[test]
fn key_of_1024_bits_is_named_by_its_bits() {
    assert_eq!(refusal(parse_own(made!("short-1024.key.pem"), None)), LoadError::KeySize(1024));
    let error = refusal(parse_peer(made!("short-1024.crt.pem"), NOW));
    assert_eq!(error.to_string(), "holds an RSA key of 1024 bits, and 2048 to 4096 are accepted");
}

#[test]
fn key_for_pss_only_is_named_with_and_without_parameters() {
    assert_eq!(refusal(parse_own(made!("pss-parameters.key.pem"), None)), LoadError::PssOnly);
    // The same key without parameters: the lengths around them shrink.
    let der = pem::blocks(made!("pss-parameters.key.pem")).remove(0).content.unwrap();
    let parsed = rsa::pkcs8::PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
    let oid = parsed.algorithm.oid;
    let algorithm = rsa::pkcs8::spki::AlgorithmIdentifierRef { oid, parameters: None };
    let bare = rsa::pkcs8::PrivateKeyInfoRef::new(algorithm, parsed.private_key);
    let bare = rsa::pkcs8::der::Encode::to_der(&bare).unwrap();
    assert_eq!(refusal(parse_own(&bare, None)), LoadError::PssOnly);
}

#[test]
fn blocks_of_no_use_do_not_spoil_a_key() {
    let broken = b"-----BEGIN CERTIFICATE-----\nM*I\n-----END CERTIFICATE-----\n";
    for beside in [
        made!("dh.pem"),
        made!("sub.crl"),
        made!("partner.csr"),
        made!("openssh.key"),
        made!("short-1024.key.pem"),
        vector!("ec.key.pem"),
        vector!("partner-traditional.enc.pem"),
        broken,
    ] {
        for text in
            [[beside, vector!("partner.key.pem")].concat(), [vector!("partner.key.pem"), beside].concat()]
        {
            assert_partner("beside", &text, 0);
        }
    }
}

#[test]
fn blocks_of_no_use_do_not_spoil_a_certificate() {
    let mosip = certificate(vector!("mosip.crt.der"));
    let cut = &vector!("partner.key.pem")[..200];
    for beside in [made!("sub.crl"), made!("dh.pem"), vector!("partner.enc.pem"), vector!("ec.crt.pem"), cut]
    {
        for text in
            [[beside, b"\n", vector!("mosip.crt.pem")].concat(), [vector!("mosip.crt.pem"), beside].concat()]
        {
            assert_eq!(parse_peer(&text, NOW).unwrap().certificate, Some(mosip.clone()));
            assert_eq!(parse_certificates(&text).unwrap(), std::slice::from_ref(&mosip));
        }
    }
}

#[test]
fn a_refusal_tells_of_what_was_looked_for() {
    let certificate_and_ec_key = [vector!("partner.crt.pem"), vector!("ec.key.pem")].concat();
    assert_eq!(refusal(parse_own(&certificate_and_ec_key, None)), LoadError::NotRsa("EC".into()));
    let key_and_request = [made!("partner.csr"), vector!("partner.key.pem")].concat();
    assert_eq!(refusal(parse_peer(&key_and_request, NOW)), Foreign::SigningRequest.into());
    assert_eq!(refusal(parse_peer(vector!("partner.enc.pem"), NOW)), LoadError::NoPublicKey);
    assert_eq!(refusal(parse_peer(vector!("partner-3des.p12"), NOW)), LoadError::PeerEncrypted);
}

#[test]
fn key_whose_only_certificate_is_refused_says_so() {
    let text = [vector!("partner.key.pem"), made!("short-1024.crt.pem")].concat();
    let [warning] = &parse_own(&text, None).unwrap().warnings[..] else { panic!("one warning expected") };
    assert!(warning.to_string().contains("1024 bits"), "{warning}");
}

#[test]
fn json_that_is_no_key_is_not_called_damaged() {
    for json in [br#"{"response":{"status":"ok"}}"#.as_slice(), br#"{"keys":3}"#] {
        assert_eq!(refusal(parse_own(json, None)), LoadError::NotJwk);
    }
    assert!(matches!(refusal(parse_own(br#"{"kty":"RSA",,}"#, None)), LoadError::Damaged(_)));
    assert_eq!(refusal(parse_own(br#"{"kty":"RSA","#, None)), LoadError::Truncated);
}

#[test]
fn jwk_of_n_e_and_d_opens_and_so_does_a_set() {
    let json = crate::crypto::base64::decode(vector!("esignet-jwk.txt").trim_ascii()).unwrap();
    let full: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let minimal = serde_json::json!({"kty": "RSA", "n": full["n"], "e": full["e"], "d": full["d"]});
    let whole = parse_own(&json, None).unwrap();
    let found = parse_own(minimal.to_string().as_bytes(), None).unwrap();
    assert!(found.keys[0].public_key() == whole.keys[0].public_key());

    let mut other =
        serde_json::from_slice::<serde_json::Value>(vector!("issuer.jwks.json")).unwrap()["keys"][0].clone();
    other["use"] = "enc".into();
    let mut signing = minimal.clone();
    signing["use"] = "sig".into();
    let elliptic = serde_json::json!({"kty": "EC", "crv": "P-256", "d": "AA"});
    let set = serde_json::json!({"keys": [elliptic, other, signing]}).to_string();
    let material = parse_own(set.as_bytes(), None).unwrap();
    assert!(material.keys[0].public_key() == whole.keys[0].public_key());
    assert_eq!(
        refusal(parse_own(br#"{"keys":[]}"#, None)).to_string(),
        "holds a JWK set without keys, neither a key nor a certificate"
    );
}

#[test]
fn of_a_set_of_public_keys_the_one_that_signs_verifies() {
    let set = serde_json::from_slice::<serde_json::Value>(vector!("issuer.jwks.json")).unwrap();
    let mut signing = set["keys"][0].clone();
    signing["use"] = "sig".into();
    let esignet: serde_json::Value = serde_json::from_slice(
        &crate::crypto::base64::decode(vector!("esignet-jwk.txt").trim_ascii()).unwrap(),
    )
    .unwrap();
    let encrypting = serde_json::json!({"kty": "RSA", "use": "enc", "n": esignet["n"], "e": esignet["e"]});
    let both = serde_json::json!({"keys": [encrypting, signing]}).to_string();
    let expected = parse_peer(vector!("issuer.jwks.json"), NOW).unwrap().key;
    assert!(parse_peer(both.as_bytes(), NOW).unwrap().key == expected);
}
