//! What is parked, in quarantine and queued, with reason and advice, and what can be done about it.

use maud::{Markup, html};
use serde::Deserialize;

use super::{Forms, section, table, words};
use crate::error::{Fault, Result};
use crate::faces::ops::standing::{Standing, since};
use crate::ledger::entry::{Entry, Refusal, State};
use crate::ledger::{Filter, Ledger, Page, Quarantined};

/// Rows of each list beside the others.
const GLANCE: usize = 10;

const RETRY: (&str, &str) = ("retry", "Try again");
const DISCARD: (&str, &str) = ("discard", "Discard");
const VERIFY: (&str, &str) = ("verify", "Try again");

/// One list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum List {
    Parked,
    Quarantine,
    Queued,
}

impl List {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Quarantine => "quarantine",
            Self::Queued => "queued",
        }
    }

    /// Where it goes on after `cursor`.
    pub(super) fn address(self, cursor: i64) -> String {
        format!("?list={}&after={cursor}", self.as_str())
    }
}

/// The lists of one page.
#[derive(Default)]
pub(super) struct Lists {
    parked: Part<Entry>,
    quarantine: Part<Quarantined>,
    queued: Part<Entry>,
}

/// As much of a list as is shown.
struct Part<T> {
    rows: Vec<T>,
    /// Where the rest is.
    rest: Option<String>,
}

impl Lists {
    /// The beginning of each list, or of `only` a whole page after the cursor.
    pub(super) async fn load(ledger: &Ledger, only: Option<List>, after: i64) -> Result<Self> {
        let mut lists = Self::default();
        let wanted = |list| only.is_none_or(|only| only == list);
        for (list, state, part) in [
            (List::Parked, State::Parked, &mut lists.parked),
            (List::Queued, State::Queued, &mut lists.queued),
        ] {
            if wanted(list) {
                let Page { entries, next } =
                    ledger.entries(Filter { state: Some(state), fault: None, after }).await?;
                *part = Part::of(entries, next, list, only.is_none());
            }
        }
        if wanted(List::Quarantine) {
            let pushes = ledger.quarantined(after).await?;
            let next = pushes.last().map(|push| push.seq).filter(|_| pushes.len() == Page::SIZE);
            lists.quarantine = Part::of(pushes, next, List::Quarantine, only.is_none());
        }
        Ok(lists)
    }

    /// Whether an event is in the queue again after an attempt that failed.
    pub(super) fn has_refused(&self) -> bool {
        self.queued.rows.iter().any(|entry| entry.refusal.is_some())
    }

    pub(super) fn render(&self, standing: &Standing, forms: &Forms, only: Option<List>) -> Markup {
        html! {
            @match only {
                Some(List::Parked) => (self.parked(standing, forms)),
                Some(List::Quarantine) => (self.quarantine(forms)),
                Some(List::Queued) => (self.queued(standing, forms)),
                None => {
                    @if !self.parked.rows.is_empty() { (self.parked(standing, forms)) }
                    @if !self.quarantine.rows.is_empty() { (self.quarantine(forms)) }
                    (self.queued(standing, forms))
                }
            }
        }
    }

    fn parked(&self, standing: &Standing, forms: &Forms) -> Markup {
        let faults: Vec<Fault> = Fault::ALL
            .into_iter()
            .filter(|fault| self.parked.rows.iter().filter_map(fault_of).any(|of| of == fault.as_str()))
            .collect();
        let rows = self.parked.rows.iter().map(|entry| {
            vec![
                event(entry),
                words::time(entry.accepted_at),
                reason(entry.refusal.as_ref()),
                forms.folded("Decide", &format!("event:{}", entry.id), &[RETRY, DISCARD]),
            ]
        });
        section(
            "parked",
            &format!("Parked: {}", standing.count(State::Parked)),
            html! {
                p { "These cannot go as they are." }
                @for fault in faults {
                    @let summary = format!("Try all again that are parked by the fault “{}”", fault.as_str());
                    (forms.folded(&summary, &format!("fault:{}", fault.as_str()), &[RETRY]))
                }
                (self.parked.table("parked", &["Event", "Accepted", "Reason", "Decision"], rows))
            },
        )
    }

    fn quarantine(&self, forms: &Forms) -> Markup {
        let rows = self.quarantine.rows.iter().map(|push| {
            vec![
                html! { code { (push.id) } " " small { (push.kind) ", " (words::bytes(push.bytes)) } },
                words::time(push.received_at),
                reason(push.refusal.as_ref()),
                forms.folded("Decide", &format!("message:{}", push.id), &[VERIFY, DISCARD]),
            ]
        });
        section(
            "quarantine",
            "In quarantine",
            html! {
                p {
                    "What MOSIP sent and does not verify; the mediator has not seen it. And webhooks of OpenCRVS that are no events yet; "
                    "MOSIP has not seen them."
                }
                (self.quarantine.table("quarantine", &["Message", "Received", "Reason", "Decision"], rows))
            },
        )
    }

    fn queued(&self, standing: &Standing, forms: &Forms) -> Markup {
        let rows = self.queued.rows.iter().map(|entry| {
            let due = standing.until(entry.next_at);
            let waited = words::length(since(entry.accepted_at, standing.now));
            vec![
                event(entry),
                html! { (words::time(entry.accepted_at)) " " small { (waited) " ago" } },
                html! {
                    (reason(entry.refusal.as_ref()))
                    @if entry.attempts > 0 { small { (words::attempts(entry.attempts)) ". " } }
                    @if due.as_secs() > 0 { small { "Next try in " (words::length(due)) "." } }
                },
                forms.folded("Decide", &format!("event:{}", entry.id), &[RETRY, DISCARD]),
            ]
        });
        section(
            "queued",
            &format!("Queued: {}", standing.count(State::Queued)),
            html! {
                @if self.queued.rows.is_empty() {
                    p { "No event waits here." }
                } @else {
                    p { "These go by themselves, oldest first." }
                    (self.queued.table("queued", &["Event", "Accepted", "Last attempt", "Decision"], rows))
                }
            },
        )
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), rest: None }
    }
}

impl<T> Part<T> {
    /// `glance`: a few rows, and the whole list elsewhere.
    fn of(mut rows: Vec<T>, next: Option<i64>, list: List, glance: bool) -> Self {
        let rest = match glance {
            true => (rows.len() > GLANCE).then(|| list.address(0)),
            false => next.map(|cursor| list.address(cursor)),
        };
        if glance {
            rows.truncate(GLANCE);
        }
        Self { rows, rest }
    }

    fn table(&self, id: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
        html! {
            (table(id, heads, rows))
            @if let Some(rest) = &self.rest { nav { a href=(rest) { "More of them" } } }
        }
    }
}

fn event(entry: &Entry) -> Markup {
    html! { code { (entry.id) } " " small { (entry.kind) } }
}

fn reason(refusal: Option<&Refusal>) -> Markup {
    html! {
        @if let Some(refusal) = refusal {
            strong { (words::sentence(&refusal.detail)) } " " (words::sentence(&refusal.advice)) " "
            small { "Fault: " (refusal.fault) ", code: " (refusal.code) ". " }
        }
    }
}

fn fault_of(entry: &Entry) -> Option<&str> {
    entry.refusal.as_ref().map(|refusal| refusal.fault.as_str())
}
