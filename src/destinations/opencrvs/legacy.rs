//! Application ids and UINTOKENs, posted to the country configuration of OpenCRVS 1.x.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri, header};

use super::super::{Call, Done, Read, Route, Step, TokenSource, Work};
use super::{DEADLINE, JSON, LEGACY, route};
use crate::error::{Code, Error, Result};
use crate::opencrvs::legacy;
use crate::upstream::{Reply, Request, host_and_port};

/// Largest answer, bytes; only the status counts.
const MAX_REPLY: usize = 1 << 20;

pub(super) struct LegacyPosts {
    /// `opencrvs.legacy_url`
    pub(super) url: Option<Uri>,
    pub(super) token: Arc<TokenSource>,
}

impl LegacyPosts {
    pub(super) fn route(&self) -> Option<Route> {
        self.url.as_ref().map(|url| route(host_and_port(url), LEGACY))
    }

    pub(super) fn token(&self) -> Option<Arc<TokenSource>> {
        self.url.as_ref().map(|_| Arc::clone(&self.token))
    }

    pub(super) fn next(&self, work: &Work) -> Result<Step> {
        let uri = self.url.clone().ok_or_else(|| {
            Error::new(Code::Keys, "no URL is set for the country configuration of OpenCRVS")
                .advise("Set opencrvs.legacy_url.")
        })?;
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
        Ok(Step::from(Call { request, token, before: None, seal: None, resend: false, read }))
    }
}
