//! Subjects of client certificates, compared without the doubt that a text with commas in it leaves.

use std::fmt;

use x509_parser::certificate::X509Certificate;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName};

/// A distinguished name: one text per RDN, special characters escaped as RFC 4514 2.4 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DistinguishedName(Vec<String>);

impl DistinguishedName {
    /// From configuration: `CN=mosip,O=Ministry`, spaces around `,` and `=` as openssl writes them allowed, a comma inside a value as
    /// `\,`.
    pub(super) fn parse(text: &str) -> Self {
        Self(split_unescaped(text).into_iter().map(rdn_as_configured).collect())
    }

    /// Of a DER certificate. `None` where it does not parse or holds a name that is not text.
    pub(super) fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        certificate.subject().iter_rdn().map(rdn_of_certificate).collect::<Option<_>>().map(Self)
    }

    /// Whether this is the same name. RFC 4514 writes the last RDN first and openssl writes the first one first: both orders count.
    pub(super) fn is(&self, other: &Self) -> bool {
        self == other || self.0.iter().eq(other.0.iter().rev())
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let mut escaped = false;
    let separator = |c: char| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    };
    text.split(separator).collect()
}

fn rdn_as_configured(text: &str) -> String {
    match text.split_once('=') {
        Some((name, value)) => format!("{}={}", name.trim().to_ascii_uppercase(), value.trim()),
        None => text.trim().to_owned(),
    }
}

fn rdn_of_certificate(rdn: &RelativeDistinguishedName<'_>) -> Option<String> {
    let attributes: Option<Vec<_>> = rdn.iter().map(attribute).collect();
    attributes.map(|attributes| attributes.join("+"))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let value = attribute.as_str().ok()?;
    let oid = attribute.attr_type();
    let name = oid2abbrev(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_ascii_uppercase);
    Some(format!("{name}={}", escape(value)))
}

fn escape(value: &str) -> String {
    value.chars().fold(String::with_capacity(value.len()), |mut escaped, c| {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

#[cfg(test)]
mod tests;
