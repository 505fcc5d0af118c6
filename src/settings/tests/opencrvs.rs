//! `[opencrvs]`

use super::{accepted, refused};
use crate::destinations::DestinationSettings as _;
use crate::destinations::opencrvs::ConfirmWith;

#[test]
fn the_client_of_opencrvs_and_what_it_is_for() {
    let config = accepted(
        r#"
[opencrvs]
legacy_url = "https://countryconfig.example.org/mosip"
legacy_token_member = "UINTOKEN"
auth_url = "https://auth.example.org/auth"
client_id = "gateway"
client_secret_env = "OPENCRVS_SECRET"
"#,
        &[("OPENCRVS_SECRET", "s")],
    );
    assert_eq!(config.destinations.opencrvs.legacy_token_member, "UINTOKEN");
    assert_eq!(config.destinations.opencrvs.client.auth_url.unwrap(), "https://auth.example.org/auth");
    assert_eq!(config.warnings, [""; 0]);
    let config = accepted("[opencrvs]\nclient_secret_env = \"OPENCRVS_SECRET\"", &[]);
    assert_eq!(
        config.destinations.opencrvs.client.unset.last().unwrap(),
        "OPENCRVS_SECRET",
        "the variable is named"
    );
    assert_eq!(accepted("", &[]).destinations.opencrvs.legacy_token_member, "MOSIP_PSUT_TOKEN_ID");
}

#[test]
fn how_registrations_are_confirmed() {
    let config = accepted("", &[]);
    let defaults = &config.destinations.opencrvs.confirmation;
    assert_eq!(
        (defaults.national_id_field.as_str(), defaults.national_id_key.as_str()),
        ("child.nid", "VID")
    );
    assert!(defaults.url.is_none() && defaults.rejects_rejected && !defaults.rejects_silent);
    let text = r#"
[opencrvs]
url = "https://gateway.example.org/core"
confirm_with = "client"
national_id_field = "person.nid"
national_id_key = "VID"
on_rejected = "alarm"
on_silence = "reject"
"#;
    let config = accepted(text, &[]);
    let set = &config.destinations.opencrvs.confirmation;
    assert_eq!((set.national_id_field.as_str(), set.national_id_key.as_str()), ("person.nid", "VID"));
    assert!(!set.rejects_rejected && set.rejects_silent);
    assert_eq!(config.warnings, [""; 0]);
    let lacks: Vec<_> = config.destinations.opencrvs.lacks().into_iter().map(|lack| lack.what).collect();
    assert_eq!(
        lacks,
        ["auth_url", "client_id", "client_secret_file"]
            .map(|name| format!("opencrvs.{name} is not set, and opencrvs.url needs it"))
    );
}

#[test]
fn a_client_id_says_that_the_client_confirms_and_the_member_of_the_number_follows() {
    let url = "url = \"https://gateway.example.org\"";
    for (text, with, key) in [
        ("", ConfirmWith::RecordToken, "VID"),
        ("client_id = \"gateway\"", ConfirmWith::Client, "UIN"),
        ("confirm_with = \"client\"", ConfirmWith::Client, "UIN"),
        ("client_id = \"gateway\"\nconfirm_with = \"record-token\"", ConfirmWith::RecordToken, "VID"),
        ("confirm_with = \"record-token\"\nnational_id_key = \"UIN\"", ConfirmWith::RecordToken, "UIN"),
    ] {
        let config = accepted(&format!("[opencrvs]\n{url}\n{text}"), &[]);
        let set = &config.destinations.opencrvs.confirmation;
        assert_eq!((set.with, set.national_id_key.as_str()), (with, key), "{text}");
        assert_eq!(config.warnings, [""; 0]);
    }
}

#[test]
fn with_record_tokens_a_client_lacks_nothing_until_it_is_begun() {
    let lacks = |text: &str| -> Vec<String> {
        let config = accepted(&format!("[opencrvs]\nurl = \"https://gateway.example.org\"\n{text}"), &[]);
        config.destinations.opencrvs.lacks().into_iter().map(|lack| lack.what).collect()
    };
    assert_eq!(lacks(""), [""; 0]);
    assert_eq!(lacks("auth_url = \"https://auth.example.org\""), [""; 0], "it is of 1.9, too");
    let begun = lacks("confirm_with = \"record-token\"\nclient_id = \"gateway\"");
    let unset = ["auth_url", "client_secret_file"];
    assert_eq!(begun, unset.map(|name| format!("opencrvs.{name} is not set, and opencrvs.url needs it")));
}

