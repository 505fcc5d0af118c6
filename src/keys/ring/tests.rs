mod authority;
mod succession;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::keys::make::{CertificateRequest, KeyMaker, certificate_pem};
use crate::keys::settings::{UnknownThumbprint, Uses};
use crate::keys::source::file::{KeyFile, Password};

/// A key file of the vectors.
fn vector(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    fs::read(dir.join(name)).unwrap()
}

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// `keys.retire_after` of these tests.
const DAY: Duration = Duration::from_hours(24);
const BOTH: Uses = Uses { sign: true, decrypt: true };

/// A key volume: `partner.p12` with its password, a bare key with a certificate beside it, one peer.
struct Volume {
    dir: TempDir,
    keys: crate::keys::settings::Keys,
}

impl Volume {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let own = vec![
            crate::keys::settings::OwnKey {
                name: Some("partner".into()),
                source: KeyFile::source(path("partner.p12"), Password::File(path("partner.password"))),
                cert: None,
                uses: BOTH,
            },
            crate::keys::settings::OwnKey {
                name: None,
                source: KeyFile::source(path("second.key"), Password::None),
                cert: Some(path("second.crt")),
                uses: Uses { sign: false, decrypt: true },
            },
        ];
        let peers = vec![crate::keys::settings::Peer {
            name: "mosip".into(),
            file: path("mosip-public.key"),
            unknown_thumbprint: UnknownThumbprint::Try,
            algs: vec![SignatureAlgorithm::Rs512],
        }];
        let keys = crate::keys::settings::Keys {
            dir: dir.path().into(),
            own,
            peers,
            strict_permissions: false,
            retire_after: DAY,
            ca_file: None,
            esignet: None,
        };
        let volume = Self { dir, keys };
        volume.write("partner.p12", &vector("partner-pbes2.p12"));
        volume.write("partner.password", b"mosip123\n");
        volume.write("second.key", &vector("partner-3072.key.pem"));
        volume.write("second.crt", &vector("partner-3072.crt.pem"));
        volume.write("mosip-public.key", &vector("mosip.crt.pem"));
        volume
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self) -> Ring {
        Ring::load(&self.keys, NOW)
    }

    /// The one trouble of the volume, as it is shown, without the folder.
    fn trouble(&self) -> (String, bool) {
        let ring = self.load();
        let [trouble] = ring.troubles() else { panic!("one trouble expected: {:?}", ring.troubles()) };
        let shown = trouble.to_string().replace(&format!("{}/", self.dir.path().display()), "");
        (shown, trouble.fatal)
    }

    /// Asserts `<file>: <what>; …`.
    fn assert_trouble(&self, start: &str, fatal: bool) {
        let (shown, is_fatal) = self.trouble();
        assert!(shown.starts_with(&format!("{start}; ")), "{shown}");
        assert_eq!(is_fatal, fatal, "{shown}");
        assert_eq!(self.load().own().len(), if fatal { 1 } else { 2 }, "the other key is loaded in any case");
    }
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// A certificate of the partner's key, issued by itself or by the key in `issuer`.
fn certify(common_name: &str, issuer: Option<(&Certificate, &KeyMaker)>) -> Certificate {
    let key = KeyMaker::from_file(&vector("partner.key.pem"), None).ok().unwrap();
    key.certify(&request(common_name, false), issuer).unwrap()
}

fn request(common_name: &str, ca: bool) -> CertificateRequest<'_> {
    CertificateRequest {
        country: "XX",
        organization: "Test Only",
        common_name,
        not_before: Timestamp::from_seconds(NOW.seconds() - 60),
        not_after: Timestamp::from_seconds(NOW.seconds() + 60),
        ca,
        names: &[],
    }
}

#[test]
fn a_panic_while_a_file_is_read_is_a_trouble_of_that_file() {
    let entry = Entry { location: Location::from("own.key"), name: None, uses: None, is_of_esignet: false };
    let slot = Slot::<OwnKey>::new(entry, |_| panic!("a defect"));
    assert!(slot.key.is_none());
    let [trouble] = slot.troubles.as_slice() else { panic!("one trouble expected: {:?}", slot.troubles) };
    assert!(trouble.fatal && trouble.to_string().starts_with("own.key: cannot be read because of a defect"));
}

#[test]
fn good_volume_loads_without_trouble() {
    let ring = Volume::new().load();
    assert_eq!(ring.troubles(), []);
    assert_eq!((ring.own().len(), ring.peers().len()), (2, 1));

    let thumbprint = certificate(&vector("partner.crt.der")).thumbprint();
    assert_eq!(ring.decryptor(&thumbprint).unwrap().name.as_deref(), Some("partner"));
    assert!(ring.decryptor(&Thumbprint::from_bytes([0; 32])).is_none());
    assert_eq!(ring.decryptors_of_len(384).len(), 1);
    assert_eq!(ring.decryptors_of_len(512).len(), 0);
    assert_eq!(ring.signer(None).unwrap().name.as_deref(), Some("partner"));
    assert!(ring.signer(Some("nobody")).is_none());
    assert!(ring.peer("mosip").unwrap().certificate.is_some());
    assert!(ring.peer("ida").is_none());
}

