//! How large a credential may be. It is looked at before a tree is built of a text, and before anything is made of a tree.

use serde_json::Value;

/// Values, arrays and objects included; a credential of MOSIP has less than a hundred.
const MOST_VALUES: usize = 4_000;
/// Arrays and objects inside one another; a credential of MOSIP has five.
const DEEPEST: usize = 12;
/// Longest name of a member, bytes.
const LONGEST_NAME: usize = 128;

/// Why a credential is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// More than 4,000 values.
    #[error("it holds more than 4,000 values")]
    Values,
    /// More than twelve levels.
    #[error("it is nested deeper than 12 levels")]
    Deep,
    /// A name of more than 128 bytes.
    #[error("the name of a member is longer than 128 bytes")]
    Name,
}

/// Refuses a text of which a tree would take many times its bytes. Each value but the first follows a comma, a bracket or a brace; one
/// inside a text counts, too.
pub(super) fn check_text(text: &[u8]) -> Result<(), SizeError> {
    match memchr::memchr3_iter(b',', b'[', b'{', text).nth(MOST_VALUES) {
        Some(_) => Err(SizeError::Values),
        None => Ok(()),
    }
}

/// Refuses a tree of which much more would be made than of any credential of MOSIP.
pub(super) fn check_size(credential: &Value) -> Result<(), SizeError> {
    fn check(value: &Value, levels: usize, left: &mut usize) -> Result<(), SizeError> {
        *left = left.checked_sub(1).ok_or(SizeError::Values)?;
        if levels == 0 && (value.is_object() || value.is_array()) {
            return Err(SizeError::Deep);
        }
        match value {
            Value::Object(members) => members.iter().try_for_each(|(name, value)| {
                if name.len() > LONGEST_NAME {
                    return Err(SizeError::Name);
                }
                check(value, levels - 1, left)
            }),
            Value::Array(items) => items.iter().try_for_each(|item| check(item, levels - 1, left)),
            _ => Ok(()),
        }
    }
    let mut left = MOST_VALUES;
    check(credential, DEEPEST, &mut left)
}

#[cfg(test)]
mod tests;
