//! What the database holds at rest: AES-256-GCM under `outbox.key_file`, bound to table, row and column.
//!
//! A sealed value is `version || key tag || nonce || ciphertext || tag`. The key tag names one of several keys, so that opening
//! never guesses. It protects copies and backups, not a stolen host: the key lies beside the database.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::aead::{self, Nonce, TAG_LEN};
use crate::crypto::base64;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::secret::{self, SecretWriter, SessionKey};
use crate::{place, regular};

const VERSION: u8 = 1;
const KEY_TAG_LEN: usize = 4;
/// Leading bytes of a sealed value that say under which key it is: version and key tag.
pub(crate) const KEY_HEAD_LEN: usize = 1 + KEY_TAG_LEN;
const NONCE_LEN: usize = 12;
const HEAD_LEN: usize = 1 + KEY_TAG_LEN + NONCE_LEN;
/// A key file is a few lines.
const LARGEST_FILE: u64 = 64 << 10;

/// The keys of `outbox.key_file`: the first seals, all open. No `Debug`.
pub(crate) struct Vault {
    keys: Vec<Arc<Key>>,
}

struct Key {
    tag: KeyTag,
    key: SessionKey,
}

/// Names a key without telling anything of it. `Display` is eight hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyTag([u8; KEY_TAG_LEN]);

impl KeyTag {
    /// The tag in the first bytes of a sealed value; none: these are no bytes of [`Vault::seal`].
    pub(crate) fn of(sealed: &[u8]) -> Option<Self> {
        match sealed.first_chunk::<KEY_HEAD_LEN>()? {
            [VERSION, tag @ ..] => Some(Self(*tag)),
            _ => None,
        }
    }
}

impl std::fmt::Display for KeyTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The place of a sealed value. A value moved elsewhere does not open.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    /// What names the row.
    pub(crate) row: &'a str,
    pub(crate) column: &'static str,
}

/// Why a key file or a sealed value is of no use. `Display` names the file, never its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum VaultError {
    /// There is no such file.
    #[error("{}: is missing", .0.display())]
    Missing(PathBuf),
    /// It cannot be read or written.
    #[error("{}: {}", .0.display(), regular::reason(.1))]
    Io(PathBuf, io::Error),
    /// There is no folder to make it in.
    #[error("{}: its folder is missing", .0.display())]
    NoFolder(PathBuf),
    /// It holds nothing at all: its making was interrupted, or it was emptied.
    #[error("{}: is empty", .0.display())]
    Empty(PathBuf),
    /// It holds no key, or something that is none.
    #[error("{}: line {line} is not 32 bytes in base64", .file.display())]
    NotAKey {
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A sealed value opens with none of the keys.
    #[error("a row opens with no key of outbox.key_file")]
    WrongKey,
    /// A sealed value was changed, or is where it was not written.
    #[error("a row was changed outside the gateway")]
    Changed,
}

