//! The record tokens of OpenCRVS 1.9: which are kept, for how long, and what becomes of them.

use super::*;
use crate::clock::to_millis;
use crate::opencrvs::record_token::{KeptToken, RecordToken};
use crate::opencrvs::registration::Registration;
use crate::registration::Subject;

/// How long a token of OpenCRVS lives.
const LIFE: Duration = Duration::from_hours(7 * 24);
const HOUR: Duration = Duration::from_hours(1);

fn keeping(home: &Home, keeps_tokens: bool) -> Ledger {
    by_tokens(home.open(), keeps_tokens)
}

fn by_tokens(ledger: Ledger, keeps_tokens: bool) -> Ledger {
    ledger.confirm_in_opencrvs(Confirmations {
        destination: "opencrvs",
        kind: "confirm",
        national_id_key: "VID".to_owned(),
        rejects_rejected: true,
        rejects_silent: false,
        keeps_tokens,
        settles: false,
    });
    ledger
}

/// `text`, for the action `a-<text>` of the record `event`; it ends after `life` by the machine's clock.
fn token_of(home: &Home, text: &str, event: &str, life: Duration) -> Option<RecordToken> {
    let ends = Timestamp::from_millis(home.clock.now().millis() + to_millis(life));
    RecordToken::new(text, Some(event), Some(&format!("a-{text}")), Some(ends))
}

fn registration(kind: EventKind, event: &str) -> Registration {
    let name = match kind {
        EventKind::Birth => "birthCertificateNumber",
        EventKind::Death => "deathCertificateNumber",
        _ => "VID",
    };
    let body = json!({ "eventId": event, "requestFields": { name: "B1" } });
    Registration::parse(kind, Bytes::from(body.to_string())).unwrap()
}

async fn post(ledger: &Ledger, kind: EventKind, token: Option<RecordToken>) -> Result<()> {
    let action = token.as_ref().map(|token| token.action_id().to_owned());
    let registration = registration(kind, "e1").of_record(Some("e1"), action.as_deref());
    ledger.accept_registrations(vec![(registration, vec!["packets"])], token, "10001").await
}

/// A birth of the record `e1` comes with `token`, and MOSIP has its packet; its id.
async fn birth_with(ledger: &Ledger, token: Option<RecordToken>) -> String {
    post(ledger, EventKind::Birth, token).await.unwrap();
    let packet = lease_all(ledger, &lane_to(Queue::Entries, "packets")).await.remove(0);
    settle(ledger, &packet, Ending::Done(Done::default())).await;
    packet.held.id
}

/// MOSIP says this of the registration `id`.
async fn says(ledger: &Ledger, outcome: Outcome, id: &str) {
    let message = format!("{id} {}", outcome.as_str());
    let push = ledger.receive(CREDENTIAL, Bytes::from(message.clone()), Sender::Known).await.unwrap();
    let notice = Notice {
        kind: "test",
        outcome: Some(outcome),
        subject: Subject { registration_id: Some(id.to_owned()), ..Subject::default() },
        identity: Identity::Once(message),
        data: json!({ "registrationId": id, "vid": "4961027835190246" }),
        uin_token: None,
        receipt: None,
    };
    ledger.verified(push, "test", fake::under_the_hub(notice)).await.unwrap();
}

/// The confirmation that is due.
async fn confirmation(ledger: &Ledger) -> Leased {
    lease_all(ledger, &lane_to(Queue::Entries, "opencrvs")).await.remove(0)
}

/// What is kept for the registration `id`, as a confirmation of it would get it.
async fn kept(ledger: &Ledger, id: &str) -> String {
    let id = format!("{id}@opencrvs");
    let kept = ledger.run(move |book| book.record_token(&id)).await.unwrap();
    said(&kept)
}

