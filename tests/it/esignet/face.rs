//! The route of `mosip-api` that the form of OpenCRVS calls: its answer, its refusals, and the page that may read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::simulator::{Behaviour, EsignetLie};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{CLIENT, FORM, World};
use crate::support::mosip::caller_token;

/// The face of `mosip-api`, with the key of OpenCRVS's auth service at a URL.
struct Face {
    world: World,
    url: String,
    keys_served: Arc<AtomicUsize>,
}

async fn face() -> Face {
    let keys_served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&keys_served);
    let pem = std::fs::read_to_string("keys.example/opencrvs-jwt.pem").unwrap();
    let serve = async move || {
        counter.fetch_add(1, Ordering::SeqCst);
        pem.clone()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let auth = format!("http://{}/.well-known", listener.local_addr().unwrap());
    let routes = Router::new().route("/.well-known", get(serve));
    tokio::spawn(async { axum::serve(listener, routes).await });
    let more = format!(
        "[faces]\nmosip_api = true\ncors_origin = \"https://register.example.org\"\nopencrvs_jwt = {{ url = \"{auth}\" }}\n"
    );
    let world = World::start(&more).await;
    let url = format!("http://{}/esignet/get-oidp-user-info", world.gateway.api);
    Face { world, url, keys_served }
}

impl Face {
    async fn call(&self, token: Option<&str>, query: &str, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://register.example.org"));
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        self.world.gateway.request(Method::POST, format!("{}{query}", self.url), headers, body).await
    }
}

#[tokio::test]
async fn the_form_of_opencrvs_gets_exactly_what_mosip_api_gives() {
    let face = face().await;
    let code = face.world.simulator.esignet.log_in(FORM, None, None);
    let body = json!({"clientId": CLIENT, "redirectUri": format!("{FORM}?event=1")}).to_string();
    let reply = face.call(Some(&caller_token()), &format!("?code={code}&state=s1&iss=x"), &body).await;
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://register.example.org");
    assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    assert_eq!(
        std::str::from_utf8(&reply.body).unwrap(),
        r#"{"sub":"294872947294729472947294729472947294","name":{"firstname":"Leila","middlename":"Noor","surname":"Karim"},"gender":"female","dobUnknown":null,"birthDate":"1990-03-14","verificationStatus":"authenticated","idType":null,"nid":null}"#
    );
    assert_eq!(reply.status, 200);
    assert_eq!(face.keys_served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn each_field_of_a_login_that_is_missing_of_another_type_or_too_long_asks_esignet_nothing() {
    let face = face().await;
    let token = caller_token();
    let (own, long) = (json!({"clientId": CLIENT, "redirectUri": FORM}), json!("7".repeat(1 << 20)));
    for name in ["clientId", "redirectUri", "codeVerifier", "nonce"] {
        for value in
            [json!(null), json!(47_110_815), json!(true), json!(["47110815"]), json!({}), long.clone()]
        {
            let is_done_without = value.is_null() && own.get(name).is_none();
            let mut body = own.clone();
            body[name] = value;
            let code = face.world.simulator.esignet.log_in(FORM, None, None);
            let query = format!("?code={code}&state=s");
            let reply = face.call(Some(&token), &query, &body.to_string()).await;
            let answer = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, if is_done_without { 200 } else { 422 }, "{name}: {answer}");
            assert!(!answer.contains("4711") && !answer.contains("7777"), "{name}: {answer}");
        }
        let mut body = own.clone();
        if body.as_object_mut().unwrap().remove(name).is_some() {
            let reply = face.call(Some(&token), "?code=c&state=s", &body.to_string()).await;
            let answer: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(
                (reply.status.as_u16(), &answer["error"]),
                (422, &json!(format!("/{name}: this is missing")))
            );
        }
    }
}

#[tokio::test]
async fn the_face_refuses_in_the_form_of_mosip_api() {
    let face = face().await;
    let body = json!({"clientId": CLIENT, "redirectUri": FORM}).to_string();
    let ours = caller_token();
    let strangers = ours.rsplit_once('.').map(|(signed, _)| format!("{signed}.{}", "A".repeat(342))).unwrap();
    for (token, query, body, status) in [
        (None, "?code=c&state=s", body.as_str(), 401),
        (Some("a.b.c"), "?code=c&state=s", &body, 401),
        (Some(&*strangers), "?code=c&state=s", &body, 401),
        (Some(&*ours), "?state=s", &body, 422),
        (Some(&*ours), "?code=c", &body, 422),
        (Some(&*ours), "?code=c&code=d&state=s", &body, 422),
        (Some(&*ours), "?code=c&state=s", "{}", 422),
        (Some(&*ours), "?code=c&state=s", "<html>", 422),
        (Some(&*ours), "?code=c&state=s", &body, 422),
    ] {
        let reply = face.call(token, query, body).await;
        let answered: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, status, "{query} {body}: {answered}");
        assert_eq!(answered.as_object().unwrap().len(), 1, "{answered}");
        assert!(answered["error"].is_string(), "{answered}");
        assert_eq!(answered["error"] == "Unauthorized", status == 401, "{answered}");
    }
    assert_eq!(
        face.keys_served.load(Ordering::SeqCst),
        2,
        "wrong signatures fetch the key once more, and then not for a minute"
    );
    face.world.lie(EsignetLie::WrongSubject);
    let code = face.world.simulator.esignet.log_in(FORM, None, None);
    let reply = face.call(Some(&ours), &format!("?code={code}&state=s"), &body).await;
    assert_eq!(reply.status, 503);
    assert!(!String::from_utf8_lossy(&reply.body).contains("Leila"));

    face.world.lie(EsignetLie::OddName);
    let code = face.world.simulator.esignet.log_in(FORM, None, None);
    let reply = face.call(Some(&ours), &format!("?code={code}&state=s"), &body).await;
    let said = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!((reply.status.as_u16(), reply.headers.get(header::RETRY_AFTER)), (503, None), "{said}");
    assert!(said.contains("by hand") && !said.contains("Leila"), "{said}");
    let metrics = format!("http://{}/metrics", face.world.gateway.ops);
    let metrics = face.world.gateway.request(Method::GET, metrics, HeaderMap::new(), "").await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for count in ["unreadable\"} 1", "tampered\"} 1", "believed\"} 0"] {
        assert!(metrics.contains(&format!("mosip_gateway_logins_total{{outcome=\"{count}")), "{metrics}");
    }
}

