//! OpenCRVS: what its client lacks, and one token fetched to see whether the client is taken.

use super::Finding;
use crate::clock::Clock;
use crate::config;
use crate::outbox::legacy::Legacy;
use crate::upstream::Client;

const SUBJECT: &str = "opencrvs";

/// What the settings lack for what they ask for.
pub(super) fn examine(opencrvs: &config::Opencrvs) -> Vec<Finding> {
    if opencrvs.legacy_url.is_none() {
        return Vec::new();
    }
    let advice =
        "set it as OpenCRVS gave it under Integrations; until then application ids and UINTOKENs wait";
    opencrvs
        .client
        .unset
        .iter()
        .map(|name| {
            Finding::fail(SUBJECT, format!("{name} is not set, and opencrvs.legacy_url needs it"), advice)
        })
        .collect()
}

/// Fetches a token. Nothing is posted to `opencrvs.legacy_url`: whatever came there would change a record.
pub(super) async fn call(client: Client, opencrvs: config::Opencrvs, clock: Clock) -> Option<Finding> {
    let config::Opencrvs { client: access, legacy_url, .. } = opencrvs;
    // What is unset has been found without a call.
    let url = legacy_url.filter(|_| access.unset.is_empty())?;
    Some(match Legacy::new(client, url, access, clock).token().await {
        Ok(_) => Finding::ok(SUBJECT, "OpenCRVS gives a token to the client"),
        Err(error) => Finding::fail(SUBJECT, error.detail(), error.advice()),
    })
}
