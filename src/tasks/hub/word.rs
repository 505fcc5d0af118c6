//! What a gateway that does not hold the subscriptions tells the one that does: what the hub, or anybody, said to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Hub, HubInner};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::mosip::websub::{Denial, Mode};

/// Words that wait for the holder. Strangers may say some of them: what comes beyond is not told.
const MOST: usize = 64;
/// So many refused messages count as they are; more say no more.
const COUNTED: u32 = 1000;

/// Topics are named by their settings under `websub.topics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// The hub has verified a request, and grants a lease of so many seconds.
    Verified { topic: String, is_end: bool, lease: u64 },
    /// The hub, or anybody, said that a topic is denied; as the hub names it.
    Denied { denial: Denial, topic: Option<String>, reason: String },
    /// A message came at this moment, in milliseconds since 1970.
    Arrived { topic: String, received: i64, is_verified: bool },
    /// A message could not be stored.
    Missed { topic: Option<String> },
    /// So many messages were refused because of a code.
    Refused {
        #[serde(with = "code")]
        code: Code,
        is_hub: bool,
        topic: Option<String>,
        times: u32,
    },
    /// A person has looked after what may be missing.
    Settled { topic: String },
}

/// A code under the name of its variant: the words of the API are not one for each.
pub(super) mod code {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::error::Code;

    pub(crate) fn serialize<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{code:?}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Code::ALL.into_iter().find(|code| format!("{code:?}") == name);
        known.ok_or_else(|| D::Error::custom("no code of a problem"))
    }
}

impl Word {
    /// Adds `word` to `words`, with one before it that says the same.
    pub(super) fn add(words: &mut Vec<Self>, word: Self) {
        let is_added = words.iter_mut().any(|known| known.includes(&word));
        if !is_added && words.len() < MOST {
            words.push(word);
        }
    }

    fn includes(&mut self, word: &Self) -> bool {
        match (self, word) {
            (
                Self::Arrived { topic, received, is_verified },
                Self::Arrived { topic: of, received: at, is_verified: also },
            ) if (&*topic, &*is_verified) == (of, also) => {
                *received = (*received).max(*at);
                true
            }
            (
                Self::Refused { code, is_hub, topic, times },
                Self::Refused { code: why, is_hub: from, topic: of, times: more },
            ) if (&*code, &*is_hub, &*topic) == (why, from, of) => {
                *times = times.saturating_add(*more).min(COUNTED);
                true
            }
            (known, word) => known == word,
        }
    }
}

impl Hub {
    /// The holder hears a word of another gateway, as if it had been said to it.
    pub(super) fn hear(&self, word: Word) {
        let setting =
            |name: &str| self.0.topics.set().map(|(setting, _)| setting).find(|setting| *setting == name);
        match word {
            Word::Verified { topic, is_end, lease } => {
                let Some(topic) = self.0.topics.of(&topic) else { return };
                let mode = if is_end { Mode::Unsubscribe } else { Mode::Subscribe };
                self.0.verified(topic, mode, Duration::from_secs(lease));
            }
            Word::Denied { denial, topic, reason } => self.denied(denial, topic.as_deref(), Some(&reason)),
            Word::Arrived { topic, received, is_verified } => {
                self.0.arrived(setting(&topic), Timestamp::from_millis(received), is_verified);
            }
            Word::Missed { topic } => self.0.missed(topic.as_deref().and_then(setting)),
            Word::Refused { code, is_hub, topic, times } => {
                for _ in 0..times.min(COUNTED) {
                    self.0.refused(code, is_hub, topic.as_deref().and_then(setting));
                }
            }
            Word::Settled { topic } => {
                let now = self.0.clock.now();
                self.0.state().settle(&topic, now);
            }
        }
    }
}

impl HubInner {
    /// Tells the holder, where this gateway is not.
    pub(super) fn say(&self, word: impl FnOnce() -> Word) {
        if let Some(beside) = &self.beside
            && !beside.holds()
        {
            beside.say(word());
        }
    }
}
