//! The file of `POST /authtoken/csv` (RFC 4180). A row is a line, or several where a quoted cell goes over a line break.
//!
//! What is broken in one row ends with it: a quotation mark that is left open would take all that follows for one cell. So lines are
//! one row only if that row is as wide as the header.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Refused;
use super::request::{self, Batch};
use crate::mosip::ida::{IdLengths, ListedRecord, MOST_RECORDS};

/// Reads the form field `request` and the file, whose first row names the columns. A file without a record is a batch without one.
pub fn read_csv(request: &[u8], file: &[u8], lengths: IdLengths) -> Result<Batch, Refused> {
    let request = request::parse(request)?;
    let delimiter = match request.csv_delimiter.as_deref().map(str::as_bytes) {
        None => b',',
        Some(&[delimiter]) if delimiter != b'"' => delimiter,
        Some(_) => return Err(Refused::INVALID),
    };
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut rows = Rows { rest: file, delimiter, columns: None };
    let columns = rows.next().transpose().map_err(|_| Refused::INVALID)?.unwrap_or_default();
    let names: BTreeSet<&String> = columns.iter().filter(|name| !name.is_empty()).collect();
    if names.len() != columns.iter().filter(|name| !name.is_empty()).count() {
        // Two columns have one name, and nothing says which counts: IDA might be asked about another person.
        return Err(Refused::INVALID);
    }
    rows.columns = Some(columns.len());
    let mut lines = Vec::new();
    for row in rows {
        if lines.len() == MOST_RECORDS {
            return Err(Refused::INVALID);
        }
        lines.push(match row.and_then(|fields| named(&columns, fields)) {
            Ok(person) => request.line(&person, lengths),
            Err(refused) => ListedRecord { id: String::new(), record: Err(refused) },
        });
    }
    Ok(Batch { form: request.output.unwrap_or_default(), lines })
}

/// The rows of a file that are not empty.
struct Rows<'f> {
    rest: &'f [u8],
    delimiter: u8,
    /// How many the header has, once it is read.
    columns: Option<usize>,
}

impl Iterator for Rows<'_> {
    type Item = Result<Vec<String>, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let from = self.rest;
            let (line, after) = split_line(from)?;
            self.rest = after;
            if line.trim_ascii().is_empty() {
                continue;
            }
            if !is_open(line) {
                return Some(fields(line, self.delimiter));
            }
            if let Some((row, after)) = split_row(from)
                && quotes_whole_cells(row, self.delimiter)
                && let Ok(fields) = fields(row, self.delimiter)
                && self.columns.is_none_or(|columns| columns == fields.len())
            {
                self.rest = after;
                return Some(Ok(fields));
            }
            return Some(Err(Refused::ROW_QUOTES));
        }
    }
}

/// The first line of `file`, without its end, and what follows.
fn split_line(file: &[u8]) -> Option<(&[u8], &[u8])> {
    if file.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', file).unwrap_or(file.len());
    let (line, after) = file.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), after.get(1..).unwrap_or_default()))
}

/// The lines of `file` up to the one that closes what the first one leaves open, and what follows.
fn split_row(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut rest, mut open) = (file, false);
    loop {
        let (line, after) = split_line(rest)?;
        open ^= is_open(line);
        rest = after;
        if !open {
            let row = file.get(..file.len() - rest.len())?.trim_ascii_end();
            return Some((row, rest));
        }
    }
}

/// Whether a quotation mark of `line` is not closed in it.
fn is_open(line: &[u8]) -> bool {
    !memchr::memchr_iter(b'"', line).count().is_multiple_of(2)
}

