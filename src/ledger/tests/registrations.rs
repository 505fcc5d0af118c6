//! Registrations that go as packets: the same one once, each under an id of its own, and no second one while one is on its way.

use super::*;
use crate::opencrvs::registration::Registration;
use crate::registration::Subject;

const PACKETS: [&str; 1] = ["packets"];
const PREFIX: &str = "10001";

fn registration(kind: EventKind, tracking: Option<&str>, number: &str, note: &str) -> Registration {
    let name = match kind {
        EventKind::Birth => "birthCertificateNumber",
        EventKind::Death => "deathCertificateNumber",
        _ => "VID",
    };
    let mut body = json!({ "requestFields": { name: number, "note": note } });
    if let Some(tracking) = tracking {
        body["trackingId"] = tracking.into();
    }
    Registration::parse(kind, Bytes::from(body.to_string())).unwrap()
}

fn birth(number: &str, note: &str) -> Registration {
    registration(EventKind::Birth, Some("T1"), number, note)
}

async fn post(ledger: &Ledger, registration: Registration) -> Result<Accepted> {
    ledger.accept_registration(registration, PACKETS.to_vec(), None, PREFIX).await
}

async fn leased(ledger: &Ledger) -> Vec<Leased> {
    lease_all(ledger, &lane_to(Queue::Entries, "packets")).await
}

/// The one packet that is due goes, and MOSIP takes it.
async fn send_one(ledger: &Ledger) -> String {
    let leased = leased(ledger).await;
    let [packet] = leased.as_slice() else { panic!("{} are due", leased.len()) };
    settle(ledger, packet, Ending::Done(Done { is_answered_later: true, ..Done::default() })).await;
    packet.held.id.clone()
}

/// MOSIP says this of it.
async fn says(ledger: &Ledger, outcome: Outcome, id: &str) {
    let message = format!("{id} {}", outcome.as_str());
    let push = ledger.receive(CREDENTIAL, Bytes::from(message.clone()), Sender::Known).await.unwrap();
    let subject = Subject { registration_id: Some(id.to_owned()), ..Subject::default() };
    let data = json!({ "registrationId": id });
    let notice = Notice {
        kind: "test",
        outcome: Some(outcome),
        subject,
        identity: Identity::Once(message),
        data,
        uin_token: None,
        receipt: None,
    };
    let verified = ledger.verified(push, "test", fake::under_the_hub(notice)).await.unwrap();
    assert_eq!(verified, Novelty::New);
}

