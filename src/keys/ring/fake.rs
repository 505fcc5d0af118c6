//! Rings over the keys of the vectors, kept by a [`Keeper`] that can go away. For tests.

use std::path::Path;
use std::sync::Arc;

use super::{OwnKey, Ring};
use crate::clock::Timestamp;
use crate::crypto::rsa::{Keeper, PrivateKey, SignatureAlgorithm};
use crate::keys::settings::{UnknownThumbprint, Uses};
use crate::keys::source::file::{KeyFile, Password};

/// Own keys by the names of their files, each with its keeper, and the peers `mosip` and `ida`.
pub(crate) fn ring(own: &[(&str, &Arc<Keeper>)], unknown_thumbprint: UnknownThumbprint) -> Ring {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let own_key = |(name, _): &(&str, &Arc<Keeper>)| crate::keys::settings::OwnKey {
        name: Some((*name).to_owned()),
        source: KeyFile::source(dir.join(format!("{name}.key.pem")), Password::None),
        cert: Some(dir.join(format!("{name}.crt.pem"))),
        uses: Uses { sign: true, decrypt: true },
    };
    let peer = |name: &str| crate::keys::settings::Peer {
        name: name.to_owned(),
        file: dir.join(format!("{name}.crt.pem")),
        unknown_thumbprint,
        algs: SignatureAlgorithm::ALL.to_vec(),
    };
    let keys = crate::keys::settings::Keys {
        own: own.iter().map(own_key).collect(),
        peers: vec![peer("mosip"), peer("ida")],
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
        dir: dir.clone(),
    };
    let keepers = own.iter().map(|(_, keeper)| *keeper);
    Ring::load(&keys, Timestamp::from_seconds(1_800_000_000)).kept_by(keepers)
}

impl Ring {
    /// The same keys, each kept by the keeper of its place.
    fn kept_by<'k>(mut self, keepers: impl Iterator<Item = &'k Arc<Keeper>>) -> Self {
        self.own.clear();
        for (slot, keeper) in self.parts.own.iter_mut().zip(keepers) {
            let own = slot.key.take().and_then(Arc::into_inner).unwrap();
            let private: PrivateKey = own.private.kept_by(keeper);
            slot.key = Some(Arc::new(OwnKey { private, ..own }));
        }
        Self::assemble(self.parts, self.retired)
    }
}
