//! What the engine uses: it leases rows, stores their progress, and ends them.

use std::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::accept::TABLE as ENTRY;
use super::correlation::cause;
use super::entry::{Refusal, State};
use super::{Book, ChannelNote, Ledger, unreadable};
use crate::clock::{Timestamp, to_millis};
use crate::destinations::{Done, News, Progress, Work};
use crate::error::{Code, Error, Result};
use crate::opencrvs::event::EventKind;
use crate::opencrvs::record_token::KeptToken;
use crate::store::{
    Advance, Beside, Fence, Lane, Lease, Listed, Millis, Pick, Queue, Row, Seq, Terms, Verdict,
};
use crate::telemetry::Trace;

/// Rows of one transaction, so that posts between are not kept waiting by many that do not open.
pub(super) const LEASED_AT_ONCE: usize = 100;

/// A row that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) queue: Queue,
    pub(crate) seq: Seq,
    pub(crate) fence: Fence,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) destination: String,
    /// As [`Listed::line`].
    pub(crate) line: Option<String>,
}

/// Held by whatever queues messages for the mediator or removes them, so that their order is that of the commits; so two application ids are
/// never assigned at once, and the later one is compared with the one before.
const MESSAGES: &str = "messages";

impl Held {
    pub(super) fn lease(&self) -> Lease {
        Lease { queue: self.queue, seq: self.seq, fence: self.fence }
    }

    /// Beside what its progress is stored, which `is_told` the mediator or not: otherwise it touches its own row alone.
    fn beside_progress(&self, is_told: bool) -> Beside {
        if is_told { self.beside_end(true) } else { Beside::Locks(vec![self.id.clone()]) }
    }

    /// Beside what its end is written, if it `is_final`. An event touches its own line, as a post of that line does, and what is kept of it; a
    /// message what else waits for the mediator. A confirmation touches what is kept of its registration, and a record its job.
    fn beside_end(&self, is_final: bool) -> Beside {
        let own = || self.line.clone().unwrap_or_else(|| self.id.clone());
        match self.queue {
            Queue::Entries if self.kind.parse::<EventKind>().is_err() => Beside::Nothing,
            Queue::Entries if is_final => Beside::Locks(vec![own(), MESSAGES.to_owned()]),
            Queue::Entries => Beside::Locks(vec![own()]),
            Queue::Deliveries => Beside::Locks(vec![MESSAGES.to_owned()]),
            Queue::Records => Beside::Nothing,
        }
    }
}

/// Held by whoever leases rows of a destination, so that no more of them are leased than may be.
fn leasing(queue: Queue, destination: &str) -> Terms {
    let beside = Beside::Locks(vec![format!("lease {queue:?} {destination}")]);
    Terms { beside, ..Terms::default() }
}

/// A row that was leased, opened.
pub(crate) struct Leased {
    pub(crate) held: Held,
    /// Attempts begun, this one among them.
    pub(crate) attempts: u32,
    pub(crate) work: Work,
    /// The request that caused it, and its trace.
    pub(crate) trace: Option<Trace>,
}

/// What a worker wants that looks for rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// For how long.
    pub(crate) lease: Duration,
    /// No more rows; 0: it only looks.
    pub(crate) limit: usize,
    /// No more than these are leased then with those of other gateways that call the same server.
    pub(crate) slots: usize,
    /// The change of the channel that it knows of; `None`: no other gateway calls the same server.
    pub(crate) known: Option<i64>,
}

/// What a worker finds that looks for rows, all as of one moment.
pub(crate) enum Due {
    /// Another gateway has changed how the channel stands, with the number of that change. Nothing is leased.
    Noted(i64, ChannelNote),
    /// It has leased these.
    Now(Vec<Leased>),
    /// No row may go. The next one falls due at this time; `None`: no row waits for a time.
    Later(Option<Millis>),
}

