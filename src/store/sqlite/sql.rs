//! The statements of the three tables of work, written out once for each table.

use std::sync::LazyLock;

use super::schema::{DUE, LATER, UNSETTLED};
use crate::store::Queue;

/// A table of work and its statements.
pub(super) struct Table {
    pub(super) queue: Queue,
    pub(super) name: &'static str,
    /// What [`crate::store::Listed`] is read from.
    pub(super) listed_columns: String,
    pub(super) insert: String,
    pub(super) has_older: String,
    pub(super) row: String,
    pub(super) listed: String,
    pub(super) counts: String,
    pub(super) refusals: String,
    pub(super) end_leases: String,
    pub(super) later_kinds: String,
    pub(super) call: String,
    pub(super) due_kinds: String,
    pub(super) due: String,
    pub(super) lease: String,
    pub(super) by_seq: String,
    pub(super) next_later: String,
    pub(super) leased: String,
    pub(super) renew: String,
    pub(super) advance: String,
    pub(super) again: String,
    pub(super) break_off: String,
    pub(super) park_held: String,
    pub(super) is_held: String,
    pub(super) end: String,
    pub(super) line_of: String,
    pub(super) next_of_line: String,
    pub(super) release: String,
    pub(super) kind_of: String,
    pub(super) held_at_the_end: String,
    pub(super) release_leased: String,
    pub(super) release_later: String,
    pub(super) requeue: String,
    pub(super) postpone: String,
    pub(super) is_undecided: String,
    pub(super) park: String,
    pub(super) delete: String,
}

/// The table of `queue`.
pub(super) fn table(queue: Queue) -> &'static Table {
    static TABLES: LazyLock<[Table; 3]> = LazyLock::new(|| {
        [
            Table::new(Queue::Entries, "entry", "payload", "aid", &[]),
            Table::new(Queue::Records, "job_record", "payload", "result", &["job", "number"]),
            Table::new(Queue::Deliveries, "delivery", "body", "result", &["settled_by"]),
        ]
    });
    let [entries, records, deliveries] = &*TABLES;
    match queue {
        Queue::Entries => entries,
        Queue::Records => records,
        Queue::Deliveries => deliveries,
    }
}

