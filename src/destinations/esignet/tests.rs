use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::clock::Clock;
use crate::destinations::fake::{NOW, ring};
use crate::destinations::{Step, Steps, TokenSource, Work};
use crate::upstream::SendError;

/// It takes every request, and never answers.
struct Silent;

impl Outside for Silent {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        _: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        std::future::pending().boxed()
    }

    fn next(&self, _: &Arc<dyn Steps>, _: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        std::future::pending().boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn settings() -> Settings {
    Settings {
        issuer: Some("https://esignet.example.org".to_owned()),
        token_url: None,
        userinfo_url: None,
        jwks_url: None,
        audience: None,
        key: Some("esignet".to_owned()),
        dpop: Dpop::Auto,
        deadline: std::time::Duration::from_secs(10),
        unset: Vec::new(),
    }
}

fn login() -> Login {
    Login {
        code: "code".to_owned(),
        client_id: "client".to_owned(),
        redirect_uri: "https://register.example.org/form".to_owned(),
        code_verifier: None,
        nonce: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_esignet_that_hangs_holds_few_logins_and_frees_them_at_their_deadline() {
    let (keys, pool) = (Keyring::fixed(ring("partner", &[])), Pool::new(1, 4).unwrap());
    let esignet = Esignet::new(Some(settings()), Arc::new(Silent), keys, pool, Clock::fixed(NOW));
    let mut waiting: Vec<_> = (0..MOST_LOGINS).map(|_| Box::pin(esignet.userinfo(login()))).collect();
    assert!(waiting.iter_mut().all(|login| login.now_or_never().is_none()));
    let refusal = esignet.userinfo(login()).now_or_never().unwrap().err().unwrap();
    assert_eq!((refusal.code(), refusal.retryable()), (Code::Busy, true));
    for login in waiting {
        assert_eq!(login.await.err().unwrap().code(), Code::UpstreamTimeout);
    }
    assert!(esignet.userinfo(login()).now_or_never().is_none(), "there is room again");
}
