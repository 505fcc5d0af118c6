//! UINTOKENs for many: jobs of records, each of which IDA is asked about until it has answered.
//!
//! A job lives in the database of the outbox, so that a crash loses none and asks about nobody twice who is settled. IDA is one
//! upstream URL and so one [`Channel`]: it decides when records go, one at a time, or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::error::{Error, Fault, Result};
use crate::ida::{DEADLINE, Ida};
use crate::keys::Keyring;
use crate::mosip::authtoken::Form;
use crate::mosip::ida::{self, Answer};
use crate::outbox::channel::{Channel, Flow, Next, Turn};
use crate::outbox::entry::Refusal;
use crate::outbox::job::{Job, NewRecord, Outcome, Reason, RecordLease, RecordState, Settled};
use crate::outbox::store::Store;

/// Records that IDA is asked about at once.
const CONCURRENCY: usize = 4;
/// How long the loop rests when the store refuses.
const STORE_REST: Duration = Duration::from_secs(1);

/// The jobs and who works on them. Cheap to clone.
#[derive(Clone)]
pub struct Seeder(Arc<Parts>);

struct Parts {
    store: Store,
    ida: Ida,
    channel: Mutex<Channel>,
    wake: Notify,
}

/// How a job stands.
pub struct Status {
    /// How far it has come.
    pub job: Job,
    /// What stands in its way.
    pub pace: Pace,
}

/// Whether a job moves.
#[derive(Serialize)]
#[serde(tag = "state", content = "paused", rename_all = "lowercase")]
pub enum Pace {
    /// Every record is settled.
    Done,
    /// Records go.
    Running,
    /// IDA is away: the records wait.
    Waiting,
    /// A person has to put something right.
    Paused(Refusal),
}

impl Seeder {
    /// Over `store`. Nothing moves before [`Self::run`]. A paused job is tried every `probe_interval`.
    pub fn new(store: Store, ida: Ida, probe_interval: Duration) -> Self {
        let channel = Mutex::new(Channel::new(probe_interval, DEADLINE));
        Self(Arc::new(Parts { store, ida, channel, wake: Notify::new() }))
    }

    /// Stores a job, and names it. [`crate::error::Code::Keys`] where IDA cannot be called before a new start.
    pub async fn submit(&self, form: Form, records: Vec<NewRecord>) -> Result<String> {
        self.0.ida.check_configured()?;
        let id = self.0.store.create_job(form, records).await?;
        self.0.wake.notify_one();
        Ok(id)
    }

    /// What could not be read or written before may be now.
    pub fn go_on(&self) {
        self.0.wake.notify_one();
    }

    /// How the job `id` stands; [`crate::error::Code::NotFound`].
    pub async fn status(&self, id: String) -> Result<Status> {
        self.0.store.job(id).await.map(|job| self.0.status(job))
    }

    /// The same, and of that moment up to `limit` settled records from the record `from` on. Which of a job that moves are settled
    /// follows no order.
    pub async fn page(&self, id: String, from: u64, limit: usize) -> Result<(Status, Vec<Settled>)> {
        let (job, settled) = self.0.store.job_page(id, from, limit).await?;
        Ok((self.0.status(job), settled))
    }

