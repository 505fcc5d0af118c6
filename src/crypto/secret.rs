//! Secrets: wiped when dropped, without `Debug`, `Display` or `Clone`, compared in constant time.

use std::io::{self, Read, Write};

use aws_lc_rs::{constant_time, rand};
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::CryptoError;

/// Opaque secret bytes (HMAC keys, bearer tokens, passwords).
///
/// ```compile_fail
/// println!("{:?}", mosip_gateway::crypto::secret::SecretBytes::new(vec![1]));
/// ```
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership; the bytes are wiped on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one call that needs them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares in constant time. Only the length may show in the time taken.
    pub fn matches(&self, other: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, other).is_ok()
    }
}

/// A 256-bit AES key that lives for one message.
///
/// ```compile_fail
/// println!("{:?}", mosip_gateway::crypto::secret::SessionKey::generate());
/// ```
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// A fresh random key.
    pub fn generate() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        fill(key.as_mut());
        Self(key)
    }

    /// Exactly 32 bytes; anything else is `Decrypt` (MOSIP session keys are AES-256).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(CryptoError::Decrypt("the session key is not 32 bytes long"));
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A buffer to which secret bytes are appended. Where it has to grow, it moves and wipes the memory that it leaves: a plain `Vec` would
/// leave copies behind. No `Debug`.
#[derive(Default)]
pub(crate) struct SecretWriter(Zeroizing<Vec<u8>>);

/// Bytes that a [`SecretWriter`] asks a reader for at once.
const READ_AT_ONCE: usize = 64 << 10;

impl SecretWriter {
    /// An empty one, which does not move before it holds more than `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// The bytes that were written.
    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// The bytes that were written, for a request body. They are wiped when the last owner drops them.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Appends the field `name=value` of a form, or of the query behind a `?`, and a `&` before it where it is not the first.
    pub(crate) fn field(&mut self, name: &str, value: &[u8]) {
        let separator = if matches!(self.0.last(), None | Some(b'?')) { "" } else { "&" };
        for piece in [separator, name, "="].into_iter().chain(byte_serialize(value)) {
            self.push(piece.as_bytes());
        }
    }

    /// Appends what `reader` gives, to its end. Nothing of it is in any other buffer.
    pub(crate) fn read_to_end(&mut self, mut reader: impl Read) -> io::Result<()> {
        loop {
            let held = self.0.len();
            if held == self.0.capacity() {
                self.make_room(READ_AT_ONCE);
            }
            let room = self.0.capacity().min(held + READ_AT_ONCE);
            self.0.resize(room, 0);
            let read = reader.read(self.0.get_mut(held..).unwrap_or_default());
            self.0.truncate(held + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    fn make_room(&mut self, further: usize) {
        let wanted = self.0.len() + further;
        if wanted > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(wanted.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
    }
}

impl Write for SecretWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Draws one random byte, so that the first message does not pay for seeding (about 31 ms).
pub fn warm_up() {
    random::<1>();
}

fn fill(bytes: &mut [u8]) {
    if rand::fill(bytes).is_err() {
        // Without randomness every later key and nonce would be guessable. AWS-LC itself stops the process in this case.
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_key_of_another_length_is_refused() {
        for len in [0, 16, 24, 31, 33, 256] {
            let refused = SessionKey::from_bytes(&vec![7; len]).err();
            assert!(matches!(refused, Some(CryptoError::Decrypt(_))), "{len} bytes");
        }
        assert_eq!(SessionKey::from_bytes(&[7; 32]).unwrap().expose(), &[7; 32]);
    }

    #[test]
    fn what_is_written_in_pieces_is_whole() {
        let mut writer = SecretWriter::default();
        let mut written = Vec::new();
        for piece in [b"".as_slice(), b"a", &[7; 300], b"end"] {
            writer.write_all(piece).unwrap();
            written.extend_from_slice(piece);
        }
        let bytes = writer.into_bytes();
        assert_eq!(*bytes, *written);
        assert!(!bytes.is_unique() && Bytes::from(written).is_unique(), "they belong to what wipes them");
    }

    #[test]
    fn what_fits_does_not_move() {
        let mut writer = SecretWriter::with_capacity(8);
        let (before, room) = (writer.0.as_ptr(), writer.0.capacity());
        for _ in 0..room {
            writer.push(b"x");
            assert_eq!(writer.0.as_ptr(), before);
        }
    }

    /// Gives a few bytes at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let at_once = buffer.len().min(1_000);
            self.0.read(&mut buffer[..at_once])
        }
    }

    #[test]
    fn what_is_read_in_pieces_is_whole_and_moves_only_where_it_has_to() {
        let text: Vec<u8> = (0..300_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for reader in [&mut Slowly(&text) as &mut dyn Read, &mut text.as_slice()] {
            let mut writer = SecretWriter::with_capacity(text.len() + 1);
            let before = writer.0.as_ptr();
            writer.read_to_end(reader).unwrap();
            assert_eq!((writer.0.as_slice(), writer.0.as_ptr()), (text.as_slice(), before));
        }
        let mut writer = SecretWriter::default();
        writer.push(b"head");
        writer.read_to_end(text.as_slice()).unwrap();
        assert_eq!(*writer.finish(), [b"head", text.as_slice()].concat());
    }

    #[test]
    fn a_reader_that_fails_fails_the_writer_and_one_that_is_interrupted_goes_on() {
        struct Fails(Vec<io::ErrorKind>);
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.pop().map_or(Ok(0), |kind| Err(kind.into()))
            }
        }
        let read = |kinds: Vec<_>| SecretWriter::default().read_to_end(Fails(kinds));
        assert!(read(vec![io::ErrorKind::Interrupted]).is_ok());
        let refused = read(vec![io::ErrorKind::BrokenPipe, io::ErrorKind::Interrupted]);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn secret_matches_itself_only() {
        let secret = SecretBytes::new(b"token".to_vec());
        assert!(secret.matches(b"token"));
        for other in [b"tokem".as_slice(), b"toke", b"token ", b""] {
            assert!(!secret.matches(other));
        }
    }

    #[test]
    fn no_two_random_values_are_alike() {
        assert_ne!(random::<16>(), random::<16>());
        assert_ne!(SessionKey::generate().expose(), SessionKey::generate().expose());
    }
}