fn said(kept: &KeptToken) -> String {
    match kept {
        KeptToken::None => "none".to_owned(),
        KeptToken::Rejected => "rejected".to_owned(),
        KeptToken::Ended => "ended".to_owned(),
        KeptToken::Token(token) => token.bearer().unwrap().to_str().unwrap().replace("Bearer ", ""),
    }
}

/// Whether the column holds anything for the registration `id`.
async fn is_sealed(ledger: &Ledger, id: &str) -> bool {
    let id = id.to_owned();
    let row = ledger.run(move |book| book.tx().token(&id)).await.unwrap();
    row.is_some_and(|row| row.token.is_some())
}

#[tokio::test]
async fn a_token_is_kept_with_its_registration_in_one_commit_and_goes_to_the_confirmation() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    let before = home.memory.changes();
    post(&ledger, EventKind::Birth, token_of(&home, "t1", "e1", LIFE)).await.unwrap();
    assert_eq!(home.memory.changes(), before + 1, "a crash leaves both or none");
    drop(ledger);
    let ledger = keeping(&home, true);
    let packet = lease_all(&ledger, &lane_to(Queue::Entries, "packets")).await.remove(0);
    assert_eq!(said(&packet.work.record_token), "none", "MOSIP's side never gets it");
    settle(&ledger, &packet, Ending::Done(Done::default())).await;
    says(&ledger, Outcome::Issued, &packet.held.id).await;
    let KeptToken::Token(token) = confirmation(&ledger).await.work.record_token else { panic!("no token") };
    assert_eq!((token.bearer().unwrap().to_str().unwrap(), token.action_id()), ("Bearer t1", "a-t1"));
}

#[tokio::test]
async fn a_confirmation_that_was_taken_leaves_no_token_and_one_that_waits_or_parks_does() {
    for (ending, is_left) in [
        (Ending::Done(Done::default()), false),
        (Ending::Park(away()), true),
        (Ending::Again { next_at: 0, error: Some(away()) }, true),
    ] {
        for outcome in [Outcome::Issued, Outcome::Rejected] {
            let home = Home::new();
            let ledger = keeping(&home, true);
            let id = birth_with(&ledger, token_of(&home, "t1", "e1", LIFE)).await;
            says(&ledger, outcome, &id).await;
            let confirmation = confirmation(&ledger).await;
            settle(&ledger, &confirmation, ending.clone()).await;
            assert_eq!(is_sealed(&ledger, &id).await, is_left);
            let without = if outcome == Outcome::Rejected { "rejected" } else { "none" };
            assert_eq!(kept(&ledger, &id).await, if is_left { "t1" } else { without });
        }
    }
}

#[tokio::test]
async fn a_discarded_registration_or_confirmation_leaves_no_token() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    post(&ledger, EventKind::Birth, token_of(&home, "t1", "e1", LIFE)).await.unwrap();
    let id = ledger.entries(Filter::default()).await.unwrap().entries.remove(0).id;
    assert!(is_sealed(&ledger, &id).await);
    ledger.discard(id.clone(), "typed by mistake".to_owned()).await.unwrap();
    assert!(!is_sealed(&ledger, &id).await);

    let id = birth_with(&ledger, token_of(&home, "t2", "e1", LIFE)).await;
    says(&ledger, Outcome::Issued, &id).await;
    assert!(is_sealed(&ledger, &id).await);
    ledger.discard(format!("{id}@opencrvs"), "decided by hand".to_owned()).await.unwrap();
    assert!(!is_sealed(&ledger, &id).await);
}

