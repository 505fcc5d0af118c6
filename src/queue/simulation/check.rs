//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use super::posts::{DESTINATIONS, Posts, RECORDS, composition, person};
use super::world::{Post, Seen};
use crate::ledger::Ledger;
use crate::store::{Row, State};

/// Every event arrived at each destination: under the id that was acknowledged, with one application id, in order of acceptance.
pub(super) fn events(posts: &Posts, seen: &Seen, rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    for (content, id) in &posts.events {
        for destination in DESTINATIONS {
            match row_of(rows, destination, id) {
                None => faults.push(format!("{id} was acknowledged and is lost at {destination}")),
                Some(row) if row.state != State::Done => {
                    faults.push(format!("{id} is {:?} at {destination}", row.state));
                }
                Some(_) => {}
            }
            let arrived: Vec<&Post> = (seen.posts.iter())
                .filter(|post| post.destination == destination && post.content.as_bytes() == content)
                .collect();
            if arrived.is_empty() {
                faults.push(format!("{id} never arrived at {destination}"));
            }
            for post in &arrived {
                if post.id != *id {
                    faults.push(format!("{id} arrived at {destination} as {}", post.id));
                }
                if arrived.first().is_some_and(|first| first.aid != post.aid) {
                    faults.push(format!("{id} arrived with two application ids"));
                }
            }
        }
    }
    let mut last: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut arrived: BTreeSet<(&str, &str)> = BTreeSet::new();
    for post in seen.posts.iter().filter(|post| arrived.insert((&post.destination, &post.content))) {
        let Some(row) = row_of(rows, &post.destination, &post.id) else { continue };
        let before = last.insert((&post.destination, &post.line), row.seq);
        if before.is_some_and(|before| before > row.seq) {
            faults.push(format!("{} arrived behind its successor at {}", post.id, post.destination));
        }
    }
    faults
}

/// The entry that goes to `destination` under `id`.
fn row_of<'a>(rows: &'a [Row], destination: &str, id: &str) -> Option<&'a Row> {
    let name = format!("{id}@{destination}");
    rows.iter().find(|row| row.destination == destination && (row.id == id || row.id == name))
}

/// Every message that is due was taken, as one message however often, and in order for one subject.
pub(super) fn messages(posts: &Posts, seen: &Seen, rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut due: BTreeSet<(&str, &str)> = BTreeSet::new();
    due.extend(rows.iter().map(|row| ("event.accepted", row.id.as_str())));
    due.extend(rows.iter().filter(|row| row.result.is_some()).map(|row| ("aid.assigned", row.id.as_str())));
    let acknowledged = posts.pushes.iter().filter(|(_, push)| push.is_acknowledged);
    due.extend(acknowledged.map(|(token, _)| ("uin-token.received", token.as_str())));
    let mut told: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for message in &seen.messages {
        let text = |value: &'static str| message.body.pointer(value).and_then(|value| value.as_str());
        let (Some(id), Some(kind)) = (text("/id"), text("/type")) else { continue };
        let Some(about) = text("/data/id").or(text("/data/uinToken")) else { continue };
        told.entry((kind, about)).or_default().insert(id);
        let Some(push) = posts.pushes.get(about) else { continue };
        match text("/subject/compositionId") {
            Some(found) if found != composition(push.composition) => {
                faults.push(format!("{about} was joined to {found}"));
            }
            None if push.finds_event => faults.push(format!("{about} was not joined to its event")),
            _ => {}
        }
    }
    for (kind, about) in due {
        match told.get(&(kind, about)).map_or(0, BTreeSet::len) {
            0 => faults.push(format!("{kind} of {about} was never told")),
            1 => {}
            messages => faults.push(format!("{kind} of {about} was told in {messages} messages")),
        }
    }
    let (mut last, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for message in seen.messages.iter().filter(|message| taken.insert(message.seq)) {
        if last.insert(&message.line, message.seq).is_some_and(|before| before > message.seq) {
            faults.push(format!("{} was taken behind its successor", message.body["id"]));
        }
    }
    faults
}

/// Every record of the job has its own answer, or a reason.
pub(super) async fn records(job: Option<String>, ledger: &Ledger) -> Vec<String> {
    let Some(job) = job else { return Vec::new() };
    let (job, records) = match ledger.job_page(job, 0, 100).await {
        Ok(found) => found,
        Err(error) => return vec![format!("the job is lost: {}", error.detail())],
    };
    let mut faults = Vec::new();
    if !job.progress.is_finished() || records.len() as u64 != RECORDS {
        faults.push(format!("the job has {} answers of {RECORDS}", records.len()));
    }
    for record in records {
        let has_answer = match &record.outcome.token {
            Some(token) => record.state == State::Done && *token == person(record.record),
            None => record.state == State::Refused && !record.outcome.errors.is_empty(),
        };
        if !has_answer {
            faults.push(format!("record {} has not its own answer", record.record));
        }
    }
    faults
}
