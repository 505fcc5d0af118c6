use super::*;

fn der(ber: &[u8]) -> Vec<u8> {
    let first = first(ber).unwrap();
    assert_eq!(first.length, ber.len());
    first.der.map_or_else(|| ber.to_vec(), |der| der.to_vec())
}

#[test]
fn der_is_left_as_it_stands() {
    for bytes in [&[0x30, 0][..], &[0x30, 3, 2, 1, 5], &[0x30, 0x81, 3, 2, 1, 5], &[0x1f, 0x81, 1, 0]] {
        let first = first(bytes).unwrap();
        assert!(first.der.is_none());
        assert_eq!(first.length, bytes.len());
    }
}

#[test]
fn indefinite_lengths_become_definite() {
    assert_eq!(der(&[0x30, 0x80, 2, 1, 5, 0x30, 0x80, 0, 0, 0, 0]), [0x30, 5, 2, 1, 5, 0x30, 0]);
    // Inside a definite length, whose length changes with it.
    assert_eq!(der(&[0x30, 7, 0x31, 0x80, 2, 1, 5, 0, 0]), [0x30, 5, 0x31, 3, 2, 1, 5]);
}

#[test]
fn segments_are_joined_at_every_depth() {
    assert_eq!(der(&[0x24, 6, 4, 1, 7, 4, 1, 8]), [4, 2, 7, 8]);
    assert_eq!(der(&[0x24, 0x80, 0x24, 0x80, 4, 1, 7, 0, 0, 4, 1, 8, 0, 0]), [4, 2, 7, 8]);
    assert_eq!(der(&[0x24, 0x80, 0, 0]), [4, 0]);
    let long = [[0x24, 0x80, 4, 0x81, 200].as_slice(), &[1; 200], &[0, 0]].concat();
    assert_eq!(der(&long), [[4, 0x81, 200].as_slice(), &[1; 200]].concat());
}

#[test]
fn context_0_is_joined_where_it_is_a_ciphertext_and_kept_where_it_holds_an_element() {
    let content_info = [0x30, 8, 6, 1, 1, 0xa0, 3, 4, 1, 7];
    assert_eq!(der(&content_info), content_info);
    let encrypted = [0x30, 13, 6, 1, 1, 0x30, 0, 0xa0, 6, 4, 1, 7, 4, 1, 8];
    assert_eq!(der(&encrypted), [0x30, 9, 6, 1, 1, 0x30, 0, 0x80, 2, 7, 8]);
}

#[test]
fn what_is_cut_is_truncated() {
    let ber = [0x30, 0x80, 2, 1, 5, 0x24, 0x80, 4, 1, 7, 0, 0, 0, 0];
    for length in 0..ber.len() {
        assert_eq!(first(&ber[..length]).err(), Some(LoadError::Truncated), "{length}");
    }
}

#[test]
fn what_is_no_ber_is_unknown() {
    for (defect, bytes) in [
        ("indefinite length of a primitive", &[4, 0x80, 0, 0][..]),
        ("length of five bytes", &[0x30, 0x85, 0, 0, 0, 0, 0]),
        ("reserved length", &[0x30, 0xff]),
    ] {
        assert_eq!(first(bytes).err(), Some(LoadError::Unknown), "{defect}");
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let deep: Vec<u8> = [0x30, 0x80].repeat(100_000);
    assert_eq!(first(&deep).err(), Some(LoadError::Unknown));
}
