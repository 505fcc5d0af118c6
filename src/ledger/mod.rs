//! What was accepted and what came, with the rules: ids, the same event once, sealing, correlation, quarantine, bodies of deliveries.
//!
//! The rows are in [`crate::store`]; every rule about them is here. A job of the store works on a [`Book`]: the rows of its
//! transaction, with the current keys and time.

mod accept;
mod acknowledged;
mod aged;
mod answers;
mod channels;
mod confirmations;
mod correlation;
mod deliveries;
pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod fake;
mod gateways;
mod holds;
mod housekeeping;
mod hub;
mod idempotency;
mod identity;
mod import;
pub(crate) mod job;
mod jobs;
mod keys;
mod legacy;
mod moving;
mod new_job;
mod operator;
mod overview;
mod pushes;
mod ready;
mod reconcile;
mod record_tokens;
mod registrations;
mod rekey;
mod rotation;
pub(crate) mod settings;
mod shared_hub;
mod shares;
mod subscriptions;
#[cfg(test)]
mod tests;
mod trace;
mod transaction;
mod twice;
mod unanswered;
mod unreadable;
pub(crate) mod uptime;
pub(crate) mod vault;
mod work;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::broadcast;
use zeroize::Zeroizing;

pub(crate) use self::accept::Accepted;
pub(crate) use self::answers::{Answer, AnswerDetails};
pub(crate) use self::channels::ChannelNote;
pub(crate) use self::confirmations::Confirmations;
pub(crate) use self::gateways::Neighbour;
pub(crate) use self::holds::{Hold, Task};
pub(crate) use self::hub::{HubTopic, KeptDoubt, Publications};
pub(crate) use self::idempotency::IdempotencyKey;
pub(crate) use self::import::{Imported, MOST_AT_ONCE, UnusableRow};
pub(crate) use self::legacy::LegacyPosts;
pub(crate) use self::moving::copy;
pub(crate) use self::operator::{Filter, Group, Page, PageView, Tally};
pub(crate) use self::overview::{Attempt, Failing};
pub(crate) use self::pushes::{Novelty, QuarantineCount, Quarantined, Received, Sender, WEBHOOK};
pub(crate) use self::rekey::{Rekeyed, missing_keys, values_are};
pub(crate) use self::shared_hub::HubRequest;
pub(crate) use self::shares::KnownShare;
pub(crate) use self::subscriptions::WebhookTopic;
pub(crate) use self::twice::Pair;
pub(crate) use self::unanswered::Unanswered;
pub(crate) use self::work::{Due, Ending, Held, Leased, Wanted};

use self::keys::Keys;
use self::ready::{Queued, Ready};
use self::registrations::Numbers;
use self::settings::{Outbox, Quarantine};
use self::unreadable::Unreadable;
use self::vault::{Place, Vault, VaultError};
use crate::clock::{Clock, Timestamp};
use crate::crypto::hmac::HmacKey;
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::random::Random;
use crate::store::{Lane, Millis, NewRow, OpenError, Owner, Room, Store, Trouble, Tx};

/// Settled ids that a slow waiter may be behind; beyond it, it asks the store.
const SETTLED_BACKLOG: usize = 1024;
/// The rows of one database, under its rules. Cheap to clone; the last clone closes the database.
#[derive(Clone)]
pub(crate) struct Ledger {
    store: Store,
    rules: Arc<Rules>,
    /// What is done counts only while this gateway has it; `None`: in any case.
    hold: Option<Hold>,
}

