use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::clock::Timestamp;
use crate::config::Trouble;
use crate::doctor;
use crate::gateway::fake::Running;

/// Each listener has an address, and something to serve.
fn all_on() -> String {
    let on = |listener: &Listener| format!("{} = \"127.0.0.1:0\"\n", listener.address_setting);
    let addresses: String = ALL.iter().map(on).collect();
    format!("{addresses}callback.danger_open = true\nexample_face.greeting = \"hello\"\n")
}

/// What is not made of the list itself would forget the next one.
#[tokio::test]
async fn every_listener_of_the_list_is_served_examined_shown_counted_and_described() {
    let gateway = Running::start(&all_on(), &[]).await;
    let ready: Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    let ready: Vec<_> =
        ready["listeners"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    let (metrics, page) = (gateway.ops("/metrics").await, gateway.ops("/").await);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, all_on()).unwrap();
    let examined =
        doctor::examine(Some(&file), &BTreeMap::new(), false, Timestamp::from_seconds(1_800_000_000));

    for Listener { name, .. } in ALL {
        assert!(gateway.listens(name), "{name} is not bound");
        assert!(ready.contains(&Value::from(*name)), "{name} is not in {ready:?}");
        assert!(metrics.contains(&format!("listener=\"{name}\"")), "{name} is not counted: {metrics}");
        assert!(page.contains(&format!(">{name}</th>")), "{name} is not on the page: {page}");
        let subject = format!("listener {name}");
        assert!(examined.findings.iter().any(|finding| finding.subject == subject), "{name} is not examined");
        let (status, document) = gateway.get(&format!("/openapi.json?listener={name}")).await;
        assert!(
            status == 200 && document.contains(&format!("mosip-gateway, {subject}")),
            "{name}: {document}"
        );
    }
    gateway.stop().await;
}

fn examined(text: &str) -> doctor::Diagnosis {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    doctor::examine(Some(&file), &BTreeMap::new(), false, Timestamp::from_seconds(1_800_000_000))
}

fn told(text: &str) -> Vec<(String, bool)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "secret-of-callers").unwrap();
    let read = |file: &std::path::Path| std::fs::read(file);
    let config = Config::from_toml(text, folder.path(), &BTreeMap::new(), &read);
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    troubles(&config).into_iter().map(|Trouble { subject, fatal, .. }| (subject, fatal)).collect()
}

/// A face whose callers nobody would know is served to nobody, so nothing listens.
#[tokio::test]
async fn a_listener_that_is_configured_and_not_bound_is_a_trouble_and_shown_nowhere() {
    let text = "faces.listen = \"0.0.0.0:0\"\nexample_face.greeting = \"hello\"\n";
    let gateway = Running::start(text, &[]).await;
    assert!(!gateway.listens("faces"));
    let ready: Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    let listeners: Vec<_> =
        ready["listeners"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(listeners, ["internal", "ops"]);
    let troubles = ready["troubles"].as_array().unwrap();
    let trouble = troubles.iter().find(|trouble| trouble["subject"] == "faces.listen").unwrap();
    assert_eq!((&trouble["subject"], &trouble["fatal"]), (&"faces.listen".into(), &true.into()), "{ready}");
    let page = gateway.ops("/").await;
    assert!(page.contains("Put right: faces.listen: does not serve /authtoken and /example"), "{page}");
    assert!(gateway.ops("/metrics").await.contains("mosip_gateway_setting_troubles{fatal=\"true\"} 2"));
    gateway.stop().await;

    let local = "listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"127.0.0.1:0\"\n";
    let examined = examined(&format!("{local}{text}"));
    let of_it: Vec<_> = examined
        .findings
        .iter()
        .filter(|finding| finding.subject == "faces.listen" && finding.what.contains("does not listen there"))
        .map(|finding| finding.level)
        .collect();
    assert_eq!(of_it, [doctor::Level::Fail]);
    assert!(!examined.findings.iter().any(|finding| finding.subject == "listener faces"), "{examined:?}");
}

#[test]
fn what_a_listener_leaves_out_is_told_by_its_setting() {
    let on = "example_face.greeting = \"hello\"\n";
    let network = "seeder.consent = false\nfaces.listen = \"0.0.0.0:0\"\n";
    let told_of = |setting: &str, fatal| vec![(setting.to_owned(), fatal)];
    assert_eq!(told(&format!("{network}{on}faces.token_file = \"token\"")), []);
    assert_eq!(told(&format!("{network}{on}faces.danger_open = true")), []);
    assert_eq!(told(&format!("faces.listen = \"127.0.0.1:0\"\n{on}")), []);
    assert_eq!(told(network), told_of("faces.listen", false), "no face is on");
    assert_eq!(told("faces.listen = \"0.0.0.0:0\"\n"), told_of("faces.listen", true), "/authtoken is on");
    let webhooks = "faces.webhooks = true\nfaces.webhook_secret_file = \"token\"\n";
    assert_eq!(told(&format!("{network}{webhooks}")), []);
    assert_eq!(
        told(&format!("{network}{webhooks}{on}")),
        told_of("faces.listen", false),
        "webhooks are served"
    );
    let internal = "listen.internal = \"0.0.0.0:0\"\nlisten.danger_internal_beyond_loopback = true\n";
    assert_eq!(told(&format!("{internal}{on}")), told_of("listen.internal", true));
    assert_eq!(told(&format!("{internal}{on}internal.token_file = \"token\"")), []);
}

#[test]
fn a_page_that_is_off_is_told() {
    let open = "listen.ops = \"0.0.0.0:0\"\n";
    assert_eq!(told(open), [("listen.ops".to_owned(), false)]);
    assert_eq!(told(&format!("{open}ops.token_file = \"token\"")), []);
    let examined = examined(open);
    let warned =
        examined.findings.iter().find(|finding| finding.subject == "listen.ops" && finding.advice.is_some());
    assert_eq!(warned.map(|finding| finding.level), Some(doctor::Level::Warn), "{examined:?}");
}
