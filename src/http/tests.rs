use std::fs;
use std::path::Path;

/// What transport stands on. Everything else of the program knows a message.
const LEAVES: [&str; 12] = [
    "bearer",
    "clock",
    "config",
    "crypto",
    "error",
    "http",
    "loopback",
    "place",
    "pool",
    "regular",
    "telemetry",
    "tls_files",
];

#[test]
fn transport_depends_on_no_domain() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            // A test may stand on what it likes.
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            let text = fs::read_to_string(&path).unwrap();
            for room in text.split("crate::").skip(1) {
                let room = room.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                assert!(LEAVES.contains(&room), "{} uses crate::{room}", path.display());
            }
        }
    }
    assert!(read > 10, "the sources are not where they were");
}
