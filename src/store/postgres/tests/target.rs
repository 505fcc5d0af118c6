//! Which URLs are taken.

use std::path::Path;

use super::*;
use crate::settings::Config;

fn parse(url: &str) -> std::result::Result<Target, String> {
    connect::parse(url.as_bytes(), Some(b"secret"), None)
        .map_err(|(name, complaint)| format!("{name} {}; {}", complaint.what, complaint.advice))
}

#[test]
fn only_a_database_on_this_machine_is_connected_to_without_tls() {
    for here in ["127.0.0.1", "localhost", "[::1]", "%2Fvar%2Frun%2Fpostgresql"] {
        for mode in ["", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require"] {
            assert!(parse(&format!("postgresql://u@{here}/d{mode}")).is_ok(), "{here} {mode}");
        }
    }
    for away in ["db.example.org", "192.0.2.1", "127.0.0.1,db.example.org"] {
        for mode in ["", "?sslmode=disable", "?sslmode=prefer"] {
            let refused = parse(&format!("postgresql://u@{away}/d{mode}")).err().unwrap();
            assert!(refused.contains("sslmode=verify-full"), "{away} {mode}: {refused}");
        }
        for mode in ["?sslmode=require", "?sslmode=verify-full"] {
            assert!(parse(&format!("postgresql://u@{away}/d{mode}")).is_ok(), "{away} {mode}");
        }
    }
    let elsewhere = parse("postgresql://u@localhost/d?hostaddr=192.0.2.1").err().unwrap();
    assert!(elsewhere.contains("sslmode"), "{elsewhere}");
}

#[test]
fn what_is_no_url_of_a_database_is_refused_without_a_word_of_it() {
    for url in [
        "",
        "hunter2",
        "postgresql://u:hunter2@h/d?sslmode=hunter2",
        "postgresql://hunter2@/d",
        "postgresql://h/hunter2",
        "postgresql://u:p@hunter2@h/d",
        "postgresql://u:p@hunter2@h/d?sslmode=require",
        "postgresql://u:p@hunter2,h@h/d",
        "postgresql://u:p@/hunter2@h/d",
        "postgresql://u:p@hunter2/hunter2@h/d?sslmode=require",
    ] {
        let refused = parse(url).err().unwrap();
        assert!(refused.starts_with("url_file ") && !refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn a_name_holds_servers_and_database_and_no_secret() {
    let target =
        parse("postgresql://user:hunter2@a.example.org,b.example.org/d?sslmode=verify-full").unwrap();
    assert_eq!(target.name(), "postgresql://a.example.org,b.example.org/d");
}

/// The outbox of a configuration, or what is wrong with it.
fn outbox(text: &str, variables: &[(&str, &str)]) -> std::result::Result<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables = variables.iter().map(owned).collect();
    let read = |file: &Path| match file.ends_with("outbox.url") {
        true => Ok(b"postgresql://u:hunter2@localhost/d\n".to_vec()),
        false => std::fs::read(file),
    };
    let config = Config::from_toml(text, Path::new("/etc/gateway"), &variables, &read);
    config.map(|config| config.outbox.location.name()).map_err(|problems| problems.to_string())
}

#[test]
fn a_database_that_the_settings_name_is_not_taken_for_a_file() {
    let named = "[outbox]\nurl_file = \"outbox.url\"\n";
    let name = "postgresql://localhost/d".to_owned();
    assert_eq!(outbox(&format!("{named}key_file = \"outbox.key\""), &[]), Ok(name.clone()));
    let by_variable = ("MOSIP_GATEWAY__OUTBOX__URL_FILE", "outbox.url");
    assert_eq!(outbox("", &[by_variable, ("MOSIP_GATEWAY__OUTBOX__KEY_FILE", "k")]), Ok(name));
    for (further, wrong) in [("", "outbox.key_file"), ("key_file = \"k\"\npath = \"o.db\"", "outbox.path")] {
        let refused = outbox(&format!("{named}{further}"), &[]).unwrap_err();
        assert!(refused.contains(wrong), "{refused}");
    }
    assert!(outbox("", &[]).unwrap().ends_with("outbox.db"));
}
