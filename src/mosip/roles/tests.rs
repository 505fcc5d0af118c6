use std::path::Path;

use super::*;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::keys::settings::{UnknownThumbprint, Uses};
use crate::keys::source::file::{KeyFile, Password};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Own keys `partner` (signs) and `opener` (does not); `gone` would sign if its file were there. Peers `mosip` and `lost`, whose
/// file is not there.
fn ring() -> Ring {
    Ring::load(&keys(), NOW)
}

fn keys() -> crate::keys::settings::Keys {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let own = |name: &str, file: &str, sign: bool| crate::keys::settings::OwnKey {
        name: Some(name.to_owned()),
        source: KeyFile::source(dir.join(file), Password::None),
        cert: None,
        uses: Uses { sign, decrypt: true },
    };
    let peer = |name: &str, file: &str| crate::keys::settings::Peer {
        name: name.to_owned(),
        file: dir.join(file),
        unknown_thumbprint: UnknownThumbprint::Reject,
        algs: vec![SignatureAlgorithm::Rs256],
    };
    crate::keys::settings::Keys {
        own: vec![
            own("gone", "gone.key", true),
            own("partner", "partner.key.pem", true),
            own("opener", "partner-3072.key.pem", false),
        ],
        peers: vec![peer("lost", "lost.crt"), peer("mosip", "mosip.crt.pem")],
        dir: dir.clone(),
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
    }
}

fn refusal<T>(result: Result<T>) -> Error {
    result.err().unwrap()
}

#[test]
fn a_configured_peer_is_found_under_its_name() {
    let ring = ring();
    assert_eq!(asked_peer(&ring, "mosip", "/from").unwrap().name, "mosip");
    assert_eq!(peer_or_only(&ring, Some("mosip")).unwrap().name, "mosip");
    assert!(asked_recipient(&ring, "mosip", "to", NOW).is_ok());
}

#[test]
fn a_peer_that_is_not_configured_is_the_callers_mistake_and_blames_no_file() {
    let ring = ring();
    for (error, pointer) in [
        (refusal(asked_peer(&ring, "nobody", "/from")), "/from"),
        (refusal(peer_or_only(&ring, Some("nobody"))), "/from"),
        (refusal(asked_recipient(&ring, "nobody", "to", NOW)), "to"),
    ] {
        assert_eq!((error.code(), error.pointer()), (Code::Field, Some(pointer)));
        assert!(!error.advice().contains("lost.crt") && !error.advice().contains("gone.key"));
    }
}

#[test]
fn the_only_peer_that_is_loaded_is_not_the_only_one_that_is_configured() {
    let error = refusal(peer_or_only(&ring(), None));
    assert_eq!((error.code(), error.pointer()), (Code::Field, Some("/from")));
}

#[test]
fn a_peer_whose_file_is_missing_is_refused_with_its_own_trouble() {
    let ring = ring();
    for error in [refusal(asked_peer(&ring, "lost", "/from")), refusal(peer(&ring, "lost"))] {
        assert_eq!(error.code(), Code::Keys);
        assert!(error.advice().contains("lost.crt: is missing"), "{}", error.advice());
    }
}

#[test]
fn a_peer_that_the_gateway_needs_and_nobody_configured_blames_no_file() {
    let error = refusal(peer(&ring(), "nobody"));
    assert_eq!((error.code(), error.advice()), (Code::Keys, "Add a peer named `nobody` to keys.peers."));
}

#[test]
fn a_key_that_is_not_configured_or_may_not_sign_is_the_callers_mistake() {
    let ring = ring();
    for name in ["nobody", "opener"] {
        let error = refusal(asked_signer(&ring, Some(name), "key", NOW));
        assert_eq!((error.code(), error.pointer()), (Code::Field, Some("key")), "{name}");
    }
    assert!(asked_signer(&ring, Some("partner"), "key", NOW).is_ok());
    assert!(asked_signer(&ring, None, "key", NOW).is_ok());
}

#[test]
fn a_key_whose_file_is_missing_is_refused_with_its_own_trouble() {
    let error = refusal(asked_signer(&ring(), Some("gone"), "key", NOW));
    assert_eq!(error.code(), Code::Keys);
    assert!(error.advice().contains("gone.key: is missing"), "{}", error.advice());
}

