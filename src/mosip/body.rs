//! JSON bodies that carry a payload.

use serde::Serialize;

use super::envelope::Flavour;
use crate::error::{Code, Error, Result};

/// The size of what surrounds a payload: names, ids, a signature.
const AROUND: usize = 2048;

/// Writes `message` as JSON into a buffer that is reserved once for its payload of `payload_len` characters. A buffer that grows while it
/// is written would take twice the payload, and for a moment the smaller buffer as well.
pub(super) fn to_json(message: &impl Serialize, payload_len: usize) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(payload_len + AROUND);
    append(&mut body, message)?;
    Ok(body)
}

/// The members of the object `before`, then `data`, the base64 of `payload`, then those of `after`, which has one at least. The base64 is
/// written where it is to stand: as a text of its own it would take as much memory again, and be searched for characters to escape.
pub(super) fn to_json_around(
    before: &impl Serialize,
    payload: &[u8],
    base64: Flavour,
    after: &impl Serialize,
) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(payload.len().div_ceil(3) * 4 + AROUND);
    append(&mut body, before)?;
    // The brace that closes it.
    body.pop();
    if body.len() > 1 {
        body.push(b',');
    }
    body.extend_from_slice(b"\"data\":\"");
    base64.encode_append(payload, &mut body);
    body.push(b'"');
    let comma = body.len();
    append(&mut body, after)?;
    if let Some(brace) = body.get_mut(comma) {
        *brace = b',';
    }
    Ok(body)
}

fn append(body: &mut Vec<u8>, message: &impl Serialize) -> Result<()> {
    serde_json::to_writer(body, message).map_err(|_| Error::new(Code::Bug, "the body does not serialise"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_payload_stands_between_the_members_before_and_after_it() {
        for (before, body) in [
            (json!({}), r#"{"data":"aGVsbG8","z":1}"#),
            (json!({ "a": "}" }), r#"{"a":"}","data":"aGVsbG8","z":1}"#),
        ] {
            let written = to_json_around(&before, b"hello", Flavour::Url, &json!({ "z": 1 })).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), body);
        }
    }
}