#[tokio::test]
async fn it_goes_under_an_id_that_is_drawn_once_and_a_repeat_finds_it() {
    let home = Home::new();
    let ledger = home.open();
    let first = post(&ledger, birth("B1", "")).await.unwrap();
    assert!(first.is_new && first.id.len() == 15 && first.id.starts_with(PREFIX), "{}", first.id);
    assert!(first.id.bytes().all(|byte| byte.is_ascii_digit()));
    let ledger = home.open();
    let packet = leased(&ledger).await.remove(0);
    assert_eq!((packet.work.id.as_str(), packet.held.kind.as_str()), (first.id.as_str(), "birth"));
    for repeat in [birth("B1", ""), registration(EventKind::Birth, None, "B1", "")] {
        let repeat = post(&ledger, repeat).await.unwrap();
        assert_eq!(
            (repeat.is_new, &repeat.id),
            (false, &first.id),
            "what stands beside the fields does not count"
        );
    }
    let mut ids = vec![first.id];
    for number in 2..50 {
        ids.push(post(&ledger, birth(&format!("B{number}"), "")).await.unwrap().id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 49);
}

#[tokio::test]
async fn ids_are_counted_up_so_that_most_share_a_page_of_an_index() {
    let home = Home::new();
    let ledger = home.open();
    let mut numbers: Vec<u64> = Vec::new();
    for number in 0..250 {
        let id = post(&ledger, birth(&format!("B{number}"), "")).await.unwrap().id;
        numbers.push(id.strip_prefix(PREFIX).unwrap().parse().unwrap());
    }
    let jumps = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(jumps, 2, "{numbers:?}");
}

#[tokio::test]
async fn no_id_is_drawn_that_is_in_use_by_whatever() {
    let home = Home::new();
    let random = || Surroundings { clock: home.clock.clone(), random: crate::random::Random::seeded(7) };
    let open = |memory: &Memory| {
        let memory = memory.clone();
        let open = move |_: &Outbox, owner: Arc<dyn Owner>| memory.open(&*owner);
        Ledger::open_with(home.settings(), Home::QUARANTINE, random(), open).unwrap()
    };
    let first = post(&open(&home.memory), birth("B1", "")).await.unwrap();
    let again = post(&open(&home.memory), birth("B2", "")).await.unwrap();
    assert_ne!(first.id, again.id, "the same numbers are drawn, and the first is in use");
    let number = |id: &str| -> u64 { id.strip_prefix(PREFIX).unwrap().parse().unwrap() };
    assert!(
        number(&first.id).abs_diff(number(&again.id)) > 100,
        "what follows a number in use may be in use, too: another one is drawn"
    );
}

#[tokio::test]
async fn a_key_finds_its_registration_and_no_event() {
    let home = Home::new();
    let ledger = home.open();
    let post = async |registration: Registration| {
        ledger.accept_registration(registration, PACKETS.to_vec(), key("k"), PREFIX).await
    };
    let first = post(birth("B1", "")).await.unwrap();
    assert_eq!(post(birth("B1", "")).await.unwrap().id, first.id);
    assert_eq!(post(birth("B2", "")).await.unwrap_err().code(), Code::IdempotencyConflict);
    assert!(ledger.accept(super::birth("c1"), MEDIATOR.to_vec(), key("k")).await.unwrap().is_new);
}

#[tokio::test]
async fn other_content_under_a_number_waits_until_mosip_has_answered() {
    for outcome in [Outcome::Issued, Outcome::Rejected] {
        let home = Home::new();
        let ledger = home.open();
        ledger.expect_answers_within(DAY);
        post(&ledger, birth("B1", "")).await.unwrap();
        let refused = async |when: &str| {
            let error = post(&ledger, birth("B1", "other")).await.unwrap_err();
            assert_eq!(
                (error.code(), error.pointer()),
                (Code::Field, Some("/requestFields/birthCertificateNumber")),
                "{when}"
            );
        };
        refused("it waits").await;
        let id = send_one(&ledger).await;
        refused("MOSIP has not answered").await;
        post(&ledger, registration(EventKind::Death, Some("T1"), "B1", "")).await.unwrap();
        says(&ledger, outcome, &id).await;
        let next = post(&ledger, birth("B1", "other")).await.unwrap();
        assert!(next.is_new && next.id != id, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_rejected_one_comes_again_unchanged_and_its_key_says_that_it_is_no_retry() {
    let home = Home::new();
    let ledger = home.open();
    let post = async |word: &str| {
        ledger.accept_registration(birth("B1", ""), PACKETS.to_vec(), key(word), PREFIX).await.unwrap()
    };
    let first = post("k1").await;
    // MOSIP's answer is faster than ours: the packet is still out.
    let packet = leased(&ledger).await.remove(0);
    says(&ledger, Outcome::Rejected, &first.id).await;
    assert_eq!(post("k1").await.id, first.id, "it is the same request");
    let second = post("k2").await;
    assert!(second.is_new && second.id != first.id, "a registrar registers it again");
    assert!(leased(&ledger).await.is_empty(), "it waits behind the first");
    settle(&ledger, &packet, Ending::Done(Done { is_answered_later: true, ..Done::default() })).await;
    assert_eq!(send_one(&ledger).await, second.id);
    assert_eq!(post("k3").await.id, second.id, "that one is on its way");
    says(&ledger, Outcome::Issued, &second.id).await;
    assert_eq!(post("k4").await.id, second.id, "what has a credential is no second person");
}

#[tokio::test(start_paused = true)]
async fn silence_parking_and_a_persons_decision_free_the_number_too() {
    let home = Home::new();
    let ledger = home.open();
    ledger.expect_answers_within(DAY);
    post(&ledger, birth("B1", "1")).await.unwrap();
    send_one(&ledger).await;
    run_for(DAY + Duration::from_secs(1)).await;
    ledger.report_silent().await.unwrap();
    let second = post(&ledger, birth("B1", "2")).await.unwrap();
    ledger.discard(second.id, "by mistake".to_owned()).await.unwrap();
    post(&ledger, birth("B1", "3")).await.unwrap();
    let third = leased(&ledger).await.remove(0);
    settle(&ledger, &third, Ending::Park(away())).await;
    assert!(post(&ledger, birth("B1", "4")).await.unwrap().is_new);
    assert!(post(&ledger, birth("B1", "5")).await.is_err(), "the fourth is on its way");
}

#[tokio::test(start_paused = true)]
async fn what_is_advised_about_a_number_that_is_not_free_can_be_done() {
    let home = Home::new();
    let ledger = home.open();
    ledger.expect_answers_within(DAY);
    let advice = async |note: &str| post(&ledger, birth("B1", note)).await.unwrap_err().advice().to_owned();
    let first = post(&ledger, birth("B1", "1")).await.unwrap();
    assert!(advice("2").await.contains("discard it"));
    ledger.discard(first.id, "by mistake".to_owned()).await.unwrap();
    post(&ledger, birth("B1", "2")).await.unwrap();
    let id = send_one(&ledger).await;
    says(&ledger, Outcome::Processed, &id).await;
    let taken = advice("3").await;
    assert!(taken.contains("cannot be discarded") && taken.contains("/v1/unanswered"), "{taken}");
    ledger.discard(id.clone(), "by mistake".to_owned()).await.unwrap_err();
    run_for(DAY + Duration::from_secs(1)).await;
    ledger.report_silent().await.unwrap();
    assert_eq!(advice("3").await, taken);
    ledger.settle_unanswered(id, "asked MOSIP".to_owned()).await.unwrap();
    assert!(post(&ledger, birth("B1", "3")).await.unwrap().is_new);
}

#[tokio::test]
async fn a_number_is_said_to_be_free_after_a_while_where_no_answer_is_expected() {
    let home = Home::new();
    let ledger = home.open();
    post(&ledger, birth("B1", "1")).await.unwrap();
    let id = send_one(&ledger).await;
    let refused = post(&ledger, birth("B1", "2")).await.unwrap_err();
    assert!(refused.advice().contains("websub.topics.credential"), "{}", refused.advice());
    says(&ledger, Outcome::Rejected, &id).await;
    assert!(post(&ledger, birth("B1", "2")).await.unwrap().is_new);
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_mosip_paused_stays_on_its_way_until_it_is_rejected() {
    let home = Home::new();
    let ledger = home.open();
    ledger.expect_answers_within(DAY);
    post(&ledger, birth("B1", "1")).await.unwrap();
    let id = send_one(&ledger).await;
    says(&ledger, Outcome::Paused, &id).await;
    run_for(DAY + Duration::from_secs(1)).await;
    ledger.report_silent().await.unwrap();
    assert!(post(&ledger, birth("B1", "2")).await.is_err(), "its credential may yet come");
    says(&ledger, Outcome::Rejected, &id).await;
    assert!(post(&ledger, birth("B1", "2")).await.unwrap().is_new);
}

#[tokio::test]
async fn corrections_of_one_person_go_in_order_and_wait_for_no_answer() {
    let home = Home::new();
    let ledger = home.open();
    ledger.expect_answers_within(DAY);
    let correction = |note| registration(EventKind::BirthCorrection, None, "8031687218", note);
    let first = post(&ledger, correction("1")).await.unwrap();
    let second = post(&ledger, correction("2")).await.unwrap();
    assert_ne!(first.id, second.id);
    let due = leased(&ledger).await;
    assert_eq!(due.iter().map(|packet| packet.held.id.as_str()).collect::<Vec<_>>(), [first.id.as_str()]);
    settle(&ledger, &due[0], Ending::Done(Done { is_answered_later: true, ..Done::default() })).await;
    assert_eq!(send_one(&ledger).await, second.id);
}

#[tokio::test]
async fn a_push_finds_it_by_its_id_and_the_mediator_reads_its_names() {
    let home = Home::new();
    let ledger = home.open();
    let id = post(&ledger, birth("B1", "")).await.unwrap().id;
    send_one(&ledger).await;
    says(&ledger, Outcome::Rejected, &id).await;
    let (_, subject) = deliveries(&ledger).await.pop().unwrap();
    assert_eq!(subject, json!({ "trackingId": "T1", "brn": "B1", "registrationId": id }));
    for name in ["B1", "T1", id.as_str()] {
        let found = ledger.find(name.to_owned()).await.unwrap();
        assert_eq!(found.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&id], "{name}");
    }
    assert_eq!(ledger.answer(id).await.unwrap().unwrap().outcome, "rejected");
}

#[tokio::test]
async fn neither_its_number_nor_its_tracking_id_stands_in_the_open() {
    let home = Home::new();
    let ledger = home.in_file();
    let number = "8031687218-IN-THE-OPEN";
    post(&ledger, registration(EventKind::BirthCorrection, None, number, FAMILY_NAME)).await.unwrap();
    post(&ledger, registration(EventKind::Birth, Some("T-IN-THE-OPEN"), "B-IN-THE-OPEN", "")).await.unwrap();
    drop(ledger);
    for file in std::fs::read_dir(home.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for text in ["IN-THE-OPEN", FAMILY_NAME] {
            assert!(memchr::memmem::find(&bytes, text.as_bytes()).is_none());
        }
    }
}

#[tokio::test]
async fn of_several_all_are_stored_in_their_order_or_none_is() {
    let home = Home::new();
    let ledger = home.open();
    ledger.expect_answers_within(DAY);
    let both = || {
        let death = registration(EventKind::Death, Some("T1"), "D1", "");
        vec![(birth("B1", ""), PACKETS.to_vec()), (death, PACKETS.to_vec())]
    };
    for _ in 0..2 {
        ledger.accept_registrations(both(), None, PREFIX).await.unwrap();
    }
    send_one(&ledger).await;
    let left = leased(&ledger).await;
    let kinds: Vec<_> = left.iter().map(|packet| packet.held.kind.as_str()).collect();
    assert_eq!(kinds, ["death"], "it waits for the birth, and a repeat is no other");

    let death = registration(EventKind::Death, Some("T2"), "D2", "");
    let first_is_good = vec![(death, PACKETS.to_vec()), (birth("B1", "other"), PACKETS.to_vec())];
    let refused = ledger.accept_registrations(first_is_good, None, PREFIX).await.unwrap_err();
    assert_eq!(refused.pointer(), Some("/requestFields/birthCertificateNumber"));
    assert_eq!(ledger.entries(Filter::default()).await.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn a_registration_whose_entry_at_a_system_was_discarded_goes_there_again_beside_the_packet_that_stands()
{
    const BOTH: [&str; 2] = ["packets", "nia"];
    let home = Home::new();
    let ledger = home.open();
    let post = async |note| ledger.accept_registration(birth("B1", note), BOTH.to_vec(), None, PREFIX).await;
    let first = post("").await.unwrap();
    let at_nia = format!("{}@nia", first.id);
    assert_eq!(first.others, [(at_nia.clone(), State::Queued)]);
    ledger.discard(at_nia.clone(), "by mistake".to_owned()).await.unwrap();
    let again = post("").await.unwrap();
    assert!(again.is_new && again.id == first.id, "MOSIP sees it once");
    let [(id, State::Queued)] = again.others.as_slice() else { panic!("{:?}", again.others) };
    assert!(id.starts_with(&format!("{at_nia}-")), "a system drops what comes under an id again: {id}");
    assert_eq!(post("").await.unwrap().others, again.others);
    assert_eq!(post("other").await.unwrap_err().code(), Code::Field, "another one waits all the same");
    let sent = lease_all(&ledger, &lane_to(Queue::Entries, "nia")).await;
    assert_eq!(sent.iter().map(|sent| &sent.held.id).collect::<Vec<_>>(), [id]);
    let found = ledger.find("B1".to_owned()).await.unwrap();
    assert_eq!(found.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&first.id], "under its number");
}
