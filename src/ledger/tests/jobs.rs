//! Jobs: their records, one by one.

use zeroize::Zeroizing;

use super::*;
use crate::ledger::job::{NewRecord, Records as _, Unfinished};
use crate::ledger::jobs::DESTINATION;
use crate::mosip::authtoken::Form;
use crate::mosip::ida::{Outcome, Reason};

const NUMBER: &str = "4152630978";

fn ask(number: usize) -> NewRecord {
    let kept = json!({
        "individualId": NUMBER, "individualIdType": "UIN", "consent": true,
        "demographics": { "dob": "1990/03/14" }, "transactionId": format!("{number:010}"),
    });
    NewRecord::Ask(Zeroizing::new(kept.to_string().into_bytes()))
}

fn given(token: Option<&str>) -> Ending {
    let outcome = Outcome {
        individual_id: NUMBER.to_owned(),
        token: token.map(str::to_owned),
        verified: None,
        errors: Vec::new(),
    };
    let result = Some(Zeroizing::new(serde_json::to_vec(&outcome).unwrap()));
    Ending::Done(Done { result, ..Done::default() })
}

async fn job(ledger: &Ledger, records: usize) -> String {
    ledger.create_job(Form::Json, (0..records).map(ask).collect::<Vec<_>>(), None).await.unwrap()
}

async fn lease_records(ledger: &Ledger) -> Vec<Leased> {
    lease_all(ledger, &lane_to(Queue::Records, DESTINATION)).await
}

async fn progress(ledger: &Ledger, job: &str) -> Value {
    serde_json::to_value(ledger.job(job.to_owned()).await.unwrap().progress).unwrap()
}

#[tokio::test]
async fn a_job_ends_with_its_last_record_and_shows_each_with_what_became_of_it() {
    let home = Home::new();
    let ledger = home.open();
    let mut records: Vec<_> = (0..3).map(ask).collect();
    let wrong =
        Outcome::without_token("1".to_owned(), vec![Reason::from(&Error::field("/0/individualId", "no"))]);
    records.insert(0, NewRecord::Invalid(wrong));
    let id = ledger.create_job(Form::Csv, records, None).await.unwrap();
    let leased = lease_records(&ledger).await;
    assert_eq!(leased.len(), 3, "what is wrong in itself is asked of nobody");
    settle(&ledger, &leased[0], given(Some("token"))).await;
    settle(&ledger, &leased[1], given(None)).await;
    assert!(!ledger.job(id.clone()).await.unwrap().progress.is_finished());
    settle(&ledger, &leased[2], Ending::Park(Error::new(Code::Bug, "it cannot be asked about"))).await;
    assert!(!ledger.settle(&leased[0].held, &given(None)).await.unwrap(), "a verdict counts once");

    let (job, settled) = ledger.job_page(id.clone(), 0, 9).await.unwrap();
    assert!(job.progress.is_finished() && job.form == Form::Csv);
    let counts = progress(&ledger, &id).await;
    assert_eq!(
        counts,
        json!({ "records": 4, "queued": 0, "leased": 0, "done": 1, "refused": 2, "invalid": 1 })
    );
    let shown = serde_json::to_value(&settled).unwrap();
    assert_eq!(
        (&shown[0]["state"], &shown[0]["errors"][0]["pointer"]),
        (&json!("invalid"), &json!("/0/individualId"))
    );
    assert_eq!((&shown[1]["token"], &shown[2]["token"]), (&json!("token"), &Value::Null));
    assert_eq!(shown[3]["individualId"], NUMBER, "the list says of whom nothing is known");
    assert_eq!(shown[3]["errors"][0]["code"], "bug");
    assert_eq!(ledger.job_page(id, 3, 9).await.unwrap().1.len(), 1);
    assert_eq!(ledger.job("none".into()).await.err().unwrap().code(), Code::NotFound);
}

