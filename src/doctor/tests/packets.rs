//! A gateway that sends packets.

use super::*;

fn of_packets(extra: &str) -> Diagnosis {
    let (site, outbox) = (Site::new(-1..365, ""), outbox());
    fs::write(site.path("schema.json"), r#"{"type":"object"}"#).unwrap();
    fs::write(site.path("secret"), "s").unwrap();
    let config = format!(
        "outbox.path = \"{outbox}\"\n[keys]\ndir = \".\"\n[upstream.packets]\n\
         create = \"https://mosip.example.org/createPacket\"\n{extra}\n"
    );
    fs::write(site.path("gateway.toml"), config).unwrap();
    site.examine()
}

const WHOLE: &str = "process = \"https://mosip.example.org/workflowinstance\"\ncenter_id = \"1\"\nmachine_id = \"2\"\n\
     schema_file = \"schema.json\"\ntoken = { url = \"https://iam.example.org/token\", client_id = \"c\", client_secret_file = \"secret\" }";

fn of_section(diagnosis: &Diagnosis) -> Vec<&Finding> {
    let is_of_it = |finding: &&Finding| {
        finding.level != Level::Ok
            && (finding.subject.contains("upstream.packets") || finding.what.contains("packet"))
    };
    diagnosis.findings.iter().filter(is_of_it).collect()
}

#[test]
fn packets_need_no_key_and_a_whole_section_is_in_order() {
    let diagnosis = of_packets(WHOLE);
    assert!(of_section(&diagnosis).is_empty(), "{diagnosis:#?}");
    assert!(!diagnosis.findings.iter().any(|finding| finding.what.contains("names no key that signs")));
}

#[test]
fn what_packets_lack_is_named_and_each_once() {
    let diagnosis = of_packets("");
    for name in ["process", "center_id", "machine_id"] {
        let what = format!("upstream.packets.{name} is not set");
        finding(&diagnosis, Level::Fail, "upstream.packets", &what);
    }
    finding(&diagnosis, Level::Warn, "upstream.packets.schema_file", "without an identity schema");
    finding(&diagnosis, Level::Warn, "upstream.packets.token", "without a token");
    assert_eq!(of_section(&diagnosis).len(), 5, "{diagnosis:#?}");
}