#[test]
fn key_without_use_decrypt_does_not_decrypt_and_without_use_sign_does_not_sign() {
    let mut volume = Volume::new();
    volume.keys.own[0].uses = Uses { sign: true, decrypt: false };
    let ring = volume.load();
    assert!(ring.decryptor(&certificate(&vector("partner.crt.der")).thumbprint()).is_none());
    assert!(ring.decryptors_of_len(256).is_empty());
    volume.keys.own[0].uses = Uses { sign: false, decrypt: true };
    assert!(volume.load().signer(None).is_none());
    assert!(volume.load().signer(Some("partner")).is_none());
}

#[test]
fn one_key_named_twice_is_tried_once() {
    let mut volume = Volume::new();
    let password = Password::Value(crate::crypto::secret::SecretBytes::new(b"mosip123".to_vec()));
    volume.keys.own[1].source = KeyFile::source(volume.path("partner.p12"), password);
    volume.keys.own[1].cert = None;
    let ring = volume.load();
    assert_eq!(ring.own().len(), 2);
    assert_eq!(ring.decryptors_of_len(256).len(), 1);
}

#[test]
fn wrong_password() {
    let volume = Volume::new();
    volume.write("partner.password", b"mosip124");
    volume.assert_trouble("partner.p12: does not open: the password is wrong, or the file was altered", true);
}

#[test]
fn missing_password_file() {
    let volume = Volume::new();
    fs::remove_file(volume.path("partner.password")).unwrap();
    volume.assert_trouble("partner.password: is missing", true);
}

#[test]
fn unsupported_cipher_is_named() {
    let volume = Volume::new();
    volume.write("partner.p12", &vector("partner-traditional.enc.pem"));
    volume.assert_trouble(
        "partner.p12: is encrypted with traditional PEM encryption (DEK-Info), which is not supported",
        true,
    );
}

#[test]
fn no_private_key_inside() {
    let volume = Volume::new();
    volume.write("partner.p12", &vector("partner-nokey.p12"));
    volume.assert_trouble("partner.p12: holds no private key", true);
}

#[test]
fn key_and_certificate_do_not_match() {
    let volume = Volume::new();
    volume.write("second.crt", &vector("mosip.crt.pem"));
    volume.assert_trouble("second.crt: the private key and the certificate do not match", true);
}

#[test]
fn expired_since() {
    let volume = Volume::new();
    volume.write("second.key", &vector("partner.key.pem"));
    volume.write("second.crt", &vector("partner-expired.crt.pem"));
    volume.assert_trouble("second.crt: the certificate expired on 2021-01-01T00:00:00.000Z", false);
}

#[test]
fn not_yet_valid() {
    let volume = Volume::new();
    volume.write("second.key", &vector("partner.key.pem"));
    volume.write("second.crt", &vector("partner-future.crt.pem"));
    volume.assert_trouble("second.crt: the certificate is not valid before 2090-01-01T00:00:00.000Z", false);
}

#[test]
fn ec_where_rsa_is_wanted() {
    let volume = Volume::new();
    volume.write("second.key", &vector("ec.key.pem"));
    volume.assert_trouble("second.key: holds an EC key, which signs and does nothing else", true);
}

#[test]
fn an_ec_key_signs_for_esignet_alone_and_stays_where_its_file_breaks() {
    let mut volume = Volume::new();
    volume.write("second.key", &vector("ec.key.pem"));
    let second = &mut volume.keys.own[1];
    (second.name, second.uses) = (Some("second".into()), Uses { sign: true, decrypt: false });
    let ring = volume.load();
    assert_eq!((ring.troubles(), ring.own().len(), ring.ec_keys().count()), (&[][..], 1, 1));
    assert!(ring.ec_signer("second").is_some() && ring.ec_signer("partner").is_none());
    assert!(ring.signer(Some("second")).is_none());
    assert_eq!(ring.signer(None).unwrap().name.as_deref(), Some("partner"), "MOSIP knows RSA alone");

    volume.write("second.key", b"");
    let next = Ring::succeed(&ring, volume.load(), DAY);
    assert!(next.ec_signer("second").is_some());
    let [trouble] = next.troubles() else { panic!("{:?}", next.troubles()) };
    assert!(trouble.what.ends_with("(the key loaded before stays in use until a restart)"), "{trouble}");
    let again = Ring::succeed(&next, volume.load(), DAY);
    assert!(again.ec_signer("second").is_some());

    volume.write("second.key", &vector("partner-3072.key.pem"));
    let replaced = Ring::succeed(&again, volume.load(), DAY);
    assert!(replaced.ec_signer("second").is_none() && replaced.signer(Some("second")).is_some());
}

#[test]
fn empty() {
    let volume = Volume::new();
    volume.write("second.key", b"");
    volume.assert_trouble("second.key: is empty", true);
}

