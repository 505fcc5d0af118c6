use super::*;
use crate::keys::make::{CertificateRequest, KeyMaker};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: i64 = 86_400;

/// A root, what it issued, and what that issued.
struct Three {
    root: Certificate,
    middle: Certificate,
    leaf: Certificate,
}

fn key(pem: &[u8]) -> KeyMaker {
    KeyMaker::from_file(pem, None).ok().unwrap()
}

/// `middle_days`: how long the intermediate is valid around [`NOW`]; `middle_ca`: whether it may issue.
fn three(middle_days: std::ops::Range<i64>, middle_ca: bool) -> Three {
    let (root_key, middle_key, leaf_key) = (
        key(include_bytes!("../../../tests/vectors/keys/mosip.key.pem")),
        key(include_bytes!("../../../tests/vectors/keys/issuer.key.pem")),
        key(include_bytes!("../../../tests/vectors/keys/partner.key.pem")),
    );
    let request = |common_name, days: std::ops::Range<i64>, ca| CertificateRequest {
        country: "XX",
        organization: "Test Only",
        common_name,
        not_before: Timestamp::from_seconds(NOW.seconds() + days.start * DAY),
        not_after: Timestamp::from_seconds(NOW.seconds() + days.end * DAY),
        ca,
        names: &[],
    };
    let root = root_key.certify(&request("root", -10..10, true), None).unwrap();
    let middle =
        middle_key.certify(&request("middle", middle_days, middle_ca), Some((&root, &root_key))).unwrap();
    let leaf = leaf_key.certify(&request("leaf", -1..1, false), Some((&middle, &middle_key))).unwrap();
    Three { root, middle, leaf }
}

#[test]
fn issuers_come_in_order_whatever_the_order_of_the_candidates() {
    let Three { root, middle, leaf } = three(-1..1, true);
    let candidates = [root.clone(), leaf.clone(), middle.clone()];
    assert_eq!(issuers(&leaf, &candidates), [middle.clone(), root.clone()]);
    assert_eq!(issuers(&middle, &candidates), std::slice::from_ref(&root));
    assert_eq!(issuers(&root, &candidates), []);
}

#[test]
fn path_over_an_intermediate_reaches_the_root() {
    let Three { root, middle, leaf } = three(-1..1, true);
    let roots = [root.clone()];
    assert!(reaches(&roots, &leaf, &[root, middle.clone()], Some(NOW)));
    assert!(reaches(&roots, &middle, &[], Some(NOW)));
    assert!(reaches(&[middle], &leaf, &[], Some(NOW)), "an intermediate may be the root that is configured");
    assert!(reaches(std::slice::from_ref(&leaf), &leaf, &[], Some(NOW)), "a leaf may be configured itself");
}

#[test]
fn missing_intermediate() {
    let Three { root, leaf, .. } = three(-1..1, true);
    assert!(!reaches(&[root], &leaf, &[], Some(NOW)));
}

#[test]
fn no_roots() {
    let Three { root, middle, leaf } = three(-1..1, true);
    assert!(!reaches(&[], &leaf, &[middle, root], Some(NOW)));
}

#[test]
fn expired_intermediate() {
    let Three { root, middle, leaf } = three(-5..-1, true);
    assert!(!reaches(&[root], &leaf, &[middle], Some(NOW)));
}

#[test]
fn intermediate_that_is_no_ca() {
    let Three { root, middle, leaf } = three(-1..1, false);
    assert!(!reaches(&[root], &leaf, &[middle], Some(NOW)));
}

#[test]
fn expired_root() {
    let Three { root, middle, leaf } = three(-1..1, true);
    let later = Timestamp::from_seconds(NOW.seconds() + 11 * DAY);
    assert!(!reaches(std::slice::from_ref(&root), &leaf, std::slice::from_ref(&middle), Some(later)));
    assert!(reaches(&[root], &leaf, &[middle], None));
}

#[test]
fn issuer_of_the_same_name_and_another_key() {
    let Three { root, middle, leaf } = three(-1..1, true);
    let impostor_key = key(include_bytes!("../../../tests/vectors/keys/stranger.key.pem"));
    let request = CertificateRequest {
        country: "XX",
        organization: "Test Only",
        common_name: "root",
        not_before: root.not_before(),
        not_after: root.not_after(),
        ca: true,
        names: &[],
    };
    let impostor = impostor_key.certify(&request, None).unwrap();
    assert_eq!(impostor.subject(), root.subject());
    assert!(!reaches(&[impostor], &leaf, &[middle], Some(NOW)));
}
