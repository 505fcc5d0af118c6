//! What people are shown of the rows.

use super::sql::table;
use super::tx::{JOB, PUSH, Transaction, read_job, read_push};
use super::work::{count, state, text};
use crate::error::Result;
use crate::store::{
    ATTEMPTS_KEPT, AttemptRow, Failed, GatewayRow, JobRow, ListedPush, Millis, Overview, PushGroup,
    PushReason, Queue, Refusal, Seq,
};

impl Overview for Transaction<'_> {
    fn failed(&mut self, queue: Queue) -> Result<Vec<Failed>> {
        let find = format!(
            "SELECT destination, kind, state, refusal, count(*), max(settled_at) FROM {} WHERE refusal IS NOT NULL \
             GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4",
            table(queue).name
        );
        self.list(&find, &[], |row| {
            Ok(Failed {
                destination: row.try_get(0)?,
                kind: row.try_get(1)?,
                state: state(row.try_get(2)?)?,
                refusal: row.try_get(3)?,
                rows: row.try_get::<_, i64>(4)?.unsigned_abs(),
                last_settled: row.try_get(5)?,
            })
        })
    }

    fn explain(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<()> {
        let explain = format!(
            "UPDATE {} SET fault=$2, refusal=$3 WHERE seq=$1 AND settled_at IS NOT NULL",
            table(queue).name
        );
        self.later(&explain, &[&seq, &refusal.fault, &refusal.text])
    }

    fn note_attempt(&mut self, seq: Seq, attempt: &AttemptRow) -> Result<()> {
        let AttemptRow { number, ended_at, outcome, upstream } = attempt;
        let insert =
            "INSERT INTO attempt (entry, number, ended_at, outcome, upstream) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (entry, number) DO UPDATE SET ended_at=$3, outcome=$4, upstream=$5";
        let upstream = upstream.as_deref().map(text);
        self.later(insert, &[&seq, number, ended_at, outcome, &upstream])?;
        let forget = "DELETE FROM attempt WHERE entry=$1 AND number<=$2";
        self.later(forget, &[&seq, &(number - ATTEMPTS_KEPT)])
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<AttemptRow>> {
        let find = "SELECT number, ended_at, outcome, upstream FROM attempt WHERE entry=$1 ORDER BY number";
        self.list(find, &[&seq], |row| {
            Ok(AttemptRow {
                number: row.try_get(0)?,
                ended_at: row.try_get(1)?,
                outcome: row.try_get(2)?,
                upstream: row.try_get(3)?,
            })
        })
    }

    fn unfinished_jobs(&mut self) -> Result<Vec<JobRow>> {
        self.list(&format!("{JOB} WHERE settled_at IS NULL ORDER BY seq"), &[], read_job)
    }

    fn quarantined_for(&mut self, group: PushGroup<'_>, after: Seq, limit: usize) -> Result<Vec<ListedPush>> {
        let find = format!(
            "SELECT {PUSH} FROM push WHERE state='quarantined' AND kind=$1 AND refusal IS NOT DISTINCT FROM $2 \
             AND seq>$3 ORDER BY seq LIMIT $4"
        );
        self.list(&find, &[&group.kind, &group.reason, &after, &count(limit)], read_push)
    }

    fn release_quarantined_for(&mut self, group: PushGroup<'_>) -> Result<usize> {
        let release = "UPDATE push SET state='received' WHERE state='quarantined' AND kind=$1
            AND refusal IS NOT DISTINCT FROM $2";
        self.run(release, &[&group.kind, &group.reason])
    }

    fn beat(&mut self, gateway: &GatewayRow, from: Millis) -> Result<()> {
        let GatewayRow { id, host, version, seen_at, keys } = gateway;
        let set = "INSERT INTO gateway (id, host, version, seen_at, keys) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO UPDATE SET seen_at=$4, keys=$5";
        self.later(set, &[id, host, version, seen_at, keys])?;
        self.later("DELETE FROM gateway WHERE seen_at<$1", &[&from])
    }

    fn gateways(&mut self) -> Result<Vec<GatewayRow>> {
        let find = "SELECT id, host, version, seen_at, keys FROM gateway ORDER BY seq";
        self.list(find, &[], |row| {
            Ok(GatewayRow {
                id: row.try_get(0)?,
                host: row.try_get(1)?,
                version: row.try_get(2)?,
                seen_at: row.try_get(3)?,
                keys: row.try_get(4)?,
            })
        })
    }

    fn push_reasons(&mut self) -> Result<Vec<PushReason>> {
        let reasons = "SELECT kind, refusal, count(*), coalesce(sum(bytes), 0)::bigint FROM push
            WHERE state='quarantined' GROUP BY kind, refusal ORDER BY kind, refusal NULLS FIRST";
        self.list(reasons, &[], |row| {
            let (rows, bytes): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            Ok((row.try_get(0)?, row.try_get(1)?, rows.unsigned_abs(), bytes.unsigned_abs()))
        })
    }
}
