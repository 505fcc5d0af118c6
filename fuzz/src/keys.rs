//! The published keys of `tests/vectors`: we are `partner`, the others are `mosip` and `issuer`.

use std::path::Path;
use std::sync::LazyLock;

use mosip_gateway::clock::Timestamp;
use mosip_gateway::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};
use mosip_gateway::crypto::{base64, ec};
use mosip_gateway::keys::settings::{UnknownThumbprint, Uses};
use mosip_gateway::keys::source::file;
use mosip_gateway::keys::source::file::{KeyFile, Password};
use mosip_gateway::keys::{Certificate, Peer, Ring};

/// A moment at which the certificates of the vectors are valid: 2027-01-15.
pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

static RING: LazyLock<Ring> = LazyLock::new(load_ring);
static MOSIP: LazyLock<PrivateKey> =
    LazyLock::new(|| private(include_bytes!("../../tests/vectors/keys/mosip.key.pem")));
static ISSUER: LazyLock<PrivateKey> =
    LazyLock::new(|| private(include_bytes!("../../tests/vectors/keys/issuer.key.pem")));

/// One own key, `partner`, of 2048 bits; the peers `mosip` (which may write any thumbprint), `strict` (the same key, which may
/// not) and `issuer`.
pub fn ring() -> &'static Ring {
    &RING
}

static EC_ISSUER: LazyLock<ec::PrivateKey> = LazyLock::new(|| {
    let pem = include_str!("../../tests/vectors/keys/ec.key.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::decode(body.as_bytes()).expect("base64");
    ec::PrivateKey::from_der(&der).expect("a key of the vectors")
});

/// A peer of [`ring`].
pub fn peer(name: &str) -> &'static Peer {
    ring().peer(name).expect("a peer of the ring")
}

/// The certificate that others seal to.
pub fn our_certificate() -> &'static Certificate {
    ring().own()[0].certificate.as_ref().expect("a certificate beside the key")
}

/// The key that opens.
pub fn our_key() -> &'static PrivateKey {
    &ring().own()[0].private
}

/// What `mosip` signs with.
pub fn mosip_key() -> &'static PrivateKey {
    &MOSIP
}

/// What `issuer` signs with.
pub fn issuer_key() -> &'static PrivateKey {
    &ISSUER
}

/// What an issuer signs with on P-256.
pub fn ec_issuer_key() -> &'static ec::PrivateKey {
    &EC_ISSUER
}

/// What the signatures of `issuer` verify under.
pub fn issuer_public() -> &'static PublicKey {
    &peer("issuer").key
}

fn private(pem: &[u8]) -> PrivateKey {
    let material = file::parse_own(pem, None).unwrap_or_else(|error| panic!("a key of the vectors {error}"));
    material.keys.into_iter().next().expect("a private key")
}

fn load_ring() -> Ring {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/keys");
    let peer = |name: &str, file: &str, unknown_thumbprint| mosip_gateway::keys::settings::Peer {
        name: name.to_owned(),
        file: dir.join(file),
        unknown_thumbprint,
        algs: SignatureAlgorithm::ALL.to_vec(),
    };
    let settings = mosip_gateway::keys::settings::Keys {
        own: vec![mosip_gateway::keys::settings::OwnKey {
            name: Some("partner".to_owned()),
            source: KeyFile::source(dir.join("partner.key.pem"), Password::None),
            cert: Some(dir.join("partner.crt.pem")),
            uses: Uses { sign: true, decrypt: true },
        }],
        peers: vec![
            peer("mosip", "mosip.crt.pem", UnknownThumbprint::Try),
            peer("strict", "mosip.crt.pem", UnknownThumbprint::Reject),
            peer("issuer", "issuer.crt.pem", UnknownThumbprint::Try),
        ],
        dir,
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
    };
    let ring = Ring::load(&settings, NOW);
    assert_eq!((ring.own().len(), ring.peers().len()), (1, 3), "{:?}", ring.troubles());
    ring
}