#[test]
fn the_key_of_esignet_signs_for_nobody_else_wherever_it_is_listed() {
    let mut keys = keys();
    // `partner`, in front of another that signs.
    keys.own.remove(0);
    keys.own[1].uses.sign = true;
    keys.esignet = Some("partner".to_owned());
    let ring = Ring::load(&keys, NOW);
    assert_eq!(signer(&ring, None, NOW).unwrap().name.as_deref(), Some("opener"));
    assert!(signer(&ring, Some("partner"), NOW).is_err());
    let error = refusal(asked_signer(&ring, Some("partner"), "key", NOW));
    assert_eq!((error.code(), error.pointer()), (Code::Field, Some("key")));
    assert!(matches!(client_key(&ring, "partner", NOW), Ok(Signer::Rsa(_))));
    assert!(ring.decryptors_of_len(256).iter().any(|key| key.name.as_deref() == Some("partner")));
}

#[test]
fn without_another_key_that_signs_the_refusal_says_what_the_key_of_esignet_is_for() {
    let keys = crate::keys::settings::Keys { esignet: Some("partner".to_owned()), ..keys() };
    let own = keys.own.iter().filter(|key| key.name.as_deref() == Some("partner")).cloned().collect();
    let ring = Ring::load(&crate::keys::settings::Keys { own, ..keys }, NOW);
    let error = refusal(signer(&ring, None, NOW));
    assert_eq!(error.code(), Code::Keys);
    assert!(error.advice().contains("esignet.key names signs for eSignet alone"), "{}", error.advice());
}

#[test]
fn a_key_of_esignet_that_is_not_loaded_is_refused_with_its_own_trouble() {
    let keys = crate::keys::settings::Keys { esignet: Some("gone".to_owned()), ..keys() };
    let error = refusal(client_key(&Ring::load(&keys, NOW), "gone", NOW));
    assert_eq!(error.code(), Code::Keys);
    assert!(error.advice().contains("gone.key: is missing"), "{}", error.advice());
}

#[test]
fn the_only_peer_is_meant_where_nobody_is_named() {
    let mut keys = keys();
    keys.peers.remove(0);
    assert_eq!(peer_or_only(&Ring::load(&keys, NOW), None).unwrap().name, "mosip");
    keys.peers.clear();
    let error = refusal(peer_or_only(&Ring::load(&keys, NOW), None));
    assert_eq!((error.pointer(), error.detail()), (Some("/from"), "no peer is configured"));
}

#[test]
fn a_certificate_outside_its_dates_neither_signs_nor_is_sealed_to() {
    let mut keys = keys();
    keys.own[1].cert = Some(keys.dir.join("partner.crt.pem"));
    let ring = Ring::load(&keys, NOW);
    assert!(
        asked_recipient(&ring, "mosip", "to", NOW).is_ok() && signer(&ring, Some("partner"), NOW).is_ok()
    );
    for (seconds, what) in [(0, "not yet valid"), (9_000_000_000, "expired")] {
        let now = Timestamp::from_seconds(seconds);
        for error in [
            refusal(asked_recipient(&ring, "mosip", "to", now)),
            refusal(signer(&ring, Some("partner"), now)),
        ] {
            assert_eq!(error.code(), Code::Keys);
            assert!(error.detail().contains(what), "{error}");
        }
    }
}

#[test]
fn of_several_peers_one_that_is_loaded_is_enough() {
    let ring = ring();
    let one_of =
        |names: &[&str]| super::one_of(&ring, &names.iter().map(ToString::to_string).collect::<Vec<_>>());
    for enough in [&[][..], &["mosip"], &["lost", "mosip"], &["mosip", "nobody"]] {
        assert!(one_of(enough).is_ok(), "{enough:?}");
    }
    for none in [&["lost"][..], &["lost", "nobody"]] {
        let error = one_of(none).unwrap_err();
        assert_eq!(error.code(), Code::Keys);
        assert!(error.detail().contains("`lost`"), "{error}");
    }
}
