//! A gateway that only listens to the hub.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::clock::Clock;

/// A configuration with a hub, `extra` in `[websub]`, and without the peer `mosip`.
fn of_hub(extra: &str, require: &str) -> Diagnosis {
    site_of_hub("https://hub.example.org", extra, require).examine()
}

fn site_of_hub(hub: &str, extra: &str, require: &str) -> Site {
    let site = Site::new(-1..365, "");
    fs::write(site.path("hub.secret"), "0123456789abcdef").unwrap();
    fs::write(site.path("short.secret"), "0123456789abcde").unwrap();
    let outbox = outbox();
    let config = format!(
        "listen.callback = \"127.0.0.1:0\"\ncallback.require = [{require}]\n[outbox]\npath = \"{outbox}\"\n\
         [keys]\ndir = \".\"\nown = [{{ file = \"own.key\", cert = \"own.crt\" }}]\n\
         [websub]\nhub_url = \"{hub}/hub\"\n\
         callback_url = \"https://gateway.example.org/websub/callback/0123456789abcdef\"\n\
         topics = {{ credential = \"p/CREDENTIAL_ISSUED\" }}\n{extra}\n"
    );
    fs::write(site.path("gateway.toml"), config).unwrap();
    site
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

/// Answers whatever looks whether somebody is there, and breaks the connection of each post.
async fn hub_that_breaks_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            if !request.starts_with(b"POST") {
                let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        }
    });
    base
}

#[tokio::test]
async fn a_hub_that_breaks_off_is_reported_with_advice_about_the_hub_and_no_record() {
    let site = site_of_hub(&hub_that_breaks_off().await, "secret_file = \"hub.secret\"", HMAC);
    let clock = Clock::fixed(NOW);
    let findings = call(Some(&site.path("gateway.toml")), &any_port(), clock).await;
    let diagnosis = Diagnosis { findings };
    let topic = finding(&diagnosis, Level::Fail, "websub.topics.credential", "");
    let advice = topic.advice.as_ref().unwrap();
    assert!(advice.contains("hub") && !advice.contains("record"), "{topic:?}");
}
