//! What people are shown beside the rows: what fails and why, what was tried, and the quarantine by its reasons.

use serde::Serialize;
use utoipa::ToSchema;

use super::entry::Refusal;
use super::operator::{Group, Page, reason_name};
use super::pushes::Quarantined;
use super::{Book, Ledger};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::store::{AttemptRow, Fence, Millis, PushGroup, Queue, Seq, State};

/// The outcome of an attempt whose entry was taken; the others are codes of problems.
const TAKEN: &str = "done";

/// Rows that are refused for one reason: those whose last attempt failed, and records of jobs without a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) queue: Queue,
    pub(crate) destination: String,
    pub(crate) kind: String,
    pub(crate) state: State,
    pub(crate) rows: u64,
    pub(crate) refusal: Refusal,
    /// When the last of them was settled, if they are, on the outbox's clock.
    pub(crate) last_settled: Option<Millis>,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Attempt {
    /// The first is 1.
    #[schema(value_type = u32)]
    pub(crate) attempt: Fence,
    /// RFC 3339, UTC.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = String)]
    pub(crate) at: Timestamp,
    /// `done`, or the code of the problem.
    pub(crate) outcome: String,
    /// The other side's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) upstream: Option<String>,
}

fn iso<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_iso())
}

impl Ledger {
    /// Everything that does not flow, counted over all rows, the commonest reason of each queue first.
    pub(crate) async fn failing(&self) -> Result<Vec<Failing>> {
        self.read(|book| {
            let mut all = Vec::new();
            for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
                let failed = book.tx().failed(queue)?.into_iter();
                all.extend(failed.filter_map(|failed| {
                    Some(Failing {
                        queue,
                        refusal: Refusal::read(Some(&failed.refusal))?,
                        destination: failed.destination,
                        kind: failed.kind,
                        state: failed.state,
                        rows: failed.rows,
                        last_settled: failed.last_settled,
                    })
                }));
            }
            Ok(all)
        })
        .await
    }

    /// The last attempts of the entry `id` that ended, in order; [`Code::NotFound`].
    pub(crate) async fn attempts(&self, id: String) -> Result<Vec<Attempt>> {
        self.read(move |book| {
            let row = book.listed(&id)?;
            let kept = book.tx().attempts(row.seq)?.into_iter();
            let read = |AttemptRow { number, ended_at, outcome, upstream }| Attempt {
                attempt: number,
                at: Timestamp::from_millis(ended_at),
                outcome,
                upstream,
            };
            Ok(kept.map(read).collect())
        })
        .await
    }

    /// What is in quarantine, by its reason, with the kind of the messages.
    pub(crate) async fn quarantine_groups(&self) -> Result<Vec<(String, Group)>> {
        self.read(|book| {
            let reasons = book.tx().push_reasons()?.into_iter();
            let group = |(kind, text, rows, _): (String, Option<String>, _, _)| {
                let name = group_name(&kind, text.as_deref());
                (kind, Group { name, rows, refusal: Refusal::read(text.as_deref()) })
            };
            Ok(reasons.map(group).collect())
        })
        .await
    }

    /// What is quarantined for the reason that `group` names, in order, at most [`Page::SIZE`] after `after`.
    pub(crate) async fn quarantined_for(&self, group: String, after: Seq) -> Result<Vec<Quarantined>> {
        self.read(move |book| {
            let Some((kind, reason)) = book.group(&group)? else { return Ok(Vec::new()) };
            let pushes = book.tx().quarantined_for(
                PushGroup { kind: &kind, reason: reason.as_deref() },
                after,
                Page::SIZE,
            )?;
            Ok(pushes.into_iter().map(Quarantined::from).collect())
        })
        .await
    }

    /// Has what is quarantined for the reason that `group` names looked at again; how many. [`Code::NotFound`] where there is no such group.
    pub(crate) async fn examine_group(&self, group: String) -> Result<usize> {
        self.run(move |book| {
            let (kind, reason) = book.group(&group)?.ok_or_else(no_group)?;
            book.tx().release_quarantined_for(PushGroup { kind: &kind, reason: reason.as_deref() })
        })
        .await
    }

    /// Takes what is quarantined for the reason that `group` names out for good; their ids. [`Code::NotFound`] where there is no such group.
    pub(crate) async fn discard_push_group(&self, group: String) -> Result<Vec<String>> {
        let mut discarded = Vec::new();
        loop {
            let group = group.clone();
            let ids = self
                .run(move |book| {
                    let Some((kind, reason)) = book.group(&group)? else { return Ok(Vec::new()) };
                    let pushes = book.tx().quarantined_for(
                        PushGroup { kind: &kind, reason: reason.as_deref() },
                        0,
                        Page::SIZE,
                    )?;
                    let ids: Vec<_> = pushes.into_iter().map(|push| push.id).collect();
                    ids.iter().try_for_each(|id| book.remove_push(id))?;
                    Ok(ids)
                })
                .await?;
            match (ids.is_empty(), discarded.is_empty()) {
                (true, true) => return Err(no_group()),
                (true, false) => return Ok(discarded),
                (false, _) => discarded.extend(ids),
            }
        }
    }
}

impl Book<'_> {
    /// Keeps how an attempt of an entry ended: `refusal` is why it failed.
    pub(super) fn note_attempt(&self, seq: Seq, number: Fence, refusal: Option<&Refusal>) -> Result<()> {
        let attempt = AttemptRow {
            number,
            ended_at: self.wall.millis(),
            outcome: refusal.map_or(TAKEN, |refusal| &refusal.code).to_owned(),
            upstream: refusal.and_then(|refusal| refusal.upstream.clone()),
        };
        self.tx().note_attempt(seq, &attempt)
    }

    /// The kind and the reason, as the rows keep it, of the group of the quarantine that is named so.
    fn group(&self, name: &str) -> Result<Option<(String, Option<String>)>> {
        let reasons = self.tx().push_reasons()?.into_iter().map(|(kind, text, ..)| (kind, text));
        Ok(reasons.into_iter().find(|(kind, text)| group_name(kind, text.as_deref()) == name))
    }
}

/// Names the messages of one kind and reason.
fn group_name(kind: &str, text: Option<&str>) -> String {
    reason_name(Some(&format!("{kind} {}", text.unwrap_or_default())))
}

fn no_group() -> Error {
    Error::new(Code::NotFound, "nothing is left in quarantine for this reason")
}
