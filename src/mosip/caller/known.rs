//! The tokens that hold under the keys of an issuer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Claims whose signature holds, by the SHA-256 of the whole token: a registrar's page brings the same token with each of its requests. What
/// the claims say is checked each time. It goes with the keys.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeMap<[u8; 32], Vec<u8>>>);

impl Known {
    /// How many tokens are known at once; then all are verified anew.
    const MOST: usize = 1_024;
    /// Longer claims are not kept, bytes.
    const LONGEST: usize = 4_096;

    /// The claims of `token`, by `verify` unless they are known.
    pub(super) fn claims<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = known().get(&hash) {
            return Ok(claims.clone());
        }
        let claims = verify()?;
        if claims.len() <= Self::LONGEST {
            let mut known = known();
            if known.len() >= Self::MOST {
                known.clear();
            }
            known.insert(hash, claims.clone());
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_known_are_bounded() {
        let known = Known::default();
        let verified = |token: &str, claims: usize| {
            let mut is_new = false;
            let verify = || {
                is_new = true;
                Ok::<_, ()>(vec![0; claims])
            };
            known.claims(token, verify).unwrap();
            is_new
        };
        assert!(verified("long", Known::LONGEST + 1) && verified("long", Known::LONGEST + 1));
        for token in 0..Known::MOST {
            assert!(verified(&token.to_string(), 1));
        }
        assert!(!verified("0", 1));
        assert!(verified("one more", 1) && verified("0", 1), "all went for it");
        assert_eq!(known.0.lock().unwrap().len(), 2);
    }
}
