//! What the hub, or anybody, says to one of several gateways: the one that holds the subscriptions hears it, whichever that is by then.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HubInner;
use crate::clock::Timestamp;
use crate::error::Code;
use crate::mosip::websub::{Denial, Mode, is_already_registered};

/// So many refused messages count as they are; more say no more.
const COUNTED: u32 = 1000;

/// Topics are named by their settings under `websub.topics`. Of what strangers may say one word of each kind waits for each topic, so that
/// however much they say, it takes no room from what others say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// The hub has verified a request, and grants a lease of so many seconds.
    Verified { topic: String, is_end: bool, lease: u64 },
    /// The hub, or anybody, said that a topic of ours is denied, or all; as the hub names it.
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
    pub(super) fn verified(setting: &str, mode: Mode, lease: Duration) -> Self {
        let (topic, is_end) = (setting.to_owned(), mode == Mode::Unsubscribe);
        Self::Verified { topic, is_end, lease: lease.as_secs() }
    }

    /// Adds `word` to `words`, with one before it that says the same.
    pub(super) fn add(words: &mut Vec<Self>, word: Self) {
        let is_added = words.iter_mut().any(|known| known.includes(&word));
        if !is_added {
            words.push(word);
        }
    }

    fn includes(&mut self, word: &Self) -> bool {
        match (self, word) {
            // What is said first counts, as where it is heard at once.
            (Self::Verified { topic, is_end, .. }, Self::Verified { topic: of, is_end: ends, .. }) => {
                (&*topic, &*is_end) == (of, ends)
            }
            (
                Self::Denied { denial, topic, reason },
                Self::Denied { denial: how, topic: of, reason: why },
            ) => (*denial, &*topic, is_already_registered(reason)) == (*how, of, is_already_registered(why)),
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

impl HubInner {
    /// The holder hears a word, as if it had been said to it.
    pub(super) fn hear(&self, word: Word) {
        let setting =
            |name: &str| self.topics.set().map(|(setting, _)| setting).find(|setting| *setting == name);
        match word {
            Word::Verified { topic, is_end, lease } => {
                let Some(topic) = self.topics.of(&topic) else { return };
                let mode = if is_end { Mode::Unsubscribe } else { Mode::Subscribe };
                self.verified(topic, mode, Duration::from_secs(lease));
            }
            Word::Denied { denial, topic, reason } => self.denied(denial, topic.as_deref(), &reason),
            Word::Arrived { topic, received, is_verified } => {
                self.arrived(setting(&topic), Timestamp::from_millis(received), is_verified);
            }
            Word::Missed { topic } => self.missed(topic.as_deref().and_then(setting)),
            Word::Refused { code, is_hub, topic, times } => {
                for _ in 0..times.min(COUNTED) {
                    self.refused(code, is_hub, topic.as_deref().and_then(setting));
                }
            }
            Word::Settled { topic } => {
                let now = self.clock.now();
                self.state().settle(&topic, now);
            }
        }
    }
    /// The holder is to hear it, as long as it is not kept what came of it. Where no gateways share a database, this one does.
    pub(super) fn say(&self, word: impl FnOnce() -> Word) {
        if self.beside.is_some() {
            self.state().say(word());
        }
    }
}
