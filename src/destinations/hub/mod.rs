//! MOSIP's hub (`[websub]`), as what we publish to: `CREDENTIAL_STATUS_UPDATE` for each credential that was received (`websub.publish_status`).

mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};

pub(crate) use self::settings::Settings;
use super::drive::Outside;
use super::iam::IamToken;
use super::{
    Call, Destination, Done, Listed, Read, Remedy, Route, Rows, Step, Steps, TokenSource, Tools, Work,
};
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::mosip::websub::{self, Answer, Denial, Mode};
use crate::store::Queue;
use crate::upstream::{self, Reply, Request};

/// The kind of its entries.
pub(crate) const STATUS: &str = "hub-status";
/// For one call.
const DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer, bytes; a real one is a line.
const MAX_REPLY: usize = 64 << 10;
/// Posts at once.
const CONCURRENCY: usize = 4;

/// The hub, with what is subscribed there.
pub(crate) struct Publisher {
    settings: Settings,
    token: Option<Arc<TokenSource>>,
}

impl Publisher {
    /// `[websub]`, but for its token.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the token of every request to the hub comes from; `None`: requests go without.
    pub(crate) fn token(&self) -> Option<Arc<TokenSource>> {
        self.token.clone()
    }
}

/// What a subscription takes, beside its topic.
pub(crate) struct Subscriber {
    pub(crate) hub: Uri,
    pub(crate) callback: Uri,
    pub(crate) secret: Arc<SecretBytes>,
}

impl Subscriber {
    /// Asks the hub to begin or to end the subscription to `topic`.
    ///
    /// # Errors
    ///
    /// As [`websub::read_answer`]; [`Code::Upstream`] where no answer comes, and what `token` is refused with. What to do about a record,
    /// where a call about one fails, is never said.
    pub(crate) async fn ask(
        &self,
        outside: &dyn Outside,
        token: Option<Arc<TokenSource>>,
        mode: Mode,
        topic: &str,
    ) -> Result<Answer> {
        let (uri, headers, body) = websub::request(mode, &self.hub, topic, &self.callback, &self.secret);
        let (method, deadline, max_response) = (Method::POST, DEADLINE, MAX_REPLY);
        let request = Request { method, uri, headers, body, deadline, max_response };
        let reply = outside.send(token, request).await.and_then(|reply| Ok(reply?));
        let reply = reply.map_err(|error| {
            if error.advice() == error.code().advice() { error.advise(websub::AWAY) } else { error }
        })?;
        websub::read_answer(reply.status, &reply.body).map_err(|error| reply.explain(error))
    }
}

impl Listed for Publisher {
    const ROWS: Rows = Rows {
        destination: "hub",
        system: "MOSIP's hub",
        queue: Queue::Entries,
        kinds: &[STATUS],
        speaks: false,
        remedy: Remedy::always("the client of MOSIP's hub"),
    };

    type Settings = Settings;

    fn new(mut settings: Settings, _: &Tools) -> Self {
        let token = settings
            .token
            .take()
            .map(|settings| Arc::new(TokenSource::new(IamToken::cookie("websub.token", settings))));
        Self { settings, token }
    }
}

impl Destination for Publisher {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    fn routes(&self) -> Vec<Route> {
        let route = |hub| Route {
            host: upstream::host_and_port(hub),
            kinds: vec![STATUS.to_owned()],
            concurrency: CONCURRENCY,
            deadline: DEADLINE,
        };
        self.settings.hub_url.iter().filter(|_| self.settings.publish_status).map(route).collect()
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.token.iter().map(Arc::clone).collect()
    }
}

impl Steps for Publisher {
    fn next(&self, work: &Work) -> Result<Step> {
        let hub = self.settings.hub_url.as_ref().ok_or_else(|| {
            Error::new(Code::Keys, "no URL is set for MOSIP's hub").advise("Set websub.hub_url.")
        })?;
        let (uri, headers, body) = websub::publish(hub, work.payload.clone())?;
        let (method, deadline, max_response) = (Method::POST, DEADLINE, MAX_REPLY);
        let request = Request { method, uri, headers, body, deadline, max_response };
        let read = Box::new(|reply: Result<Reply, _>| {
            let reply = reply?;
            match websub::read_answer(reply.status, &reply.body).map_err(|error| reply.explain(error))? {
                Answer::Accepted => Ok(Read::Done(Done::default())),
                // That is said of a subscription; of a publication it is a denial like another.
                Answer::AlreadyRegistered => Err(Denial::Denied.error("already registered")),
            }
        });
        Ok(Step::from(Call { request, token: self.token(), before: None, seal: None, resend: false, read }))
    }
}
