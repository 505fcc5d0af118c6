use http::HeaderValue;

use super::*;

fn strangers(trusted: &[&str]) -> Strangers {
    Strangers::new(trusted.iter().map(|network| network.parse().unwrap()).collect())
}

/// Whom a request of `peer` with these `X-Forwarded-For` counts for, behind `10.0.0.0/8`.
fn origin(peer: &str, forwarded: &[&str]) -> String {
    let headers = forwarded
        .iter()
        .map(|value| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_str(value).unwrap()))
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
