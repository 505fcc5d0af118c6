//! `[websub]`: what a subscription needs, and older names.

use std::time::Duration;

use super::refusals::refused_at;
use super::*;

const HUB: &str = r#"
[listen]
callback = "127.0.0.1:4547"
[callback]
require = ["hub-hmac"]
[websub]
hub_url = "https://api.example.org/hub/"
callback_url = "https://gateway.example.org/websub/callback/0123456789abcdef"
secret_file = "hub.secret"
topics = { credential = "p/CREDENTIAL_ISSUED", packet_status = "STATUS", errors = "ERRORS" }
"#;

fn subscribes(text: &str) -> Vec<&'static str> {
    accepted(text, &[]).destinations.hub.unset
}

#[test]
fn all_that_a_subscription_needs_is_enough_and_has_its_defaults() {
    let config = accepted(HUB, &[]);
    let websub = &config.destinations.hub;
    assert!(websub.unset.is_empty() && config.warnings.is_empty(), "{:?}", config.warnings);
    let settings: Vec<_> = websub.topics.set().map(|(setting, _)| setting).collect();
    assert_eq!(settings, ["credential", "packet_status", "errors"]);
    assert_eq!(
        (websub.renew_every, websub.expect_within),
        (Duration::from_hours(6), Duration::from_hours(24))
    );
    assert!(!websub.publish_status && websub.token.is_none());
    assert!(websub.callback_path().unwrap().matches(b"0123456789abcdef"));
}

#[test]
fn what_a_subscription_lacks_is_told_and_stops_no_start() {
    for (line, lacks) in [
        ("callback = \"127.0.0.1:4547\"\n", "listen.callback"),
        (
            "callback_url = \"https://gateway.example.org/websub/callback/0123456789abcdef\"\n",
            "websub.callback_url",
        ),
        (
            "topics = { credential = \"p/CREDENTIAL_ISSUED\", packet_status = \"STATUS\", errors = \"ERRORS\" }\n",
            "websub.topics",
        ),
        ("require = [\"hub-hmac\"]\n", "hub-hmac in callback.require"),
    ] {
        let text = HUB.replace(line, "");
        assert_ne!(text, HUB, "{lacks}");
        assert_eq!(subscribes(&text), [lacks]);
        let told: Vec<_> =
            accepted(&text, &[]).destinations.lacks().into_iter().map(|lack| lack.what).collect();
        assert!(matches!(&told[..], [one] if one.contains(lacks)), "{told:?}");
    }
    let without_secret = HUB.replace("secret_file = \"hub.secret\"\n", "").replace("\"hub-hmac\"", "");
    assert_eq!(subscribes(&without_secret), ["websub.secret_file", "hub-hmac in callback.require"]);
}

#[test]
fn without_a_hub_nothing_is_lacking() {
    assert!(subscribes("").is_empty());
    assert!(subscribes("[websub]\ntopics = { credential = \"p/CREDENTIAL_ISSUED\" }").is_empty());
}

#[test]
fn the_older_name_of_the_topic_counts_where_the_newer_one_is_not_set() {
    let topic = |text: &str| accepted(text, &[]).destinations.hub.topics.credential().map(str::to_owned);
    assert_eq!(topic("[websub]\ntopic = \"older\"").as_deref(), Some("older"));
    assert_eq!(
        topic("[websub]\ntopic = \"older\"\ntopics = { credential = \"newer\" }").as_deref(),
        Some("newer")
    );
}

#[test]
fn what_cannot_work_is_refused() {
    refused_at(&HUB.replace("\"ERRORS\"", "\"STATUS\""), "websub.topics", "names one topic twice");
    refused_at("[websub]\npublish_status = true", "websub.publish_status", "needs websub.hub_url");
    refused_at("[websub]\nrenew_every = \"1s\"", "websub.renew_every", "is out of range");
    refused_at("[websub]\nexpect_within = \"0s\"", "websub.expect_within", "is out of range");
    refused_at("[websub]\ntopics = { credentials = \"x\" }", "websub.topics.credentials", "is not a setting");
    let token = "[websub]\nhub_url = \"https://h.example\"\ntoken = { url = \"https://t.example\", client_secret_file = \"s\" }";
    refused_at(token, "websub.token.client_id", "is missing");
    let without_hub = "[websub]\ntoken = { url = \"https://t.example\" }";
    assert!(accepted(without_hub, &[]).destinations.hub.token.is_none(), "nobody needs it");
}