/// How an attempt ended.
#[derive(Clone)]
pub(crate) enum Ending {
    /// It has arrived.
    Done(Done),
    /// It is queued, and due at this time; without an error the attempt was broken off, and the row keeps its position.
    Again { next_at: Millis, error: Option<Error> },
    /// A person decides. A record of a job is settled with the error as its reason.
    Park(Error),
}

impl Ledger {
    /// Leases what is `wanted` of `lane`, as far as it is due. One that does not open waits where it is, with fault `storage`. Where none may
    /// go, the same transaction says when the next one falls due: a row that fell due between two looks would wait for ever.
    pub(crate) async fn lease(&self, lane: &Lane, wanted: Wanted) -> Result<Due> {
        let Wanted { lease, limit, slots, known } = wanted;
        let known = known.filter(|_| self.is_shared());
        loop {
            let lane = lane.clone();
            let due = self
                .order(leasing(lane.queue, &lane.destination), move |book| {
                    let (mut leased, mut looked_at) = (Vec::new(), 0);
                    if let Some(known) = known
                        && let Some((number, note)) = book.channel_change(&lane, known)?
                    {
                        return Ok(Due::Noted(number, note));
                    }
                    let taken = if known.is_some() { book.tx().leased(&lane, book.now)? } else { 0 };
                    let limit = limit.min(slots.saturating_sub(taken));
                    if limit == 0 {
                        return Ok(Due::Later(book.tx().next_due(&lane, book.now)?));
                    }
                    while leased.len() < limit && looked_at < LEASED_AT_ONCE {
                        let until = book.now + to_millis(lease);
                        let pick = Pick { now: book.now, until, limit: limit - leased.len() };
                        let rows = book.tx().lease(&lane, pick)?;
                        if rows.is_empty() && leased.is_empty() {
                            return Ok(Due::Later(book.tx().next_due(&lane, book.now)?));
                        }
                        looked_at += rows.len();
                        let is_all = rows.len() < pick.limit;
                        for row in rows {
                            leased.extend(book.open_leased(row)?);
                        }
                        if is_all {
                            break;
                        }
                    }
                    Ok(Due::Now(leased))
                })
                .await?;
            // Where none of so many opens, there may be more.
            if !matches!(&due, Due::Now(leased) if leased.is_empty()) {
                return Ok(due);
            }
        }
    }

    /// Prolongs leases of one destination; lost ones are left out of the answer.
    pub(crate) async fn renew(&self, held: &[Held], lease: Duration) -> Result<Vec<Seq>> {
        let leases: Vec<_> = held.iter().map(Held::lease).collect();
        let Some(Held { queue, destination, .. }) = held.first() else { return Ok(Vec::new()) };
        let terms = leasing(*queue, destination);
        self.order(terms, move |book| book.tx().renew(&leases, book.now + to_millis(lease))).await
    }

    /// Stores the progress of a row and announces it; false: the lease is lost.
    pub(crate) async fn advance(&self, held: &Held, progress: &Progress, news: Option<News>) -> Result<bool> {
        let (held, progress) = (held.clone(), progress.clone());
        let terms = Terms { beside: held.beside_progress(news.is_some()), ..Terms::default() };
        self.order(terms, move |book| {
            let columns = Columns::of(held.queue);
            let seal = |column, value: &Option<Zeroizing<Vec<u8>>>| {
                value.as_ref().map(|value| book.seal(columns.table, &held.id, column, value)).transpose()
            };
            let advance = Advance {
                progress: seal(columns.progress, &progress.notes)?,
                result: seal(columns.result, &progress.result)?,
                sent: progress.sent,
            };
            if !book.tx().advance(held.lease(), &advance)? {
                return Ok(false);
            }
            if let Some(News::AidAssigned(aid, over)) = &news {
                book.assign_aid(&held.id, aid, *over)?;
            }
            Ok(true)
        })
        .await
    }

