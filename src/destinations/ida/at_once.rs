//! The calls to IDA that the API makes while its caller waits.

use std::sync::Arc;

use super::super::drive::{Outside, ask};
use super::{DEADLINE, Requests, tell};
use crate::error::{Code, Error, Result};
use crate::mosip::Verified;
use crate::mosip::ida::{self, Answer, Authenticated, IdLengths, Intent, Known, OtpSent, Response, Service};
use crate::pool::Pool;

/// IDA, as the routes see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ida {
    requests: Arc<Requests>,
    outside: Arc<dyn Outside>,
    pool: Pool,
}

impl Ida {
    /// By way of `requests`; identities are opened on `pool`.
    pub(crate) fn new(requests: Arc<Requests>, outside: Arc<dyn Outside>, pool: Pool) -> Self {
        Self { requests, outside, pool }
    }

    /// [`Code::Keys`] naming what is not set of URL, partner id, licence key and API key.
    pub(crate) fn check_configured(&self) -> Result<()> {
        self.requests.check_configured()
    }

    /// By which the type of a number is known.
    pub(crate) fn id_lengths(&self) -> IdLengths {
        self.requests.id_lengths()
    }

    /// Whether the person is who they say, for [`Intent::Auth`].
    pub(crate) async fn authenticate(&self, intent: Arc<Intent>) -> Result<Answer<Authenticated>> {
        self.call(intent, Service::Auth).await?.try_map(ida::read_authenticated)
    }

    /// The same, and what MOSIP holds of them, for [`Intent::Kyc`].
    pub(crate) async fn know(&self, intent: Arc<Intent>) -> Result<Answer<Known>> {
        let answer = self.call(intent, Service::Kyc).await?;
        let ring = self.requests.keys().current();
        self.pool.run(move || answer.try_map(|response| ida::read_known(response, &ring))).await
    }

    /// Sends the person a one-time password, for [`Intent::Otp`]. Here IDA's reasons are a problem: a caller that looks at nothing
    /// but the status shall not wait for a password that never comes.
    pub(crate) async fn send_otp(&self, intent: Arc<Intent>) -> Result<Verified<OtpSent>> {
        self.call(intent, Service::Otp).await?.try_map(ida::read_otp_sent)?.given()
    }

    /// Shares what is known of IDA with the records of jobs. While it is away the caller is not kept waiting for one deadline after the
    /// other; what pauses the records is no bar here, since an answer comes at once and shows when it is over.
    async fn call(&self, intent: Arc<Intent>, service: Service) -> Result<Answer<Response>> {
        if intent.service() != service {
            return Err(Error::new(Code::Bug, "an intent went to another service"));
        }
        self.check_configured()?;
        let breaker = self.requests.breaker();
        if let Some(wait) = breaker.as_ref().and_then(|breaker| breaker.is_away_for()) {
            let away = Error::new(Code::Upstream, "IDA is away; a call is tried every few seconds");
            return Err(away.with_retry_after(Some(wait)));
        }
        let requests = Arc::clone(&self.requests);
        let asked = ask(&*self.outside, move |slot| {
            requests.call(Arc::clone(&intent), DEADLINE, |answer| Ok(slot.put(answer?)))
        })
        .await;
        if let Some(breaker) = breaker {
            tell(&*breaker, &asked);
        }
        asked
    }
}
