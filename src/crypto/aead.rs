//! AES-256-GCM with a 128-bit tag (NIST SP 800-38D): 12-byte nonces on aws-lc-rs, 16-byte IVs on `aes-gcm`.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::U16;
use aes_gcm::{AesGcm, KeyInit as _};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce as Nonce96, UnboundKey};

use super::CryptoError;
use super::counts::Operation;
use super::secret::SessionKey;

/// Bytes of the tag, always at the end of the ciphertext.
pub const TAG_LEN: usize = 16;

/// A nonce. Its length decides which library does the work.
#[derive(Debug, Clone, Copy)]
pub enum Nonce<'a> {
    /// 96 bits (VER_R2, JWE).
    Twelve(&'a [u8; 12]),
    /// 128 bits (IDA, legacy envelopes).
    Sixteen(&'a [u8; 16]),
}

/// Encrypts `buffer[from..]` in place and appends the tag. The bytes before `from` stay as they are.
///
/// The buffer does not move where [`TAG_LEN`] spare bytes were reserved.
pub fn seal_tail(
    key: &SessionKey,
    nonce: Nonce<'_>,
    aad: &[u8],
    buffer: &mut Vec<u8>,
    from: usize,
) -> Result<(), CryptoError> {
    Operation::Seal.count(seal(key, nonce, aad, buffer, from))
}

fn seal(
    key: &SessionKey,
    nonce: Nonce<'_>,
    aad: &[u8],
    buffer: &mut Vec<u8>,
    from: usize,
) -> Result<(), CryptoError> {
    let plaintext = buffer.get_mut(from..).ok_or(CryptoError::Malformed("nothing stands at this offset"))?;
    let tag: [u8; TAG_LEN] = match nonce {
        Nonce::Twelve(nonce) => aws_key(key)?
            .seal_in_place_separate_tag(Nonce96::from(nonce), Aad::from(aad), plaintext)
            .ok()
            .and_then(|tag| tag.as_ref().try_into().ok())
            .ok_or(TOO_LONG)?,
        Nonce::Sixteen(iv) => aes_gcm_key(key)
            .encrypt_inout_detached(iv.into(), aad, plaintext.into())
            .map_err(|_| TOO_LONG)?
            .into(),
    };
    buffer.extend_from_slice(&tag);
    Ok(())
}

/// Opens `ciphertext || tag` in place and returns the plaintext part. Every failure is `Decrypt`, and the
/// content of `buffer` is meaningless afterwards.
pub fn open_in_place<'a>(
    key: &SessionKey,
    nonce: Nonce<'_>,
    aad: &[u8],
    buffer: &'a mut [u8],
) -> Result<&'a mut [u8], CryptoError> {
    Operation::Open.count(open(key, nonce, aad, buffer))
}

fn open<'a>(
    key: &SessionKey,
    nonce: Nonce<'_>,
    aad: &[u8],
    buffer: &'a mut [u8],
) -> Result<&'a mut [u8], CryptoError> {
    const REFUSED: CryptoError =
        CryptoError::Decrypt("the GCM tag does not fit key, nonce, data and ciphertext");
    match nonce {
        Nonce::Twelve(nonce) => {
            aws_key(key)?.open_in_place(Nonce96::from(nonce), Aad::from(aad), buffer).map_err(|_| REFUSED)
        }
        Nonce::Sixteen(iv) => {
            let (ciphertext, tag) = buffer.split_last_chunk_mut::<TAG_LEN>().ok_or(REFUSED)?;
            aes_gcm_key(key)
                .decrypt_inout_detached(iv.into(), aad, (&mut *ciphertext).into(), (&*tag).into())
                .map_err(|_| REFUSED)?;
            Ok(ciphertext)
        }
    }
}

const TOO_LONG: CryptoError = CryptoError::Malformed("longer than AES-GCM takes");

fn aws_key(key: &SessionKey) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| CryptoError::Key("AES-256 takes 32 bytes"))
}

fn aes_gcm_key(key: &SessionKey) -> AesGcm<aes::Aes256, U16> {
    AesGcm::new(key.expose().into())
}

#[cfg(test)]
mod tests;
