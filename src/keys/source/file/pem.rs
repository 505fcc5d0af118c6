//! PEM (RFC 7468), read as leniently as files from many tools demand: any text around the blocks, any line length and line
//! ending, any label. What a block holds is told from its DER, since labels mislead.

use memchr::memmem;
use zeroize::Zeroizing;

use super::LoadError;
use crate::crypto::base64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Whether `bytes` hold a PEM block.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    memmem::find(bytes, BEGIN).is_some()
}

/// The DER of every block, in order, but for `EC PARAMETERS`, which stands beside a key and is none.
pub(super) fn blocks(mut text: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, LoadError> {
    let mut blocks = Vec::new();
    while let Some((_, after)) = split_once(text, BEGIN) {
        let (label, after) = split_once(after, DASHES).ok_or(LoadError::Truncated)?;
        let (body, after) = split_once(after, END).ok_or(LoadError::Truncated)?;
        if label != b"EC PARAMETERS" {
            blocks.push(decode(body)?);
        }
        text = after;
    }
    Ok(blocks)
}

fn decode(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    if memmem::find(body, b"ENCRYPTED").is_some() {
        return Err(LoadError::UnsupportedCipher("traditional PEM encryption (DEK-Info)".into()));
    }
    // Sized once: growing would leave copies of a private key behind.
    let mut characters = Zeroizing::new(Vec::with_capacity(body.len()));
    characters.extend(body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    base64::decode(&characters)
        .map(Zeroizing::new)
        .map_err(|_| LoadError::Damaged("not base64 between the PEM lines"))
}

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}
