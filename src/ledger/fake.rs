//! A ledger over rows in memory, for tests of what works on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::job::{NewRecord, Records};
use super::settings::{Outbox, Quarantine};
use super::work::Columns;
use super::{Due, Leased, Ledger, Surroundings, Wanted};
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Lane, Location, Millis, NewRow, Owner, Store};

const LONG: Duration = Duration::from_hours(24 * 400);

impl Records for Vec<NewRecord> {
    fn records(&self) -> impl Iterator<Item = NewRecord> {
        self.iter().cloned()
    }

    fn size(&self) -> usize {
        let size = |record: &NewRecord| match record {
            NewRecord::Ask(kept) => kept.len(),
            NewRecord::Invalid(outcome) => outcome.individual_id.len(),
        };
        self.iter().map(size).sum()
    }
}

impl Outbox {
    /// A file in `folder`, and an hour for everything.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        const HOUR: Duration = Duration::from_hours(1);
        Self {
            location: Location::in_file(folder.join("outbox.db")),
            key_file: folder.join("outbox.key"),
            retention: HOUR,
            remember: HOUR,
            give_up_after: HOUR,
            lease: Duration::from_mins(1),
            reserve: 0,
        }
    }
}

impl Ledger {
    /// Over a file in `folder`.
    pub(crate) fn in_folder(folder: &Path, clock: Clock) -> Self {
        let quarantine = Quarantine { max_bytes: 1 << 20, max_rows: 10 };
        Self::open(Outbox::in_folder(folder), quarantine, clock).unwrap()
    }

    /// Over the rows of `memory`, which `store` reaches, sealed under `key_file`. Leases of a process that died stay where
    /// `voids_leases` is false, as among several gateways.
    pub(crate) fn over(
        key_file: &Path,
        memory: &Memory,
        store: Store,
        random: Random,
        voids_leases: bool,
    ) -> Self {
        let open = |owner: Arc<dyn Owner>| memory.opened_by(&*owner, voids_leases).map(|()| store);
        let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
        Self::on(key_file, Surroundings { clock, random }, open).unwrap()
    }

    /// Over the rows that `open` opens, sealed under `key_file`.
    pub(crate) fn on<E>(
        key_file: &Path,
        surroundings: Surroundings,
        open: impl FnOnce(Arc<dyn Owner>) -> std::result::Result<Store, E>,
    ) -> std::result::Result<Self, E> {
        let outbox = Outbox {
            key_file: key_file.to_owned(),
            retention: LONG,
            remember: LONG,
            give_up_after: LONG,
            ..Outbox::in_folder(Path::new(""))
        };
        let quarantine = Quarantine { max_bytes: 1 << 20, max_rows: 3 };
        Self::open_with(outbox, quarantine, surroundings, |_, owner| open(owner))
    }

    /// What the rows hold.
    pub(crate) async fn run_on_rows<T: Send + 'static>(
        &self,
        job: impl Fn(&mut dyn crate::store::Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.run(job).await
    }

    /// As [`Ledger::lease`]; none is leased where none is due.
    pub(super) async fn leased(&self, lane: &Lane, lease: Duration, limit: usize) -> Result<Vec<Leased>> {
        Ok(match self.lease(lane, Wanted { lease, limit, slots: limit, known: Some(0) }).await? {
            Due::Now(leased) => leased,
            Due::Later(_) | Due::Noted(..) => Vec::new(),
        })
    }

    /// When the next row of `lane` falls due that is not due yet.
    pub(super) async fn next_due(&self, lane: &Lane) -> Result<Option<Millis>> {
        let lane = lane.clone();
        self.run(move |book| book.tx().next_due(&lane, book.now)).await
    }

    /// Inserts `row`, whose payload is sealed first.
    pub(crate) async fn insert(&self, row: NewRow) -> Result<()> {
        self.run(move |book| {
            let Columns { table, payload: column, .. } = Columns::of(row.queue);
            let payload = row.payload.as_ref().map(|payload| book.seal(table, &row.id, column, payload));
            book.tx().insert(&[NewRow { payload: payload.transpose()?, ..row.clone() }])
        })
        .await?;
        self.wake();
        Ok(())
    }
}
