//! What the rows are sealed under, and under which key identities are compared: read when the database opens, watched while it is open.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::uptime::Uptime;
use super::vault::{Place, Vault, VaultError};
use crate::crypto::hmac::{HmacAlgorithm, HmacKey};
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::opencrvs::event::FORMULA;
use crate::store::{Location, Millis, Owner, OwnerError, Tx};

/// Names the rows that hold what belongs to the database itself.
const IDENTITY: &str = "identity";
pub(super) const UPTIME: &str = "uptime";
/// The oldest formula of the identities of a database. Without it the database was made by a gateway that knew the first alone.
const SINCE_FORMULA: &str = "since-formula";
const IDENTITY_PLACE: Place<'static> = Place { table: "meta", row: IDENTITY, column: "sealed" };

/// The keys of one database, whether or not it could be opened yet.
pub(super) struct Keys {
    /// For errors and logs.
    database: Location,
    key_file: PathBuf,
    opened: RwLock<Option<Opened>>,
    /// The key file as it was when it was last seen to hold the key that seals; none: it has not been read yet.
    seen: Mutex<Option<Stamp>>,
    /// When the key file was last read, on the clock that gateways share.
    pub(super) read_at: AtomicI64,
    /// Whether it held a key then, or before, that was new here, which nobody has been told yet.
    pub(super) has_new: AtomicBool,
}

/// What is known once the database has been opened.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) vault: Arc<Vault>,
    /// Made with the database, never changed.
    pub(super) identity_key: Arc<HmacKey>,
    /// Whether identities of older gateways, by the first formula, may be kept here.
    pub(super) has_first_formula: bool,
    pub(super) uptime: Uptime,
}

/// The identity of the file, and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Keys {
    pub(super) fn new(database: Location, key_file: PathBuf) -> Self {
        let (opened, seen, read_at, has_new) = Default::default();
        Self { database, key_file, opened, seen, read_at, has_new }
    }

    /// [`Code::Storage`] before the database could be opened.
    pub(super) fn opened(&self) -> Result<Opened> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        opened.ok_or_else(|| Error::new(Code::Storage, "the outbox is not open"))
    }

    /// The outbox's clock; zero before the database could be opened.
    pub(super) fn uptime(&self) -> Millis {
        self.opened().map_or(0, |opened| opened.uptime.now())
    }

    /// The outbox's clock, which several gateways share, says `now`.
    pub(super) fn follow(&self, now: Millis) {
        if let Some(opened) = self.opened.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            opened.uptime = Uptime::from(now);
        }
    }

    /// The key file as it is now.
    pub(super) fn load(&self) -> Result<Vault, VaultError> {
        Vault::load(&self.key_file)
    }

    /// From now on `vault` seals and opens.
    pub(super) fn replace(&self, vault: Arc<Vault>) {
        if let Some(opened) = self.opened.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            opened.vault = vault;
        }
    }

    /// Whether `vault` opens the identity key that `tx` holds.
    pub(super) fn check_identity(tx: &mut dyn Tx, vault: &Vault) -> Result<()> {
        let sealed = tx.sealed(IDENTITY)?.unwrap_or_default();
        vault.open(IDENTITY_PLACE, &sealed).map(drop).map_err(|error| {
            Error::new(Code::Storage, format!("the identity key of the database: {error}"))
                .advise("Nothing was changed. Restore the database and outbox.key_file from the same backup.")
        })
    }

    fn unusable(&self, key_error: &VaultError) -> OwnerError {
        let (database, advice) = (&self.database, self.database.without_key());
        OwnerError::Refused(format!("{key_error}, and {database} has rows sealed under it; {advice}"))
    }
}

/// No start makes the key of a database that several gateways share: each would make one of its own.
fn unmade(key_error: &VaultError) -> OwnerError {
    OwnerError::Refused(format!(
        "{key_error}; make it with `mosip-gateway outbox keygen`, and give every gateway of this database the same file"
    ))
}

impl Owner for Keys {
    fn prepare(&self) -> Result<(), OwnerError> {
        let made = match Vault::load(&self.key_file) {
            Err(VaultError::Missing(_) | VaultError::Empty(_)) => Vault::create(&self.key_file),
            loaded => loaded,
        };
        made.map(drop).map_err(|error| match error {
            VaultError::Io(file, error) if crate::place::is_full(&error) => OwnerError::NoRoom(file),
            error => OwnerError::Refused(format!("{error}; correct outbox.key_file, or name another one")),
        })
    }

    fn opened(&self, tx: &mut dyn Tx, voids_leases: bool) -> Result<(), OwnerError> {
        let sealed = tx.sealed(IDENTITY)?;
        let vault = self.load().map_err(|error| match &error {
            VaultError::Missing(_) | VaultError::Empty(_) if sealed.is_none() => unmade(&error),
            _ => self.unusable(&error),
        })?;
        let identity_key = match sealed {
            Some(sealed) => vault.open(IDENTITY_PLACE, &sealed).map_err(|error| self.unusable(&error))?,
            None => {
                let key = Zeroizing::new(secret::random::<32>().to_vec());
                let sealed = vault.seal(IDENTITY_PLACE, &key).map_err(|error| self.unusable(&error))?;
                tx.set_sealed(IDENTITY, &sealed)?;
                tx.set_number(SINCE_FORMULA, FORMULA.into())?;
                key
            }
        };
        if voids_leases {
            tx.release_all()?;
        }
        let shared = tx.clock()?;
        let uptime = if shared.is_some() { shared } else { tx.number(UPTIME)? }.unwrap_or_default();
        let opened = Opened {
            vault: Arc::new(vault),
            identity_key: Arc::new(HmacKey::new(HmacAlgorithm::Sha256, &identity_key)),
            has_first_formula: tx.number(SINCE_FORMULA)?.is_none(),
            uptime: Uptime::from(uptime),
        };
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Ok(())
    }

    /// A key file counts as replaced only when it no longer holds the key that seals: a Kubernetes Secret swaps its folder at every
    /// update.
    fn missing(&self) -> Option<&'static str> {
        let sealing_key = self.opened().ok()?.vault.sealing_key()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::metadata(&self.key_file).map(|file| Stamp::of(&file)) {
            Ok(found) if Some(found) == *seen => None,
            Ok(found) => match self.load() {
                Ok(vault) if vault.holds(sealing_key) => {
                    *seen = Some(found);
                    None
                }
                Ok(_) => Some("no longer holds the key in use"),
                Err(_) => Some("can no longer be used"),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Some("was removed"),
            Err(_) => Some("cannot be reached"),
        }
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}
