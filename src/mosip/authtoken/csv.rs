//! The file of `POST /authtoken/csv` (RFC 4180). A row is a line, or several where a quoted cell goes over a line break.
//!
//! A defect in one row must not spoil the rows after it: a quotation mark that is left open would turn the rest of the file into one cell.
//! So several lines form one row only if that row has as many cells as the header.

use bytes::Bytes;
use csv::StringRecord;

use super::Refused;
use super::batch::{Batch, People};
use super::request::{self, Person};
use crate::mosip::ida::{IdLengths, MOST_RECORDS};

/// Reads the form field `request` and the file, whose first row names the columns. A file without a record is a batch without one.
pub fn read_csv(request: &[u8], file: Bytes, lengths: IdLengths) -> Result<Batch, Refused> {
    let request = request::parse(request)?;
    let delimiter = match request.csv_delimiter.as_deref().map(str::as_bytes) {
        None => b',',
        Some(&[delimiter]) if delimiter != b'"' => delimiter,
        Some(_) => return Err(Refused::INVALID),
    };
    let mut header =
        Rows { rest: file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file), delimiter, columns: None };
    let columns = header.next().transpose().map_err(|_| Refused::INVALID)?.unwrap_or_default();
    let columns = Columns::new(columns).ok_or(Refused::INVALID)?;
    let file = File { rows: file.slice_ref(header.rest), columns, delimiter };
    if file.rows().nth(MOST_RECORDS).is_some() {
        return Err(Refused::INVALID);
    }
    Ok(Batch::new(request, People::Rows(file), lengths))
}

/// A file whose header has been read.
pub(super) struct File {
    rows: Bytes,
    columns: Columns,
    delimiter: u8,
}

impl File {
    fn rows(&self) -> Rows<'_> {
        Rows { rest: &self.rows, delimiter: self.delimiter, columns: Some(self.columns.names.len()) }
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.rows.len()
    }

    /// Its rows in order, each with the names of its columns, or the reason why it is refused.
    pub(super) fn people(&self) -> impl Iterator<Item = Result<impl Person, Refused>> {
        self.rows().map(|row| {
            let cells = row?;
            if cells.len() == self.columns.names.len() {
                Ok(Named { columns: &self.columns, cells })
            } else {
                Err(Refused::ROW_LENGTH)
            }
        })
    }
}

/// The names of columns.
struct Columns {
    names: StringRecord,
    /// Their places, sorted by name. Columns without a name are sorted by place.
    by_name: Vec<usize>,
}

impl Columns {
    /// `None` where two columns have one name. Nothing says which of them is meant, and IDA might be asked about the wrong person.
    fn new(names: StringRecord) -> Option<Self> {
        let mut by_name: Vec<usize> = (0..names.len()).collect();
        by_name.sort_by_key(|place| names.get(*place));
        let is_twice = |pair: &[usize]| match pair {
            [one, other] => names.get(*one) == names.get(*other) && names.get(*one) != Some(""),
            _ => false,
        };
        if by_name.windows(2).any(is_twice) { None } else { Some(Self { names, by_name }) }
    }

    /// The place of the column `name`. Of the columns without a name it is the last one.
    fn place(&self, name: &str) -> Option<usize> {
        let behind = self.by_name.partition_point(|place| self.names.get(*place) <= Some(name));
        let place = *self.by_name.get(behind.checked_sub(1)?)?;
        (self.names.get(place) == Some(name)).then_some(place)
    }
}

/// A row that has as many cells as the header.
struct Named<'f> {
    columns: &'f Columns,
    cells: StringRecord,
}

impl Person for Named<'_> {
    /// A cell has no members that a dot could lead into.
    fn text_at(&self, path: &str) -> Option<String> {
        self.cells.get(self.columns.place(path)?).map(str::to_owned)
    }
}

/// The rows of a file that are not empty.
struct Rows<'f> {
    rest: &'f [u8],
    delimiter: u8,
    /// The number of cells of the header, once it is read.
    columns: Option<usize>,
}

impl Iterator for Rows<'_> {
    type Item = Result<StringRecord, Refused>;

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

/// The lines of `file` up to the one that closes the quotation that the first line leaves open, and the rest of the file.
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

/// Whether `line` leaves a quotation open.
fn is_open(line: &[u8]) -> bool {
    !memchr::memchr_iter(b'"', line).count().is_multiple_of(2)
}

/// Whether every quotation mark of `row` stands around a cell or is doubled inside one. Where a mark was left open, the next mark in the
/// file usually stands before text, which this check finds.
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

