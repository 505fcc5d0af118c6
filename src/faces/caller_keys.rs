//! What operators are told of the keys that callers are known by, where these are at a URL and do not come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::config::Trouble;
use crate::destinations::fetched::Fetched;
use crate::mosip::caller::Keys;
use crate::upstream::host_and_port;

/// The keys of all faces that are fetched. Clones share the list.
#[derive(Clone, Default)]
pub(crate) struct CallerKeys(Arc<Mutex<Vec<Awaited>>>);

/// The keys at one URL.
struct Awaited {
    /// The setting of the URL.
    setting: String,
    /// Since when they are fetched.
    since: Timestamp,
    keys: Fetched<Keys>,
}

impl CallerKeys {
    /// What `setting` says is fetched as `keys`, since `since`.
    pub(super) fn add(&self, setting: String, since: Timestamp, keys: Fetched<Keys>) {
        self.all().push(Awaited { setting, since, keys });
    }

    /// Those that have not come since the start, and why.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        self.all().iter().filter_map(Awaited::trouble).collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    fn trouble(&self) -> Option<Trouble> {
        let why = self.keys.never_came()?;
        let (host, since) = (host_and_port(self.keys.url()), self.since.to_iso());
        Some(Trouble::fatal(
            &self.setting,
            format!(
                "{host} has given no key since the start, at {since} ({}): all whose token this key would prove are answered 503",
                why.detail()
            ),
            "make that server answer with the key: it is asked every few seconds. Where the URL is wrong, correct it, and start the gateway again",
        ))
    }
}