    /// Writes how an attempt ended and announces it; false: the lease is lost, and nothing changed.
    pub(crate) async fn settle(&self, held: &Held, ending: &Ending) -> Result<bool> {
        // A message is never parked: it waits.
        let is_parked = matches!(ending, Ending::Park(_)) && held.queue != Queue::Deliveries;
        let is_final = is_parked || matches!(ending, Ending::Done(_));
        let (row, kept) = (held.clone(), ending.clone());
        let terms = Terms { beside: held.beside_end(is_final), ..Terms::default() };
        let holds = self
            .order(terms, move |book| {
                let holds = match row.queue {
                    Queue::Entries => book.settle_entry(&row, &kept),
                    Queue::Records => book.settle_record(&row, &kept),
                    Queue::Deliveries => book.settle_delivery(&row, &kept),
                }?;
                if holds && matches!(kept, Ending::Done(_)) {
                    let name = taken_name(row.queue, &row.destination, &row.kind);
                    book.tx().set_number(&name, book.wall.millis())?;
                }
                Ok(holds)
            })
            .await?;
        if let (true, Ending::Done(Done { news: Some(News::Numbered(Err(why), _)), .. })) = (holds, ending) {
            tracing::warn!(
                event = held.id,
                destination = held.destination,
                why = why.as_str(),
                "an ID system took an event, and its reply holds no number where reply_id leads"
            );
        }
        if holds && is_final {
            // There may be no receiver.
            let _ = self.rules.settled.send(held.id.clone());
        }
        Ok(holds)
    }

    /// When the last row of `lane` was taken, whichever process sent it, by the machine's clock.
    pub(crate) async fn last_taken(&self, lane: &Lane) -> Result<Option<Timestamp>> {
        let Lane { queue, destination, kinds } = lane;
        let names: Vec<String> = match kinds.is_empty() {
            true => vec![taken_name(*queue, destination, "")],
            false => kinds.iter().map(|kind| taken_name(*queue, destination, kind)).collect(),
        };
        self.read(move |book| {
            let mut last = None;
            for name in &names {
                last = last.max(book.tx().number(name)?);
            }
            Ok(last.map(Timestamp::from_millis))
        })
        .await
    }
}

/// What the moment of the last success is kept under: of each kind of entries, of each destination of records and deliveries.
fn taken_name(queue: Queue, destination: &str, kind: &str) -> String {
    match queue {
        Queue::Entries => format!("taken {destination} {kind}"),
        Queue::Records | Queue::Deliveries => format!("taken {destination}"),
    }
}

/// The sealed columns of a queue. The names are bound into what is sealed.
pub(super) struct Columns {
    pub(super) table: &'static str,
    pub(super) payload: &'static str,
    pub(super) progress: &'static str,
    pub(super) result: &'static str,
}

impl Columns {
    pub(super) const fn of(queue: Queue) -> Self {
        let (table, payload, result) = match queue {
            Queue::Entries => (ENTRY, "payload", "aid"),
            Queue::Records => (super::jobs::TABLE, "payload", "result"),
            Queue::Deliveries => (super::deliveries::TABLE, "body", "result"),
        };
        Self { table, payload, progress: "progress", result }
    }
}

