//! From one generation of files to the next.

use super::*;

impl Volume {
    /// As it is so long after [`NOW`].
    fn load_after(&self, passed: Duration) -> Ring {
        Ring::load(&self.keys, after(passed))
    }
}

/// The moment so long after [`NOW`].
fn after(passed: Duration) -> Timestamp {
    Timestamp::from_seconds(NOW.seconds() + passed.as_secs().cast_signed())
}

#[test]
fn half_written_file_keeps_the_former_key() {
    let volume = Volume::new();
    let first = volume.load();
    volume.write("partner.p12", &vector("partner-3des.p12")[..700]);
    volume.write("mosip-public.key", b"-----BEGIN CERT");
    let second = Ring::succeed(&first, volume.load(), DAY);

    assert!(Arc::ptr_eq(&first.own()[0], &second.own()[0]), "in its former place, so that it still signs");
    assert!(Arc::ptr_eq(&first.peers()[0], &second.peers()[0]));
    assert_eq!(second.troubles().len(), 2);
    for trouble in second.troubles() {
        assert!(!trouble.fatal);
        assert_eq!(trouble.what, "is truncated (the key loaded before stays in use until a restart)");
    }

    volume.write("partner.p12", &vector("partner-3des.p12"));
    volume.write("mosip-public.key", &vector("mosip.crt.der"));
    let third = Ring::succeed(&second, volume.load(), DAY);
    assert_eq!(third.troubles(), []);
    assert!(third.retiring().next().is_none(), "the same key and certificate came back");
}

#[test]
fn key_that_never_loaded_has_nothing_to_fall_back_on() {
    let volume = Volume::new();
    volume.write("partner.p12", b"");
    let ring = Ring::succeed(&volume.load(), volume.load(), DAY);
    assert_eq!(ring.own().len(), 1);
    assert!(ring.troubles()[0].fatal);
}

#[test]
fn replaced_key_goes_on_decrypting_and_signs_no_more() {
    let volume = Volume::new();
    let first = volume.load();
    volume.write("second.key", &vector("partner-old.key.pem"));
    volume.write("second.crt", &vector("partner-old.crt.pem"));
    let second = Ring::succeed(&first, volume.load(), DAY);

    let former = certificate(&vector("partner-3072.crt.der")).thumbprint();
    let current = certificate(&vector("partner-old.crt.der")).thumbprint();
    assert!(second.decryptor(&former).is_some() && second.decryptor(&current).is_some());
    assert_eq!(second.decryptors_of_len(384).len(), 1);
    assert_eq!(second.own().len(), 2);
    assert!(second.own().iter().all(|key| key.private.modulus_len() == 256));

    let third = Ring::succeed(&second, volume.load(), DAY);
    assert!(third.decryptor(&former).is_some(), "over any number of reloads");
    assert_eq!(third.retiring().count(), 1);
}

#[test]
fn renewed_certificate_of_the_same_key_leaves_the_former_thumbprint_open() {
    let volume = Volume::new();
    volume.write("second.key", &vector("partner.key.pem"));
    let (before, after) = (certify("before", None), certify("after", None));
    volume.write("second.crt", certificate_pem(&before).unwrap().as_bytes());
    let first = volume.load();
    volume.write("second.crt", certificate_pem(&after).unwrap().as_bytes());
    let second = Ring::succeed(&first, volume.load(), DAY);
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
    assert!(Ring::succeed(&first, volume.load(), DAY).retiring().next().is_none());
}

#[test]
fn broken_file_does_not_bring_back_what_the_ca_came_to_refuse() {
    let mut volume = Volume::new();
    let first = volume.load();
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    volume.write("ca.pem", &[vector("partner.crt.pem"), vector("partner-3072.crt.pem")].concat());
    volume.write("partner.p12", b"");
    let second = Ring::succeed(&first, volume.load(), DAY);
    assert!(second.peers().is_empty());
    assert_eq!(second.own().len(), 2, "the partner's certificate is one that the CA file accepts");
}

