use serde_json::{Value, json};

use super::super::drive::drive;
use super::super::fake::{self, Answer, Book, NOW, Script, is_away, is_silent, says, work};
use super::*;
use crate::keys::{Keyring, Ring};

const CREATED: &str = r#"{"response":[{"id":"100010000000001"}],"errors":[]}"#;
const TAKEN: &str = r#"{"response":{"workflowInstanceId":"w"},"errors":null}"#;

fn birth() -> Work {
    let registration = json!({
        "trackingId": "T1",
        "notification": { "recipientFullName": "Grace", "recipientEmail": "g@example.org" },
        "requestFields": { "birthCertificateNumber": "B1", "fullName": "[]" },
        "metaInfo": { "registrationId": "x" },
        "audit": { "uuid": "u" },
    });
    work("100010000000001", "birth", registration.to_string())
}

fn settings() -> Settings {
    let url = |path: &str| Some(format!("http://127.0.0.1:4600{path}").parse().unwrap());
    Settings {
        create: url("/createPacket"),
        process: url("/workflowinstance"),
        center_id: Some("10123".to_owned()),
        machine_id: Some("10234".to_owned()),
        ..Settings::default()
    }
}

fn packets(settings: Settings) -> Arc<dyn Steps> {
    let tools = fake::tools(Keyring::fixed(Ring::default()), Clock::fixed(NOW));
    Arc::new(Packets::new(settings, &tools))
}

async fn run(work: Work, outside: &Script, book: &Book) -> Result<Option<Done>> {
    drive(outside, &packets(settings()), work, book).await
}

/// The entry as it is found after a crash, or at its next attempt.
fn again(book: &Book) -> Work {
    let first = birth();
    Work { progress: book.progress(first.progress.clone()), ..first }
}

fn body(outside: &Script, call: usize) -> Value {
    serde_json::from_slice(&outside.sent.lock().unwrap()[call].1.body).unwrap()
}

fn refuses(code: &str) -> Answer {
    says(200, &json!({ "response": null, "errors": [{ "errorCode": code, "message": "m" }] }).to_string())
}

#[tokio::test]
async fn a_packet_is_created_and_then_processed_under_the_id_of_the_entry() {
    let (outside, book) = (Script::new([says(200, CREATED), says(200, TAKEN)]), Book::default());
    let done = run(birth(), &outside, &book).await.unwrap().unwrap();
    assert!(done.is_answered_later && done.news == Some(News::Accepted(Transport::Protected)));
    assert_eq!(outside.paths(), ["/createPacket", "/workflowinstance"]);
    assert_eq!(outside.sent.lock().unwrap()[0].1.method, Method::PUT);
    let request = &body(&outside, 0)["request"];
    assert_eq!(
        (&request["id"], &request["refId"], &request["process"]),
        (&json!("100010000000001"), &json!("10123_10234"), &json!("CRVS_NEW"))
    );
    assert_eq!(
        (&request["fields"]["birthCertificateNumber"], &request["audits"]),
        (&json!("B1"), &json!([{ "uuid": "u" }]))
    );
    assert!(request.get("schemaJson").is_none());
    let workflow = &body(&outside, 1)["request"];
    assert_eq!(
        (&workflow["registrationId"], &workflow["notificationInfo"]),
        (&json!("100010000000001"), &json!({ "name": "Grace", "phone": "", "email": "g@example.org" }))
    );
}

#[tokio::test]
async fn a_failure_names_the_host_of_the_step_that_failed() {
    let process = Some("http://127.0.0.1:4700/workflowinstance".parse().unwrap());
    let steps = packets(Settings { process, ..settings() });
    for (answers, host) in [
        (vec![is_away()], "127.0.0.1:4600"),
        (vec![says(500, "")], "127.0.0.1:4600"),
        (vec![says(200, CREATED), is_away()], "127.0.0.1:4700"),
        (vec![says(200, CREATED), refuses("NEW-001")], "127.0.0.1:4700"),
    ] {
        let error = drive(&Script::new(answers), &steps, birth(), &Book::default()).await.err().unwrap();
        assert_eq!(error.host(), Some(host), "{error}");
    }
}

#[tokio::test]
async fn a_crash_between_the_two_steps_creates_the_same_packet_again() {
    // It dies before it stores that the packet is created and that it asks for processing, which is one commit.
    let (outside, book) = (Script::new([says(200, CREATED)]), Book::dies_after(1));
    assert_eq!(run(birth(), &outside, &book).await.err().unwrap().code(), Code::Storage);
    assert_eq!(outside.paths().len(), 1, "no processing is asked for before that is stored");
    let repeat = Script::new([says(200, CREATED), says(200, TAKEN)]);
    assert!(run(again(&book), &repeat, &Book::default()).await.unwrap().is_some());
    assert_eq!(repeat.paths().last().unwrap(), "/workflowinstance");
    assert_eq!(body(&outside, 0), body(&repeat, 0));
}

#[tokio::test]
async fn a_packet_is_not_created_again_where_its_processing_could_not_be_asked_for() {
    let steps = packets(Settings { process: None, ..settings() });
    let (outside, book) = (Script::new([says(200, CREATED)]), Book::default());
    assert!(drive(&outside, &steps, birth(), &book).await.is_err());
    let outside = Script::new([says(200, TAKEN)]);
    assert!(run(again(&book), &outside, &Book::default()).await.unwrap().is_some());
    assert_eq!(outside.paths(), ["/workflowinstance"]);
}

