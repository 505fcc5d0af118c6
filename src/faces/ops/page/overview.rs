//! What the page shows beside the lists: figures, MOSIP, keys.

use maud::{Markup, html};

use super::lists::reason;
use super::{section, table, words};
use crate::config::Trouble;
use crate::destinations::delivery::Delivery;
use crate::destinations::ida::Records;
use crate::destinations::{Listed, Rows};
use crate::faces::Switch;
use crate::faces::ops::standing::Standing;
use crate::keys::dated::{AUTHORITY, CLIENT, OWN, PEER, TRUSTED};
use crate::ledger::Neighbour;
use crate::ledger::entry::State;
use crate::queue::ChannelStatus;
use crate::queue::channel::Flow;
use crate::store::Queue;

/// Which rate is meant.
const OVER: &str = "Rates, and the time until none waits, are those of the last 5 minutes.";

/// The numbers at a glance.
pub(super) fn figures(standing: &Standing) -> Markup {
    let Some(stored) = &standing.stored else { return Markup::default() };
    let of_entries = standing.rows.iter().filter(|rows| rows.queue == Queue::Entries);
    let reached = of_entries.filter_map(|rows| {
        let waiting = standing.count_for(rows.destination, &State::WAITING);
        let taken = standing.count_for(rows.destination, &[State::Done]);
        let is_used = waiting + taken > 0 || standing.goes_to(rows.destination);
        is_used.then_some((rows, waiting, taken))
    });
    let left = standing.disk_left.map_or_else(|| "unknown".to_owned(), words::bytes);
    let (quarantined, quarantined_bytes) = stored.quarantined();
    let figure = |name: &str, value: String, note: String| {
        html! { div { dt { (name) } dd { (value) @if !note.is_empty() { " " small { (note) } } } } }
    };
    let oldest = |rows: &Rows| {
        let age = standing.oldest_for(rows);
        age.map_or_else(String::new, |age| format!("the oldest for {}", words::length(age)))
    };
    html! {
        dl {
            @for (rows, waiting, taken) in reached {
                (figure(&format!("Waiting for {}", rows.system), waiting.to_string(), oldest(rows)))
                (figure(&format!("Taken by {}", rows.system), taken.to_string(), String::new()))
            }
            (figure("Parked", standing.count(State::Parked).to_string(), String::new()))
            (figure("Discarded", standing.count(State::Discarded).to_string(), String::new()))
            (figure("In quarantine", quarantined.to_string(), match quarantined {
                0 => String::new(),
                _ => words::bytes(quarantined_bytes),
            }))
            (figure("For the mediator", stored.deliveries.to_string(), oldest(&Delivery::ROWS)))
            @if stored.jobs.jobs > 0 {
                (figure("Records for IDA", stored.records_waiting().to_string(), match stored.jobs.jobs {
                    1 => "of 1 job".to_owned(),
                    jobs => format!("of {jobs} jobs"),
                } + ", " + &oldest(&Records::ROWS)))
            }
            (figure("Disk left", left, format!("{} used", words::bytes(standing.disk_used))))
        }
    }
}

/// The health of every upstream URL.
pub(super) fn channels(standing: &Standing) -> Markup {
    let rows = standing.channels.iter().map(|channel| {
        let (refused, lacks) = (standing.refused(channel), standing.lacks_key(channel));
        let state = match &channel.flow {
            Flow::Open if channel.is_failing() => {
                html! { span.waits { "No usable answer since " (words::time(standing.stopped_at(channel))) } }
            }
            Flow::Open if refused.is_some() => html! { span.act { "Refuses" } },
            Flow::Open if lacks.is_some() => html! { span.act { "Lacks a key" } },
            Flow::Open => html! { span.flows { "Flows" } },
            Flow::Broken { .. } => html! { span.waits { "Away since " (words::time(standing.stopped_at(channel))) } },
            Flow::Paused { .. } => html! { span.act { "Paused since " (words::time(standing.stopped_at(channel))) } },
        };
        let why = match &channel.flow {
            Flow::Open => html! {
                (reason(standing.unanswered(channel).or(refused)))
                @if let Some(lacks) = lacks { (words::sentence(lacks.detail())) " " (words::sentence(lacks.advice())) }
            },
            Flow::Broken { until } => html! {
                (reason(standing.unanswered(channel))) "No usable answer to ten attempts in a row. Next try in " (words::length(standing.until(*until))) "."
            },
            Flow::Paused { reason, probe_at } => html! {
                (words::sentence(reason.detail())) " " (words::sentence(reason.advice())) " Next try in " (words::length(standing.until(*probe_at))) "."
            },
        };
        let what = match channel.queue {
            Queue::Entries => channel.kinds.join(", "),
            Queue::Records => "records of jobs, to IDA".to_owned(),
            Queue::Deliveries => "messages, to the mediator".to_owned(),
        };
        let waiting = html! {
            (standing.waiting(channel))
            @if let Some(left) = standing.drained_in(channel) { " " small { "none in about " (words::length(left)) } }
        };
        let taken = html! {
            (last_taken(channel))
            @if let Some(rate) = channel.per_minute { " " small { (words::rate(rate)) } }
        };
        let system = standing.system(&channel.destination);
        vec![html! { (what) }, html! { (system) }, html! { (channel.host_to_look_at()) }, state, waiting, taken, why]
    });
    section(
        "channels",
        "MOSIP, OpenCRVS, the mediator and other ID systems",
        html! {
            (table("channels", &["What", "Destination", "Host", "State", "Waiting", "Last taken", "Reason"], rows))
            @if standing.channels.iter().any(|channel| channel.per_minute.is_some()) { p { small { (OVER) } } }
        },
    )
}

