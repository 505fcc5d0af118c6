use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use tower::ServiceExt as _;

use super::*;

fn guard() -> Guard {
    Guard::new(vec!["gateway.internal".to_owned()], None)
}

fn unix() -> Peer {
    Peer { transport: Transport::Unix, certificate: None }
}

/// The status that a request to `target` with these headers gets behind `guard`.
async fn status(guard: Guard, peer: Option<Peer>, target: &str, headers: &[(&str, &str)]) -> StatusCode {
    let router = Router::new().fallback(async || "ok").layer(from_fn_with_state(guard, enforce));
    let mut request = http::Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(axum::body::Body::empty()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    router.oneshot(request).await.unwrap().status()
}

async fn plain(headers: &[(&str, &str)]) -> StatusCode {
    status(guard(), None, "/v1/open", headers).await
}

#[tokio::test]
async fn loopback_names_and_configured_hosts_are_let_in_with_any_port() {
    for host in [
        "localhost",
        "LOCALHOST:4546",
        "127.0.0.1:1",
        "[::1]:4546",
        "gateway.internal",
        "Gateway.Internal:80",
    ] {
        assert_eq!(plain(&[("host", host)]).await, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn a_rebound_or_missing_host_is_forbidden() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "localhost.",
        "",
        "a@localhost",
        "::1",
    ] {
        assert_eq!(plain(&[("host", host)]).await, StatusCode::FORBIDDEN, "{host}");
    }
    assert_eq!(plain(&[]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn two_hosts_are_forbidden() {
    assert_eq!(plain(&[("host", "localhost"), ("host", "evil.example")]).await, StatusCode::FORBIDDEN);
    for (target, expected) in
        [("http://evil.example/", StatusCode::FORBIDDEN), ("http://localhost/", StatusCode::OK)]
    {
        assert_eq!(status(guard(), None, target, &[("host", "localhost")]).await, expected, "{target}");
    }
}

#[tokio::test]
async fn a_foreign_origin_is_forbidden() {
    for (origin, expected) in [
        ("http://localhost:4546", StatusCode::OK),
        ("https://localhost:4546", StatusCode::OK),
        ("http://localhost:3000", StatusCode::FORBIDDEN),
        ("http://evil.example", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
        ("", StatusCode::FORBIDDEN),
    ] {
        let headers = [("host", "localhost:4546"), ("origin", origin)];
        assert_eq!(plain(&headers).await, expected, "{origin}");
    }
    let both = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example")];
    assert_eq!(plain(&both).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_of_another_site_is_forbidden() {
    for (site, expected) in [
        ("none", StatusCode::OK),
        ("same-origin", StatusCode::OK),
        ("same-site", StatusCode::FORBIDDEN),
        ("cross-site", StatusCode::FORBIDDEN),
        ("None", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(plain(&[("host", "localhost"), ("sec-fetch-site", site)]).await, expected, "{site}");
    }
}

#[tokio::test]
async fn a_unix_socket_has_no_host_to_check_and_still_refuses_pages() {
    assert_eq!(status(guard(), Some(unix()), "/v1/open", &[("host", "anything")]).await, StatusCode::OK);
    assert_eq!(status(guard(), Some(unix()), "/v1/open", &[]).await, StatusCode::OK);
    let page = [("host", "anything"), ("origin", "http://evil.example")];
    assert_eq!(status(guard(), Some(unix()), "/v1/open", &page).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn probes_need_neither_host_nor_token_and_pages_are_still_refused() {
    const PROBES: [&str; 2] = ["/livez", "/metrics"];
    let token = || Some(SecretBytes::new(b"secret".to_vec()));
    let guard = || Guard::for_browsers(Vec::new(), token(), &PROBES);
    for probe in PROBES {
        assert_eq!(status(guard(), None, probe, &[("host", "10.0.0.7:4548")]).await, StatusCode::OK);
        let page = [("host", "10.0.0.7:4548"), ("sec-fetch-site", "cross-site")];
        assert_eq!(status(guard(), None, probe, &page).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(status(guard(), None, "/livez/", &[("host", "10.0.0.7")]).await, StatusCode::FORBIDDEN);
    let other = Guard::new(Vec::new(), token());
    assert_eq!(status(other, None, "/livez", &[("host", "10.0.0.7")]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_configured_token_is_demanded() {
    for (sent, expected) in [
        (Some("Bearer secret"), StatusCode::OK),
        (Some("bearer secret"), StatusCode::OK),
        (Some("Bearer secre"), StatusCode::UNAUTHORIZED),
        (Some("Bearer"), StatusCode::UNAUTHORIZED),
        (Some("Basic secret"), StatusCode::UNAUTHORIZED),
        (Some("secret"), StatusCode::UNAUTHORIZED),
        (None, StatusCode::UNAUTHORIZED),
    ] {
        let guard = Guard::new(Vec::new(), Some(SecretBytes::new(b"secret".to_vec())));
        let headers: Vec<_> =
            [("host", "localhost")].into_iter().chain(sent.map(|sent| ("authorization", sent))).collect();
        assert_eq!(status(guard, Some(unix()), "/v1/open", &headers).await, expected, "{sent:?}");
    }
}

#[tokio::test]
async fn a_browser_may_send_the_token_as_a_password_where_there_is_a_page_only() {
    let basic = |pair: &str| format!("Basic {}", base64::encode(pair.as_bytes()));
    let token = || Some(SecretBytes::new(b"sec:ret".to_vec()));
    for (sent, expected) in [
        ("Bearer sec:ret".to_owned(), StatusCode::OK),
        (basic(":sec:ret"), StatusCode::OK),
        (basic("operator:sec:ret"), StatusCode::OK),
        (basic("operator:sec:re"), StatusCode::UNAUTHORIZED),
        (basic("sec:ret"), StatusCode::UNAUTHORIZED),
        (basic("secret"), StatusCode::UNAUTHORIZED),
        ("Basic !".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        let headers = [("host", "localhost"), ("authorization", sent.as_str())];
        let page = Guard::for_browsers(Vec::new(), token(), &[]);
        assert_eq!(status(page, Some(unix()), "/", &headers).await, expected, "{sent}");
    }
    let password = basic("operator:sec:ret");
    let headers = [("host", "localhost"), ("authorization", password.as_str())];
    let api = Guard::new(Vec::new(), token());
    assert_eq!(status(api, Some(unix()), "/v1/open", &headers).await, StatusCode::UNAUTHORIZED);
}

#[test]
fn json_is_demanded_by_name() {
    for (value, accepted) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("text/plain", false),
        ("application/x-www-form-urlencoded", false),
        ("application/jsonp", false),
        ("", false),
    ] {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
        assert_eq!(require_json(&headers).is_ok(), accepted, "{value}");
    }
    assert_eq!(require_json(&HeaderMap::new()).unwrap_err().code(), Code::MediaType);
}
