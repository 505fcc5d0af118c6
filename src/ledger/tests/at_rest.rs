//! What can be read in the files.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[tokio::test]
async fn nothing_personal_can_be_read_in_the_files() {
    let home = Home::new();
    let ledger = home.in_file();
    accept(&ledger, registered(EventKind::Birth, "c1", "B-IN-THE-OPEN")).await;
    ledger.receive(BIRTH_NID, FAMILY_NAME.into(), Sender::Stranger).await.unwrap();
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    assign(&ledger, &leased, "12345678901234567890123456789").await;
    push(&ledger, "B-IN-THE-OPEN", "UINTOKEN-OF-A-PERSON").await;
    for file in std::fs::read_dir(home.dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in
            [FAMILY_NAME, "12345678901234567890123456789", "Patient", "B-IN-THE-OPEN", "UINTOKEN-OF-A-PERSON"]
        {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", path.display());
        }
    }
    let mode = std::fs::metadata(home.settings().key_file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[tokio::test]
async fn housekeeping_leaves_no_payload_of_a_settled_event_in_the_log() {
    let home = Home::new();
    let ledger = home.in_file();
    accept(&ledger, birth("c1")).await;
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    settle(&ledger, &leased, done()).await;
    let log = crate::place::beside(home.settings().location.file().unwrap().1, "-wal");
    assert_ne!(std::fs::metadata(&log).unwrap().len(), 0);
    ledger.housekeep().await.unwrap();
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
}
