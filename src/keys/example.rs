//! Development keys, recognised by public key wherever they turn up: their private halves are published with this program.

use sha2::{Digest, Sha256};

use super::cert::hex;
use crate::crypto::rsa::PublicKey;

/// SHA-256 over the SubjectPublicKeyInfo of every key in `keys.example` and `tests/vectors/keys`, lower-case hex.
#[rustfmt::skip]
const EXAMPLE_KEYS: &[&str] = &[
];

/// Whether the private half of `key` is public.
pub(super) fn is_example(key: &PublicKey) -> bool {
    let digest = hex(&Sha256::digest(key.spki_der()));
    EXAMPLE_KEYS.contains(&digest.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::keys::load::{parse_own, parse_peer};

    /// Digests of the keys of every file under `dir` that holds an RSA key or certificate.
    fn digests(dir: &str, digests: &mut BTreeSet<String>) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let keys = parse_own(&bytes, Some(b"mosip123"))
                .map(|material| material.keys.iter().map(|key| key.public_key().clone()).collect());
            let keys: Vec<PublicKey> =
                keys.or_else(|_| parse_peer(&bytes).map(|peer| vec![peer.key])).unwrap_or_default();
            digests.extend(keys.iter().map(|key| hex(&Sha256::digest(key.spki_der()))));
        }
    }

    #[test]
    fn table_holds_exactly_the_keys_of_the_repository() {
        let mut found = BTreeSet::new();
        digests("tests/vectors/keys", &mut found);
        digests("keys.example", &mut found);
        digests("keys.example/simulator", &mut found);
        let listed: BTreeSet<String> = EXAMPLE_KEYS.iter().map(|digest| (*digest).to_owned()).collect();
        assert_eq!(found, listed, "EXAMPLE_KEYS should read:\n{found:#?}");
    }
}
