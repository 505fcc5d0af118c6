//! Messages to the mediator: one JSON body, posted to `deliver.url` and signed as Standard Webhooks says (`id.timestamp.body`,
//! HMAC-SHA256), until it answers 2xx. The mediator drops repeats by `webhook-id`.

mod settings;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

pub(crate) use self::settings::Settings;
use super::{
    Call, Destination, Done, Listed, Read, Remedy, Route, Rows, Step, Steps, Tools, Work, standard_webhooks,
};
use crate::clock::{Clock, Timestamp};
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::store::Queue;
use crate::upstream::{self, Reply, Request};

/// Only the status of the answer counts.
const MAX_REPLY: usize = 64 << 10;

/// The mediator's own URL.
pub(crate) struct Delivery {
    settings: Settings,
    clock: Clock,
}

impl Listed for Delivery {
    const ROWS: Rows = Rows {
        destination: "delivery",
        system: "the mediator",
        queue: Queue::Deliveries,
        kinds: &[],
        speaks: false,
        remedy: Remedy::always("the way to the mediator"),
    };

    type Settings = Settings;

    /// Without a URL the mediator pulls; without a secret messages go unsigned.
    fn new(settings: Settings, tools: &Tools) -> Self {
        Self { settings, clock: tools.clock.clone() }
    }
}

impl Destination for Delivery {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    fn routes(&self) -> Vec<Route> {
        let route = |url| Route {
            host: upstream::host_and_port(url),
            kinds: Vec::new(),
            concurrency: self.settings.concurrency,
            deadline: self.settings.deadline,
        };
        self.settings.url.iter().map(route).collect()
    }
}

impl Steps for Delivery {
    fn next(&self, work: &Work) -> Result<Step> {
        let uri = self.settings.url.clone().ok_or_else(|| {
            Error::new(Code::Keys, "no URL is set for messages to the mediator").advise("Set deliver.url.")
        })?;
        let request = Request {
            method: Method::POST,
            uri,
            headers: headers(&work.id, &work.payload, self.settings.secret.as_ref(), self.clock.now())?,
            body: work.payload.clone(),
            deadline: self.settings.deadline,
            max_response: MAX_REPLY,
        };
        let read = Box::new(|reply: Result<Reply, _>| read(&reply?));
        Ok(Step::from(Call { request, token: None, before: None, seal: None, resend: false, read }))
    }
}

/// Taken is 2xx. Another answer is about this message alone, however often it comes, unless it says that the mediator is away (5xx)
/// or asks for time.
fn read(reply: &Reply) -> Result<Read> {
    if reply.status.is_success() {
        return Ok(Read::Done(Done::default()));
    }
    let status = reply.status.as_str();
    let error = Error::new(Code::Upstream, format!("the mediator answered {status}"))
        .advise("Check deliver.url and the mediator.");
    let asks_for_time = matches!(reply.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    Err(reply.explain(if asks_for_time { error } else { error.with_upstream(status, "") }))
}

/// Headers of the post of `body` under `id` at `now`.
fn headers(id: &str, body: &[u8], secret: Option<&SecretBytes>, now: Timestamp) -> Result<HeaderMap> {
    let mut headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    standard_webhooks::write(&mut headers, id, body, secret, now)?;
    Ok(headers)
}
