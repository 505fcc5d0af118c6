//! What is broken and stops no start, and what changes while the gateway runs.

use crate::clock::Timestamp;
use crate::gateway::fake::Running;

/// One that is put right, or goes wrong, while the gateway runs is told without a restart.
#[tokio::test]
async fn what_others_may_read_is_told_as_it_is_now() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("outbox.key");
    crate::ledger::vault::Vault::create(&file).ok().unwrap();
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let gateway = Running::start(&format!("outbox.key_file = \"{}\"\n", file.display()), &[]).await;
    // A look comes with the start.
    set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let what = "every user of this machine can read it";
    while gateway.ops("/readyz").await.contains(what) {
        tokio::task::yield_now().await;
    }
    assert!(!gateway.ops("/").await.contains(what));
    gateway.stop().await;
}

/// What a setting trusts expires while the gateway runs.
#[test]
fn a_certificate_that_expires_after_the_start_is_a_trouble_from_then_on() {
    let trusted = [("upstream.ca_file".to_owned(), Timestamp::from_seconds(1_000))];
    let told = |now| crate::config::Trouble::of_trusted(&trusted, Timestamp::from_seconds(now)).count();
    assert_eq!((told(999), told(1_001)), (0, 1));
}

/// Everything that would stop a start in an old gateway: a renewal that went wrong never keeps registrations from being taken.
#[tokio::test]
async fn broken_certificates_and_keys_start_the_gateway_degraded() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", dir.path().display());
    std::fs::write(path("broken.pem"), "no PEM").unwrap();
    let (broken, missing) = (path("broken.pem"), path("missing.pem"));
    for file in [&broken, &missing] {
        let tls = format!("{{ cert = \"{file}\", key = \"{file}\" }}");
        let text = format!(
            "listen.callback = \"127.0.0.1:0\"\nfaces = {{ listen = \"127.0.0.1:0\", tls = {tls} }}\nupstream.ca_file = \"{file}\"\n\
             callback = {{ require = [\"opencrvs-jwt\"], opencrvs_jwt = {{ file = \"{file}\" }} }}\n\
             upstream.mediator.birth = \"https://mosip.example/birth\"\n"
        );
        let gateway = Running::start(&text, &[]).await;
        assert!(!gateway.listens("faces") && gateway.listens("callback"));
        let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
        assert_eq!(ready["ready"], true);
        let troubles = ready["troubles"].as_array().unwrap();
        for (subject, what) in [
            ("faces.tls", "the gateway does not listen there"),
            ("upstream.ca_file", "no root is trusted"),
            ("callback.opencrvs_jwt.file", "nobody is known by a token"),
        ] {
            let told = troubles.iter().find(|trouble| trouble["subject"] == subject);
            let told = told.unwrap_or_else(|| panic!("{subject}: {ready:#}"));
            assert!(told["detail"].as_str().unwrap().contains(what), "{told}");
            let (advice, is_fatal) = (told["advice"].as_str().unwrap(), told["fatal"] == true);
            assert!(is_fatal && advice.ends_with("and start the gateway again"), "{told}");
        }
        // On the loopback, too, where a listener that demands nothing is open.
        for (headers, refusal) in [(&[("authorization", "Bearer e30.e30.e30")][..], 503), (&[], 401)] {
            let (status, body) =
                gateway.callback(http::Method::POST, "/birthReceiveNid", headers, "{}").await;
            assert_eq!(status, refusal, "nobody is let in, and a token is not said to be wrong: {body}");
            assert!(!body.contains(".pem"), "{body}");
        }
        gateway.stop().await;
    }
}

/// What refuses a start: without this listener nothing could be accepted.
#[tokio::test]
async fn the_tls_files_of_the_internal_listener_refuse_a_start_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let text = "listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"127.0.0.1:0\"\ninternal.tls = { cert = \"a.crt\", key = \"a.key\" }\n";
    let config =
        crate::settings::Config::from_toml(text, dir.path(), &std::collections::BTreeMap::new(), &|file| {
            std::fs::read(file)
        });
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let refusal = crate::gateway::Gateway::bind(config, false).await.err().unwrap().to_string();
    let words =
        "a.key: cannot be read (no such file or folder); put the file there, readable for this process";
    assert!(refusal.ends_with(words), "{refusal}");
}
