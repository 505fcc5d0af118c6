use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::destinations::drive::Outside;
use crate::destinations::fake::is_away;
use crate::destinations::{Step, Steps, TokenSource, Work};
use crate::faces::jwt::JwtSettings;
use crate::mosip::caller::Demands;
use crate::upstream::{Reply, Request, SendError};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const KEY: &[u8] = include_bytes!("../../../tests/vectors/keys/issuer.key.pem");
const STRANGER: &[u8] = include_bytes!("../../../tests/vectors/keys/stranger.key.pem");

/// What stands at the URL of keys, by the name of its server.
struct Servers;

impl Outside for Servers {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        let body: &[u8] = match request.uri.host().unwrap() {
            "opencrvs" => include_bytes!("../../../tests/vectors/keys/issuer.crt.pem"),
            "mosip" => include_bytes!("../../../tests/vectors/keys/issuer.jwks.json"),
            "silent" => return std::future::pending().boxed(),
            _ => return std::future::ready(is_away()(&request)).boxed(),
        };
        let (headers, body) = (HeaderMap::new(), Bytes::from_static(body));
        std::future::ready(Ok(Ok(Reply { status: StatusCode::OK, headers, body }))).boxed()
    }

    fn next(&self, _: &Arc<dyn Steps>, _: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        std::future::pending().boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// Both kinds of tokens are demanded; their keys are on these servers.
fn callers(opencrvs: &str, mosip: &str) -> Callers {
    let callers = |host: &str, demands| {
        let settings = JwtSettings::at(&format!("https://{host}/keys"), demands);
        Some(JwtCallers::new(settings, Arc::new(Servers), PATIENCE))
    };
    let of_opencrvs = Demands::Opencrvs {
        issuer: "opencrvs:auth-service".to_owned(),
        audience: Some("opencrvs:mosip-user".to_owned()),
    };
    let of_mosip = Demands::Mosip {
        issuer_host: "iam.example.org".to_owned(),
        allowed: vec!["regproc".to_owned()],
        role: None,
    };
    Callers {
        opencrvs_jwt: callers(opencrvs, of_opencrvs),
        mosip_jwt: callers(mosip, of_mosip),
        ..Callers::default()
    }
}

fn token(issuer: &str, kid: Option<&str>, key: &[u8]) -> String {
    let claims: Value =
        json!({"iss": issuer, "aud": "opencrvs:mosip-user", "azp": "regproc", "exp": NOW.seconds() + 600});
    let mut header = Header::new(Algorithm::RS256);
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_rsa_pem(key).unwrap()).unwrap()
}

fn of_opencrvs() -> String {
    token("opencrvs:auth-service", None, KEY)
}

fn of_mosip() -> String {
    token("https://iam.example.org/auth", Some("issuer-1"), KEY)
}

async fn check(callers: &Callers, token: &str) -> Result<(), Code> {
    callers.check(token, NOW, &Caller::default()).await.map_err(|refusal| refusal.code())
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_kind_cannot_be_checked_is_no_bad_token() {
    for away in ["away", "silent"] {
        let callers = callers(away, "mosip");
        assert_eq!(check(&callers, &of_mosip()).await, Ok(()), "{away}");
        assert_eq!(check(&callers, &of_opencrvs()).await, Err(Code::CallerKeys), "{away}");
        for nobody in ["x", "a.b.c", &token("https://other.example.org", None, KEY)] {
            let asked = check(&callers, nobody).now_or_never();
            assert_eq!(asked, Some(Err(Code::Unauthorized)), "{away}: no key makes {nobody} good");
        }
    }
    let callers = callers("opencrvs", "mosip");
    assert_eq!(check(&callers, &of_opencrvs()).await, Ok(()));
    assert_eq!(
        check(&callers, &token("opencrvs:auth-service", None, STRANGER)).await,
        Err(Code::Unauthorized)
    );
}

#[tokio::test(start_paused = true)]
async fn the_page_of_opencrvs_waits_for_no_key_whose_next_fetch_it_would_not_live_to_see() {
    let demands = Demands::Opencrvs { issuer: "opencrvs:auth-service".to_owned(), audience: None };
    let settings = JwtSettings::at("https://away/keys", demands);
    let callers = JwtCallers::new(settings, Arc::new(Servers), crate::faces::mosip_api::PATIENCE);
    let (token, caller) = (of_opencrvs(), Caller::default());
    let check =
        async || callers.check(&token, NOW, &caller).await.map(drop).map_err(|refusal| refusal.code());
    assert_eq!(check().await, Err(Code::CallerKeys));
    assert_eq!(check().now_or_never(), Some(Err(Code::CallerKeys)), "in the pause");
}

#[tokio::test(start_paused = true)]
async fn a_good_token_waits_for_no_key_of_the_other_kind_and_for_no_stranger() {
    let callers = callers("silent", "mosip");
    assert_eq!(check(&callers, &of_mosip()).await, Ok(()));
    let strangers = token("https://iam.example.org/auth", Some("issuer-2"), STRANGER);
    let mut stranger = Box::pin(check(&callers, &strangers));
    assert!((&mut stranger).now_or_never().is_none());
    assert_eq!(check(&callers, &of_mosip()).now_or_never(), Some(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_undecided_while_the_keys_may_be_old_and_tells_a_stranger_nothing() {
    let callers = callers("opencrvs", "mosip");
    assert_eq!(check(&callers, &of_mosip()).await, Ok(()), "the keys are there");
    let unknown = token("https://iam.example.org/auth", Some("issuer-2"), STRANGER);
    assert_eq!(check(&callers, &unknown).await, Err(Code::Unauthorized), "the keys were fetched for it");
    assert_eq!(check(&callers, &unknown).await, Err(Code::CallerKeys), "they were fetched a moment ago");
    let forged = token("https://iam.example.org/auth", Some("issuer-1"), STRANGER);
    assert_eq!(check(&callers, &forged).await, Err(Code::Unauthorized), "the key that it names is known");
    // Whoever comes late in the minute waits for its end: the MOSIP-side mediator posts once.
    tokio::time::advance(Duration::from_mins(1).saturating_sub(PATIENCE) + Duration::from_secs(1)).await;
    assert_eq!(check(&callers, &forged).now_or_never(), Some(Err(Code::Unauthorized)), "it does not wait");
    assert_eq!(check(&callers, &unknown).await, Err(Code::Unauthorized), "the keys were fetched again");

    let away = self::callers("away", "away");
    let refusal = away.check(&of_opencrvs(), NOW, &Caller::default()).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.fault()), (Code::CallerKeys, crate::error::Fault::Upstream));
    assert!(refusal.retry_after().is_some() && !refusal.detail().contains("upstream"), "{refusal}");
    assert!(refusal.operator_detail().unwrap().contains("refused"), "the log says why");
}
