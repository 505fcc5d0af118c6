//! The message that brings a credential.

use crate::error::{Error, Result};
use crate::mosip::Stated;
use crate::mosip::credential::event::{Issued, Notification, Occasion};
use crate::mosip::push::{Notice, Trust};
use crate::mosip::subject::Subject;

/// The credential of a `CREDENTIAL_ISSUED` message, opened and verified. One that is in a data share stays in quarantine, since nothing
/// fetches it yet.
pub(crate) fn verify_credential(body: &[u8], trust: Trust<'_>) -> Result<Stated<Notice>> {
    let Trust { ring, now, credentials, .. } = trust;
    let notification = Notification::read(body)?;
    let credentials = credentials.as_ref().map_err(Clone::clone)?;
    let issued = credentials.verify_issued(&notification, None, ring, now)?;
    issued.try_map(|issued| Ok::<_, Error>(notice(issued))).map(Stated::Signed)
}

fn notice(issued: Issued) -> Notice {
    let data = issued.data();
    let Issued { event_id, transaction_id, mut registration_ids, certificate_number, occasion, .. } = issued;
    // A number that no proof covers leads to no registration: whoever carried the credential could have written it.
    let number = certificate_number.filter(|number| number.is_covered).map(|number| number.value);
    let (brn, drn) = match occasion {
        Occasion::Birth => (number, None),
        Occasion::Death => (None, number),
    };
    registration_ids.truncate(1);
    let subject =
        Subject { brn, drn, registration_id: registration_ids.pop(), transaction_id, ..Subject::default() };
    Notice { kind: "credential.issued", subject, identity: event_id, data, uin_token: None }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::config::UnknownThumbprint;
    use crate::crypto::rsa::Keeper;
    use crate::error::Code;
    use crate::keys::ring::fake;
    use crate::mosip::credential::tests::{NOW, credentials};
    use crate::mosip::envelope::Policy;

    #[test]
    fn a_verified_credential_finds_its_registration_by_what_is_signed() {
        let cases: Vec<Value> =
            serde_json::from_str(include_str!("../../../tests/vectors/event.json")).unwrap();
        let good = &cases.iter().find(|case| case["name"] == "good").unwrap()["event"];
        let mut embedded = good.clone();
        embedded["event"]["data"].as_object_mut().unwrap().remove("proof");
        let ring = fake::ring(&[("partner", &Keeper::there("files"))], UnknownThumbprint::Reject);
        let known = Ok(Arc::new(credentials(false)));
        let trust = Trust { ring: &ring, now: NOW, policy: Policy::default(), credentials: &known };
        for (message, brn) in [(good, Some("C83B0shared")), (&embedded, None)] {
            let notice = verify_credential(message.to_string().as_bytes(), trust).unwrap();
            assert_eq!(notice.word(), "signature");
            let Notice { kind, subject, identity, data, .. } = notice.get();
            assert_eq!(
                (*kind, identity.as_str()),
                ("credential.issued", "2104f44a-339d-4e22-ad55-18f8dfc2be85")
            );
            assert_eq!(subject.registration_id.as_deref(), Some("100010033575073"));
            assert_eq!((subject.brn.as_deref(), subject.drn.as_deref()), (brn, None));
            assert_eq!((&data["vid"], &data["event"]), (&"8031687218".into(), &"birth".into()));
        }
        let unset = Err(Error::new(Code::Keys, "credentials.issuers is not set"));
        let error = verify_credential(good.to_string().as_bytes(), Trust { credentials: &unset, ..trust });
        assert_eq!(error.err().map(|error| error.code()), Some(Code::Keys), "it waits for the setting");
    }
}
