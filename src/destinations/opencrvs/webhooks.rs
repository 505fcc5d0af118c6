//! `[opencrvs.webhooks]`: the subscriptions of the gateway at the webhooks service of OpenCRVS 1.2 to 1.9.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};

use super::super::drive::Outside;
use super::super::{Lack, TokenSource};
use super::{DEADLINE, JSON};
use crate::config::plain_http::PlainHttp;
use crate::config::reader::Origin;
use crate::config::section::Section;
use crate::config::value::word;
use crate::crypto::secret::{SecretBytes, SecretWriter};
use crate::error::{Code, Error, Result};
use crate::opencrvs::subscription::{self, Subscribed, TOPICS};
use crate::upstream::{self, Reply, Request};

/// Largest answer, bytes. A thousand subscriptions stay below it.
const MAX_REPLY: usize = 1 << 20;

/// `[opencrvs.webhooks]`
pub(crate) struct Webhooks {
    /// The service, with `/webhooks` at its end or without.
    pub(crate) url: Uri,
    /// Where it posts.
    pub(crate) callback: Option<Uri>,
    /// What is subscribed; `None`: what a URL is set for.
    pub(crate) topics: Option<Vec<&'static str>>,
    /// What OpenCRVS signs with: that of the face that takes its webhooks.
    pub(crate) secret: Option<Arc<SecretBytes>>,
    /// What a subscription needs and is not set.
    pub(crate) unset: Vec<String>,
}

impl Webhooks {
    /// `None`: they are not set. `unset` is what the client lacks.
    pub(super) fn read(section: &mut Section<'_>, plain: &PlainHttp, unset: &[String]) -> Option<Self> {
        let mut webhooks = section.optional_section("webhooks")?;
        let url = webhooks.required_url("url", plain);
        if url.as_ref().is_some_and(|url| url.query().is_some()) {
            // A path is put behind it.
            webhooks.problem("url", "holds a query", "end the URL before `?`");
        }
        let callback = webhooks.url_of_ours("callback_url", plain);
        if callback.as_ref().is_some_and(|url| url.query().is_some()) {
            webhooks.problem("callback_url", "holds a query, which OpenCRVS drops", "end the URL before `?`");
        }
        let mut unset = unset.to_vec();
        if callback.is_none() && !webhooks.is_set("callback_url") {
            // The older mediator starts without it.
            if matches!(section.reader().origin("opencrvs.webhooks.url"), Some(Origin::Alias(_))) {
                unset.push("opencrvs.webhooks.callback_url".to_owned());
            } else {
                webhooks.missing("callback_url");
            }
        }
        let topics = webhooks.list("topics", word(&TOPICS.map(|topic| (topic, topic))));
        if topics.as_ref().is_some_and(Vec::is_empty) {
            webhooks.problem("topics", "holds no topic", "name one, or remove it for all that have a URL");
        }
        let topics = topics.map(|mut topics: Vec<&'static str>| {
            topics.sort_unstable();
            topics.dedup();
            topics
        });
        webhooks.finish();
        Some(Self { url: url?, callback, topics, secret: None, unset })
    }

    /// The face that takes webhooks, and the secret that it knows them by; `None`: it is off.
    pub(crate) fn answers_at(&mut self, secret: Option<Arc<SecretBytes>>) {
        if secret.is_none() {
            self.unset.push("faces.webhooks".to_owned());
        }
        self.secret = secret;
    }

    pub(super) fn lacks(&self) -> impl Iterator<Item = Lack> {
        self.unset.iter().map(|name| Lack {
            subject: "opencrvs.webhooks",
            what: format!("{name} is not set, and opencrvs.webhooks needs it"),
            advice: "set it as OpenCRVS gave it under Integrations; until then nothing is subscribed, and webhooks come only where somebody subscribes by hand",
        })
    }
}

/// The service, and as whom it is asked.
pub(crate) struct Service {
    url: Uri,
    /// Where it posts.
    callback: Uri,
    secret: Arc<SecretBytes>,
    client_id: String,
    topics: Option<Vec<&'static str>>,
    token: Arc<TokenSource>,
}