impl Book<'_> {
    /// A leased row, opened. None: it does not open, and waits.
    fn open_leased(&self, row: Row) -> Result<Option<Leased>> {
        let table = Columns::of(row.queue).table;
        let work = match self.open_work(&row) {
            Ok(work) => work,
            Err(error) => {
                self.rules.unreadable.note(table, &row.id, &error);
                let refusal = Refusal::from(&error);
                let is_shared = self.tx().clock()?.is_some();
                let rest = if is_shared { unreadable::SHORT_REST } else { unreadable::REST };
                let again = Verdict::Again { next_at: self.now + rest, refusal: Some(refusal.kept()?) };
                self.tx().settle(row.lease(), &again, self.now)?;
                if row.queue == Queue::Entries {
                    self.note_attempt(row.seq, row.fence(), Some(&refusal))?;
                }
                return Ok(None);
            }
        };
        self.rules.unreadable.forget(table, &row.id);
        let (attempts, fence) = (row.attempts, row.fence());
        let Listed { queue, seq, id, kind, destination, line, trace, .. } = row.listed;
        let trace = trace.and_then(|kept| Trace::read(&kept));
        let held = Held { queue, seq, fence, id, kind, destination, line };
        Ok(Some(Leased { held, attempts, work, trace }))
    }

    pub(super) fn open_work(&self, row: &Row) -> Result<Work> {
        let columns = Columns::of(row.queue);
        let open = |column, sealed: &Option<Vec<u8>>| {
            sealed.as_ref().map(|sealed| self.unseal(columns.table, &row.id, column, sealed)).transpose()
        };
        let payload = open(columns.payload, &row.payload)?
            .ok_or_else(|| Error::new(Code::Bug, "a row that waits has no payload"))?;
        let progress = Progress {
            notes: open(columns.progress, &row.progress)?,
            result: open(columns.result, &row.result)?,
            sent: row.sent,
        };
        // The entries of one event go to every destination under one id.
        let at = format!("@{}", row.destination);
        let id = row.id.strip_suffix(&at).unwrap_or(&row.id).to_owned();
        let kind = row.kind.clone();
        let record_token =
            if self.is_confirmation(&kind) { self.record_token(&row.id)? } else { KeptToken::None };
        Ok(Work { id, kind, payload: Bytes::from_owner(payload), progress, record_token })
    }

    fn settle_entry(&self, held: &Held, ending: &Ending) -> Result<bool> {
        let verdict = match ending {
            Ending::Done(done) => {
                let result = done.result.as_ref();
                let result = result.map(|result| self.seal(ENTRY, &held.id, "aid", result)).transpose()?;
                Verdict::Settled { state: State::Done, result }
            }
            Ending::Again { next_at, error } => again(*next_at, error.as_ref())?,
            Ending::Park(error) => Verdict::Park(Refusal::from(error).kept()?),
        };
        if !self.tx().settle(held.lease(), &verdict, self.now)? {
            return Ok(false);
        }
        let failure = match ending {
            Ending::Done(_) | Ending::Again { error: None, .. } => None,
            Ending::Again { error: Some(error), .. } | Ending::Park(error) => Some(Refusal::from(error)),
        };
        if failure.is_some() || matches!(ending, Ending::Done(_)) {
            self.note_attempt(held.seq, held.fence, failure.as_ref())?;
        }
        match ending {
            Ending::Done(done) => {
                match &done.news {
                    Some(News::Accepted(over)) => self.tell_accepted(&held.id, None, *over)?,
                    Some(News::Numbered(Ok(number), over)) => {
                        self.tell_accepted(&held.id, None, *over)?;
                        self.tell_national_id(&held.id, number, *over)?;
                    }
                    Some(News::Numbered(Err(why), over)) => {
                        self.tell_accepted(&held.id, Some(*why), *over)?;
                    }
                    Some(News::AidAssigned(..)) | None => {}
                }
                self.settle_message(&held.id)?;
                if self.is_confirmation(&held.kind) {
                    self.forget_record_token(cause(&held.id))?;
                }
                if done.is_answered_later {
                    self.expect_answer(held)?;
                }
            }
            Ending::Again { .. } => {}
            Ending::Park(error) => self.tell_parked(&held.id, &Refusal::from(error))?,
        }
        Ok(true)
    }

    fn settle_delivery(&self, held: &Held, ending: &Ending) -> Result<bool> {
        let verdict = match ending {
            Ending::Done(_) => Verdict::Gone,
            Ending::Again { next_at, error } => again(*next_at, error.as_ref())?,
            // A message belongs to the mediator until it is taken.
            Ending::Park(error) => again(self.now + unreadable::REST, Some(error))?,
        };
        self.tx().settle(held.lease(), &verdict, self.now)
    }
}

pub(super) fn again(next_at: Millis, error: Option<&Error>) -> Result<Verdict> {
    let refusal = error.map(|error| Refusal::from(error).kept()).transpose()?;
    Ok(Verdict::Again { next_at, refusal })
}