#[tokio::test]
async fn a_newer_token_of_a_repeat_replaces_and_an_older_one_or_one_of_another_record_does_not() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    let repeat = async |text: &str, event: &str, life| {
        post(&ledger, EventKind::Birth, token_of(&home, text, event, life)).await
    };
    let id = birth_with(&ledger, token_of(&home, "t1", "e1", LIFE)).await;
    repeat("t2", "e1", LIFE + HOUR).await.unwrap();
    assert_eq!(kept(&ledger, &id).await, "t2");
    for older in ["t1", "t3"] {
        repeat(older, "e1", LIFE).await.unwrap();
        assert_eq!(kept(&ledger, &id).await, "t2", "{older}");
    }
    // The first body named the record; one of 1.9 does not, and what is known of the registration decides.
    let body = json!({ "requestFields": { "birthCertificateNumber": "B1" } });
    let unnamed = Registration::parse(EventKind::Birth, Bytes::from(body.to_string())).unwrap();
    let other = token_of(&home, "t4", "e2", 2 * LIFE);
    let unnamed = vec![(unnamed.of_record(Some("e2"), None), vec!["packets"])];
    ledger.accept_registrations(unnamed, other, "10001").await.unwrap();
    assert_eq!(kept(&ledger, &id).await, "t2");
    assert_eq!(ledger.entries(Filter::default()).await.unwrap().entries.len(), 1, "it was a repeat");

    says(&ledger, Outcome::Issued, &id).await;
    repeat("t5", "e1", LIFE + 2 * HOUR).await.unwrap();
    let waiting = confirmation(&ledger).await;
    assert_eq!(said(&waiting.work.record_token), "t5", "its confirmation waits");
    settle(&ledger, &waiting, Ending::Done(Done::default())).await;
    repeat("t6", "e1", LIFE + 3 * HOUR).await.unwrap();
    assert!(!is_sealed(&ledger, &id).await, "nothing is to be confirmed any more");
}

#[tokio::test]
async fn the_token_of_another_record_than_the_body_names_is_refused_and_stores_nothing() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    let refused = post(&ledger, EventKind::Birth, token_of(&home, "t1", "e2", LIFE)).await.unwrap_err();
    assert_eq!((refused.code(), refused.pointer()), (Code::Field, Some("/eventId")));
    assert!(!format!("{refused:?}").contains("t1"));
    assert!(ledger.entries(Filter::default()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn no_token_is_kept_where_a_client_confirms_or_of_a_correction() {
    let home = Home::new();
    let ledger = keeping(&home, false);
    let id = birth_with(&ledger, token_of(&home, "t1", "e1", LIFE)).await;
    assert_eq!(kept(&ledger, &id).await, "none");
    // Nor is it looked at.
    post(&ledger, EventKind::Death, token_of(&home, "t1", "e2", LIFE)).await.unwrap();

    let home = Home::new();
    let ledger = keeping(&home, true);
    post(&ledger, EventKind::BirthCorrection, token_of(&home, "t1", "e1", LIFE)).await.unwrap();
    let id = ledger.entries(Filter::default()).await.unwrap().entries.remove(0).id;
    assert_eq!(kept(&ledger, &id).await, "none");
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_by_the_outboxs_clock_is_told_two_days_before_and_is_erased() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    let id = birth_with(&ledger, token_of(&home, "t1", "e1", LIFE)).await;
    let ending = async || ledger.record_tokens_ending().await.unwrap();
    run_for(LIFE - 48 * HOUR - HOUR).await;
    assert_eq!(ending().await, 0);
    // Somebody sets the machine's clock back, and forward.
    let now = home.clock.now();
    home.clock.set(Timestamp::from_millis(now.millis() - to_millis(30 * DAY)));
    run_for(HOUR).await;
    assert_eq!(ending().await, 1);
    home.clock.set(Timestamp::from_millis(now.millis() + to_millis(30 * DAY)));
    ledger.housekeep().await.unwrap();
    assert_eq!(kept(&ledger, &id).await, "t1");
    run_for(48 * HOUR - HOUR).await;
    assert_eq!(kept(&ledger, &id).await, "t1");
    run_for(HOUR).await;
    assert_eq!(kept(&ledger, &id).await, "ended");
    assert!(is_sealed(&ledger, &id).await, "housekeeping comes once a minute");
    ledger.housekeep().await.unwrap();
    assert!(!is_sealed(&ledger, &id).await);
    assert_eq!((ending().await, kept(&ledger, &id).await.as_str()), (0, "ended"));

    home.clock.set(now);
    post(&ledger, EventKind::Birth, token_of(&home, "t2", "e1", LIFE)).await.unwrap();
    assert_eq!(kept(&ledger, &id).await, "t2", "a repeat brings a new one");
}

#[tokio::test(start_paused = true)]
async fn the_notice_ends_with_the_confirmation() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    let id = birth_with(&ledger, token_of(&home, "t1", "e1", 47 * HOUR)).await;
    assert_eq!(ledger.record_tokens_ending().await.unwrap(), 1);
    says(&ledger, Outcome::Issued, &id).await;
    let confirmation = confirmation(&ledger).await;
    settle(&ledger, &confirmation, Ending::Done(Done::default())).await;
    assert_eq!(ledger.record_tokens_ending().await.unwrap(), 0);
}

#[tokio::test]
async fn tokens_of_a_former_configuration_are_erased_once_the_client_confirms() {
    let home = Home::new();
    let id = birth_with(&keeping(&home, true), token_of(&home, "t1", "e1", LIFE)).await;
    let ledger = keeping(&home, true);
    ledger.housekeep().await.unwrap();
    assert!(is_sealed(&ledger, &id).await);
    drop(ledger);
    let ledger = keeping(&home, false);
    ledger.housekeep().await.unwrap();
    assert!(!is_sealed(&ledger, &id).await);
}

#[tokio::test]
async fn a_token_that_has_ended_when_it_comes_is_not_kept() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    // A caller's clock may differ from ours by a minute.
    let ends = Timestamp::from_millis(home.clock.now().millis() - 30_000);
    let id = birth_with(&ledger, RecordToken::new("t1", Some("e1"), Some("a1"), Some(ends))).await;
    assert_eq!(kept(&ledger, &id).await, "ended");
    assert!(!is_sealed(&ledger, &id).await);
}

