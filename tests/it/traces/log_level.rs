//! `POST /v1/log`: who may say how much is logged, and that no level shows more than it may.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};

use crate::support::gateway::Running;
use crate::support::process;

async fn ask(gateway: &Running, query: &str, pairs: &[(&'static str, &str)]) -> Reply {
    let url = format!("http://{}/v1/log{query}", gateway.ops);
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = pairs.iter().map(pair).collect();
    gateway.request(Method::POST, url, headers, "").await
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn a_level_is_set_until_the_next_start_and_one_that_does_not_exist_is_refused_with_the_list() {
    let gateway = Running::start(&[("TELEMETRY__LOG", "warn")]).await;
    let set = ask(&gateway, "?level=debug", &[]).await;
    assert_eq!((set.status, body(&set)), (StatusCode::OK, json!({ "level": "debug", "former": "warn" })));
    let set = ask(&gateway, "?level=off", &[]).await;
    assert_eq!(body(&set)["former"], "debug");
    for query in ["?level=loud", "?level=", "?level=hyper=trace"] {
        let refused = ask(&gateway, query, &[]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let advice = body(&refused)["advice"].as_str().unwrap().to_owned();
        assert!(advice.contains("off, error, warn, info, debug, trace"), "{advice}");
    }
    for query in ["", "?level=info&level=debug", "?level=info&for=ever"] {
        let status = ask(&gateway, query, &[]).await.status;
        assert!(status.is_client_error(), "{query}: {status}");
    }
    assert_eq!(
        body(&ask(&gateway, "?level=info", &[]).await)["former"],
        "off",
        "what is refused changes nothing"
    );
}

/// Before its mend nothing but a line of the log told that somebody had left it at `debug`.
#[tokio::test]
async fn a_level_that_was_left_is_worth_a_look_until_it_is_set_back() {
    let gateway = Running::start(&[("TELEMETRY__LOG", "warn")]).await;
    let told = async || {
        let read = async |route| {
            let url = format!("http://{}{route}", gateway.ops);
            let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
            String::from_utf8(reply.body.to_vec()).unwrap()
        };
        let (ready, page, metrics) = (read("/readyz").await, read("/").await, read("/metrics").await);
        let line = "is warn, and debug counts, which was set on request";
        let count = metrics.lines().find(|line| line.contains("setting_troubles{fatal=\"false\"}")).unwrap();
        (ready.contains(line), page.contains(line), count.to_owned())
    };
    let (in_order, before) = ((false, false), told().await);
    assert_eq!((before.0, before.1), in_order);
    ask(&gateway, "?level=debug", &[]).await;
    let left = told().await;
    assert_eq!((left.0, left.1), (true, true));
    assert_ne!(left.2, before.2, "it is counted");
    ask(&gateway, "?level=warn", &[]).await;
    assert_eq!(told().await, before);
}

#[tokio::test]
async fn who_sets_the_level_is_logged_also_where_nothing_is_from_then_on() {
    let mut gateway = process::Gateway::new();
    gateway.start();
    gateway.ready().await;
    for level in ["off", "error", "info"] {
        let url = format!("http://{}/v1/log?level={level}", gateway.ops());
        assert!(process::post(&process::client(), &url, String::new()).await.unwrap().status.is_success());
    }
    gateway.end().await;
    let log = gateway.whole_log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<_> =
        lines.filter(|line| line["message"] == "the level of the log is set on request").collect();
    let levels: Vec<_> = told.iter().map(|line| [&line["former"], &line["to"]]).collect();
    assert_eq!(levels, [["info", "off"], ["error", "info"]], "one line each: {log}");
    assert!(told.iter().all(|line| line["by"].as_str().unwrap().starts_with("127.0.0.1")), "{told:?}");
}

#[tokio::test]
async fn a_page_and_a_caller_without_the_token_set_no_level() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("ops.token");
    std::fs::write(&token, "a-token-of-operators\n").unwrap();
    let gateway = Running::start(&[("OPS__TOKEN_FILE", token.to_str().unwrap())]).await;
    let bearer = ("authorization", "Bearer a-token-of-operators");
    for (pairs, status) in [
        (&[][..], StatusCode::UNAUTHORIZED),
        (&[("authorization", "Bearer another")], StatusCode::UNAUTHORIZED),
        (&[bearer, ("origin", "https://elsewhere.example")], StatusCode::FORBIDDEN),
        (&[bearer, ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (&[bearer, ("host", "rebound.example")], StatusCode::FORBIDDEN),
        (&[bearer], StatusCode::OK),
    ] {
        assert_eq!(ask(&gateway, "?level=info", pairs).await.status, status, "{pairs:?}");
    }
}

#[tokio::test]
async fn off_the_loopback_no_level_is_set_without_a_token() {
    let port = crate::support::port::Port::hold();
    let ops = port.address().replace("127.0.0.1", "0.0.0.0");
    let mut gateway = Running::start(&[("LISTEN__OPS", &ops)]).await;
    gateway.ops = port.address();
    assert_eq!(ask(&gateway, "?level=trace", &[]).await.status, StatusCode::NOT_FOUND);
}
