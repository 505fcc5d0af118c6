//! The record token of OpenCRVS 1.9: the JWT under which its country configuration hands a registration over. It accepts or rejects one
//! action of one record until it ends, and nothing else; OpenCRVS checks that its `eventId` and `actionId` are those of the call.

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use zeroize::ZeroizeOnDrop;

use crate::clock::Timestamp;
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Result};

/// A record token, with what it says of itself. It serialises as it is sealed in the database. No `Debug`.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordToken {
    token: String,
    event_id: String,
    action_id: String,
    /// `exp`, milliseconds since the Unix epoch.
    ends_at: i64,
}

/// What is kept of the record token of a registration. No `Debug`.
#[derive(Default)]
pub(crate) enum KeptToken {
    /// Nothing: none came, or the registration was confirmed.
    #[default]
    None,
    /// Nothing: the registration was rejected.
    Rejected,
    /// It has ended.
    Ended,
    /// It.
    Token(RecordToken),
}

impl RecordToken {
    /// `token`, which was verified and says this of itself. `None`: it is no record token, as it names no action of a record or has no end.
    pub(crate) fn new(
        token: &str,
        event_id: Option<&str>,
        action_id: Option<&str>,
        ends: Option<Timestamp>,
    ) -> Option<Self> {
        let name = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        let (event_id, action_id) = (name(event_id)?, name(action_id)?);
        Some(Self { token: token.to_owned(), event_id, action_id, ends_at: ends?.millis() })
    }

    /// The record.
    pub(crate) fn event_id(&self) -> &str {
        &self.event_id
    }

    /// The action there that it accepts or rejects.
    pub(crate) fn action_id(&self) -> &str {
        &self.action_id
    }

    /// When it ends.
    pub(crate) fn ends(&self) -> Timestamp {
        Timestamp::from_millis(self.ends_at)
    }

    /// The value of `Authorization`, marked sensitive.
    pub(crate) fn bearer(&self) -> Result<HeaderValue> {
        let mut text = SecretWriter::default();
        text.push(b"Bearer ");
        text.push(self.token.as_bytes());
        let mut bearer = HeaderValue::from_maybe_shared(text.into_bytes())
            .map_err(|_| Error::new(Code::Bug, "a record token is no header"))?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_wiped;

    const ENDS: Option<Timestamp> = Some(Timestamp::from_seconds(1_800_000_000));

    #[test]
    fn a_token_that_names_no_action_of_a_record_or_has_no_end_is_none() {
        assert!(RecordToken::new("a.b.c", Some("e1"), Some("a1"), ENDS).is_some());
        for (event, action, ends) in [
            (None, Some("a1"), ENDS),
            (Some("e1"), None, ENDS),
            (Some("e1"), Some("a1"), None),
            (Some(""), Some("a1"), ENDS),
            (Some("e1"), Some(""), ENDS),
        ] {
            assert!(RecordToken::new("a.b.c", event, action, ends).is_none(), "{event:?} {action:?}");
        }
    }

    #[test]
    fn it_is_a_sensitive_header_and_the_same_after_it_was_sealed() {
        let token = RecordToken::new("a.b.c", Some("e1"), Some("a1"), ENDS).unwrap();
        let again: RecordToken = serde_json::from_slice(&to_wiped(&token).unwrap()).unwrap();
        assert_eq!((again.event_id(), again.action_id(), again.ends()), ("e1", "a1", ENDS.unwrap()));
        let bearer = again.bearer().unwrap();
        assert!(bearer.is_sensitive() && bearer == "Bearer a.b.c");
    }
}
