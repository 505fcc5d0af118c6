//! RSA numbers (big-endian octets), looked at before any arithmetic is done with them: the arithmetic of a number of a megabyte takes
//! hours, and that of a degenerate one may panic.

use rsa::pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use rsa::pkcs8::der::Decode as _;

use super::LoadError;
use crate::crypto::rsa::{MAX_BITS, MIN_BITS, bits};

/// RSA numbers that are no key.
pub(super) const NUMBERS: LoadError = LoadError::BadKey("its numbers do not fit together");

/// A size of key that is refused. Below 512 bits there is no key, but a number in the wrong place.
pub(super) fn of_size(bits: usize) -> Option<LoadError> {
    (bits >= 512 && !(MIN_BITS..=MAX_BITS).contains(&bits)).then_some(LoadError::KeySize(bits))
}

/// `number` without leading zeros.
pub(super) fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Refuses a modulus of a size that is not used here, an even one, and an exponent that is even, below 3 or beyond 64 bits.
pub(super) fn check_public(n: &[u8], e: &[u8]) -> Result<(), LoadError> {
    let bits = bits(significant(n)).unwrap_or_default();
    if let Some(refused) = of_size(bits) {
        return Err(refused);
    }
    let exponent = significant(e);
    let fit = bits >= 512 && is_odd(n) && is_odd(e) && exponent != [1] && exponent.len() <= 8;
    if fit { Ok(()) } else { Err(NUMBERS) }
}

/// Refuses, beyond [`check_public`], a private exponent that is not between 2 and the modulus, and primes that are even, 1, or not below it.
pub(super) fn check_private(n: &[u8], e: &[u8], d: &[u8], primes: &[&[u8]]) -> Result<(), LoadError> {
    check_public(n, e)?;
    let between = |number: &&[u8]| is_less(&[1], number) && is_less(number, n);
    let fit = between(&d) && primes.iter().all(|prime| is_odd(prime) && between(prime));
    if fit { Ok(()) } else { Err(NUMBERS) }
}

/// [`check_private`] of an `RSAPrivateKey` (RFC 8017 A.1.2).
pub(super) fn check_pkcs1(der: &[u8]) -> Result<(), LoadError> {
    let key = RsaPrivateKeyRef::from_der(der).map_err(|_| NUMBERS)?;
    let n = key.modulus.as_bytes();
    let primes = [key.prime1.as_bytes(), key.prime2.as_bytes()];
    check_private(n, key.public_exponent.as_bytes(), key.private_exponent.as_bytes(), &primes)?;
    let rest = [key.exponent1, key.exponent2, key.coefficient];
    if rest.iter().all(|number| is_less(number.as_bytes(), n)) { Ok(()) } else { Err(NUMBERS) }
}

/// [`check_public`] of an `RSAPublicKey` (RFC 8017 A.1.1).
pub(super) fn check_pkcs1_public(der: &[u8]) -> Result<(), LoadError> {
    let key = RsaPublicKeyRef::from_der(der).map_err(|_| NUMBERS)?;
    check_public(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|octet| octet & 1 == 1)
}

fn is_less(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (significant(a), significant(b));
    (a.len(), a) < (b.len(), b)
}