impl Table {
    /// `payload` and `result` differ from table to table, because they are bound into sealed values; `own` is what no other table has.
    fn new(
        queue: Queue,
        name: &'static str,
        payload: &'static str,
        result: &'static str,
        own: &[&str],
    ) -> Self {
        const HELD: &str = "WHERE seq=?1 AND attempts=?2 AND state='leased'";
        let listed_columns = format!(
            "seq, id, destination, kind, line, state, attempts, accepted_at, waiting_since, next_at, lease_until, \
             settled_at, fault, refusal, reason, sent, {result}, trace"
        );
        let columns = format!("{listed_columns}, {payload}, progress");
        let (mut own_columns, mut own_marks) = (String::new(), String::new());
        for (mark, column) in (14..).zip(own) {
            own_columns.push_str(&format!(", {column}"));
            own_marks.push_str(&format!(", ?{mark}"));
        }
        // From one kind to the next by the index, without a look at the rows between.
        let kinds = |which: &str| {
            let first = format!("SELECT min(kind) FROM {name} WHERE {which} AND destination=?1");
            format!(
                "WITH RECURSIVE known (kind) AS ({first} UNION ALL SELECT ({first} AND {name}.kind>known.kind) FROM known \
                 WHERE known.kind IS NOT NULL) SELECT kind FROM known WHERE kind IS NOT NULL"
            )
        };
        Self {
            insert: format!(
                "INSERT INTO {name} (id, destination, kind, line, state, accepted_at, waiting_since, next_at, \
                 settled_at, held, position, {payload}, {result}, trace{own_columns}) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13{own_marks})"
            ),
            has_older: format!(
                "SELECT EXISTS (SELECT 1 FROM {name} WHERE destination=?1 AND line=?2 AND {UNSETTLED})"
            ),
            row: format!("SELECT {columns} FROM {name} WHERE id=?1"),
            listed: format!("SELECT {listed_columns} FROM {name} WHERE id=?1"),
            counts: format!("SELECT destination, kind, state, count(*) FROM {name} GROUP BY 1, 2, 3"),
            refusals: format!(
                "SELECT refusal, count(*) FROM {name} WHERE state=?1 GROUP BY refusal ORDER BY 2 DESC, 1"
            ),
            end_leases: format!(
                "UPDATE {name} SET state='queued', next_at=0 WHERE state='leased' AND lease_until<?1"
            ),
            later_kinds: kinds(LATER),
            call: format!(
                "UPDATE {name} SET next_at=0 WHERE {LATER} AND destination=?1 AND kind=?2 AND next_at<=?3"
            ),
            due_kinds: kinds(DUE),
            due: format!(
                "SELECT position, seq FROM {name} WHERE {DUE} AND destination=?1 AND kind=?2 ORDER BY position LIMIT ?3"
            ),
            lease: format!(
                "UPDATE {name} SET state='leased', attempts=attempts+1, lease_until=?2 WHERE seq=?1"
            ),
            by_seq: format!("SELECT {columns} FROM {name} WHERE seq=?1"),
            next_later: format!(
                "SELECT min(next_at) FROM {name} WHERE {LATER} AND destination=?1 AND kind=?2 AND next_at>?3"
            ),
            leased: format!(
                "SELECT kind, lease_until FROM {name} WHERE state='leased' AND lease_until>=?2 AND destination=?1"
            ),
            renew: format!("UPDATE {name} SET lease_until=?3 {HELD}"),
            advance: format!(
                "UPDATE {name} SET progress=coalesce(?3, progress), {result}=coalesce(?4, {result}), sent=max(sent, ?5) {HELD}"
            ),
            again: format!(
                "UPDATE {name} SET state='queued', next_at=max(?3, 0), fault=?4, refusal=?5, position=?6 {HELD}"
            ),
            break_off: format!("UPDATE {name} SET state='queued', next_at=max(?3, 0) {HELD}"),
            park_held: format!("UPDATE {name} SET state='parked', fault=?3, refusal=?4 {HELD}"),
            is_held: format!("SELECT EXISTS (SELECT 1 FROM {name} {HELD})"),
            end: format!(
                "UPDATE {name} SET state=?2, reason=?3, settled_at=?4, {result}=coalesce(?5, {result}), {payload}=NULL, \
                 progress=NULL, fault=NULL, refusal=NULL WHERE seq=?1"
            ),
            line_of: format!("SELECT destination, line FROM {name} WHERE seq=?1 AND line<>''"),
            next_of_line: format!(
                "SELECT min(seq) FROM {name} WHERE destination=?1 AND line=?2 AND {UNSETTLED} AND seq<>?3"
            ),
            release: format!("UPDATE {name} SET held=0 WHERE seq=?1"),
            kind_of: format!("SELECT kind FROM {name} WHERE seq=?1"),
            held_at_the_end: format!("SELECT seq FROM {name} WHERE state='leased' ORDER BY position"),
            release_leased: format!("UPDATE {name} SET state='queued', next_at=0, position=?2 WHERE seq=?1"),
            release_later: format!("UPDATE {name} SET next_at=0 WHERE {LATER}"),
            requeue: format!(
                "UPDATE {name} SET position=CASE state WHEN 'parked' THEN ?3 ELSE position END, state='queued', next_at=0, \
                 waiting_since=?2 WHERE seq=?1 AND state IN ('queued', 'parked')"
            ),
            postpone: format!(
                "UPDATE {name} SET next_at=?2, fault=coalesce(?3, fault), refusal=coalesce(?4, refusal) \
                 WHERE seq=?1 AND state='queued'"
            ),
            is_undecided: format!(
                "SELECT EXISTS (SELECT 1 FROM {name} WHERE seq=?1 AND state IN ('queued', 'parked'))"
            ),
            park: format!(
                "UPDATE {name} SET state='parked', fault=?2, refusal=?3 WHERE seq=?1 AND state='queued'"
            ),
            delete: format!("DELETE FROM {name} WHERE seq=?1"),
            queue,
            name,
            listed_columns,
        }
    }
}
