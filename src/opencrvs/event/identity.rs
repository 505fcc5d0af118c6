//! What makes two posts one event: their `event.context`, compared by an HMAC over its canonical form. The webhook's own id and
//! timestamp stand outside it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::{self, Object};

/// The version of the formula, which every stored identity carries. The first formula compared numbers as floating-point numbers. This one
/// compares their texts, since two integers of more than 53 bits may be one floating-point number. A false match would lose an event,
/// while a false difference only makes one entry too many.
pub(crate) const FORMULA: u8 = 2;

/// Hands the canonical form of `event.context` of `body`, a webhook, to `sink`, piece by piece.
pub(crate) fn write_context(body: &[u8], sink: &mut impl FnMut(&str)) -> Result<()> {
    json::write_canonical(context(body)?, sink)
}

/// As [`write_context`], by the first formula. Returns whether the first formula can write the context.
pub(crate) fn write_first_formula(body: &[u8], sink: &mut impl FnMut(&str)) -> Result<bool> {
    json::write_rfc8785(context(body)?, sink)
}

fn context(body: &[u8]) -> Result<&str> {
    #[derive(Deserialize)]
    struct Webhook<'a> {
        #[serde(borrow)]
        event: Object<EventMember<'a>>,
    }
    #[derive(Deserialize)]
    struct EventMember<'a> {
        #[serde(borrow)]
        context: &'a RawValue,
    }
    let Object(webhook): Object<Webhook<'_>> =
        serde_json::from_slice(body).map_err(|_| Error::field("/event/context", "this cannot be read"))?;
    Ok(webhook.event.0.context.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(context: &str) -> String {
        let body =
            format!(r#"{{"id":"x","timestamp":"t","event":{{"context":{context},"hub":{{"topic":"t"}}}}}}"#);
        let mut written = String::new();
        write_context(body.as_bytes(), &mut |piece| written.push_str(piece)).unwrap();
        written
    }

    #[test]
    fn order_space_and_spelling_of_strings_make_no_difference() {
        let one = identity(r#"[{"a":"\u0041","b":[1,2]}]"#);
        assert_eq!(one, r#"[{"a":"A","b":[1,2]}]"#);
        assert_eq!(identity(" [ {\"b\" : [1, 2],\n\"a\":\"A\"} ] "), one);
    }

    #[test]
    fn integers_differ_by_their_digits() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
            ("1.0", "1"),
        ] {
            assert_ne!(identity(&format!("[{one}]")), identity(&format!("[{other}]")), "{one}");
        }
    }

    #[test]
    fn a_lone_surrogate_has_an_identity() {
        assert_eq!(identity(r#"["\uD83D"]"#), identity(r#"["\ud83d"]"#));
        assert_ne!(identity(r#"["\uD83D"]"#), identity(r#"["\ud83e"]"#));
    }

    #[test]
    fn what_has_no_context_is_refused() {
        for body in ["", "[]", "{}", r#"{"event":{}}"#, r#"{"event":[[]]}"#] {
            assert!(write_context(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
        }
    }
}
