//! The canonical form of a JSON text (RFC 8785), made without building a tree: members are sorted by name, white space is left out, and
//! each string is spelled in one way. It differs from RFC 8785 in two points where that standard would lose information. A number keeps
//! its text, since `1.0` and `1`, or two integers that are one `f64`, need not mean the same. A lone surrogate, which is no character
//! but can occur in JSON, is written as its escape.
//!
//! Beyond the text it needs 4 bytes for each member and 8 for each object, and only for objects with two members or more. The time is
//! that of sorting the names, however deep the text is nested.

use std::cmp::Ordering;

use serde::de::IgnoredAny;

/// Arrays and objects inside one another, at most.
pub(super) const MOST_LEVELS: usize = 128;

/// Why a text has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not JSON. Line and column of the place, counted from 1.
    NotJson(usize, usize),
    /// It is larger than 4 GiB.
    Large,
    /// It is nested deeper than [`MOST_LEVELS`]. Holds the place in bytes.
    Deep(usize),
    /// An object has two members of one name. Holds the place of the second one in bytes.
    Repeated(usize),
}

/// Receives a canonical form, and decides how numbers and lone surrogates are written. A closure receives the form of this file.
pub(super) trait Sink {
    /// The next piece of the text.
    fn piece(&mut self, piece: &str);

    /// A number, as its text came.
    fn number(&mut self, text: &str) {
        self.piece(text);
    }

    /// A surrogate that stands alone.
    fn lone_surrogate(&mut self, unit: u16) {
        self.piece(&format!("\\u{unit:04x}"));
    }
}

impl<F: FnMut(&str)> Sink for F {
    fn piece(&mut self, piece: &str) {
        self(piece);
    }
}

/// Writes exactly RFC 8785, in which numbers are floating-point numbers.
pub(super) struct Rfc8785<F> {
    sink: F,
    is_writable: bool,
}

impl<F: FnMut(&str)> Rfc8785<F> {
    pub(super) const fn new(sink: F) -> Self {
        Self { sink, is_writable: true }
    }

    /// Whether RFC 8785 can write the text: it holds neither a number beyond the largest `f64` nor a lone surrogate.
    pub(super) const fn is_writable(&self) -> bool {
        self.is_writable
    }
}

impl<F: FnMut(&str)> Sink for Rfc8785<F> {
    fn piece(&mut self, piece: &str) {
        (self.sink)(piece);
    }

    fn number(&mut self, text: &str) {
        let number = serde_json::from_str::<serde_json::Number>(text);
        match number.and_then(|number| serde_json_canonicalizer::to_string(&number)) {
            Ok(written) => self.piece(&written),
            Err(_) => self.is_writable = false,
        }
    }

    fn lone_surrogate(&mut self, _: u16) {
        self.is_writable = false;
    }
}

/// A JSON text in which each object has each name once, and the places of its members.
pub(super) struct Ordered<'t> {
    text: &'t str,
    /// For each object of two members or more, in the order of the text: where it begins, and which of `names` belong to it.
    objects: Vec<(u32, u32)>,
    /// For each of these objects: how many members it has, followed by the places of their names, sorted.
    names: Vec<u32>,
}

