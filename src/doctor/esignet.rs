//! eSignet: what logins lack, and with `--online` whether its document and its keys can be had.

use std::sync::Arc;

use super::Finding;
use crate::clock::Clock;
use crate::destinations::esignet::{Esignet, Settings};
use crate::keys::{Keyring, Ring};
use crate::pool::Pool;
use crate::queue::outside::Network;

/// Whether the key that is named is loaded. What is not set stands among the troubles of the settings.
pub(super) fn examine(settings: Option<&Settings>, ring: &Ring) -> Vec<Finding> {
    let Some(settings) = settings else { return Vec::new() };
    let key = settings.key.as_ref().map(|name| {
        let is_loaded = ring.ec_signer(name).is_some() || ring.client().is_some();
        match is_loaded {
            true => Finding::ok("esignet.key", format!("the key `{name}` signs for eSignet")),
            false => Finding::fail(
                "esignet.key",
                format!("the key `{name}` is not loaded, so that eSignet takes no login from us"),
                "put right its file, which is named above",
            ),
        }
    });
    key.into_iter().collect()
}

/// Fetches the document and the keys of the issuer. Nobody is logged in.
pub(super) async fn call(
    settings: Option<Settings>,
    network: &Arc<Network>,
    keys: Keyring,
    pool: Pool,
    clock: Clock,
) -> Option<Finding> {
    // What is unset has been found without a call.
    let settings = settings.filter(|settings| settings.unset.is_empty())?;
    let outside = Arc::<Network>::clone(network);
    Some(match Esignet::new(Some(settings), outside, keys, pool, clock).check().await {
        Ok(()) => Finding::ok("esignet", "eSignet gives its document and its keys"),
        Err(error) => Finding::fail("esignet", error.detail(), error.advice()),
    })
}
