//! The tables of an outbox with their columns, and the form in which a row moves: the same whatever database it was read from.

use crate::crypto::Sha256;

/// What a column holds. A value may be absent in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    /// A number that is 0 or 1.
    Flag,
    Text,
    Bytes,
    /// The names of a correlation, [`NAME`] bytes each, one behind the other in any order. A backend may keep them in a table of its own.
    Names,
}

/// Bytes of a name of a correlation.
pub(crate) const NAME: usize = 32;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// A table that moves.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// How many columns, the first ones, tell a row from all others and put the rows in order.
    pub(crate) key: usize,
    pub(crate) columns: &'static [Column],
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The values of a row, in the order of the columns of its table.
pub(crate) type Values = Vec<Value>;

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number }
}

const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Flag }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes }
}

const fn table(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, key, columns }
}

/// Every table that moves. A row comes behind the rows that it names.
pub(crate) const TABLES: [Table; 11] = [
    table("meta", 1, &[text("name"), number("value"), bytes("sealed")]),
    table(
        "entry",
        1,
        &[
            number("seq"),
            text("id"),
            text("destination"),
            text("kind"),
            text("line"),
            text("state"),
            number("attempts"),
            flag("sent"),
            number("accepted_at"),
            number("waiting_since"),
            number("next_at"),
            number("lease_until"),
            number("settled_at"),
            text("fault"),
            text("refusal"),
            text("reason"),
            flag("held"),
            number("position"),
            bytes("payload"),
            bytes("progress"),
            bytes("aid"),
            text("trace"),
        ],
    ),
    table(
        "attempt",
        2,
        &[number("entry"), number("number"), number("ended_at"), text("outcome"), text("upstream")],
    ),
    table("job", 1, &[number("seq"), text("id"), text("form"), number("made_at"), number("settled_at")]),
    table(
        "job_record",
        1,
        &[
            number("seq"),
            text("id"),
            number("job"),
            number("number"),
            text("destination"),
            text("kind"),
            text("line"),
            text("state"),
            number("attempts"),
            flag("sent"),
            number("accepted_at"),
            number("waiting_since"),
            number("next_at"),
            number("lease_until"),
            number("settled_at"),
            text("fault"),
            text("refusal"),
            text("reason"),
            flag("held"),
            number("position"),
            bytes("payload"),
            bytes("progress"),
            bytes("result"),
            text("trace"),
        ],
    ),
    table(
        "delivery",
        1,
        &[
            number("seq"),
            text("id"),
            text("settled_by"),
            text("destination"),
            text("kind"),
            text("line"),
            text("state"),
            number("attempts"),
            flag("sent"),
            number("accepted_at"),
            number("waiting_since"),
            number("next_at"),
            number("lease_until"),
            number("settled_at"),
            text("fault"),
            text("refusal"),
            text("reason"),
            flag("held"),
            number("position"),
            bytes("body"),
            bytes("progress"),
            bytes("result"),
            text("trace"),
        ],
    ),
    table("identity", 1, &[bytes("hash"), text("entry"), text("last_state"), number("seen_at")]),
    table("idempotency", 1, &[bytes("hash"), bytes("identity"), number("seen_at")]),
    table("verified", 1, &[bytes("hash"), number("seen_at")]),
    table(
        "push",
        1,
        &[
            number("seq"),
            text("id"),
            text("kind"),
            text("state"),
            number("received_at"),
            number("bytes"),
            text("refusal"),
            bytes("body"),
        ],
    ),
    table(
        "correlation",
        1,
        &[
            number("seq"),
            text("entry"),
            number("made_at"),
            bytes("subject"),
            Column { name: "names", kind: Kind::Names },
            number("expected_by"),
            text("outcome"),
            bytes("answer"),
            bytes("token"),
            number("token_until"),
        ],
    ),
];

/// Rows of `meta` that stay: what each backend counts in its own way, what tells of a copy, and who holds a task.
fn stays(name: &str) -> bool {
    const OWN: [&str; 8] =
        ["uptime", "position", "named", "identified", "lined", "trials", super::MARK, super::CAME];
    OWN.contains(&name) || name.starts_with("holder ") || name.starts_with("until ")
}

impl Table {
    /// Whether its rows are numbered, so that a number is never given twice.
    pub(crate) fn is_numbered(&self) -> bool {
        self.columns.first().is_some_and(|column| column.name == "seq")
    }

    /// The columns that tell its rows apart, with commas.
    pub(crate) fn key_names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().take(self.key).map(|column| column.name).collect();
        names.join(", ")
    }

    /// What tells `row` from all others.
    pub(super) fn key_of(&self, row: &[Value]) -> Values {
        row.iter().take(self.key).cloned().collect()
    }

    /// `row` as it moves; `None`: it stays. Who had leased it is gone, so that it is due at once. A text keeps no NUL, which `PostgreSQL` does not
    /// take.
    pub(super) fn moved(&self, mut row: Values) -> Option<Values> {
        if self.name == "meta" && matches!(row.first(), Some(Value::Text(name)) if stays(name)) {
            return None;
        }
        let is_leased = |(column, value): (&Column, &Value)| {
            column.name == "state" && matches!(value, Value::Text(state) if state == "leased")
        };
        let was_leased = self.columns.iter().zip(&row).any(is_leased);
        for (column, value) in self.columns.iter().zip(&mut row) {
            match (column.name, &mut *value) {
                ("lease_until", value) => *value = Value::Null,
                ("state", Value::Text(state)) if was_leased => "queued".clone_into(state),
                ("next_at", Value::Number(next_at)) if was_leased => *next_at = 0,
                (_, Value::Text(text)) if text.contains('\0') => *text = text.replace('\0', "\u{FFFD}"),
                (_, Value::Bytes(names)) if column.kind == Kind::Names => {
                    let mut each: Vec<&[u8]> = names.chunks(NAME).collect();
                    each.sort_unstable();
                    each.dedup();
                    *names = each.concat();
                }
                _ => {}
            }
        }
        Some(row)
    }
}

/// How many rows there were, and what they held.
#[derive(Default)]
pub(super) struct Sum {
    rows: u64,
    digest: Sha256,
}

impl Sum {
    pub(super) fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            let (kind, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Number(number) => (1, &number.to_be_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes),
            };
            self.digest.update(&[kind]);
            self.digest.update(&(bytes.len() as u64).to_be_bytes());
            self.digest.update(bytes);
        }
    }

    pub(super) fn end(self) -> (u64, [u8; 32]) {
        (self.rows, self.digest.end())
    }
}
