//! What a DER document is.

use rsa::pkcs8::der::{AnyRef, Decode, Tag, Tagged};

use super::contents::members;
use super::{LoadError, ber};

/// First byte of every DER document here.
pub(super) const SEQUENCE: u8 = 0x30;

/// What a DER document is, as the types of its members say: labels and file names mislead.
pub(super) enum Shape {
    Pkcs12,
    Pkcs7,
    Path,
    EncryptedPkcs8,
    Pkcs8,
    Pkcs1,
    Sec1,
    Certificate,
    PublicKey,
    Pkcs1Public,
}

impl Shape {
    /// The first document of `bytes`.
    pub(super) fn first(bytes: &[u8]) -> Result<ber::First, LoadError> {
        if bytes.starts_with(&[SEQUENCE]) { ber::first(bytes) } else { Err(LoadError::Unknown) }
    }

    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let members = AnyRef::from_der(der).and_then(members).ok()?;
        let tags: Vec<Tag> = members.iter().map(Tagged::tag).collect();
        match tags.as_slice() {
            [Tag::Integer, Tag::Sequence] | [Tag::Integer, Tag::Sequence, Tag::Sequence] => {
                Some(Self::Pkcs12)
            }
            [Tag::ObjectIdentifier, Tag::ContextSpecific { .. }] => Some(Self::Pkcs7),
            [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => Some(Self::Pkcs8),
            [Tag::Integer, Tag::Integer] => Some(Self::Pkcs1Public),
            [Tag::Integer, Tag::Integer, Tag::Integer, ..] => Some(Self::Pkcs1),
            [Tag::Integer, Tag::OctetString, ..] => Some(Self::Sec1),
            [Tag::Sequence, Tag::OctetString] => Some(Self::EncryptedPkcs8),
            [Tag::Sequence, Tag::Sequence, Tag::BitString] => Some(Self::Certificate),
            [Tag::Sequence, Tag::BitString] => Some(Self::PublicKey),
            [Tag::Sequence, ..] if tags.iter().all(|tag| *tag == Tag::Sequence) => Some(Self::Path),
            _ => None,
        }
    }
}
