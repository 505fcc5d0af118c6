use super::*;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/vectors/keys/", $name))
    };
}

/// Inside the dates of every vector that is not named for its dates.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn partner() -> Certificate {
    Certificate::from_der(vector!("partner.crt.der")).unwrap()
}

fn from_pem(pem: &[u8]) -> Result<Certificate, CertificateError> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).unwrap();
    Certificate::from_der(&pem.contents)
}

#[test]
fn reads_names_dates_and_flags() {
    let partner = partner();
    assert_eq!(partner.subject(), "C=XX, O=Test Only, CN=opencrvs-partner");
    assert_eq!(partner.issuer(), partner.subject());
    assert_eq!(partner.not_before().to_iso(), "2026-11-24T07:17:51.000Z");
    assert_eq!(partner.not_after().to_iso(), "2046-11-19T07:17:51.000Z");
    assert_eq!(partner.public_key().modulus_len(), 256);
    assert!(partner.is_ca());
    assert_eq!(partner.key_usage(), None);
    assert!(partner.may_sign() && partner.may_wrap());
}

#[test]
fn thumbprint_is_sha256_of_the_der_in_every_spelling() {
    // `openssl x509 -fingerprint -sha256` on partner.crt.pem
    let hex = "746529173ad6c891bb13b40b2115f719900a68f21ae174af7ce6afd6b2e49833";
    let thumbprint = partner().thumbprint();
    assert_eq!(thumbprint.to_string(), hex);
    assert_eq!(thumbprint.to_hex_upper(), hex.to_uppercase());
    assert_eq!(Thumbprint::parse(hex), Some(thumbprint));
    assert_eq!(Thumbprint::parse(&hex.to_uppercase()), Some(thumbprint));
    assert_eq!(Thumbprint::parse(&thumbprint.to_base64url()), Some(thumbprint));
    assert_eq!(Thumbprint::from_bytes(*thumbprint.as_bytes()), thumbprint);
}

#[test]
fn thumbprint_of_other_length_or_alphabet_is_refused() {
    let hex = partner().thumbprint().to_string();
    for wrong in ["", "00", &hex[1..], &format!("{hex}00"), &hex.replace(&hex[..1], "+"), "not a thumbprint"]
    {
        assert_eq!(Thumbprint::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn validity_at_the_edges() {
    let partner = partner();
    let (first, last) = (partner.not_before(), partner.not_after());
    assert_eq!(partner.validity(first), Validity::Valid);
    assert_eq!(partner.validity(Timestamp::from_millis(first.millis() - 1)), Validity::NotYetValid(first));
    assert_eq!(partner.validity(Timestamp::from_millis(last.millis() + 999)), Validity::Valid);
    assert_eq!(partner.validity(Timestamp::from_millis(last.millis() + 1000)), Validity::ExpiredSince(last));
}

#[test]
fn expired_and_future_certificates() {
    let expired = from_pem(vector!("partner-expired.crt.pem")).unwrap();
    let future = from_pem(vector!("partner-future.crt.pem")).unwrap();
    assert_eq!(expired.validity(NOW), Validity::ExpiredSince(expired.not_after()));
    assert_eq!(future.validity(NOW), Validity::NotYetValid(future.not_before()));
}

#[test]
fn ec_certificate_is_refused() {
    let refusal = from_pem(vector!("ec.crt.pem")).unwrap_err();
    assert_eq!(refusal, CertificateError::NotRsa("EC".into()));
}

#[test]
fn trailing_bytes_are_refused() {
    let mut der = vector!("partner.crt.der").to_vec();
    der.push(0);
    assert_eq!(Certificate::from_der(&der).unwrap_err(), CertificateError::Malformed);
}

#[test]
fn truncated_certificate_is_refused() {
    let der = vector!("partner.crt.der");
    for length in [0, 1, 100, der.len() - 1] {
        assert_eq!(Certificate::from_der(&der[..length]).unwrap_err(), CertificateError::Malformed);
    }
}

#[test]
fn self_signed_certificate_is_issued_by_itself_and_by_nobody_else() {
    let stranger = Certificate::from_der(vector!("stranger.crt.der")).unwrap();
    assert!(partner().is_issued_by(&partner()));
    assert!(!partner().is_issued_by(&stranger));
}

#[test]
fn debug_shows_no_more_than_name_and_thumbprint() {
    let shown = format!("{:?}", partner());
    assert_eq!(shown, format!("Certificate({}, {})", partner().subject(), partner().thumbprint()));
}

#[test]
fn control_characters_in_a_name_do_not_reach_the_log() {
    assert_eq!(printable("CN=a\nb\u{1b}[31m"), "CN=a\u{fffd}b\u{fffd}[31m");
}
