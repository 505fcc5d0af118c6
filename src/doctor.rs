//! Looks at everything the gateway is given before it has to work: configuration, files, keys, certificates, clock, URLs. What is
//! wrong, and what to do.
//!
//! Nothing is printed, and only [`call`] sends anything. A finding names settings, files and variables and never repeats what stands in
//! them.

mod clock;
mod credentials;
mod esignet;
mod files;
mod hub;
mod ida_calls;
mod keys;
mod listeners;
mod opencrvs;
mod outbox;
mod reach;
mod settings;
mod tokens;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::tokens::Tokens;
use crate::clock::{Clock, Timestamp};
use crate::config::Trouble;
use crate::destinations::ida::Requests;
use crate::destinations::{DestinationSettings as _, Destinations, Tools};
use crate::error::{Code, Error};
use crate::gateway::listeners::lacks_callback;
use crate::pool::Pool;
use crate::queue::outside::Network;
use crate::settings::Config;
use crate::tasks::key_watch;
use crate::tasks::pushes::share;
use crate::upstream::Client;
use crate::words::words;

/// One call needs no second look at the key files.
const NEVER: Duration = Duration::from_hours(24);

words! {
    /// How a finding stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Level {
        /// As it should be.
        Ok = "ok",
        /// Works today.
        Warn = "warn",
        /// Does not work.
        Fail = "fail",
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub level: Level,
    /// A file, a setting, `clock`.
    pub subject: String,
    /// What was seen.
    pub what: String,
    /// What to do, where something is to be done. One that is in order is shown by itself then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(subject: impl ToString, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject: subject.to_string(), what: what.into(), advice: None }
    }

    fn warn(subject: impl ToString, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warn, advice: Some(advice.into()), ..Self::ok(subject, what) }
    }

    fn fail(subject: impl ToString, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Fail, advice: Some(advice.into()), ..Self::ok(subject, what) }
    }

    /// A call that failed. Nobody waits for its answer, so that the advice is about the server.
    fn of_call(subject: impl ToString, error: &Error) -> Self {
        let advice = match error.code() {
            Code::UpstreamTimeout => {
                "check whether that server is up and what it is busy with, and the way to it"
            }
            _ => error.advice(),
        };
        Self::fail(subject, error.detail(), advice)
    }

    /// What stops no start, and is on the page and in readiness too.
    fn of_trouble(Trouble { subject, what, advice, fatal }: Trouble) -> Self {
        let level = if fatal { Self::fail } else { Self::warn };
        level(subject, what, advice)
    }
}

/// All findings: what does not work first, then what is to be looked at, then what is in order. Nothing is said twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Never empty.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    fn of(findings: impl Iterator<Item = Finding>) -> Self {
        let mut diagnosis = Self { findings: Vec::new() };
        diagnosis.add(findings);
        diagnosis
    }

    /// Puts further findings in their places.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            let says_the_same =
                |other: &Finding| (&other.subject, &other.what) == (&finding.subject, &finding.what);
            match self.findings.iter_mut().find(|other| says_the_same(other)) {
                Some(other) if other.level >= finding.level => {}
                Some(other) => *other = finding,
                None => self.findings.push(finding),
            }
        }
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    }

    /// How many findings stand at `level`.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

/// Examines the configuration in `file` (none: variables and defaults alone), everything that it names, and the clock, at `now`.
/// `allow_example_keys` as for `serve`.
pub fn examine(
    file: Option<&Path>,
    variables: &BTreeMap<String, String>,
    allow_example_keys: bool,
    now: Timestamp,
) -> Diagnosis {
    let (config, problems) = match Config::examine(file, variables) {
        Ok(read) => read,
        Err(problems) => {
            return Diagnosis::of(settings::problems(&problems).chain(settings::level(variables)));
        }
    };
    let ring = key_watch::load(Arc::new(config.keys.clone()), now);
    let findings = settings::problems(&problems)
        .chain(settings::level(variables))
        .chain(settings::examine(&config, problems.is_empty()))
        .chain(credentials::examine(&config, now))
        .chain(esignet::examine(config.esignet.as_ref(), &ring))
        .chain(listeners::examine(&config, now))
        .chain(files::examine(&config))
        .chain(outbox::examine(&config.outbox))
        .chain(keys::examine(&config, &ring, allow_example_keys, now))
        .chain(clock::examine(&ring, now));
    Diagnosis::of(findings)
}

/// Reaches the server of every URL that is configured, compares its clock with ours, fetches the tokens that calls need, and makes one
/// harmless call to IDA, with the current keys. What needs a server that cannot be reached is not tried.
///
/// Empty where no URL is configured, or where the configuration cannot be read, which [`examine`] says.
pub async fn call(file: Option<&Path>, variables: &BTreeMap<String, String>, clock: Clock) -> Vec<Finding> {
    let Ok(config) = Config::load(file, variables) else { return Vec::new() };
    // What is wrong with the roots has been found without a call.
    let (Ok(client), Ok(pool)) = (Client::new(&config.upstream), Pool::for_this_machine()) else {
        return Vec::new();
    };
    let lacks_callback = lacks_callback(&config);
    let mut urls = config.called_urls();
    urls.extend(credentials::urls(&config.credentials));
    let reached = reach::every_server(&client, &urls, &clock).await;
    let share_token = config.credentials.data_share.and_then(|share| share.token).map(share::token);
    // Nothing watches: the keys were loaded this moment, and a watcher that does not run would let a refresh wait for ever.
    let (_, keys) = key_watch::watch(Arc::new(config.keys), clock.clone(), NEVER);
    let mut settings = config.destinations;
    settings.hub.is_unreachable = lacks_callback;
    // What is unset has been found without a call.
    let asks_ida = settings.ida.lacks().is_empty()
        && settings.ida.as_ref().is_some_and(|ida| reached.includes(Some(&ida.url)));
    let requests = Arc::new(Requests::new(settings.ida.take(), keys.clone(), clock.clone()));
    let tools =
        Tools { keys: keys.clone(), clock: clock.clone(), ida: Arc::clone(&requests), death_link: false };
    let destinations = Destinations::new(settings, &tools);
    let asks_hub = hub::can_be_asked(&destinations.hub, &reached);
    let network = Arc::new(Network::new(client, keys.clone(), pool.clone(), clock.clone()));
    let mut findings = reached.findings.clone();
    let tokens = destinations.all().into_iter().flat_map(|destination| destination.tokens());
    let sources = tokens.chain(share_token).filter(|source| reached.includes(source.grant().url()));
    let mut tokens = Tokens::default();
    for source in sources {
        tokens.fetch(&network, &source).await;
    }
    let hub_token = destinations.hub.token().map(|token| token.grant().section());
    match hub_token.and_then(|section| tokens.refused(section)) {
        Some(finding) if asks_hub => finding.what.push_str("; so no topic of MOSIP's hub can be subscribed"),
        None if asks_hub => findings.extend(hub::call(&network, &destinations.hub).await),
        _ => {}
    }
    findings.extend(opencrvs::call(&network, &destinations.opencrvs, &reached, &mut tokens).await);
    findings.extend(tokens.into_findings());
    let jwts = [config.callback.opencrvs_jwt, config.callback.mosip_jwt, config.faces.each.mosip_api.jwt];
    findings.extend(listeners::call(jwts.into_iter().flatten().collect(), &network).await);
    findings.extend(esignet::call(config.esignet, &network, keys, pool.clone(), clock).await);
    if asks_ida {
        let uin_length = requests.id_lengths().uin;
        findings.push(ida_calls::call(network, requests, uin_length, pool).await);
    }
    findings
}

#[cfg(test)]
mod tests;
