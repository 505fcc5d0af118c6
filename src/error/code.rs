//! The codes of problems, each with what it stands for.

use serde::{Serialize, Serializer};

use super::Fault;

/// The codes, and of each its word, its status, its fault, its title and its advice.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $word:literal, $status:literal, $fault:ident, $title:literal, $advice:literal;)+) => {
        /// The problem codes of the plain API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $code,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$code),+];

            const fn row(self) -> (&'static str, u16, Fault, &'static str, &'static str) {
                match self {
                    $(Self::$code => ($word, $status, Fault::$fault, $title, $advice),)+
                }
            }
        }
    };
}

codes! {
    /// Not JSON, not base64, not an envelope, not a token.
    Malformed = "malformed", 400, Caller, "The message cannot be read", "Send the form that docs/api.md gives for this route.";
    /// A value is wrong or missing; `pointer` says which.
    Field = "field", 422, Caller, "A value is wrong or missing", "Correct the value at `pointer`.";
    /// The thumbprint is not in the ring and the policy is `reject`.
    UnknownKey = "unknown-key", 422, Keys, "The message is addressed to a key that is not loaded", "Put the key with this thumbprint into keys.dir, or set unknown_thumbprint = \"try\" for a peer that writes no real thumbprint.";
    /// Unwrapping or GCM failed. The caller never learns which.
    Decrypt = "decrypt", 422, Caller, "The message does not open", "Ask the sender to seal again to the certificate that /v1/keys lists; the operator's log says which step failed.";
    /// The signature is wrong.
    SignatureInvalid = "signature-invalid", 422, Tampered, "The signature is wrong", "Do not use the message; check that the peer's certificate is the current one.";
    /// The signature is absent.
    SignatureMissing = "signature-missing", 422, Tampered, "The signature is absent", "Ask the sender to sign; an unsigned message is never passed on.";
    /// The signature is good, but the certificate of the signer has ended.
    SignerExpired = "signer-expired", 422, Keys, "The certificate of the signer has ended", "Put the signer's current certificate into the configuration.";
    /// This `Idempotency-Key` was already used for other content.
    IdempotencyConflict = "idempotency-conflict", 409, Caller, "This Idempotency-Key was already used for other content", "Give every event an Idempotency-Key of its own, or none.";
    /// A decision about what is in another state than the decision is for, such as a retry of an event that is done.
    StateConflict = "state-conflict", 409, Caller, "The state does not allow this", "Look at its state under /v1/events; only what is queued or parked can be retried or discarded.";
    /// No such thing.
    NotFound = "not-found", 404, Caller, "There is no such thing", "Check the path and the id.";
    /// The wrong method on a known path.
    MethodNotAllowed = "method-not-allowed", 405, Caller, "The path does not take this method", "Use the method in the Allow header.";
    /// No upstream URL is set for this kind of event.
    KindNotConfigured = "kind-not-configured", 422, Caller, "No upstream URL is set for this kind", "Set its URL under [upstream.mediator], or name the kind in kinds of one of [[systems]].";
    /// Larger than the limit.
    TooLarge = "too-large", 413, Caller, "The body is larger than the limit", "Send less, or raise listen.body_limit.";
    /// Not the content type the route wants.
    MediaType = "media-type", 415, Caller, "The content type is not the one this route takes", "Send Content-Type: application/json.";
    /// No bearer token, or a wrong one.
    Unauthorized = "unauthorized", 401, Caller, "The bearer token is absent or wrong", "Send Authorization: Bearer with the token this listener is configured with.";
    /// No signature of the caller over its message, or a wrong one.
    CallerSignature = "unauthorized", 401, Caller, "The signature of the caller is absent or wrong", "Sign the body with the secret that this gateway is configured with, and send the signature in X-Hub-Signature.";
    /// Refused origin, host or caller.
    Forbidden = "forbidden", 403, Caller, "This caller is refused", "Call from the mediator, not from a browser page; add further host names to listen.hosts.";
    /// The body did not arrive within the deadline.
    Timeout = "timeout", 408, Caller, "The body did not arrive in time", "Send the whole body without pause.";
    /// Too much in flight; try again.
    Busy = "busy", 503, Upstream, "Too much is in flight", "Try again after the time in Retry-After.";
    /// A reply that does not verify.
    Tampered = "tampered", 502, Tampered, "The reply does not verify", "Do not use the reply; check the certificate of the signer and the path to MOSIP.";
    /// The upstream is away or broken.
    Upstream = "upstream", 502, Upstream, "The upstream is away or broken", "Nothing is wrong with the record; it can be sent again.";
    /// The upstream did not answer within its deadline.
    UpstreamTimeout = "upstream", 504, Upstream, "The upstream did not answer in time", "Nothing is wrong with the record; it can be sent again.";
    /// The keys that callers are known by cannot be fetched for now, so that nobody knows who calls.
    CallerKeys = "upstream", 503, Upstream, "The keys that callers are known by cannot be fetched", "Try again after the time in Retry-After. The log of the gateway says why the keys do not come.";
    /// The partner registration is refused.
    Partner = "partner", 502, Partner, "The upstream refuses this gateway", "Check partner id, licence key, API key and client secret with the MOSIP administrator.";
    /// A key or certificate is missing or unusable.
    Keys = "keys", 503, Keys, "A key or certificate is missing or unusable", "Run `mosip-gateway doctor` and replace the file it names.";
    /// The place that holds a private key cannot be reached for now, so nothing is known about the message.
    KeyUnavailable = "keys", 503, Keys, "A private key is unavailable", "Make the token or service that holds the key reachable again; nothing is wrong with the message, and it can be sent again.";
    /// The disk.
    Storage = "storage", 507, Storage, "The outbox cannot be read or written", "`outbox.trouble` of /readyz says what is wrong and what to do, or else the log of the gateway.";
    /// A defect of ours.
    Bug = "bug", 500, Bug, "The gateway failed", "Report this with the log line of the same time.";
}

impl Code {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// The fault this code has unless MOSIP's own code says otherwise.
    pub const fn fault(self) -> Fault {
        self.row().2
    }

    /// Whether the same request can succeed later, at the latest once its advice is followed.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Timeout
                | Self::Upstream
                | Self::UpstreamTimeout
                | Self::CallerKeys
                | Self::Keys
                | Self::KeyUnavailable
                | Self::Partner
                | Self::Storage
        )
    }

    /// One sentence that says what to do.
    pub const fn advice(self) -> &'static str {
        self.row().4
    }

    /// How a caller can prove itself who has not, for `WWW-Authenticate` (RFC 9110 11.6.1).
    pub const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => Some("Bearer"),
            Self::CallerSignature => Some("X-Hub-Signature"),
            _ => None,
        }
    }

    /// The human title of RFC 9457.
    pub const fn title(self) -> &'static str {
        self.row().3
    }
}

/// As its word.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_title_blames_mosip_where_another_system_may_have_been_called() {
        for code in Code::ALL {
            assert!(!code.title().contains("MOSIP"), "{}", code.title());
        }
    }

    #[test]
    fn each_is_written_as_its_word() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.as_str());
        }
    }
}
