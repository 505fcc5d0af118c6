use std::time::Duration;

use serde_json::Value;

use super::super::drive::drive;
use super::super::fake::{self, Answer, Book, NOW, Script, ida_gives, is_away, is_silent, says, work};
use super::*;
use crate::config::{Token, TokenKind};
use crate::crypto::secret::SecretBytes;
use crate::destinations::DestinationSettings as _;
use crate::error::Fault;
use crate::mosip::Transport;
use crate::mosip::envelope::{self, Policy, Sealed};

const DECEASED: &str = r#""identifier":[{"type":"NATIONAL_ID","value":"2784528096"}],"name":[{"use":"en","given":["Frank"],"family":"Spencer"}],"gender":"male","birthDate":"1990-09-20""#;
const TAKES: &str = r#"{"response":{}}"#;

fn event(topic: &str, patient: &str) -> String {
    format!(
        r#"{{"event":{{"hub":{{"topic":"{topic}"}},"context":[{{"entry":[{{"resource":{{"resourceType":"Task","focus":{{"reference":"Composition/c1"}}}}}},{{"resource":{{"resourceType":"Patient",{patient}}}}}]}}]}}}}"#
    )
}

fn birth() -> Work {
    work("c1", "birth", event("BIRTH_REGISTERED", r#""gender":"male""#))
}

fn death() -> Work {
    work("c1", "death", event("DEATH_REGISTERED", DECEASED))
}

fn mediator(asks_ida: bool) -> Arc<Mediator> {
    mediator_at("http://127.0.0.1:4600", asks_ida)
}

fn mediator_at(host: &str, asks_ida: bool) -> Arc<Mediator> {
    mediator_with(host, asks_ida, &[("mosip", "mosip"), ("ida", "ida")])
}

fn mediator_with(host: &str, asks_ida: bool, peers: &[(&str, &str)]) -> Arc<Mediator> {
    let url = |path: &str| format!("{host}{path}").parse::<Uri>().unwrap();
    let events = [("birth", "/birth"), ("death", "/death"), ("birth-correction", "/birth")];
    let settings = Settings {
        events: events.into_iter().map(|(kind, path)| (kind.to_owned(), url(path))).collect(),
        aid: Some(url("/generateAid")),
        token: Some(Token {
            url: url("/token"),
            kind: TokenKind::KeycloakClientCredentials,
            client_id: "opencrvs".to_owned(),
            client_secret: SecretBytes::new(b"secret".to_vec()),
        }),
        ..Settings::default()
    };
    let keys = Keyring::fixed(fake::ring("partner", peers));
    let clock = Clock::fixed(NOW);
    let ida = Arc::new(Requests::new(Some(fake::ida_settings(&[])), keys.clone(), clock.clone()));
    Arc::new(Mediator::new(settings, &Tools { keys, clock, ida, death_link: asks_ida }))
}

async fn run(mediator: &Arc<Mediator>, work: Work, outside: &Script, book: &Book) -> Result<Option<Done>> {
    let steps: Arc<dyn Steps> = Arc::<Mediator>::clone(mediator);
    drive(outside, &steps, work, book).await
}

/// What the mediator finds in the last post: the id, and the event.
fn opened(outside: &Script) -> (String, String) {
    let post: Value = serde_json::from_slice(&outside.last_body()).unwrap();
    let ring = fake::ring("mosip", &[("partner", "partner")]);
    let data = post["data"].as_str().unwrap();
    let sealed = Sealed { data, signature: post["signature"].as_str(), aad: &[], over: None };
    let plaintext = envelope::open(&ring, ring.peer("partner").unwrap(), sealed, Policy::default()).unwrap();
    let text = String::from_utf8(plaintext.into_inner().to_vec()).unwrap();
    (post["id"].as_str().unwrap().to_owned(), text)
}

fn all_answers() -> [Answer; 3] {
    [says(200, r#""10001""#), ida_gives("360001"), says(200, TAKES)]
}

#[tokio::test]
async fn a_death_takes_its_steps_in_order_and_goes_with_what_they_gave() {
    let (outside, book) = (Script::new(all_answers()), Book::default());
    let done = run(&mediator(true), death(), &outside, &book).await.unwrap().unwrap();
    assert_eq!(done.news, Some(News::Accepted(Transport::Protected)));
    let paths = outside.paths();
    assert_eq!((paths[0].as_str(), paths[2].as_str()), ("/generateAid", "/death"));
    assert!(paths[1].starts_with("/idauthentication/v1/auth/"), "{paths:?}");
    assert_eq!(book.news(), [News::AidAssigned(Aid::parse("10001").unwrap(), Transport::Protected)]);
    let (id, text) = opened(&outside);
    assert_eq!(id, "c1");
    assert!(
        text.contains(r#""MOSIP_AID","value":"10001""#) && text.contains(r#""value":"360001""#),
        "{text}"
    );
    let tokens: Vec<_> = outside.sent.lock().unwrap().iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, [Some("upstream.token"), None, Some("upstream.token")]);
}

/// Whichever commit the process dies before: the next start goes on at that step, and nothing stored is fetched again.
#[tokio::test]
async fn a_death_goes_on_at_the_step_at_which_the_process_died() {
    for died_after in 0..2 {
        let mediator = mediator(true);
        let (outside, book) = (Script::new(all_answers()), Book::dies_after(died_after));
        assert!(run(&mediator, death(), &outside, &book).await.is_err());
        assert!(!outside.paths().contains(&"/death".to_owned()), "it is stored before the first byte leaves");
        let progress = book.progress(Progress::default());
        assert!(!progress.sent);

        let outside = Script::new(all_answers().into_iter().skip(died_after));
        let again = Work { progress, ..death() };
        assert!(run(&mediator, again, &outside, &Book::default()).await.unwrap().is_some());
        assert_eq!(outside.paths().len(), 3 - died_after);
        let (id, text) = opened(&outside);
        assert_eq!(id, "c1");
        assert!(text.contains("10001") && text.contains("360001"), "{died_after}: {text}");
    }
}

#[tokio::test]
async fn an_application_id_and_that_its_event_is_sent_are_one_commit() {
    let (outside, book) = (Script::new([says(200, r#""10001""#), says(200, TAKES)]), Book::default());
    run(&mediator(false), birth(), &outside, &book).await.unwrap().unwrap();
    assert_eq!(book.kept.lock().unwrap().len(), 1);
    assert_eq!(book.news(), [News::AidAssigned(Aid::parse("10001").unwrap(), Transport::Protected)]);
    let progress = book.progress(Progress::default());
    assert!(progress.sent);
    assert_eq!(progress.result.unwrap().as_slice(), b"10001");
}

#[tokio::test]
async fn an_application_id_is_kept_where_its_event_cannot_be_sealed() {
    let mediator = mediator_with("http://127.0.0.1:4600", false, &[]);
    let (outside, book) = (Script::new([says(200, r#""10001""#)]), Book::default());
    let error = run(&mediator, birth(), &outside, &book).await.err().unwrap();
    assert_eq!(error.fault(), Fault::Keys);
    assert_eq!(book.news(), [News::AidAssigned(Aid::parse("10001").unwrap(), Transport::Protected)]);
    let progress = book.progress(Progress::default());
    assert!(!progress.sent, "nothing left");
    assert_eq!(progress.result.unwrap().as_slice(), b"10001");
}

#[tokio::test]
async fn what_may_have_arrived_goes_again_as_it_went_sealed_afresh() {
    let mediator = mediator(true);
    let (outside, book) = (Script::new([says(503, "")]), Book::default());
    assert!(run(&mediator, birth(), &outside, &book).await.is_err(), "no application id, no post");
    assert_eq!(book.kept.lock().unwrap().len(), 0);

    let outside = Script::new([says(200, r#""10001""#), is_silent()]);
    assert!(run(&mediator, birth(), &outside, &book).await.is_err());
    let (first, progress) = (outside.last_body(), book.progress(Progress::default()));
    assert!(progress.sent);
    let (outside, book) = (Script::new([says(200, TAKES)]), Book::default());
    run(&mediator, Work { progress, ..birth() }, &outside, &book).await.unwrap();
    assert_eq!(book.kept.lock().unwrap().len(), 0, "that it was sent is stored already");
    assert_ne!(outside.last_body(), first);
    assert!(opened(&outside).1.contains("10001"));
}

#[tokio::test]
async fn no_application_id_is_fetched_for_what_was_sent_without_one() {
    let outside = Script::new([says(200, TAKES)]);
    let progress = Progress { sent: true, ..Progress::default() };
    run(&mediator(true), Work { progress, ..death() }, &outside, &Book::default()).await.unwrap();
    assert_eq!(outside.paths(), ["/death"], "nor is IDA asked");
    assert!(!opened(&outside).1.contains("MOSIP_AID"));
}

#[tokio::test]
async fn an_application_id_that_came_with_the_event_is_kept() {
    let patient = r#""identifier":[{"type":"MOSIP_AID","value":"777"}]"#;
    let body = event("BIRTH_REGISTERED", patient);
    let outside = Script::new([says(200, TAKES)]);
    run(&mediator(true), work("c1", "birth", body.clone()), &outside, &Book::default()).await.unwrap();
    assert_eq!(opened(&outside), ("c1".to_owned(), body), "byte for byte");
}

#[tokio::test]
async fn whatever_becomes_of_the_link_the_death_goes() {
    let answers: [Vec<Answer>; 5] = [
        vec![is_silent()],
        vec![is_away(), is_away()],
        vec![says(500, "<html>")],
        vec![says(200, r#"{"errors":[{"errorCode":"IDA-MPA-003"}]}"#)],
        vec![ida_gives("not a token at all, with spaces")],
    ];
    for (case, ida) in answers.into_iter().enumerate() {
        let before = [says(200, r#""10001""#)].into_iter().chain(ida);
        let (outside, book) = (Script::new(before.chain([says(200, TAKES)])), Book::default());
        run(&mediator(true), death(), &outside, &book).await.unwrap().unwrap();
        assert!(!opened(&outside).1.contains("MOSIP_UINTOKEN"), "{case}");
    }
    // Where IDA cannot be asked at all.
    let keys = Keyring::fixed(fake::ring("partner", &[("mosip", "mosip")]));
    let requests = Arc::new(Requests::new(Some(fake::ida_settings(&[])), keys.clone(), Clock::fixed(NOW)));
    let unlinked = Arc::into_inner(mediator(false)).unwrap();
    let unlinked = Arc::new(Mediator { link: Some(requests), keys, ..unlinked });
    let outside = Script::new([says(200, r#""10001""#), says(200, TAKES)]);
    run(&unlinked, death(), &outside, &Book::default()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_link_waits_for_ida_and_for_nobody_longer_than_ten_seconds() {
    let outside = Script::new(all_answers());
    run(&mediator(true), death(), &outside, &Book::default()).await.unwrap();
    let deadlines: Vec<_> =
        outside.sent.lock().unwrap().iter().map(|(_, request)| request.deadline.as_secs()).collect();
    assert_eq!(deadlines, [90, 10, 90]);
}

#[tokio::test]
async fn what_mosip_says_of_the_person_is_for_those_who_can_put_it_right() {
    for code in ["IDA-MLC-002", "IDA-DEA-001"] {
        let refuses = || says(200, &format!(r#"{{"errors":[{{"errorCode":"{code}"}}]}}"#));
        for answers in [vec![refuses()], vec![says(200, r#""10001""#), refuses()]] {
            let outside = Script::new(answers);
            let error = run(&mediator(false), birth(), &outside, &Book::default()).await.err().unwrap();
            assert_eq!((error.fault(), error.upstream().unwrap().code.as_str()), (Fault::Caller, code));
            let advice = error.advice();
            for who in ["registrar", "OpenCRVS", "MOSIP administrator", "discard this event"] {
                assert!(advice.contains(who), "{code}: {advice}");
            }
        }
    }
}

#[tokio::test]
async fn a_missing_key_is_found_before_anything_is_stored_as_sent() {
    let without = Arc::into_inner(mediator(false)).unwrap();
    let keys = Keyring::fixed(fake::ring("partner", &[]));
    let without = Arc::new(Mediator { keys, ..without });
    let (outside, book) = (Script::new([says(200, r#""10001""#)]), Book::default());
    let error = run(&without, birth(), &outside, &book).await.err().unwrap();
    assert_eq!(error.fault(), Fault::Keys);
    let progress = book.progress(Progress::default());
    assert!(!progress.sent && progress.result.is_some());
}

#[tokio::test]
async fn a_caller_who_waits_gets_an_application_id_of_its_own() {
    let outside = Script::new([says(200, r#""10001""#)]);
    assert_eq!(mediator(false).fetch_aid(&outside).await.unwrap().get().as_str(), "10001");
    let outside = Script::new([says(503, "")]);
    assert_eq!(mediator(false).fetch_aid(&outside).await.err().unwrap().fault(), Fault::Upstream);
}

#[tokio::test]
async fn what_comes_over_plain_http_is_vouched_for_by_nothing() {
    for (host, over, word) in [
        ("http://mosip.example", Transport::Plain, "none"),
        ("https://mosip.example", Transport::Protected, "tls"),
        ("http://127.0.0.1:4600", Transport::Protected, "tls"),
    ] {
        let mediator = mediator_at(host, false);
        let (outside, book) = (Script::new([says(200, r#""10001""#), says(200, TAKES)]), Book::default());
        let done = run(&mediator, birth(), &outside, &book).await.unwrap().unwrap();
        assert_eq!(done.news, Some(News::Accepted(over)), "{host}");
        assert_eq!(book.news(), [News::AidAssigned(Aid::parse("10001").unwrap(), over)], "{host}");
        let outside = Script::new([says(200, r#""10001""#)]);
        assert_eq!(mediator.fetch_aid(&outside).await.unwrap().word(), word, "{host}");
    }
}

#[test]
fn kinds_with_one_url_share_its_channel() {
    let routes = mediator(false).routes();
    let kinds: Vec<_> = routes.iter().map(|route| route.kinds.join(" ")).collect();
    assert_eq!(kinds, ["birth birth-correction", "death"]);
    assert_eq!(mediator(false).url(EventKind::DeathRevocation).unwrap_err().code(), Code::KindNotConfigured);
}

#[test]
fn what_an_older_gateway_left_is_read() {
    // It kept the application id as text, and put the UINTOKEN into the stored event.
    let progress = Progress { result: Some(Zeroizing::new(b"10001".to_vec())), ..Progress::default() };
    assert_eq!(read_aid(&progress).unwrap().unwrap().as_str(), "10001");
    assert!(Notes::read(&progress).unwrap().uin_token.is_none());
}

/// A breaker that says the same whatever it hears, and notes that.
struct Stuck {
    lets_through: bool,
    heard: std::sync::Mutex<Vec<Option<Fault>>>,
}

impl crate::destinations::drive::Breaker for Stuck {
    fn lets_through(&self) -> bool {
        self.lets_through
    }

    fn is_away_for(&self) -> Option<Duration> {
        None
    }

    fn succeeded(&self) {
        self.heard.lock().unwrap().push(None);
    }

    fn failed(&self, error: &Error) {
        self.heard.lock().unwrap().push(Some(error.fault()));
    }
}

#[tokio::test]
async fn the_link_shares_the_breaker_of_the_records() {
    let linked_under = |lets_through| {
        let breaker = Arc::new(Stuck { lets_through, heard: std::sync::Mutex::default() });
        let mediator = mediator(true);
        mediator.link.as_ref().unwrap().share(Arc::<Stuck>::clone(&breaker) as _);
        (mediator, breaker)
    };
    let (mediator, breaker) = linked_under(false);
    let outside = Script::new([says(200, r#""10001""#), says(200, TAKES)]);
    run(&mediator, death(), &outside, &Book::default()).await.unwrap().unwrap();
    assert_eq!(outside.paths(), ["/generateAid", "/death"], "IDA is not asked");
    assert!(breaker.heard.lock().unwrap().is_empty());

    for (ida, heard) in [(ida_gives("360001"), None), (is_silent(), Some(Fault::Upstream))] {
        let (mediator, breaker) = linked_under(true);
        let outside = Script::new([says(200, r#""10001""#), ida, says(200, TAKES)]);
        run(&mediator, death(), &outside, &Book::default()).await.unwrap().unwrap();
        assert_eq!(*breaker.heard.lock().unwrap(), [heard]);
    }
}

#[test]
fn keys_that_events_need_and_do_not_find_are_named() {
    let lacking = |settings: Settings, ring: &crate::keys::Ring| -> Vec<String> {
        let needs = settings.key_needs().into_iter();
        needs.flat_map(|needs| needs.lacking(ring, NOW)).map(|error| error.detail().to_owned()).collect()
    };
    let settings = || Settings {
        events: BTreeMap::from([("birth".to_owned(), "http://127.0.0.1:4600/birth".parse().unwrap())]),
        ..Settings::default()
    };
    let nothing = crate::keys::Ring::default();
    let all = fake::ring("partner", &[("mosip", "mosip")]);
    assert_eq!(lacking(Settings::default(), &nothing), [""; 0]);
    assert_eq!(lacking(settings(), &all), [""; 0]);
    let [key, peer] = &lacking(settings(), &nothing)[..] else { panic!("two keys are lacking") };
    assert!(key.contains("no signing key") && peer.contains("mosip"), "{key}; {peer}");
    let of_another = Settings { sign_with: Some("other".to_owned()), ..settings() };
    let [key] = &lacking(of_another, &all)[..] else { panic!("one key is lacking") };
    assert!(key.contains("`other`"), "{key}");
}

#[tokio::test]
async fn where_no_token_is_set_mosip_is_called_without_one() {
    let settings = Settings {
        events: BTreeMap::from([("birth".to_owned(), "http://127.0.0.1:4600/birth".parse().unwrap())]),
        ..Settings::default()
    };
    let keys = Keyring::fixed(fake::ring("partner", &[("mosip", "mosip")]));
    let mediator = Arc::new(Mediator::new(settings, &fake::tools(keys, Clock::fixed(NOW))));
    let outside = Script::new([says(200, TAKES)]);
    run(&mediator, birth(), &outside, &Book::default()).await.unwrap().unwrap();
    assert_eq!(outside.sent.lock().unwrap().first().unwrap().0, None);
    assert!(mediator.tokens().is_empty());
}
