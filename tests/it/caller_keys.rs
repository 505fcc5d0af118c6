//! Callers of `/birthReceiveNid` whose tokens are checked with keys at a URL: OpenCRVS's key, and the key set of MOSIP's IAM.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use http::{HeaderMap, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::event::BIRTH;
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::mosip::{Push, caller_token};
use crate::support::patience;

/// Serves a text at a URL, counts how often, and can be told another one.
struct Published {
    url: String,
    text: Arc<Mutex<(String, usize)>>,
}

impl Published {
    async fn start(text: String) -> Self {
        let text = Arc::new(Mutex::new((text, 0)));
        let served = Arc::clone(&text);
        let serve = async move || {
            let mut served = served.lock().unwrap();
            served.1 += 1;
            served.0.clone()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().route("/keys", get(serve))).await });
        Self { url, text }
    }

    fn becomes(&self, text: String) {
        self.text.lock().unwrap().0 = text;
    }

    fn count(&self) -> usize {
        self.text.lock().unwrap().1
    }

    async fn is_fetched(&self, times: usize) {
        patience::until("a fetch", async || match self.count() {
            count if count >= times => Ok(()),
            count => Err(count),
        })
        .await;
    }
}

/// The example whose callback demands `kind`, with `settings`.
async fn gateway(kind: &str, settings: &str) -> Running {
    let jwt = EXAMPLE.lines().find(|line| line.starts_with("opencrvs_jwt")).unwrap();
    let text = EXAMPLE.replace(jwt, settings).replace(r#"["opencrvs-jwt"]"#, &format!("[\"{kind}\"]"));
    Running::start_under(&text, &[]).await
}

async fn status(gateway: &Running, token: Option<&str>) -> u16 {
    let push = Push::new("181143436614273179672591646666325380").body();
    gateway.push_with(token, &push).await.status.as_u16()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A token that another key than OpenCRVS's signed.
fn signed_by_a_stranger() -> String {
    let token = caller_token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", "A".repeat(342))
}

fn of_mosip(kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(kid.to_owned());
    let key = EncodingKey::from_rsa_pem(text("tests/vectors/keys/issuer.key.pem").as_bytes()).unwrap();
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

#[tokio::test]
async fn opencrvs_key_is_fetched_and_fetched_again_when_it_has_changed() {
    let published = Published::start(text("tests/vectors/keys/stranger.crt.pem")).await;
    let settings = format!("opencrvs_jwt = {{ url = \"{}\" }}", published.url);
    let gateway = gateway("opencrvs-jwt", &settings).await;
    published.is_fetched(1).await;
    for nobody in [None, Some("x"), Some("a.b.c")] {
        assert_eq!(status(&gateway, nobody).await, 401);
    }
    assert_eq!(published.count(), 1, "what is no token is no reason to fetch the key again");
    published.becomes(text("keys.example/opencrvs-jwt.pem"));
    assert_eq!(status(&gateway, Some(&caller_token())).await, 200);
    assert_eq!(published.count(), 2);
    let reply = gateway.push_with(Some(&signed_by_a_stranger()), "{}").await;
    assert_eq!(reply.status, 503, "the key was fetched a moment ago: nobody knows whose token it is");
    let wait: u64 = reply.headers[http::header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let said = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!said.contains("127.0.0.1") && !said.contains("opencrvs_jwt"), "{said}");
    assert_eq!((status(&gateway, Some(&caller_token())).await, published.count()), (200, 2));
}

/// The MOSIP-side mediator posts once, and drops the UINTOKEN on any refusal.
#[tokio::test]
async fn a_push_waits_for_a_key_that_has_not_come_yet() {
    let published = Published::start("<html>".to_owned()).await;
    let gateway = gateway("opencrvs-jwt", &format!("opencrvs_jwt = {{ url = \"{}\" }}", published.url)).await;
    published.is_fetched(1).await;
    assert_eq!(status(&gateway, Some("a.b.c")).await, 401, "what is no token does not wait");
    let token = caller_token();
    let (taken, ()) = tokio::join!(status(&gateway, Some(&token)), async {
        published.becomes(text("keys.example/opencrvs-jwt.pem"));
    });
    assert_eq!(taken, 200);
}

#[tokio::test]
async fn a_key_that_never_comes_is_told_everywhere_until_it_comes_and_stops_no_registration() {
    let published = Published::start("<html>".to_owned()).await;
    let host = published.url.split('/').nth(2).unwrap();
    let settings = format!("opencrvs_jwt = {{ url = \"{}?secret=47110815\" }}", published.url);
    let gateway = gateway("opencrvs-jwt", &settings).await;
    let ops = async |path: &str| {
        let url = format!("http://{}{path}", gateway.ops);
        let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    let headline =
        format!("<h1>Put right: callback.opencrvs_jwt.url: {host} has given no key since the start, at 20");
    let page = patience::until("the page", async || {
        let page = ops("/").await;
        if page.contains(&headline) { Ok(page) } else { Err(page) }
    })
    .await;
    assert!(!page.contains("47110815") && !page.contains("Everything flows"), "{page}");
    let (status, ready) = gateway.readiness().await;
    let told = |trouble: &&Value| trouble["subject"] == "callback.opencrvs_jwt.url";
    let trouble = ready["troubles"].as_array().unwrap().iter().find(told).unwrap();
    assert_eq!((status, &trouble["fatal"]), (200, &json!(true)), "{ready}");
    assert!(trouble["advice"].as_str().unwrap().contains("make that server answer"), "{trouble}");
    assert!(!ready.to_string().contains("47110815"), "{ready}");
    let metrics = ops("/metrics").await;
    assert!(metrics.contains("mosip_gateway_setting_troubles{fatal=\"true\"} 1"), "{metrics}");
    for code in ["upstream", "keys"] {
        let refused = format!(
            "mosip_gateway_refused_total{{listener=\"callback\",route=\"/birthReceiveNid\",code=\"{code}\"}} 0"
        );
        assert!(metrics.contains(&refused), "an alarm sees the first one: {metrics}");
    }
    assert_eq!(gateway.post_birth(BIRTH).await.0, 202);

    published.becomes(text("keys.example/opencrvs-jwt.pem"));
    patience::until("the key", async || {
        let (_, ready) = gateway.readiness().await;
        if ready["troubles"].as_array().unwrap().iter().any(|trouble| told(&trouble)) {
            Err(ready)
        } else {
            Ok(())
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_of_mosips_iam_is_taken_and_no_other() {
    let published = Published::start(text("tests/vectors/keys/issuer.jwks.json")).await;
    let settings = format!(
        "mosip_jwt = {{ jwks_url = \"{}\", issuer_host = \"iam.example.org\", allowed = [\"mosip-regproc-client\"], role = \"CRVS\" }}",
        published.url
    );
    let gateway = gateway("mosip-jwt", &settings).await;
    let claims = json!({
        "iss": "https://iam.example.org/auth/realms/mosip", "azp": "mosip-regproc-client", "aud": "account",
        "exp": crate::support::now().seconds() + 600, "realm_access": {"roles": ["CRVS"]},
    });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    assert_eq!(status(&gateway, Some(&of_mosip("issuer-1", &claims))).await, 200);
    for (kid, claims) in [
        ("issuer-1", with("azp", json!("another"))),
        ("issuer-1", with("iss", json!("https://other.example.org/auth/realms/mosip"))),
        ("issuer-1", with("realm_access", json!({"roles": []}))),
        ("issuer-1", with("exp", json!(1))),
        ("issuer-2", claims.clone()),
    ] {
        assert_eq!(status(&gateway, Some(&of_mosip(kid, &claims))).await, 401, "{kid} {claims}");
    }
    assert_eq!(status(&gateway, Some(&caller_token())).await, 401, "OpenCRVS's is of another key");
    assert_eq!(status(&gateway, None).await, 401);
    assert_eq!(published.count(), 2, "an unknown kid fetches the keys once more, and then not for a minute");
}
