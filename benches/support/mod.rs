//! What the benches share: sizes, keys of `tests/vectors`, the bare primitives, and measuring in pairs.
#![allow(dead_code, reason = "each bench uses a part")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench says so by panicking"
)]

pub(crate) mod bare;
pub(crate) mod ida_calls;
pub(crate) mod load;
pub(crate) mod mediator;
pub(crate) mod paired;
pub(crate) mod process;
#[path = "../../tests/it/support/mod.rs"]
pub(crate) mod rings;

use mosip_gateway::crypto::secret;
use mosip_gateway::keys::Ring;
use mosip_gateway::keys::settings::UnknownThumbprint;

pub(crate) use self::rings::vectors;

/// A length of message, and how far above its primitives ours may lie.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) bytes: usize,
    pub(crate) wanted: f64,
}

pub(crate) const SIZES: [Size; 4] = [
    Size { name: "1 KiB", bytes: 1 << 10, wanted: 1.05 },
    Size { name: "4 KiB", bytes: 4 << 10, wanted: 1.05 },
    Size { name: "64 KiB", bytes: 64 << 10, wanted: 1.10 },
    Size { name: "1 MiB", bytes: 1 << 20, wanted: 1.15 },
];

/// A message of JSON-like text.
pub(crate) fn message(bytes: usize) -> Vec<u8> {
    br#"{"resourceType":"Patient","id":"7b381f4e-8864-441f-9a58-6460f7b6b2d4"},"#
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}

/// Both sides in one ring (RSA-2048): `partner` is us, `mosip` and `ida` are peers, and the private key of `mosip` writes what
/// is to be opened.
pub(crate) fn ring() -> Ring {
    secret::warm_up();
    rings::ring(&["partner", "mosip"], &["mosip", "ida"], UnknownThumbprint::Reject)
}
