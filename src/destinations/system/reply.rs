//! The number in the reply of another ID system, where `reply_id` says.

use std::fmt;

use serde_json::Value;
use serde_json_path::JsonPath;
use zeroize::Zeroizing;

use crate::config::value::{Complaint, complaint};
use crate::json;
use crate::words::words;

/// The longest number that is taken, characters.
const LONGEST: usize = 128;

/// Where a reply holds its number: a JSONPath (RFC 9535, without the functions `match` and `search`).
#[derive(Debug, Clone)]
pub struct NumberAt(JsonPath);

/// The number that a system gave, as the system wrote it. Its `Debug` shows nothing: it names a person.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NationalId(pub(crate) Zeroizing<String>);

impl fmt::Debug for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NationalId(…)")
    }
}

words! {
    /// Why a reply gives no number.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum NoNumber {
        /// It is not JSON, is nested too deep, or has two members of one name.
        NotJson = "not-json",
        /// The path leads to nothing.
        Nothing = "no-match",
        /// The path leads to more than one value: nobody knows which is meant.
        Several = "several-matches",
        /// What stands there is neither text nor a whole number, or holds what no number holds.
        NotANumber = "not-a-number",
        /// What stands there is longer than any number.
        TooLong = "too-long",
    }
}

impl NumberAt {
    /// Reads `reply_id`. A path that takes out of proportion to the reply is refused: a system could stop the gateway with what it replies.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        if !is_quick(text) {
            return Err(complaint(
                "holds more than one `..` or `,`, or one of them or a second `$` beside a filter: a long reply would take minutes to search",
                "write the way to the number, such as \"$.person.nid\"",
            ));
        }
        JsonPath::parse(text).map(Self).map_err(|_| {
            complaint(
                "is not a JSONPath of RFC 9535, or calls match or search, which are not known here",
                "write one that leads to the number, such as \"$.nid\"",
            )
        })
    }

    /// As `reply_id` has it; `None` where it is none.
    pub fn of(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    /// The number in `reply`: one value, text or a whole number, of 1 to 128 visible characters.
    pub fn find(&self, reply: &[u8]) -> Result<Zeroizing<String>, NoNumber> {
        let text = json::text(reply).map_err(|_| NoNumber::NotJson)?;
        json::check_unambiguous(text).map_err(|_| NoNumber::NotJson)?;
        let reply: Value = serde_json::from_str(text).map_err(|_| NoNumber::NotJson)?;
        let found = self.0.query(&reply);
        let mut found = found.iter();
        let (Some(value), rest) = (found.next(), found.next()) else { return Err(NoNumber::Nothing) };
        if rest.is_some() {
            return Err(NoNumber::Several);
        }
        let number = Zeroizing::new(match value {
            Value::String(text) => text.clone(),
            // A larger one has lost digits.
            Value::Number(number) if number.is_u64() => number.to_string(),
            _ => return Err(NoNumber::NotANumber),
        });
        if number.len() > LONGEST {
            return Err(NoNumber::TooLong);
        }
        let is_visible = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_graphic());
        is_visible.then_some(number).ok_or(NoNumber::NotANumber)
    }
}

/// Whether the path `text` looks at each value of a reply a few times at most. Each `..` behind another one, each list of selectors and each filter
/// that searches all of the reply multiplies how often.
fn is_quick(text: &str) -> bool {
    let path = without_names(text);
    let count = |what| path.matches(what).count();
    count("..") + count(",") <= usize::from(count("?") == 0) && count("$") <= 1
}

