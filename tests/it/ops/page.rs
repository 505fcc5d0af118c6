//! What the page refuses, loads and lists, and who may see it.

use super::*;

#[tokio::test]
async fn what_is_not_a_form_of_the_page_decides_nothing() {
    let place = Place::new().await;
    place.switch_mosip_off();
    place.park("mine", "bug", "odd").await;
    place.park("other", "bug", "odd").await;
    let (mine, other) = (place.token("event:mine").await, place.token("event:other").await);

    let form =
        |token: &'static str| [("about", "event:mine"), ("token", token), ("do", "discard"), ("reason", "x")];
    let signed = [("about", "event:mine"), ("token", mine.as_str()), ("do", "discard"), ("reason", "x")];
    let swapped = [("about", "event:mine"), ("token", other.as_str()), ("do", "discard"), ("reason", "x")];
    let unreasoned = [("about", "event:mine"), ("token", mine.as_str()), ("do", "discard"), ("reason", " ")];
    let foreign = [("origin", "http://evil.example")];
    let cross_site = [("sec-fetch-site", "cross-site")];
    let json = [("content-type", "application/json")];
    let no_more: [(&str, &str); 0] = [];
    let cases: [(&str, Pairs<'_>, Pairs<'_>, u16); 7] = [
        ("no token", &form("")[..], &no_more, 403),
        ("an invented token", &form("AAAA")[..], &no_more, 403),
        ("the token of another event", &swapped, &no_more, 403),
        ("a page of another origin", &signed, &foreign, 403),
        ("a page of another site", &signed, &cross_site, 403),
        ("not a form", &signed, &json, 415),
        ("no reason", &unreasoned, &no_more, 422),
    ];
    for (defect, members, more, status) in cases {
        let reply = place.decide(members, more).await;
        assert_eq!(reply.status.as_u16(), status, "{defect}");
        assert_eq!(place.gateway().ids("state=parked").await, ["mine", "other"], "{defect}");
    }
    assert_eq!(place.decide(&signed, &no_more).await.status, StatusCode::SEE_OTHER, "and as it should be");
}

#[tokio::test]
async fn the_page_loads_nothing_runs_nothing_and_is_not_kept() {
    let place = Place::new().await;
    let reply = place.get("/", &[]).await;
    let page = String::from_utf8(reply.body.to_vec()).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    for (name, value) in [
        ("content-security-policy", policy.as_str()),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    for loaded in ["<script", "src=", "<link", "style=", "http://", "https://"] {
        assert!(!page.contains(loaded), "{loaded} is on the page");
    }
    let refused = place.decide(&[], &[]).await;
    assert_eq!(refused.headers["content-security-policy"], policy, "a refusal is a page too");
}

#[tokio::test]
async fn a_long_list_goes_on_over_pages() {
    let place = Place::new().await;
    place.database().run(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 130)
         INSERT INTO entry (id, destination, kind, line, state, accepted_at, waiting_since, next_at)
         SELECT 'event-' || n, 'mediator', 'birth', 'event-' || n, 'parked', 0, 0, 0 FROM number",
    );
    let rows = |page: &str| page.matches("<code>event-").count();
    let overview = place.text("/").await;
    assert_eq!((rows(&overview), overview.contains("Parked: 130")), (0, true));
    assert!(overview.contains("130 events"), "one reason, one row: {overview}");
    let first = place.text("/?list=parked").await;
    assert_eq!(rows(&first), 100);
    let second = place.text(link(&first)).await;
    assert_eq!((rows(&second), second.contains("More of them")), (30, false));
}

/// Where "More of them" leads.
fn link(page: &str) -> &'static str {
    let before = page.split_once("\">More of them").unwrap().0;
    let address = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
    Box::leak(format!("/{address}").into_boxed_str())
}

#[tokio::test]
async fn with_a_token_the_page_is_for_those_who_have_it_and_probes_need_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ops.token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let place = Place::with(&[("OPS__TOKEN_FILE", file.to_str().unwrap())]).await;
    let refused = place.get("/", &[]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let asked: Vec<_> =
        refused.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(asked.iter().any(|scheme| scheme.starts_with("Basic realm=")), "{asked:?}");
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (sent, status) in [
        (basic("operator:s3cret"), 200),
        (basic("operator:wrong"), 401),
        ("Bearer s3cret".to_owned(), 200),
        ("Bearer wrong".to_owned(), 401),
    ] {
        assert_eq!(place.get("/", &[("authorization", &sent)]).await.status.as_u16(), status, "{sent}");
    }
    assert_eq!(place.decide(&[], &[]).await.status, StatusCode::UNAUTHORIZED);
    for probe in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(place.get(probe, &[]).await.status, StatusCode::OK, "{probe}");
    }
}

