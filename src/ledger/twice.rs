//! Application ids that MOSIP gave to two events. Both are sent, since the gateway cannot know which event it belongs to; MOSIP's
//! administrators have to say.

use super::correlation::cause;
use super::vault::Place;
use super::{Book, Ledger, unusable};
use crate::error::{Code, Error, Result};
use crate::registration::Aid;
use crate::store::Queue;

const NAME: &str = "aid-twice";
const PLACE: Place<'static> = Place { table: "meta", row: NAME, column: "sealed" };
/// Pairs that are kept: more than a person looks at.
const MOST: usize = 100;

/// Two events with one application id, by their ids.
pub(crate) type Pair = [String; 2];

impl Ledger {
    /// The events that got one application id, the oldest pair first, until both are forgotten.
    pub(crate) async fn aids_given_twice(&self) -> Result<Vec<Pair>> {
        self.read(|book| book.aids_given_twice()).await
    }
}

impl Book<'_> {
    /// Tells of it where another event than `entry` bears `aid`: the last one that got it, so that many events with one id are as many pairs.
    pub(super) fn note_aid(&self, entry: &str, aid: &Aid) -> Result<()> {
        let entry = cause(entry);
        let other = self.bearers("aid", aid.as_str())?.into_iter().rfind(|other| other != entry);
        let Some(other) = other else { return Ok(()) };
        tracing::error!(
            event = entry,
            other,
            "MOSIP gave one application id to two events; both are sent, and MOSIP has to say whose it is"
        );
        // What does not open is not written over.
        let Some(mut known) = self.kept_twice()? else { return Ok(()) };
        known.push([other, entry.to_owned()]);
        known.drain(..known.len().saturating_sub(MOST));
        self.keep_twice(&known)
    }

    /// Forgets pairs whose events are both forgotten.
    pub(super) fn forget_twice(&self) -> Result<()> {
        let Some(known) = self.kept_twice()? else { return Ok(()) };
        let mut left = Vec::new();
        for pair in &known {
            let mut is_kept = false;
            for entry in pair {
                is_kept |= self.tx().listed(Queue::Entries, entry)?.is_some();
            }
            if is_kept {
                left.push(pair.clone());
            }
        }
        if left.len() == known.len() { Ok(()) } else { self.keep_twice(&left) }
    }

    fn aids_given_twice(&self) -> Result<Vec<Pair>> {
        Ok(self.kept_twice()?.unwrap_or_default())
    }

    /// `None`: they do not open, and are shown again once the key is back.
    fn kept_twice(&self) -> Result<Option<Vec<Pair>>> {
        let sealed = self.tx().sealed(NAME)?;
        let Some(sealed) = sealed else { return Ok(Some(Vec::new())) };
        let Ok(text) = self.vault.open(PLACE, &sealed) else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|_| Error::new(Code::Bug, "the pairs of one application id cannot be read"))
    }

    fn keep_twice(&self, pairs: &[Pair]) -> Result<()> {
        let text =
            serde_json::to_vec(pairs).map_err(|_| Error::new(Code::Bug, "pairs of ids do not serialise"))?;
        let sealed = self.vault.seal(PLACE, &text).map_err(|error| unusable(&error))?;
        self.tx().set_sealed(NAME, &sealed)
    }
}