#[test]
fn truncated() {
    let volume = Volume::new();
    volume.write("partner.p12", &vector("partner-pbes2.p12")[..1000]);
    volume.assert_trouble("partner.p12: is truncated", true);
}

#[test]
fn not_readable() {
    let volume = Volume::new();
    fs::remove_file(volume.path("second.key")).unwrap();
    fs::create_dir(volume.path("second.key")).unwrap();
    volume.assert_trouble("second.key: is no regular file", true);
}

#[test]
fn private_key_readable_by_others_is_a_warning_and_under_strict_permissions_a_refusal() {
    let mut volume = Volume::new();
    let what = "second.key: holds a private key that every user of this machine can read";
    fs::set_permissions(volume.path("second.key"), fs::Permissions::from_mode(0o644)).unwrap();
    volume.assert_trouble(what, false);
    volume.keys.strict_permissions = true;
    volume.assert_trouble(what, true);
    fs::set_permissions(volume.path("second.key"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(volume.load().troubles(), []);
}

#[test]
fn pkcs12_without_mac() {
    let volume = Volume::new();
    volume.write("partner.p12", &vector("partner-nomac.p12"));
    volume.assert_trouble("partner.p12: is a PKCS#12 file without a MAC", false);
}

#[test]
fn everything_missing_still_gives_a_ring() {
    let volume = Volume::new();
    fs::remove_dir_all(volume.dir.path()).unwrap();
    let ring = volume.load();
    assert_eq!((ring.own().len(), ring.peers().len(), ring.troubles().len()), (0, 0, 3));
    assert!(ring.troubles().iter().all(|trouble| trouble.fatal && trouble.what == "is missing"));
}

#[test]
fn trouble_shows_no_password() {
    let volume = Volume::new();
    volume.write("partner.password", b"hunter2");
    assert!(!format!("{:?}", volume.load().troubles()).contains("hunter2"));
}

/// A certificate for signatures only, and its key, as PEM.
fn sign_only() -> (String, String) {
    let pem = String::from_utf8(vector("partner-3072.key.pem")).unwrap();
    let pair = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    (parameters.self_signed(&pair).unwrap().pem(), pem.to_owned())
}

#[test]
fn development_keys_are_recognised_in_every_container() {
    let volume = Volume::new();
    for (name, bytes) in [
        ("partner.p12", &vector("partner-keytool.p12")),
        ("second.key", &vector("partner-3072.key.pem")),
        ("mosip-public.key", &vector("mosip.pub.pem")),
    ] {
        volume.write(name, bytes);
    }
    let all =
        ["partner.p12", "second.key", "mosip-public.key"].map(|name| Location::from(&volume.path(name)));
    assert_eq!(volume.load().example_keys(), all);

    let fresh = KeyMaker::generate(2048).ok().unwrap();
    volume.write("second.key", fresh.to_pem().unwrap().as_bytes());
    let certificate = fresh.certify(&request("fresh", false), None).unwrap();
    volume.write("second.crt", certificate_pem(&certificate).unwrap().as_bytes());
    assert_eq!(volume.load().example_keys(), [all[0].clone(), all[2].clone()]);
}

#[test]
fn example_set_loads_and_every_file_of_it_is_recognised() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys.example");
    let own = |file: &str, cert: Option<&str>| crate::keys::settings::OwnKey {
        name: None,
        source: KeyFile::source(dir.join(file), Password::File(dir.join("keystore.password"))),
        cert: cert.map(|cert| dir.join(cert)),
        uses: BOTH,
    };
    let peer = |file: &str| crate::keys::settings::Peer {
        name: file.into(),
        file: dir.join(file),
        unknown_thumbprint: UnknownThumbprint::Reject,
        algs: vec![],
    };
    let keys = crate::keys::settings::Keys {
        dir: dir.clone(),
        own: vec![
            own("keystore.p12", Some("partner.crt")),
            own("opencrvs-priv.key", Some("opencrvs-pub.key")),
            own("esignet-jwk.txt", None),
        ],
        peers: ["mosip-public.key", "ida-partner.crt", "ida-sign.crt", "issuer.crt", "opencrvs-jwt.pem"]
            .map(peer)
            .into(),
        strict_permissions: false,
        retire_after: DAY,
        ca_file: None,
        esignet: None,
    };
    let ring = Ring::load(&keys, NOW);
    assert_eq!((ring.own().len(), ring.peers().len()), (3, 5));
    assert_eq!(ring.example_keys().len(), 8);
    // Git keeps no file mode, so that is all there may be.
    let modes = LoadError::ReadableByOthers.to_string();
    assert!(ring.troubles().iter().all(|trouble| trouble.what == modes), "{:?}", ring.troubles());
}

#[test]
fn ring_is_stale_once_a_certificate_began_or_ended() {
    let ring = Volume::new().load();
    assert!(!ring.is_stale(NOW));
    let end = ring.peers()[0].certificate.as_ref().unwrap().not_after();
    assert!(!ring.is_stale(end));
    assert!(ring.is_stale(Timestamp::from_seconds(end.seconds() + 1)));
}
