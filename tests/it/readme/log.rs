//! What the program logs, as its sources have it.

use std::path::Path;

/// Sources that no gateway in production runs.
const OTHERS: [&str; 5] = ["simulator", "simulation", "tests", "demo", "fake"];

/// The messages at `error`, `warn` and `info` below `folder`, each behind the name of its source.
pub(super) fn messages(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy();
        if OTHERS.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            found.append(&mut messages(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let texts = ["tracing::error!(", "tracing::warn!(", "tracing::info!("]
                .iter()
                .flat_map(|call| text.split(call).skip(1))
                .filter_map(last_literal);
            found.extend(texts.map(|text| (path.display().to_string(), text)));
        }
    }
    found
}

/// The last text among the arguments of a call, of which `rest` begins with the first.
fn last_literal(rest: &str) -> Option<String> {
    let (mut last, mut open) = (None, 1);
    let mut characters = rest.chars().peekable();
    while open > 0 {
        match characters.next()? {
            '(' => open += 1,
            ')' => open -= 1,
            '"' => {
                let mut text = String::new();
                loop {
                    match characters.next()? {
                        '"' => break,
                        // A backslash at the end of a line joins it with the next one.
                        '\\' => match characters.next()? {
                            '\n' => while characters.next_if(|space| space.is_whitespace()).is_some() {},
                            escaped => text.push(escaped),
                        },
                        other => text.push(other),
                    }
                }
                last = Some(text);
            }
            _ => {}
        }
    }
    last
}

#[test]
fn the_message_is_the_last_text_of_a_call_joined_over_its_lines() {
    let call = "id = f(\"x)\"), \"it goes \\\n    on, \\\"so\\\"\");\n more(\"y\")";
    assert_eq!(last_literal(call).as_deref(), Some("it goes on, \"so\""));
}
