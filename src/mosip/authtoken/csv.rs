//! The file of `POST /authtoken/csv`. A row is a line: what is broken in one row ends with it.

use serde_json::{Map, Value};

use super::Refused;
use super::request::{self, Batch};
use crate::mosip::ida::{IdLengths, Line, MOST_RECORDS};

/// Reads the form field `request` and the file, whose first line names the columns.
pub fn read_csv(request: &[u8], file: &[u8], lengths: IdLengths) -> Result<Batch, Refused> {
    let request = request::parse(request)?;
    let delimiter = match request.csv_delimiter.as_deref().map(str::as_bytes) {
        None => b',',
        Some(&[delimiter]) if delimiter != b'"' => delimiter,
        Some(_) => return Err(Refused::INVALID),
    };
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut rows = file
        .split(|byte| *byte == b'\n')
        .map(|row| row.strip_suffix(b"\r").unwrap_or(row))
        .filter(|row| !row.trim_ascii().is_empty());
    if rows.clone().count() > MOST_RECORDS {
        return Err(Refused::INVALID);
    }
    let columns = rows.next().and_then(|row| fields(row, delimiter).ok()).ok_or(Refused::INVALID)?;
    let lines: Vec<Line<Refused>> = rows
        .map(|row| match named(&columns, row, delimiter) {
            Ok(person) => request.line(&person, lengths),
            Err(refused) => Line { id: String::new(), record: Err(refused) },
        })
        .collect();
    if lines.is_empty() {
        return Err(Refused::INVALID);
    }
    Ok(Batch { form: request.output.unwrap_or_default(), lines })
}

fn named(columns: &[String], row: &[u8], delimiter: u8) -> Result<Map<String, Value>, Refused> {
    let fields = fields(row, delimiter)?;
    if fields.len() != columns.len() {
        return Err(Refused::ROW_LENGTH);
    }
    Ok(columns.iter().cloned().zip(fields.into_iter().map(Value::String)).collect())
}

fn fields(row: &[u8], delimiter: u8) -> Result<Vec<String>, Refused> {
    if row.iter().filter(|byte| **byte == b'"').count() % 2 != 0 {
        return Err(Refused::ROW_QUOTES);
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        // By itself the reader would end a row at a carriage return, and what follows would be overlooked.
        .terminator(csv::Terminator::Any(b'\n'))
        .trim(csv::Trim::All)
        .buffer_capacity(256)
        .from_reader(row);
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record.iter().map(str::to_owned).collect()),
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
}
