//! `keys::source::file` on whatever a key volume may hold.

#![no_main]

use std::fmt::Display;

use libfuzzer_sys::fuzz_target;
use mosip_gateway::keys::source::file as source;

const PASSWORDS: [Option<&[u8]>; 4] = [None, Some(b"mosip123"), Some(b""), Some(b"\xff")];

fuzz_target!(|input: &[u8]| {
    let Some((selector, file)) = input.split_first() else { return };
    let password = PASSWORDS[usize::from(*selector) % PASSWORDS.len()];

    let described = source::describe(file, password);
    match source::parse_own(file, password) {
        Ok(material) => {
            assert!(!material.keys.is_empty());
            material.warnings.iter().for_each(is_one_line);
            let described = described.as_ref().expect("what loads can be described");
            assert_eq!(described.certificates.len(), material.certificates.len());
            assert!(described.private_keys.len() >= material.keys.len());
        }
        Err(refusal) => is_one_line(refusal),
    }
    match described {
        Ok(described) => {
            described.notes.iter().for_each(is_one_line);
            for certificate in &described.certificates {
                is_one_line(&certificate.subject);
                is_one_line(&certificate.issuer);
            }
        }
        Err(refusal) => is_one_line(refusal),
    }

    let (peer, certificates) = (source::parse_peer(file), source::parse_certificates(file));
    if let (Ok(peer), Ok(certificates)) = (&peer, &certificates) {
        assert!(peer.certificate.as_ref() == certificates.first());
        assert!(peer.others == certificates[1..]);
    }
    peer.err().iter().for_each(is_one_line);
    certificates.err().iter().for_each(is_one_line);
});

/// Messages go to a log: nothing in a file may forge a line of it.
fn is_one_line(sentence: impl Display) {
    let text = sentence.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
}
