//! Commands that work on files and on the outbox: what they need, and what they say.

use std::collections::BTreeSet;

use super::*;
use crate::support::event::birth;
use crate::support::patience;
use crate::support::pki::Authority;
use crate::support::process::Gateway;

#[test]
fn an_empty_plaintext_is_sealed_and_it_is_said() {
    let sealed = primitive(&["seal", "--to", "ida"], b"").ok();
    assert!(sealed.err.contains("standard input is empty"), "{}", sealed.err);
    assert!(sealed.json()["data"].is_string());
    let sealed = primitive(&["seal", "--to", "ida"], b"x").ok();
    assert_eq!(sealed.err, "");
}

/// The example's configuration under an outbox of its own, without a secret that it names.
fn without_secrets(folder: &TempDir, arguments: &[&str]) -> Ended {
    let outbox = folder.path().join("outbox.db");
    let absent = Path::new("NO_SUCH_VARIABLE");
    let variables = [
        ("MOSIP_GATEWAY__KEYS__DIR", KEYS.path()),
        ("MOSIP_GATEWAY__OUTBOX__PATH", &outbox),
        ("MOSIP_GATEWAY__UPSTREAM__TOKEN__CLIENT_SECRET_ENV", absent),
        // Nobody listens there.
        ("MOSIP_GATEWAY__LISTEN__INTERNAL", Path::new("127.0.0.1:9")),
    ];
    call_under(&variables, &[arguments, &["--config", "deploy/example.toml"]].concat(), b"plaintext")
}

#[test]
fn a_command_that_calls_nobody_needs_no_secret_and_serve_names_the_missing_variable() {
    let folder = TempDir::new().unwrap();
    without_secrets(&folder, &["seal", "--to", "ida"]).ok();
    without_secrets(&folder, &["outbox", "list"])
        .refused(ENVIRONMENT, "there is no outbox; name the configuration");
    without_secrets(&folder, &["serve"])
        .refused(REFUSED, "names the variable NO_SUCH_VARIABLE, which is not set");
}

#[cfg(feature = "simulator")]
#[test]
fn the_simulator_says_where_the_keys_come_from_that_are_missing() {
    call(&["simulator", "--keys", "/nowhere"], b"").refused(ENVIRONMENT, "keygen development");
}

#[test]
fn a_command_that_finds_no_gateway_says_what_to_do() {
    call(&["health", "--url", "http://127.0.0.1:9/readyz"], b"")
        .refused(ENVIRONMENT, "start the gateway, or name");
}

#[test]
fn advice_on_the_command_line_speaks_of_options_and_files() {
    let folder = TempDir::new().unwrap();
    let none = without_secrets(&folder, &["open", "--from", "ida", "--signature", "%"]);
    assert!(none.code == REFUSED && !none.err.contains("docs/api.md"), "{}", none.err);
    let sealed = primitive(&["seal", "--to", "ida"], b"x").ok().json();
    let body = json!({ "data": sealed["data"] }).to_string();
    let wrong = primitive(&["open", "--from", "ida", "--aad", "%"], body.as_bytes());
    assert!(wrong.err.contains("Correct --aad."), "{}", wrong.err);
    assert!(!wrong.err.contains("`pointer`"), "{}", wrong.err);
}

#[test]
fn what_was_meant_for_a_url_is_taken_for_no_file_by_a_copy() {
    let gateway = Gateway::new();
    let from = gateway.home().join("outbox.db");
    for to in ["host=127.0.0.1 password=hidden", "POSTGRESQL://gateway:hidden@127.0.0.1/outbox", "outbox.ulr"]
    {
        let refused = gateway.run(&["outbox", "copy", "--from", from.to_str().unwrap(), "--to", to]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains("name files"), "{said}");
        assert!(!said.contains("hidden"), "{said}");
        assert!(!gateway.home().join(to).exists());
    }
}

