//! How the URLs stand that entries go to, as all gateways over one database know it: what one of them found out, the others need not.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::entry::Refusal;
use super::{Book, Ledger};
use crate::error::{Code, Error, Result};
use crate::store::{Lane, Millis};

/// The table of what is noted.
const META: &str = "meta";

/// Whether the entries of a channel flow. The default: they do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChannelNote {
    /// When one entry is tried; `None`: all may go.
    pub(crate) probe_at: Option<Millis>,
    /// What a person has to put right, where that is why they do not.
    pub(crate) reason: Option<Refusal>,
    /// Since when they do not.
    pub(crate) stopped_at: Option<Millis>,
    /// The host that is in the way.
    pub(crate) failed_at: Option<String>,
}

impl Ledger {
    /// Tells the other gateways how the channel of `lane` stands from now on; the number of this change.
    pub(crate) async fn note_channel(&self, lane: &Lane, note: &ChannelNote) -> Result<i64> {
        let (name, note) = (name_of(lane), note.clone());
        self.run(move |book| {
            let number = book.tx().number(&name)?.unwrap_or_default().saturating_add(1);
            book.tx().set_number(&name, number)?;
            book.note(&name, &note)?;
            Ok(number)
        })
        .await
    }
}

impl Book<'_> {
    /// How the channel of `lane` stands, and the number of the change that made it so, where that is not `known`.
    pub(super) fn channel_change(&self, lane: &Lane, known: i64) -> Result<Option<(i64, ChannelNote)>> {
        let name = name_of(lane);
        let number = self.tx().number(&name)?.unwrap_or_default();
        if number == known {
            return Ok(None);
        }
        // One that does not open says nothing: each gateway finds out for itself.
        let note = self.noted(&name).ok().flatten().unwrap_or_default();
        Ok(Some((number, note)))
    }

    /// What was noted under `name`, which is sealed as all that may hold the words of another side.
    pub(super) fn noted<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let sealed = self.tx().sealed(name)?.filter(|sealed| !sealed.is_empty());
        let Some(sealed) = sealed else { return Ok(None) };
        let text = self.unseal(META, name, "sealed", &sealed)?;
        // Another version may have noted it otherwise.
        Ok(serde_json::from_slice(&text).ok())
    }

    pub(super) fn note(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let text =
            serde_json::to_vec(value).map_err(|_| Error::new(Code::Bug, "a note does not serialise"))?;
        let sealed = self.seal(META, name, "sealed", &text)?;
        self.tx().set_sealed(name, &sealed)
    }
}

fn name_of(Lane { queue, destination, kinds }: &Lane) -> String {
    format!("channel {queue:?} {destination} {}", kinds.join(" "))
}
