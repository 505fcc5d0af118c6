//! `[telemetry]`: a level that does not exist, and traces where the program cannot send them.

use std::path::Path;

use super::{REFUSED, USAGE, call, call_under};

fn configuration(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn a_level_that_does_not_exist_is_refused_with_the_list() {
    let (_folder, file) = configuration("telemetry.log = \"loud\"\n");
    let levels = "off, error, warn, info, debug, trace";
    let refused = call(&["serve", "--config", &file], b"");
    refused.refused(REFUSED, &format!("telemetry.log: is not a level; write one of {levels}"));
    let (_folder, file) = configuration("telemetry.log = \"warn\"\n");
    let set = [("MOSIP_GATEWAY_LOG", Path::new("loud"))];
    let refused = call_under(&set, &["serve", "--config", &file], b"");
    refused.refused(USAGE, &format!("MOSIP_GATEWAY_LOG is not a level; set it to one of {levels}"));
}

#[test]
fn traces_go_nowhere_off_the_loopback_in_the_clear_and_nowhere_without_the_feature() {
    let (_folder, file) =
        configuration("telemetry.otlp_url = \"http://collector.example.org:4318/v1/traces\"\n");
    let refused = call(&["serve", "--config", &file], b"");
    let why = if cfg!(feature = "otlp") {
        "is plain http off the loopback"
    } else {
        "needs a gateway that is built with the feature otlp; take the container image"
    };
    refused.refused(REFUSED, &format!("telemetry.otlp_url: {why}"));
}