/// All but the rows. A job of the store holds this and never the store: the thread that drops the last handle of the store waits for the
/// thread that the job runs on.
struct Rules {
    keys: Arc<Keys>,
    clock: Clock,
    random: Random,
    numbers: Numbers,
    outbox: Outbox,
    quarantine: Quarantine,
    /// How application ids and UINTOKENs reach OpenCRVS 1.x; unset: they do not.
    legacy: OnceLock<LegacyPosts>,
    /// How registrations are confirmed in OpenCRVS's core; unset: they are not.
    confirmations: OnceLock<Confirmations>,
    /// How long a caller waits for what they sent to be stored; unset: until it is.
    acknowledged_within: OnceLock<Duration>,
    /// How long MOSIP may be silent about a registration; unset: nothing is expected of it.
    expected_within: OnceLock<Duration>,
    /// How it is published that credentials were received; unset: it is not.
    publications: OnceLock<Publications>,
    unreadable: Unreadable,
    /// What was queued, or may go now; workers follow it.
    queued: broadcast::Sender<Ready>,
    /// Ids of entries that no longer move by themselves.
    settled: broadcast::Sender<String>,
    /// Names this gateway where it holds a task.
    holder: i64,
    /// Held by the rekey that is under way.
    rekeying: tokio::sync::Mutex<()>,
    /// The host of a gateway that lacks the first key of the key file, as it was last told.
    waits_for: tokio::sync::Mutex<Option<String>>,
}

/// What a job sees: the rows of its transaction, the keys, and the time at which it was asked for.
struct Book<'t> {
    tx: RefCell<&'t mut dyn Tx>,
    rules: &'t Rules,
    vault: Arc<Vault>,
    identity_key: Arc<HmacKey>,
    now: Millis,
    wall: Timestamp,
    /// Of the rows that are made.
    trace: RefCell<Option<String>>,
    /// Where rows were queued.
    queued: RefCell<Vec<Lane>>,
}

/// The sources of a ledger's randomness and time.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

impl Ledger {
    /// Over the database that the given `open` opens for its owner.
    pub(crate) fn open_with<E>(
        outbox: Outbox,
        quarantine: Quarantine,
        surroundings: Surroundings,
        open: impl FnOnce(&Outbox, Arc<dyn Owner>) -> std::result::Result<Store, E>,
    ) -> std::result::Result<Self, E> {
        let keys = Arc::new(Keys::new(outbox.location.clone(), outbox.key_file.clone()));
        let store = open(&outbox, Arc::<Keys>::clone(&keys))?;
        let Surroundings { clock, random } = surroundings;
        let rules = Rules {
            keys,
            clock,
            random,
            numbers: Numbers::default(),
            outbox,
            quarantine,
            legacy: OnceLock::new(),
            confirmations: OnceLock::new(),
            acknowledged_within: OnceLock::new(),
            expected_within: OnceLock::new(),
            publications: OnceLock::new(),
            unreadable: Unreadable::default(),
            queued: broadcast::channel(ready::BACKLOG).0,
            settled: broadcast::channel(SETTLED_BACKLOG).0,
            holder: i64::from_be_bytes(secret::random()),
            rekeying: tokio::sync::Mutex::default(),
            waits_for: tokio::sync::Mutex::default(),
        };
        Ok(Self { store, rules: Arc::new(rules), hold: None })
    }

    /// Over the database that `outbox` names, which this process alone owns from then on.
    pub(crate) fn open(
        outbox: Outbox,
        quarantine: Quarantine,
        clock: Clock,
    ) -> std::result::Result<Self, OpenError> {
        let surroundings = Surroundings { clock, ..Surroundings::default() };
        let open = |outbox: &Outbox, owner| outbox.location.open(owner);
        Self::open_with(outbox, quarantine, surroundings, open)
    }

    /// The tables under whose names [`Self::unreadable`] counts.
    pub(crate) const SEALED_TABLES: [&'static str; 6] =
        ["entry", "delivery", "push", "job_record", "job_result", "correlation"];

    /// The outbox's clock.
    pub(crate) fn uptime(&self) -> Millis {
        self.rules.keys.uptime()
    }

    /// The machine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.rules.clock.now()
    }

    /// Whether an event post is taken; false: it is answered 507, because of [`Self::trouble`].
    pub(crate) fn is_writable(&self) -> bool {
        self.trouble().is_none()
    }

