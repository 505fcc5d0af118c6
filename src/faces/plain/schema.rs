//! Bodies of the outbox and of jobs, as the documents describe them. A test holds them to what the routes answer.
#![allow(dead_code, reason = "they stand for bodies in the documents alone")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

use crate::ledger::Attempt;
use crate::ledger::entry::Refusal;
use crate::ledger::job::Progress;
use crate::mosip::ida::{IdType, OtpChannel, Reason, Text};

/// An event that was taken. It never shows its payload.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Event {
    /// The id that it goes to MOSIP under.
    id: String,
    /// `birth`, `death`, `birth-correction`, …, or `legacy` for what goes to OpenCRVS 1.x, `confirm` for what is confirmed in a later one.
    kind: String,
    /// Where it goes.
    destination: String,
    state: EventState,
    /// Attempts begun.
    attempts: u32,
    /// RFC 3339, UTC.
    accepted_at: String,
    /// Seconds until the next attempt is due; 0: when its turn comes.
    #[schema(nullable = false)]
    next_try_in: Option<i64>,
    /// The application id that it carries.
    aid: Option<String>,
    /// Why the last attempt failed.
    #[schema(nullable = false)]
    last_fault: Option<Refusal>,
    /// Why a person discarded it.
    #[schema(nullable = false)]
    discarded_for: Option<String>,
    /// How its last attempts ended, 20 at most, in order; in the answer about one event alone.
    #[schema(nullable = false)]
    history: Option<Vec<Attempt>>,
    /// What came of it at MOSIP, where that is known; in the answer about one event alone.
    #[schema(nullable = false)]
    answer: Option<Answer>,
}

/// What came of a registration.
#[derive(ToSchema)]
#[schema(as = RegistrationAnswer, rename_all = "camelCase")]
pub(super) struct Answer {
    outcome: Outcome,
    /// When it became known; RFC 3339, UTC.
    at: String,
    /// MOSIP's reason.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// What the registrar can do.
    #[schema(nullable = false)]
    advice: Option<String>,
    /// Why a person settled it.
    #[schema(nullable = false)]
    settled_for: Option<String>,
}

/// How a registration stands at MOSIP.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Outcome {
    /// Its credential came.
    Issued,
    /// MOSIP refused it, or could not process it.
    Rejected,
    /// MOSIP said nothing within `websub.expect_within`.
    Silent,
    /// Its answer was overdue, and a person has settled it with MOSIP.
    Settled,
    /// Its packet was processed, and its credential has not come yet.
    Processed,
    /// MOSIP waits for more of the applicant.
    Paused,
}

/// Where an event stands.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum EventState {
    Queued,
    Leased,
    Done,
    Parked,
    Discarded,
}

/// A page of events.
#[derive(ToSchema)]
pub(super) struct EventPage {
    events: Vec<Event>,
    /// `cursor` of the next page, if there is one.
    next: Option<i64>,
}

/// An event that is on the disk.
#[derive(ToSchema)]
pub(super) struct Accepted {
    /// Names it under `/v1/events`.
    id: String,
    state: EventState,
    aid: Option<String>,
    /// The entries for each destination, where there are several.
    #[schema(required = false)]
    entries: Vec<AcceptedEntry>,
}

/// An entry for one destination.
#[derive(ToSchema)]
pub(super) struct AcceptedEntry {
    /// Names it under `/v1/events`; behind `@` stands its destination.
    id: String,
    state: EventState,
}

/// A message for the mediator. Of one that the gateway cannot open, `id`, `type` and `lastFault` alone are there.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Delivery {
    /// Names it under `/v1/inbox`.
    id: String,
    /// `aid.assigned`, `event.accepted`, `national-id.received`, `event.parked`, `uin-token.received`, `credential.issued`,
    /// `registration.rejected`, `registration.silent`
    #[schema(rename = "type")]
    kind: String,
    /// RFC 3339, UTC.
    #[schema(nullable = false)]
    occurred_at: Option<String>,
    /// The names of the registration that are known: `compositionId`, `trackingId`, `brn`, …
    #[schema(nullable = false)]
    subject: Option<BTreeMap<String, String>>,
    /// What it says, which `type` decides.
    #[schema(nullable = false)]
    data: Option<BTreeMap<String, serde_json::Value>>,
    /// What it rests on: `signature`, `hub`, `tls` or `none`.
    #[schema(nullable = false)]
    verified: Option<String>,
    /// Lower-case hex thumbprint of the key that opened it.
    #[schema(nullable = false)]
    key: Option<String>,
    #[schema(nullable = false)]
    last_fault: Option<Refusal>,
}

/// How many events are queued again.
#[derive(ToSchema)]
pub(super) struct Retried {
    retried: u64,
}

/// The outbox goes on.
#[derive(ToSchema)]
pub(super) struct Resumed {
    resumed: bool,
}

/// An application id of MOSIP.
#[derive(ToSchema)]
pub(super) struct FetchedAid {
    aid: String,
    /// `tls`: MOSIP does not sign it. `none`: it came over plain http from another machine.
    verified: String,
}