fn fields(row: &[u8], delimiter: u8) -> Result<StringRecord, Refused> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        // By default the reader ends a row at a carriage return and ignores the rest.
        .terminator(csv::Terminator::Any(b'\n'))
        .flexible(true)
        .trim(csv::Trim::All)
        .buffer_capacity(256)
        .from_reader(row);
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record),
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
        let batch = read_csv(br#"{"request":{}}"#, file.into(), IdLengths::default()).ok().unwrap();
        let refusals: Vec<_> = batch.lines().map(|line| line.record.err()).collect();
        assert_eq!(refusals, [Some(Refused::ROW_LENGTH), None]);
    }

    const PERSON: &str = "4152630978,Leila,Female,1990/03/14";

    /// What became of each row of a file with an address.
    fn rows(rows: &str) -> Vec<Option<Refused>> {
        let file = format!("vid,name,gender,dob,fullAddress\n{rows}");
        let batch = read_csv(br#"{"request":{}}"#, file.into(), IdLengths::default()).ok().unwrap();
        batch.lines().map(|line| line.record.err()).collect()
    }

    #[test]
    fn a_quoted_cell_goes_over_line_breaks() {
        for cell in ["\"1 Long Street\nFloor 2\"", "\"a\r\n\r\nb \"\"c\"\",\n d\""] {
            assert_eq!(rows(&format!("{PERSON},{cell}\r\n{PERSON},x\n")), [None, None], "{cell:?}");
        }
        let header = "vid,name,gender,dob,\"full\nAddress\"\n";
        let file = format!("{header}{PERSON},x");
        let mapping = br#"{"request":{"mapping":{"fullAddress":["full\nAddress"]}}}"#;
        let batch = read_csv(mapping, file.into(), IdLengths::default()).ok().unwrap();
        assert!(batch.lines().all(|line| line.record.is_ok()));
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
            let batch = read_csv(
                br#"{"request":{"output":"csv"}}"#,
                Bytes::from_static(file.as_bytes()),
                IdLengths::default(),
            );
            assert!(batch.is_ok_and(|batch| batch.is_hopeless && batch.lines().next().is_none()), "{file:?}");
        }
        let broken =
            read_csv(br#"{"request":{}}"#, Bytes::from_static(b"\"vid,name\n"), IdLengths::default());
        assert_eq!(broken.err(), Some(Refused::INVALID));
    }

    /// What becomes of a column that a dot, an empty name or two mappings lead to.
    #[test]
    fn a_mapping_finds_whole_names_of_columns_and_of_nameless_ones_the_last() {
        let file = "card.number,,first,\n4152630978,Nobody,Leila,Karim\n";
        for (mapping, wanted) in [
            (r#""vid":"card.number","name":["first",""],"gender":"first""#, Ok("Leila Karim")),
            (r#""vid":"card","name":["first"],"gender":"first""#, Err(Refused::VID_ABSENT)),
            (r#""vid":"card.number","name":["first.x"],"gender":"first""#, Err(Refused::NAME_ABSENT)),
        ] {
            let request = format!(r#"{{"request":{{"mapping":{{{mapping},"dob":"born"}}}}}}"#);
            let file = file.replace("\n4", ",born\n4").replace("Karim\n", "Karim,1990/03/14\n");
            let batch = read_csv(request.as_bytes(), file.into(), IdLengths::default()).ok().unwrap();
            for read in ["first", "second"] {
                let line = batch.lines().next().unwrap();
                let name = line.record.map(|record| {
                    let kept: serde_json::Value = serde_json::from_slice(&record.into_kept()).unwrap();
                    kept["demographics"]["name"][0]["value"].as_str().unwrap().to_owned()
                });
                assert_eq!(name, wanted.map(str::to_owned), "{mapping}, {read}");
            }
        }
    }

    #[test]
    fn cells_stand_between_the_delimiter_that_is_asked_for() {
        let read = |delimiter: &str| {
            let file = format!("vid;name;gender;dob\n{}\n", PERSON.replace(',', ";"));
            let request = serde_json::json!({ "request": { "csvDelimiter": delimiter } }).to_string();
            let batch = read_csv(request.as_bytes(), file.into(), IdLengths::default())?;
            assert_eq!(batch.size(), PERSON.len() + 1, "what the records take, without the header");
            Ok(batch.lines().map(|line| line.record.err()).collect::<Vec<_>>())
        };
        assert_eq!(read(";"), Ok(vec![None]));
        assert_eq!(read(","), Ok(vec![Some(Refused::VID_ABSENT)]));
        for no_delimiter in ["", "\"", ";;", "é"] {
            assert_eq!(read(no_delimiter), Err(Refused::INVALID), "{no_delimiter}");
        }
    }

    #[test]
    fn a_file_of_more_records_than_a_list_may_have_is_refused() {
        let read = |records: usize| {
            read_csv(
                br#"{"request":{}}"#,
                format!("vid\n{}", "1\n".repeat(records)).into(),
                IdLengths::default(),
            )
        };
        assert_eq!(read(MOST_RECORDS).ok().unwrap().lines().count(), MOST_RECORDS);
        assert_eq!(read(MOST_RECORDS + 1).err(), Some(Refused::INVALID));
    }
}
