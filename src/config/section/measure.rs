//! Settings that are numbers or have a unit, and troubles with what is set.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::super::Trouble;
use super::super::value::{self, Complaint, complaint, wrong_type};
use super::{Raw, Section};

impl Section<'_> {
    /// A whole number within `range`.
    pub(crate) fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let raw = self.take(name)?;
        self.parse_or_report(&raw, |raw| {
            let number = u32::try_from(raw.number()?).ok().filter(|number| range.contains(number));
            number.ok_or_else(|| {
                complaint("is out of range", format!("set between {} and {}", range.start(), range.end()))
            })
        })
    }

    /// A length of time within `range`.
    pub(crate) fn duration(&mut self, name: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let raw = self.take(name)?;
        self.parse_or_report(&raw, |raw| {
            value::duration(range)(raw.measure("a number and a unit, such as \"30s\" or \"30d\"")?)
        })
    }

    /// A number of bytes within `range`. One without a unit counts as bytes, which is a trouble: most who write it mean another one.
    pub(crate) fn size(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let raw = self.take(name)?;
        let size = self.parse_or_report(&raw, |raw| {
            value::size(range)(raw.measure("a number and a unit, such as \"50MiB\"")?)
        })?;
        let is_bare = raw.text().is_ok_and(|text| text.trim().bytes().all(|byte| byte.is_ascii_digit()));
        if is_bare && size > 0 {
            self.trouble(
                name,
                "has no unit, so that it counts as bytes",
                "write a number and a unit, such as \"50MiB\"",
            );
        }
        Some(size)
    }

    /// Reports a trouble with the setting `name`: it stops no start.
    pub(crate) fn trouble(&self, name: &str, what: &str, advice: &str) {
        self.reader.trouble(Trouble::new(self.path_of(name), what, advice));
    }
}

impl Raw {
    /// The text of a value that has a unit.
    fn measure(&self, wanted: &str) -> Result<&str, Complaint> {
        match &self.value {
            Value::String(_) => self.text(),
            other => Err(wrong_type(&format!("{wanted}, in quotes"), other)),
        }
    }
}