/// When `channel` last took something.
fn last_taken(channel: &ChannelStatus) -> Markup {
    channel.last_success.map_or_else(|| html! { "nothing yet" }, words::time)
}

/// How fast `channel` takes what waits for it, in a sentence.
pub(super) fn pace(standing: &Standing, channel: &ChannelStatus) -> Markup {
    html! {
        (channel.host) " last took something: " (last_taken(channel))
        @if let Some(rate) = channel.per_minute { ", " (words::rate(rate)) }
        ". "
        (words::wait(&[(standing.waiting(channel), "event", "events")])) "."
        @if let Some(left) = standing.drained_in(channel) { " None waits in about " (words::length(left)) "." }
        @if channel.per_minute.is_some() { " " small { (OVER) } }
    }
}

/// The gateways that share the database. Nothing where one alone may have it open.
pub(super) fn gateways(standing: &Standing) -> Markup {
    let gateways = standing.stored.as_ref().map_or(&[][..], |stored| &stored.gateways);
    if gateways.is_empty() {
        return Markup::default();
    }
    let rows = gateways.iter().map(|Neighbour { host, version, seen, keys, is_this, holds }| {
        let which = html! { (host) @if *is_this { " " small { "this one" } } };
        vec![
            which,
            html! { (version) },
            html! { (words::length(*seen)) " ago" },
            html! { (holds.join(", ")) },
            html! { (keys) },
        ]
    });
    section(
        "gateways",
        "Gateways",
        table(
            "gateways",
            &["Host", "Version", "Last heard of", "Looks after", "Outbox keys, the first seals"],
            rows,
        ),
    )
}

/// The listeners, and the faces that stand in for older systems.
pub(super) fn listeners(standing: &Standing) -> Markup {
    let rows = standing.listeners.iter().map(|listener| {
        let tls = if listener.has_tls { "TLS" } else { "no TLS" };
        vec![html! { (listener.name) }, html! { (tls) }]
    });
    let shown = |Switch { name, setting, is_on }: &Switch| {
        format!("/{name} {} ({setting})", if *is_on { "on" } else { "off" })
    };
    let faces: Vec<String> = standing.faces.iter().map(shown).collect();
    section(
        "listeners",
        "Listeners",
        html! {
            (table("listeners", &["Listener", "Transport"], rows))
            p { "In place of older systems: " (faces.join(", ")) "." }
        },
    )
}

/// Keys and certificates with their days.
pub(super) fn keys(standing: &Standing) -> Markup {
    let rows = standing.certificates.iter().map(|dated| {
        let days = dated.days_left(standing.now);
        let left = match days {
            ..0 => html! { span.act { "expired" } },
            _ if dated.stage(standing.now).is_some() => html! { span.waits { (words::days(days)) } },
            _ => html! { (words::days(days)) },
        };
        let role = match dated.place.role {
            OWN | PEER if dated.number > 1 => format!("issuer of {}", dated.place.name),
            OWN => "ours".to_owned(),
            PEER => "theirs".to_owned(),
            TRUSTED | AUTHORITY => "trusted by a setting".to_owned(),
            CLIENT => "shown to servers".to_owned(),
            _ => "of a listener".to_owned(),
        };
        let name = html! { (dated.place.name) @if dated.number > 1 { " " small { (dated.whose) } } };
        vec![name, html! { (role) }, left, words::time(dated.dates.not_after)]
    });
    let retiring = standing.ring.retiring().map(|key| {
        let (name, until) = (key.called(), words::time(key.until));
        html! {
            li {
                @if key.is_replaced {
                    "The former key of " (name) " was replaced. It decrypts until " (until) " or a restart, and signs no more."
                } @else {
                    "The file of " (name) " is missing or broken. Its key is used as before until " (until) " or a restart, and is gone then: put the file back."
                }
            }
        }
    });
    section(
        "keys",
        "Keys",
        html! {
            (table("keys", &["Certificate", "Whose", "Days left", "Valid until"], rows))
            (troubles(standing.key_troubles().chain(standing.example_keys())))
            @if standing.ring.retiring().next().is_some() {
                ul { @for line in retiring { (line) } }
            }
        },
    )
}

/// Settings that are not as they should be. Nothing where all are in order.
pub(super) fn settings(standing: &Standing) -> Markup {
    let mut all = standing.of_settings().peekable();
    if all.peek().is_none() {
        return Markup::default();
    }
    section("settings", "Settings", troubles(all))
}

/// One line for each.
fn troubles(all: impl Iterator<Item = Trouble>) -> Markup {
    let lines: Vec<String> = all
        .map(|trouble| format!("{}: {}; {}.", trouble.short_subject(), trouble.what, trouble.advice))
        .collect();
    html! {
        @if !lines.is_empty() {
            ul { @for line in lines { li { (line) } } }
        }
    }
}
