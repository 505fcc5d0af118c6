//! The configuration: its problems, where each setting came from, URLs, and the files of listeners.

use http::Uri;

use super::Finding;
use crate::config::{Config, Problem};
use crate::upstream::{self, Client};

/// What cannot be read.
pub(super) fn problems<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> impl Iterator<Item = Finding> {
    problems.into_iter().map(|Problem { source, path, what, advice }| {
        Finding::fail(format!("{source}: {path}"), what.clone(), advice.clone())
    })
}

/// What was read.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        config.origins.iter().map(|(path, origin)| Finding::ok(path, source(origin))).collect();
    findings.push(Finding::ok("configuration", "every other setting has its default"));
    findings.extend(config.warnings.iter().map(|sentence| {
        Finding::warn("configuration", sentence.clone(), "remove the setting where that is not wanted")
    }));
    findings.extend(urls(config));
    findings.extend(restart(config, std::env::var_os("LISTEN_FDS").is_some()));
    if let Err(refusal) = Client::new(&config.upstream) {
        findings.push(Finding::fail("upstream.ca_file", refusal.detail(), refusal.advice()));
    }
    findings
}

fn source(origin: &str) -> String {
    match origin {
        "file" => "set by the file".to_owned(),
        own if own.starts_with("MOSIP_GATEWAY__") => format!("set by our variable {own}"),
        alias => format!("set by {alias}, a variable of an older system"),
    }
}

fn urls(config: &Config) -> Vec<Finding> {
    let upstream = &config.upstream;
    let mut urls: Vec<(String, &Uri)> = Vec::new();
    urls.extend(upstream.token.iter().map(|token| ("upstream.token.url".to_owned(), &token.url)));
    urls.extend(
        upstream.mediator.events.iter().map(|(kind, url)| (format!("upstream.mediator.{kind}"), url)),
    );
    urls.extend(upstream.mediator.aid.iter().map(|url| ("upstream.mediator.aid".to_owned(), url)));
    urls.extend(upstream.ida.iter().map(|ida| ("upstream.ida.url".to_owned(), &ida.url)));
    let opencrvs = &config.opencrvs;
    urls.extend(opencrvs.legacy_url.iter().map(|url| ("opencrvs.legacy_url".to_owned(), url)));
    urls.extend(config.deliver.url.iter().map(|url| ("deliver.url".to_owned(), url)));
    let whole = urls.into_iter().map(|(setting, url)| check_url(setting, url, true));
    let begun =
        opencrvs.client.auth_url.iter().map(|url| check_url("opencrvs.auth_url".to_owned(), url, false));
    whole.chain(begun).collect()
}

/// Path and query may hold keys, so neither is shown. `is_whole`: nothing is put behind it.
fn check_url(setting: String, url: &Uri, is_whole: bool) -> Finding {
    let shown = upstream::redact(url);
    if url.scheme_str() == Some("http") && !upstream::is_loopback(url) {
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

/// OpenCRVS tries a refused connection three times at once, and then never again.
fn restart(config: &Config, has_socket: bool) -> Option<Finding> {
    (config.faces.webhooks.is_some() && !has_socket).then(|| {
        Finding::warn(
            "faces.webhooks",
            "a restart refuses connections unless systemd holds the socket, and OpenCRVS gives a webhook up after three tries at once",
            "install deploy/mosip-gateway.socket, which holds it, or run a second gateway",
        )
    })
}