/// `path` without what it holds in quotation marks.
fn without_names(path: &str) -> String {
    let (mut outside, mut quote) = (String::new(), None);
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => drop(letters.next()),
            (Some(mark), letter) if letter == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, letter) => outside.push(letter),
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, reply: &str) -> Result<String, NoNumber> {
        NumberAt::of(path).unwrap().find(reply.as_bytes()).map(|number| number.to_string())
    }

    #[test]
    fn a_number_is_found_where_the_path_leads() {
        let reply = r#"{"nid":"AB-12","persons":[{"id":42},{"id":"43"}],"a b":{"n":18446744073709551615}}"#;
        for (path, number) in [
            ("$.nid", "AB-12"),
            ("$.persons[0].id", "42"),
            ("$['persons'][-1]['id']", "43"),
            ("$.persons[?@.id == 42].id", "42"),
            ("$['a b'].n", "18446744073709551615"),
            ("$..n", "18446744073709551615"),
        ] {
            assert_eq!(find(path, reply).as_deref(), Ok(number), "{path}");
        }
    }

    #[test]
    fn a_path_that_matches_nothing_or_a_hundred_times_gives_no_number() {
        let hundred = format!("[{}]", ["7"; 100].join(","));
        assert_eq!(find("$[*]", &hundred), Err(NoNumber::Several));
        assert_eq!(find("$..nid", r#"{"nid":"1","a":{"nid":"2"}}"#), Err(NoNumber::Several));
        assert_eq!(find("$.nid", "{}"), Err(NoNumber::Nothing));
        assert_eq!(find("$.nid", "[]"), Err(NoNumber::Nothing));
        assert_eq!(find("$[7]", "[]"), Err(NoNumber::Nothing));
    }

    #[test]
    fn a_number_that_is_no_number_is_none() {
        for value in [
            "null",
            "true",
            "{}",
            "[]",
            "[\"1\"]",
            "1.5",
            "-1",
            "1e3",
            "18446744073709551616",
            "\"\"",
            "\" \"",
            "\"1 2\"",
            "\"1\\n\"",
            "\"é\"",
        ] {
            let found = find("$.nid", &format!("{{\"nid\":{value}}}"));
            assert_eq!(found, Err(NoNumber::NotANumber), "{value}");
        }
        let of_length = |length| find("$", &format!("\"{}\"", "9".repeat(length)));
        assert_eq!(of_length(LONGEST).map(|number| number.len()), Ok(LONGEST));
        assert_eq!(of_length(LONGEST + 1), Err(NoNumber::TooLong));
    }

    #[test]
    fn a_reply_that_two_readers_read_differently_gives_no_number() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for reply in ["", "OK", "<html/>", "{", "{\"nid\":1,\"nid\":2}", "\u{feff}{}", &deep] {
            assert_eq!(find("$..nid", reply), Err(NoNumber::NotJson), "{}", reply.len());
        }
        assert_eq!(NumberAt::of("$.nid").unwrap().find(b"\"\xff\"").err(), Some(NoNumber::NotJson));
    }

    #[test]
    fn what_is_no_json_path_is_refused_at_start() {
        for path in ["", "nid", "$.", "$[", "/nid", "$.nid nid", "$[?match(@.a, 'b')]"] {
            assert!(NumberAt::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_path_that_a_long_reply_could_stop_the_gateway_with_is_refused_at_start() {
        for path in [
            "$..a..nid",
            "$..*..nid",
            "$..['a','nid']",
            "$[*,*][*,*].nid",
            "$['a','b','c'].nid",
            "$[?@..a].nid",
            "$..a[?@.b].nid",
            "$[?count($[*]) > 1].nid",
            "$['\\'']..a..nid",
        ] {
            assert!(JsonPath::parse(path).is_ok() && NumberAt::parse(path).is_err(), "{path}");
        }
        for path in
            ["$..nid", "$['a..b..c']", "$[\"$,'..\"].nid", "$['nid','uin']", "$.a[?@.b == '..,$'].nid"]
        {
            assert!(NumberAt::parse(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_number_of_a_person_is_never_shown() {
        let id = NationalId(Zeroizing::new("4152630978".to_owned()));
        assert!(!format!("{id:?}").contains("4152"));
    }
}