#[tokio::test]
async fn a_token_stands_in_no_file_in_the_open_and_is_sealed_again_by_a_rekey() {
    const SECRET: &str = "token-in-the-open-4711";
    let home = Home::new();
    let ledger = by_tokens(home.in_file(), true);
    let id = birth_with(&ledger, token_of(&home, SECRET, "e1", LIFE)).await;
    for file in std::fs::read_dir(home.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    }
    let new = other_key();
    home.write_keys(&[&new, &home.key()]);
    ledger.rekey().await.unwrap();
    home.write_keys(&[&new]);
    drop(ledger);
    let ledger = by_tokens(home.in_file(), true);
    assert_eq!(kept(&ledger, &id).await, SECRET);
}

#[tokio::test]
async fn a_token_that_does_not_open_lets_its_confirmation_wait_and_a_new_one_takes_its_place() {
    let home = Home::new();
    let ledger = keeping(&home, true);
    let id = birth_with(&ledger, token_of(&home, "t1", "e1", LIFE)).await;
    says(&ledger, Outcome::Issued, &id).await;
    let name: &'static str = id.clone().leak();
    damage(&ledger, "correlation", "token", name).await;
    assert!(lease_all(&ledger, &lane_to(Queue::Entries, "opencrvs")).await.is_empty());
    let entry = ledger.entry(format!("{id}@opencrvs")).await.unwrap();
    assert_eq!((entry.state, entry.refusal.unwrap().code.as_str()), (State::Queued, "storage"));
    post(&ledger, EventKind::Birth, token_of(&home, "t2", "e1", LIFE)).await.unwrap();
    ledger.retry(format!("{id}@opencrvs")).await.unwrap();
    assert_eq!(said(&confirmation(&ledger).await.work.record_token), "t2");
}