#[tokio::test]
async fn a_killed_process_leaves_what_is_settled_and_asks_again_about_the_rest() {
    let home = Home::new();
    let ledger = home.open();
    let id = job(&ledger, 3).await;
    let two = ledger.leased(&lane_to(Queue::Records, DESTINATION), LEASE, 2).await.unwrap();
    settle(&ledger, &two[0], given(Some("token"))).await;
    drop(ledger);
    let ledger = home.open();
    let asked: Vec<_> = lease_records(&ledger).await.into_iter().map(|leased| leased.held.id).collect();
    assert_eq!(asked, [format!("{id}/2"), format!("{id}/1")], "what was cut off goes last");
    let (job, settled) = ledger.job_page(id, 0, 9).await.unwrap();
    assert_eq!((job.progress.done, job.progress.leased), (1, 2));
    assert_eq!(
        (settled.len(), settled[0].record, settled[0].outcome.token.as_deref()),
        (1, 0, Some("token"))
    );
}

#[tokio::test]
async fn a_job_of_nothing_but_wrong_records_is_settled_from_the_first() {
    let home = Home::new();
    let ledger = home.open();
    let wrong = || NewRecord::Invalid(Outcome::without_token("1".to_owned(), Vec::new()));
    let id = ledger.create_job(Form::Json, vec![wrong(), wrong()], None).await.unwrap();
    assert!(ledger.job(id).await.unwrap().progress.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_job_is_forgotten_after_retention_and_never_while_a_record_is_open() {
    let home = Home::new();
    let ledger = home.open();
    let [open, settled] = [job(&ledger, 1).await, job(&ledger, 1).await];
    let leased = lease_records(&ledger).await;
    settle(&ledger, &leased[1], given(Some("token"))).await;
    run_for(31 * DAY).await;
    ledger.housekeep().await.unwrap();
    assert!(ledger.job(open.clone()).await.is_ok());
    assert_eq!(ledger.job(settled).await.err().unwrap().code(), Code::NotFound);
    let column = sealed_column("job_record", "payload");
    let left = ledger.run(move |book| book.tx().sealed_values(column, Seq::MIN, 9)).await.unwrap();
    assert_eq!(left.into_iter().map(|value| value.name).collect::<Vec<_>>(), [format!("{open}/0")]);
}

#[tokio::test]
async fn a_record_that_does_not_open_waits_is_counted_and_holds_no_other_up() {
    let home = Home::new();
    let ledger = home.open();
    let id = job(&ledger, 2).await;
    let first: &'static str = format!("{id}/0").leak();
    damage(&ledger, "job_record", "payload", first).await;
    let asked = lease_records(&ledger).await;
    assert_eq!(asked.iter().map(|leased| leased.held.id.clone()).collect::<Vec<_>>(), [format!("{id}/1")]);
    let counts = progress(&ledger, &id).await;
    assert_eq!(
        (&counts["queued"], &counts["unreadable"], &counts["refused"]),
        (&json!(1), &json!(1), &json!(0))
    );
    settle(&ledger, &asked[0], given(Some("token"))).await;
    let next = ledger.next_due(&lane_to(Queue::Records, DESTINATION)).await.unwrap().unwrap();
    assert!(next > ledger.uptime() + 60_000);
    assert_eq!(damage(&ledger, "job_record", "payload", first).await, [0; 100], "it is not emptied");
}

#[tokio::test]
async fn a_result_that_does_not_open_is_shown_with_its_fault_beside_the_others() {
    let home = Home::new();
    let ledger = home.open();
    let id = job(&ledger, 2).await;
    for record in lease_records(&ledger).await {
        settle(&ledger, &record, given(Some("token"))).await;
    }
    damage(&ledger, "job_record", "result", format!("{id}/0").leak()).await;
    let settled = ledger.job_page(id, 0, 9).await.unwrap().1;
    assert_eq!(settled[0].outcome.errors[0].code, "storage");
    assert_eq!(settled[1].outcome.token.as_deref(), Some("token"));
    assert_eq!(ledger.unreadable(), BTreeMap::from([("job_result", 1)]));
}

#[tokio::test]
async fn rekeying_reaches_records_and_results() {
    let home = Home::new();
    let ledger = home.open();
    let id = job(&ledger, 2).await;
    let leased = ledger.leased(&lane_to(Queue::Records, DESTINATION), LEASE, 1).await.unwrap().remove(0);
    settle(&ledger, &leased, given(Some("token"))).await;
    let new = other_key();
    home.write_keys(&[&new, &home.key()]);
    assert_eq!(ledger.rekey().await.unwrap().resealed, 3, "the identity key, a record, a result");
    drop(ledger);
    home.write_keys(&[&new]);
    let ledger = home.open();
    assert_eq!(lease_records(&ledger).await.len(), 1);
    assert_eq!(ledger.job_page(id, 0, 9).await.unwrap().1[0].outcome.token.as_deref(), Some("token"));
}

#[tokio::test]
async fn a_record_without_a_token_keeps_the_reason_without_the_person() {
    let home = Home::new();
    let ledger = home.open();
    job(&ledger, 3).await;
    let leased = lease_records(&ledger).await;
    for record in &leased[..2] {
        let reason = Reason {
            code: "IDA-DEA-001".to_owned(),
            message: "Demographic data gender of Leila did not match".to_owned(),
            pointer: None,
        };
        let outcome = Outcome::without_token(NUMBER.to_owned(), vec![reason]);
        let result = Some(Zeroizing::new(serde_json::to_vec(&outcome).unwrap()));
        settle(&ledger, record, Ending::Done(Done { news: None, result, is_answered_later: false })).await;
    }
    settle(&ledger, &leased[2], Ending::Again { next_at: 0, error: Some(away()) }).await;
    let failing = ledger.failing().await.unwrap();
    let shown: Vec<_> = failing.iter().map(|failing| (failing.state, failing.rows)).collect();
    assert_eq!(shown, [(State::Refused, 2), (State::Queued, 1)]);
    let refusal = &failing[0].refusal;
    assert_eq!(refusal.upstream.as_deref(), Some("IDA-DEA-001"));
    assert!(!format!("{refusal:?}").contains("Leila"), "{refusal:?}");
}

#[tokio::test]
async fn unfinished_jobs_are_counted_with_what_waits_in_all_of_them() {
    let home = Home::new();
    let ledger = home.open();
    assert_eq!(ledger.unfinished_jobs().await.unwrap(), Unfinished::default());
    job(&ledger, 1).await;
    for leased in lease_records(&ledger).await {
        settle(&ledger, &leased, given(Some("token"))).await;
    }
    job(&ledger, 2).await;
    job(&ledger, 3).await;
    let Unfinished { jobs, progress, since } = ledger.unfinished_jobs().await.unwrap();
    assert!(since.is_some());
    assert_eq!((jobs, progress.records, progress.queued), (2, 5, 5), "the first is finished");
}

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::parse(text.as_bytes()).unwrap())
}

