//! From one generation of files to the next.

use super::*;

#[test]
fn half_written_file_keeps_the_former_key() {
    let volume = Volume::new();
    let first = volume.load();
    volume.write("partner.p12", &vector("partner-3des.p12")[..700]);
    volume.write("mosip-public.key", b"-----BEGIN CERT");
    let second = Ring::succeed(&first, volume.load());

    assert!(Arc::ptr_eq(&first.own()[0], &second.own()[0]), "in its former place, so that it still signs");
    assert!(Arc::ptr_eq(&first.peers()[0], &second.peers()[0]));
    assert_eq!(second.troubles().len(), 2);
    for trouble in second.troubles() {
        assert!(!trouble.fatal);
        assert_eq!(trouble.what, "is truncated (the key loaded before stays in use)");
    }

    volume.write("partner.p12", &vector("partner-3des.p12"));
    volume.write("mosip-public.key", &vector("mosip.crt.der"));
    let third = Ring::succeed(&second, volume.load());
    assert_eq!(third.troubles(), []);
    assert!(third.retired().is_empty(), "the same key and certificate came back");
}

#[test]
fn key_that_never_loaded_has_nothing_to_fall_back_on() {
    let volume = Volume::new();
    volume.write("partner.p12", b"");
    let ring = Ring::succeed(&volume.load(), volume.load());
    assert_eq!(ring.own().len(), 1);
    assert!(ring.troubles()[0].fatal);
}

#[test]
fn replaced_key_goes_on_decrypting_and_signs_no_more() {
    let volume = Volume::new();
    let first = volume.load();
    volume.write("second.key", &vector("partner-old.key.pem"));
    volume.write("second.crt", &vector("partner-old.crt.pem"));
    let second = Ring::succeed(&first, volume.load());

    let former = certificate(&vector("partner-3072.crt.der")).thumbprint();
    let current = certificate(&vector("partner-old.crt.der")).thumbprint();
    assert!(second.decryptor(&former).is_some() && second.decryptor(&current).is_some());
    assert_eq!(second.decryptors_of_len(384).len(), 1);
    assert_eq!(second.own().len(), 2);
    assert!(second.own().iter().all(|key| key.private.modulus_len() == 256));

    let third = Ring::succeed(&second, volume.load());
    assert!(third.decryptor(&former).is_some(), "over any number of reloads");
    assert_eq!(third.retired().len(), 1);
}

#[test]
fn renewed_certificate_of_the_same_key_leaves_the_former_thumbprint_open() {
    let volume = Volume::new();
    volume.write("second.key", &vector("partner.key.pem"));
    let (before, after) = (certify("before", None), certify("after", None));
    volume.write("second.crt", certificate_pem(&before).unwrap().as_bytes());
    let first = volume.load();
    volume.write("second.crt", certificate_pem(&after).unwrap().as_bytes());
    let second = Ring::succeed(&first, volume.load());
    assert!(second.decryptor(&before.thumbprint()).is_some());
    assert!(second.decryptor(&after.thumbprint()).is_some());
    assert_eq!(second.decryptors_of_len(256).len(), 1, "it is one key");
}

#[test]
fn replaced_signing_key_is_not_kept() {
    let mut volume = Volume::new();
    volume.keys.own[1].uses = Uses { sign: true, decrypt: false };
    let first = volume.load();
    volume.write("second.key", &vector("partner-old.key.pem"));
    volume.write("second.crt", &vector("partner-old.crt.pem"));
    assert!(Ring::succeed(&first, volume.load()).retired().is_empty());
}

#[test]
fn broken_file_does_not_bring_back_what_the_ca_came_to_refuse() {
    let mut volume = Volume::new();
    let first = volume.load();
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    volume.write("ca.pem", &[vector("partner.crt.pem"), vector("partner-3072.crt.pem")].concat());
    volume.write("partner.p12", b"");
    let second = Ring::succeed(&first, volume.load());
    assert!(second.peers().is_empty());
    assert_eq!(second.own().len(), 2, "the partner's certificate is one that the CA file accepts");
}