#[tokio::test]
async fn a_backup_is_made_while_the_gateway_runs_and_holds_what_was_taken() {
    let mut gateway = Gateway::new();
    // MOSIP is away, so the event waits.
    gateway.set(&[("UPSTREAM__MEDIATOR__BIRTH", "http://127.0.0.1:9/birth")]);
    gateway.start();
    gateway.ready().await;
    assert_eq!(gateway.post_event("birth", birth("backed-up")).await.0, 202);
    let copy = gateway.home().join("backup.db");
    let made = gateway.run(&["outbox", "backup", copy.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let again = gateway.run(&["outbox", "backup", copy.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(ENVIRONMENT), "a backup is not overwritten");
    let nowhere =
        gateway.run(&["outbox", "backup", gateway.home().join("absent/backup.db").to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(ENVIRONMENT));
    for (refused, what) in [(again, "move this one away"), (nowhere, "absent is missing; make it")] {
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(what) && !said.contains("entity"), "{said}");
    }
    let names = || {
        std::fs::read_dir(gateway.home())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect::<BTreeSet<_>>()
    };
    let before = names();
    let streamed = gateway.run(&["outbox", "backup", "-"]);
    assert!(streamed.status.success() && streamed.stderr.is_empty(), "{:?}", streamed.status);
    assert_eq!(names(), before, "nothing is left beside the database");
    let listed = gateway.run(&["outbox", "list"]);
    assert!(listed.status.success(), "the gateway goes on: {listed:?}");
    gateway.kill();

    let output = gateway.home().join("from-the-output.db");
    std::fs::write(&output, streamed.stdout).unwrap();
    let key = gateway.home().join("outbox.key");
    for copy in [copy, output] {
        gateway.set(&[("OUTBOX__PATH", copy.to_str().unwrap()), ("OUTBOX__KEY_FILE", key.to_str().unwrap())]);
        let listed = gateway.run(&["outbox", "show", "backed-up"]);
        assert!(listed.status.success(), "{listed:?}");
    }
}

/// A gateway whose internal and ops listeners speak TLS and demand a client certificate.
#[tokio::test]
async fn commands_reach_listeners_that_demand_a_client_certificate_over_tcp_and_a_unix_socket() {
    let (authority, folder) = (Authority::new("country"), TempDir::new().unwrap());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // The certificate is made out to the name by which others know the gateway.
    let (server, other) = (authority.server(&["gateway.example"]), authority.server(&["127.0.0.1"]));
    let (cert, key) = (write("server.crt", &server.cert), write("server.key", &server.key));
    let (other_cert, client_ca) = (write("other.crt", &other.cert), write("ca.crt", authority.pem()));
    let client = authority.client("operator");
    let (client_cert, client_key) = (write("client.crt", &client.cert), write("client.key", &client.key));
    let shown = ["--client-cert", client_cert.as_str(), "--client-key", &client_key];
    let socket = format!("unix:{}/internal.sock", folder.path().display());

    let mut gateway = Gateway::new();
    gateway.set(&[
        ("UPSTREAM__MEDIATOR__BIRTH", "http://127.0.0.1:9/birth"),
        ("INTERNAL__TLS__CERT", &cert),
        ("INTERNAL__TLS__KEY", &key),
        ("INTERNAL__TLS__CLIENT_CA", &client_ca),
        ("OPS__TLS__CERT", &cert),
        ("OPS__TLS__KEY", &key),
        ("OPS__TLS__CLIENT_CA", &client_ca),
    ]);
    for unix in [false, true] {
        if unix {
            gateway.set(&[("LISTEN__INTERNAL", &socket)]);
        }
        gateway.start();
        patience::until("health over TLS", async || {
            let health = gateway.run(&[&["health"], &shown[..]].concat());
            if health.status.success() { Ok(()) } else { Err(health) }
        })
        .await;
        let listed = gateway.run(&[&["outbox", "list"], &shown[..]].concat());
        assert!(listed.status.success(), "{listed:?}");
        let page: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(page, json!({ "events": [], "next": null }));

        let refused = |arguments: &[&str], code: i32, said: &str| {
            let ended = gateway.run(arguments);
            let text = String::from_utf8(ended.stderr).unwrap();
            assert!(ended.status.code() == Some(code) && text.contains(said), "{text}");
        };
        refused(&["outbox", "list"], USAGE, "--client-cert and --client-key");
        refused(&["outbox", "list", "--client-key", &client_key], USAGE, "go together");
        gateway.set(&[("INTERNAL__TLS__CERT", &other_cert)]);
        let ended = gateway.run(&[&["outbox", "list"], &shown[..]].concat());
        let text = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(ENVIRONMENT) && text.contains("is not the one in"), "{text}");
        gateway.set(&[("INTERNAL__TLS__CERT", &cert)]);
        gateway.kill();
    }
}

#[tokio::test]
async fn the_log_has_a_line_for_the_start_and_one_for_the_stop() {
    let mut gateway = Gateway::new();
    gateway.start();
    gateway.ready().await;
    assert!(
        gateway.log().contains("the gateway starts") && gateway.log().contains(env!("CARGO_PKG_VERSION"))
    );
    assert!(!gateway.log().contains("the gateway has stopped"));
    gateway.terminate();
    assert!(gateway.log().contains("the gateway has stopped"), "{}", gateway.log());
}
