//! What is said of settings, their files, keys and certificates. Nothing of it keeps an event that could go.

use super::{Remark, Tone, act, words};
use crate::config::Trouble;
use crate::faces::ops::standing::Standing;
use crate::keys::dated::{self, LISTENER, Place};

/// A certificate is to be renewed from this many days before it expires.
const RENEW_DAYS: i64 = 30;

/// That the gateway is connected to nothing: then nothing flows, and nothing is in the way.
pub(super) fn unconnected(standing: &Standing) -> Option<Remark> {
    let Trouble { what, advice, fatal, .. } =
        standing.setting_troubles.iter().find(|trouble| trouble.is_unconnected())?;
    let why = what.split_once(": ").map_or(what.as_str(), |(_, why)| why);
    let tone = if *fatal { Tone::Act } else { Tone::Waits };
    Some(Remark {
        tone,
        text: words::sentence(&format!("Nothing is connected: {why}")),
        advice: words::sentence(advice),
    })
}

pub(super) fn settings(standing: &Standing, remarks: &mut Vec<Remark>) {
    let (fatal, odd): (Vec<_>, Vec<_>) = standing
        .setting_troubles
        .iter()
        .filter(|trouble| !trouble.is_unconnected())
        .partition(|trouble| trouble.fatal);
    // What is wrong with one setting is one thing to put right.
    let mut named: Vec<(&Trouble, String)> = Vec::new();
    for trouble in fatal.into_iter().filter(|trouble| !is_told(standing, trouble)) {
        match named
            .iter_mut()
            .find(|(one, _)| (&one.subject, &one.advice) == (&trouble.subject, &trouble.advice))
        {
            Some((_, what)) => what.push_str(&format!("; {}", trouble.what)),
            None => named.push((trouble, trouble.what.clone())),
        }
    }
    remarks.extend(named.into_iter().map(|(trouble, what)| {
        act(format!("Put right: {}: {what}.", trouble.short_subject()), &trouble.advice)
    }));
    if !odd.is_empty() {
        let carry = if odd.len() == 1 { "setting carries" } else { "settings carry" };
        remarks.push(Remark {
            tone: Tone::Waits,
            text: format!("{} {carry} a warning.", odd.len()),
            advice: "See the settings below. Nothing stops for it today.".to_owned(),
        });
    }
}

/// Whether another remark tells it: a key that events wait for, what a subscription lacks.
fn is_told(standing: &Standing, trouble: &Trouble) -> bool {
    let subject = trouble.subject.as_str();
    let lacks_subscription = || standing.hub.as_ref().is_some_and(|hub| !hub.unset.is_empty());
    (subject.starts_with("keys.") && !standing.lacking.is_empty())
        || (subject == "websub" && lacks_subscription())
}

pub(super) fn keys(standing: &Standing, remarks: &mut Vec<Remark>) {
    if standing.lacking.is_empty() {
        let fatal = standing.only_verify.iter();
        remarks.extend(fatal.map(|trouble| {
            act(format!("Put right: {}: {}.", trouble.short_subject(), trouble.what), &trouble.advice)
        }));
    }
    let public = standing.ring.example_keys().len();
    if public > 0 {
        let are = match public {
            1 => "development key is in use, whose private half is",
            _ => "development keys are in use, whose private halves are",
        };
        remarks.push(Remark {
            tone: Tone::Waits,
            text: format!("{public} {are} public."),
            advice:
                "Anybody can read what is sealed to them, and sign in their place. Use your own keys; outside production this may stay."
                    .to_owned(),
        });
    }
    // The key that was loaded before hides that its file is of no use.
    let (held_over, odd): (Vec<_>, Vec<_>) =
        standing.ring.troubles().iter().filter(|trouble| !trouble.fatal).partition(|trouble| trouble.refused);
    remarks.extend(held_over.into_iter().map(|trouble| {
        act(format!("Put right: {}: {}.", trouble.location.short(), trouble.what), &trouble.advice)
    }));
    let odd = odd.len();
    if odd > 0 {
        let are = if odd == 1 { "key file is not as it" } else { "key files are not as they" };
        remarks.push(Remark {
            tone: Tone::Waits,
            text: format!("{odd} {are} should be."),
            advice: "See the keys below. Nothing stops for it today.".to_owned(),
        });
    }
}

/// Of each file the certificate that ends it. The ring names expired keys, and knows nothing of listeners and settings.
pub(super) fn expiry(standing: &Standing, remarks: &mut Vec<Remark>) {
    for dated in dated::soonest(&standing.certificates, standing.now) {
        let Place { role, name, renew, .. } = &dated.place;
        let is_of_ring = dated.place.is_of_ring();
        let whose = match *role {
            LISTENER => format!("of listener {name}"),
            _ if is_of_ring => format!("of {name}"),
            _ => format!("in {name}"),
        };
        match dated.days_left(standing.now) {
            ..0 if !is_of_ring => {
                remarks.push(act(format!("Put right: the certificate {whose} has expired."), renew));
            }
            days @ 0..RENEW_DAYS => remarks.push(Remark {
                tone: Tone::Waits,
                text: format!("The certificate {whose} expires in {}.", words::days(days)),
                advice: words::sentence(renew),
            }),
            _ => {}
        }
    }
}