#[tokio::test]
async fn off_the_loopback_there_is_no_page_without_a_token() {
    let port = Port::hold();
    let everywhere = port.address().replace("127.0.0.1", "0.0.0.0");
    let place = Place::with(&[("LISTEN__OPS", &everywhere)]).await;
    let ask = async |path: &str| {
        let url = format!("http://{}{path}", port.address());
        place.gateway().request(Method::GET, url, HeaderMap::new(), "").await.status.as_u16()
    };
    assert_eq!((ask("/").await, ask("/readyz").await, ask("/metrics").await), (404, 200, 200));
}

#[tokio::test]
async fn what_is_in_quarantine_for_one_reason_is_decided_about_at_once() {
    let place = Place::new().await;
    for body in [r#"{"data":"AAAA","signature":"AAAA"}"#, r#"{"data":"BBBB","signature":"AAAA"}"#, "no JSON"]
    {
        place.gateway().push(body).await;
    }
    place.gateway().until("/v1/quarantine", |kept| kept["messages"][2].is_object()).await;
    let overview = place.text("/").await;
    let names: Vec<_> = overview
        .split("list=quarantine&amp;after=0&amp;reason=")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0.to_owned())
        .collect();
    let [one, other] = names.as_slice() else { panic!("two reasons: {overview}") };
    let count = async |name: &String| {
        let list = place.text(&format!("/?list=quarantine&reason={name}")).await;
        list.matches("<code>push_").count()
    };
    let both = (count(one).await, count(other).await);
    assert!(both == (1, 2) || both == (2, 1), "{both:?}");
    let about = format!("quarantine:{one}");
    let token = place.token(&about).await;
    let form = |verb| [("about", about.as_str()), ("token", &token), ("do", verb), ("reason", "a test")];
    let reply = place.decide(&form("verify"), &[]).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("looked at again"));
    place.gateway().until("/v1/quarantine", |kept| kept["messages"][2].is_object()).await;
    let reply = place.decide(&form("discard"), &[]).await;
    let page = place.text(&format!("/{}", location(&reply))).await;
    let said = if both.0 == 1 { "The message is discarded." } else { "2 messages are discarded." };
    assert!(page.contains(said), "{page}");
    let (_, kept) = place.gateway().get("/v1/quarantine").await;
    assert_eq!(kept["messages"].as_array().unwrap().len(), both.1, "{kept}");
    let again = place.decide(&form("verify"), &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "nothing is left of it");
}

#[tokio::test]
async fn an_event_shows_its_attempts_and_why_it_was_discarded() {
    let place = Place::new().await;
    place.behave(Behaviour { errors_in_200: Some("OPN-SUB-001".to_owned()), ..Behaviour::default() });
    place.queue("tried").await;
    let failed = place.gateway().failed_event("tried").await;
    let history = failed["history"].as_array().unwrap();
    let first = &history[0];
    assert_eq!((&first["attempt"], &first["outcome"]), (&json!(1), &json!("upstream")), "{failed}");
    assert_eq!(first["upstream"], "OPN-SUB-001", "{failed}");
    let page = place.text("/?event=tried").await;
    for words in ["Attempts that ended", "OPN-SUB-001", "last took something", "1 event waits"] {
        assert!(page.contains(words), "{words} is not on {page}");
    }
    let overview = place.page_with("<h1>The last attempt failed: 1 event waits for MOSIP").await;
    for words in ["Waiting after an attempt that failed", r#"data-head="Destination">MOSIP<"#] {
        assert!(overview.contains(words), "{words} is not on {overview}");
    }
    let (_, ready) = place.gateway().readiness().await;
    assert_eq!((&ready["failing"][0]["rows"], &ready["failing"][0]["code"]), (&json!(1), &json!("upstream")));

    place.behave(Behaviour::default());
    place.gateway().discard("tried").await;
    let (_, discarded) = place.gateway().get("/v1/events/tried").await;
    let reason = discarded["discardedFor"].as_str().unwrap().to_owned();
    assert!(!reason.is_empty() && discarded["history"][0]["attempt"] == 1, "{discarded}");
    assert!(place.text("/?event=tried").await.contains(&reason));

    place.queue("taken").await;
    let taken = place.gateway().event_in("taken", "done").await;
    assert_eq!(taken["history"].as_array().unwrap().last().unwrap()["outcome"], "done", "{taken}");
}
