//! BER (X.690 8) to DER, as far as PKCS#12 and PKCS#7 of BouncyCastle, EJBCA and NSS need it: indefinite lengths become definite,
//! segmented octet strings are joined. What is DER already is left as it stands, so that the thumbprint of a certificate does not change.

use zeroize::Zeroizing;

use super::LoadError;

/// Deepest nesting; PKCS#12 and PKCS#7 have about ten levels.
const MAX_DEPTH: u8 = 32;

const OCTETS: u8 = 0x04;
const SEGMENTED_OCTETS: u8 = 0x24;
/// `[0]`, constructed: of a `ContentInfo` it holds an element; of an `EncryptedContentInfo` it is a segmented octet string.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_0_OCTETS: u8 = 0x80;
/// Ends an indefinite length.
const END: [u8; 2] = [0, 0];

/// The first element of some bytes.
pub(super) struct First {
    /// How many bytes it takes.
    pub(super) length: usize,
    /// Its DER where that is something else than those bytes.
    pub(super) der: Option<Zeroizing<Vec<u8>>>,
}

/// Finds the first element. Fails with `Truncated` where its end is missing, with `Unknown` where the bytes are not BER.
pub(super) fn first(input: &[u8]) -> Result<First, LoadError> {
    element(input, 0, MAX_DEPTH)
}

/// Reads one element, which is number `position` of its parent.
fn element(input: &[u8], position: usize, depth: u8) -> Result<First, LoadError> {
    let depth = depth.checked_sub(1).ok_or(LoadError::Unknown)?;
    let header = Header::read(input)?;
    let body = input.get(header.length..).ok_or(LoadError::Truncated)?;
    let body = match header.content {
        Some(length) => body.get(..length).ok_or(LoadError::Truncated)?,
        None => body,
    };
    if !header.constructed() {
        return Ok(First { length: header.length + body.len(), der: None });
    }

    let (mut children, mut at) = (Vec::new(), 0);
    loop {
        let rest = body.get(at..).unwrap_or_default();
        match header.content {
            Some(_) if rest.is_empty() => break,
            None if rest.starts_with(&END) => break,
            None if rest.is_empty() => return Err(LoadError::Truncated),
            Some(_) | None => {}
        }
        let child = match (element(rest, children.len(), depth), header.content) {
            (Ok(child), _) => child,
            // One certificate that is odd inside does not spoil the others: it is left as it stands.
            (Err(_), Some(content)) => return Ok(First { length: header.length + content, der: None }),
            (Err(error), None) => return Err(error),
        };
        at += child.length;
        children.push((rest.get(..child.length).unwrap_or_default(), child.der));
    }
    let end = if header.content.is_none() { END.len() } else { 0 };
    let length = header.length + at + end;

    let children: Vec<&[u8]> =
        children.iter().map(|(bytes, der)| der.as_deref().map_or(*bytes, Vec::as_slice)).collect();
    let all_octets = !children.is_empty() && children.iter().all(|child| child.first() == Some(&OCTETS));
    let identifier = match header.identifier {
        [SEGMENTED_OCTETS] if all_octets || children.is_empty() => &[OCTETS],
        [CONTEXT_0] if all_octets && position >= 2 => &[CONTEXT_0_OCTETS],
        unchanged => {
            let copied = children.iter().map(|child| child.len()).sum::<usize>() == at;
            if header.content.is_some() && copied {
                return Ok(First { length, der: None });
            }
            return Ok(First { length, der: Some(definite(unchanged, &children)) });
        }
    };
    let segments = children.iter().map(|child| content(child)).collect::<Result<Vec<_>, _>>()?;
    Ok(First { length, der: Some(definite(identifier, &segments)) })
}

/// The content of an element of definite length.
fn content(element: &[u8]) -> Result<&[u8], LoadError> {
    let header = Header::read(element)?;
    element.get(header.length..).ok_or(LoadError::Unknown)
}

/// An element of definite length. Sized once: growing would leave copies of a private key behind.
fn definite(identifier: &[u8], contents: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = contents.iter().map(|content| content.len()).sum();
    let octets = length.to_be_bytes();
    let octets = octets.get(length.leading_zeros() as usize / 8..).unwrap_or_default();
    let mut der = Zeroizing::new(Vec::with_capacity(identifier.len() + 1 + octets.len() + length));
    der.extend_from_slice(identifier);
    if length < 0x80 {
        der.push(length as u8);
    } else {
        der.push(0x80 | octets.len() as u8);
        der.extend_from_slice(octets);
    }
    contents.iter().for_each(|content| der.extend_from_slice(content));
    der
}

/// Identifier and length octets.
struct Header<'a> {
    identifier: &'a [u8],
    /// Of identifier and length octets together.
    length: usize,
    /// Of the content; `None` where it is indefinite.
    content: Option<usize>,
}

impl<'a> Header<'a> {
    fn read(input: &'a [u8]) -> Result<Self, LoadError> {
        let byte = |at: usize| input.get(at).copied().ok_or(LoadError::Truncated);
        let mut at = 1;
        if byte(0)? & 0x1f == 0x1f {
            while byte(at)? & 0x80 != 0 {
                at += 1;
            }
            at += 1;
        }
        let identifier = input.get(..at).ok_or(LoadError::Truncated)?;
        let first = byte(at)?;
        at += 1;
        let content = match first {
            0x80 if byte(0)? & CONSTRUCTED != 0 => None,
            0..0x80 => Some(usize::from(first)),
            // Four length octets are far more than a key file has.
            0x81..=0x84 => {
                let mut length = 0;
                for _ in 0..first & 0x7f {
                    length = length << 8 | usize::from(byte(at)?);
                    at += 1;
                }
                Some(length)
            }
            _ => return Err(LoadError::Unknown),
        };
        Ok(Self { identifier, length: at, content })
    }

    fn constructed(&self) -> bool {
        self.identifier.first().is_some_and(|byte| byte & CONSTRUCTED != 0)
    }
}

const CONSTRUCTED: u8 = 0x20;

#[cfg(test)]
mod tests;