#[tokio::test]
async fn a_job_that_comes_again_under_its_key_is_the_same_job() {
    let home = Home::new();
    let ledger = home.open();
    let create = async |records: usize, under| {
        ledger.create_job(Form::Json, (0..records).map(ask).collect::<Vec<_>>(), under).await
    };
    let first = create(2, key("night-1")).await.unwrap();
    assert_eq!(create(2, key("night-1")).await.unwrap(), first);
    assert_ne!(create(2, key("night-2")).await.unwrap(), first);
    assert_ne!(create(2, None).await.unwrap(), first);
    assert_eq!(create(3, key("night-1")).await.unwrap_err().code(), Code::IdempotencyConflict);
    assert_eq!(lease_records(&ledger).await.len(), 6, "nobody is asked about twice");
}

#[tokio::test]
async fn the_records_of_a_large_job_keep_their_places_and_each_has_its_own_payload() {
    const RECORDS: usize = 1_203;
    let home = Home::new();
    let ledger = home.open();
    let wrong = |number: usize| {
        let reason = Reason { code: number.to_string(), message: String::new(), pointer: None };
        NewRecord::Invalid(Outcome::without_token(number.to_string(), vec![reason]))
    };
    let record = |number| if number % 3 == 0 { wrong(number) } else { ask(number) };
    let create = async || {
        let records: Vec<_> = (0..RECORDS).map(record).collect();
        assert!(records.size() > 100 << 10, "it is large");
        ledger.create_job(Form::Json, records, key("night-1")).await.unwrap()
    };
    let id = create().await;
    assert_eq!(create().await, id);
    let (job, settled) = ledger.job_page(id.clone(), 0, RECORDS).await.unwrap();
    assert_eq!((job.progress.records, job.progress.invalid, job.progress.queued), (1_203, 401, 802));
    let places = settled.iter().map(|record| (record.record, record.outcome.individual_id.clone()));
    assert!(places.eq((0..1_203).step_by(3).map(|place| (place, place.to_string()))));
    for leased in lease_some(&ledger, 5).await {
        let place: usize = leased.held.id.rsplit_once('/').unwrap().1.parse().unwrap();
        let NewRecord::Ask(kept) = ask(place) else { unreachable!() };
        assert_eq!(*leased.work.payload, *kept, "{}", leased.held.id);
    }
}

