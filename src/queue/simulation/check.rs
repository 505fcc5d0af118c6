//! What must hold at any moment, and what must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::country::OPENCRVS;
use super::posts::{DESTINATIONS, Posts, RECORDS, Registered, VERDICT, brn, composition, person};
use super::world::{Message, Seen};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::store::memory::Memory;
use crate::store::{Filter, Listed, Queue, State, Store, Tx};

/// The type of a message that tells of a push.
const UIN_TOKEN: &str = "uin-token.received";
/// The type of a message that tells that MOSIP is silent.
const SILENT: &str = "registration.silent";

/// Looks after each commit and each crash whether what was acknowledged is in the store. What arrives is looked at by [`Seen`].
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) posts: Arc<Mutex<Posts>>,
    pub(super) seen: Arc<Mutex<Seen>>,
}

impl Watch {
    pub(super) async fn look(&self, memory: &Memory) {
        let watch = self.clone();
        let missing = Store::new(memory.clone()).run(move |tx| watch.missing(tx)).await.unwrap();
        let mut seen = self.seen.lock().unwrap();
        for what in missing {
            seen.fault(format!("{what} was acknowledged and is not in the store"));
        }
    }

    fn missing(&self, tx: &mut dyn Tx) -> Result<Vec<String>> {
        let (posts, seen) = (self.posts.lock().unwrap(), self.seen.lock().unwrap());
        let mut missing = Vec::new();
        for id in posts.events.values() {
            for destination in DESTINATIONS {
                let is_first = destination == DESTINATIONS[0];
                let name = if is_first { id.clone() } else { format!("{id}@{destination}") };
                if tx.listed(Queue::Entries, &name)?.is_none() {
                    missing.push(name);
                }
            }
        }
        for registered in posts.registrations.values() {
            let id = &registered.id;
            if tx.listed(Queue::Entries, id)?.is_none() {
                missing.push(id.clone());
            }
            // What was looked at has caused its confirmation.
            if let Some((_, Some(push))) = &registered.answer
                && tx.listed_push(push)?.is_none()
                && tx.listed(Queue::Entries, &format!("{id}@{OPENCRVS}"))?.is_none()
            {
                missing.push(format!("the confirmation of {id}"));
            }
        }
        if let Some(id) = &posts.job {
            let job = tx.job(id)?;
            let records = job.map_or(Ok(Vec::new()), |job| tx.progress(job.seq))?;
            if records.iter().map(|(_, count)| count).sum::<u64>() != RECORDS {
                missing.push(format!("a record of {id}"));
            }
        }
        let mut gone = Vec::new();
        for (token, push) in &posts.pushes {
            if let Some(id) = &push.acknowledged
                && !seen.tokens.contains(token)
                && tx.listed_push(id)?.is_none()
            {
                gone.push(token.clone());
            }
        }
        // One that was verified is a message that waits.
        if !gone.is_empty() {
            let delivered = Filter { kinds: vec![UIN_TOKEN.to_owned()], ..Filter::default() };
            if tx.rows(Queue::Deliveries, &delivered, 0, gone.len())?.len() < gone.len() {
                missing.extend(gone);
            }
        }
        Ok(missing)
    }
}

