//! What is parked, in quarantine and queued, with reason and advice, and what can be done about it.

use maud::{Markup, html};
use serde::Deserialize;

use super::{Forms, event_address, section, table, words};
use crate::error::{Error, Fault, Result};
use crate::faces::App;
use crate::faces::ops::hub;
use crate::faces::ops::standing::{Standing, since};
use crate::ledger::entry::{Entry, Refusal, State};
use crate::ledger::{AnswerDetails, Filter, Group, Page, Quarantined, Unanswered};

/// Rows of each list beside the others.
const GLANCE: usize = 10;

pub(super) const RETRY: (&str, &str) = ("retry", "Try again");
pub(super) const DISCARD: (&str, &str) = ("discard", "Discard");
pub(super) const SETTLE: (&str, &str) = ("settle", "Settled with MOSIP");
const PARKED: &str = "These cannot go as they are.";
const QUARANTINE: &str = "What MOSIP sent and does not verify; the mediator has not seen it. And webhooks of OpenCRVS that are no events yet; \
                          MOSIP has not seen them.";

const UNANSWERED: &str = "MOSIP has not answered these within websub.expect_within. Settle one here once you know from MOSIP what becomes of it; what MOSIP still says of it is delivered all the same.";

const VERIFY: (&str, &str) = ("verify", "Try again");

/// One list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::faces::ops) enum List {
    Parked,
    Quarantine,
    Queued,
    Unanswered,
    /// The topics of MOSIP's hub, with what may be missing.
    Hub,
}

impl List {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Quarantine => "quarantine",
            Self::Queued => "queued",
            Self::Unanswered => "unanswered",
            Self::Hub => "hub",
        }
    }

    /// Where it goes on after `cursor`, of `group` alone if there is one.
    pub(in crate::faces::ops) fn address(self, cursor: i64, group: Option<&str>) -> String {
        let of = group.map_or_else(String::new, |group| format!("&reason={group}"));
        format!("?list={}&after={cursor}{of}", self.as_str())
    }
}

/// The lists of one page.
#[derive(Default)]
pub(super) struct Lists {
    /// Of what is parked or in quarantine that for this reason.
    group: Option<String>,
    parked_groups: Vec<Group>,
    quarantine_groups: Vec<(String, Group)>,
    parked: Part<Entry>,
    quarantine: Part<Quarantined>,
    queued: Part<Entry>,
    unanswered: Part<Unanswered>,
}

/// As much of a list as is shown.
struct Part<T> {
    rows: Vec<T>,
    /// Where the rest is.
    rest: Option<String>,
}

impl Lists {
    /// The reasons and the beginning of the queue, or of `only` a whole page after the cursor, of `group` alone if there is one.
    pub(super) async fn load(
        app: &App,
        only: Option<List>,
        after: i64,
        group: Option<String>,
    ) -> Result<Self> {
        let ledger = app.ledger();
        let mut lists = Self { group, ..Self::default() };
        let entries = async |state, group| {
            let mut page = ledger.entries(Filter { state: Some(state), fault: None, group, after }).await?;
            page.entries = page.entries.into_iter().map(|entry| app.engine().timed(entry)).collect();
            Ok::<_, Error>(page)
        };
        if matches!(only, None | Some(List::Parked)) {
            lists.parked_groups = ledger.parked_groups().await?;
        }
        if matches!(only, None | Some(List::Quarantine)) {
            lists.quarantine_groups = ledger.quarantine_groups().await?;
        }
        if only == Some(List::Parked) {
            let Page { entries, next } = entries(State::Parked, lists.group.clone()).await?;
            lists.parked = Part::of(entries, next, List::Parked, lists.group.as_deref());
        }
        if only == Some(List::Quarantine) {
            let pushes = match &lists.group {
                Some(group) => ledger.quarantined_for(group.clone(), after).await?,
                None => ledger.quarantined(after).await?,
            };
            let next = pushes.last().map(|push| push.seq).filter(|_| pushes.len() == Page::SIZE);
            lists.quarantine = Part::of(pushes, next, List::Quarantine, lists.group.as_deref());
        }
        if only == Some(List::Unanswered) {
            let rows = ledger.unanswered_after(after).await?;
            let next = rows.last().map(|last| last.seq).filter(|_| rows.len() == Page::SIZE);
            lists.unanswered = Part::of(rows, next, List::Unanswered, None);
        }
        if matches!(only, None | Some(List::Queued)) {
            let Page { entries, next } = entries(State::Queued, None).await?;
            lists.queued = Part::of(entries, next, List::Queued, None);
            if only.is_none() {
                lists.queued.shorten(List::Queued);
            }
        }
        Ok(lists)
    }

