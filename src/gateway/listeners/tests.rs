use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::clock::Timestamp;
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
