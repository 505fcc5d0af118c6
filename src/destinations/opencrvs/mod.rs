//! OpenCRVS. Its core (1.9 and later, `opencrvs.url`) learns what came of a registration that waits for MOSIP, under the record token that came
//! with it or a token of the gateway's own client; the country configuration of OpenCRVS 1.x (`opencrvs.legacy_url`) is posted application ids
//! and UINTOKENs under the latter. Tasks subscribe to the webhooks of OpenCRVS 1.x, and search it
//! for what did not come.

mod confirm;
mod legacy;
mod search;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use self::confirm::Confirmations;
use self::legacy::LegacyPosts;
pub(crate) use self::search::Search;
#[cfg(test)]
pub(crate) use self::settings::Client;
pub(crate) use self::settings::{ConfirmWith, Settings};
pub(crate) use self::token::{ClientToken, TokenForm};
pub(crate) use self::webhooks::Service;
#[cfg(test)]
pub(crate) use self::webhooks::Webhooks;
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

/// Where the client is set.
const SECTION: &str = "opencrvs";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// OpenCRVS, as what we send to.
pub(crate) struct Opencrvs {
    legacy: LegacyPosts,
    confirmations: Confirmations,
    webhooks: Option<Arc<Service>>,
    search: Option<Arc<Search>>,
}

impl Opencrvs {
    /// Where webhooks are subscribed; `None`: nowhere.
    pub(crate) fn webhooks(&self) -> Option<Arc<Service>> {
        self.webhooks.clone()
    }

    /// Where it is asked which records there are; `None`: nowhere.
    pub(crate) fn search(&self) -> Option<Arc<Search>> {
        self.search.clone()
    }
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
        let Settings { client, legacy_url, confirmation, webhooks, search, .. } = settings;
        let client = Arc::new(client);
        let token = |client, form, section| Arc::new(TokenSource::new(ClientToken { client, form, section }));
        let of_client = |form| token(Arc::clone(&client), form, SECTION);
        // Both go to OpenCRVS 1.x.
        let older = of_client(TokenForm::Query);
        let service = |webhooks| Service::new(webhooks, client.client_id.as_ref(), Arc::clone(&older));
        let of_search =
            |url| Search::new(url, token(Arc::new(search.client), TokenForm::Query, "opencrvs.search"));
        Self {
            webhooks: webhooks.as_ref().and_then(service).map(Arc::new),
            search: search.url.map(of_search).map(Arc::new),
            legacy: LegacyPosts { url: legacy_url, token: older },
            confirmations: Confirmations {
                has_client: client.is_set(),
                settings: confirmation,
                token: of_client(TokenForm::Body),
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
        let older = self.legacy.token().or_else(|| Some(self.webhooks.as_ref()?.token()));
        let of_search = self.search.as_ref().map(|search| search.token());
        older.into_iter().chain(self.confirmations.token()).chain(of_search).collect()
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
