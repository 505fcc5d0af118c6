//! What is old is forgotten, some of it at a time.

use super::names::Indexed;
use super::tx::Transaction;
use crate::error::Result;
use crate::store::Millis;

/// Rows that one call of [`forget`] takes from a table, so that a caller who posts does not wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// What [`Tx::erase_tokens`](crate::store::Tx::erase_tokens) does.
pub(super) fn erase_tokens(tx: &Transaction<'_>, now: Millis) -> Result<usize> {
    let ended = format!(
        "SELECT seq FROM correlation WHERE token IS NOT NULL AND token_until<=?1 LIMIT {FORGOTTEN_AT_ONCE}"
    );
    tx.run(&format!("UPDATE correlation SET token=NULL WHERE seq IN ({ended})"), [now])
}

/// What [`Tx::forget`](crate::store::Tx::forget) does.
pub(super) fn forget(tx: &Transaction<'_>, settled: Millis, seen: Millis) -> Result<()> {
    let old = |column| {
        format!(
            "SELECT {column} FROM entry WHERE settled_at<=?1 ORDER BY settled_at, seq LIMIT {FORGOTTEN_AT_ONCE}"
        )
    };
    let identities = format!("SELECT seq, hash FROM entry_identity WHERE seq IN ({})", old("seq"));
    for (seq, hash) in tx.list(&identities, [settled], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))? {
        tx.remember_identity(seq, &hash)?;
    }
    tx.run(&format!("DELETE FROM entry WHERE id IN ({})", old("id")), [settled])?;
    let records = format!(
        "DELETE FROM job_record WHERE seq IN (SELECT job_record.seq FROM job JOIN job_record \
         ON job_record.job=job.seq WHERE job.settled_at<=?1 LIMIT {FORGOTTEN_AT_ONCE})"
    );
    tx.run(&records, [settled])?;
    let jobs = "DELETE FROM job WHERE settled_at<=?1 AND NOT EXISTS
        (SELECT 1 FROM job_record WHERE job=job.seq)";
    tx.run(jobs, [settled])?;
    for (table, condition) in [
        ("identity", "seen_at<=?1 AND last_state IS NOT NULL"),
        ("idempotency", "seen_at<=?1"),
        ("verified", "seen_at<=?1"),
    ] {
        let forget = format!(
            "DELETE FROM {table} WHERE hash IN (SELECT hash FROM {table} WHERE {condition} LIMIT {FORGOTTEN_AT_ONCE})"
        );
        tx.run(&forget, [seen])?;
    }
    let old = format!(
        "SELECT correlation.seq, correlation.entry, names FROM correlation LEFT JOIN entry ON entry.id=correlation.entry \
         WHERE made_at<=?1 AND (expected_by IS NULL OR expected_by<=?1) \
         AND (entry.state IS NULL OR entry.state IN ('done', 'discarded')) \
         ORDER BY made_at, correlation.seq LIMIT {FORGOTTEN_AT_ONCE}"
    );
    let old = tx.list(&old, [seen], Indexed::read)?;
    tx.delete_correlations(&old)
}
