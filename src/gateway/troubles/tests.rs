use crate::clock::Timestamp;
use crate::doctor;
use crate::gateway::fake::Running;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// What is wrong with files and settings and stops no start is in readiness, in metrics and on the page.
#[tokio::test]
async fn every_trouble_is_in_readiness_metrics_and_page() {
    let text = format!(
        "faces.token_env = \"FACES_TOKEN\"\nlisten.danger_internal_beyond_loopback = true\n[credentials]\n\
         contexts_dir = \"{VECTORS}/contexts\"\ncontext = [\"https://www.w3.org/2018/credentials/v1\"]\n\
         issuers = [{{ verification_method = \"https://a.example/key\", file = \"{VECTORS}/keys/issuer.crt.pem\" }},\n\
         {{ verification_method = \"https://a.example/lost\", file = \"lost.crt\" }}]\n"
    );
    let gateway = Running::start(&text, &[("FACES_TOKEN", "secret")]).await;
    let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    let troubles = ready["troubles"].as_array().unwrap();
    let [_, token, credentials] = &troubles[..] else { panic!("{troubles:?}") };
    assert_eq!(
        (token["subject"].as_str(), token["fatal"].as_bool()),
        (Some("faces.token_file"), Some(false))
    );
    assert_eq!(
        (credentials["subject"].as_str(), credentials["fatal"].as_bool()),
        (Some("credentials"), Some(true))
    );
    let detail = credentials["detail"].as_str().unwrap();
    assert!(detail.contains("/lost.crt cannot be read"), "{detail}");
    let is_short = !detail.contains("cannot be verified") && !detail.starts_with('/');
    assert!(is_short, "the section says what cannot be verified, and a folder is enough: {detail}");
    let issuers = ready["certificates"].as_array().unwrap().iter();
    let names: Vec<_> = issuers.filter_map(|certificate| certificate["name"].as_str()).collect();
    assert_eq!(names, ["credentials.issuers (issuer.crt.pem)"]);
    let metrics = gateway.ops("/metrics").await;
    assert!(metrics.contains("mosip_gateway_setting_troubles 3"), "{metrics}");
    assert!(metrics.contains("role=\"trusted\",name=\"credentials.issuers (issuer.crt.pem)\""), "{metrics}");
    let page = gateway.ops("/").await;
    for told in [
        "lost.crt cannot be read",
        "protects nothing without faces.listen",
        "danger_internal_beyond_loopback is on",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    gateway.stop().await;
}

/// Files that are read after the configuration: each a pipe without a writer, one after the other.
#[tokio::test]
async fn a_start_waits_for_no_file() {
    use crate::gateway::{Gateway, StartError};
    use crate::settings::Config;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::collections::BTreeMap;

    for file in [
        "own.key",
        "own.crt",
        "own.password",
        "peer.crt",
        "ca.pem",
        "issuer.crt",
        "contexts/index.toml",
        "outbox.key",
        "outbox.db",
        "outbox.db-wal",
        "outbox.db.lock",
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("contexts")).unwrap();
        mknodat(CWD, dir.path().join(file), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let text = "listen = { internal = \"127.0.0.1:0\", ops = \"127.0.0.1:0\" }\n\
            outbox = { path = \"outbox.db\", key_file = \"outbox.key\" }\n[keys]\ndir = \"keys\"\nca_file = \"ca.pem\"\n\
            own = [{ file = \"../own.key\", cert = \"../own.crt\", password_file = \"../own.password\" }]\n\
            peers = [{ name = \"mosip\", file = \"../peer.crt\" }]\n[credentials]\ncontexts_dir = \"contexts\"\ncontext = [\"https://a.example/c\"]\n\
            issuers = [{ verification_method = \"https://a.example/key\", file = \"issuer.crt\" }]\n";
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        let config = Config::from_toml(text, dir.path(), &BTreeMap::new(), &|file| std::fs::read(file));
        match Gateway::bind(config.unwrap_or_else(|problems| panic!("{problems}")), false).await {
            Ok(_) => assert!(!file.starts_with("outbox"), "{file}"),
            Err(StartError::Refused(error)) => {
                assert!(
                    file.starts_with("outbox") && error.detail().contains("no regular file"),
                    "{file}: {error}"
                );
            }
            Err(error) => panic!("{file}: {error}"),
        }
    }
}

/// What `doctor` warns of and no page says, with the reason.
const FOR_DOCTOR_ALONE: [(&str, &str, &str); 3] = [
    (
        "faces.webhooks",
        "a restart refuses connections",
        "how the service is installed; it changes nothing while it runs",
    ),
    (
        "callback.trusted_proxies",
        "is not set",
        "whether a proxy stands before the listener, no gateway can know",
    ),
    ("credentials.", "is not set", "the page says it of the whole section"),
];

/// Much of what can be odd with settings, and lets a gateway start.
const ODD: &str = "listen.callback = \"127.0.0.1:0\"\nlisten.danger_internal_beyond_loopback = true\n\
    faces = { webhooks = true, webhook_secret_env = \"SECRET\", token_env = \"SECRET\" }\nwebsub.hub_url = \"https://hub.example/hub\"\n\
    websub.topics.credential = \"p/CREDENTIAL_ISSUED\"\nwebsub.secret_env = \"SHORT\"\n\
    [upstream]\ndanger_plain_http = true\nmediator.birth = \"http://mosip.example/birth\"\n\
    ida = { url = \"https://ida.example/v1\", partner_id = \"p\" }\n";

/// `doctor` and the page tell one truth: each warning and failure of the one is a trouble or a sentence of the other, in the same words.
#[tokio::test]
async fn what_doctor_finds_is_on_the_page_and_in_readiness_and_the_reverse() {
    let nothing = "keys.own = []\n";
    let secrets = [("SECRET", "a-secret-of-16-bytes-or-more"), ("SHORT", "too-short")];
    for text in [ODD, nothing] {
        let gateway = Running::start(text, &secrets).await;
        let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
        let troubles: Vec<&str> =
            ready["troubles"].as_array().unwrap().iter().map(|one| one["detail"].as_str().unwrap()).collect();
        let page = gateway.ops("/").await.replace("&quot;", "\"").replace("&amp;", "&");
        gateway.stop().await;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(
            &file,
            format!("listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"127.0.0.1:0\"\n{text}"),
        )
        .unwrap();
        let variables = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let now = Timestamp::from_seconds(1_800_000_000);
        let diagnosis = doctor::examine(Some(&file), &variables, false, now);
        let mut odd =
            diagnosis.findings.iter().filter(|finding| finding.level > doctor::Level::Ok).peekable();
        assert!(odd.peek().is_some());
        for finding in odd {
            let is_excused = FOR_DOCTOR_ALONE.iter().any(|(subject, what, _)| {
                finding.subject.starts_with(subject) && finding.what.starts_with(what)
            });
            let words = finding.what.as_str();
            let is_told = troubles.contains(&words) || page.to_lowercase().contains(&words.to_lowercase());
            assert!(is_told || is_excused, "{finding:?} is not told: {troubles:#?}");
        }
        for trouble in troubles.iter().filter(|trouble| !trouble.starts_with("credentials.")) {
            let is_found = diagnosis.findings.iter().any(|finding| finding.what == *trouble);
            assert!(is_found, "doctor does not find {trouble:?}: {diagnosis:#?}");
        }
        assert!(!page.contains("Everything flows"), "{page}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_connected_to_nothing_says_so() {
    let gateway = Running::start("", &[]).await;
    let page = gateway.ops("/").await;
    assert!(page.contains("<h1>Nothing is connected: no key and no URL is set"), "{page}");
    let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    let [trouble] = &ready["troubles"].as_array().unwrap()[..] else { panic!("{ready}") };
    assert_eq!((&trouble["subject"], &trouble["fatal"]), (&"configuration".into(), &true.into()));
    gateway.stop().await;
    // With keys it serves those who seal and open, which is nothing to put right.
    let peer = format!("keys.peers = [{{ name = \"mosip\", file = \"{VECTORS}/keys/issuer.crt.pem\" }}]");
    let (_, found) = troubles_of(&peer);
    let [trouble] = &found[..] else { panic!("{found:?}") };
    assert!(!trouble.fatal && trouble.is_unconnected(), "{trouble:?}");
}

/// What `text` says by itself.
fn troubles_of(text: &str) -> (tempfile::TempDir, Vec<crate::config::Trouble>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "secret-of-callers").unwrap();
    let read = |file: &std::path::Path| std::fs::read(file);
    let config =
        crate::settings::Config::from_toml(text, folder.path(), &std::collections::BTreeMap::new(), &read);
    let all = super::all(&config.unwrap_or_else(|problems| panic!("{problems}")));
    (folder, all)
}

#[test]
fn a_listener_that_others_reach_without_tls_is_told_where_something_goes_in_the_clear() {
    let in_the_clear = |text: &str| -> Vec<String> {
        let (_folder, all) = troubles_of(text);
        all.into_iter().filter(|one| one.what.contains("in the clear")).map(|one| one.subject).collect()
    };
    let token = "ops.token_file = \"token\"\n";
    assert_eq!(in_the_clear(&format!("listen.ops = \"0.0.0.0:0\"\n{token}")), ["ops.tls"]);
    assert_eq!(in_the_clear("listen.ops = \"0.0.0.0:0\""), [""; 0], "probes and metrics alone");
    assert_eq!(in_the_clear(&format!("listen.ops = \"127.0.0.1:0\"\n{token}")), [""; 0]);
    let tls = "ops.tls = { cert = \"token\", key = \"token\" }\n";
    assert_eq!(in_the_clear(&format!("listen.ops = \"0.0.0.0:0\"\n{token}{tls}")), [""; 0]);
    let all = "listen.internal = \"0.0.0.0:0\"\nlisten.danger_internal_beyond_loopback = true\nlisten.callback = \"0.0.0.0:0\"\n\
        callback.danger_open = true\nfaces = { listen = \"0.0.0.0:0\", token_file = \"token\" }\n";
    assert_eq!(in_the_clear(all), ["internal.tls", "callback.tls", "faces.tls"]);
}

/// Whoever reads it can open every row.
#[tokio::test]
async fn an_outbox_key_that_everybody_can_read_is_in_readiness_and_on_the_page() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("outbox.key");
    crate::ledger::vault::Vault::create(&file).ok().unwrap();
    let what = "seals the outbox, and every user of this machine can read it";
    for (mode, is_trouble) in [(0o644, true), (0o640, false)] {
        set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let gateway = Running::start(&format!("outbox.key_file = \"{}\"\n", file.display()), &[]).await;
        let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
        let page = gateway.ops("/").await;
        gateway.stop().await;
        let mut troubles = ready["troubles"].as_array().unwrap().iter();
        let of_key = troubles.find(|trouble| trouble["subject"] == "outbox.key_file");
        assert_eq!(
            of_key.map(|trouble| trouble["detail"] == what),
            is_trouble.then_some(true),
            "{mode:o}: {ready}"
        );
        assert_eq!(page.contains(what), is_trouble, "{mode:o}: {page}");
    }
}
