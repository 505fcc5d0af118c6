use super::*;

fn webhook(patient: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-01-01T00:00:00Z","id":"w-1", "event" : {{"hub":{{"topic":"BIRTH_REGISTERED"}},"context":[{{"entry":[
        {{"resource":{{"resourceType":"Task","focus":{{"reference":"Composition/c-1"}},"identifier":[{{"system":"http://opencrvs.org/specs/id/birth-registration-number","value":"2026B1"}}],"n":1.50e+3}}}},
        {{"resource":{patient}}},{{"resource":{{"resourceType":"Patient","id":"mother"}}}}]}}]}}}}"#
    )
}

fn parse(body: &str) -> Result<Event> {
    Event::parse(EventKind::Birth, Bytes::copy_from_slice(body.as_bytes()))
}

fn pointer_of(body: &str) -> String {
    let error = parse(body).err().expect("refused");
    error.pointer().unwrap_or(error.code().as_str()).to_owned()
}

fn with_aid(patient: &str) -> String {
    let event = parse(&webhook(patient)).expect("an event");
    assert!(event.wants_aid());
    let body = event.with_aid(&Aid::parse("10001").unwrap());
    let text = String::from_utf8(body.to_vec()).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).expect("still JSON");
    let again = parse(&text).expect("still an event");
    assert_eq!(again.aid().unwrap().as_str(), "10001");
    assert!(!again.wants_aid());
    text
}

const CODING: &str = r#"{"type":{"coding":[{"system":"http://opencrvs.org/specs/identifier-type","code":"MOSIP_AID"}]},"value":"10001"}"#;

