//! Parses the text of a setting into a type that holds only valid values. A complaint never repeats the text, which may be a secret in the
//! wrong place.

use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use http::Uri;
use toml::Value;

use super::Address;

/// Why a value is refused: the two halves of a [`super::Problem`] that do not depend on the place of the value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) what: String,
    pub(crate) advice: String,
}

pub(crate) fn complaint(what: impl Into<String>, advice: impl Into<String>) -> Complaint {
    Complaint { what: what.into(), advice: advice.into() }
}

/// A value of another type than the one that is `wanted`.
pub(crate) fn wrong_type(wanted: &str, found: &Value) -> Complaint {
    complaint(format!("is of type {}", found.type_str()), format!("write {wanted}"))
}

/// The variable `name`, which should hold a secret, is not set. A name that might be the secret itself is not repeated.
pub(crate) fn unset_variable(name: &str) -> Complaint {
    let looks_like_one = name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.contains('_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let what = match looks_like_one {
        true => format!("names the variable {name}, which is not set"),
        false => "names a variable that is not set".to_owned(),
    };
    complaint(what, "set that variable")
}

pub(crate) fn text(text: &str) -> Result<String, Complaint> {
    Ok(text.to_owned())
}

/// A path, joined with `base` unless absolute.
pub(crate) fn path_under(base: &Path) -> impl Fn(&str) -> Result<PathBuf, Complaint> {
    move |text| Ok(base.join(text))
}

/// `ip:port`, or `unix:` and a path, joined with `base` unless absolute.
pub(crate) fn address(base: &Path) -> impl Fn(&str) -> Result<Address, Complaint> {
    move |text| match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => Ok(Address::Unix(base.join(path))),
        _ => text
            .parse()
            .map(Address::Tcp)
            .map_err(|_| complaint("is not an address", "write ip:port, or unix: and the path of a socket")),
    }
}

/// A length of time such as `30s` or `30d`, within `range`.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Complaint> {
    move |text| {
        let value = humantime::parse_duration(text).map_err(|_| {
            complaint("is not a length of time", "write a number and a unit, such as \"30s\" or \"30d\"")
        })?;
        let [low, high] = [range.start(), range.end()].map(|end| shown(*end));
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(complaint("is out of range", format!("set between {low} and {high}")))
        }
    }
}

/// As it is written in a setting: whole days as days, since months and years have no length of their own.
fn shown(length: Duration) -> String {
    const DAY: u64 = 86_400;
    match length.as_secs() {
        seconds if seconds > 0 && seconds % DAY == 0 => format!("{}d", seconds / DAY),
        _ => humantime::format_duration(length).to_string(),
    }
}

/// A number of bytes such as `50MiB`, within `range`.
pub(crate) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, Complaint> {
    move |text| {
        let value = text
            .parse::<ByteSize>()
            .map_err(|_| complaint("is not a size", "write a number and a unit, such as \"50MiB\""))?
            .as_u64();
        let [low, high] = [range.start(), range.end()].map(|end| ByteSize::b(*end).display().iec());
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(complaint("is out of range", format!("set between {low} and {high}")))
        }
    }
}

/// One of a few words.
pub(crate) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, Complaint> {
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Err(complaint("is not a known word", format!("write one of {}", known.join(", "))))
        }
    }
}

/// A host name or address as `Host` has it, without a port.
pub(crate) fn host(text: &str) -> Result<String, Complaint> {
    match text.parse::<http::uri::Authority>() {
        Ok(authority) if authority.host() == text => Ok(text.to_owned()),
        _ => Err(complaint("is not a host name", "write the name alone, without scheme, port or path")),
    }
}

/// An absolute http or https URL without user information or fragment.
pub(crate) fn url(text: &str) -> Result<Uri, Complaint> {
    let not_a_url = || complaint("is not a URL", "write an absolute https URL");
    let uri: Uri = text.parse().map_err(|_| not_a_url())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(not_a_url());
    };
    if authority.as_str().contains('@') {
        return Err(complaint(
            "holds user information",
            "take it out of the URL; secrets are set by file or by variable",
        ));
    }
    if text.contains('#') {
        return Err(complaint("holds a fragment", "end the URL before `#`"));
    }
    let host = authority.host();
    let spelled = authority.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if host.is_empty() || authority.as_str() != spelled {
        return Err(not_a_url());
    }
    match scheme {
        "https" | "http" => Ok(uri),
        _ => Err(complaint("is neither http nor https", "write an absolute https URL")),
    }
}

/// Whether `path` is in `folder`, by the names alone. Links are not followed.
pub(crate) fn is_inside(path: &Path, folder: &Path) -> bool {
    resolved(path).starts_with(resolved(folder))
}

pub(super) fn resolved(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
