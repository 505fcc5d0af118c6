//! Numbers, lengths and moments as a person reads them.

use std::time::Duration;

use bytesize::ByteSize;
use maud::{Markup, html};

use crate::clock::Timestamp;
use crate::faces::ops::decision::Done;
use crate::queue::ChannelStatus;
use crate::queue::channel::Flow;

/// `2026-11-24 14:05 UTC`
pub(in crate::faces::ops) fn moment(at: Timestamp) -> String {
    let iso = at.to_iso();
    let (date, time) = iso.split_once('T').unwrap_or_default();
    format!("{date} {} UTC", time.get(..5).unwrap_or_default())
}

/// [`moment`] in a table.
pub(in crate::faces::ops) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_iso()) { (moment(at)) } }
}

/// `2h 10m`: no finer than it matters.
pub(in crate::faces::ops) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let grain = match seconds {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    humantime::format_duration(Duration::from_secs(seconds - seconds % grain)).to_string()
}

/// `text` as a sentence: a capital and a full stop.
pub(in crate::faces::ops) fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(chars).chain(['.']).collect()
}

/// `3 events and 1 message wait`, from counts with their singular and plural. Where nothing waits, it is the first that does not.
pub(in crate::faces::ops) fn wait(counts: &[(u64, &str, &str)]) -> String {
    let all: u64 = counts.iter().map(|(count, ..)| count).sum();
    let named: Vec<String> = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    match all {
        0 => format!("No {} waits", counts.first().map_or("event", |(_, one, _)| one)),
        1 => format!("{} waits", named.join(" and ")),
        _ => format!("{} wait", named.join(" and ")),
    }
}

/// `text` in the middle of a sentence.
pub(in crate::faces::ops) fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(char::to_lowercase).into_iter().flatten().chain(chars).collect()
}

/// `120 a minute`, `30 an hour`
pub(super) fn rate(per_minute: f64) -> String {
    if per_minute >= 1.0 {
        format!("{per_minute:.0} a minute")
    } else {
        format!("{:.0} an hour", per_minute * 60.0)
    }
}

/// `3 events are on their way`
pub(in crate::faces::ops) fn under_way(events: u64) -> String {
    match events {
        1 => "1 event is on its way".to_owned(),
        _ => format!("{events} events are on their way"),
    }
}

/// How rows go that wait for these channels: as `flows` says, unless a person has to put something right first.
pub(in crate::faces::ops) fn going<'c>(
    channels: impl Iterator<Item = Option<&'c ChannelStatus>>,
    flows: &str,
) -> String {
    let (paused, flowing): (Vec<_>, Vec<_>) = channels
        .partition(|channel| channel.is_some_and(|channel| matches!(channel.flow, Flow::Paused { .. })));
    let until = "until a person puts right what pauses them: see the reason beside their host";
    match (paused.is_empty(), flowing.is_empty()) {
        (true, _) => flows.to_owned(),
        (false, true) => format!("These wait {until}. Then they go by themselves."),
        (false, false) => format!("Some of these wait {until}. The others go by themselves."),
    }
}

/// `3 events`
pub(in crate::faces::ops) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `3 attempts`
pub(super) fn attempts(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        _ => format!("{attempts} attempts"),
    }
}

/// `12 days`
pub(in crate::faces::ops) fn days(days: i64) -> String {
    match days {
        1 => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

/// `1.5 GiB`
pub(super) fn bytes(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// What has just been done.
pub(super) fn done(done: Done) -> String {
    match done {
        Done::Retried(1) => "1 event is tried again.".to_owned(),
        Done::Retried(events) => format!("{events} events are tried again."),
        Done::AllDiscarded(1) => "1 event is discarded. It will not go to MOSIP.".to_owned(),
        Done::AllDiscarded(events) => format!("{events} events are discarded. They will not go to MOSIP."),
        Done::Examined => "What is in quarantine is looked at again.".to_owned(),
        Done::Discarded => "The event is discarded. It will not go to MOSIP.".to_owned(),
        Done::MessagesDiscarded(1) | Done::MessageDiscarded => {
            "The message is discarded. The mediator will not see it.".to_owned()
        }
        Done::MessagesDiscarded(messages) => {
            format!("{messages} messages are discarded. The mediator will not see them.")
        }
        Done::RegistrationSettled => {
            "The registration is settled. What MOSIP still says of it is delivered.".to_owned()
        }
        Done::GapSettled => "The gap is settled. What is missing from now on is told again.".to_owned(),
        Done::Verified => "The message verifies now and goes to the mediator.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_no_finer_than_it_matters() {
        let of = |seconds| length(Duration::from_secs(seconds));
        assert_eq!(of(0), "0s");
        assert_eq!(of(61), "1m 1s");
        assert_eq!(of(3_600 + 61), "1h 1m");
        assert_eq!(of(86_400 + 3_600 + 61), "1day 1h");
    }

    #[test]
    fn a_sentence_begins_and_ends_as_one() {
        for text in ["the key is gone", "The key is gone."] {
            assert_eq!(sentence(text), "The key is gone.");
        }
    }

    #[test]
    fn a_moment_has_its_zone() {
        assert_eq!(moment(Timestamp::from_seconds(1_800_000_000)), "2027-01-15 08:00 UTC");
    }
}
