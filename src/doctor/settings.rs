//! The configuration: its problems, where each setting came from, URLs, and the files of listeners.

use http::Uri;

use super::Finding;
use crate::config::{Problem, Trouble};
use crate::destinations::{Lack, Url};
use crate::faces::FaceSettings as _;
use crate::gateway::listeners;
use crate::opencrvs::event::EventKind;
use crate::settings::Config;
use crate::upstream::{self, Client};

/// How the warnings of the start begin that [`lacks`] says setting by setting. Plain http is warned of URL by URL.
const IN_LACKS: [&str; 2] = ["IDA cannot be asked", "nothing is subscribed"];

/// What cannot be read.
pub(super) fn problems<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> impl Iterator<Item = Finding> {
    problems.into_iter().map(|Problem { source, path, what, advice }| {
        Finding::fail(format!("{source}: {path}"), what.clone(), advice.clone())
    })
}

/// What was read.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        config.origins.iter().map(|(path, origin)| origin_of(path, origin)).collect();
    findings.push(Finding::ok("defaults", "every setting that is not named has its default"));
    let urls = config.destinations.urls();
    let is_plain = urls.iter().any(|url| is_plain(url.url));
    let is_elsewhere = |sentence: &str| {
        IN_LACKS.iter().any(|begin| sentence.starts_with(begin))
            || (is_plain && sentence.contains("plain http"))
    };
    let warnings = config.warnings.iter().filter(|sentence| !is_elsewhere(sentence));
    findings.extend(warnings.map(|sentence| {
        Finding::warn("configuration", sentence.clone(), "remove the setting where that is not wanted")
    }));
    let unserved = listeners::troubles(config);
    findings.extend(config.troubles.iter().chain(&unserved).map(|trouble| {
        let level = if trouble.fatal { Finding::fail } else { Finding::warn };
        level(&trouble.subject, trouble.what.clone(), trouble.advice.clone())
    }));
    findings.extend(urls.into_iter().map(check_url));
    findings.extend(restart(config, std::env::var_os("LISTEN_FDS").is_some()));
    findings.extend(webhooks_lead_nowhere(config));
    if let Err(refusal) = Client::new(&config.upstream) {
        findings.push(Finding::fail("upstream.ca_file", refusal.detail(), refusal.advice()));
    }
    findings
}

/// What the destinations need and do not find.
pub(super) fn lacks(config: &Config) -> Vec<Finding> {
    let finding = |Lack { subject, what, advice }| Finding::fail(subject, what, advice);
    config.destinations.lacks().into_iter().map(finding).collect()
}

/// A gateway that is connected to nothing starts.
pub(super) fn connects_nothing(config: &Config) -> Option<Finding> {
    let Trouble { subject, what, advice, fatal } = config.connects_nothing()?;
    Some(if fatal { Finding::fail(subject, what, advice) } else { Finding::warn(subject, what, advice) })
}

/// The subject names the variable: a person who moves from an older system sees at once which of their variables counts.
fn origin_of(path: &str, origin: &str) -> Finding {
    match origin {
        "file" => Finding::ok(path, "set by the file"),
        own if own.starts_with("MOSIP_GATEWAY__") => {
            Finding::ok(format!("{path} (from {own})"), "set by our variable")
        }
        alias => Finding::ok(format!("{path} (from {alias})"), "set by a variable of an older system"),
    }
}

/// Others can read and change what goes there.
fn is_plain(url: &Uri) -> bool {
    url.scheme_str() == Some("http") && !upstream::is_loopback(url)
}

/// Path and query may hold keys, so neither is shown.
fn check_url(Url { setting, url, is_whole }: Url<'_>) -> Finding {
    let shown = upstream::redact(url);
    if is_plain(url) {
        let what = format!("{shown}: plain http off the loopback, where others can read and change it");
        return Finding::warn(setting, what, "use https");
    }
    if is_whole && url.path().trim_matches('/').is_empty() {
        return Finding::warn(
            setting,
            format!("{shown}: has no path"),
            "write the whole URL that is posted to",
        );
    }
    Finding::ok(setting, shown)
}

/// What OpenCRVS posts is kept until there is a URL that it goes to.
fn webhooks_lead_nowhere(config: &Config) -> Option<Finding> {
    let events = &config.destinations.mediator.events;
    let is_unset = |kind: &EventKind| !events.contains_key(kind.as_str());
    let unset: Vec<String> = [EventKind::Birth, EventKind::Death]
        .into_iter()
        .filter(is_unset)
        .map(|kind| format!("upstream.mediator.{kind}"))
        .collect();
    (config.faces.each.webhooks.is_on() && !unset.is_empty()).then(|| {
        Finding::warn(
            "faces.webhooks",
            format!(
                "OpenCRVS posts births and deaths, and {} is not set: what goes there stays in quarantine",
                unset.join(" and ")
            ),
            "set it, or subscribe to the topics alone that MOSIP is to hear of",
        )
    })
}

/// OpenCRVS tries a refused connection three times at once, and then never again.
fn restart(config: &Config, has_socket: bool) -> Option<Finding> {
    (config.faces.each.webhooks.is_on() && !has_socket).then(|| {
        Finding::warn(
            "faces.webhooks",
            "a restart refuses connections unless systemd holds the socket, and OpenCRVS gives a webhook up after three tries at once",
            "install deploy/mosip-gateway.socket, which holds it, or run a second gateway",
        )
    })
}
