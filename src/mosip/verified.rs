//! Proof by type: [`Verified`] for values under a signature, [`Attested`] for values that rest on the connection they came over.

use crate::keys::Thumbprint;
use crate::words::words;

/// A value whose signature was checked. Only the functions of `mosip` that check one can make it.
pub struct Verified<T> {
    value: T,
    evidence: Evidence,
    key: Option<Thumbprint>,
}

words! {
    /// What the signature covered.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Evidence {
        /// SHA512withRSA over the envelope bytes, or a JWS over the whole message.
        Envelope = "envelope",
        /// SHA512withRSA over the plaintext bytes, or a JWS inside the encryption.
        Plaintext = "plaintext",
        /// Nothing: there was no signature, and a setting accepts that (`envelope.danger_accept_unsigned`,
        /// `upstream.ida.danger_accept_unsigned_replies`).
        DangerUnsigned = "none",
        /// A signature by keys that came over plain http from another machine, so that whoever is on the way could have written both
        /// (`upstream.danger_plain_http`, `upstream.danger_plain_http_hosts`).
        DangerPlainKeys = "none",
        /// The hub's HMAC alone: a credential without a proof, under `credentials.danger_accept_hub_alone`.
        DangerHubAlone = "hub",
    }
}

impl<T> Verified<T> {
    pub(in crate::mosip) fn new(value: T, evidence: Evidence, key: Option<Thumbprint>) -> Self {
        Self { value, evidence, key }
    }

    /// What the signature covered.
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// The word of the member `verified`.
    pub const fn word(&self) -> &'static str {
        match self.evidence {
            Evidence::Envelope | Evidence::Plaintext => "signature",
            Evidence::DangerUnsigned | Evidence::DangerPlainKeys => "none",
            Evidence::DangerHubAlone => "hub",
        }
    }

    /// Thumbprint of our key that opened the message, where it has a certificate.
    pub fn key(&self) -> Option<Thumbprint> {
        self.key
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The value, owned.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Reads a verified value into a narrower one; the proof stays.
    pub(in crate::mosip) fn try_map<U, E>(
        self,
        read: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Verified<U>, E> {
        Ok(Verified { value: read(self.value)?, evidence: self.evidence, key: self.key })
    }
}

/// A value that MOSIP does not sign (acceptance, AID, token, an unsigned refusal of IDA, the status of a packet). It came from the configured
/// URL or under the hub's HMAC, and was strictly parsed. It is marked with [`Attested::word`] wherever it leaves the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested<T> {
    value: T,
    transport: Transport,
}

/// The connection that a message came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS, or the loopback.
    Protected,
    /// Plain http from another machine (`upstream.danger_plain_http`, `upstream.danger_plain_http_hosts`).
    Plain,
    /// A push of the hub, whose HMAC over the raw bytes is right.
    Hub,
}

impl Transport {
    /// The word of the member `verified`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Protected => "tls",
            Self::Plain => "none",
            Self::Hub => "hub",
        }
    }
}

impl<T> Attested<T> {
    pub(in crate::mosip) fn new(value: T, transport: Transport) -> Self {
        Self { value, transport }
    }

    /// The connection that it came over.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The word of the member `verified`.
    pub const fn word(&self) -> &'static str {
        self.transport.word()
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The value, owned.
    pub fn into_inner(self) -> T {
        self.value
    }
}

/// A value that counts with a signature and without one: a refusal of IDA, whose signature some releases and proxies lose, or a push, of
/// which MOSIP signs only some kinds.
pub enum Stated<T> {
    /// Its signature was checked.
    Signed(Verified<T>),
    /// It had no signature.
    Unsigned(Attested<T>),
}

impl<T> Stated<T> {
    /// The word of the member `verified`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Signed(value) => value.word(),
            Self::Unsigned(value) => value.word(),
        }
    }

    /// Thumbprint of our key that opened the message, where it was sealed and the key has a certificate.
    pub fn key(&self) -> Option<Thumbprint> {
        match self {
            Self::Signed(value) => value.key(),
            Self::Unsigned(_) => None,
        }
    }

    /// The value.
    pub fn get(&self) -> &T {
        match self {
            Self::Signed(value) => value.get(),
            Self::Unsigned(value) => value.get(),
        }
    }

    /// The value, owned.
    pub fn into_inner(self) -> T {
        match self {
            Self::Signed(value) => value.into_inner(),
            Self::Unsigned(value) => value.into_inner(),
        }
    }
}
