//! The message that brings a credential.

use crate::error::{Error, Result};
use crate::mosip::Stated;
use crate::mosip::credential::event::{Issued, Named, Notification, Occasion};
use crate::mosip::push::{Identity, Notice, Outcome, PushKind, Receipt, Topic, Trust};
use crate::registration::Subject;

/// The setting under `websub.topics`.
pub(crate) const SETTING: &str = "credential";

/// A credential. MOSIP's topic is `<partner>/CREDENTIAL_ISSUED`.
pub(crate) const CREDENTIAL: PushKind = PushKind {
    name: "credential",
    topic: Some(Topic { setting: SETTING, is_like: |_| false }),
    verify: verify_credential,
};

/// The credential of a `CREDENTIAL_ISSUED` message, opened and verified. One that is in a data share has been put into the message before.
fn verify_credential(body: &[u8], trust: Trust<'_>) -> Result<Stated<Notice>> {
    let Trust { ring, now, credentials, .. } = trust;
    let notification = Notification::read(body)?;
    let credentials = credentials.as_ref().map_err(Clone::clone)?;
    let issued = credentials.verify_issued(&notification, ring, now)?;
    let of_share = notification.says_of_share();
    issued.try_map(|issued| Ok::<_, Error>(notice(issued, of_share))).map(Stated::Signed)
}

fn notice(issued: Issued, of_share: Option<[u8; 32]>) -> Notice {
    let data = issued.data();
    let Issued { event_id, says, identity, registration_id, certificate_number, occasion, .. } = issued;
    let receipt = issued.transaction_id.map(|request_id| Receipt { request_id, credential: identity });
    // An id that no proof covers leads to no registration: whoever carried the credential could have written it.
    let registration_id = registration_id.filter(|id: &Named| id.is_covered).map(|id| id.value);
    let (brn, drn) = match occasion {
        Occasion::Birth => (certificate_number, None),
        Occasion::Death => (None, certificate_number),
    };
    Notice {
        kind: "credential.issued",
        outcome: Some(Outcome::Issued),
        subject: Subject { brn, drn, registration_id, ..Subject::default() },
        identity: Identity::Message { id: event_id, says, of_share },
        data,
        uin_token: None,
        receipt,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::crypto::rsa::Keeper;
    use crate::error::Code;
    use crate::keys::ring::fake::ring;
    use crate::keys::settings::UnknownThumbprint;
    use crate::mosip::credential::tests::{NOW, credentials};
    use crate::mosip::envelope::Policy;
    use crate::mosip::fake;

    #[test]
    fn a_message_that_names_a_share_is_known_by_what_it_says_beside_the_share() {
        let says = |event: &Value| {
            let message = serde_json::json!({ "topic": "t", "event": event }).to_string();
            Notification::read(message.as_bytes()).unwrap().says_of_share()
        };
        let event = serde_json::json!({
            "id": "e1", "transactionId": "t1", "dataShareUri": "https://a.example/s/1",
            "data": { "registrationId": "r1", "credentialType": "vercred", "proof": { "signature": "abc" } },
        });
        let with = |pointer: &str, value: &str| {
            let mut other = event.clone();
            *other.pointer_mut(pointer).unwrap() = value.into();
            says(&other)
        };
        let first = says(&event);
        assert!(first.is_some());
        let mut brought = event.clone();
        brought["data"]["credential"] = "sealed".into();
        assert_eq!(says(&brought), first, "once the share is in it, too");
        assert_eq!(
            with("/dataShareUri", "https://a.example/s/2"),
            first,
            "the signature stands for the share"
        );
        assert_eq!(with("/id", "e2"), first, "its id is another matter");
        for other in
            ["/transactionId", "/data/registrationId", "/data/credentialType", "/data/proof/signature"]
        {
            assert_ne!(with(other, "other"), first, "{other}");
        }
        let unsigned = |address: &str| {
            let mut event = event.clone();
            event["data"].as_object_mut().unwrap().remove("proof");
            event["dataShareUri"] = address.into();
            says(&event)
        };
        assert_ne!(unsigned("https://a.example/s/1"), unsigned("https://a.example/s/2"));
        brought["dataShareUri"] = Value::Null;
        assert_eq!(says(&brought), None, "it names no share");
    }

    #[test]
    fn a_verified_credential_finds_its_registration_by_what_is_signed() {
        let cases: Vec<Value> =
            serde_json::from_str(include_str!("../../../tests/vectors/event.json")).unwrap();
        let good = &cases.iter().find(|case| case["name"] == "good").unwrap()["event"];
        let mut embedded = good.clone();
        embedded["event"]["data"].as_object_mut().unwrap().remove("proof");
        let ring = ring(&[("partner", &Keeper::there("files"))], UnknownThumbprint::Reject);
        let known = Ok(Arc::new(credentials(false)));
        let trust = Trust { ring: &ring, now: NOW, policy: Policy::default(), credentials: &known };
        for (message, brn) in [(good, Some("C83B0shared")), (&embedded, None)] {
            let notice = verify_credential(message.to_string().as_bytes(), trust).unwrap();
            assert_eq!(notice.word(), "signature");
            assert!(notice.key().is_some_and(|key| ring.decryptor(&key).is_some()));
            let Notice { kind, subject, identity, data, .. } = notice.get();
            assert_eq!(*kind, "credential.issued");
            assert!(
                matches!(identity, Identity::Message { id, .. } if id == "2104f44a-339d-4e22-ad55-18f8dfc2be85")
            );
            assert_eq!(subject.registration_id.as_deref(), Some("100010033575073"));
            assert_eq!((subject.brn.as_deref(), subject.drn.as_deref()), (brn, None));
            assert_eq!((&data["vid"], &data["event"]), (&"8031687218".into(), &"birth".into()));
            // Nothing signs them, and they are marked as that.
            assert!(subject.transaction_id.is_none() && data["transactionId"].is_string());
            assert_eq!(data["unsigned"], serde_json::json!(["transactionId", "credentialType"]));
        }
        let death = serde_json::json!({
            "id": "urn:c", "issuanceDate": "2026-11-24T08:00:00.134Z",
            "credentialSubject": { "deathCertificateNumber": "D1", "id": "http://a.example/7" },
        });
        let death = fake::issued(&death, Some("issuer")).to_string();
        let notice = verify_credential(death.as_bytes(), trust).unwrap().into_inner();
        let Subject { brn, drn, registration_id, .. } = notice.subject;
        assert_eq!((brn, drn.as_deref(), registration_id.as_deref()), (None, Some("D1"), Some("7")));
        let unset = Err(Error::new(Code::Keys, "credentials.issuers is not set"));
        let error = verify_credential(good.to_string().as_bytes(), Trust { credentials: &unset, ..trust });
        assert_eq!(error.err().map(|error| error.code()), Some(Code::Keys), "it waits for the setting");
    }
}
