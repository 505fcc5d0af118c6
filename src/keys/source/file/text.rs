//! Text as tools and people leave it: byte order marks, UTF-16, base64 with line breaks, `\n` as two characters.

use zeroize::Zeroizing;

use crate::crypto::base64;

const MARK: &[u8] = "\u{feff}".as_bytes();

/// `bytes` without the byte order mark of UTF-8.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// UTF-8 where `bytes` are text in UTF-16, behind a byte order mark or known by the zero in each of the first four characters.
pub(super) fn from_utf16(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    from_marked_utf16(bytes).or_else(|| match bytes {
        [0, a, 0, b, 0, c, 0, d, ..] if ![a, b, c, d].contains(&&0) => decode(bytes, u16::from_be_bytes),
        [a, 0, b, 0, c, 0, d, 0, ..] if ![a, b, c, d].contains(&&0) => decode(bytes, u16::from_le_bytes),
        _ => None,
    })
}

/// UTF-8 where `bytes` are text in UTF-16 behind a byte order mark.
pub(super) fn from_marked_utf16(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match bytes {
        [0xfe, 0xff, text @ ..] => decode(text, u16::from_be_bytes),
        [0xff, 0xfe, text @ ..] => decode(text, u16::from_le_bytes),
        _ => None,
    }
}

fn decode(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    // Sized once: growing would leave copies of a private key behind.
    let mut text = Zeroizing::new(Vec::with_capacity(pairs.len() * 3));
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.extend_from_slice(character.ok()?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    rest.is_empty().then_some(text)
}

/// What base64 text holds, in either alphabet, whatever white space, quotation marks and escapes (`\n`, `\/`) a tool put into it.
pub(super) fn from_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut characters = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut escaped = false;
    for byte in text.trim_ascii().iter().copied() {
        let line_end = escaped && matches!(byte, b'n' | b'r' | b't');
        escaped = byte == b'\\';
        if !line_end && !escaped && !byte.is_ascii_whitespace() && byte != b'"' {
            characters.push(byte);
        }
    }
    base64::decode(&characters).ok().map(Zeroizing::new)
}
