//! Randomness as an argument, as time is: whatever decides by chance gets it from outside, so that a simulation can be repeated.

use std::sync::{Arc, Mutex, PoisonError};

use crate::crypto::secret;

/// Where chance comes from. Cheap to clone. Keys and nonces never come from here.
#[derive(Clone, Default)]
pub(crate) struct Random(Option<Arc<Mutex<u64>>>);

impl Random {
    /// The machine's generator.
    pub(crate) fn system() -> Self {
        Self(None)
    }

    /// The same numbers for the same `seed`; for simulations.
    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(seed))))
    }

    /// 32 random bits.
    pub(crate) fn u32(&self) -> u32 {
        match &self.0 {
            None => u32::from_be_bytes(secret::random()),
            Some(seed) => {
                let mut state = seed.lock().unwrap_or_else(PoisonError::into_inner);
                // SplitMix64.
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut word = *state;
                word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                ((word ^ (word >> 31)) >> 32) as u32
            }
        }
    }

    /// 128 random bits as 32 hex digits.
    pub(crate) fn name(&self) -> String {
        (0..4).map(|_| format!("{:08x}", self.u32())).collect()
    }
}