/// The thumbprint of `second.key` in its volume.
fn second() -> Thumbprint {
    certificate(&vector("partner-3072.crt.der")).thumbprint()
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn replaced_key_is_gone_after_retire_after_counted_from_when_that_was_seen() {
    let volume = Volume::new();
    let first = volume.load();
    volume.write("second.key", &vector("partner-old.key.pem"));
    volume.write("second.crt", &vector("partner-old.crt.pem"));
    let second_ring = Ring::succeed(&first, volume.load_after(HOUR), DAY);
    let retiring: Vec<_> =
        second_ring.retiring().map(|key| (key.certificate.map(Certificate::thumbprint), key.until)).collect();
    assert_eq!(retiring, [(Some(second()), after(HOUR + DAY))]);
    let third = Ring::succeed(&second_ring, volume.load_after(DAY), DAY);
    assert!(third.decryptor(&second()).is_some(), "a reload gives it no more time, and takes none");
    assert!(!third.is_stale(after(DAY)) && third.is_stale(after(HOUR + DAY)));
    let fourth = Ring::succeed(&third, volume.load_after(HOUR + DAY), DAY);
    assert!(fourth.decryptor(&second()).is_none() && fourth.retiring().next().is_none());
    assert!(!fourth.is_stale(after(2 * DAY)));
}

#[test]
fn key_whose_file_is_missing_stays_whole_until_its_end_and_is_gone_then() {
    let volume = Volume::new();
    let first = volume.load();
    fs::remove_file(volume.path("partner.p12")).unwrap();
    let second = Ring::succeed(&first, volume.load_after(HOUR), DAY);
    assert!(second.signer(Some("partner")).is_some(), "it signs meanwhile, too");
    let [trouble] = second.troubles() else { panic!("{:?}", second.troubles()) };
    let end = after(HOUR + DAY).to_iso();
    assert!(
        !trouble.fatal
            && trouble.what.ends_with(&format!("stays in use until {end}, and not after a restart)")),
        "{trouble}"
    );
    assert_eq!(second.retiring().map(|key| key.until).collect::<Vec<_>>(), [after(HOUR + DAY)]);

    let third = Ring::succeed(&second, volume.load_after(DAY), DAY);
    assert!(third.signer(Some("partner")).is_some() && third.is_stale(after(HOUR + DAY)));
    let fourth = Ring::succeed(&third, volume.load_after(HOUR + DAY), DAY);
    assert!(fourth.signer(Some("partner")).is_none() && fourth.retiring().next().is_none());
    assert_eq!(fourth.own().len(), 1);
    assert!(fourth.troubles()[0].fatal, "{:?}", fourth.troubles());

    volume.write("partner.p12", &vector("partner-pbes2.p12"));
    let back = Ring::succeed(&third, volume.load_after(DAY), DAY);
    assert!(back.retiring().next().is_none(), "it came back in time");
}

#[test]
fn key_whose_file_went_missing_and_comes_back_as_another_one_has_no_more_time_than_before() {
    let volume = Volume::new();
    let first = volume.load();
    fs::remove_file(volume.path("second.key")).unwrap();
    let missing = Ring::succeed(&first, volume.load(), DAY);
    volume.write("second.key", &vector("partner-old.key.pem"));
    volume.write("second.crt", &vector("partner-old.crt.pem"));
    let replaced = Ring::succeed(&missing, volume.load_after(HOUR), DAY);
    assert_eq!(replaced.retiring().map(|key| key.until).collect::<Vec<_>>(), [after(DAY)]);
}

#[test]
fn key_whose_file_went_missing_and_comes_back_broken_has_no_more_time_than_before() {
    let mut volume = Volume::new();
    volume.write("second.key", &vector("ec.key.pem"));
    let second = &mut volume.keys.own[1];
    (second.name, second.uses) = (Some("second".into()), Uses { sign: true, decrypt: false });
    let files = ["partner.p12", "second.key"];
    let first = volume.load();
    files.iter().for_each(|file| fs::remove_file(volume.path(file)).unwrap());
    let missing = Ring::succeed(&first, volume.load(), DAY);
    files.iter().for_each(|file| volume.write(file, b"half"));
    let broken = Ring::succeed(&missing, volume.load_after(HOUR), DAY);
    files.iter().for_each(|file| fs::remove_file(volume.path(file)).unwrap());
    let again = Ring::succeed(&broken, volume.load_after(2 * HOUR), DAY);
    for ring in [&missing, &broken, &again] {
        let retiring: Vec<_> = ring.retiring().map(|key| (key.called(), key.until)).collect();
        assert_eq!(retiring, ["partner", "second"].map(|name| (name.to_owned(), after(DAY))));
        assert!(!ring.is_stale(after(HOUR)) && ring.is_stale(after(DAY)));
    }
    let gone = Ring::succeed(&broken, volume.load_after(DAY), DAY);
    assert!(gone.signer(Some("partner")).is_none() && gone.ec_signer("second").is_none());
}

#[test]
fn broken_file_and_the_missing_file_of_a_peer_or_a_password_end_nothing() {
    let volume = Volume::new();
    let first = volume.load();
    volume.write("second.key", b"");
    fs::remove_file(volume.path("partner.password")).unwrap();
    fs::remove_file(volume.path("mosip-public.key")).unwrap();
    let second = Ring::succeed(&first, volume.load(), DAY);
    let third = Ring::succeed(&second, volume.load_after(3 * DAY), DAY);
    assert_eq!((third.own().len(), third.peers().len(), third.retiring().count()), (2, 1, 0));
}

#[test]
fn retire_after_of_nothing_ends_a_replaced_and_a_missing_key_at_once() {
    let volume = Volume::new();
    let first = volume.load();
    fs::remove_file(volume.path("partner.p12")).unwrap();
    volume.write("second.key", &vector("partner-old.key.pem"));
    volume.write("second.crt", &vector("partner-old.crt.pem"));
    let second_ring = Ring::succeed(&first, volume.load(), Duration::ZERO);
    assert!(second_ring.decryptor(&second()).is_none() && second_ring.own().len() == 1);
}
