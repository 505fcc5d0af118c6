//! What leaves for an ID system, what its answers mean, and which settings are refused.

use std::collections::BTreeMap;
use std::path::Path;

use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::super::drive::drive;
use super::super::fake::{self, Answer, Book, NOW, Script, says, work};
use super::super::{DestinationSettings as _, Destinations};
use super::*;
use crate::crypto::base64;
use crate::crypto::jwe::Jwe;
use crate::error::Fault;
use crate::keys::Ring;
use crate::mosip::Transport;
use crate::settings::Config;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WEBHOOK: &str = r#"{"event":{"hub":{"topic":"BIRTH_REGISTERED"},"context":[ {"resourceType":"Bundle", "n":1.0}, {"second":true}]}}"#;
const BASE: &str = "name = \"nia\"\nurl = \"https://nia.example.org/events\"\nkinds = [\"birth\"]\n";

fn read(systems: &str) -> std::result::Result<Config, Vec<String>> {
    let variables = BTreeMap::from([("NIA_SECRET".to_owned(), SECRET.to_owned())]);
    let text =
        format!("[keys]\nown = [{{ name = \"ours\", file = \"ours.pem\", use = [\"sign\"] }}]\n{systems}");
    Config::from_toml(&text, Path::new("/etc/gateway"), &variables, &|file| std::fs::read(file))
        .map_err(|problems| problems.to_string().lines().map(str::to_owned).collect())
}

/// One system, with these settings beside [`BASE`].
fn one(more: &str) -> std::result::Result<Config, Vec<String>> {
    read(&format!("[[systems]]\n{BASE}{more}\n"))
}

fn system(more: &str) -> Arc<System> {
    let settings = one(more).unwrap_or_else(|problems| panic!("{problems:?}")).destinations;
    let keys = Keyring::fixed(fake::ring("partner", &[("nia", "mosip")]));
    let tools = fake::tools(keys, Clock::fixed(NOW));
    Destinations::new(settings, &tools).systems.remove(0)
}

