//! Which values of a credential its proof covers. One that no context gives a meaning is in no statement, and so in no signature.

use serde_json::Value;

/// Values that are looked at; the rest counts as not covered.
const MOST_VALUES: usize = 100;

/// JSON pointers to the values of `document` that `text`, which `write` made of it, depends on, and to the others.
pub(super) fn of(
    document: &Value,
    text: &str,
    write: impl Fn(&Value) -> Option<String>,
) -> (Vec<String>, Vec<String>) {
    let mut pointers = Vec::new();
    for (name, value) in document.as_object().into_iter().flatten().filter(|(name, _)| *name != "@context") {
        collect(&child("", name), value, &mut pointers);
    }
    let mut changed = document.clone();
    let (mut covered, mut not_covered) = (Vec::new(), Vec::new());
    for (pointer, at) in pointers.into_iter().zip(0..) {
        let is_covered = at < MOST_VALUES && {
            let before = changed.pointer_mut(&pointer).map(|value| {
                let other = other_than(value);
                std::mem::replace(value, other)
            });
            let other = write(&changed);
            if let (Some(before), Some(place)) = (before, changed.pointer_mut(&pointer)) {
                *place = before;
            }
            other.as_deref() != Some(text)
        };
        if is_covered { covered.push(pointer) } else { not_covered.push(pointer) }
    }
    (covered, not_covered)
}

/// Another value of the same form: a name stays a name, and what has no meaning gets none.
fn other_than(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}0")),
        Value::Bool(yes) => Value::Bool(!yes),
        Value::Number(number) => Value::String(format!("other than {number}")),
        Value::Null | Value::Array(_) | Value::Object(_) => Value::String("other".to_owned()),
    }
}

fn collect(pointer: &str, value: &Value, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| collect(&child(pointer, name), value, pointers));
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().enumerate();
            items.for_each(|(at, item)| collect(&child(pointer, &at.to_string()), item, pointers));
        }
        _ => pointers.push(pointer.to_owned()),
    }
}

fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
