use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Outer {
    #[allow(dead_code)]
    plain_text: Option<String>,
    #[allow(dead_code)]
    items: Option<Vec<Object<Inner>>>,
    #[allow(dead_code)]
    raw: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[serde(rename = "a/b~c")]
    #[allow(dead_code)]
    odd: u8,
}

impl<T: fmt::Debug> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn refusal(body: &str) -> Error {
    read::<Object<Outer>>(body.as_bytes()).unwrap_err()
}

#[test]
fn a_field_is_refused_at_its_pointer_and_neither_value_nor_unknown_name_is_repeated() {
    for (body, pointer, what) in [
        (r#"{"plainText":47110815}"#, "/plainText", "the value has not the type it should have"),
        (
            r#"{"items":[{"a/b~c":1},{"a/b~c":"47110815"}]}"#,
            "/items/1/a~1b~0c",
            "the value has not the type it should have",
        ),
        (r#"{"items":[[47110815]]}"#, "/items/0", "the value has not the type it should have"),
        (r#"{"items":[{}]}"#, "/items/0/a~1b~0c", "this is missing"),
        (
            r#"{"items":[{"a/b~c":1,"47110815":2}]}"#,
            "/items/0",
            "there is an unknown member; known are `a/b~c`",
        ),
        (
            r#"{"47110815`, expected 47110815 at line 9":1}"#,
            "",
            "there is an unknown member; known are `plainText`, `items`, `raw`",
        ),
        (r#"["47110815"]"#, "", "the value has not the type it should have"),
        ("47110815", "", "the value has not the type it should have"),
    ] {
        let error = refusal(body);
        assert_eq!(
            (error.code(), error.pointer(), error.detail()),
            (Code::Field, Some(pointer), what),
            "{body}"
        );
        assert!(!format!("{error:?}").contains("47110815"), "{error:?}");
    }
}

#[test]
fn what_two_readers_may_read_differently_is_malformed() {
    let deep = format!(r#"{{"raw":{}1{}}}"#, "[".repeat(128), "]".repeat(128));
    let deepest = format!(r#"{{"raw":{}1{}}}"#, "[".repeat(127), "]".repeat(127));
    assert!(read::<Object<Outer>>(deepest.as_bytes()).is_ok());
    for (body, what) in [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("{} {}", "is not JSON"),
        (r#"{"plainText":"a","plainText":"b"}"#, "two members of one name"),
        (r#"{"raw":{"x":1,"x":2}}"#, "two members of one name"),
        (r#"{"raw":[{"\u0078":1,"x":2}]}"#, "two members of one name"),
        (&deep, "nested deeper than 128 levels (line 1, column 135)"),
        ("{\n \"raw\": {\"x\":1, \"x\":2}}", "two members of one name (line 2, column 17)"),
    ] {
        let error = refusal(body);
        assert_eq!((error.code(), error.pointer()), (Code::Malformed, None), "{body}");
        assert!(error.detail().contains(what), "{body}: {}", error.detail());
    }
    assert_eq!(read::<Object<Outer>>(b"\xff").unwrap_err().code(), Code::Malformed);
}
