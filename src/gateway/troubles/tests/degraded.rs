//! What is broken and stops no start, and what changes while the gateway runs.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::crypto::secret::SecretBytes;
use crate::gateway::fake::Running;
use crate::gateway::listeners;
use crate::local::Target;
use crate::settings::Config;

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
        for (subject, what, needs_restart) in [
            ("faces.tls", "the gateway does not listen there", true),
            ("upstream.ca_file", "no root is trusted", false),
            ("callback.opencrvs_jwt.file", "nobody is known by it", true),
        ] {
            let told = troubles.iter().find(|trouble| trouble["subject"] == subject);
            let told = told.unwrap_or_else(|| panic!("{subject}: {ready:#}"));
            assert!(told["detail"].as_str().unwrap().contains(what), "{told}");
            let (advice, is_fatal) = (told["advice"].as_str().unwrap(), told["fatal"] == true);
            assert_eq!(
                (is_fatal, advice.ends_with("start the gateway again")),
                (true, needs_restart),
                "{told}"
            );
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

/// A kubelet asks over TLS and does not look at the certificate. Without an answer it would start a gateway again, or take it out of
/// service, that registers births as it should.
#[tokio::test]
async fn an_ops_listener_without_its_tls_files_answers_probes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", dir.path().display());
    std::fs::write(path("broken.pem"), "no PEM").unwrap();
    std::fs::write(path("token"), "secret-of-operators").unwrap();
    let (socket, broken, token) = (path("ops.sock"), path("broken.pem"), path("token"));
    let text = format!(
        "listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"unix:{socket}\"\n\
         ops = {{ token_file = \"{token}\", tls = {{ cert = \"{broken}\", key = \"{broken}\", client_ca = \"{broken}\" }} }}\n"
    );
    let config = config(&text);
    let (_, troubles) = listeners::wanted(&config).unwrap();
    let told: Vec<_> = troubles.iter().map(|trouble| (trouble.subject.as_str(), trouble.fatal)).collect();
    assert_eq!(told, [("ops.tls", true)]);
    assert!(
        troubles[0]
            .what
            .ends_with("answers /livez and /readyz there and nothing else, under a certificate of its own")
    );

    let gateway = Running::start(&text, &[]).await;
    // As `mosip-gateway health` asks.
    let target = Target::ops(&config, None).unwrap();
    let token = SecretBytes::new(b"secret-of-operators".to_vec());
    for token in [None, Some(&token)] {
        let ask = async |path| {
            let reply = target.ask(http::Method::GET, path, token, Duration::from_secs(30)).await.unwrap();
            (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap())
        };
        assert_eq!(ask("/livez").await, (200, "ok\n".to_owned()));
        let (status, body) = ask("/readyz").await;
        let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &ready["ready"], &ready["troubles"]),
            (200, &true.into(), &serde_json::Value::Null)
        );
        assert!(ready["trouble_counts"]["fatal"].as_u64() >= Some(1) && !body.contains(".pem"), "{ready}");
        for path in ["/", "/metrics"] {
            assert_eq!(ask(path).await.0, 404, "{path}");
        }
    }
    gateway.stop().await;
}

/// What the hub posted to a listener that is not there would be lost: it gives up after three attempts.
#[tokio::test]
async fn the_hub_is_not_subscribed_to_while_its_callback_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", dir.path().display());
    std::fs::write(path("broken.pem"), "no PEM").unwrap();
    let hub = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hub.local_addr().unwrap();
    let text = format!(
        "listen.callback = \"127.0.0.1:0\"\ncallback.require = [\"hub-hmac\"]\n\
         websub = {{ hub_url = \"http://{address}/hub/\", secret_env = \"SECRET\", topics = {{ credential = \"partner/CREDENTIAL_ISSUED\" }},\n\
         callback_url = \"https://gateway.example/websub/callback/0123456789abcdef\" }}\n"
    );
    let secret = [("SECRET", "secret-of-the-hub-of-this-test")];
    let broken = path("broken.pem");
    let unserved = format!("{text}callback.tls = {{ cert = \"{broken}\", key = \"{broken}\" }}\n");
    let gateway = Running::start(&unserved, &secret).await;
    assert!(!gateway.listens("callback"));
    let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    assert_eq!(ready["hub"]["unreachable"], true, "{ready:#}");
    assert_eq!(ready["hub"]["subscriptions"], serde_json::json!([]), "{ready:#}");
    let page = gateway.ops("/").await;
    for told in [
        "does not listen there, and subscribes to nothing at MOSIP's hub",
        "Nothing is subscribed, since the hub would post to a listener that is not served",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(!page.contains("Everything flows"), "{page}");
    gateway.stop().await;
    let asked = tokio::task::unconstrained(hub.accept()).now_or_never();
    assert!(asked.is_none(), "the hub was asked");

    // Put right, the next start subscribes.
    let gateway = Running::start(&text, &secret).await;
    let (asked, _) = hub.accept().await.unwrap();
    drop(asked);
    let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    assert!(ready["hub"]["unreachable"].is_null(), "{ready:#}");
    assert_eq!(ready["hub"]["subscriptions"][0]["topic"], "credential", "{ready:#}");
    gateway.stop().await;
}

fn config(text: &str) -> Config {
    let read = |file: &std::path::Path| std::fs::read(file);
    let config = Config::from_toml(text, std::path::Path::new(""), &std::collections::BTreeMap::new(), &read);
    config.unwrap_or_else(|problems| panic!("{problems}"))
}

/// What refuses a start: without this listener nothing could be accepted.
#[tokio::test]
async fn the_tls_files_of_the_internal_listener_refuse_a_start_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let text = "listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"127.0.0.1:0\"\ninternal.tls = { cert = \"a.crt\", key = \"a.key\" }\n";
    let text = text.replace("a.crt", &format!("{}/a.crt", dir.path().display()));
    let text = text.replace("a.key", &format!("{}/a.key", dir.path().display()));
    let refusal = crate::gateway::Gateway::bind(config(&text), false).await.err().unwrap().to_string();
    let words =
        "a.key: cannot be read (no such file or folder); put the file there, readable for this process";
    assert!(refusal.ends_with(words), "{refusal}");
}