    /// Asks until `stop` turns true; calls that are under way then are finished. New keys end a pause.
    pub async fn run(&self, stop: watch::Receiver<bool>, mut keys: Keyring) {
        let follow_keys = async {
            while keys.changed().await.is_some() {
                self.0.channel().probe_now();
                self.0.wake.notify_one();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.work(stop) => {}
            () = follow_keys => {}
        }
    }

    async fn work(&self, mut stop: watch::Receiver<bool>) {
        let mut calls = JoinSet::new();
        let mut lost_lease = false;
        while !*stop.borrow() {
            if lost_lease && calls.is_empty() {
                tracing::error!("a call ended without a verdict; its record is queued again");
                lost_lease = self.0.store.void_record_leases().await.is_err();
            }
            let turn = self.0.channel().turn(self.0.store.uptime());
            let leased = match turn {
                // Until it is queued again.
                _ if lost_lease => Ok(Vec::new()),
                Turn::Free if calls.len() < CONCURRENCY => {
                    self.0.store.lease_records(CONCURRENCY - calls.len()).await
                }
                Turn::Trial if calls.is_empty() => self.0.store.lease_records(1).await,
                _ => Ok(Vec::new()),
            };
            let leases = match leased {
                Ok(leases) => leases,
                Err(error) => {
                    tracing::error!(code = error.code().as_str(), "no record can be leased");
                    sleep(STORE_REST).await;
                    continue;
                }
            };
            for lease in leases {
                let parts = Arc::clone(&self.0);
                calls.spawn(async move { parts.ask(lease).await });
            }
            let alarm = match turn {
                Turn::Wait(at) => {
                    let wait = at.saturating_sub(self.0.store.uptime()).max(0);
                    Some(Duration::from_millis(wait.unsigned_abs()))
                }
                // There is room, so all that is due has been leased: a call that hangs keeps none waiting.
                Turn::Free if !lost_lease && calls.len() < CONCURRENCY => self.next_due().await,
                // Whoever ends makes room.
                _ if !calls.is_empty() => None,
                // The store refused to queue it again.
                _ if lost_lease => Some(STORE_REST),
                _ => self.next_due().await,
            };
            tokio::select! {
                _ = stop.changed() => {}
                Some(ended) = calls.join_next() => lost_lease |= ended.is_err(),
                () = self.0.wake.notified() => {}
                () = sleep(alarm.unwrap_or(Duration::MAX)) => {}
            }
        }
        calls.join_all().await;
    }

    /// How long until a record is due; none: none is queued.
    async fn next_due(&self) -> Option<Duration> {
        self.0.store.next_record().await.unwrap_or(Some(STORE_REST))
    }
}

/// What becomes of a record after a call.
enum Verdict {
    Settled(RecordState, Outcome),
    Again(i64),
}

impl Parts {
    fn status(&self, job: Job) -> Status {
        let pace = match self.channel().flow() {
            _ if job.progress.is_finished() => Pace::Done,
            Flow::Open => Pace::Running,
            Flow::Broken { .. } => Pace::Waiting,
            Flow::Paused { refusal, .. } => Pace::Paused(refusal.clone()),
        };
        Status { job, pace }
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call, from lease to verdict.
    async fn ask(&self, lease: RecordLease) {
        let verdict = match self.authenticate(&lease).await {
            Ok((state, outcome)) => {
                self.channel().succeeded(&lease.id);
                Verdict::Settled(state, outcome)
            }
            Err((individual_id, error)) => self.failed(&lease, individual_id, error),
        };
        // Until it is written the record stays leased.
        while let Err(error) = self.write(&lease.id, &verdict).await {
            tracing::error!(record = lease.id, code = error.code().as_str(), "a verdict cannot be written");
            sleep(STORE_REST).await;
        }
    }

    /// What IDA says of a record; else the number of the person with what went wrong.
    async fn authenticate(&self, lease: &RecordLease) -> Result<(RecordState, Outcome), (String, Error)> {
        let intent = ida::read_kept(&lease.kept).map_err(|error| (String::new(), error))?;
        let individual_id = intent.individual().id().to_owned();
        match self.ida.authenticate(Arc::new(intent)).await {
            Ok(answer) => Ok(read_answer(individual_id, answer)),
            Err(error) => Err((individual_id, error)),
        }
    }

    fn failed(&self, lease: &RecordLease, individual_id: String, error: Error) -> Verdict {
        // Replies that do not verify mostly mean a signer's certificate or a path that a person has to put right.
        let judged = match error.fault() {
            Fault::Tampered => error.clone().blame(Fault::Keys, true),
            // IDA's refusal of something that all records have alike costs no record, unless it is this one's alone.
            Fault::Bug | Fault::Caller if error.upstream().is_some() && !names_the_person(&error) => {
                error.clone().blame(Fault::Upstream, true)
            }
            _ => error.clone(),
        };
        let next = self.channel().failed(&lease.id, lease.attempts, &judged, self.store.uptime());
        tracing::warn!(
            record = lease.id,
            attempts = lease.attempts,
            code = error.code().as_str(),
            fault = error.fault().as_str(),
            detail = error.detail(),
            upstream = error.upstream().map(|said| said.code.as_str()),
            "IDA could not be asked"
        );
        match next {
            Next::Again(next_at) => Verdict::Again(next_at),
            Next::Park(_) => {
                let outcome = Outcome::without_token(individual_id, vec![Reason::from(&error)]);
                Verdict::Settled(RecordState::Refused, outcome)
            }
        }
    }

    async fn write(&self, id: &str, verdict: &Verdict) -> Result<()> {
        match verdict {
            Verdict::Settled(state, outcome) => {
                self.store.settle_record(id.to_owned(), *state, outcome.clone()).await
            }
            Verdict::Again(next_at) => self.store.ask_again(id.to_owned(), *next_at).await,
        }
    }
}

/// Whether a refusal is about the number or the details of this person.
fn names_the_person(error: &Error) -> bool {
    matches!(error.pointer(), Some("/individualId" | "/demographics"))
}

/// A token is there only where IDA has signed for it.
fn read_answer(individual_id: String, answer: Answer<ida::Authenticated>) -> (RecordState, Outcome) {
    match answer {
        Answer::Given(given) => {
            let verified = Some(given.word().to_owned());
            let ida::Authenticated { auth_status, token } = given.into_inner();
            let errors = match (&token, auth_status) {
                (Some(_), _) => Vec::new(),
                (None, true) => vec![own_reason(
                    "no-token",
                    "IDA confirms the person; the policy of this partner shares no token",
                )],
                (None, false) => {
                    vec![own_reason("not-confirmed", "IDA does not confirm the person, and gives no reason")]
                }
            };
            let state = if token.is_some() { RecordState::Done } else { RecordState::Refused };
            (state, Outcome { individual_id, token, verified, errors })
        }
        Answer::Refused(reasons) => {
            let verified = Some(reasons.word().to_owned());
            let errors = reasons
                .into_inner()
                .into_iter()
                .map(|reason| Reason { code: reason.code, message: reason.message, pointer: None })
                .collect();
            (RecordState::Refused, Outcome { individual_id, token: None, verified, errors })
        }
    }
}

fn own_reason(code: &str, message: &str) -> Reason {
    Reason { code: code.to_owned(), message: message.to_owned(), pointer: None }
}
