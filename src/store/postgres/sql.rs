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
    pub(super) row: String,
    pub(super) listed: String,
    pub(super) counts: String,
    pub(super) refusals: String,
    pub(super) end_leases: String,
    pub(super) kinds: String,
    pub(super) call: String,
    pub(super) lease: String,
    pub(super) leased: String,
    pub(super) next_due: String,
    pub(super) renew: String,
    pub(super) advance: String,
    pub(super) again: String,
    pub(super) break_off: String,
    pub(super) park_held: String,
    pub(super) end: String,
    pub(super) remove_held: String,
    pub(super) release_leased: String,
    pub(super) release_later: String,
    pub(super) requeue: String,
    pub(super) postpone: String,
    pub(super) close: String,
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
        const HELD: &str = "WHERE seq=$1 AND attempts=$2 AND state='leased'";
        let listed_columns = format!(
            "seq, id, destination, kind, line, state, attempts, accepted_at, waiting_since, next_at, lease_until, \
             settled_at, fault, refusal, reason, sent, {result}, trace"
        );
        let columns = format!("{listed_columns}, {payload}, progress");
        let (mut own_columns, mut own_marks) = (String::new(), String::new());
        for (mark, column) in (12..).zip(own) {
            own_columns.push_str(&format!(", {column}"));
            own_marks.push_str(&format!(", ${mark}"));
        }
        let settle = format!(
            "UPDATE {name} SET state=$3, reason=$4, settled_at=$5, {result}=coalesce($6, {result}), {payload}=NULL, \
             progress=NULL, fault=NULL, refusal=NULL"
        );
        // A row that has ended sets the next one of its line free.
        let ended = |end: &str| {
            format!(
                "WITH ended AS ({end} RETURNING seq, destination, line), freed AS (UPDATE {name} SET held=false \
                 WHERE seq=(SELECT min(later.seq) FROM ended JOIN {name} AS later ON later.destination=ended.destination \
                 AND later.line=ended.line WHERE later.seq<>ended.seq AND later.line<>'' \
                 AND later.state IN ('queued', 'leased', 'parked')) RETURNING destination, kind) \
                 SELECT freed.destination, freed.kind FROM ended LEFT JOIN freed ON true"
            )
        };
        // From one kind to the next by the index, without a look at the rows between.
        let first = format!("SELECT min(kind) FROM {name} WHERE state='queued' AND destination=$1");
        Self {
            insert: format!(
                "INSERT INTO {name} (id, destination, kind, line, state, accepted_at, waiting_since, next_at, \
                 settled_at, {payload}, {result}, trace{own_columns}, held, position) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11{own_marks}, \
                 EXISTS (SELECT 1 FROM {name} WHERE destination=$2 AND line=$4 AND {UNSETTLED}), nextval('position'))"
            ),
            row: format!("SELECT {columns} FROM {name} WHERE id=$1"),
            listed: format!("SELECT {listed_columns} FROM {name} WHERE id=$1"),
            counts: format!("SELECT destination, kind, state, count(*) FROM {name} GROUP BY 1, 2, 3"),
            refusals: format!(
                "SELECT refusal, count(*) FROM {name} WHERE state=$1 GROUP BY refusal ORDER BY 2 DESC, 1"
            ),
            end_leases: format!(
                "UPDATE {name} SET state='queued', next_at=0 WHERE state='leased' AND lease_until<$1"
            ),
            kinds: format!(
                "WITH RECURSIVE known (kind) AS (({first}) UNION ALL SELECT ({first} AND {name}.kind>known.kind) \
                 FROM known WHERE known.kind IS NOT NULL) SELECT kind FROM known WHERE kind IS NOT NULL"
            ),
            call: format!(
                "UPDATE {name} SET next_at=0 WHERE {LATER} AND destination=$1 AND kind=ANY($2) AND next_at<=$3"
            ),
            lease: format!(
                "WITH due AS (SELECT few.seq FROM unnest($2::text[]) AS wanted (word), LATERAL (SELECT seq, position \
                 FROM {name} WHERE {DUE} AND destination=$1 AND kind=wanted.word ORDER BY position LIMIT $4) AS few \
                 ORDER BY few.position LIMIT $4) \
                 UPDATE {name} SET state='leased', attempts=attempts+1, lease_until=$3 WHERE seq IN (SELECT seq FROM due) \
                 RETURNING {columns}, position"
            ),
            leased: format!(
                "SELECT count(*) FROM {name} WHERE state='leased' AND lease_until>=$2 AND destination=$1 \
                 AND ($3 OR kind=ANY($4))"
            ),
            next_due: format!(
                "SELECT least((SELECT min(next_at) FROM {name} WHERE {LATER} AND destination=$1 AND kind=ANY($2) AND next_at>$3), \
                 (SELECT min(lease_until)+1 FROM {name} WHERE state='leased' AND lease_until>=$3 AND destination=$1 AND ($4 OR kind=ANY($2))))"
            ),
            renew: format!("UPDATE {name} SET lease_until=$3 {HELD}"),
            advance: format!(
                "UPDATE {name} SET progress=coalesce($3, progress), {result}=coalesce($4, {result}), sent=sent OR $5 {HELD}"
            ),
            again: format!(
                "UPDATE {name} SET state='queued', next_at=greatest($3::bigint, 0), fault=$4, refusal=$5, \
                 position=nextval('position') {HELD}"
            ),
            break_off: format!("UPDATE {name} SET state='queued', next_at=greatest($3::bigint, 0) {HELD}"),
            park_held: format!("UPDATE {name} SET state='parked', fault=$3, refusal=$4 {HELD}"),
            end: ended(&format!("{settle} {HELD}")),
            remove_held: ended(&format!("DELETE FROM {name} {HELD}")),
            release_leased: format!(
                "UPDATE {name} SET state='queued', next_at=0, position=behind.position FROM \
                 (SELECT seq, nextval('position') AS position FROM (SELECT seq FROM {name} WHERE state='leased' \
                 ORDER BY position) AS held) AS behind WHERE {name}.seq=behind.seq"
            ),
            release_later: format!("UPDATE {name} SET next_at=0 WHERE {LATER}"),
            requeue: format!(
                "UPDATE {name} SET position=CASE state WHEN 'parked' THEN nextval('position') ELSE position END, \
                 state='queued', next_at=0, waiting_since=$2 WHERE seq=$1 AND state IN ('queued', 'parked')"
            ),
            postpone: format!(
                "UPDATE {name} SET next_at=$2, fault=coalesce($3, fault), refusal=coalesce($4, refusal) \
                 WHERE seq=$1 AND state='queued'"
            ),
            close: ended(&format!("{settle} WHERE seq=$1 AND state=ANY($2::text[])")),
            park: format!(
                "UPDATE {name} SET state='parked', fault=$2, refusal=$3 WHERE seq=$1 AND state='queued'"
            ),
            delete: ended(&format!("DELETE FROM {name} WHERE seq=$1")),
            queue,
            name,
            listed_columns,
        }
    }
}