#[test]
fn subscriptions_and_the_search_and_what_each_lacks() {
    let text = r#"
[opencrvs]
auth_url = "https://auth.example.org"
reconcile_every = "6h"
webhooks = { url = "https://webhooks.example.org", callback_url = "https://gateway.internal/webhooks", topics = ["DEATH_REGISTERED", "BIRTH_REGISTERED", "DEATH_REGISTERED"] }
"#;
    let config = accepted(text, &[]);
    assert_eq!(config.warnings, [""; 0]);
    let opencrvs = &config.destinations.opencrvs;
    let webhooks = opencrvs.webhooks.as_ref().unwrap();
    assert_eq!(webhooks.topics.as_ref().unwrap(), &["BIRTH_REGISTERED", "DEATH_REGISTERED"], "each once");
    let lacks: Vec<_> = opencrvs.lacks().into_iter().map(|lack| lack.what).collect();
    assert_eq!(
        lacks,
        [
            "opencrvs.client_id is not set, and opencrvs.webhooks needs it",
            "opencrvs.client_secret_file is not set, and opencrvs.webhooks needs it",
            "faces.webhooks is not set, and opencrvs.webhooks needs it",
            "opencrvs.search is not set, and opencrvs.reconcile_every needs it",
        ]
    );
    let text = r#"
[opencrvs]
url = "https://gateway.example.org"
auth_url = "https://auth.example.org"
client_id = "a"
client_secret_env = "A"
search = { client_id = "b", client_secret_env = "B" }
"#;
    let config = accepted(text, &[("A", "a"), ("B", "b")]);
    let search = &config.destinations.opencrvs.search;
    assert_eq!(search.url.as_ref().unwrap(), "https://gateway.example.org/", "it is that of confirmations");
    assert!(config.destinations.opencrvs.lacks().is_empty());
    assert_eq!(search.client.client_id.as_deref(), Some("b"), "a client of another type");
}

#[test]
fn wrong_values() {
    refused(
        "opencrvs.legacy_token_member = \"PSUT\"",
        "file: opencrvs.legacy_token_member: is not a known word; write one of \"MOSIP_PSUT_TOKEN_ID\", \"UINTOKEN\"",
    );
    refused(
        "opencrvs.legacy_url = \"http://countryconfig.example.org/mosip\"",
        "file: opencrvs.legacy_url: is plain http off the loopback; use https, or name the host in upstream.danger_plain_http_hosts",
    );
    refused(
        "opencrvs.auth_url = \"https://auth.example.org/?client_id=gateway\"",
        "file: opencrvs.auth_url: holds a query; end the URL before `?`",
    );
    refused(
        "opencrvs.url = \"https://gateway.example.org/?a=b\"",
        "file: opencrvs.url: holds a query; end the URL before `?`",
    );
    refused(
        "opencrvs.confirm_with = \"token\"",
        "file: opencrvs.confirm_with: is not a known word; write one of \"client\", \"record-token\"",
    );
    refused(
        "opencrvs.on_silence = \"none\"",
        "file: opencrvs.on_silence: is not a known word; write one of \"reject\", \"alarm\"",
    );
    refused(
        "opencrvs.client_secret = \"hunter2\"",
        "file: opencrvs.client_secret: is a secret in the open; set client_secret_file or client_secret_env instead",
    );
    refused(
        "opencrvs.webhooks = { callback_url = \"https://gateway.internal/webhooks\" }",
        "file: opencrvs.webhooks.url: is missing; set it",
    );
    refused(
        "opencrvs.webhooks = { url = \"https://webhooks.example.org\" }",
        "file: opencrvs.webhooks.callback_url: is missing; set it",
    );
    refused(
        "opencrvs.webhooks = { url = \"https://w.example.org\", callback_url = \"https://gw/webhooks?a=b\" }",
        "file: opencrvs.webhooks.callback_url: holds a query, which OpenCRVS drops; end the URL before `?`",
    );
    refused("opencrvs.search = { client_id = \"a\" }", "file: opencrvs.search.url: is missing; set it");
    refused(
        "opencrvs.legacy_uri = \"https://a\"",
        "file: opencrvs.legacy_uri: is not a setting; did you mean legacy_url?",
    );
}
