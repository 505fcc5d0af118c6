//! How a transaction begins: what it locks, as advisory locks of its schema, so that those of another one in the same database are not
//! in its way.

use super::schema;
use crate::crypto::sha256;
use crate::store::Beside;

/// How a transaction begins that changes nothing.
pub(super) const READS: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What makes a transaction that none of our others runs beside, as a migration has to.
pub(super) fn alone() -> String {
    format!("SELECT pg_advisory_xact_lock({}, {})", schema::class(), schema::ALL)
}

/// Begins a transaction for jobs that run beside `those`: with all their locks, sorted, or with the one that all others share. One that runs
/// beside everything holds none, and sees what is committed now.
pub(super) fn beginning<'b>(those: impl IntoIterator<Item = &'b Beside>) -> String {
    let (mut numbers, mut is_alone, mut reads) = (Vec::new(), false, true);
    for beside in those {
        match beside {
            Beside::Everything => {}
            Beside::Nothing => (is_alone, reads) = (true, false),
            Beside::Locks(names) => {
                reads = false;
                numbers.extend(names.iter().map(|name| number_of(name)));
            }
        }
    }
    if reads {
        return READS.to_owned();
    }
    let mut begin = "BEGIN ISOLATION LEVEL READ COMMITTED; ".to_owned();
    if is_alone {
        begin.push_str(&alone());
    } else {
        let class = schema::class();
        begin.push_str(&format!("SELECT pg_advisory_xact_lock_shared({class}, {})", schema::ALL));
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            begin.push_str(&format!("; SELECT pg_advisory_xact_lock({class}, {number})"));
        }
    }
    begin
}

/// Two names may have one number, and then wait for each other. 0 is that of all, and 1 that of the schema.
pub(super) fn number_of(name: &str) -> i32 {
    let hash = sha256(name.as_bytes());
    let number = hash.first_chunk::<4>().map_or(2, |bytes| i32::from_be_bytes(*bytes));
    if matches!(number, schema::ALL | schema::LOCK) { 2 } else { number }
}
