use http::HeaderValue;

use super::*;

fn strangers(trusted: &[&str]) -> Strangers {
    Strangers::new(trusted.iter().map(|network| network.parse().unwrap()).collect())
}

/// Whom a request of `peer` with these `X-Forwarded-For` counts for, behind `10.0.0.0/8`.
fn origin(peer: &str, forwarded: &[&str]) -> String {
    let headers = forwarded
        .iter()
        .map(|value| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        .collect();
    strangers(&["10.0.0.0/8"]).origin(peer.parse().unwrap(), &headers).to_string()
}

#[test]
fn what_an_untrusted_peer_says_of_its_address_does_not_count() {
    assert_eq!(origin("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
}

#[test]
fn behind_a_trusted_proxy_the_last_address_that_no_proxy_has_counts() {
    assert_eq!(origin("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
    assert_eq!(
        origin("10.0.0.1", &["203.0.113.9, 198.51.100.7"]),
        "198.51.100.7",
        "the first one is the caller's own word"
    );
    assert_eq!(
        origin("10.0.0.1", &["\u{fffd}, 198.51.100.7"]),
        "198.51.100.7",
        "nor does it hide the proxy's where it is no ASCII"
    );
    assert_eq!(origin("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.0.0.2"]), "198.51.100.7");
    assert_eq!(origin("10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
    assert_eq!(origin("::ffff:10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
}

#[test]
fn a_list_that_cannot_be_read_counts_for_the_proxy() {
    assert_eq!(origin("10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(origin("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
}

#[test]
fn strangers_are_counted_by_address_and_by_network_of_ipv6() {
    let strangers = strangers(&[]);
    let from = |address: &str| Caller {
        address: Some(address.parse().unwrap()),
        strangers: Some(strangers.clone()),
        ..Caller::default()
    };
    let flood =
        |address: &str| (0..2 * BURST.get()).map(|_| from(address).count()).filter(Result::is_err).count();
    assert!(flood("192.0.2.1") > 0);
    assert!(from("192.0.2.2").count().is_ok());
    assert!(flood("2001:db8::1") > 0);
    assert!(from("2001:db8:1::1").count().is_ok());
    assert_eq!(from("2001:db8::1").address(), from("2001:db8::2").address());
    assert_eq!(from("::ffff:192.0.2.1").address(), from("192.0.2.1").address());
}

#[test]
fn all_addresses_are_looked_at_once_in_many_requests() {
    let strangers = strangers(&[]);
    let looks = (0..10 * REQUESTS_BETWEEN_LOOKS).filter(|_| strangers.0.looks()).count();
    assert_eq!(looks, 10);
    for number in 0..16 * u32::try_from(REQUESTS_BETWEEN_LOOKS).unwrap() {
        assert!(strangers.admits(std::net::Ipv4Addr::from(number).into()));
    }
    assert!(strangers.0.rate.len() < 8 * REQUESTS_BETWEEN_LOOKS, "{} are kept", strangers.0.rate.len());
}

/// How many of as many requests as exceed the rate of an address are answered otherwise than `answer` does.
async fn turned_away(answer: fn(&Caller) -> Error) -> usize {
    let handler = move |caller: Caller| async move { answer(&caller).into_response() };
    let state = strangers(&[]);
    let router = axum::Router::new()
        .route("/", axum::routing::get(handler))
        .layer(axum::middleware::from_fn_with_state(state, identify));
    let mut turned_away = 0;
    for _ in 0..3 * BURST.get() {
        let caller = Caller { address: Some([192, 0, 2, 1].into()), ..Caller::default() };
        let mut request = Request::new(axum::body::Body::empty());
        request.extensions_mut().insert(caller);
        let response = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
        turned_away += usize::from(response.status() == http::StatusCode::SERVICE_UNAVAILABLE);
    }
    turned_away
}

#[tokio::test]
async fn what_a_stranger_gets_wrong_counts_for_its_address_and_what_a_known_caller_does_never() {
    let wrong = |_: &Caller| Error::new(Code::CallerSignature, "X-Hub-Signature does not fit the body");
    assert!(turned_away(wrong).await > 0);
    let known = |caller: &Caller| {
        caller.prove();
        Error::new(Code::Malformed, "it is not JSON")
    };
    assert_eq!(turned_away(known).await, 0);
    let large = |_: &Caller| Error::new(Code::TooLarge, "it is too large");
    assert_eq!(turned_away(large).await, 0, "who sent it cannot be known");
    let of_opencrvs = |caller: &Caller| {
        caller.keep_answer();
        Error::new(Code::CallerSignature, "X-Hub-Signature does not fit the body")
    };
    assert_eq!(turned_away(of_opencrvs).await, 0);
}