#[tokio::test]
async fn a_token_of_mosip_api_is_taken_over_with_its_registration() {
    for (keeps_tokens, expected) in [(true, true), (false, false)] {
        let home = Home::new();
        let ledger = keeping(&home, keeps_tokens);
        let ends = home.clock.now().seconds() + 3600;
        let claims = json!({ "eventId": "e1", "actionId": "a1", "exp": ends }).to_string();
        let token = format!("e30.{}.c2ln", crate::crypto::base64::encode_url(claims.as_bytes()));
        let row = json!({ "row": 1, "id": "100010123456789", "registrationNumber": "B1", "token": token });
        let imported = ledger.import(vec![serde_json::from_value(row).unwrap()]).await.unwrap();
        assert_eq!((imported.taken, imported.without_token, imported.unusable.len()), (1, 0, 0));
        says(&ledger, Outcome::Issued, "100010123456789").await;
        let held = said(&confirmation(&ledger).await.work.record_token);
        assert_eq!(held == token, expected, "{held}");
    }
}

#[tokio::test]
async fn a_rejected_birth_that_is_registered_again_unchanged_is_not_swallowed() {
    for is_settled in [true, false] {
        let home = Home::new();
        let ledger = keeping(&home, true);
        let first = birth_with(&ledger, token_of(&home, "t1", "e1", LIFE)).await;
        says(&ledger, Outcome::Rejected, &first).await;
        let rejection = confirmation(&ledger).await;
        if is_settled {
            settle(&ledger, &rejection, Ending::Done(Done::default())).await;
        }
        post(&ledger, EventKind::Birth, token_of(&home, "t1", "e1", LIFE)).await.unwrap();
        let packets = lane_to(Queue::Entries, "packets");
        assert!(
            lease_all(&ledger, &packets).await.is_empty(),
            "the same request once more is no second packet"
        );

        let second = birth_with(&ledger, token_of(&home, "t2", "e1", LIFE + HOUR)).await;
        assert_ne!(second, first, "it goes under an id of its own");
        assert_eq!(kept(&ledger, &second).await, "t2");
        if !is_settled {
            settle(&ledger, &rejection, Ending::Done(Done::default())).await;
        }
        says(&ledger, Outcome::Issued, &second).await;
        let accepted = confirmation(&ledger).await;
        let KeptToken::Token(token) = accepted.work.record_token else { panic!("no token") };
        assert_eq!((accepted.held.id, token.action_id()), (format!("{second}@opencrvs"), "a-t2"));
        post(&ledger, EventKind::Birth, token_of(&home, "t2", "e1", LIFE + HOUR)).await.unwrap();
        assert!(lease_all(&ledger, &packets).await.is_empty());
    }
}

#[tokio::test]
async fn rows_of_mosip_api_that_no_token_confirms_are_counted_where_tokens_confirm() {
    for (keeps_tokens, expected) in [(true, 4), (false, 0)] {
        let home = Home::new();
        let ledger = keeping(&home, keeps_tokens);
        let now = home.clock.now().seconds();
        let claims = [
            json!({ "eventId": "e1", "actionId": "a1", "exp": now + 3600 }),
            json!({ "eventId": "e2", "actionId": "a1", "exp": now }),
            json!({ "eventId": "e3", "actionId": "a1" }),
            json!({ "eventId": "e4", "exp": now + 3600 }),
        ];
        let tokens = claims.map(|claims| {
            let claims = crate::crypto::base64::encode_url(claims.to_string().as_bytes());
            json!({ "token": format!("e30.{claims}.c2ln") })
        });
        let rows =
            tokens.into_iter().chain([json!({ "eventId": "e5" })]).zip(1..).map(|(mut row, number)| {
                row["row"] = json!(number);
                row["id"] = json!(format!("10001012345678{number}"));
                row["registrationNumber"] = json!(format!("B{number}"));
                serde_json::from_value(row).unwrap()
            });
        let imported = ledger.import(rows.collect()).await.unwrap();
        assert_eq!((imported.taken, imported.without_token), (5, expected));
    }
}