#[tokio::test]
async fn a_face_speaks_of_esignet_and_not_of_mosip_or_records() {
    let face = face().await;
    let body = json!({"clientId": CLIENT, "redirectUri": FORM}).to_string();
    let code = face.world.simulator.esignet.log_in(FORM, None, None);
    face.world.behave(Behaviour { down: true, ..Behaviour::default() });
    let reply = face.call(Some(&caller_token()), &format!("?code={code}&state=s"), &body).await;
    let said = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 503, "{said}");
    assert!(said.contains("eSignet") && !said.contains("MOSIP") && !said.contains("record"), "{said}");
}

#[tokio::test]
async fn the_token_comes_before_all_else_and_a_page_may_read_every_refusal() {
    let face = face().await;
    let body = json!({"clientId": CLIENT, "redirectUri": FORM}).to_string();
    let ours = caller_token();
    // In both spellings.
    for path in ["", "/"] {
        for token in [None, Some("x"), Some("a.b.c")] {
            let reply = face.call(token, path, "").await;
            assert_eq!(
                (reply.status.as_u16(), &reply.body[..]),
                (401, &br#"{"error":"Unauthorized"}"#[..]),
                "{path}"
            );
            assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://register.example.org");
        }
        let reply = face.call(Some(&ours), path, &body).await;
        assert_eq!(reply.status, 422, "{path}");
        assert!(serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].is_string());
        assert!(reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{path}");
    }
    let code = face.world.simulator.esignet.log_in(FORM, None, None);
    let reply = face.call(Some(&ours), &format!("/?code={code}&state=s1"), &body).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn nobody_learns_of_our_network_or_our_keys_from_a_refusal() {
    let body = json!({"clientId": CLIENT, "redirectUri": FORM}).to_string();
    for lie in [EsignetLie::Redirect, EsignetLie::KeysHtml, EsignetLie::OtherHost, EsignetLie::Large] {
        let world = World::start(&format!(
            "{}\nopencrvs_jwt = {{ file = \"../keys.example/opencrvs-jwt.pem\" }}\n",
            "[faces]\nmosip_api = true"
        ))
        .await;
        world.lie(lie);
        let url = format!("http://{}/esignet/get-oidp-user-info", world.gateway.api);
        let code = world.simulator.esignet.log_in(FORM, None, None);
        let face = Face { world, url, keys_served: Arc::default() };
        let reply = face.call(Some(&caller_token()), &format!("?code={code}&state=s"), &body).await;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 503, "{said}");
        for inner in ["127.0.0.1", "esignet.", "http", "connection", "answered"] {
            assert!(!said.contains(inner), "{lie:?}: {said}");
        }
    }
}

#[tokio::test]
async fn the_page_of_opencrvs_alone_may_read_the_answer() {
    let face = face().await;
    let preflight = async |origin: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        face.world.gateway.request(Method::OPTIONS, face.url.clone(), headers, "").await
    };
    let ours = preflight("https://register.example.org").await;
    assert_eq!(ours.status, 204);
    assert_eq!(ours.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://register.example.org");
    assert_eq!(ours.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization, content-type");
    for other in ["https://register.example.org.evil.example", "http://register.example.org", "null"] {
        let refused = preflight(other).await;
        assert!(!refused.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{other}");
    }
}
