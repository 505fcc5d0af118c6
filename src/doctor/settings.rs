//! The configuration: its problems, where each setting came from, URLs, and the files of listeners.

use std::collections::BTreeMap;

use super::Finding;
use crate::config::Problem;
use crate::faces::FaceSettings as _;
use crate::gateway::troubles;
use crate::gateway::troubles::files::Files;
use crate::settings::Config;
use crate::telemetry::{LEVEL_VARIABLE, named, names};
use crate::{regular, upstream};

/// What cannot be read.
pub(super) fn problems<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> impl Iterator<Item = Finding> {
    problems.into_iter().map(|Problem { source, path, what, advice }| {
        Finding::fail(format!("{source}: {path}"), what.clone(), advice.clone())
    })
}

/// The level of the log, where a variable sets it over `telemetry.log`: `serve` refuses a word that is none.
pub(super) fn level(variables: &BTreeMap<String, String>) -> Option<Finding> {
    Some(match named(variables.get(LEVEL_VARIABLE)?) {
        Some(_) => origin_of("telemetry.log", LEVEL_VARIABLE),
        None => Finding::fail(LEVEL_VARIABLE, "is not a level", format!("set it to one of {}", names())),
    })
}

/// What was read; `is_whole`: nothing was refused, which could have connected the gateway.
pub(super) fn examine(config: &Config, is_whole: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        config.origins.iter().map(|(path, origin)| origin_of(path, origin)).collect();
    findings.push(Finding::ok("defaults", "every setting that is not named has its default"));
    let urls = config.called_urls();
    let of_files = Files::of(config).troubles(regular::metadata);
    let of_settings =
        troubles::all(config).into_iter().filter(|trouble| is_whole || !trouble.is_unconnected());
    findings.extend(of_settings.chain(of_files).map(Finding::of_trouble));
    let in_order = urls.iter().filter(|url| troubles::of_url(url).is_none());
    findings.extend(in_order.map(|url| Finding::ok(&url.setting, upstream::redact(url.url))));
    findings.extend(schema(config));
    findings.extend(source(config));
    findings.extend(record_tokens(config));
    findings.extend(restart(config, std::env::var_os("LISTEN_FDS").is_some()));
    findings
}

/// The subject names the variable: a person who moves from an older system sees at once which of their variables counts.
fn origin_of(path: &str, origin: &str) -> Finding {
    match origin {
        "file" => Finding::ok(path, "set by the file"),
        own if own.starts_with("MOSIP_GATEWAY_") => {
            Finding::ok(format!("{path} (from {own})"), "set by our variable")
        }
        alias => Finding::ok(format!("{path} (from {alias})"), "set by a variable of an older system"),
    }
}

/// Nobody but the country configuration knows whether each registration brings its own schema, so that this is said here alone.
fn schema(config: &Config) -> Option<Finding> {
    config.destinations.packets.lacks_schema().then(|| {
        Finding::warn(
            "upstream.packets.schema_file",
            "is not set, so that a registration without a schemaJson of its own goes without an identity schema, and MOSIP makes no packet of it",
            "put the identity schema of this MOSIP into a file and set it, unless each registration brings its schemaJson, which counts before the file",
        )
    })
}

/// `mosip-api` has it as a constant, which its versions have changed, so that none of its variables says it.
fn source(config: &Config) -> Option<Finding> {
    let origin = |wanted: &str| {
        let (_, origin) = config.origins.iter().find(|(path, _)| path == wanted)?;
        Some(origin.as_str())
    };
    let is_of_mosip_api = origin("upstream.packets.create") == Some("MOSIP_CREATE_PACKET_URL");
    (is_of_mosip_api && origin("upstream.packets.source").is_none()).then(|| Finding {
        advice: Some(
            "set source to CRVS1 and schema_version to 0.500 where OpenCRVS is 2.0 or later, whose mosip-api sends these".to_owned(),
        ),
        ..Finding::ok(
            "upstream.packets.source",
            "is not set, so that packets go with the source OPENCRVS and the schema version 0.100, as those of mosip-api of OpenCRVS 1.9",
        )
    })
}

/// That of OpenCRVS 1.9, which has no client for us, is in order; how long it goes well has to be known.
fn record_tokens(config: &Config) -> Option<Finding> {
    let is_on = config.faces.each.mosip_api.is_on();
    (is_on && config.destinations.opencrvs.needs_record_tokens()).then(|| Finding {
        advice: Some(
            "set opencrvs.client_id, client_secret_file and auth_url where OpenCRVS is 2.0 or later, which has a system client for it".to_owned(),
        ),
        ..Finding::ok(
            "opencrvs.confirm_with",
            "registrations are confirmed with the record token that comes with each, as OpenCRVS 1.9 wants it: a token lives seven days unless \
             CONFIG_ACTION_CONFIRMATION_TOKEN_EXPIRY_SECONDS of OpenCRVS says otherwise, and what MOSIP answers later parks as record-token-expired",
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