    /// Why nothing is taken.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.store.trouble()
    }

    /// How many rows do not open, by table; only tables that have any. They wait for a start or a rekey with the key they need.
    pub(crate) fn unreadable(&self) -> BTreeMap<&'static str, u64> {
        self.rules.unreadable.counts()
    }

    /// How much room there is.
    pub(crate) fn room(&self) -> Room {
        self.store.room()
    }

    /// Looks whether the database is where it was, and tries a disk that refused; [`Code::Storage`] while nothing is taken.
    pub(crate) async fn look_after(&self) -> Result<()> {
        self.store.look_after().await
    }

    /// Goes on after files were removed or replaced; [`Code::Storage`] with what is still wrong.
    pub(crate) async fn resume(&self) -> Result<()> {
        self.store.resume().await?;
        self.wake();
        Ok(())
    }

    /// `outbox.lease`
    pub(crate) fn lease_time(&self) -> Duration {
        self.rules.outbox.lease
    }

    /// Announces what is queued in `lane`, or may go now. Unlike a watch, it wakes in order.
    pub(crate) fn queued(&self, lane: &Lane) -> Queued {
        Queued { ready: self.rules.queued.subscribe(), lane: lane.clone() }
    }

    /// Announces the ids of entries that no longer move by themselves.
    pub(crate) fn settled(&self) -> broadcast::Receiver<String> {
        self.rules.settled.subscribe()
    }

    /// Wakes every worker that waits.
    pub(crate) fn wake(&self) {
        self.rules.wake();
    }

    /// HMAC-SHA256 of `parts` under the identity key, each part behind its length.
    fn identity(&self, parts: &[&[u8]]) -> Result<Vec<u8>> {
        Ok(identity(&self.rules.keys.opened()?.identity_key, parts))
    }
}

impl Rules {
    fn wake(&self) {
        self.announce(Ready::Any);
    }

    fn announce(&self, ready: Ready) {
        // There may be no receiver.
        let _ = self.queued.send(ready);
    }
}

impl<'t> Book<'t> {
    /// The rows. The borrow ends before another function of the book is called.
    fn tx(&self) -> RefMut<'_, &'t mut dyn Tx> {
        self.tx.borrow_mut()
    }

    /// Puts `row` into its queue.
    fn insert(&self, row: NewRow) -> Result<()> {
        let NewRow { queue, destination, kind, .. } = &row;
        let lane = Lane { queue: *queue, destination: destination.clone(), kinds: vec![kind.clone()] };
        self.queued.borrow_mut().push(lane);
        self.tx().insert(&[row])
    }

    /// Where rows may go once all of this is committed, each lane once.
    fn ready(&self) -> Vec<Lane> {
        let mut ready = Vec::new();
        for lane in self.queued.take().into_iter().chain(self.tx().freed()) {
            if !ready.contains(&lane) {
                ready.push(lane);
            }
        }
        ready
    }

    fn seal(&self, table: &'static str, row: &str, column: &'static str, value: &[u8]) -> Result<Vec<u8>> {
        self.vault.seal(Place { table, row, column }, value).map_err(|error| unusable(&error))
    }

    fn unseal(
        &self,
        table: &'static str,
        row: &str,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.vault.open(Place { table, row, column }, sealed).map_err(|error| unusable(&error))
    }

    fn identity(&self, parts: &[&[u8]]) -> Vec<u8> {
        identity(&self.identity_key, parts)
    }
}

fn identity(key: &HmacKey, parts: &[&[u8]]) -> Vec<u8> {
    let Ok(identity) = identity_written(key, |part| {
        parts.iter().for_each(|each| part(each));
        Ok::<_, Infallible>(())
    });
    identity
}

/// As [`identity`], of the parts that `write` hands over one by one.
fn identity_written<E>(
    key: &HmacKey,
    write: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    key.tag_written(|piece| {
        write(&mut |part| {
            piece(&(part.len() as u64).to_be_bytes());
            piece(part);
        })
    })
}

/// Each part behind its length.
fn framed(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let length = |part: &[u8]| (part.len() as u64).to_be_bytes().to_vec();
    parts.iter().flat_map(|part| [length(part), part.to_vec()]).collect()
}

fn unusable(error: &VaultError) -> Error {
    Error::new(Code::Storage, error.to_string())
        .advise("Restore outbox.key_file and the database from the same backup, then run `mosip-gateway outbox rekey` or start the gateway again.")
}
