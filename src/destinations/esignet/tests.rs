use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::destinations::fake::{self, NOW, is_away, says};
use crate::destinations::{Step, Steps, TokenSource, Work};
use crate::error::Fault;
use crate::keys::Ring;
use crate::keys::settings::{Keys, OwnKey, Uses};
use crate::keys::source::file::{KeyFile, Password};
use crate::upstream::{Request, SendError};

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
        issuer_url: None,
        token_url: None,
        userinfo_url: None,
        jwks_url: None,
        clients: Vec::new(),
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
    let (keys, pool) = (Keyring::fixed(fake::ring("partner", &[])), Pool::new(1, 4).unwrap());
    let esignet = Esignet::new(Some(settings()), Arc::new(Silent), keys, pool, Clock::fixed(NOW));
    let mut waiting: Vec<_> = (0..MOST_LOGINS).map(|_| Box::pin(esignet.userinfo(login(), Ok))).collect();
    assert!(waiting.iter_mut().all(|login| login.now_or_never().is_none()));
    let refusal = esignet.userinfo(login(), Ok).await.err().unwrap();
    assert_eq!((refusal.code(), refusal.retryable()), (Code::Busy, true));
    for login in waiting {
        assert_eq!(login.await.err().unwrap().code(), Code::UpstreamTimeout);
    }
    assert_eq!(
        esignet.userinfo(login(), Ok).await.err().unwrap().code(),
        Code::UpstreamTimeout,
        "there is room again"
    );
    let ended = [("busy", 1), ("upstream", MOST_LOGINS as u64 + 1)];
    assert_eq!(esignet.0.logins.counted(), ended, "what the gateway refuses says nothing of eSignet");
}