async fn post(more: &str, answer: Answer) -> (Result<Option<Done>>, Request, Option<&'static str>) {
    let outside = Script::new([answer]);
    let steps: Arc<dyn Steps> = system(more);
    let outcome = drive(&outside, &steps, work("c1", "birth", WEBHOOK), &Book::default()).await;
    let (token, request) = outside.sent.lock().unwrap().remove(0);
    (outcome, request, token)
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

#[tokio::test]
async fn an_event_goes_as_it_came_under_its_id() {
    let (outcome, request, token) =
        post("headers = { X-Road-Client = \"EE/GOV/1/reg\" }", says(200, "")).await;
    assert!(outcome.unwrap().unwrap().news == Some(News::Accepted(Transport::Protected)));
    assert_eq!((&request.body[..], token), (WEBHOOK.as_bytes(), None));
    assert_eq!((request.method, request.uri.path()), (Method::POST, "/events"));
    assert_eq!(request.headers.get("x-road-client").unwrap(), "EE/GOV/1/reg");
    assert_eq!(request.headers.get("webhook-id").unwrap(), "c1", "by it the system drops repeats");
    assert_eq!(request.headers.get(header::CONTENT_TYPE).unwrap(), "application/json");
    assert!(!request.headers.contains_key("webhook-signature") && !request.headers.contains_key(JWS));
}

#[tokio::test]
async fn the_bundle_is_the_first_of_the_context_byte_for_byte() {
    let more = "body = \"bundle\"\ncontent_type = \"application/fhir+json\"";
    let (_, request, _) = post(more, says(200, "")).await;
    assert_eq!(&request.body[..], br#"{"resourceType":"Bundle", "n":1.0}"#);
    assert_eq!(header(&request, "content-type"), "application/fhir+json");
}

#[tokio::test]
async fn standard_webhooks_signs_as_its_own_library_does() {
    let (_, request, _) =
        post("sign = \"standard-webhooks\"\nsecret_env = \"NIA_SECRET\"", says(200, "")).await;
    let theirs = Webhook::new(SECRET).unwrap().sign("c1", NOW.seconds(), WEBHOOK.as_bytes()).unwrap();
    assert_eq!(header(&request, "webhook-signature"), theirs);
    assert_eq!(header(&request, "webhook-timestamp"), NOW.seconds().to_string());
}

/// What jsonwebtoken finds of a detached JWS over `body`, under the certificate that it brings.
fn verify_with_jsonwebtoken(token: &str, body: &[u8]) -> bool {
    let (protected, signature) = token.split_once("..").unwrap();
    let head: Value = serde_json::from_slice(&base64::decode(protected.as_bytes()).unwrap()).unwrap();
    assert_eq!((&head["alg"], head.get("b64"), head.get("crit")), (&json!("RS256"), None, None));
    let der = base64::decode(head["x5c"][0].as_str().unwrap().as_bytes()).unwrap();
    let ours = fake::ring("partner", &[]);
    let certificate = ours.own()[0].certificate.as_ref().unwrap();
    assert_eq!(der, certificate.der());
    let components = crate::crypto::jwk::Jwk::of_rsa(certificate.public_key()).unwrap();
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_str(components.as_json()).unwrap();
    let message = format!("{protected}.{}", base64::encode_url(body));
    let key = DecodingKey::from_jwk(&key).unwrap();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256).unwrap()
}

#[tokio::test]
async fn a_detached_jws_is_over_the_bytes_that_are_posted() {
    let (_, request, _) = post("sign = \"jws\"", says(200, "")).await;
    assert!(verify_with_jsonwebtoken(header(&request, JWS), WEBHOOK.as_bytes()));
    assert!(!verify_with_jsonwebtoken(header(&request, JWS), b"{}"));
}

#[tokio::test]
async fn what_is_sealed_and_signed_is_sealed_first() {
    let (_, request, _) = post("sign = \"jws\"\nseal_to = \"nia\"", says(200, "")).await;
    assert_eq!(header(&request, "content-type"), "application/jose");
    assert!(verify_with_jsonwebtoken(header(&request, JWS), &request.body));
    let token = std::str::from_utf8(&request.body).unwrap();
    let head = base64::decode(token.split('.').next().unwrap().as_bytes()).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let theirs = fake::ring("mosip", &[]);
    let kid = theirs.own()[0].certificate.as_ref().unwrap().thumbprint().to_base64url();
    assert_eq!(head, json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": kid, "cty": "json" }));
    let opened = Jwe::parse(token).unwrap().decrypt(&theirs.own()[0].private, 1 << 20).unwrap();
    assert_eq!(&opened[..], WEBHOOK.as_bytes());
}

#[tokio::test]
async fn a_peer_or_a_key_that_is_missing_is_a_fault_of_keys_and_not_of_the_event() {
    let settings = one("seal_to = \"nia\"\nsign = \"jws\"").unwrap().destinations;
    let tools = fake::tools(Keyring::fixed(Ring::default()), Clock::fixed(NOW));
    let systems = Destinations::new(settings, &tools).systems;
    let error = systems[0].next(&work("c1", "birth", WEBHOOK)).err().unwrap();
    assert_eq!(error.fault(), Fault::Keys);
    let needs: Vec<_> = one("seal_to = \"nia\"\nsign = \"jws\"").unwrap().destinations.key_needs();
    assert!(needs.iter().any(|needs| needs.signs && needs.seals_to.as_ref().unwrap().name == "nia"));
}

#[tokio::test]
async fn the_number_of_the_reply_is_news_and_a_reply_without_one_is_told() {
    let ask = async |reply: &str| {
        let (outcome, ..) = post("reply_id = \"$.nid\"", says(201, reply)).await;
        outcome.unwrap().unwrap().news.unwrap()
    };
    let News::Numbered(Ok(number), over) = ask(r#"{"nid":4152630978}"#).await else { panic!("none") };
    assert_eq!((number.0.as_str(), over), ("4152630978", Transport::Protected));
    assert_eq!(ask("OK").await, News::Numbered(Err(NoNumber::NotJson), Transport::Protected));
    assert_eq!(ask("{}").await, News::Numbered(Err(NoNumber::Nothing), Transport::Protected));
}

#[tokio::test]
async fn a_number_over_plain_http_is_vouched_for_by_nothing() {
    let text = "[upstream]\ndanger_plain_http_hosts = [\"nia\"]\n[[systems]]\nname = \"nia\"\nurl = \"http://nia/e\"\nkinds = [\"birth\"]\nreply_id = \"$.nid\"\n";
    let settings = read(text).unwrap().destinations;
    let tools = fake::tools(Keyring::fixed(Ring::default()), Clock::fixed(NOW));
    let steps: Arc<dyn Steps> = Destinations::new(settings, &tools).systems.remove(0);
    let outside = Script::new([says(200, r#"{"nid":"7"}"#)]);
    let done =
        drive(&outside, &steps, work("c1", "birth", WEBHOOK), &Book::default()).await.unwrap().unwrap();
    let Some(News::Numbered(Ok(_), over)) = done.news else { panic!("none") };
    assert_eq!(over, Transport::Plain);
}

#[tokio::test]
async fn a_status_that_is_no_success_never_reads_as_taken() {
    for (status, fault) in [
        (301, Fault::Partner),
        (308, Fault::Partner),
        (401, Fault::Partner),
        (403, Fault::Partner),
        (422, Fault::Caller),
        (404, Fault::Caller),
        (429, Fault::Upstream),
        (503, Fault::Upstream),
    ] {
        let error = post("", says(status, r#"{"nid":"7"}"#)).await.0.err().unwrap();
        assert_eq!(error.fault(), fault, "{status}");
        assert!(error.advice().len() > 20, "{status}");
    }
    assert!(post("accepted = \"202\"", says(200, "")).await.0.is_err());
    assert!(post("accepted = \"2xx, 409\"", says(409, "")).await.0.is_ok());
    assert_eq!(StatusCode::CONFLICT, 409);
}

#[tokio::test]
async fn a_repeat_is_the_same_post_under_the_same_id() {
    let steps = system("");
    let first = work("c1", "birth", WEBHOOK);
    let again =
        Work { progress: Progress { sent: true, ..Progress::default() }, ..work("c1", "birth", WEBHOOK) };
    let requests: Vec<_> = [first, again]
        .iter()
        .map(|work| match steps.next(work).unwrap() {
            Step::Call(call) => call.request,
            Step::Done(_) => panic!("no call"),
        })
        .collect();
    assert_eq!((&requests[0].body, &requests[0].headers), (&requests[1].body, &requests[1].headers));
}

#[tokio::test]
async fn its_token_is_a_bearer_token_and_named_by_its_section() {
    let more = "token = { url = \"https://idp.example.org/token\", client_id = \"reg\", client_secret_env = \"NIA_SECRET\" }";
    let (_, _, token) = post(more, says(200, "")).await;
    assert_eq!(token, Some("systems[0].token"));
    let source = system(more).tokens().remove(0);
    let reply = |status: u16, body: &'static str| Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    };
    let token = source.grant().read(&reply(200, r#"{"access_token":"abc","expires_in":60}"#), NOW).unwrap();
    assert_eq!((token.header, token.value.as_bytes()), (header::AUTHORIZATION, &b"Bearer abc"[..]));
    assert!(token.value.is_sensitive());
    let error = source.grant().read(&reply(401, r#"{"error":"invalid_client"}"#), NOW).err().unwrap();
    assert_eq!((error.fault(), error.detail()), (Fault::Partner, "nia's IAM answered invalid_client"));
}

#[test]
fn a_header_that_would_forge_ours_is_refused() {
    for name in [
        "webhook-id",
        "Webhook-Signature",
        "WEBHOOK-TIMESTAMP",
        "X-JWS-Signature",
        "Content-Length",
        "Content-Type",
        "Host",
        "Connection",
        "Transfer-Encoding",
        "TE",
        "Authorization",
        "Cookie",
        "traceparent",
        "a b",
        "",
        "é",
    ] {
        let problems = one(&format!("headers = {{ {name:?} = \"x\" }}")).err();
        let problems = problems.unwrap_or_else(|| panic!("{name}"));
        assert!(problems[0].contains("systems[0].headers."), "{name}: {problems:?}");
    }
    for value in ["a\\nb", "a\\r\\nHost: x", "\\u0000", "é", " a", ""] {
        assert!(one(&format!("headers = {{ X-A = \"{value}\" }}")).is_err(), "{value}");
    }
    let twice = one("headers = { X-A = \"1\", x-a = \"2\" }").err().unwrap();
    assert!(twice[0].contains("is set twice"), "{twice:?}");
}

#[test]
fn what_is_wrong_with_a_system_is_told_at_once_and_each_with_its_place() {
    let problems = read(
        "[[systems]]\nname = \"Mediator!\"\nurl = \"ftp://x\"\nkinds = [\"marriage\"]\nbody = \"all\"\naccepted = \"ok\"\nsign = \"jws\"\nsecret_env = \"NIA_SECRET\"\nsign_with = \"nobody\"\nreply_id = \"nid\"\ncontent_type = \"json\"\nclient_cert = \"a.pem\"\nurls = 1\n",
    )
    .err()
    .unwrap();
    for place in [
        "name",
        "url",
        "kinds[0]",
        "body",
        "accepted",
        "secret_env",
        "sign_with",
        "reply_id",
        "content_type",
        "client_key",
        "urls",
    ] {
        let place = format!("systems[0].{place}: ");
        assert!(problems.iter().any(|problem| problem.contains(&place)), "{place} {problems:#?}");
    }
    let missing = read("[[systems]]\n").err().unwrap();
    for place in ["name", "url", "kinds"] {
        let place = format!("systems[0].{place}: is missing");
        assert!(missing.iter().any(|problem| problem.contains(&place)), "{place} {missing:#?}");
    }
}

#[test]
fn a_name_that_is_taken_or_cannot_stand_in_an_id_is_refused() {
    for name in [
        "mediator",
        "packets",
        "opencrvs",
        "delivery",
        "legacy-aid",
        "NIA",
        "a@b",
        "a b",
        "",
        &"a".repeat(33),
    ] {
        let text =
            format!("[[systems]]\nname = {name:?}\nurl = \"https://a.example\"\nkinds = [\"birth\"]\n");
        assert!(read(&text).is_err(), "{name}");
    }
    let twice = format!("[[systems]]\n{BASE}[[systems]]\n{BASE}");
    let problems = read(&twice).err().unwrap();
    assert!(problems[0].contains("systems[1].name: names two systems"), "{problems:?}");
    assert!(one("body = \"registration\"").is_ok());
    let odd = BASE.replace("\"birth\"", "\"death-correction\"");
    assert!(read(&format!("[[systems]]\n{odd}body = \"registration\"\n")).is_err());
    assert!(read(&format!("[[systems]]\n{}", BASE.replace("\"birth\"", ""))).is_err(), "no kinds");
    assert!(one("sign = \"standard-webhooks\"").is_err(), "no secret");
}

#[test]
fn a_gateway_with_a_system_alone_is_connected() {
    assert!(read("").unwrap().connects_nothing().is_some());
    let config = one("").unwrap();
    assert!(config.connects_nothing().is_none());
    let takes = |config: &Config, kind| config.destinations.systems[0].takes_webhooks(kind);
    assert!(takes(&config, EventKind::Birth) && !takes(&config, EventKind::Death));
    assert!(!takes(&one("body = \"registration\"").unwrap(), EventKind::Birth));
}

#[test]
fn doctor_reaches_its_urls_and_fetches_its_token() {
    let config = one(
        "token = { url = \"https://idp.example.org/token\", client_id = \"reg\", client_secret_env = \"NIA_SECRET\" }",
    );
    let settings = config.unwrap().destinations;
    let urls: Vec<_> = settings.systems.urls().into_iter().map(|url| url.setting).collect();
    assert_eq!(urls, ["systems[0].url", "systems[0].token.url"]);
}
