//! ID systems other than MOSIP: the number in their replies, by JSONPath, and the EventDocument that they get. Arbitrary texts, and edits of
//! good ones.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::opencrvs::document::EventDocument;
use mosip_gateway::opencrvs::event::EventKind;
use mosip_gateway::{NoNumber, NumberAt};
use mosip_gateway_fuzz::edit;
use serde_json::Value;

const REPLY: &str =
    r#"{"nid":"NIA-0042","person":{"nid":4152630978,"name":"Leila Karim"},"list":[{"nid":"1"},{"nid":"2"}]}"#;
const DOCUMENT: &str = r#"{"id":"e-1","type":"birth","trackingId":"B1","actions":[{"id":"a-0","type":"CREATE"},{"id":"a-1","type":"REGISTER","registrationNumber":"2026B1"}]}"#;

static PATHS: LazyLock<Vec<NumberAt>> = LazyLock::new(|| {
    let paths = ["$.person.nid", "$..nid", "$.list[?@.nid == '1'].nid", "$[0, -1]", "$"];
    paths.iter().map(|path| NumberAt::of(path).unwrap()).collect()
});
/// What another reader reads, too.
static PLAIN: LazyLock<NumberAt> = LazyLock::new(|| NumberAt::of("$.nid").unwrap());

/// Nested as deep as a reply may be, with many values on the way.
static DEEP: LazyLock<String> = LazyLock::new(|| {
    let within = |inner: String, _: usize| format!(r#"{{"nid":[1,1,1,1],"a":{inner}}}"#);
    (0..100).fold("{}".to_owned(), within)
});

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 5 {
        0 => reply(rest),
        1 => drop(edited(REPLY, &mut Unstructured::new(rest), reply)),
        2 => document(rest),
        3 => drop(edited(DOCUMENT, &mut Unstructured::new(rest), document)),
        _ => path(rest),
    }
});

fn edited(good: &str, input: &mut Unstructured<'_>, read: fn(&[u8])) -> Result<()> {
    if let Some(text) = edit::edited_text(good, input)? {
        read(text.as_bytes());
    }
    Ok(())
}

/// A number is short and visible, and stands where another reader finds it.
fn reply(body: &[u8]) {
    for found in PATHS.iter().filter_map(|path| path.find(body).ok()) {
        assert!((1..=128).contains(&found.len()) && found.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let theirs = serde_json::from_slice::<Value>(body).ok();
    match PLAIN.find(body) {
        Ok(number) => {
            let value = &theirs.unwrap()["nid"];
            assert_eq!(value.as_str().map_or_else(|| value.to_string(), str::to_owned), *number);
        }
        Err(NoNumber::Nothing) => assert!(theirs.unwrap().get("nid").is_none()),
        Err(NoNumber::Several) => panic!("one member has several values"),
        Err(NoNumber::NotJson | NoNumber::NotANumber | NoNumber::TooLong) => {}
    }
}

/// A document is known by what another reader finds, and kept as it came.
fn document(body: &[u8]) {
    let Ok(read) = EventDocument::parse(EventKind::Birth, Bytes::copy_from_slice(body)) else { return };
    // It refuses halves of surrogate pairs, which are of no interest.
    let Ok(theirs) = serde_json::from_slice::<Value>(body) else { return };
    assert_eq!(theirs["id"], read.event_id());
    assert_eq!(theirs["actions"].as_array().unwrap().last().unwrap()["id"], read.action_id());
    assert_eq!(read.body(), body);
}

/// Any path, over a good reply, and over one that a path which multiplies does not get through.
fn path(text: &[u8]) {
    if let Some(path) = std::str::from_utf8(text).ok().and_then(NumberAt::of) {
        let _ = path.find(REPLY.as_bytes());
        let _ = path.find(DEEP.as_bytes());
    }
}
