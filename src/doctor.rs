//! Looks at everything the gateway is given before it has to work: configuration, files, keys, certificates, clock, URLs. What is
//! wrong, and what to do.
//!
//! Nothing is printed, and only [`call`] sends anything. A finding names settings, files and variables and never repeats what stands in them.

mod clock;
mod files;
mod ida;
mod keys;
mod listeners;
mod opencrvs;
mod outbox;
mod settings;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::keys::{Ring, watch};
use crate::pool::Pool;
use crate::queue::outside::Network;
use crate::upstream::Client;

/// One call needs no second look at the key files.
const NEVER: Duration = Duration::from_hours(24);

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works today.
    Warn,
    /// Does not work.
    Fail,
}

impl Level {
    /// The word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
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
    /// What to do, where something is to be done.
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
}

/// All findings, in the order in which they are best read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Never empty.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
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
        Err(problems) => return Diagnosis { findings: settings::problems(&problems).collect() },
    };
    let ring = Ring::load(&config.keys, now);
    let findings = settings::problems(&problems)
        .chain(settings::examine(&config))
        .chain(ida::examine(config.upstream.ida.as_ref()))
        .chain(opencrvs::examine(&config.opencrvs))
        .chain(listeners::examine(&config, now))
        .chain(files::examine(&config))
        .chain(outbox::examine(&config.outbox))
        .chain(keys::examine(&config, &ring, allow_example_keys, now))
        .chain(clock::examine(&ring, now))
        .collect();
    Diagnosis { findings }
}

/// Makes one harmless call to each service that is configured, with the keys of the moment: for now IDA, and OpenCRVS's auth service.
/// Empty where none is, or where the configuration cannot be read, which [`examine`] says.
pub async fn call(file: Option<&Path>, variables: &BTreeMap<String, String>, clock: Clock) -> Vec<Finding> {
    let Ok(config) = Config::load(file, variables) else { return Vec::new() };
    // What is wrong with the roots has been found without a call.
    let (Ok(client), Ok(pool)) = (Client::new(&config.upstream), Pool::for_this_machine()) else {
        return Vec::new();
    };
    // Nothing watches: the keys were loaded this moment, and a watcher that does not run would let a refresh wait for ever.
    let (_, keys) = watch::watch(Arc::new(config.keys), clock.clone(), NEVER);
    let Config { upstream, opencrvs, .. } = config;
    let asks_opencrvs = opencrvs::wants_a_token(&opencrvs);
    let network =
        Network::new(client, keys.clone(), pool.clone(), clock.clone(), upstream.token, opencrvs.client);
    let mut findings = Vec::new();
    if asks_opencrvs {
        findings.push(opencrvs::call(&network).await);
    }
    if let Some(settings) = upstream.ida {
        findings.insert(0, ida::call(network, settings, keys, pool, clock).await);
    }
    findings
}

#[cfg(test)]
mod tests;
