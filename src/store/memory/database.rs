//! Rows in memory as a whole database: one more backend is its folder, and its line in the list. Nothing else knows of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Memory;
use crate::clock::Timestamp;
use crate::config::section::Section;
use crate::store::moving::Side;
use crate::store::{
    CopyError, Database, Head, Location, LookError, OpenError, Owner, Remains, SEALED, Store,
};

/// `outbox.memory`
pub(in crate::store) fn read(section: &mut Section<'_>) -> Option<Location> {
    section.flag("memory", false).then(|| Location::new(Memory::default()))
}

impl Database for Memory {
    fn name(&self) -> String {
        "the memory".to_owned()
    }

    fn file(&self) -> Option<(&'static str, &Path)> {
        None
    }

    fn open(&self, owner: Arc<dyn Owner>) -> Result<Store, OpenError> {
        Memory::open(self, &*owner).map_err(|error| OpenError::Refused(format!("{error:?}")))
    }

    fn remains(&self) -> Remains {
        if self.tables().sealed.is_empty() { Remains::Nothing } else { Remains::Database }
    }

    fn is_in_use(&self) -> bool {
        false
    }

    fn heads(&self, length: usize) -> Result<Vec<Head>, LookError> {
        let tables = self.tables();
        let heads = SEALED.map(|column| {
            let mut heads: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for sealed in tables.column(column) {
                *heads.entry(sealed.value.into_iter().take(length).collect()).or_default() += 1;
            }
            heads.into_iter().map(move |(head, values)| Head { column, head, values })
        });
        Ok(heads.into_iter().flatten().collect())
    }

    fn copy(&self, _: &Path) -> Result<(), CopyError> {
        Err(CopyError("the memory: nothing outlives the process; name a file in outbox.path".to_owned()))
    }

    fn set_aside(&self, _: Timestamp) -> Result<PathBuf, OpenError> {
        Err(OpenError::Refused("the memory: nothing outlives the process".to_owned()))
    }

    fn hold(&self) -> Result<Box<dyn Side>, OpenError> {
        Err(OpenError::Refused("the memory: nothing outlives the process".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::gateway::fake::Running;
    use crate::settings::Config;
    use crate::store::{Queue, Remains};

    const BIRTH: &str = r#"{"event":{"hub":{"topic":"BIRTH_REGISTERED"},"context":[{"entry":[{"resource":{"resourceType":"Task","focus":{"reference":"Composition/c1"}}},{"resource":{"resourceType":"Patient"}}]}]}}"#;

    fn read(text: &str) -> Result<Config, String> {
        let read = |file: &Path| std::fs::read(file);
        Config::from_toml(text, Path::new("/etc/gateway"), &Default::default(), &read)
            .map_err(|problems| problems.to_string())
    }

    #[tokio::test]
    async fn a_store_is_one_folder_and_one_line() {
        let text = "[outbox]\nmemory = true\n[upstream.mediator]\nbirth = \"http://127.0.0.1:9/birth\"\n";
        let key = tempfile::tempdir().unwrap();
        let text = text.replace("true\n", &format!("true\nkey_file = \"{}/key\"\n", key.path().display()));
        let gateway = Running::start(&text, &[]).await;
        let (status, answer) = gateway.post("/v1/events/birth", BIRTH).await;
        assert_eq!(status, http::StatusCode::ACCEPTED, "{answer}");
        let (status, again) = gateway.post("/v1/events/birth", BIRTH).await;
        assert_eq!((status, again.contains("c1")), (http::StatusCode::ACCEPTED, true), "{again}");
        assert!(gateway.ops("/readyz").await.contains("\"ready\":true"));
        let kept = gateway.services.ledger.run_on_rows(|tx| tx.row(Queue::Entries, "c1")).await.unwrap();
        assert!(kept.is_some());
        gateway.stop().await;
        assert_eq!(std::fs::read_dir(key.path()).unwrap().count(), 1, "its key, and no database");
    }

    #[test]
    fn its_settings_are_its_own() {
        let memory = read("outbox.memory = true").unwrap().outbox.location;
        assert_eq!((memory.remains(), memory.file()), (Remains::Nothing, None));
        assert!(memory.heads(4).unwrap().is_empty());
        let file = read("outbox.path = \"a.db\"").unwrap().outbox;
        assert_eq!(file.location.to_string(), "/etc/gateway/a.db");
        assert_eq!(file.key_file, Path::new("/etc/gateway/outbox.key"));
        let both = read("outbox = { memory = true, path = \"a.db\" }").err().unwrap();
        assert!(both.contains("outbox.path"), "a path says nothing of a database in memory: {both}");
    }
}