    /// What needs a decision, by its reason, and the beginning of the queue. Nothing here is a form: it is loaded again by itself.
    pub(super) fn overview(&self, standing: &Standing) -> Markup {
        let parked = self.parked_groups.iter().map(|group| {
            let address = List::Parked.address(0, group.refusal.as_ref().map(|_| group.name.as_str()));
            vec![
                html! { (words::counted(group.rows, "event", "events")) },
                reason(group.refusal.as_ref()),
                html! { a href=(address) { "Show and decide" } },
            ]
        });
        let quarantined = self.quarantine_groups.iter().map(|(kind, group)| {
            vec![
                html! { (words::counted(group.rows, "message", "messages")) " " small { (kind) } },
                reason(group.refusal.as_ref()),
                html! { a href=(List::Quarantine.address(0, Some(&group.name))) { "Show and decide" } },
            ]
        });
        html! {
            @if !self.parked_groups.is_empty() {
                (section("parked", &parked_heading(standing), html! {
                    p { (PARKED) }
                    (table("parked", &["How many", "Reason", "Decision"], parked))
                }))
            }
            @if !self.quarantine_groups.is_empty() {
                (section("quarantine", "In quarantine", html! {
                    p { (QUARANTINE) }
                    (table("quarantine", &["How many", "Reason", "Decision"], quarantined))
                }))
            }
            @if let Some(stored) = standing.stored.as_ref().filter(|stored| stored.silent > 0) {
                (section("unanswered", &unanswered_heading(stored.silent), html! {
                    p { (UNANSWERED) }
                    p { a href=(List::Unanswered.address(0, None)) { "Show and decide" } }
                }))
            }
            (self.queued(standing))
        }
    }

    /// One list, with forms.
    pub(super) fn render(&self, standing: &Standing, forms: &Forms, only: Option<List>) -> Markup {
        match only {
            Some(List::Parked) => self.parked(standing, forms),
            Some(List::Quarantine) => self.quarantine(forms),
            Some(List::Queued) => self.queued(standing),
            Some(List::Unanswered) => self.unanswered(standing, forms),
            Some(List::Hub) => hub::render(standing, Some(forms)),
            None => Markup::default(),
        }
    }