#[tokio::test]
async fn jobs_are_listed_in_order_page_by_page() {
    let home = Home::new();
    let ledger = home.open();
    let made = [job(&ledger, 1).await, job(&ledger, 2).await, job(&ledger, 3).await];
    let (page, next) = ledger.jobs(0, 2).await.unwrap();
    let (rest, end) = ledger.jobs(next.unwrap(), 2).await.unwrap();
    let listed: Vec<_> = page.iter().chain(&rest).map(|job| (job.id.clone(), job.progress.records)).collect();
    assert_eq!(listed, made.into_iter().zip([1, 2, 3]).collect::<Vec<_>>());
    assert_eq!(end, None);
}

#[tokio::test]
async fn a_cancelled_job_keeps_its_results_and_asks_about_nobody_else() {
    let home = Home::new();
    let ledger = home.open();
    let id = job(&ledger, 3).await;
    let other = job(&ledger, 1).await;
    let [done, under_way] = <[Leased; 2]>::try_from(lease_some(&ledger, 2).await).ok().unwrap();
    settle(&ledger, &done, given(Some("token"))).await;
    let cancelled = ledger.cancel_job(id.clone(), "the wrong list".to_owned()).await.unwrap();
    assert!(!cancelled.progress.is_finished(), "one is under way");
    settle(&ledger, &under_way, given(Some("late"))).await;

    let (job, settled) = ledger.job_page(id.clone(), 0, 9).await.unwrap();
    assert!(job.progress.is_finished());
    let tokens: Vec<_> = settled.iter().map(|record| record.outcome.token.as_deref()).collect();
    assert_eq!(tokens, [Some("token"), Some("late"), None]);
    let refused = &settled[2].outcome;
    assert_eq!((refused.individual_id.as_str(), refused.errors[0].code.as_str()), (NUMBER, "cancelled"));
    assert!(refused.errors[0].message.contains("the wrong list"));
    assert_eq!(ledger.cancel_job(id, "again".to_owned()).await.err().unwrap().code(), Code::StateConflict);
    let absent = ledger.cancel_job("none".to_owned(), "x".to_owned()).await.err().unwrap();
    assert_eq!(absent.code(), Code::NotFound);
    assert_eq!(progress(&ledger, &other).await["queued"], 1, "another job goes on");
}

#[tokio::test]
async fn a_record_that_is_asked_again_without_end_is_refused_with_its_last_reason() {
    let home = Home::new();
    let ledger = home.open();
    let id = job(&ledger, 2).await;
    let asked = lease_some(&ledger, 1).await;
    let error = Error::new(Code::Upstream, "IDA is away").with_upstream("IDA-MLC-007", "");
    settle(&ledger, &asked[0], Ending::Again { next_at: i64::MAX, error: Some(error) }).await;
    assert_eq!(ledger.refuse_aged_records(Duration::from_hours(1)).await.unwrap(), 0, "not yet");
    assert_eq!(ledger.refuse_aged_records(Duration::ZERO).await.unwrap(), 2);
    let (job, settled) = ledger.job_page(id, 0, 9).await.unwrap();
    assert!(job.progress.is_finished());
    let reasons: Vec<_> = settled.iter().map(|record| &record.outcome.errors[0]).collect();
    assert_eq!((reasons[0].code.as_str(), reasons[1].code.as_str()), ("IDA-MLC-007", "upstream"));
    assert!(reasons[0].message.contains("IDA is away"), "{}", reasons[0].message);
    assert!(reasons[1].message.contains("outbox.give_up_after"), "{}", reasons[1].message);
}

async fn lease_some(ledger: &Ledger, limit: usize) -> Vec<Leased> {
    let lane = lane_to(Queue::Records, DESTINATION);
    ledger.leased(&lane, Duration::from_mins(1), limit).await.unwrap()
}
