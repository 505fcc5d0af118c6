//! OpenCRVS: what its client lacks, and one token fetched to see whether the client is taken.

use super::Finding;
use crate::config;
use crate::destinations::TokenOf;
use crate::queue::outside::Network;

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

/// Whether a token can be asked for, and is of use. What is unset has been found without a call.
pub(super) fn wants_a_token(opencrvs: &config::Opencrvs) -> bool {
    opencrvs.legacy_url.is_some() && opencrvs.client.unset.is_empty()
}

/// Fetches a token. Nothing is posted to `opencrvs.legacy_url`: whatever came there would change a record.
pub(super) async fn call(network: &Network) -> Finding {
    match network.check_token(TokenOf::OpenCrvs).await {
        Ok(()) => Finding::ok(SUBJECT, "OpenCRVS gives a token to the client"),
        Err(error) => Finding::fail(SUBJECT, error.detail(), error.advice()),
    }
}
