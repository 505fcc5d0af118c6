//! Development keys, recognised by public key wherever they turn up: their private halves are published with this program.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::Certificate;
use crate::crypto::rsa::PublicKey;

/// SHA-256 over the SubjectPublicKeyInfo of every key in `keys.example` and `tests/vectors/keys`, lower-case hex.
const EXAMPLE_KEYS: &[&str] = &[
    "1099ce81b9a07bf66dcd4771517958b4ced97dfb55543e95a44d76082908c0d5",
    "12706e6776f8534a12dedeb30a901f29ce58192152cf9423752a82d390748871",
    "1fd217c4cf4065cf6ca2f20b94cafc47287667b8833dd21f9db73b416703a099",
    "345e16cd718d6028ef41abd32c92cf7c8f0d1d79a68a5c721ce6a49e8b9d8ab6",
    "4e6c81f7d14a376cb069bf915cc6fb39560aa80d95cb49ff6c86f520dc136772",
    "65995ef860d25546ad27976e35079fd43364bd133cef78e023e2fa2fb7b9a3b9",
    "66631e3ff5b577a69e378feec281bd71566ca30c07102464a5c7f3f99f2d1af0",
    "6c2a109b127f4a9953f563b3fffae1cdcd916027fba7c50db97f82d255492669",
    "6d88790df7053cac92adec73682f5da634315d00e895e833a5e0f8ec4a4367f8",
    "7840dc3319290b2d6b09cdbc2780c6ad39a157629918d8fa401077855a36b9e7",
    "9901c5613f9112825a18ffb7b43f81a5577a41ebff99ca89cf672f2c9b6b39c7",
    "b54a8f3e1f3bcdc5fc0f62c48adedd88fc5f9bcab87d42db503117f123b8cd5a",
    "cad49c907f13b40502c07c574d77a40e755351fcb1585ae1708b7d34bad03a23",
    "dbabcb0bdf41549c0a3da1a387de60a0011e6c45f422227f1e2a2b56a1f254d1",
    "e2aac91a8938d7e7f5e3c1c6055aa25920ff6d0680a226ffdfe2304e1d289a2a",
    "fa28b243100a8e1a604c4c8f5fe7fd11e19dc26f42dd95d8158c5d62c20cb7f9",
];

/// What is wrong with a development key, as the rest of a sentence.
pub(crate) const EXAMPLE: &str = "holds a development key, whose private half is public";

/// What to do about one.
pub(crate) const NO_EXAMPLE: &str =
    "use your own keys; outside production, say --allow-example-keys to `serve` and to `doctor`";

/// Whether `keygen development` made `certificate`, and its key is not public: it stands in for a certificate of somebody else.
pub(crate) fn is_stand_in(certificate: &Certificate) -> bool {
    certificate.is_for_development() && !is_example(certificate.public_key())
}

/// Whether the private half of `key` is public.
pub(super) fn is_example(key: &PublicKey) -> bool {
    EXAMPLE_KEYS.contains(&digest(key).as_str())
}

/// SHA-256 over the SubjectPublicKeyInfo of `key`, lower-case hex.
pub(super) fn digest(key: &PublicKey) -> String {
    HEXLOWER.encode(&Sha256::digest(key.spki_der()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::keys::source::file::{parse_own, parse_peer};

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
            let keys: Vec<PublicKey> = keys
                .or_else(|_| {
                    parse_peer(&bytes, Timestamp::from_seconds(1_800_000_000)).map(|peer| vec![peer.key])
                })
                .unwrap_or_default();
            digests.extend(keys.iter().map(|key| HEXLOWER.encode(&Sha256::digest(key.spki_der()))));
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
