//! Who may read secrets and replace keys.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn an_outbox_key_that_everybody_can_read_is_a_warning() {
    let (site, folder) = (Site::new(-1..365, ""), TempDir::new().unwrap());
    let file = folder.path().join("outbox.key");
    crate::ledger::vault::Vault::create(&file).ok().unwrap();
    let mut variables = any_port();
    variables.insert("MOSIP_GATEWAY__OUTBOX__KEY_FILE".to_owned(), file.display().to_string());
    for (mode, is_warning) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let diagnosis = examine(Some(&site.path("gateway.toml")), &variables, true, NOW);
        assert_eq!(diagnosis.count(Level::Fail), 0, "{diagnosis:#?}");
        let says = |finding: &&Finding| finding.what.contains("every user of this machine can read it");
        let told: Vec<_> = diagnosis.findings.iter().filter(says).collect();
        assert_eq!(told.len(), usize::from(is_warning), "{mode:o}: {diagnosis:#?}");
        assert!(told.iter().all(|told| told.subject == "outbox.key_file" && told.level == Level::Warn));
    }
}

#[test]
fn secrets_that_everybody_can_read_are_warned_of() {
    let site = Site::new(-1..365, "internal.token_file = \"api.token\"");
    let token = site.path("api.token");
    fs::write(&token, "a-bearer-token").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    finding(&site.examine(), Level::Warn, "api.token", "every user of this machine can read");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o640)).unwrap();
    let diagnosis = site.examine();
    finding(&diagnosis, Level::Ok, "api.token", "kept from others");
    assert!(!format!("{diagnosis:?}").contains("a-bearer-token"));
}

#[test]
fn a_folder_of_keys_that_everybody_can_write_is_warned_of() {
    let site = Site::new(-1..365, "");
    fs::set_permissions(site.0.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let diagnosis = site.examine();
    assert!(
        diagnosis.findings.iter().any(|finding| finding.what.contains("replace the keys")),
        "{diagnosis:#?}"
    );
}
