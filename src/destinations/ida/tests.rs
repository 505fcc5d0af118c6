use serde_json::{Value, json};

use super::super::drive::drive;
use super::super::fake::{
    self, Answer as Reaction, Book, NOW, Script, ida_gives, is_away, is_silent, says, work,
};
use super::*;
use crate::clock::Clock;
use crate::error::Code;
use crate::keys::Keyring;
use crate::mosip::ida::{Intent, Service};
use crate::pool::Pool;

const RECORD: &str = r#"{"individualId":"2784528096","individualIdType":"UIN","consent":true,"demographics":{"dob":"1990/09/20"}}"#;

fn keys() -> Keyring {
    Keyring::fixed(fake::ring("partner", &[("ida", "ida")]))
}

fn requests(settings: Option<Settings>, keys: Keyring) -> Arc<Requests> {
    Arc::new(Requests::new(settings, keys, Clock::fixed(NOW)))
}

async fn run(requests: Arc<Requests>, outside: &Script) -> Result<Value> {
    let steps: Arc<dyn Steps> = Arc::new(Records(requests));
    let book = Book::default();
    let done = drive(outside, &steps, work("job/0", "uin-token", RECORD), &book).await?.unwrap();
    assert_eq!(book.kept.lock().unwrap().len(), 0, "a record is one step");
    Ok(serde_json::from_slice(&done.result.unwrap()).unwrap())
}

async fn ask(answers: impl IntoIterator<Item = Reaction>) -> (Result<Value>, Script) {
    let outside = Script::new(answers);
    (run(requests(Some(fake::ida_settings(&[])), keys()), &outside).await, outside)
}

fn refuses(code: &str) -> Reaction {
    says(200, &json!({ "errors": [{ "errorCode": code, "errorMessage": "m" }] }).to_string())
}

#[tokio::test]
async fn what_came_of_a_record_is_the_json_that_jobs_keep() {
    let (given, outside) = ask([ida_gives("360001")]).await;
    let expected =
        json!({ "individualId": "2784528096", "token": "360001", "verified": "none", "errors": [] });
    assert_eq!(given.unwrap(), expected);
    let path = &outside.paths()[0];
    assert_eq!(path, "/idauthentication/v1/auth/a%2F..%2Fb%3Fc%23d%20e%252F/opencrvs-partner/api-key");

    let (refused, _) = ask([refuses("IDA-MLC-002")]).await;
    let refused = refused.unwrap();
    assert_eq!((&refused["token"], &refused["errors"][0]["code"]), (&Value::Null, &json!("IDA-MLC-002")));
}

#[tokio::test]
async fn an_attempt_that_may_have_reached_ida_is_not_repeated_and_one_that_never_left_is() {
    let (given, outside) = ask([is_away(), ida_gives("360001")]).await;
    assert_eq!(given.unwrap()["token"], "360001");
    let bodies: Vec<_> =
        outside.sent.lock().unwrap().iter().map(|(_, request)| request.body.clone()).collect();
    assert_ne!(bodies[0], bodies[1], "it is stamped and sealed afresh");
    assert!(ask([is_silent()]).await.0.is_err());
}

#[tokio::test]
async fn a_request_that_ida_cannot_open_is_sealed_once_more_where_its_certificate_was_replaced() {
    for code in ["IDA-MPA-003", "IDA-MPA-004"] {
        let (ring, keys) = Keyring::changing(fake::ring("partner", &[("ida", "ida")]));
        let mut outside = Script::new([refuses(code), ida_gives("360001")]);
        outside.on_refresh = Some(Box::new(move || {
            ring.send_replace(Arc::new(fake::ring("partner", &[("ida", "mosip")])));
        }));
        let given = run(requests(Some(fake::ida_settings(&[])), keys), &outside).await.unwrap();
        assert_eq!(given["token"], "360001");

        let (refused, outside) = ask([refuses(code)]).await;
        let error = refused.unwrap_err();
        assert_eq!(
            (error.upstream().unwrap().code.as_str(), outside.paths().len()),
            (code, 1),
            "it is the same"
        );
    }
}

#[tokio::test]
async fn a_reply_that_does_not_verify_pauses_the_job_and_costs_no_record() {
    let signed = fake::ida_settings(&["ida"]);
    let outside = Script::new([ida_gives("360001")]);
    let error = run(requests(Some(signed), keys()), &outside).await.unwrap_err();
    assert_eq!((error.code(), error.fault()), (Code::Tampered, Fault::Tampered), "unsigned");
    assert!(error.is_of_all() && error.retryable(), "{error}");
    assert!(error.advice().contains("response-signature"), "{}", error.advice());
}

#[test]
fn only_a_refusal_of_this_person_is_the_records_own() {
    let said = |code, pointer: Option<&str>| {
        let error = pointer.map_or_else(|| Error::new(code, "x"), |pointer| Error::field(pointer, "x"));
        for_the_channel(error.with_upstream("IDA-X", "")).fault()
    };
    assert_eq!(said(Code::Field, Some("/individualId")), Fault::Caller);
    assert_eq!(said(Code::Field, Some("/demographics")), Fault::Caller);
    assert_eq!(said(Code::Field, Some("/otp")), Fault::Upstream);
    assert_eq!(said(Code::Bug, None), Fault::Upstream);
    assert_eq!(for_the_channel(Error::new(Code::Bug, "ours")).fault(), Fault::Bug, "IDA said nothing");
}

#[tokio::test]
async fn without_settings_the_reason_names_them() {
    let records = Records(requests(None, keys()));
    let error = records.next(&work("job/0", "uin-token", RECORD)).err().unwrap();
    assert!(error.fault() == Fault::Keys && error.detail().contains("upstream.ida.url"), "{error}");
    assert_eq!(records.routes().len(), 1, "records of an earlier configuration show why they wait");
    let mut settings = fake::ida_settings(&[]);
    settings.api_key = None;
    settings.unset = vec!["PARTNER_APIKEY".to_owned()];
    let error = requests(Some(settings), keys()).check_configured().unwrap_err();
    assert!(error.detail().contains("PARTNER_APIKEY"));
}

#[tokio::test]
async fn a_caller_who_waits_gets_the_answer_with_its_proof_and_the_resending_of_a_record() {
    let outside =
        Arc::new(Script::new([is_away(), ida_gives("360001"), refuses("IDA-MLC-002"), is_silent()]));
    let pool = Pool::new(1, 4).unwrap();
    let ida = Ida::new(requests(Some(fake::ida_settings(&[])), keys()), Arc::clone(&outside) as Arc<_>, pool);
    let intent = Arc::new(Intent::parse(Service::Auth, RECORD.as_bytes()).unwrap());
    let Answer::Given(given) = ida.authenticate(Arc::clone(&intent)).await.unwrap() else {
        panic!("refused")
    };
    assert_eq!((given.word(), given.get().token.as_deref()), ("none", Some("360001")));
    assert!(matches!(ida.authenticate(Arc::clone(&intent)).await.unwrap(), Answer::Refused(_)));
    let error = ida.authenticate(Arc::clone(&intent)).await.err().unwrap();
    assert_eq!((error.code(), error.fault()), (Code::UpstreamTimeout, Fault::Upstream));
    assert_eq!(ida.know(intent).await.err().unwrap().code(), Code::Bug, "an intent for another service");
}
