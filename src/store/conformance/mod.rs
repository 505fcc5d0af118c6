//! What a backend has to keep to, as one suite. A backend calls [`suite!`] with a function that makes an empty database.

mod kept;
mod overview;
mod planted;
mod runs;
mod work;

pub(crate) use self::kept::*;
pub(crate) use self::overview::*;
pub(crate) use self::runs::*;
pub(crate) use self::work::*;

use super::{Closing, Lane, Listed, Millis, NewRow, Pick, Queue, Refusal, Row, State, Store, Tx, Verdict};
use crate::crypto::sha256;
use crate::error::Result;

/// Makes a test of every rule, over databases that `$open` makes.
macro_rules! suite {
    ($open:expr) => {
        $crate::store::conformance::suite!($open;
            a_job_that_fails_leaves_nothing_and_the_next_one_runs,
            jobs_that_name_no_lock_run_one_after_another,
            a_job_that_only_reads_changes_nothing,
            jobs_that_name_the_same_lock_run_one_after_another_and_rows_stand_in_that_order,
            whatever_a_job_did_is_undone_where_it_fails_and_it_runs_again_as_if_for_the_first_time,
            rows_are_listed_in_the_order_of_their_insertion,
            a_list_holds_each_row_as_it_is_but_for_its_payload,
            a_name_is_taken_once_in_its_queue,
            a_lease_takes_what_is_due_in_order_and_counts_an_attempt,
            a_row_waits_for_the_older_ones_of_its_line_at_its_destination,
            a_row_waits_for_all_that_are_older_and_not_only_for_the_next,
            a_transaction_says_what_it_freed,
            what_failed_goes_behind_all_that_wait,
            what_a_person_puts_back_goes_behind_all_that_wait,
            what_was_broken_off_keeps_its_place,
            what_falls_due_goes_by_its_place_and_not_by_its_moment_or_kind,
            a_lane_sees_its_own_kinds_alone,
            a_late_verdict_changes_nothing,
            a_lease_that_ended_is_taken_over_and_a_renewed_one_is_not,
            what_is_leased_is_counted_by_lane,
            the_next_moment_is_the_earliest_that_has_not_come,
            progress_result_and_the_mark_of_a_sent_row_stay_through_a_failure,
            what_is_settled_loses_its_payload_and_keeps_its_result,
            a_decision_is_about_what_is_queued_or_parked_alone,
            every_queue_takes_every_verdict_and_decision,
            at_a_start_nobody_holds_anything,
            an_identity_outlives_its_entry_and_remembers_how_it_ended,
            an_identity_that_passed_to_another_entry_does_not_end_with_the_former,
            a_correlation_is_found_by_each_of_its_names,
            a_name_is_found_from_its_own_transaction_on_behind_any_number_of_others,
            what_is_expected_is_overdue_until_it_is_answered_or_given_up,
            a_token_is_kept_with_its_correlation_until_it_is_replaced_dropped_or_ended,
            a_delivery_goes_with_the_entry_that_meets_its_purpose,
            a_push_is_received_quarantined_released_and_deleted,
            the_quarantine_is_counted_by_kind_and_reason,
            a_message_is_marked_with_when_it_came_last,
            a_job_is_forgotten_with_its_records,
            every_sealed_column_is_walked_and_replaced,
            large_sealed_values_are_walked_a_few_at_a_time,
            what_fails_is_counted_by_its_reason_whatever_its_state,
            the_last_attempts_of_an_entry_are_kept_and_go_with_it,
            unfinished_jobs_are_found_behind_any_number_of_finished_ones,
            a_job_is_under_way_while_a_record_of_it_is_queued_or_leased,
            the_quarantine_is_decided_about_reason_by_reason,
        );
    };
    ($open:expr; $($rule:ident,)*) => {
        $(#[tokio::test]
        async fn $rule() {
            let (store, _kept) = $open;
            $crate::store::conformance::$rule(&store).await;
        })*
    };
}
pub(crate) use suite;

pub(crate) fn new(id: &str) -> NewRow {
    NewRow {
        queue: Queue::Entries,
        id: id.to_owned(),
        destination: "mediator".to_owned(),
        kind: "birth".to_owned(),
        line: Some(id.to_owned()),
        accepted_at: 1_000,
        waiting_since: 10,
        payload: Some(format!("payload of {id}").into_bytes()),
        result: None,
        identity: None,
        met_by: None,
        job: None,
        trace: None,
        is_invalid: false,
    }
}

/// A name by which a correlation is found, as an HMAC is: its bytes say nothing.
pub(crate) fn name(text: &str) -> Vec<u8> {
    sha256(text.as_bytes()).to_vec()
}

pub(crate) fn of_line(id: &str, line: &str) -> NewRow {
    NewRow { line: Some(line.to_owned()), ..new(id) }
}

pub(crate) fn lane() -> Lane {
    Lane {
        queue: Queue::Entries,
        destination: "mediator".to_owned(),
        kinds: vec!["birth".to_owned(), "death".to_owned()],
    }
}

pub(crate) fn refusal() -> Refusal {
    Refusal { fault: "upstream".to_owned(), text: r#"{"code":"upstream"}"#.to_owned() }
}

pub(crate) fn again(next_at: Millis) -> Verdict {
    Verdict::Again { next_at, refusal: Some(refusal()) }
}

pub(crate) fn done() -> Verdict {
    Verdict::Settled { state: State::Done, result: None }
}

pub(crate) fn discarded(reason: Option<&str>) -> Closing<'_> {
    Closing { state: State::Discarded, reason, result: None }
}

pub(crate) async fn insert(store: &Store, rows: Vec<NewRow>) {
    store.run(move |tx| tx.insert(&rows)).await.unwrap();
}

pub(crate) fn pick(now: Millis, until: Millis) -> Pick {
    Pick { now, until, limit: 9 }
}

pub(crate) async fn lease_at(store: &Store, now: Millis, limit: usize) -> Vec<Row> {
    let pick = Pick { now, until: now + 100, limit };
    store.run(move |tx| tx.lease(&lane(), pick)).await.unwrap()
}

pub(crate) async fn settle(store: &Store, row: &Row, verdict: Verdict) -> bool {
    let lease = row.lease();
    store.run(move |tx| tx.settle(lease, &verdict, 50)).await.unwrap()
}

pub(crate) async fn row(store: &Store, id: &'static str) -> Row {
    store.run(move |tx| tx.row(Queue::Entries, id)).await.unwrap().unwrap()
}

pub(crate) async fn run<T: Send + 'static>(
    store: &Store,
    job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
) -> T {
    store.run(job).await.unwrap()
}

pub(crate) fn ids<R: AsRef<Listed>>(rows: &[R]) -> Vec<&str> {
    rows.iter().map(|row| row.as_ref().id.as_str()).collect()
}

impl AsRef<Listed> for Listed {
    fn as_ref(&self) -> &Listed {
        self
    }
}

impl AsRef<Listed> for Row {
    fn as_ref(&self) -> &Listed {
        &self.listed
    }
}
