//! What several test files need: the vectors, and rings made of their keys.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so by panicking"
)]

pub(crate) mod event;
pub(crate) mod fake;
pub(crate) mod gateway;
#[cfg(feature = "simulator")]
pub(crate) mod ida_setup;
pub(crate) mod key_volume;
pub(crate) mod logs;
pub(crate) mod mediator;
pub(crate) mod mosip;
#[cfg(feature = "simulator")]
pub(crate) mod mosip_api;
pub(crate) mod opencrvs;
pub(crate) mod patience;
#[path = "../../../src/upstream/test_pki.rs"]
pub(crate) mod pki;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod rows;
#[cfg(feature = "simulator")]
pub(crate) mod seeder;
pub(crate) mod small_disk;
pub(crate) mod system;
pub(crate) mod vectors;
pub(crate) mod webhook;
pub(crate) mod wire;
#[cfg(feature = "simulator")]
pub(crate) mod world;

use std::path::{Path, PathBuf};

use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::keys::Ring;
use mosip_gateway::keys::settings::{UnknownThumbprint, Uses};
use mosip_gateway::keys::source::file::{KeyFile, Password};
use serde_json::Value;

/// The folder of the known answers.
pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// One file of known answers.
pub(crate) fn vector_file(name: &str) -> Value {
    let text = std::fs::read_to_string(vectors().join(name)).expect("a vector file");
    serde_json::from_str(&text).expect("a vector file is JSON")
}

/// The cases of a file that is a list.
pub(crate) fn cases(name: &str) -> Vec<Value> {
    vector_file(name).as_array().expect("a list of cases").clone()
}

/// A text member of a case.
pub(crate) fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap_or_else(|| panic!("{} has no {member}", case["name"]))
}

/// Own keys and peers by the names that `tests/vectors/keys` gives them.
pub(crate) fn key_settings(
    own: &[&str],
    peers: &[&str],
    unknown_thumbprint: UnknownThumbprint,
) -> mosip_gateway::keys::settings::Keys {
    let dir = vectors().join("keys");
    mosip_gateway::keys::settings::Keys {
        own: own
            .iter()
            .map(|name| mosip_gateway::keys::settings::OwnKey {
                name: Some((*name).to_owned()),
                source: KeyFile::source(dir.join(format!("{name}.key.pem")), Password::None),
                cert: Some(dir.join(format!("{name}.crt.pem"))),
                uses: Uses { sign: true, decrypt: true },
            })
            .collect(),
        peers: peers
            .iter()
            .map(|name| mosip_gateway::keys::settings::Peer {
                name: (*name).to_owned(),
                file: dir.join(format!("{name}.crt.pem")),
                unknown_thumbprint,
                algs: all_algs(),
            })
            .collect(),
        dir,
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
    }
}

/// The default of `peers[].algs`.
pub(crate) fn all_algs() -> Vec<SignatureAlgorithm> {
    vec![
        SignatureAlgorithm::Rs256,
        SignatureAlgorithm::Rs384,
        SignatureAlgorithm::Rs512,
        SignatureAlgorithm::Ps256,
    ]
}

/// A ring of keys of `tests/vectors/keys`; every one of them must load.
pub(crate) fn ring(own: &[&str], peers: &[&str], unknown_thumbprint: UnknownThumbprint) -> Ring {
    let ring = Ring::load(&key_settings(own, peers, unknown_thumbprint), now());
    assert_eq!((ring.own().len(), ring.peers().len()), (own.len(), peers.len()), "{:?}", ring.troubles());
    ring
}

/// A moment at which the certificates of the vectors are valid.
pub(crate) fn now() -> Timestamp {
    Clock::system().now()
}
