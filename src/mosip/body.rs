//! JSON bodies that carry a payload.

use serde::Serialize;

use crate::error::{Code, Error, Result};

/// The size of what surrounds a payload: names, ids, a signature.
const AROUND: usize = 2048;

/// Writes `message` as JSON into a buffer that is reserved once for its payload of `payload_len` characters. A buffer that grows while it
/// is written would take twice the payload, and for a moment the smaller buffer as well.
pub(super) fn to_json(message: &impl Serialize, payload_len: usize) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(payload_len + AROUND);
    serde_json::to_writer(&mut body, message)
        .map_err(|_| Error::new(Code::Bug, "the body does not serialise"))?;
    Ok(body)
}
