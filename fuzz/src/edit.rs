//! Changes of a known message.

use libfuzzer_sys::arbitrary::{self, Arbitrary, Result, Unstructured};

/// Beyond this many changes nothing of the message is left.
const MOST: usize = 8;

/// One change. A place is counted modulo the length, so that every number is one.
#[derive(Arbitrary)]
enum Edit<'a> {
    Set { at: u16, to: u8 },
    Flip { at: u16, bit: u8 },
    Insert { at: u16, bytes: &'a [u8] },
    Remove { at: u16, count: u8 },
    Repeat { at: u16, count: u8, to: u16 },
    Cut { at: u16 },
}

/// `message` after the changes that `input` holds; as it was if it holds none.
pub fn edited(message: &[u8], input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut message = message.to_vec();
    for edit in input.arbitrary_iter::<Edit<'_>>()?.take(MOST) {
        edit?.apply(&mut message);
    }
    Ok(message)
}

/// The same for text. `None` where the result is not UTF-8.
pub fn edited_text(text: &str, input: &mut Unstructured<'_>) -> Result<Option<String>> {
    Ok(String::from_utf8(edited(text.as_bytes(), input)?).ok())
}

impl Edit<'_> {
    fn apply(self, message: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (message.len() + 1);
        let range = |at: u16, count: u8| place(at)..message.len().min(place(at) + usize::from(count));
        match self {
            Self::Set { at, to } => {
                let at = place(at);
                message.get_mut(at).into_iter().for_each(|byte| *byte = to);
            }
            Self::Flip { at, bit } => {
                let at = place(at);
                message.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
            }
            Self::Insert { at, bytes } => {
                let at = place(at);
                message.splice(at..at, bytes.iter().copied());
            }
            Self::Remove { at, count } => {
                message.drain(range(at, count));
            }
            Self::Repeat { at, count, to } => {
                let to = place(to);
                let piece = message[range(at, count)].to_vec();
                message.splice(to..to, piece);
            }
            Self::Cut { at } => message.truncate(place(at)),
        }
    }
}
