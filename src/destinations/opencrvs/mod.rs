//! OpenCRVS. Its core (1.9 and later, `opencrvs.url`) learns what came of a registration that waits for MOSIP, under the record token that came
//! with it or a token of the gateway's own client; the country configuration of OpenCRVS 1.x (`opencrvs.legacy_url`) is posted application ids
//! and UINTOKENs under the latter.

mod confirm;
mod legacy;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use self::confirm::Confirmations;
use self::legacy::LegacyPosts;
#[cfg(test)]
pub(crate) use self::settings::Client;
pub(crate) use self::settings::{ConfirmWith, Settings};
pub(crate) use self::token::{ClientToken, TokenForm};
use super::{Destination, Listed, Remedy, Route, Rows, Step, Steps, TokenSource, Tools, Work};
use crate::error::Result;
use crate::store::Queue;

/// The kind of the entries for the country configuration of OpenCRVS 1.x.
pub(crate) const LEGACY: &str = "legacy";
/// The kind of the entries for OpenCRVS's core.
pub(crate) const CONFIRM: &str = "confirm";
/// For one call. OpenCRVS answers once its own database has taken it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Calls at once, to each URL.
const CONCURRENCY: usize = 4;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// OpenCRVS, as what we send to.
pub(crate) struct Opencrvs {
    legacy: LegacyPosts,
    confirmations: Confirmations,
}

impl Listed for Opencrvs {
    const ROWS: Rows = Rows {
        destination: "opencrvs",
        system: "OpenCRVS",
        queue: Queue::Entries,
        kinds: &[LEGACY, CONFIRM],
        speaks: false,
        remedy: Remedy::always("the client of OpenCRVS"),
    };

    type Settings = Settings;

    fn new(settings: Settings, tools: &Tools) -> Self {
        let Settings { client, legacy_url, confirmation, .. } = settings;
        let client = Arc::new(client);
        let token = |form| Arc::new(TokenSource::new(ClientToken { client: Arc::clone(&client), form }));
        Self {
            legacy: LegacyPosts { url: legacy_url, token: token(TokenForm::Query) },
            confirmations: Confirmations {
                has_client: client.is_set(),
                settings: confirmation,
                token: token(TokenForm::Body),
                clock: tools.clock.clone(),
            },
        }
    }
}

impl Destination for Opencrvs {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    fn routes(&self) -> Vec<Route> {
        self.legacy.route().into_iter().chain(self.confirmations.route()).collect()
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.legacy.token().into_iter().chain(self.confirmations.token()).collect()
    }
}

impl Steps for Opencrvs {
    fn next(&self, work: &Work) -> Result<Step> {
        match work.kind.as_str() {
            CONFIRM => self.confirmations.next(work),
            _ => self.legacy.next(work),
        }
    }
}

/// A route to `host` for entries of `kind`.
fn route(host: String, kind: &str) -> Route {
    Route { host, kinds: vec![kind.to_owned()], concurrency: CONCURRENCY, deadline: DEADLINE }
}
