//! An immutable snapshot of all keys, by role and by thumbprint.
use std::path::PathBuf;
use std::sync::Arc;

use super::cert::{Certificate, Thumbprint};
use crate::clock::Timestamp;
use crate::config;
use crate::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};

/// One of our keys, promoted (signed and unwrapped once, cross-checked with the other library).
pub struct OwnKey {
    /// From the configuration.
    pub name: Option<String>,
    /// Where it came from.
    pub file: PathBuf,
    /// The private key.
    pub private: PrivateKey,
    /// Its certificate; a JWK or a bare key may have none.
    pub certificate: Option<Certificate>,
    /// Intermediates that came along, issuer order.
    pub chain: Vec<Certificate>,
    /// What it may be used for.
    pub uses: config::Uses,
}

/// One of theirs.
pub struct Peer {
    /// `mosip`, …
    pub name: String,
    /// Where it came from.
    pub file: PathBuf,
    /// The certificate; a bare public key verifies, and nothing can be sealed to it.
    pub certificate: Option<Certificate>,
    /// The key that verifies.
    pub key: PublicKey,
    /// Policy for envelopes from this peer.
    pub unknown_thumbprint: config::UnknownThumbprint,
    /// Accepted algorithms.
    pub algs: Vec<SignatureAlgorithm>,
}

/// A file that is not as it should be. `Display` is `<file>: <what>; <what to do>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// `false`: the key is loaded all the same (expired, readable by others).
    pub fatal: bool,
}

/// All keys of one moment. Never changes; a reload makes another.
#[derive(Default)]
pub struct Ring {
    own: Vec<Arc<OwnKey>>,
    peers: Vec<Arc<Peer>>,
    troubles: Vec<Trouble>,
}

impl Ring {
    /// Loads what `keys` names. Never fails: what cannot be loaded stands in [`Ring::troubles`].
    pub fn load(_keys: &config::Keys, _now: Timestamp) -> Self {
        todo!()
    }
    /// Own keys, in configuration order.
    pub fn own(&self) -> &[Arc<OwnKey>] {
        &self.own
    }
    /// Peers, in configuration order.
    pub fn peers(&self) -> &[Arc<Peer>] {
        &self.peers
    }
    /// What is wrong with the files.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }
    /// The own key (use decrypt) whose certificate has this thumbprint.
    pub fn decryptor(&self, _thumbprint: &Thumbprint) -> Option<&Arc<OwnKey>> {
        todo!()
    }
    /// Own keys (use decrypt) whose modulus has `modulus_len` bytes, in order.
    pub fn decryptors_of_len(&self, _modulus_len: usize) -> Vec<&Arc<OwnKey>> {
        todo!()
    }
    /// The named signing key, or the first with use `sign`. An expired one still signs (invariant 1: the refusal is MOSIP's to make); trouble is reported.
    pub fn signer(&self, _name: Option<&str>) -> Option<&Arc<OwnKey>> {
        todo!()
    }
    /// The peer of this name.
    pub fn peer(&self, _name: &str) -> Option<&Arc<Peer>> {
        todo!()
    }
    /// The development key (of `keys.example` or `tests/vectors`) that is loaded, if any, by file.
    pub fn example_keys(&self) -> Vec<PathBuf> {
        todo!()
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.file.display(), self.what, self.advice)
    }
}
