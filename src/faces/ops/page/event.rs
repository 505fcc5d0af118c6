//! One event: where it stands, how often it was tried, why it failed, and what can be done about it.

use maud::{Markup, html};

use super::lists::{DISCARD, RETRY, SETTLE, event, reason, said};
use super::{Forms, event_address, overview, section, table, words};
use crate::destinations::Rows;
use crate::faces::ops::standing::Standing;
use crate::ledger::entry::{Entry, State};
use crate::ledger::{Answer, Attempt};

/// All that is known of one event.
pub(super) struct Event {
    pub(super) entry: Entry,
    /// How its last attempts ended, in order.
    pub(super) attempts: Vec<Attempt>,
    /// What came of it at MOSIP.
    pub(super) answer: Option<Answer>,
}

/// The event with its decision.
pub(super) fn render(event: &Event, standing: &Standing, forms: &Forms) -> Markup {
    let Event { entry, attempts, answer } = event;
    let due = standing.until(entry.next_at);
    let next = match entry.state {
        State::Queued if due.as_secs() > 0 => format!("in {}", words::length(due)),
        State::Queued => "when its turn comes".to_owned(),
        State::Leased => "under way now".to_owned(),
        State::Parked => "after a decision".to_owned(),
        _ => "never: it is settled".to_owned(),
    };
    let system = Rows::system(&entry.destination);
    let row = |head: &str, value: Markup| vec![html! { (head) }, value];
    let mut rows = vec![
        row("State", html! { (entry.state.as_str()) }),
        row("What it is", html! { (entry.kind) ", to " (system) }),
        row("Accepted", words::time(entry.accepted_at)),
        row("Attempts", html! { (entry.attempts) }),
        row("Next attempt", html! { (next) }),
    ];
    if entry.refusal.is_some() {
        rows.push(row("Last attempt", reason(entry.refusal.as_ref())));
    }
    if let Some(reason) = &entry.discarded_for {
        rows.push(row("Discarded because", html! { (reason) }));
    }
    if let Some(channel) = standing.channel_of(entry) {
        rows.push(row("Its way", overview::pace(standing, channel)));
    }
    if let Some(answer) = answer {
        rows.push(row(
            "Outcome at MOSIP",
            html! { (answer.outcome) ", " (answer.details.at) ". " (said(&answer.details)) },
        ));
    }
    section(
        "event",
        &format!("Event {}", entry.id),
        html! {
            (table("event", &["", "Value"], rows))
            (tried(attempts))
            @if matches!(entry.state, State::Queued | State::Parked) {
                (forms.form(&format!("event:{}", entry.id), &[RETRY, DISCARD]))
            }
            @if answer.as_ref().is_some_and(|answer| answer.is_overdue) {
                (forms.form(&format!("unanswered:{}", entry.id), &[SETTLE]))
            }
        },
    )
}

/// The last attempts, the newest first.
fn tried(attempts: &[Attempt]) -> Markup {
    let rows = attempts.iter().rev().map(|attempt| {
        vec![
            html! { (attempt.attempt) },
            words::time(attempt.at),
            html! {
                (attempt.outcome)
                @if let Some(upstream) = &attempt.upstream { " " small { (upstream) } }
            },
        ]
    });
    html! {
        @if !attempts.is_empty() {
            (section("attempts", "Attempts that ended", table("attempts", &["Attempt", "Ended", "Outcome"], rows)))
        }
    }
}

/// The form that looks for an event.
pub(super) fn search() -> Markup {
    section(
        "find",
        "Find an event",
        html! {
            form method="post" action="?" {
                label {
                    span { "Id, registration number, tracking id or application id" }
                    input name="find" required maxlength="200" autocomplete="off" autofocus;
                }
                div { button { "Find" } }
            }
        },
    )
}

/// Several events of one name.
pub(super) fn found(entries: &[Entry]) -> Markup {
    let rows = entries.iter().map(|entry| {
        vec![
            html! { a href=(event_address(&entry.id)) { (event(entry)) } },
            words::time(entry.accepted_at),
            html! { (entry.state.as_str()) },
        ]
    });
    section(
        "found",
        &format!("Events of this name: {}", entries.len()),
        table("found", &["Event", "Accepted", "State"], rows),
    )
}