impl Service {
    /// `None`: something is not set that a subscription needs.
    pub(super) fn new(
        webhooks: &Webhooks,
        client_id: Option<&String>,
        token: Arc<TokenSource>,
    ) -> Option<Self> {
        let Webhooks { url, callback, topics, secret, unset } = webhooks;
        let is_whole = unset.is_empty();
        let (Some(callback), Some(secret), Some(client_id), true) = (callback, secret, client_id, is_whole)
        else {
            return None;
        };
        let (url, callback, secret) = (url.clone(), callback.clone(), Arc::clone(secret));
        Some(Self { url, callback, secret, client_id: client_id.clone(), topics: topics.clone(), token })
    }

    /// The service.
    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    /// Where the service is.
    pub(crate) fn host(&self) -> String {
        upstream::host_and_port(&self.url)
    }

    /// What is subscribed; `None`: what a URL is set for.
    pub(crate) fn topics(&self) -> Option<&[&'static str]> {
        self.topics.as_deref()
    }

    /// Where its token comes from.
    pub(crate) fn token(&self) -> Arc<TokenSource> {
        Arc::clone(&self.token)
    }

    /// What makes a subscription another one. How the URL is spelt does not.
    pub(crate) fn parts(&self) -> ([String; 3], &SecretBytes) {
        let service = self.host().to_ascii_lowercase() + subscription::base(self.url.path());
        ([service, self.callback.to_string(), self.client_id.clone()], &self.secret)
    }

    /// Whether `listed` is one of this gateway's: of its client, and posted to its callback.
    pub(crate) fn is_ours(&self, listed: &Subscribed) -> bool {
        let is_of_client = listed.client_id.is_empty() || listed.client_id == self.client_id;
        is_of_client && listed.callback.parse::<Uri>().is_ok_and(|callback| callback == self.callback)
    }

    /// The subscriptions of the client, wherever they are posted.
    ///
    /// # Errors
    ///
    /// As [`subscription::read_list`]; [`Code::Upstream`] where no answer comes, and what the token is refused with.
    pub(crate) async fn list(&self, outside: &dyn Outside) -> Result<Vec<Subscribed>> {
        let path = subscription::path(self.url.path());
        let reply = self.ask(outside, Method::GET, path, Bytes::new()).await?;
        subscription::read_list(reply.status, &reply.body).map_err(|error| reply.explain(error))
    }

    /// Subscribes `topic`. The service asks the face that takes webhooks before it answers.
    ///
    /// # Errors
    ///
    /// As [`Self::list`], and [`subscription::read_subscribed`].
    pub(crate) async fn subscribe(&self, outside: &dyn Outside, topic: &str) -> Result<()> {
        let body = subscription::body(&self.callback.to_string(), topic, &self.secret)?.into_bytes();
        let path = subscription::path(self.url.path());
        let reply = self.ask(outside, Method::POST, path, body).await?;
        subscription::read_subscribed(reply.status, &reply.body).map_err(|error| reply.explain(error))
    }

    /// Ends `listed`, which the list gave: the service looks at no owner.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub(crate) async fn end(&self, outside: &dyn Outside, listed: &Subscribed) -> Result<()> {
        let path = subscription::path_of(self.url.path(), &listed.id);
        let reply = self.ask(outside, Method::DELETE, path, Bytes::new()).await?;
        subscription::read_ended(reply.status).map_err(|error| reply.explain(error))
    }

    async fn ask(
        &self,
        outside: &dyn Outside,
        method: Method,
        path: SecretWriter,
        body: Bytes,
    ) -> Result<Reply> {
        let uri = upstream::with_secret_path(&self.url, path)
            .ok_or_else(|| Error::new(Code::Bug, "a subscription has no URL"))?;
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, JSON)]);
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        let request = Request { method, uri, headers, body, deadline: DEADLINE, max_response: MAX_REPLY };
        let reply = outside.send(Some(Arc::clone(&self.token)), request).await?;
        reply.map_err(|failure| Error::from(failure).advise(AWAY))
    }
}

/// Of a call that nobody answers: it is about no record.
const AWAY: &str =
    "It is tried again by itself. Check opencrvs.webhooks.url and the way to OpenCRVS if this lasts.";