/// Whether every quotation mark of `row` stands around a cell or is doubled inside one. Of a mark that was left open and the next one
/// further down the second mostly stands before text.
fn quotes_whole_cells(row: &[u8], delimiter: u8) -> bool {
    let mut rest = row;
    loop {
        let end = match rest.split_first() {
            Some((b'"', inside)) => {
                let mut inside = inside;
                loop {
                    let Some(mark) = memchr::memchr(b'"', inside) else { return false };
                    inside = inside.get(mark + 1..).unwrap_or_default();
                    match inside.strip_prefix(b"\"") {
                        Some(further) => inside = further,
                        None => break rest.len() - inside.len(),
                    }
                }
            }
            _ => memchr::memchr2(delimiter, b'\n', rest).unwrap_or(rest.len()),
        };
        let (cell, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if cell.first() != Some(&b'"') && cell.contains(&b'"') {
            return false;
        }
        match after.split_first() {
            None => return true,
            Some((next, further)) if *next == delimiter => rest = further,
            Some(_) => return false,
        }
    }
}

fn named(columns: &[String], fields: Vec<String>) -> Result<Map<String, Value>, Refused> {
    if fields.len() != columns.len() {
        return Err(Refused::ROW_LENGTH);
    }
    Ok(columns.iter().cloned().zip(fields.into_iter().map(Value::String)).collect())
}

fn fields(row: &[u8], delimiter: u8) -> Result<Vec<String>, Refused> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        // By itself the reader would end a row at a carriage return, and what follows would be overlooked.
        .terminator(csv::Terminator::Any(b'\n'))
        .flexible(true)
        .trim(csv::Trim::All)
        .buffer_capacity(256)
        .from_reader(row);
    let (mut record, mut further) = (csv::StringRecord::new(), csv::StringRecord::new());
    match (reader.read_record(&mut record), reader.read_record(&mut further)) {
        (Ok(true), Ok(false)) => Ok(record.iter().map(str::to_owned).collect()),
        // A quotation mark that stands inside a cell opens none, so that the row has ended before.
        (Ok(true), Ok(true)) => Err(Refused::ROW_QUOTES),
        _ => Err(Refused::ROW_NOT_TEXT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carriage_return_inside_a_row_does_not_hide_what_follows() {
        let row = "4152630978,Leila,Female,1990/03/14";
        let file = format!("vid,name,gender,dob\n{row}\r{row}\n{row}\r\n");
        let batch = read_csv(br#"{"request":{}}"#, file.as_bytes(), IdLengths::default()).ok().unwrap();
        let refusals: Vec<_> = batch.lines.iter().map(|line| line.record.as_ref().err().copied()).collect();
        assert_eq!(refusals, [Some(Refused::ROW_LENGTH), None]);
    }

    const PERSON: &str = "4152630978,Leila,Female,1990/03/14";

    /// What became of each row of a file with an address.
    fn rows(rows: &str) -> Vec<Option<Refused>> {
        let file = format!("vid,name,gender,dob,fullAddress\n{rows}");
        let batch = read_csv(br#"{"request":{}}"#, file.as_bytes(), IdLengths::default()).ok().unwrap();
        batch.lines.iter().map(|line| line.record.as_ref().err().copied()).collect()
    }

    #[test]
    fn a_quoted_cell_goes_over_line_breaks() {
        for cell in ["\"1 Long Street\nFloor 2\"", "\"a\r\n\r\nb \"\"c\"\",\n d\""] {
            assert_eq!(rows(&format!("{PERSON},{cell}\r\n{PERSON},x\n")), [None, None], "{cell:?}");
        }
        let header = "vid,name,gender,dob,\"full\nAddress\"\n";
        let file = format!("{header}{PERSON},x");
        let mapping = br#"{"request":{"mapping":{"fullAddress":["full\nAddress"]}}}"#;
        let batch = read_csv(mapping, file.as_bytes(), IdLengths::default()).ok().unwrap();
        assert!(batch.lines.iter().all(|line| line.record.is_ok()));
    }

    #[test]
    fn a_quotation_mark_that_is_left_open_spoils_its_own_row_alone() {
        let quotes = Some(Refused::ROW_QUOTES);
        assert_eq!(rows(&format!("{PERSON},\"x\n{PERSON},x\n{PERSON},x\n")), [quotes, None, None]);
        // Of two rows that are broken so, neither takes what stands between.
        assert_eq!(
            rows(&format!("{PERSON},\"x\n{PERSON},x\n{PERSON},\"x\n{PERSON},x")),
            [quotes, None, quotes, None]
        );
        assert_eq!(rows(&format!("{PERSON},5\" x\n{PERSON},x\n{PERSON},5\" x\n")), [quotes, None, quotes]);
        assert_eq!(rows("\"\"\"\n"), [quotes]);
    }

    #[test]
    fn a_file_without_a_record_is_a_batch_without_one() {
        assert_eq!(rows(""), []);
        for file in ["", "\n\n", "\u{feff}"] {
            let batch = read_csv(br#"{"request":{"output":"csv"}}"#, file.as_bytes(), IdLengths::default());
            assert!(batch.is_ok_and(|batch| batch.lines.is_empty()), "{file:?}");
        }
        let broken = read_csv(br#"{"request":{}}"#, b"\"vid,name\n", IdLengths::default());
        assert_eq!(broken.err(), Some(Refused::INVALID));
    }
}
