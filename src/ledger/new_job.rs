//! A new job: one commit for all its records.

use std::thread;

use data_encoding::HEXLOWER;

use super::idempotency::IdempotencyKey;
use super::job::{NewRecord, Records};
use super::jobs::{DESTINATION, KIND, TABLE, form_word, record_id};
use super::vault::{Place, Vault};
use super::{Book, Ledger, identity, identity_written, unusable};
use crate::crypto::hmac::HmacKey;
use crate::error::{Code, Error, Result};
use crate::mosip::authtoken::Form;
use crate::pool;
use crate::store::{Millis, NewRow, Queue, Seq};

/// Rows of a new job that are in memory at a time, twice: while some are inserted the next are sealed.
const MADE_AT_ONCE: usize = 100;
/// Bytes of records up to which a thread costs more than it saves.
const MADE_BESIDE: usize = 64 << 10;

impl Ledger {
    /// Stores a job with all its records; they are on the disk once this returns. A job that came under `key` before is that job, or
    /// [`Code::IdempotencyConflict`] where its records were others. [`Code::Storage`] where the disk has less than `outbox.reserve`
    /// left: that belongs to event posts.
    pub(crate) async fn create_job(
        &self,
        form: Form,
        records: impl Records,
        key: Option<IdempotencyKey>,
    ) -> Result<String> {
        if !self.leaves_reserve() {
            return Err(Error::new(Code::Storage, "the disk, but for outbox.reserve, is full")
                .advise("Free space on the volume of outbox.path."));
        }
        let identity_key = self.rules.keys.opened()?.identity_key;
        let (records, claim) = pool::offload(records.size(), move || {
            let claim = key.map(|key| Claim::new(&identity_key, &key, form, &records)).transpose()?;
            Ok((records, claim))
        })
        .await?;
        let id = self
            .take(Vec::new(), move |book| {
                let id = match &claim {
                    Some(claim) => match book.claimed(claim)? {
                        Claimed::Before => return Ok(claim.job.clone()),
                        Claimed::Now => claim.job.clone(),
                    },
                    None => book.rules.random.name(),
                };
                let job = book.tx().insert_job(&id, form_word(form), book.now)?;
                if book.insert_records(job, &id, &records)? {
                    book.tx().settle_job(job, book.now)?;
                }
                Ok(id)
            })
            .await?;
        self.wake();
        Ok(id)
    }
}

/// What an `Idempotency-Key` stands for.
struct Claim {
    key: Vec<u8>,
    content: Vec<u8>,
    /// The name of the job, which follows from the key.
    job: String,
}

impl Claim {
    fn new(identity_key: &HmacKey, key: &IdempotencyKey, form: Form, records: &impl Records) -> Result<Self> {
        let content = identity_written(identity_key, |part| {
            part(b"job");
            part(form_word(form).as_bytes());
            for record in records.records() {
                match record {
                    NewRecord::Ask(kept) => part(&kept),
                    NewRecord::Invalid(outcome) => part(&outcome.to_json()?),
                }
            }
            Ok::<_, Error>(())
        })?;
        let name = identity(identity_key, &[b"job-name", key.as_bytes()]);
        Ok(Self {
            key: identity(identity_key, &[b"key", KIND.as_bytes(), key.as_bytes()]),
            content,
            // As long as a name that is drawn.
            job: HEXLOWER.encode(name.get(..16).unwrap_or(&name)),
        })
    }
}

enum Claimed {
    Now,
    Before,
}

/// Makes the rows of a new job.
struct RowMaker<'j> {
    vault: &'j Vault,
    job: Seq,
    id: &'j str,
    accepted_at: i64,
    waiting_since: Millis,
    trace: Option<String>,
}

impl RowMaker<'_> {
    fn row(&self, place: u32, record: &NewRecord) -> Result<NewRow> {
        let id = record_id(self.id, place.into());
        let seal = |column, value: &[u8]| {
            self.vault.seal(Place { table: TABLE, row: &id, column }, value).map_err(|error| unusable(&error))
        };
        let (payload, result) = match record {
            NewRecord::Ask(kept) => (Some(seal("payload", kept)?), None),
            NewRecord::Invalid(outcome) => (None, Some(seal("result", &outcome.to_json()?)?)),
        };
        Ok(NewRow {
            queue: Queue::Records,
            destination: DESTINATION.to_owned(),
            kind: KIND.to_owned(),
            line: None,
            accepted_at: self.accepted_at,
            waiting_since: self.waiting_since,
            is_invalid: payload.is_none(),
            payload,
            result,
            identity: None,
            met_by: None,
            job: Some((self.job, place)),
            trace: self.trace.clone(),
            id,
        })
    }

    /// Hands the rows of `records` to `insert`, a few at a time. Whether all are settled already.
    fn make(
        &self,
        records: &impl Records,
        mut insert: impl FnMut(Vec<NewRow>) -> Result<()>,
    ) -> Result<bool> {
        let (mut numbered, mut is_settled) = ((0..).zip(records.records()), true);
        loop {
            let some = numbered.by_ref().take(MADE_AT_ONCE);
            let rows: Vec<NewRow> =
                some.map(|(place, record)| self.row(place, &record)).collect::<Result<_>>()?;
            if rows.is_empty() {
                return Ok(is_settled);
            }
            is_settled &= rows.iter().all(|row| row.is_invalid);
            insert(rows)?;
        }
    }
}

impl Book<'_> {
    /// Whether the job was stored under this key before. Its key outlives it: a job that is forgotten is not begun again.
    fn claimed(&self, claim: &Claim) -> Result<Claimed> {
        let before = self.tx().key(&claim.key)?;
        match before {
            Some(content) if content == claim.content => Ok(Claimed::Before),
            Some(_) => Err(Error::new(
                Code::IdempotencyConflict,
                "this Idempotency-Key came with another list before",
            )),
            None => {
                self.tx().insert_key(&claim.key, &claim.content, self.now)?;
                Ok(Claimed::Now)
            }
        }
    }

    /// Inserts the rows of a new job; whether all are settled already. Those of a large one are read and sealed on a thread of their own,
    /// so that the events between wait for the inserts alone.
    fn insert_records(&self, job: Seq, id: &str, records: &impl Records) -> Result<bool> {
        let (accepted_at, waiting_since) = (self.wall.millis(), self.now);
        let trace = self.trace();
        let maker = RowMaker { vault: &self.vault, job, id, accepted_at, waiting_since, trace };
        if records.size() <= MADE_BESIDE {
            return maker.make(records, |rows| self.tx().insert(&rows));
        }
        let (made, making) = crossbeam_channel::bounded(1);
        thread::scope(|scope| {
            let work = move || {
                // The receiver is gone only after an insert failed, and that failure is the one that is reported.
                maker.make(records, |rows| {
                    made.send(rows).map_err(|_| Error::new(Code::Bug, "the rows are not taken"))
                })
            };
            let maker = thread::Builder::new().name("job-records".to_owned()).spawn_scoped(scope, work);
            let maker = maker.map_err(|error| {
                Error::new(Code::Busy, format!("there is no thread for the records of a job: {error}"))
                    .advise("Raise the limit of threads of this process.")
            })?;
            for rows in making {
                self.tx().insert(&rows)?;
            }
            maker.join().unwrap_or_else(|_| {
                Err(Error::new(Code::Bug, "reading the records of a job stopped unexpectedly"))
            })
        })
    }
}