#[test]
fn an_event_gives_composition_and_numbers() {
    let event = parse(&webhook(r#"{"resourceType":"Patient"}"#)).unwrap();
    assert_eq!((event.composition_id(), event.numbers().brn.as_deref()), ("c-1", Some("2026B1")));
}

#[test]
fn the_aid_takes_the_shape_the_event_uses_and_all_else_stays_as_it_came() {
    let cases = [
        (r#"{"resourceType":"Patient","identifier":[{"type":"NATIONAL_ID","value":"1"}]}"#, r#"{"resourceType":"Patient","identifier":[{"type":"NATIONAL_ID","value":"1"},{"type":"MOSIP_AID","value":"10001"}]}"#.to_owned()),
        (r#"{"resourceType":"Patient","identifier":[{"type":{"coding":[{"code":"NATIONAL_ID"}]},"value":"1"} ]}"#, format!(r#"{{"resourceType":"Patient","identifier":[{{"type":{{"coding":[{{"code":"NATIONAL_ID"}}]}},"value":"1"}} ,{CODING}]}}"#)),
        (r#"{"resourceType":"Patient","identifier":[ ]}"#, format!(r#"{{"resourceType":"Patient","identifier":[ {CODING}]}}"#)),
        (r#"{"resourceType":"Patient","identifier":null}"#, format!(r#"{{"resourceType":"Patient","identifier":[{CODING}]}}"#)),
        (r#"{"resourceType":"Patient"}"#, format!(r#"{{"identifier":[{CODING}],"resourceType":"Patient"}}"#)),
    ];
    for (before, after) in cases {
        assert_eq!(with_aid(before), webhook(&after));
    }
}

#[test]
fn an_aid_that_came_along_is_kept_in_either_shape() {
    for kind in [r#""MOSIP_AID""#, r#"{"coding":[{"code":"MOSIP_AID"}]}"#] {
        let body = webhook(&format!(
            r#"{{"resourceType":"Patient","identifier":[{{"type":{kind},"value":"777"}}]}}"#
        ));
        let event = parse(&body).unwrap();
        assert!(!event.wants_aid());
        assert_eq!(event.with_aid(&Aid::parse("10001").unwrap()), body);
    }
}

#[test]
fn no_patient_means_no_aid() {
    let body = webhook(r#"{"resourceType":"Location"}"#)
        .replace(r#""resourceType":"Patient""#, r#""resourceType":"Observation""#);
    assert!(!parse(&body).unwrap().wants_aid());
}

#[test]
fn what_is_missing_is_pointed_at() {
    let whole = webhook(r#"{"resourceType":"Patient"}"#);
    let cases = [
        (r#""topic":"BIRTH_REGISTERED""#, r#""topic":"DEATH_REGISTERED""#, "/event/hub/topic"),
        (r#""topic":"BIRTH_REGISTERED""#, "", "/event/hub/topic"),
        (r#""event""#, r#""even""#, "/event"),
        (r#""context""#, r#""contexts""#, "/event/context"),
        (r#""Task""#, r#""Tasks""#, "/event/context/0/entry"),
        ("Composition/c-1", "Patient/c-1", "/event/context/0/entry/0/resource/focus/reference"),
        ("Composition/c-1", "Composition/c 1", "/event/context/0/entry/0/resource/focus/reference"),
        ("Composition/c-1", "Composition/", "/event/context/0/entry/0/resource/focus/reference"),
        (
            r#""focus":{"reference":"Composition/c-1"}"#,
            r#""focus":7"#,
            "/event/context/0/entry/0/resource/focus",
        ),
        (
            r#""resourceType":"Patient","id":"mother""#,
            r#""resourceType":"Task""#,
            "/event/context/0/entry/2/resource/focus/reference",
        ),
        ("1.50e+3}}", "1.50e+3}", "malformed"),
        ("}]}]}}", "}]}]}} x", "malformed"),
    ];
    for (from, to, pointer) in cases {
        assert!(whole.contains(from), "{from}");
        assert_eq!(pointer_of(&whole.replacen(from, to, 1)), pointer, "{from} -> {to}");
    }
    assert_eq!(pointer_of("[]"), "");
    assert_eq!(pointer_of("\u{0}"), "malformed");
}

#[test]
fn a_refusal_never_quotes_the_body() {
    let body = webhook(r#"{"resourceType":"Patient","identifier":"SECRET-NID"}"#);
    let error = parse(&body).err().unwrap();
    assert!(!format!("{error} {error:?}").contains("SECRET-NID"));
    assert_eq!(error.pointer(), Some("/event/context/0/entry/1/resource/identifier"));
}

fn refusal_of_webhook(body: &[u8]) -> String {
    let error = Event::from_webhook(Bytes::copy_from_slice(body)).err().expect("refused");
    format!("{} {}", error.pointer().unwrap_or_default(), error.detail())
}

#[test]
fn a_webhook_is_of_the_kind_of_its_topic() {
    let death = webhook(r#"{"resourceType":"Patient"}"#).replace("BIRTH_", "DEATH_");
    assert_eq!(Event::from_webhook(death.into()).unwrap().kind(), EventKind::Death);
}

#[test]
fn a_webhook_that_two_readers_may_read_differently_is_refused() {
    let good = webhook(r#"{"resourceType":"Patient","name":[{"given":["Ada"]}]}"#);
    assert!(Event::from_webhook(good.clone().into()).is_ok());
    for (from, to) in [
        (r#""given":"#, r#""given":["Eva"],"given":"#),
        (r#""given":"#, r#""gi\u0076en":["Eva"],"given":"#),
        (r#""id":"w-1""#, r#""id":"w-1","id":"w-2""#),
    ] {
        let refusal = refusal_of_webhook(good.replace(from, to).as_bytes());
        assert!(refusal.contains("two members of one name"), "{to}: {refusal}");
        assert!(!refusal.contains("Eva"), "{refusal}");
    }
    for (depth, word) in [(127, "topic"), (128, "deeper than 128 levels"), (1_000_000, "deeper")] {
        let nested = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let refusal = refusal_of_webhook(nested.as_bytes());
        assert!(refusal.contains(word), "{depth}: {refusal}");
    }
    for no_json in ["", "{", "{}}", "\u{feff}{}", "NaN"] {
        assert!(refusal_of_webhook(no_json.as_bytes()).contains("not JSON"), "{no_json}");
    }
    assert!(refusal_of_webhook(b"\xff").contains("not UTF-8"));
}

#[test]
fn a_lone_surrogate_is_taken_and_travels_on_as_it_came() {
    let body = webhook(r#"{"resourceType":"Patient","name":[{"given":["Ada\uD83D"],"note \udfff":1}]}"#);
    assert!(body.contains(r"\uD83D"));
    let event = Event::from_webhook(body.clone().into()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(event.body(), body.as_bytes());
    let sent = event.with_aid(&Aid::parse("10001").unwrap());
    let sent = std::str::from_utf8(&sent).unwrap();
    assert!(
        sent.contains("MOSIP_AID") && sent.contains(r#""given":["Ada\uD83D"],"note \udfff":1"#),
        "{sent}"
    );
    let same = Event::from_webhook(body.replace(r"\uD83D", r"\ud83d").replace("w-1", "w-2").into()).unwrap();
    assert_eq!(canonical(&event), canonical(&same));
    let other = Event::from_webhook(body.replace(r"\uD83D", r"\ud83e").into()).unwrap();
    assert_ne!(canonical(&event), canonical(&other));
}

fn canonical(event: &Event) -> String {
    let mut written = String::new();
    event.write_context(&mut |piece: &str| written.push_str(piece)).unwrap();
    written
}

#[test]
fn many_entries_without_a_resource_are_read_over_and_counted() {
    let body = webhook("{}").replacen(r#""entry":["#, &format!(r#""entry":[{}"#, "{},".repeat(1_000)), 1);
    assert!(parse(&body).is_ok());
    let wrong = body.replacen("Composition/c-1", "Composition/", 1);
    assert_eq!(pointer_of(&wrong), "/event/context/0/entry/1000/resource/focus/reference");
}
