mod degraded;

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
    let [_, danger, token, credentials] = &troubles[..] else { panic!("{troubles:?}") };
    assert!(danger["detail"].as_str().unwrap().contains("danger_internal_beyond_loopback is on"), "{danger}");
    assert_eq!(danger["fatal"], false, "{danger}");
    assert_eq!(ready["trouble_counts"], serde_json::json!({ "fatal": 2, "others": 2 }));
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
    for count in ["fatal=\"true\"} 2", "fatal=\"false\"} 2"] {
        assert!(metrics.contains(&format!("mosip_gateway_setting_troubles{{{count}")), "{metrics}");
    }
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
        "roots.pem",
        "jwt.pem",
        "server.crt",
        "server.key",
        "clients.crt",
        "outbox.key",
        "outbox.db",
        "outbox.db-wal",
        "outbox.db.lock",
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("contexts")).unwrap();
        mknodat(CWD, dir.path().join(file), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let text = "listen = { internal = \"127.0.0.1:0\", ops = \"127.0.0.1:0\", callback = \"127.0.0.1:0\" }\n\
            outbox = { path = \"outbox.db\", key_file = \"outbox.key\" }\n[keys]\ndir = \"keys\"\nca_file = \"ca.pem\"\n\
            own = [{ file = \"../own.key\", cert = \"../own.crt\", password_file = \"../own.password\" }]\n\
            peers = [{ name = \"mosip\", file = \"../peer.crt\" }]\n[credentials]\ncontexts_dir = \"contexts\"\ncontext = [\"https://a.example/c\"]\n\
            issuers = [{ verification_method = \"https://a.example/key\", file = \"issuer.crt\" }]\n\
            [upstream]\nca_file = \"roots.pem\"\n[callback]\nrequire = [\"opencrvs-jwt\"]\nopencrvs_jwt.file = \"jwt.pem\"\n\
            tls = { cert = \"server.crt\", key = \"server.key\", client_ca = \"clients.crt\" }\n";
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        // As `Config::load` reads.
        let read =
            |file: &std::path::Path| crate::regular::read_bounded(file, 1 << 20).map(|bytes| bytes.to_vec());
        let config = Config::from_toml(text, dir.path(), &BTreeMap::new(), &read);
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
const FOR_DOCTOR_ALONE: [(&str, &str, &str); 2] = [
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
    let credentials = "credentials = { require = [\"event-proof\"], issuers = [{ verification_method = \"https://a.example/lost\", file = \"/lost.crt\" }] }\n";
    let secrets = [("SECRET", "a-secret-of-16-bytes-or-more"), ("SHORT", "too-short")];
    for text in [ODD, nothing, credentials] {
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
        for trouble in &troubles {
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

/// Every text in `value`.
fn texts(value: &serde_json::Value) -> Vec<&str> {
    use serde_json::Value;
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Sentences say where an installation is weak, and a probe needs none.
#[tokio::test]
async fn readiness_tells_strangers_counts_and_words_alone() {
    const OPEN: &str =
        "listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"0.0.0.0:0\"\nlisten.hosts = [\"0.0.0.0\"]\n";
    let secrets = [("SECRET", "a-secret-of-16-bytes-or-more"), ("SHORT", "too-short")];
    let (wrong, right) = ("Bearer wrong", format!("Bearer {}", secrets[0].1));
    for (text, sent, is_told_all) in [
        (format!("{OPEN}{ODD}"), None, false),
        (format!("{OPEN}ops.token_env = \"SECRET\"\n{ODD}"), None, false),
        (format!("{OPEN}ops.token_env = \"SECRET\"\n{ODD}"), Some(wrong), false),
        (format!("{OPEN}ops.token_env = \"SECRET\"\n{ODD}"), Some(right.as_str()), true),
        (ODD.to_owned(), None, true),
    ] {
        let gateway = Running::start(&text, &secrets).await;
        let headers: Vec<_> = sent.map(|sent| ("authorization", sent)).into_iter().collect();
        let ready: serde_json::Value =
            serde_json::from_str(&gateway.ops_with("/readyz", &headers).await).unwrap();
        gateway.stop().await;
        assert!(ready["trouble_counts"]["fatal"].as_u64() > Some(0), "{ready}");
        assert!(ready["channels"][0]["state"].is_string() && ready["hub"]["subscriptions"].is_array());
        let weak = "leads to a secret of less than 16 bytes";
        let all = texts(&ready);
        assert_eq!(all.iter().any(|text| text.contains(weak)), is_told_all, "{sent:?}: {ready:#}");
        let is_named = |text: &&str| text.contains([' ', '/']) || text.contains("example");
        assert_eq!(all.iter().any(is_named), is_told_all, "{sent:?}: {ready:#}");
        for member in ["troubles", "listeners", "certificates", "faces"] {
            assert_eq!(ready.get(member).is_some(), is_told_all, "{member}: {ready:#}");
        }
    }
}

/// It expires while the gateway runs, so that it stands in no list that was made at the start.
#[tokio::test]
async fn an_expired_certificate_of_a_listener_is_in_readiness_metrics_and_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["gateway.example.org".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let (cert, file) = (folder.path().join("callback.crt"), folder.path().join("callback.key"));
    std::fs::write(&cert, parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&file, key.serialize_pem()).unwrap();
    let text = format!(
        "listen.callback = \"127.0.0.1:0\"\ncallback.danger_open = true\ncallback.tls = {{ cert = \"{}\", key = \"{}\" }}\n",
        cert.display(),
        file.display()
    );
    let gateway = Running::start(&text, &[]).await;
    let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    let (metrics, page) = (gateway.ops("/metrics").await, gateway.ops("/").await);
    gateway.stop().await;
    let mut troubles = ready["troubles"].as_array().unwrap().iter();
    let expired = troubles.find(|trouble| trouble["subject"] == "callback.tls").unwrap();
    let what = "certificate of listener callback: expired on 2021-01-01";
    assert!(expired["detail"].as_str().unwrap().starts_with(what) && expired["fatal"] == true, "{ready:#}");
    let fatal = ready["trouble_counts"]["fatal"].as_u64().unwrap();
    assert!(
        metrics.contains(&format!("mosip_gateway_setting_troubles{{fatal=\"true\"}} {fatal}")),
        "{metrics}"
    );
    assert!(page.contains(what), "{page}");
}

/// What the settings say of themselves is told where everything else is, and flows on.
#[test]
fn what_takes_a_protection_away_is_a_trouble_of_the_one_list() {
    let (_folder, all) = troubles_of("envelope.danger_accept_unsigned = true\n");
    let told = all.iter().find(|one| one.what.contains("envelope.danger_accept_unsigned is on"));
    assert_eq!(told.map(|one| one.fatal), Some(false), "{all:?}");
}