/// Others run until they wait.
async fn others_run() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_login_that_is_given_up_before_its_code_is_sent_frees_its_place() {
    let (keys, pool) = (Keyring::fixed(fake::ring("partner", &[])), Pool::new(1, 4).unwrap());
    let esignet = Esignet::new(Some(settings()), Arc::new(Silent), keys, pool, Clock::fixed(NOW));
    let mut waiting: Vec<_> = (0..MOST_LOGINS).map(|_| Box::pin(esignet.userinfo(login(), Ok))).collect();
    assert!(waiting.iter_mut().all(|login| login.now_or_never().is_none()));
    others_run().await;
    assert_eq!(esignet.0.places.available_permits(), 0);
    drop(waiting);
    others_run().await;
    assert_eq!(esignet.0.places.available_permits(), MOST_LOGINS);
    assert_eq!(esignet.0.logins.counted(), [("given-up", MOST_LOGINS as u64)]);
    assert!(esignet.status().unwrap().0.failing.is_none(), "it says nothing of eSignet");
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_caller_hangs_up_once_its_code_is_sent_is_counted_as_it_ends() {
    let server = Arc::new(Vectors { is_silent: true, ..Vectors::new() });
    let esignet = esignet_at(&server, at("https"));
    let mut abandoned = Box::pin(esignet.userinfo(login_at(&server), Ok));
    assert!((&mut abandoned).now_or_never().is_none());
    others_run().await;
    assert_eq!(*server.asked.lock().unwrap(), ["/keys", "/token"]);
    drop(abandoned);
    // It begins after that one, and ends after it.
    let refusal = esignet.userinfo(login_at(&server), Ok).await.err().unwrap();
    assert_eq!(refusal.code(), Code::UpstreamTimeout);
    assert_eq!(esignet.0.logins.counted(), [("upstream", 2)]);
    assert_eq!(esignet.status().unwrap().0.failing.unwrap().error.code(), Code::UpstreamTimeout);
}

#[tokio::test]
async fn a_login_that_panics_is_counted_and_frees_its_place() {
    let server = Arc::new(Vectors::new());
    let esignet = esignet_at(&server, at("https"));
    let panics = |_| -> Result<()> { panic!("on purpose") };
    assert_eq!(esignet.userinfo(login_at(&server), panics).await.err().unwrap().code(), Code::Bug);
    assert_eq!(esignet.0.logins.counted(), [("bug", 1)]);
    assert_eq!(esignet.status().unwrap().0.failing.unwrap().error.code(), Code::Bug);
    assert_eq!(esignet.0.places.available_permits(), MOST_LOGINS);
}

/// An eSignet whose tokens jwcrypto made; what is wrong with it is the test's.
struct Vectors {
    file: Value,
    has_keys: bool,
    token_type: &'static str,
    /// `None`: no connection.
    token_status: Option<u16>,
    userinfo_status: u16,
    /// It takes codes, and never answers.
    is_silent: bool,
    asked: Mutex<Vec<String>>,
}

impl Vectors {
    fn new() -> Self {
        Self {
            file: serde_json::from_str(include_str!("../../../tests/vectors/esignet.json")).unwrap(),
            has_keys: true,
            token_type: "Bearer",
            token_status: Some(200),
            userinfo_status: 200,
            is_silent: false,
            asked: Mutex::default(),
        }
    }

    fn answer(&self, request: &Request) -> Result<Result<Reply, SendError>> {
        let token = |list: &str| self.file[list][0]["token"].as_str().unwrap().to_owned();
        match request.uri.path() {
            "/keys" if self.has_keys => says(200, &self.file["jwks"].to_string())(request),
            "/token" => match self.token_status {
                None => is_away()(request),
                Some(200) => {
                    let (id_token, access_token) = (token("id_tokens"), &self.file["access_token"]);
                    let reply = json!({"access_token": access_token, "token_type": self.token_type, "id_token": id_token});
                    says(200, &reply.to_string())(request)
                }
                Some(status) => says(status, "")(request),
            },
            "/userinfo" if self.userinfo_status == 200 => says(200, &token("userinfo"))(request),
            "/userinfo" => says(self.userinfo_status, "")(request),
            _ => says(StatusCode::BAD_GATEWAY.as_u16(), "")(request),
        }
    }
}

impl Outside for Vectors {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        self.asked.lock().unwrap().push(request.uri.path().to_owned());
        match self.is_silent && request.uri.path() == "/token" {
            true => std::future::pending().boxed(),
            false => std::future::ready(self.answer(&request)).boxed(),
        }
    }

    fn next(&self, _: &Arc<dyn Steps>, _: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        std::future::pending().boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn client() -> Ring {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let own = OwnKey {
        name: Some("esignet".to_owned()),
        source: KeyFile::source(dir.join("ec.key.pem"), Password::None),
        cert: None,
        uses: Uses { sign: true, decrypt: false },
    };
    let esignet = own.name.clone();
    let keys = Keys {
        own: vec![own],
        peers: Vec::new(),
        strict_permissions: false,
        ca_file: None,
        retire_after: std::time::Duration::from_hours(24),
        dir,
        esignet,
    };
    Ring::load(&keys, NOW)
}

/// The login of the vectors.
fn login_at(server: &Vectors) -> Login {
    let mut login = login();
    login.client_id = server.file["client_id"].as_str().unwrap().to_owned();
    login.nonce = server.file["nonce"].as_str().map(str::to_owned);
    login
}

fn esignet_at(server: &Arc<Vectors>, settings: Settings) -> Esignet {
    let (outside, pool) = (Arc::<Vectors>::clone(server), Pool::new(1, 4).unwrap());
    Esignet::new(Some(settings), outside, Keyring::fixed(client()), pool, Clock::fixed(NOW))
}

/// What comes of a login at `server`, and what it was asked.
async fn log_in(server: Vectors, settings: Settings) -> (Result<Verified<UserInfo>>, Vec<String>) {
    let server = Arc::new(server);
    let known = esignet_at(&server, settings).userinfo(login_at(&server), Ok).await;
    let asked = server.asked.lock().unwrap().clone();
    (known, asked)
}

#[tokio::test]
async fn every_login_is_counted_once_by_how_it_ended() {
    let server = Arc::new(Vectors::new());
    let esignet = esignet_at(&server, at("https"));
    assert!(esignet.userinfo(login_at(&server), Ok).await.is_ok());
    let unreadable = |_| -> Result<()> { Err(Error::new(Code::Upstream, "a name is not text")) };
    assert!(esignet.userinfo(login_at(&server), unreadable).await.is_err());
    assert!(esignet.status().unwrap().0.failing.is_some(), "whoever logs in next may meet the same");
    let [mut mistaken, mut empty] = [login_at(&server), login_at(&server)];
    mistaken.nonce = Some("another".to_owned());
    empty.code.clear();
    for (login, pointer) in [(mistaken, "/nonce"), (empty, "/code")] {
        assert_eq!(esignet.userinfo(login, Ok).await.err().unwrap().pointer(), Some(pointer));
    }
    assert_eq!(esignet.0.logins.counted(), [("believed", 1), ("unreadable", 1), ("caller", 2)]);

    let (keys, pool) = (Keyring::fixed(client()), Pool::new(1, 4).unwrap());
    let unset = Esignet::new(None, Arc::new(Silent), keys, pool, Clock::fixed(NOW));
    assert_eq!(unset.userinfo(login(), Ok).await.err().unwrap().code(), Code::Keys);
    assert_eq!(unset.0.logins.counted(), [("keys", 1)]);
}

#[tokio::test]
async fn what_a_caller_mistook_says_nothing_of_esignet() {
    let server = Arc::new(Vectors::new());
    let esignet = esignet_at(&server, at("https"));
    let mut mistaken = login_at(&server);
    mistaken.nonce = Some("another".to_owned());
    let refusal = esignet.userinfo(mistaken, Ok).await.err().unwrap();
    assert_eq!((refusal.code(), refusal.pointer()), (Code::Field, Some("/nonce")));
    assert!(esignet.status().unwrap().0.failing.is_none());
}

fn at(scheme: &str) -> Settings {
    let url = |path: &str| Some(format!("{scheme}://esignet.example.org/{path}").parse().unwrap());
    Settings { token_url: url("token"), userinfo_url: url("userinfo"), jwks_url: url("keys"), ..settings() }
}

#[tokio::test]
async fn a_code_is_not_used_while_nothing_that_it_brings_could_be_verified() {
    let (known, asked) = log_in(Vectors { has_keys: false, ..Vectors::new() }, at("https")).await;
    let refusal = known.err().unwrap();
    assert_eq!((refusal.fault(), refusal.retryable()), (Fault::Upstream, true), "{refusal}");
    assert_eq!(asked, ["/keys"]);
}

#[tokio::test]
async fn a_login_whose_code_was_sent_is_not_to_be_sent_again() {
    for (server, retryable) in [
        (Vectors { token_status: None, ..Vectors::new() }, true),
        (Vectors { token_status: Some(502), ..Vectors::new() }, false),
        (Vectors { userinfo_status: 502, ..Vectors::new() }, false),
        (Vectors { userinfo_status: 401, ..Vectors::new() }, false),
    ] {
        let what = (server.token_status, server.userinfo_status);
        let refusal = log_in(server, at("https")).await.0.err().unwrap();
        assert_eq!(refusal.retryable(), retryable, "{what:?}: {refusal}");
        let advice = refusal.advice();
        assert_eq!(advice.contains("log in again"), !retryable, "{what:?}: {advice}");
        assert!(retryable || !advice.contains("it can be sent again"), "{what:?}: {advice}");
    }
}

#[tokio::test]
async fn nothing_is_signed_for_a_client_that_is_not_listed() {
    for (listed, is_taken) in
        [(&["opencrvs-client"][..], true), (&["another", "opencrvs"], false), (&[], true)]
    {
        let clients = listed.iter().map(|name| (*name).to_owned()).collect();
        let (known, asked) = log_in(Vectors::new(), Settings { clients, ..at("https") }).await;
        let refused = known.err().map(|refusal| (refusal.code(), refusal.pointer().map(str::to_owned)));
        let expected = (!is_taken).then(|| (Code::Field, Some("/clientId".to_owned())));
        assert_eq!((refused, asked.is_empty()), (expected, !is_taken), "{listed:?}");
    }
}

#[tokio::test]
async fn keys_that_others_could_have_written_sign_nothing() {
    for (scheme, word) in [("https", "signature"), ("http", "none")] {
        let known = log_in(Vectors::new(), at(scheme)).await.0.unwrap_or_else(|refusal| panic!("{refusal}"));
        assert_eq!(known.word(), word, "{scheme}");
    }
}

#[tokio::test]
async fn a_token_is_bound_to_a_key_as_the_setting_says() {
    for (dpop, token_type, is_taken) in [
        (Dpop::Auto, "Bearer", true),
        (Dpop::Auto, "DPoP", true),
        (Dpop::Always, "DPoP", true),
        (Dpop::Always, "Bearer", false),
        (Dpop::Off, "Bearer", true),
        (Dpop::Off, "DPoP", false),
    ] {
        let server = Vectors { token_type, ..Vectors::new() };
        let (known, asked) = log_in(server, Settings { dpop, ..at("https") }).await;
        assert_eq!(known.is_ok(), is_taken, "{dpop:?} {token_type}: {:?}", known.err());
        assert_eq!(asked.contains(&"/userinfo".to_owned()), is_taken, "{dpop:?} {token_type}");
    }
}
