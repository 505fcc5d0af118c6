//! `keys::source::file` on whatever a key volume may hold.

#![no_main]

use std::fmt::Display;

use libfuzzer_sys::fuzz_target;
use mosip_gateway::clock::Timestamp;
use mosip_gateway::keys::Certificate;
use mosip_gateway::keys::source::file as source;

const PASSWORDS: [Option<&[u8]>; 4] = [None, Some(b"mosip123"), Some(b""), Some(b"\xff")];

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

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

    let both = source::Passwords { container: password, key: Some(b"of the key") };
    if let (Ok(under_one), Ok(under_both)) =
        (source::parse_own(file, password), source::parse_own_under(file, both))
    {
        assert!(under_both.keys.len() >= under_one.keys.len());
    }

    let (peer, certificates) = (source::parse_peer(file, NOW), source::parse_certificates(file));
    if let (Ok(peer), Ok(certificates)) = (&peer, &certificates) {
        peer.warnings.iter().for_each(is_one_line);
        let chosen = peer.certificate.as_ref().expect("certificates count before bare keys");
        assert!(certificates.contains(chosen) && !peer.others.contains(chosen));
        assert!(certificates.iter().all(|found| found == chosen || peer.others.contains(found)));
        // An issuer of another one counts only where each certificate is that.
        let issued_any = |issuer: &Certificate| {
            certificates
                .iter()
                .any(|other| other != issuer && other.is_issued_by(issuer) && !issuer.is_issued_by(other))
        };
        assert!(!issued_any(chosen) || certificates.iter().all(issued_any));
    }
    peer.err().iter().for_each(is_one_line);
    certificates.err().iter().for_each(is_one_line);
});

/// Messages go to a log: nothing in a file may forge a line of it.
fn is_one_line(sentence: impl Display) {
    let text = sentence.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
}
