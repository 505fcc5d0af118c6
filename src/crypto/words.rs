//! What rustls finds wrong with a certificate, in words of a person.

use rustls::CertificateError;

/// The rest of a sentence about the certificate.
pub(crate) fn of(error: &CertificateError) -> &'static str {
    use CertificateError as E;
    match error {
        E::BadEncoding => "it is damaged, or no X.509 certificate",
        E::Expired | E::ExpiredContext { .. } => "it has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet",
        E::Revoked => "it is revoked",
        E::UnhandledCriticalExtension => "it has a critical extension that is not understood here",
        E::UnknownIssuer => "none of the trusted roots has signed it",
        E::BadSignature => "its signature, or one between it and the root, does not verify",
        E::NotValidForName | E::NotValidForNameContext { .. } => "it is made out to another name",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it is issued for another purpose (its extended key usage lacks this one)"
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it, or one between it and the root, is signed with an algorithm that is not accepted, such as SHA-1"
        }
        E::Other(other) => of_webpki(&other.0.to_string()),
        _ => STANDARD,
    }
}

/// Where no more can be said.
const STANDARD: &str = "it, or one between it and the root, breaks a rule for certificates (RFC 5280)";

/// webpki says the name of its error and nothing else.
fn of_webpki(name: &str) -> &'static str {
    match name {
        "UnsupportedCertVersion" => "it is of X.509 version 1 or 2, and TLS takes version 3 alone",
        "CaUsedAsEndEntity" => {
            "it is the certificate of a CA (CA:TRUE), which is not taken as that of a server"
        }
        "EndEntityUsedAsCa" => "it is signed with a certificate that is not that of a CA (CA:FALSE)",
        "NameConstraintViolation" => "its CA may not issue certificates for its name",
        "PathLenConstraintViolated" | "MaximumPathDepthExceeded" => {
            "more CAs stand between it and the root than are allowed"
        }
        _ => STANDARD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_words_of_its_own() {
        use CertificateError as E;
        for (error, words) in [
            (E::BadEncoding, "damaged"),
            (E::Expired, "has expired"),
            (E::NotValidYet, "not valid yet"),
            (E::Revoked, "revoked"),
            (E::UnhandledCriticalExtension, "critical extension"),
            (E::UnknownIssuer, "trusted roots"),
            (E::BadSignature, "does not verify"),
            (E::NotValidForName, "another name"),
            (E::InvalidPurpose, "another purpose"),
            (
                E::UnsupportedSignatureAlgorithmContext {
                    signature_algorithm_id: Vec::new(),
                    supported_algorithms: Vec::new(),
                },
                "such as SHA-1",
            ),
            (E::ApplicationVerificationFailure, "RFC 5280"),
        ] {
            assert!(of(&error).contains(words), "{error:?}: {}", of(&error));
        }
        for (name, words) in [
            ("UnsupportedCertVersion", "version 1 or 2"),
            ("CaUsedAsEndEntity", "CA:TRUE"),
            ("EndEntityUsedAsCa", "CA:FALSE"),
            ("NameConstraintViolation", "for its name"),
            ("PathLenConstraintViolated", "more CAs"),
            ("MaximumPathDepthExceeded", "more CAs"),
            ("MalformedExtensions", "RFC 5280"),
        ] {
            assert!(of_webpki(name).contains(words), "{name}: {}", of_webpki(name));
        }
    }
}
