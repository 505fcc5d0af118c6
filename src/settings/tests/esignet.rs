//! `[esignet]`, and the tokens of MOSIP's IAM.

use super::refusals::refused_at;
use super::{accepted, refused};

#[test]
fn a_demanded_token_of_mosip_without_what_it_is_checked_with() {
    refused("callback.require = [\"mosip-jwt\"]", "file: callback.mosip_jwt: is missing; set it");
    let whole = [
        ("jwks_url", "\"https://iam.example.org/certs\""),
        ("issuer_host", "\"iam.example.org\""),
        ("allowed", "[\"a\"]"),
    ];
    let with = |name: &str, value: Option<&str>| {
        let set = whole.iter().map(|(known, set)| (*known, if *known == name { value } else { Some(*set) }));
        let lines = set.filter_map(|(name, value)| Some(format!("{name} = {}\n", value?)));
        format!("[callback.mosip_jwt]\n{}", lines.collect::<String>())
    };
    for (name, _) in whole {
        refused_at(&with(name, None), &format!("callback.mosip_jwt.{name}"), "is missing");
    }
    refused_at(&with("allowed", Some("[]")), "callback.mosip_jwt.allowed", "allows nobody");
    let url = Some("\"https://iam.example.org\"");
    refused_at(&with("issuer_host", url), "callback.mosip_jwt.issuer_host", "is not a host name");
}

#[test]
fn an_esignet_that_cannot_be_meant() {
    let key = "esignet.key = \"nobody\"";
    refused_at(key, "esignet.key", "names no own key that may sign");
    let decrypts = "keys.own = [{ name = \"a\", file = \"f\", use = [\"decrypt\"] }]\nesignet.key = \"a\"";
    refused_at(decrypts, "esignet.key", "names no own key that may sign");
    refused_at("esignet.issuer = \"esignet\"", "esignet.issuer", "is not a URL");
    refused_at("esignet.issuer = \"http://esignet.example.org\"", "esignet.issuer", "is plain http");
    refused_at("esignet.issuer = \"https://esignet.example.org?a\"", "esignet.issuer", "holds a query");
    refused_at("esignet.clients = []", "esignet.clients", "lists nobody");
    refused_at("esignet.dpop = \"sometimes\"", "esignet.dpop", "is not a known word");
    refused_at("faces.cors_origin = \"*\"", "faces.cors_origin", "is not a URL");
}

#[test]
fn the_key_of_esignet_signs_for_nobody_else() {
    let keys = "keys.own = [{ name = \"a\", file = \"f\" }, { name = \"b\", file = \"g\" }]\n";
    let both = format!("{keys}esignet.key = \"a\"\nupstream.mediator.sign_with = \"a\"");
    refused_at(&both, "upstream.mediator.sign_with", "names the key of esignet.key");
    let apart = accepted(&format!("{keys}esignet.key = \"a\"\nupstream.mediator.sign_with = \"b\""), &[]);
    assert!(apart.keys.sign_for_mosip());
    let alone = accepted("keys.own = [{ name = \"a\", file = \"f\" }]\nesignet.key = \"a\"", &[]);
    assert!(!alone.keys.sign_for_mosip(), "a trouble says that a key for MOSIP is missing");
}
