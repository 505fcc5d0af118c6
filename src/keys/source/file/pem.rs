//! PEM (RFC 7468), read as leniently as files from many tools demand: any text around the blocks, any line length and line
//! ending, any label. The DER of a block says what it holds, since labels mislead.

use memchr::memmem;
use zeroize::Zeroizing;

use super::{LoadError, text};
use crate::keys::source::Foreign;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// A block, or what is left of one.
pub(super) struct Block<'a> {
    /// What stands between `BEGIN` and the dashes.
    pub(super) label: &'a [u8],
    /// The bytes inside, or why there are none.
    pub(super) content: Result<Zeroizing<Vec<u8>>, LoadError>,
}

/// Whether `bytes` hold a PEM block.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    memmem::find(bytes, BEGIN).is_some()
}

/// Every block, in order.
pub(super) fn blocks(mut text: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    while let Some((_, after)) = split_once(text, BEGIN) {
        let (label, body) = split_once(after, DASHES).unwrap_or((after, &[]));
        // A block that has lost its end must not swallow the next one.
        let here = split_once(body, BEGIN).map_or(body, |(here, _)| here);
        let content = match split_once(here, END) {
            Some((here, _)) => content(label, here),
            None => Err(LoadError::Truncated),
        };
        blocks.push(Block { label, content });
        text = body;
    }
    blocks
}

fn content(label: &[u8], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    match label {
        b"OPENSSH PRIVATE KEY" => return Err(Foreign::OpenSshPrivateKey.into()),
        _ if label.starts_with(b"PGP ") => return Err(Foreign::Pgp.into()),
        // Of EC, DH and DSA: they stand beside a key and are none. Those of DH read like the public key of PKCS#1.
        _ if label.ends_with(b"PARAMETERS") => {
            return Err(LoadError::NoKeyMaterial("parameters of a key exchange or curve"));
        }
        _ if memmem::find(body, b"ENCRYPTED").is_some() => {
            return Err(LoadError::UnsupportedCipher("traditional PEM encryption (DEK-Info)".into()));
        }
        _ => {}
    }
    text::from_base64(body).ok_or(LoadError::Damaged("not base64 between the PEM lines"))
}

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}
