//! The name that a caller gives its request, so that a repeat is known by it.

use crate::error::{Code, Error, Result};

/// `Idempotency-Key`: 1 to 255 visible ASCII characters.
#[derive(Clone)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Reads a header value; [`Code::Field`] for another form.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let fits = (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        std::str::from_utf8(text).ok().filter(|_| fits).map(|text| Self(text.to_owned())).ok_or_else(|| {
            Error::new(Code::Field, "Idempotency-Key is not 1 to 255 visible ASCII characters")
                .advise("Send a header of that form.")
        })
    }
}