/// A job that is on the disk.
#[derive(ToSchema)]
pub(super) struct AcceptedJob {
    /// Names it under `/v1/uin-tokens`.
    job: String,
}

/// A record that a job asks IDA about.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Record {
    individual_id: String,
    /// Left out: its length says whether it is a UIN or a VID.
    individual_id_type: Option<IdType>,
    /// `true` once the person has agreed.
    consent: bool,
    demographics: Demographics,
}

/// Name, date of birth and the like. A country may add attributes of either form.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Demographics {
    #[schema(nullable = false)]
    name: Option<Vec<Text>>,
    /// `yyyy/MM/dd`
    #[schema(nullable = false)]
    dob: Option<String>,
    #[schema(nullable = false)]
    gender: Option<Vec<Text>>,
    #[schema(nullable = false)]
    phone_number: Option<String>,
    #[schema(nullable = false)]
    email_id: Option<String>,
    #[schema(nullable = false)]
    full_address: Option<Vec<Text>>,
}

/// A person to ask IDA about. At least one of `demographics`, `otp` and `biometrics` is there.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Person {
    individual_id: String,
    individual_id_type: IdType,
    /// `true` once the person has agreed.
    consent: bool,
    /// Ten ASCII letters or digits; left out: a fresh one.
    transaction_id: Option<String>,
    demographics: Option<Demographics>,
    /// The one-time password that the person received.
    otp: Option<String>,
    /// Captures of a device, passed through as they came.
    biometrics: Option<Vec<serde_json::Value>>,
}

/// Where a one-time password is to go.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct OtpOrder {
    individual_id: String,
    individual_id_type: IdType,
    consent: bool,
    transaction_id: Option<String>,
    otp_channel: Vec<OtpChannel>,
}

/// How far a job has come, and a page of what is settled.
#[derive(ToSchema)]
pub(super) struct JobReport {
    job: String,
    state: JobState,
    /// What a person has to put right; only where the state is `paused`.
    #[schema(nullable = false)]
    paused: Option<Refusal>,
    /// Seconds until one of its records is tried; only where the state is `waiting` or `paused`.
    #[schema(nullable = false)]
    #[schema(rename = "nextTryIn")]
    next_try_in: Option<i64>,
    progress: Progress,
    results: Vec<Settled>,
    /// `from` of the next page, if this one is full.
    next: Option<u64>,
}

/// A job and how far it has come.
#[derive(ToSchema)]
pub(super) struct Job {
    job: String,
    state: JobState,
    /// What a person has to put right; only where the state is `paused`.
    #[schema(nullable = false)]
    paused: Option<Refusal>,
    /// Seconds until one of its records is tried; only where the state is `waiting` or `paused`.
    #[schema(nullable = false)]
    #[schema(rename = "nextTryIn")]
    next_try_in: Option<i64>,
    progress: Progress,
}

/// Jobs in order of acceptance.
#[derive(ToSchema)]
pub(super) struct JobPage {
    jobs: Vec<Job>,
    /// `cursor` of the next page, if there is one.
    next: Option<i64>,
}

/// Whether a job moves.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum JobState {
    Done,
    Running,
    /// IDA does not answer.
    Waiting,
    /// A person has to put something right.
    Paused,
}

/// A record that is settled.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Settled {
    /// Its place in the list, from 0.
    record: u64,
    /// `done`, `refused` or `invalid`.
    state: String,
    individual_id: String,
    /// The UINTOKEN.
    token: Option<String>,
    /// `signature`, `tls` or `none`; null where IDA said nothing of this person.
    verified: Option<String>,
    errors: Vec<Reason>,
}

/// Rows of the table `transactions` of `mosip-api`.
#[derive(ToSchema)]
pub(super) struct MosipApiRows {
    /// 500 at most.
    rows: Vec<MosipApiRow>,
}

/// A registration that waits for MOSIP. It is unusable where its id or its number is missing, or where neither its token nor `eventId` names
/// a record.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct MosipApiRow {
    /// Stands in the answer for a row that is unusable.
    row: i64,
    /// The id of its packet at MOSIP.
    id: Option<String>,
    /// That of the birth or of the death.
    registration_number: Option<String>,
    /// The bearer token that came with it, before OpenCRVS 2.0.
    token: Option<String>,
    /// Its event, from OpenCRVS 2.0 on.
    event_id: Option<String>,
}

/// What became of the rows.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct ImportedRows {
    taken: u64,
    /// How many of these have no record token, or one that has ended, where record tokens confirm.
    without_token: u64,
    /// They were taken over before.
    already_here: u64,
    unusable: Vec<UnusableRow>,
}

/// A row that was not taken over.
#[derive(ToSchema)]
pub(super) struct UnusableRow {
    row: i64,
    /// `id`, `registration-number`, `event`, `id-in-use`, `superseded`
    reason: String,
    /// What is wrong, and what to do.
    detail: String,
}
