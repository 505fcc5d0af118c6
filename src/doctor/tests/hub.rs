//! A gateway that only listens to the hub.

use super::*;

/// A configuration with a hub, `extra` in `[websub]`, and without the peer `mosip`.
fn of_hub(extra: &str, require: &str) -> Diagnosis {
    let site = Site::new(-1..365, "");
    fs::write(site.path("hub.secret"), "0123456789abcdef").unwrap();
    fs::write(site.path("short.secret"), "0123456789abcde").unwrap();
    let outbox = outbox();
    let config = format!(
        "listen.callback = \"127.0.0.1:0\"\ncallback.require = [{require}]\n[outbox]\npath = \"{outbox}\"\n\
         [keys]\ndir = \".\"\nown = [{{ file = \"own.key\", cert = \"own.crt\" }}]\n\
         [websub]\nhub_url = \"https://hub.example.org/hub\"\n\
         callback_url = \"https://gateway.example.org/websub/callback/0123456789abcdef\"\n\
         topics = {{ credential = \"p/CREDENTIAL_ISSUED\" }}\n{extra}\n"
    );
    fs::write(site.path("gateway.toml"), config).unwrap();
    site.examine()
}

fn says(diagnosis: &Diagnosis, what: &str) -> bool {
    diagnosis.findings.iter().any(|finding| finding.what.contains(what))
}

const HMAC: &str = "\"hub-hmac\"";

#[test]
fn a_token_whose_secret_is_missing_is_not_said_to_be_unset() {
    let token = |file: &str| {
        format!(
            "secret_file = \"hub.secret\"\ntoken = {{ url = \"https://iam.example.org/token\", client_id = \"c\", client_secret_file = \"{file}\" }}"
        )
    };
    let diagnosis = of_hub(&token("absent.secret"), HMAC);
    assert!(!says(&diagnosis, "the hub is asked without a token"), "{diagnosis:#?}");
    finding(&diagnosis, Level::Fail, "websub.token.client_secret_file", "cannot read");
    assert!(says(&of_hub("secret_file = \"hub.secret\"", HMAC), "the hub is asked without a token"));
}

#[test]
fn a_short_secret_of_the_hub_is_warned_of_with_a_command_that_makes_one() {
    let diagnosis = of_hub("secret_file = \"short.secret\"", HMAC);
    let short = finding(&diagnosis, Level::Warn, "websub.secret_file", "less than 16 bytes");
    assert!(short.advice.as_ref().unwrap().contains("openssl rand"), "{short:?}");
    assert!(!says(&of_hub("secret_file = \"hub.secret\"", HMAC), "less than 16 bytes"));
}

#[test]
fn the_peer_mosip_is_missed_only_where_something_comes_from_it() {
    let secret = "secret_file = \"hub.secret\"";
    for (require, is_missed) in [(HMAC, false), ("", true)] {
        let diagnosis = of_hub(secret, require);
        assert_eq!(says(&diagnosis, "no peer `mosip`"), is_missed, "{require}: {diagnosis:#?}");
    }
}
