//! Own variable over file over alias over default.

use std::time::Duration;

use super::{accepted, exposed, origin, problems};

const IDA: &str = "upstream.ida.url = \"https://ida.example.org\"\n";
const TOKEN: &str = "[upstream.token]\nurl = \"https://iam.example.org\"\nclient_id = \"opencrvs\"\n";

#[test]
fn own_variable_over_file_over_alias_over_default() {
    let (own, alias) = (("MOSIP_GATEWAY__UPSTREAM__IDA__PARTNER_ID", "own"), ("PARTNER_ID", "alias"));
    let file = format!("{IDA}upstream.ida.partner_id = \"file\"\n");
    let partner_id = |text: &str, set: &[_]| {
        let config = accepted(text, set);
        let origin = origin(&config, "upstream.ida.partner_id").map(str::to_owned);
        (config.destinations.ida.and_then(|ida| ida.partner_id), origin)
    };
    let pair = |value: &str, origin: &str| (Some(value.to_owned()), Some(origin.to_owned()));
    assert_eq!(partner_id(&file, &[own, alias]), pair("own", "MOSIP_GATEWAY__UPSTREAM__IDA__PARTNER_ID"));
    assert_eq!(partner_id(&file, &[alias]), pair("file", "file"));
    assert_eq!(partner_id(IDA, &[alias]), pair("alias", "PARTNER_ID"));
    assert_eq!(partner_id(IDA, &[]), (None, None));
}

#[test]
fn a_variable_holds_any_scalar() {
    let config = accepted(
        "",
        &[
            ("MOSIP_GATEWAY__INTERNAL__PRIMITIVES", "false"),
            ("MOSIP_GATEWAY__LISTEN__DRAIN", "5s"),
            ("MOSIP_GATEWAY__LISTEN__BODY_LIMIT", "1MiB"),
            ("MOSIP_GATEWAY__UPSTREAM__MEDIATOR__CONCURRENCY", "4"),
            ("MOSIP_GATEWAY__UPSTREAM__MEDIATOR__BIRTH_CORRECTION", "https://mosip.example.org/correct"),
        ],
    );
    assert!(!config.internal.primitives);
    assert_eq!(config.listen.drain, Duration::from_secs(5));
    assert_eq!(config.listen.body_limit, 1024 * 1024);
    assert_eq!(config.destinations.mediator.concurrency, 4);
    assert_eq!(config.destinations.mediator.events["birth-correction"], "https://mosip.example.org/correct");
}

#[test]
fn a_variable_of_the_wrong_type_is_a_problem_of_that_variable() {
    let set = [
        ("MOSIP_GATEWAY__INTERNAL__PRIMITIVES", "no"),
        ("MOSIP_GATEWAY__LISTEN__HOSTS", "a,b"),
        ("MOSIP_GATEWAY__UPSTREAM__MEDIATOR__CONCURRENCY", "many"),
    ];
    assert_eq!(
        problems("", &set),
        [
            "MOSIP_GATEWAY__LISTEN__HOSTS: listen.hosts: is a list, which no variable can set; set it in the configuration file",
            "MOSIP_GATEWAY__INTERNAL__PRIMITIVES: internal.primitives: is not a boolean; write true or false",
            "MOSIP_GATEWAY__UPSTREAM__MEDIATOR__CONCURRENCY: upstream.mediator.concurrency: is not a whole number; write digits only",
        ]
    );
}

#[test]
fn variables_alone_make_an_optional_section() {
    let config = accepted(
        "",
        &[
            ("MOSIP_GATEWAY__UPSTREAM__TOKEN__URL", "https://iam.example.org"),
            ("MOSIP_GATEWAY__UPSTREAM__TOKEN__CLIENT_ID", "opencrvs"),
            ("MOSIP_GATEWAY__UPSTREAM__TOKEN__CLIENT_SECRET_ENV", "S"),
            ("S", "secret"),
        ],
    );
    let token = config.destinations.mediator.token.unwrap();
    assert_eq!((token.client_id.as_str(), exposed(Some(&token.client_secret))), ("opencrvs", Some("secret")));
}

#[test]
fn both_forms_of_a_secret_are_one_setting() {
    let secret = |text: &str, set: &[_]| {
        let token = accepted(&format!("{TOKEN}{text}"), set).destinations.mediator.token.unwrap();
        exposed(Some(&token.client_secret)).unwrap().to_owned()
    };
    let own = ("MOSIP_GATEWAY__UPSTREAM__TOKEN__CLIENT_SECRET_FILE", "own");
    let alias = ("MOSIP_AUTH_CLIENT_SECRET", "of the alias");
    let named = ("S", "of the file's variable");
    assert_eq!(secret("client_secret_env = \"S\"", &[own, alias, named]), "/etc/gateway/own");
    assert_eq!(secret("client_secret_env = \"S\"", &[alias, named]), "of the file's variable");
    assert_eq!(secret("client_secret_file = \"f\"", &[alias]), "/etc/gateway/f");
    assert_eq!(secret("", &[alias]), "of the alias");

    let set = [("MOSIP_GATEWAY__UPSTREAM__TOKEN__CLIENT_SECRET_ENV", "T"), ("T", "of our variable")];
    assert_eq!(secret("client_secret_file = \"f\"", &set), "of our variable");
}

#[test]
fn origins_name_every_setting_that_counts_and_no_value() {
    let text =
        format!("{TOKEN}client_secret_file = \"f\"\n[[keys.peers]]\nname = \"mosip\"\nfile = \"m.crt\"\n");
    let set = [("MOSIP_GATEWAY__LISTEN__DRAIN", "5s"), ("MOSIP_AUTH_CLIENT_SECRET", "overridden")];
    let config = accepted(&text, &set);
    let origins: Vec<_> =
        config.origins.iter().map(|(path, origin)| (path.as_str(), origin.as_str())).collect();
    assert_eq!(
        origins,
        [
            ("keys.peers", "file"),
            ("keys.peers[0].file", "file"),
            ("keys.peers[0].name", "file"),
            ("listen.drain", "MOSIP_GATEWAY__LISTEN__DRAIN"),
            ("upstream.token.client_id", "file"),
            ("upstream.token.client_secret_file", "file"),
            ("upstream.token.url", "file"),
        ]
    );
    assert_eq!(config.warnings, [""; 0]);
}
