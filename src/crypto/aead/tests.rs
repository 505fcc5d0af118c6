use data_encoding::HEXLOWER;

use super::*;

const TWELVE: Nonce<'_> = Nonce::Twelve(&[1; 12]);
const SIXTEEN: Nonce<'_> = Nonce::Sixteen(&[1; 16]);

fn key() -> SessionKey {
    SessionKey::from_bytes(&[9; 32]).unwrap()
}

fn sealed(nonce: Nonce<'_>) -> Vec<u8> {
    let mut buffer = b"head:plaintext".to_vec();
    seal_tail(&key(), nonce, b"aad", &mut buffer, 5).unwrap();
    buffer
}

/// Test case 16 of the GCM specification (McGrew and Viega), which NIST SP 800-38D took over.
#[test]
fn known_answer_of_the_gcm_specification() {
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
    let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let mut buffer = hex(concat!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    ));
    let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    seal_tail(&SessionKey::from_bytes(&key).unwrap(), Nonce::Twelve(&nonce), &aad, &mut buffer, 0).unwrap();
    let expected = hex(concat!(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"
    ));
    assert_eq!(buffer, expected);
}

#[test]
fn seals_the_tail_and_leaves_the_head() {
    for nonce in [TWELVE, SIXTEEN] {
        let mut buffer = sealed(nonce);
        assert_eq!(&buffer[..5], b"head:");
        assert_eq!(buffer.len(), 14 + TAG_LEN);
        assert_eq!(open_in_place(&key(), nonce, b"aad", &mut buffer[5..]).unwrap(), b"plaintext");
    }
}

#[test]
fn empty_plaintext_seals_and_opens() {
    for nonce in [TWELVE, SIXTEEN] {
        let mut buffer = Vec::new();
        seal_tail(&key(), nonce, b"", &mut buffer, 0).unwrap();
        assert_eq!(buffer.len(), TAG_LEN);
        assert_eq!(open_in_place(&key(), nonce, b"", &mut buffer).unwrap(), b"");
    }
}

#[test]
fn offset_beyond_the_buffer_is_refused_and_changes_nothing() {
    let mut buffer = vec![1, 2];
    assert!(seal_tail(&key(), TWELVE, b"", &mut buffer, 3).is_err());
    assert_eq!(buffer, [1, 2]);
}

#[test]
fn any_flipped_bit_is_refused() {
    for nonce in [TWELVE, SIXTEEN] {
        for bit in 0..8 * (9 + TAG_LEN) {
            let mut buffer = sealed(nonce).split_off(5);
            buffer[bit / 8] ^= 1 << (bit % 8);
            let refused = open_in_place(&key(), nonce, b"aad", &mut buffer);
            assert!(matches!(refused, Err(CryptoError::Decrypt(_))), "bit {bit}");
        }
    }
}

#[test]
fn wrong_key_nonce_aad_or_length_is_refused() {
    let other = SessionKey::from_bytes(&[8; 32]).unwrap();
    for (nonce, other_nonce) in [
        (TWELVE, Nonce::Twelve(&[2; 12])),
        (SIXTEEN, Nonce::Sixteen(&[2; 16])),
        (TWELVE, SIXTEEN),
        (SIXTEEN, TWELVE),
    ] {
        let open = |key: &SessionKey, nonce_given: Nonce<'_>, aad: &[u8], len: usize| {
            open_in_place(key, nonce_given, aad, &mut sealed(nonce).split_off(5)[..len]).map(|_| ())
        };
        let whole = 9 + TAG_LEN;
        assert_eq!(open(&key(), nonce, b"aad", whole), Ok(()));
        assert!(open(&other, nonce, b"aad", whole).is_err());
        assert!(open(&key(), nonce, b"aae", whole).is_err());
        for len in [0, 1, TAG_LEN - 1, TAG_LEN, whole - 1] {
            assert!(open(&key(), nonce, b"aad", len).is_err(), "{len} bytes");
        }
        assert!(open(&key(), other_nonce, b"aad", whole).is_err());
    }
}
