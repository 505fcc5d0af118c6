//! The calls to IDA that the API makes while its caller waits.

use std::sync::Arc;
use std::time::Duration;

use super::super::drive::{Outside, ask};
use super::{DEADLINE, Requests, tell};
use crate::error::{Code, Error, Result};
use crate::mosip::ida::{self, Answer, Authenticated, IdLengths, Intent, Known, OtpSent, Response, Service};
use crate::mosip::{Stated, Verified};
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
        self.call(intent, Service::Auth, None).await?.try_map(ida::read_authenticated)
    }

    /// As [`Self::authenticate`], for a caller who learns the verdict and not what it rests on, and waits for `patience`: a refusal without a
    /// signature is [`Code::Tampered`], unless `upstream.ida.danger_accept_unsigned_replies` is on.
    pub(crate) async fn confirm(&self, intent: Arc<Intent>, patience: Duration) -> Result<bool> {
        let answer = self.call(intent, Service::Auth, Some(patience)).await?;
        match answer.try_map(ida::read_authenticated)? {
            Answer::Given(given) => Ok(given.get().auth_status),
            Answer::Refused(Stated::Unsigned(_)) if !self.requests.accepts_unsigned() => Err(Error::new(
                Code::Tampered,
                "IDA refuses the person, and its reply bears no signature",
            )
            .advise(
                "Ask the MOSIP administrator whether IDA signs its refusals, and look for a proxy that drops the header response-signature.",
            )),
            Answer::Refused(_) => Ok(false),
        }
    }

    /// The same, and what MOSIP holds of them, for [`Intent::Kyc`].
    pub(crate) async fn know(&self, intent: Arc<Intent>) -> Result<Answer<Known>> {
        let answer = self.call(intent, Service::Kyc, None).await?;
        let ring = self.requests.keys().current();
        self.pool.run(move || answer.try_map(|response| ida::read_known(response, &ring))).await
    }

    /// Sends the person a one-time password, for [`Intent::Otp`]. Here IDA's reasons are a problem: a caller that looks at nothing
    /// but the status shall not wait for a password that never comes.
    pub(crate) async fn send_otp(&self, intent: Arc<Intent>) -> Result<Verified<OtpSent>> {
        self.call(intent, Service::Otp, None).await?.try_map(ida::read_otp_sent)?.given()
    }

    /// Shares what is known of IDA with the records of jobs. While it is away the caller is not kept waiting for one deadline after the
    /// other; what pauses the records is no bar here, since an answer comes at once and shows when it is over.
    /// `longest` bounds all of it, a request that is sent once more too.
    async fn call(
        &self,
        intent: Arc<Intent>,
        service: Service,
        longest: Option<Duration>,
    ) -> Result<Answer<Response>> {
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
        });
        let asked = match longest {
            None => asked.await,
            Some(longest) => tokio::time::timeout(longest, asked).await.unwrap_or_else(|_| {
                Err(Error::new(Code::UpstreamTimeout, "IDA did not answer as soon as the caller needs it"))
            }),
        };
        if let Some(breaker) = breaker {
            tell(&*breaker, &asked);
        }
        asked
    }
}
