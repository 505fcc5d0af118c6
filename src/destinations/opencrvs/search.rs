//! `[opencrvs.search]`: the gateway's record search client at OpenCRVS 1.2 to 1.9.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Uri, header};

use super::super::drive::Outside;
use super::super::{Lack, TokenSource};
use super::settings::Client;
use super::{DEADLINE, JSON};
use crate::config::plain_http::PlainHttp;
use crate::config::section::{Section, Unset};
use crate::config::value::text;
use crate::error::{Code, Error, Result};
use crate::opencrvs::search::{self, Asked, Found};
use crate::upstream::{self, Request};

/// Largest answer, bytes. A page of ids stays far below it.
const MAX_REPLY: usize = 1 << 20;

/// `[opencrvs.search]` and `opencrvs.reconcile_every`
#[derive(Default)]
pub(crate) struct SearchSettings {
    /// OpenCRVS's gateway: what stands before `/graphql`. Absent = nothing is asked.
    pub(crate) url: Option<Uri>,
    /// Of type record search, which is another one than that of webhooks.
    pub(crate) client: Client,
    /// How often it is looked what is missing here; absent = only where somebody asks.
    pub(crate) every: Option<Duration>,
}

impl SearchSettings {
    /// The search of the gateway at `url`, with `auth_url`, unless the section says otherwise.
    pub(super) fn read(
        section: &mut Section<'_>,
        plain: &PlainHttp,
        url: Option<&Uri>,
        auth_url: Option<&Uri>,
    ) -> Self {
        let often = Duration::from_mins(1)..=Duration::from_hours(24 * 30);
        let every = section.duration("reconcile_every", often);
        let Some(mut search) = section.any_section("search") else {
            return Self { every, ..Self::default() };
        };
        let own = search.url("url", plain);
        if own.as_ref().is_some_and(|url| url.query().is_some()) {
            // A path is put behind it.
            search.problem("url", "holds a query", "end the URL before `?`");
        }
        let url = own.or_else(|| url.cloned());
        if url.is_none() && !search.is_set("url") {
            search.missing("url");
        }
        let client_id = search.parsed("client_id", text);
        let variable = search.secret_variable("client_secret");
        let client_secret = search.secret("client_secret", Unset::Absent);
        search.finish();
        let auth_url = auth_url.cloned();
        let unset = [
            ("opencrvs.auth_url", auth_url.is_none(), None),
            ("opencrvs.search.client_id", client_id.is_none(), None),
            ("opencrvs.search.client_secret_file", client_secret.is_none(), variable),
        ];
        let unset = unset.into_iter().filter(|(_, is_unset, _)| *is_unset);
        let unset = unset.map(|(name, _, variable)| variable.unwrap_or_else(|| name.to_owned())).collect();
        Self { url, client: Client { auth_url, client_id, client_secret, unset }, every }
    }

    pub(super) fn lacks(&self) -> Vec<Lack> {
        let lack = |what| Lack {
            subject: "opencrvs.search",
            what,
            advice: "set it to a client of type record search, which OpenCRVS makes under Integrations; until then nothing looks for webhooks that were lost",
        };
        if self.url.is_some() {
            let needs = |name: &String| lack(format!("{name} is not set, and opencrvs.search needs it"));
            return self.client.unset.iter().map(needs).collect();
        }
        let needs = |_| lack("opencrvs.search is not set, and opencrvs.reconcile_every needs it".to_owned());
        self.every.map(needs).into_iter().collect()
    }
}

/// OpenCRVS's search, and as whom it is asked.
pub(crate) struct Search {
    url: Uri,
    token: Arc<TokenSource>,
}

impl Search {
    pub(super) fn new(url: Uri, token: Arc<TokenSource>) -> Self {
        Self { url, token }
    }

    pub(super) fn token(&self) -> Arc<TokenSource> {
        Arc::clone(&self.token)
    }

    /// A page of records.
    ///
    /// # Errors
    ///
    /// As [`search::read`]; [`Code::Upstream`] where no answer comes, and what the token is refused with.
    pub(crate) async fn page(&self, outside: &dyn Outside, asked: Asked) -> Result<Found> {
        let uri = upstream::with_secret_path(&self.url, search::path(self.url.path()))
            .ok_or_else(|| Error::new(Code::Bug, "a search has no URL"))?;
        let headers = HeaderMap::from_iter([(header::ACCEPT, JSON), (header::CONTENT_TYPE, JSON)]);
        let (body, deadline) = (search::body(asked)?.into(), DEADLINE);
        let request = Request { method: Method::POST, uri, headers, body, deadline, max_response: MAX_REPLY };
        let reply = outside.send(Some(Arc::clone(&self.token)), request).await?;
        let reply = reply.map_err(|failure| Error::from(failure).advise(AWAY))?;
        search::read(reply.status, &reply.body).map_err(|error| reply.explain(error))
    }
}

/// Of a call that nobody answers: it is about no record.
const AWAY: &str = "Ask again later. Check opencrvs.search.url and the way to OpenCRVS if this lasts.";