#[tokio::test]
async fn a_crash_inside_a_step_repeats_it_under_the_same_id_and_with_equal_content() {
    let (outside, book) = (Script::new([is_silent()]), Book::default());
    assert!(run(birth(), &outside, &book).await.is_err());
    let repeat = Script::new([says(200, CREATED), is_silent()]);
    let second = Book::default();
    assert!(run(again(&book), &repeat, &second).await.is_err());
    assert_eq!(body(&outside, 0), body(&repeat, 0));
    let last = Script::new([refuses("RPR-WIS-001")]);
    let done = run(again(&second), &last, &Book::default()).await.unwrap();
    assert!(done.unwrap().is_answered_later, "MOSIP took the call whose answer was lost");
    assert_eq!(last.paths(), ["/workflowinstance"]);
    assert_eq!(body(&repeat, 1), body(&last, 0));
}

#[tokio::test]
async fn the_code_of_a_repeat_is_no_success_where_nothing_was_asked_before() {
    let book = Book::default();
    let outside = Script::new([says(200, CREATED), refuses("RPR-WIS-001")]);
    let error = run(birth(), &outside, &book).await.err().unwrap();
    assert_eq!(error.fault(), Fault::Caller);
    assert!(error.advice().contains("id_prefix"), "{}", error.advice());
}

#[tokio::test]
async fn a_repeat_that_is_refused_without_a_known_reason_parks_alone_and_names_what_to_look_up() {
    for code in ["NEW-001", "KER-PUT-020"] {
        let book = Book::default();
        let outside = Script::new([says(200, CREATED), is_silent()]);
        assert!(run(birth(), &outside, &book).await.is_err());
        let error = run(again(&book), &Script::new([refuses(code)]), &Book::default()).await.err().unwrap();
        assert_eq!((error.fault(), error.retryable()), (Fault::Partner, false), "{code}");
        assert!(error.advice().contains("Look the registration id"), "{}", error.advice());
    }
}

#[tokio::test]
async fn a_refusal_that_was_answered_leaves_nothing_unknown() {
    let book = Book::default();
    let outside = Script::new([says(200, CREATED), refuses("NEW-001")]);
    assert!(run(birth(), &outside, &book).await.is_err());
    let later = Book::default();
    let error = run(again(&book), &Script::new([refuses("NEW-001")]), &later).await.err().unwrap();
    assert_eq!((error.fault(), error.retryable()), (Fault::Upstream, true), "it is tried again");
}

#[tokio::test]
async fn a_failure_of_mosip_or_a_refused_token_lets_the_first_outcome_stay_unknown() {
    for answer in [refuses("RPR-WIS-000"), refuses("KER-ATH-401"), says(503, "{}"), says(401, ""), is_away()]
    {
        let first = Book::default();
        let outside = Script::new([says(200, CREATED), is_silent()]);
        assert!(run(birth(), &outside, &first).await.is_err());
        let second = Book::default();
        let error = run(again(&first), &Script::new([answer]), &second).await.err().unwrap();
        assert!(error.retryable());
        assert!(second.kept.lock().unwrap().is_empty(), "it is as unknown as before");
    }
}

#[tokio::test]
async fn a_death_goes_without_the_number_of_its_certificate_and_each_kind_as_its_process() {
    for (kind, field, process, is_sent) in [
        ("death", "deathCertificateNumber", "CRVS_DEATH", false),
        ("birth-correction", "VID", "CRVS_UPDATE", true),
        ("birth-revocation", "National_ID", "CRVS_deactivate_ID", true),
        ("death-revocation", "UIN", "CRVS_Fraud_Death", true),
    ] {
        let outside = Script::new([says(200, CREATED), says(200, TAKEN)]);
        let registration = json!({ "requestFields": { field: "1", "gender": "Female" } }).to_string();
        run(work("1", kind, registration), &outside, &Book::default()).await.unwrap();
        let request = &body(&outside, 0)["request"];
        assert_eq!(request["process"], process);
        assert_eq!(request["fields"].get(field).is_some(), is_sent, "{kind}");
        assert_eq!((&request["metaInfo"], &request["audits"]), (&json!({}), &json!([{}])));
        assert_eq!(body(&outside, 1)["request"]["process"], process);
    }
}

#[tokio::test]
async fn the_schema_of_the_request_goes_before_that_of_the_settings() {
    let with_file = || {
        let schema = serde_json::value::to_raw_value(r#"{"of":"the file"}"#).unwrap();
        packets(Settings { schema: Some(schema), ..settings() })
    };
    let own = json!({ "requestFields": { "birthCertificateNumber": "B1" }, "schemaJson": "{\"of\":\"it\"}" });
    for (work, schema) in
        [(birth(), r#"{"of":"the file"}"#), (work("1", "birth", own.to_string()), r#"{"of":"it"}"#)]
    {
        let outside = Script::new([says(200, CREATED), says(200, TAKEN)]);
        drive(&outside, &with_file(), work, &Book::default()).await.unwrap();
        assert_eq!(body(&outside, 0)["request"]["schemaJson"], schema);
    }
}

#[tokio::test]
async fn what_is_not_set_waits_for_a_person_and_is_named() {
    let without = [
        ("create", Settings { create: None, ..settings() }),
        ("center_id", Settings { center_id: None, ..settings() }),
        ("machine_id", Settings { machine_id: None, ..settings() }),
    ];
    for (name, settings) in without {
        let error =
            drive(&Script::default(), &packets(settings), birth(), &Book::default()).await.err().unwrap();
        assert_eq!(error.code(), Code::Keys);
        assert!(error.advice().contains(name), "{}", error.advice());
    }
    let outside = Script::new([says(200, CREATED)]);
    let steps = packets(Settings { process: None, ..settings() });
    let error = drive(&outside, &steps, birth(), &Book::default()).await.err().unwrap();
    assert!(error.advice().contains("upstream.packets.process"), "{}", error.advice());
}
