//! Logins without a network: what eSignet answers is made up beforehand. Benches measure with it what is between the bytes.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Uri;

use super::{Dpop, Esignet, Settings};
use crate::clock::Clock;
use crate::destinations::drive::Outside;
use crate::destinations::{Step, Steps, TokenSource, Work};
use crate::error::{Code, Error, Result};
use crate::keys::{Keyring, Ring};
use crate::mosip::Verified;
use crate::mosip::esignet::{Login, UserInfo};
use crate::pool::Pool;
use crate::upstream::{Reply, Request, SendError};

/// eSignet, whose answers a function makes up.
pub struct Offline(Esignet);

impl Offline {
    /// `issuer` is an absolute URL, below which `answer` is asked for `/token`, `/userinfo` and `/jwks`. The own key `key` signs assertions.
    ///
    /// # Errors
    ///
    /// [`Code::Field`] where the issuer is no URL, [`Code::Busy`] where the system gives no threads for private keys.
    pub fn new(
        issuer: &str,
        key: &str,
        ring: Ring,
        clock: Clock,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Result<Self> {
        let url = |part: &str| -> Result<Option<Uri>> {
            let url = format!("{issuer}/{part}").parse();
            url.map(Some).map_err(|_| Error::new(Code::Field, "the issuer is no URL"))
        };
        let settings = Settings {
            issuer: Some(issuer.to_owned()),
            issuer_url: None,
            token_url: url("token")?,
            userinfo_url: url("userinfo")?,
            jwks_url: url("jwks")?,
            audience: None,
            key: Some(key.to_owned()),
            clients: Vec::new(),
            dpop: Dpop::Auto,
            deadline: std::time::Duration::from_secs(10),
            unset: Vec::new(),
        };
        let (outside, pool) = (Arc::new(MadeUp(Box::new(answer))), Pool::for_this_machine()?);
        Ok(Self(Esignet::new(Some(settings), outside, Keyring::fixed(ring), pool, clock)))
    }

    /// The claims of the person whose login is in `body`, the JSON that `/v1/esignet/userinfo` takes.
    ///
    /// # Errors
    ///
    /// As for that route.
    pub async fn userinfo(&self, body: &[u8]) -> Result<Verified<UserInfo>> {
        let login: Login =
            serde_json::from_slice(body).map_err(|_| Error::new(Code::Malformed, "this is no login"))?;
        self.0.userinfo(login, Ok).await
    }
}

struct MadeUp(Box<dyn Fn(&Request) -> Reply + Send + Sync>);

impl Outside for MadeUp {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        std::future::ready(Ok(Ok((self.0)(&request)))).boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let step = steps.next(&work);
        std::future::ready(step.map(|step| (work, step))).boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}
