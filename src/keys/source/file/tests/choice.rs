//! Which of several certificates and keys counts.

use super::*;

/// Every order of three.
fn orders([a, b, c]: [&[u8]; 3]) -> [[&[u8]; 3]; 6] {
    [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
}

#[test]
fn end_entity_certificate_counts_in_every_order_of_a_chain() {
    let leaf = from_pem(made!("leaf.crt"));
    for order in orders([made!("root.crt"), made!("sub.crt"), made!("leaf.crt")]) {
        let peer = parse_peer(&order.concat(), NOW).unwrap();
        assert_eq!((peer.certificate.as_ref(), peer.warnings.len()), (Some(&leaf), 0));
    }
    let without_sub = [made!("root.crt"), made!("leaf.crt")].concat();
    assert_eq!(parse_peer(&without_sub, NOW).unwrap().certificate, Some(leaf));
}

#[test]
fn valid_certificate_counts_before_an_expired_one_of_the_same_and_of_another_key() {
    let leaf = from_pem(made!("leaf.crt"));
    for expired in [made!("leaf-expired.crt"), made!("other-expired.crt")] {
        for order in orders([expired, made!("leaf.crt"), made!("sub.crt")]) {
            let peer = parse_peer(&order.concat(), NOW).unwrap();
            assert_eq!((peer.certificate.as_ref(), peer.warnings.len()), (Some(&leaf), 0));
        }
    }
}

#[test]
fn expired_end_entity_certificate_counts_before_its_valid_issuer() {
    for order in orders([made!("leaf-expired.crt"), made!("sub.crt"), made!("root.crt")]) {
        let peer = parse_peer(&order.concat(), NOW).unwrap();
        assert_eq!(peer.certificate, Some(from_pem(made!("leaf-expired.crt"))));
    }
}

#[test]
fn expired_end_entity_certificate_counts_before_a_valid_root_that_did_not_issue_it() {
    for expired in ["leaf", "other"] {
        let pem = if expired == "leaf" { made!("leaf-expired.crt") } else { made!("other-expired.crt") };
        for text in [[pem, made!("root.crt")].concat(), [made!("root.crt"), pem].concat()] {
            let peer = parse_peer(&text, NOW).unwrap();
            assert_eq!((peer.certificate, peer.warnings), (Some(from_pem(pem)), vec![]), "{expired}");
        }
    }
}

#[test]
fn root_does_not_take_the_place_of_a_certificate_that_cannot_be_read() {
    let leaf = std::str::from_utf8(made!("leaf.crt")).unwrap();
    let root = std::str::from_utf8(made!("root.crt")).unwrap();
    let (cut, _) = leaf.split_at(leaf.len() / 2);
    let damaged = leaf.replacen("MII", "M*I", 1);
    for (text, refused) in [
        (format!("{cut}\n{root}"), LoadError::Truncated),
        (format!("{root}{damaged}"), LoadError::Damaged("not base64 between the PEM lines")),
    ] {
        assert_eq!(refusal(parse_peer(text.as_bytes(), NOW)), refused);
    }
    // The certificate of the holder is there: what else is damaged is of no matter.
    assert!(parse_peer(format!("{leaf}{cut}").as_bytes(), NOW).is_ok());
}

#[test]
fn root_does_not_take_the_place_of_an_end_entity_certificate_of_a_key_that_is_refused() {
    let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let leaf = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&elliptic).unwrap().pem();
    let text = [leaf.as_bytes(), made!("root.crt")].concat();
    let error = refusal(parse_peer(&text, NOW));
    assert_eq!(error.to_string(), "holds a key that is not RSA (EC)");
}

#[test]
fn two_end_entity_certificates_are_not_chosen_from_without_a_word() {
    let both = [made!("leaf.crt"), made!("other.crt"), made!("sub.crt")].concat();
    let peer = parse_peer(&both, NOW).unwrap();
    assert_eq!(peer.certificate, Some(from_pem(made!("leaf.crt"))));
    assert_eq!(peer.warnings, [LoadError::SeveralCertificates(2)]);
}

#[test]
fn authority_is_not_sealed_to_without_a_word() {
    for text in
        [[made!("root.crt"), made!("sub.crt")].concat(), [made!("sub.crt"), made!("root.crt")].concat()]
    {
        let peer = parse_peer(&text, NOW).unwrap();
        assert_eq!(peer.certificate, Some(from_pem(made!("sub.crt"))));
        assert_eq!(peer.warnings, [LoadError::AuthoritiesOnly("C=XX, CN=Sub".into())]);
    }
}

#[test]
fn authority_does_not_take_the_place_of_its_end_entity_certificate_that_is_refused() {
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params
    };
    let key = rcgen::KeyPair::from_pem(std::str::from_utf8(vector!("partner.key.pem")).unwrap()).unwrap();
    let mut root = authority("Root");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(root, &key);
    let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let leaf = authority("leaf").signed_by(&elliptic, &issuer).unwrap().pem();
    for text in [format!("{root_pem}{leaf}"), format!("{leaf}{root_pem}")] {
        let error = refusal(parse_peer(text.as_bytes(), NOW));
        assert_eq!(error.to_string(), "holds a key that is not RSA (EC)");
    }
    assert!(parse_peer(root_pem.as_bytes(), NOW).is_ok());
}

#[test]
fn key_whose_certificate_is_valid_is_used() {
    let expired_first = [
        vector!("stranger.key.pem"),
        made!("other-expired.crt"),
        vector!("partner.key.pem"),
        made!("leaf.crt"),
    ]
    .concat();
    let matched = parse_own(&expired_first, None).unwrap().matched(vec![], NOW).unwrap();
    assert_eq!(matched.certificate, Some(from_pem(made!("leaf.crt"))));
    assert!(matched.private.public_key() == from_pem(made!("leaf.crt")).public_key());

    let both_expired = [
        vector!("stranger.key.pem"),
        made!("other-expired.crt"),
        vector!("partner.key.pem"),
        made!("leaf-expired.crt"),
    ]
    .concat();
    let matched = parse_own(&both_expired, None).unwrap().matched(vec![], NOW).unwrap();
    assert_eq!(matched.certificate, Some(from_pem(made!("other-expired.crt"))));
}
