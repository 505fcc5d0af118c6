use rcgen::{CertificateParams, DnType, KeyPair};

use super::*;

fn certificate(names: &[(DnType, &str)]) -> DistinguishedName {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind.clone(), *value);
    }
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    DistinguishedName::of_certificate(der.der()).unwrap()
}

#[test]
fn a_configured_subject_is_found_in_either_order_and_spacing() {
    let presented = certificate(&[(DnType::OrganizationName, "Ministry"), (DnType::CommonName, "mosip")]);
    for text in
        ["O=Ministry,CN=mosip", "CN=mosip,O=Ministry", "O = Ministry, CN = mosip", "cn=mosip, o=Ministry"]
    {
        assert!(presented.is(&DistinguishedName::parse(text)), "{text} against {presented}");
    }
    for text in ["CN=mosip", "O=Ministry", "CN=Mosip,O=Ministry", "CN=mosip,O=Ministry,C=PH", ""] {
        assert!(!presented.is(&DistinguishedName::parse(text)), "{text} against {presented}");
    }
}

/// The text of x509-parser is the same for both certificates.
#[test]
fn a_comma_inside_a_value_does_not_pass_for_two_names() {
    let one_name = certificate(&[(DnType::CommonName, "mosip,O=Ministry")]);
    let two_names = certificate(&[(DnType::CommonName, "mosip"), (DnType::OrganizationName, "Ministry")]);
    let wanted = DistinguishedName::parse("CN=mosip,O=Ministry");
    assert!(two_names.is(&wanted) && !one_name.is(&wanted));
    assert!(one_name.is(&DistinguishedName::parse(r"CN=mosip\,O=Ministry")));
}

#[test]
fn a_backslash_before_a_comma_does_not_hide_it() {
    let presented = certificate(&[(DnType::CommonName, r"mosip\"), (DnType::OrganizationName, "Ministry")]);
    assert!(presented.is(&DistinguishedName::parse(r"CN=mosip\\,O=Ministry")));
    assert!(!presented.is(&DistinguishedName::parse(r"CN=mosip\,O=Ministry")));
}

#[test]
fn what_is_no_certificate_has_no_subject() {
    assert_eq!(DistinguishedName::of_certificate(b"0"), None);
}