    fn parked(&self, standing: &Standing, forms: &Forms) -> Markup {
        let of_one_reason = self.group.as_ref();
        let group =
            of_one_reason.and_then(|name| self.parked_groups.iter().find(|group| group.name == *name));
        let faults = Fault::ALL.into_iter().filter(|fault| {
            let is_of = |group: &Group| group.refusal.as_ref().is_some_and(|refusal| refusal.fault == *fault);
            of_one_reason.is_none() && self.parked_groups.iter().any(is_of)
        });
        let rows = self.parked.rows.iter().map(|entry| {
            vec![
                event(entry),
                html! { (words::time(entry.accepted_at)) " " small { (words::attempts(entry.attempts)) } },
                reason(entry.refusal.as_ref()),
                forms.folded("Decide", &format!("event:{}", entry.id), &[RETRY, DISCARD]),
            ]
        });
        let heading = group.map_or_else(
            || parked_heading(standing),
            |group| format!("Parked for one reason: {}", group.rows),
        );
        section(
            "parked",
            &heading,
            html! {
                p { (PARKED) }
                @if let Some(group) = group {
                    @let summary = format!("Decide about all {} at once", group.rows);
                    (forms.folded(&summary, &format!("reason:{}", group.name), &[RETRY, DISCARD]))
                }
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
        let group = self.group.as_ref();
        let group = group.and_then(|name| {
            self.quarantine_groups.iter().map(|(_, group)| group).find(|it| it.name == *name)
        });
        let heading = group.map_or_else(
            || "In quarantine".to_owned(),
            |group| format!("In quarantine for one reason: {}", group.rows),
        );
        section(
            "quarantine",
            &heading,
            html! {
                p { (QUARANTINE) }
                @if let Some(group) = group {
                    @let summary = format!("Decide about all {} at once", group.rows);
                    (forms.folded(&summary, &format!("quarantine:{}", group.name), &[VERIFY, DISCARD]))
                } @else if !self.quarantine.rows.is_empty() {
                    (forms.folded("Try all again", "quarantine:all", &[VERIFY]))
                }
                (self.quarantine.table("quarantine", &["Message", "Received", "Reason", "Decision"], rows))
            },
        )
    }

    fn unanswered(&self, standing: &Standing, forms: &Forms) -> Markup {
        let rows = self.unanswered.rows.iter().map(|Unanswered { id, answer, .. }| {
            vec![
                html! { code { (id) } },
                html! { (answer.details.at) },
                html! { (answer.outcome) ". " (said(&answer.details)) },
                forms.folded("Decide", &format!("unanswered:{id}"), &[SETTLE]),
            ]
        });
        let silent = standing.stored.as_ref().map_or(0, |stored| stored.silent);
        section(
            "unanswered",
            &unanswered_heading(silent),
            html! {
                p { (UNANSWERED) }
                (self.unanswered.table("unanswered", &["Event", "Since", "Outcome at MOSIP", "Decision"], rows))
            },
        )
    }

    fn queued(&self, standing: &Standing) -> Markup {
        let rows = self.queued.rows.iter().map(|entry| {
            let due = standing.until(entry.next_at);
            let waited = words::length(since(entry.accepted_at, standing.now));
            vec![
                html! { a href=(event_address(&entry.id)) { (event(entry)) } },
                html! { (words::time(entry.accepted_at)) " " small { (waited) " ago" } },
                html! {
                    (reason(entry.refusal.as_ref()))
                    @if entry.attempts > 0 { small { (words::attempts(entry.attempts)) ". " } }
                    @if due.as_secs() > 0 { small { "Next try in " (words::length(due)) "." } }
                },
            ]
        });
        let ways = self.queued.rows.iter().map(|entry| standing.channel_of(entry));
        section(
            "queued",
            &format!("Queued: {}", standing.count(State::Queued)),
            html! {
                @if self.queued.rows.is_empty() {
                    p { "No event waits here." }
                } @else {
                    p { (words::going(ways, "These go by themselves, oldest first.")) }
                    (self.queued.table("queued", &["Event", "Accepted", "Last attempt"], rows))
                }
            },
        )
    }
}

fn unanswered_heading(silent: u64) -> String {
    format!("Registrations without an answer: {silent}")
}

/// What MOSIP said of a registration, what the registrar can do, and why a person settled it.
pub(super) fn said(details: &AnswerDetails) -> String {
    let AnswerDetails { reason, advice, settled_for, .. } = details;
    let settled_for = settled_for.as_ref().map(|reason| format!("Settled because: {reason}"));
    let said = [reason.as_deref(), advice.as_deref(), settled_for.as_deref()];
    let said: Vec<_> = said.into_iter().flatten().map(words::sentence).collect();
    said.join(" ")
}

fn parked_heading(standing: &Standing) -> String {
    format!("Parked: {}", standing.count(State::Parked))
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), rest: None }
    }
}

impl<T> Part<T> {
    fn of(rows: Vec<T>, next: Option<i64>, list: List, group: Option<&str>) -> Self {
        Self { rows, rest: next.map(|cursor| list.address(cursor, group)) }
    }

    /// A few rows, and the whole list elsewhere.
    fn shorten(&mut self, list: List) {
        if self.rows.len() > GLANCE {
            self.rows.truncate(GLANCE);
            self.rest = Some(list.address(0, None));
        }
    }

    fn table(&self, id: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
        html! {
            (table(id, heads, rows))
            @if let Some(rest) = &self.rest { nav { a href=(rest) { "More of them" } } }
        }
    }
}

pub(super) fn event(entry: &Entry) -> Markup {
    html! { code { (entry.id) } " " small { (entry.kind) } }
}

pub(in crate::faces::ops) fn reason(refusal: Option<&Refusal>) -> Markup {
    html! {
        @if let Some(refusal) = refusal {
            strong { (words::sentence(&refusal.detail)) } " " (words::sentence(&refusal.advice)) " "
            small { "Fault: " (refusal.fault.as_str()) ", code: " (refusal.code) ". " }
        }
    }
}
