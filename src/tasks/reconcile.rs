//! What OpenCRVS has registered and no entry here is about: a webhook that was lost. OpenCRVS's search names its records and holds nothing that
//! an event could be made of, so that they are listed, and nothing is queued.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::clock::{Clock, Timestamp, to_millis};
use crate::destinations::drive::Outside;
use crate::destinations::opencrvs::Search;
use crate::error::{Code, Error, Result};
use crate::ledger::{Ledger, Task};
use crate::opencrvs::event::EventKind;
use crate::opencrvs::search::{Asked, PAGE};

/// OpenCRVS's search gives no record beyond this one of a kind.
const MOST: usize = 10_000;
/// Pages of one kind, at most: twice those of as many records as there may be.
const MOST_PAGES: usize = 200;
/// How far back the task looks: OpenCRVS compares the date of the declaration, and a registration comes days after it.
const BACK: Duration = Duration::from_hours(24 * 7);
/// A webhook that is younger may still be on its way.
const UNDER_WAY: Duration = Duration::from_mins(10);
/// The task rests so long before its first look, until webhooks that wait for the start of the gateway have come.
const FIRST: Duration = Duration::from_mins(10);

/// Asks OpenCRVS which records there are. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reconciler(Arc<Inner>);

struct Inner {
    /// `None`: no search is set.
    search: Option<Arc<Search>>,
    /// How often it looks by itself.
    every: Option<Duration>,
    /// For how long entries are remembered.
    remember: Duration,
    outside: Arc<dyn Outside>,
    ledger: Ledger,
    clock: Clock,
    status: Mutex<Option<Status>>,
}

/// What came of the last look of the task.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) at: Timestamp,
    /// What it found, or why it found nothing.
    pub(crate) outcome: Result<Compared>,
}

/// What OpenCRVS has, beside what is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Declared from then on. Later than was asked for where the outbox remembers nothing older.
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// Records that OpenCRVS named.
    pub(crate) records: usize,
    /// Those of them without an entry.
    pub(crate) missing: Vec<Missing>,
    /// Whether OpenCRVS named all that it has. It may have more than it gives, or give one page again and again.
    pub(crate) is_whole: bool,
}

/// A record of OpenCRVS without an entry here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) kind: EventKind,
    pub(crate) composition_id: String,
}

impl Reconciler {
    /// Nothing is asked before somebody asks for it, or [`Self::run`].
    pub(crate) fn new(
        search: Option<Arc<Search>>,
        every: Option<Duration>,
        (outside, ledger, clock): (Arc<dyn Outside>, Ledger, Clock),
    ) -> Self {
        let (remember, status) = (ledger.remembers(), Mutex::default());
        Self(Arc::new(Inner { search, every, remember, outside, ledger, clock, status }))
    }

    /// What came of the last look of the task; `None`: it has not looked.
    pub(crate) fn status(&self) -> Option<Status> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Compares the births and deaths that were declared in this time.
    ///
    /// # Errors
    ///
    /// [`Code::StateConflict`] where no search is set, [`Code::Field`] where `since` is not before `until`; what OpenCRVS, the token or the
    /// outbox is refused with.
    pub(crate) async fn compare(&self, since: Timestamp, until: Option<Timestamp>) -> Result<Compared> {
        let search = self.0.search.as_ref().ok_or_else(unset)?;
        let now = self.0.clock.now();
        let oldest = now.millis().saturating_sub(to_millis(self.0.remember));
        let since = since.max(Timestamp::from_millis(oldest));
        let until = until.unwrap_or(now).min(now);
        if since >= until {
            return Err(Error::field("/since", "the time begins after its end, or after now")
                .advise("Name a day or a moment that is over, such as 2026-11-01, and one before `until`."));
        }
        let mut compared = Compared { since, until, records: 0, missing: Vec::new(), is_whole: true };
        for kind in [EventKind::Birth, EventKind::Death] {
            self.0.compare(search, kind, &mut compared).await?;
        }
        Ok(compared)
    }

    /// Looks as often as the settings say. Runs for ever.
    pub(crate) async fn run(&self) {
        let (Some(every), Some(_)) = (self.0.every, &self.0.search) else {
            return std::future::pending().await;
        };
        sleep(FIRST).await;
        loop {
            // Another gateway looks, or the outbox cannot be asked.
            if !matches!(self.0.ledger.hold(Task::Reconcile, every).await, Ok(Some(_))) {
                sleep(FIRST.min(every)).await;
                continue;
            }
            let now = self.0.clock.now();
            let ago = |ago| Timestamp::from_millis(now.millis().saturating_sub(to_millis(ago)));
            let outcome = self.compare(ago(BACK.max(every * 2)), Some(ago(UNDER_WAY))).await;
            match &outcome {
                Ok(Compared { records, missing, is_whole, .. }) if !missing.is_empty() || !is_whole => {
                    tracing::error!(
                        records,
                        missing = missing.len(),
                        is_whole,
                        "OpenCRVS has registered what no webhook brought; `mosip-gateway opencrvs reconcile` lists it"
                    )
                }
                Ok(Compared { records, .. }) => {
                    tracing::info!(records, "an entry is here of every record that OpenCRVS names");
                }
                Err(error) => tracing::warn!(
                    code = error.code().as_str(),
                    detail = error.detail(),
                    advice = error.advice(),
                    "OpenCRVS cannot be asked for webhooks that were lost"
                ),
            }
            *self.0.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(Status { at: now, outcome });
            sleep(every).await;
        }
    }
}

impl Inner {
    /// Adds the records of `kind` to `compared`.
    async fn compare(&self, search: &Search, kind: EventKind, compared: &mut Compared) -> Result<()> {
        let (mut named, mut skip) = (BTreeSet::new(), 0);
        for _ in 0..MOST_PAGES {
            let asked = Asked { kind, since: compared.since, until: compared.until, skip };
            let page = search.page(&*self.outside, asked).await?;
            skip += page.ids.len();
            let before = named.len();
            named.extend(page.ids.iter().cloned());
            // Whether more comes is seen by what comes: a total may be missing, and may be too low. One that is not reached counts.
            let is_short = page.ids.len() < PAGE && page.total.is_some_and(|total| skip >= total);
            let is_last = page.ids.is_empty() || is_short;
            // A page that names nothing new would come again for ever.
            if is_last || named.len() == before || skip >= MOST {
                compared.is_whole &= is_last && page.total.is_none_or(|total| named.len() >= total);
                return self.look_up(kind, named, compared).await;
            }
        }
        compared.is_whole = false;
        self.look_up(kind, named, compared).await
    }

    async fn look_up(&self, kind: EventKind, named: BTreeSet<String>, compared: &mut Compared) -> Result<()> {
        compared.records += named.len();
        let without = self.ledger.without_entry(kind, named.into_iter().collect()).await?;
        compared.missing.extend(without.into_iter().map(|composition_id| Missing { kind, composition_id }));
        Ok(())
    }
}

/// Why nothing of what is missing is queued.
pub(crate) const NO_BODY: &str = "OpenCRVS's search names records and does not give the body that their webhook had, so that nothing can be queued from it: list what is missing without --post, and post each event to /v1/events/{birth|death} from where its bundle is";

fn unset() -> Error {
    Error::new(Code::StateConflict, "the gateway has no search of OpenCRVS to ask")
        .advise("Set opencrvs.search to a client of type record search, and opencrvs.auth_url, and start the gateway again.")
}

#[cfg(test)]
mod tests;
