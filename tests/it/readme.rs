//! The README's curl lines, as they stand, against a gateway and a simulator of their own.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::gateway::Running;
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{Settings, Simulator};

const README: &str = include_str!("../../README.md");

/// A refusal by the server ends the script, as a misspelt line does.
const STRICT: &str = "set -eu; curl() { command curl -sS --fail-with-body \"$@\"; }\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_curl_line_of_the_plain_api_is_answered_with_success() {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    let mosip = |path: &str| format!("{}{path}", simulator.base_url);
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start(&[
        ("UPSTREAM__IDA__URL", &mosip("/idauthentication/v1")),
        ("OUTBOX__PATH", folder.path().join("outbox.db").to_str().unwrap()),
        ("UPSTREAM__TOKEN__URL", &mosip("/auth/realms/mosip/protocol/openid-connect/token")),
        ("UPSTREAM__MEDIATOR__BIRTH", &mosip("/opencrvs/v1/birth")),
        ("UPSTREAM__MEDIATOR__DEATH", &mosip("/opencrvs/v1/death")),
        ("UPSTREAM__MEDIATOR__AID", &mosip("/opencrvs/v1/generateAid")),
    ])
    .await;

    let lines = curl_lines()
        .replace("127.0.0.1:4546", &gateway.api)
        .replace("http://127.0.0.1:4600", &simulator.base_url);
    assert!(lines.contains("/v1/events/birth") && lines.contains("/v1/open"), "{lines}");
    let script = format!("{STRICT}{lines}");
    let run = move || Command::new("sh").arg("-xc").arg(script).output().unwrap();
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{}\n{}", said[0], said[1]);

    gateway.stop().await;
}

/// The lines with `curl` in the blocks marked `sh`, but for those that ask the ops listener.
fn curl_lines() -> String {
    let blocks = README.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter(|line| line.contains("curl ") && !line.contains(":4548"));
    lines.flat_map(|line| [line, "\n"]).collect()
}
