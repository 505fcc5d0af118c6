//! What makes two posts one event, and two uses of an idempotency key one: HMACs under the identity key of the database.

use super::{Ledger, framed};
use crate::crypto::hmac::HmacKey;
use crate::error::Result;
use crate::opencrvs::event::{Event, FORMULA};

/// By what an event is known.
pub(super) struct Identities {
    /// By the formula of today, which is kept.
    pub(super) current: Vec<u8>,
    /// By the formula of older gateways, where the database holds identities of theirs.
    former: Option<Vec<u8>>,
}

impl Identities {
    /// Of what older gateways never took.
    pub(super) fn of_today(current: Vec<u8>) -> Self {
        Self { current, former: None }
    }

    /// All of them, the one of today first.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.current.as_slice()).chain(self.former.as_deref())
    }
}

impl Ledger {
    /// The identities of `event`: of its kind, its composition and the content of `event.context`.
    pub(super) fn identities(&self, event: &Event) -> Result<Identities> {
        let opened = self.rules.keys.opened()?;
        let (kind, composition) = (event.kind().as_str().as_bytes(), event.composition_id().as_bytes());
        let current = opened.identity_key.tag_written(|write| {
            for part in framed(&[b"event", &[FORMULA], kind, composition]) {
                write(&part);
            }
            // It comes last and so needs no length.
            event.write_context(&mut |piece: &str| write(piece.as_bytes()))
        })?;
        let former = match opened.has_first_formula {
            true => first_formula(event, &opened.identity_key)?,
            false => None,
        };
        Ok(Identities { current, former })
    }
}

/// The identity by the first formula, which wrote the length of the content before the content: it is written twice, since a copy of it
/// may be as large as the body. `None` for what that formula cannot write, and so never kept.
fn first_formula(event: &Event, key: &HmacKey) -> Result<Option<Vec<u8>>> {
    let mut length: u64 = 0;
    if !event.write_first_formula(&mut |piece: &str| length += piece.len() as u64)? {
        return Ok(None);
    }
    let (kind, composition) = (event.kind().as_str().as_bytes(), event.composition_id().as_bytes());
    key.tag_written(|write| {
        for part in framed(&[b"event", kind, composition]) {
            write(&part);
        }
        write(&length.to_be_bytes());
        event.write_first_formula(&mut |piece: &str| write(piece.as_bytes())).map(drop)
    })
    .map(Some)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::Value;

    use super::*;
    use crate::crypto::hmac::HmacAlgorithm;
    use crate::ledger::identity;
    use crate::opencrvs::event::EventKind;

    fn key() -> HmacKey {
        HmacKey::new(HmacAlgorithm::Sha256, b"key")
    }

    fn event(note: &str) -> Event {
        let body = format!(
            r#"{{"event":{{"hub":{{"topic":"BIRTH_REGISTERED"}},"context":[{{"note":{note},"entry":[{{"resource":
            {{"resourceType":"Task","focus":{{"reference":"Composition/c"}}}}}}]}}]}}}}"#
        );
        Event::parse(EventKind::Birth, Bytes::from(body)).unwrap()
    }

    /// As the gateways that knew the first formula alone computed it: through a tree, and a canonicaliser that is not ours.
    fn as_it_was(event: &Event, key: &HmacKey) -> Vec<u8> {
        let body: Value = serde_json::from_slice(event.body()).unwrap();
        let content = serde_json_canonicalizer::to_vec(&body["event"]["context"]).unwrap();
        identity(
            key,
            &[b"event", event.kind().as_str().as_bytes(), event.composition_id().as_bytes(), &content],
        )
    }

    #[test]
    fn the_first_formula_is_computed_as_it_was() {
        for note in [
            "[1.0, 1, 1e0, -0, -0.0, 0.1, 1e21, 1E-7, 9007199254740993, 18446744073709551615, 123456789012345678901234567890]",
            r#"{"\u0062": "\u20ac\u000f\n\"\\\/", "a": [null, true, {}], "\ud83d\ude00": "", "\ufb33": 1}"#,
            r#""-1.0 in a string""#,
        ] {
            let event = event(note);
            assert_eq!(first_formula(&event, &key()).unwrap(), Some(as_it_was(&event, &key())), "{note}");
        }
    }

    #[test]
    fn what_the_first_formula_could_not_write_has_no_identity_by_it() {
        for note in ["1e400", r#""\ud83d""#, r#"{"\ude00": 1}"#] {
            assert_eq!(first_formula(&event(note), &key()).unwrap(), None, "{note}");
        }
    }
}