/// Every event arrived at each destination, under the id that was acknowledged.
pub(super) fn events(posts: &Posts, seen: &Seen, rows: &[Listed]) -> Vec<String> {
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
            match seen.first_of(destination, content) {
                None => faults.push(format!("{id} never arrived at {destination}")),
                Some(first) if first.id != *id => {
                    faults.push(format!("{id} arrived at {destination} as {}", first.id));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// The entry that goes to `destination` under `id`.
fn row_of<'a>(rows: &'a [Listed], destination: &str, id: &str) -> Option<&'a Listed> {
    let name = format!("{id}@{destination}");
    rows.iter().find(|row| row.destination == destination && (row.id == id || row.id == name))
}

/// Every message that is due was taken, as one message however often.
pub(super) fn messages(posts: &Posts, seen: &Seen, rows: &[Listed]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut due: BTreeSet<(&str, &str)> = BTreeSet::new();
    let accepted = rows.iter().filter(|row| row.destination != OPENCRVS);
    due.extend(accepted.map(|row| ("event.accepted", row.id.as_str())));
    due.extend(rows.iter().filter(|row| row.result.is_some()).map(|row| ("aid.assigned", row.id.as_str())));
    let acknowledged = posts.pushes.iter().filter(|(_, push)| push.acknowledged.is_some());
    due.extend(acknowledged.map(|(token, _)| (UIN_TOKEN, token.as_str())));
    let verdicts: Vec<(String, String)> =
        posts.verdicts.iter().map(|number| (composition(*number), brn(*number))).collect();
    due.extend(verdicts.iter().map(|(_, brn)| (VERDICT, brn.as_str())));
    for registered in posts.registrations.values() {
        due.insert((if registered.answer.is_some() { VERDICT } else { SILENT }, registered.id.as_str()));
    }
    for row in rows.iter().filter(|row| row.destination == DESTINATIONS[0]) {
        let is_answered = row.line.as_ref().is_some_and(|line| verdicts.iter().any(|(of, _)| of == line));
        if matches!(row.kind.as_str(), "birth" | "death") && !is_answered {
            due.insert((SILENT, row.id.as_str()));
        }
    }
    let mut delivered: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for message in &seen.messages {
        let text = |value: &'static str| message.body.pointer(value).and_then(|value| value.as_str());
        let (Some(id), Some(kind)) = (text("/id"), text("/type")) else { continue };
        let Some(about) = text("/data/id").or(text("/data/uinToken")) else { continue };
        delivered.entry((kind, about)).or_default().insert(id);
        let Some(push) = posts.pushes.get(about) else { continue };
        match text("/subject/compositionId") {
            Some(found) if found != composition(push.composition) => {
                faults.push(format!("{about} was joined to {found}"));
            }
            None if push.finds_event => faults.push(format!("{about} was not joined to its event")),
            _ => {}
        }
    }
    faults.extend(late_silences(seen, &verdicts));
    // Where MOSIP answers, it may have been silent before.
    due.extend(delivered.keys().filter(|(kind, _)| *kind == SILENT).copied());
    for (kind, about) in due {
        match delivered.get(&(kind, about)).map_or(0, BTreeSet::len) {
            0 => faults.push(format!("{kind} of {about} was never delivered")),
            1 => {}
            messages => faults.push(format!("{kind} of {about} was delivered in {messages} messages")),
        }
    }
    faults
}

/// Silences that were told of registrations of which MOSIP had said what came of them: these are their compositions and numbers.
fn late_silences(seen: &Seen, verdicts: &[(String, String)]) -> Vec<String> {
    let is = |message: &Message, kind: &str| message.body["type"] == kind;
    let mut faults = Vec::new();
    for (composition, brn) in verdicts {
        let verdict =
            seen.messages.iter().find(|message| is(message, VERDICT) && message.body["data"]["id"] == **brn);
        let Some(verdict) = verdict else { continue };
        let silent = seen.messages.iter().filter(|message| {
            is(message, SILENT) && message.body["subject"]["compositionId"] == **composition
        });
        for late in silent.filter(|silent| silent.seq > verdict.seq) {
            faults.push(format!("{} was told to be silent after the verdict", late.body["data"]["id"]));
        }
    }
    faults
}

/// Every registration is a packet that is processed, and is decided in OpenCRVS as MOSIP decided.
pub(super) fn registrations(posts: &Posts, seen: &Seen) -> Vec<String> {
    let of = |message: &&Message, kind: &str, id: &str| {
        message.body["type"] == kind && message.body["data"]["id"] == id
    };
    let mut faults = Vec::new();
    for (number, Registered { id, answer }) in &posts.registrations {
        let silent = seen.messages.iter().find(|message| of(message, SILENT, id));
        let verdict = seen.messages.iter().find(|message| of(message, VERDICT, id));
        let outcome = answer.as_ref().map(|(outcome, _)| *outcome);
        faults.extend(seen.country.faults(*number, id, outcome, silent.is_some()));
        if let (Some(silent), Some(verdict)) = (silent, verdict)
            && silent.seq > verdict.seq
        {
            faults.push(format!("{id} was told to be silent after the verdict"));
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