impl<'t> Ordered<'t> {
    /// Reads `text`.
    pub(super) fn read(text: &'t str) -> Result<Self, Fault> {
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|error| Fault::NotJson(error.line(), error.column()))?;
        Self::of_json(text)
    }

    /// As [`Self::read`], of a text that is known to be JSON.
    pub(super) fn of_json(text: &'t str) -> Result<Self, Fault> {
        u32::try_from(text.len()).map_err(|_| Fault::Large)?;
        let mut found = Self { text, objects: Vec::new(), names: Vec::new() };
        // For each open array or object: where it begins, and for an object how many names were pending before it.
        let mut open: Vec<(usize, Option<usize>)> = Vec::new();
        let mut pending: Vec<u32> = Vec::new();
        let mut at = 0;
        while let Some(byte) = text.as_bytes().get(at) {
            match byte {
                b'"' => {
                    let end = string_end(text, at);
                    if text.as_bytes().get(skip_space(text, end)) == Some(&b':') {
                        pending.push(offset(at));
                    }
                    at = end;
                    continue;
                }
                b'[' => open.push((at, None)),
                b'{' => open.push((at, Some(pending.len()))),
                b']' => drop(open.pop()),
                b'}' => {
                    if let Some((start, Some(first))) = open.pop() {
                        found.close(start, pending.split_off(first.min(pending.len())))?;
                    }
                }
                _ => {}
            }
            if open.len() > MOST_LEVELS {
                return Err(Fault::Deep(at));
            }
            at += 1;
        }
        found.objects.sort_unstable();
        Ok(found)
    }

    /// Stores the names of an object that has been read to its end.
    fn close(&mut self, start: usize, mut names: Vec<u32>) -> Result<(), Fault> {
        if names.len() < 2 {
            return Ok(());
        }
        let text = self.text;
        names.sort_unstable_by(|a, b| compare(name_at(text, *a), name_at(text, *b)));
        for (one, next) in names.iter().zip(names.iter().skip(1)) {
            if compare(name_at(text, *one), name_at(text, *next)) == Ordering::Equal {
                return Err(Fault::Repeated(to_usize(*one.max(next))));
            }
        }
        self.objects.push((offset(start), offset(self.names.len())));
        self.names.push(offset(names.len()));
        self.names.append(&mut names);
        Ok(())
    }

    /// Hands the canonical form to `sink`, piece by piece.
    pub(super) fn write(&self, sink: &mut impl Sink) {
        self.value(skip_space(self.text, 0), sink);
    }

    /// Writes the value that begins at `at`, and returns where it ends.
    fn value(&self, at: usize, sink: &mut impl Sink) -> usize {
        match self.text.as_bytes().get(at) {
            Some(b'{') => self.object(at, sink),
            Some(b'[') => self.array(at, sink),
            Some(b'"') => {
                write_string(name_at(self.text, offset(at)), sink);
                string_end(self.text, at)
            }
            _ => {
                let rest = self.text.get(at..).unwrap_or_default();
                let len = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                let literal = rest.get(..len).unwrap_or_default();
                match literal.as_bytes().first() {
                    Some(b'-' | b'0'..=b'9') => sink.number(literal),
                    _ => sink.piece(literal),
                }
                at + len
            }
        }
    }

    fn object(&self, at: usize, sink: &mut impl Sink) -> usize {
        let mut end = skip_space(self.text, at + 1);
        sink.piece("{");
        match self.sorted_names(at) {
            Some(names) => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        sink.piece(",");
                    }
                    end = end.max(self.member(to_usize(*name), sink));
                }
            }
            None if self.text.as_bytes().get(end) == Some(&b'"') => end = self.member(end, sink),
            None => {}
        }
        sink.piece("}");
        skip_space(self.text, end) + 1
    }

    fn member(&self, name: usize, sink: &mut impl Sink) -> usize {
        write_string(name_at(self.text, offset(name)), sink);
        sink.piece(":");
        let colon = skip_space(self.text, string_end(self.text, name));
        self.value(skip_space(self.text, colon + 1), sink)
    }

    fn array(&self, at: usize, sink: &mut impl Sink) -> usize {
        sink.piece("[");
        let mut at = skip_space(self.text, at + 1);
        while let Some(byte) = self.text.as_bytes().get(at) {
            match byte {
                b']' => break,
                b',' => {
                    sink.piece(",");
                    at = skip_space(self.text, at + 1);
                }
                _ => at = skip_space(self.text, self.value(at, sink)),
            }
        }
        sink.piece("]");
        at + 1
    }

    fn sorted_names(&self, at: usize) -> Option<&[u32]> {
        let found = self.objects.binary_search_by_key(&offset(at), |(start, _)| *start).ok()?;
        let (_, first) = self.objects.get(found)?;
        let (len, names) = self.names.get(to_usize(*first)..)?.split_first()?;
        names.get(..to_usize(*len))
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// Where the string that begins at `at` ends, its closing quotation mark included.
fn string_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = at + 1;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += next;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// The text between the quotation marks of the string that begins at `at`.
fn name_at(text: &str, at: u32) -> &str {
    let at = to_usize(at);
    text.get(at + 1..string_end(text, at).saturating_sub(1)).unwrap_or_default()
}

/// Compares by UTF-16 unit, as RFC 8785 3.2.3 says.
fn compare(a: &str, b: &str) -> Ordering {
    let is_plain = |name: &str| name.is_ascii() && !name.contains('\\');
    if is_plain(a) && is_plain(b) { a.cmp(b) } else { units(a).cmp(units(b)) }
}

/// The UTF-16 units of a string, with its escapes resolved.
fn units(raw: &str) -> impl Iterator<Item = u16> {
    parts(raw).flat_map(|part| {
        let mut buffer = [0; 2];
        let len = match part {
            Part::Char(c) => c.encode_utf16(&mut buffer).len(),
            Part::Lone(unit) => {
                buffer = [unit, 0];
                1
            }
        };
        buffer.into_iter().take(len)
    })
}

/// A character or a lone surrogate.
enum Part {
    Char(char),
    Lone(u16),
}

/// The characters and lone surrogates of a string, with its escapes resolved.
fn parts(raw: &str) -> impl Iterator<Item = Part> {
    let mut rest = raw.chars();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        if c != '\\' {
            return Some(Part::Char(c));
        }
        Some(match rest.next()? {
            'b' => Part::Char('\u{8}'),
            'f' => Part::Char('\u{c}'),
            'n' => Part::Char('\n'),
            'r' => Part::Char('\r'),
            't' => Part::Char('\t'),
            'u' => {
                let unit = hex(rest.as_str());
                rest = rest.as_str().get(4..).unwrap_or_default().chars();
                let low = rest.as_str().strip_prefix("\\u").map(hex);
                let pair = low.and_then(|low| char::decode_utf16([unit, low]).next()?.ok());
                if pair.is_some_and(|pair| pair.len_utf16() == 2) {
                    rest = rest.as_str().get(6..).unwrap_or_default().chars();
                }
                let alone = || char::decode_utf16([unit]).next().and_then(Result::ok);
                pair.or_else(alone).map_or(Part::Lone(unit), Part::Char)
            }
            itself => Part::Char(itself),
        })
    })
}

fn hex(text: &str) -> u16 {
    text.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

/// Writes the string whose text between its quotation marks is `raw`.
fn write_string(raw: &str, sink: &mut impl Sink) {
    sink.piece("\"");
    if raw.contains('\\') {
        for part in parts(raw) {
            write_part(&part, sink);
        }
    } else {
        // A valid string without a backslash holds nothing that needs an escape.
        sink.piece(raw);
    }
    sink.piece("\"");
}

fn write_part(part: &Part, sink: &mut impl Sink) {
    match *part {
        Part::Lone(unit) => sink.lone_surrogate(unit),
        Part::Char('"') => sink.piece("\\\""),
        Part::Char('\\') => sink.piece("\\\\"),
        Part::Char('\u{8}') => sink.piece("\\b"),
        Part::Char('\u{c}') => sink.piece("\\f"),
        Part::Char('\n') => sink.piece("\\n"),
        Part::Char('\r') => sink.piece("\\r"),
        Part::Char('\t') => sink.piece("\\t"),
        Part::Char(c) if c < ' ' => sink.piece(&format!("\\u{:04x}", u32::from(c))),
        Part::Char(c) => sink.piece(c.encode_utf8(&mut [0; 4])),
    }
}

#[cfg(test)]
mod tests;