impl Vault {
    /// Reads the keys: one a line, 32 bytes in base64.
    pub(crate) fn load(file: &Path) -> Result<Self, VaultError> {
        let text = read(file)?;
        let mut keys = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let bad = || VaultError::NotAKey { file: file.to_owned(), line: index + 1 };
            let bytes = Zeroizing::new(base64::decode(line).map_err(|_| bad())?);
            keys.push(Arc::new(Key::new(SessionKey::from_bytes(&bytes).map_err(|_| bad())?)));
        }
        if text.is_empty() {
            return Err(VaultError::Empty(file.to_owned()));
        }
        if keys.is_empty() {
            return Err(VaultError::NotAKey { file: file.to_owned(), line: 1 });
        }
        Ok(Self { keys })
    }

    /// Makes a key file with one fresh key, readable by its owner only. It appears whole or not at all; one that holds anything is
    /// never overwritten.
    pub(crate) fn create(file: &Path) -> Result<Self, VaultError> {
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(secret::random());
        let text = Zeroizing::new(base64::encode(key.as_ref()));
        let mut line = SecretWriter::default();
        line.push(text.as_bytes());
        line.push(b"\n");
        place::new_file(file, &line.finish()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => VaultError::NoFolder(file.to_owned()),
            _ => VaultError::Io(file.to_owned(), error),
        })?;
        Self::load(file)
    }

    /// Seals `plaintext` for `place` under the first key.
    pub(crate) fn seal(&self, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.keys.first().ok_or(VaultError::WrongKey)?;
        let nonce: [u8; NONCE_LEN] = secret::random();
        let mut sealed = Vec::with_capacity(HEAD_LEN + plaintext.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.tag.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        aead::seal_tail(&key.key, Nonce::Twelve(&nonce), &place.aad(), &mut sealed, HEAD_LEN)
            .map_err(|_| VaultError::Changed)?;
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same place, under any of the keys.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (head, ciphertext) = sealed.split_at_checked(HEAD_LEN).ok_or(VaultError::Changed)?;
        let (_, nonce) = head.split_last_chunk::<NONCE_LEN>().ok_or(VaultError::Changed)?;
        let tag = KeyTag::of(head).ok_or(VaultError::Changed)?;
        let key = self.keys.iter().find(|key| key.tag == tag).ok_or(VaultError::WrongKey)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = aead::open_in_place(&key.key, Nonce::Twelve(nonce), &place.aad(), &mut buffer)
            .map_err(|_| VaultError::Changed)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Whether `sealed` is under the first key already.
    pub(crate) fn is_current(&self, sealed: &[u8]) -> bool {
        KeyTag::of(sealed).is_some_and(|tag| self.sealing_key() == Some(tag))
    }

    /// The key that seals.
    pub(crate) fn sealing_key(&self) -> Option<KeyTag> {
        self.keys.first().map(|key| key.tag)
    }

    /// The tags of its keys; the first seals.
    pub(crate) fn tags(&self) -> impl Iterator<Item = KeyTag> {
        self.keys.iter().map(|key| key.tag)
    }

    /// Its keys, and behind them those of `other` that it lacks.
    pub(crate) fn followed_by(&self, other: &Self) -> Self {
        let more = other.keys.iter().filter(|key| !self.holds(key.tag));
        Self { keys: self.keys.iter().chain(more).cloned().collect() }
    }

    /// Its keys, of which the one that `tag` names seals.
    pub(crate) fn led_by(&self, tag: KeyTag) -> Self {
        let (first, others): (Vec<_>, Vec<_>) = self.keys.iter().cloned().partition(|key| key.tag == tag);
        Self { keys: first.into_iter().chain(others).collect() }
    }

    /// Whether it holds the key that `tag` names.
    pub(crate) fn holds(&self, tag: KeyTag) -> bool {
        self.keys.iter().any(|key| key.tag == tag)
    }
}

impl Key {
    fn new(key: SessionKey) -> Self {
        let mut tag = [0; KEY_TAG_LEN];
        let whole = hmac::tag(HmacAlgorithm::Sha256, key.expose(), &[b"mosip-gateway outbox key tag"]);
        tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Self { tag: KeyTag(tag), key }
    }
}

impl Place<'_> {
    /// Table, row and column, each closed by a zero byte, which none of them holds.
    fn aad(&self) -> Vec<u8> {
        [self.table, self.row, self.column].iter().flat_map(|part| part.bytes().chain([0])).collect()
    }
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    regular::read_bounded(file, LARGEST_FILE).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => VaultError::Missing(file.to_owned()),
        _ => VaultError::Io(file.to_owned(), error),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PLACE: Place<'_> = Place { table: "entry", row: "a", column: "payload" };

    #[test]
    fn a_new_key_file_is_its_owners_alone_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("outbox.key");
        let sealed = Vault::create(&file).unwrap().seal(PLACE, b"plain").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Vault::create(&file), Err(VaultError::Io(..))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(Vault::load(&file).unwrap().open(PLACE, &sealed).unwrap().as_slice(), b"plain");
    }

    #[test]
    fn a_value_opens_in_its_own_place_and_unchanged_only() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::create(&dir.path().join("key")).unwrap();
        let sealed = vault.seal(PLACE, b"plain").unwrap();
        for place in
            [Place { table: "push", ..PLACE }, Place { row: "b", ..PLACE }, Place { column: "aid", ..PLACE }]
        {
            assert!(matches!(vault.open(place, &sealed), Err(VaultError::Changed)));
        }
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(vault.open(PLACE, &changed).is_err(), "byte {index}");
        }
        for len in 0..sealed.len() {
            assert!(vault.open(PLACE, &sealed[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new, both] = ["old", "new", "both"].map(|name| dir.path().join(name));
        let sealed = Vault::create(&old).unwrap().seal(PLACE, b"plain").unwrap();
        let newer = Vault::create(&new).unwrap();
        assert!(matches!(newer.open(PLACE, &sealed), Err(VaultError::WrongKey)));
        std::fs::write(&both, [std::fs::read(&new).unwrap(), std::fs::read(&old).unwrap()].concat()).unwrap();
        let vault = Vault::load(&both).unwrap();
        assert!(!vault.is_current(&sealed));
        let again = vault.seal(PLACE, &vault.open(PLACE, &sealed).unwrap()).unwrap();
        assert!(vault.is_current(&again) && newer.open(PLACE, &again).is_ok());
    }

    #[test]
    fn what_is_not_a_key_is_refused_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        assert!(matches!(Vault::load(&file), Err(VaultError::Missing(_))));
        let good = base64::encode(&[7; 32]);
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Vault::load(&file), Err(VaultError::Empty(_))));
        assert!(Vault::create(&file).is_ok(), "an interrupted start leaves nothing that stops a later one");
        for (text, at) in [("\n".to_owned(), 1), ("AAAA\n".to_owned(), 1), (format!("{good}\n!\n"), 2)] {
            std::fs::write(&file, &text).unwrap();
            assert!(
                matches!(Vault::load(&file), Err(VaultError::NotAKey { line, .. }) if line == at),
                "{text:?}"
            );
        }
    }
}
