//! What the advice is, and what is reported without a refusal.

use super::super::{accepted, refused};
use super::refused_at;

#[test]
fn what_has_a_unit_is_asked_for_with_it() {
    refused(
        "[listen]\ndrain = 30",
        "file: listen.drain: is of type integer; write a number and a unit, such as \"30s\" or \"30d\", in quotes",
    );
    refused(
        "[quarantine]\nmax_bytes = 1048576",
        "file: quarantine.max_bytes: is of type integer; write a number and a unit, such as \"50MiB\", in quotes",
    );
    let troubles = |size: &str| accepted(&format!("outbox.reserve = \"{size}\""), &[]).troubles;
    let [bare] = &troubles("536870912")[..] else { panic!("one trouble expected") };
    assert_eq!(bare.subject, "outbox.reserve");
    assert!(bare.what.contains("counts as bytes") && !bare.fatal, "{bare}");
    assert_eq!(troubles("512MiB"), []);
    assert_eq!(troubles("0"), []);
}

#[test]
fn bounds_of_a_length_of_time_are_told_as_they_are_written() {
    refused(
        "outbox.give_up_after = \"1s\"",
        "file: outbox.give_up_after: is out of range; set between 1m and 3650d",
    );
    refused("outbox.remember = \"1h\"", "file: outbox.remember: is out of range; set between 1d and 3650d");
    accepted("outbox.give_up_after = \"1m\"", &[]);
}

#[test]
fn the_beginning_of_a_name_is_completed() {
    refused("[web]\nhub_url = \"https://a\"", "file: web: is not a setting; did you mean websub?");
    refused(
        "[websub]\ncallback = \"https://a\"",
        "file: websub.callback: is not a setting; did you mean callback_url?",
    );
}

#[test]
fn the_key_of_the_outbox_is_not_the_database() {
    refused(
        "outbox = { path = \"a/outbox.db\", key_file = \"a/./outbox.db\" }",
        "file: outbox.key_file: is outbox.path, too; give the key a file of its own",
    );
}

#[test]
fn a_secret_of_the_hub_that_cannot_be_read_is_one_problem() {
    let text = "listen.callback = \"127.0.0.1:0\"\ncallback.require = [\"hub-hmac\"]\n[websub]\nsecret_file = \"absent\"\n\
                hub_url = \"https://hub.example.org\"\ncallback_url = \"https://g.example.org/websub/callback/0123456789abcdef\"\n\
                topics = { credential = \"p/CREDENTIAL_ISSUED\" }";
    refused_at(text, "websub.secret_file", "cannot read");
}

#[test]
fn a_callback_that_the_gateway_does_not_serve_is_told_and_so_is_one_that_can_be_guessed() {
    let troubles = |path: &str| {
        let text = format!(
            "listen.callback = \"127.0.0.1:0\"\ncallback.require = [\"hub-hmac\"]\n[websub]\nsecret_file = \"hub.secret\"\n\
             hub_url = \"https://hub.example.org\"\ncallback_url = \"https://g.example.org{path}\"\n\
             topics = {{ credential = \"p/CREDENTIAL_ISSUED\" }}"
        );
        let told = accepted(&text, &[]).troubles.into_iter();
        told.map(|trouble| format!("{}: {}", trouble.subject, trouble.what)).collect::<Vec<_>>()
    };
    for path in ["/websub/callback/0123456789abcdef", "/mosip/websub/callback/0123456789abcdef/"] {
        assert_eq!(troubles(path), [""; 0], "{path}");
    }
    let short = troubles("/websub/callback/short");
    assert!(
        matches!(&short[..], [one] if one.starts_with("websub.callback_url: has no part of 16")),
        "{short:?}"
    );
    for path in ["/callback/0123456789abcdef", "/websub/callback/a/0123456789abcdef", "/websub/callbacks"] {
        let told = troubles(path);
        assert!(
            told.iter().any(|one| one.contains("a path that the gateway does not serve")),
            "{path}: {told:?}"
        );
    }
}
