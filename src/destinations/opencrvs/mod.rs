//! The country configuration of OpenCRVS 1.x (`opencrvs.legacy_url`): application ids and UINTOKENs are posted there under a token of
//! the gateway's own OpenCRVS client.

mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Uri, header};

#[cfg(test)]
pub(crate) use self::settings::Client;
pub(crate) use self::settings::Settings;
use super::{
    Call, Destination, Done, Listed, Read, Remedy, Route, Rows, Step, Steps, TokenSource, Tools, Work,
};
use crate::error::{Code, Error, Result};
use crate::opencrvs::legacy;
use crate::store::Queue;
use crate::upstream::{self, Reply, Request};

/// The kind of its entries.
pub(crate) const LEGACY: &str = "legacy";
/// For one call. The country configuration answers once OpenCRVS's own database has taken it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer, bytes; only the status counts.
const MAX_REPLY: usize = 1 << 20;
/// Posts at once.
const CONCURRENCY: usize = 4;

/// OpenCRVS, as what we send to.
pub(crate) struct Opencrvs {
    legacy_url: Option<Uri>,
    token: Arc<TokenSource>,
}

impl Listed for Opencrvs {
    const ROWS: Rows = Rows {
        destination: "opencrvs",
        system: "OpenCRVS",
        queue: Queue::Entries,
        kinds: &[LEGACY],
        speaks: false,
        remedy: Remedy::always("the client of OpenCRVS"),
    };

    type Settings = Settings;

    fn new(settings: Settings, _: &Tools) -> Self {
        let Settings { client, legacy_url, .. } = settings;
        Self { legacy_url, token: Arc::new(TokenSource::new(client)) }
    }
}

impl Destination for Opencrvs {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    fn routes(&self) -> Vec<Route> {
        let route = |url| Route {
            host: upstream::host_and_port(url),
            kinds: vec![LEGACY.to_owned()],
            concurrency: CONCURRENCY,
            deadline: DEADLINE,
        };
        self.legacy_url.iter().map(route).collect()
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.legacy_url.iter().map(|_| Arc::clone(&self.token)).collect()
    }
}

impl Steps for Opencrvs {
    fn next(&self, work: &Work) -> Result<Step> {
        let uri = self.legacy_url.clone().ok_or_else(|| {
            Error::new(Code::Keys, "no URL is set for the country configuration of OpenCRVS")
                .advise("Set opencrvs.legacy_url.")
        })?;
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let request = Request {
            method: Method::POST,
            uri,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]),
            body: work.payload.clone(),
            deadline: DEADLINE,
            max_response: MAX_REPLY,
        };
        let read = Box::new(|reply: Result<Reply, _>| {
            let reply = reply?;
            legacy::read_answer(reply.status).map_err(|error| reply.explain(error))?;
            Ok(Read::Done(Done::default()))
        });
        let token = Some(Arc::clone(&self.token));
        Ok(Step::from(Call { request, token, before: None, resend: false, read }))
    }
}
