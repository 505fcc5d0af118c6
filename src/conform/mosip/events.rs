//! Births and deaths as the gateway seals and signs them, and with one defect each.

use bytes::Bytes;
use http::header;
use serde_json::json;

use super::super::CannotRun;
use super::super::event::{Event, Kind};
use super::super::report::{Report, Rule, Verdict};
use super::super::target::Came;
use super::Stage;
use crate::clock::Clock;
use crate::crypto::base64;
use crate::crypto::rsa::PrivateKey;
use crate::error::{Code, Error};
use crate::keys::Certificate;
use crate::mosip::Transport;
use crate::mosip::envelope::{self, Format};
use crate::mosip::mediator::{read_acceptance, read_aid};
use crate::simulator::Settings;

const ENVELOPES: &str = "envelopes";
const SIGNATURES: &str = "signatures";
pub(super) const AID: &str = "/opencrvs/v1/generateAid";
const BIRTH: &str = "/opencrvs/v1/birth";
const DEATH: &str = "/opencrvs/v1/death";

const TAKEN: Rule = Rule {
    text: "An event that is sealed as VER_R2 to MOSIP's certificate and signed over the envelope is answered 2xx with `response` and without `errors`.",
    source: "MOSIP keymanager, cryptomanager; tf-govstack/mosip-opencrvs",
};
const AGAIN: Rule = Rule {
    text: "An id that comes again is a success: the answer to the first post may have been lost.",
    source: "tf-govstack/mosip-opencrvs (a repeated id is dropped)",
};
const UNOPENED: Rule = Rule {
    text: "An envelope that does not open whole is refused: what AES-GCM or RSA-OAEP does not vouch for is no event.",
    source: "NIST SP 800-38D 7.2; RFC 8017 7.1.2; MOSIP keymanager, cryptomanager",
};
const UNSIGNED: Rule = Rule {
    text: "An event counts only under SHA512withRSA of a partner that is known, over the bytes of the envelope.",
    source: "MOSIP keymanager, signature; tf-govstack/mosip-opencrvs (OPN-CRVS-026)",
};

/// What is signed.
#[derive(Clone, Copy)]
enum Over {
    Envelope,
    Plaintext,
    Nothing,
}

/// What becomes of an envelope before it is signed.
#[derive(Clone, Copy)]
enum Spoil {
    Nothing,
    /// The second half is missing.
    Cut,
    /// A bit of this part is turned.
    Flip(Part),
}

/// Of VER_R2.
#[derive(Clone, Copy)]
enum Part {
    WrappedKey,
    /// Behind the nonce, which is its head.
    AssociatedData,
    Ciphertext,
    Tag,
}

/// One defect, or none.
#[derive(Clone, Copy)]
struct Make<'a> {
    to: &'a Certificate,
    spoil: Spoil,
    signer: &'a PrivateKey,
    over: Over,
}

/// The birth that was taken, for which a UINTOKEN is owed.
pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) -> Result<Option<Event>, CannotRun> {
    if stage.cookie.is_none() {
        for subject in [ENVELOPES, SIGNATURES] {
            report.add(subject, "events", &TAKEN, Verdict::skipped("the stand-in gave no token"));
        }
        return Ok(None);
    }
    let Settings { mosip_certificate, opencrvs, issuer, .. } = &stage.keys.theirs;
    let partner = stage.keys.ours.signer(Some("partner"));
    let partner = partner.ok_or_else(|| Error::new(Code::Bug, "the key set has no key that signs"))?;
    let good =
        Make { to: mosip_certificate, spoil: Spoil::Nothing, signer: &partner.private, over: Over::Envelope };

    let birth = new_event(stage, Kind::Birth).await?;
    let came = post(stage, BIRTH, &birth, good).await?;
    let is_taken = is_taken(&came);
    let sent = |event: &Event, what: &str| format!("the event {}, {what}", event.composition);
    let well_made = "sealed and signed as it should be";
    report.add(
        ENVELOPES,
        "a birth",
        &TAKEN,
        Verdict::of(is_taken, sent(&birth, well_made), stage.target.describe(&came)),
    );
    let again = post(stage, BIRTH, &birth, good).await?;
    let verdict =
        Verdict::of(self::is_taken(&again), sent(&birth, "a second time"), stage.target.describe(&again));
    report.add(ENVELOPES, "a birth that comes again", &AGAIN, verdict);
    let death = new_event(stage, Kind::Death).await?;
    let came = post(stage, DEATH, &death, good).await?;
    let verdict = Verdict::of(self::is_taken(&came), sent(&death, well_made), stage.target.describe(&came));
    report.add(ENVELOPES, "a death", &TAKEN, verdict);

    let spoiled = |spoil| Make { spoil, ..good };
    for (subject, rule, name, make) in [
        (ENVELOPES, &UNOPENED, "a ciphertext that was changed", spoiled(Spoil::Flip(Part::Ciphertext))),
        (ENVELOPES, &UNOPENED, "a tag that was changed", spoiled(Spoil::Flip(Part::Tag))),
        (ENVELOPES, &UNOPENED, "an envelope cut short", spoiled(Spoil::Cut)),
        (ENVELOPES, &UNOPENED, "a wrapped key that was changed", spoiled(Spoil::Flip(Part::WrappedKey))),
        (
            ENVELOPES,
            &UNOPENED,
            "associated data that were changed",
            spoiled(Spoil::Flip(Part::AssociatedData)),
        ),
        (ENVELOPES, &UNOPENED, "sealed to somebody else", Make { to: &opencrvs.certificate, ..good }),
        (SIGNATURES, &UNSIGNED, "an event without a signature", Make { over: Over::Nothing, ..good }),
        (SIGNATURES, &UNSIGNED, "signed by a stranger", Make { signer: &issuer.key, ..good }),
        (SIGNATURES, &UNSIGNED, "signed over the plaintext", Make { over: Over::Plaintext, ..good }),
    ] {
        let event = new_event(stage, Kind::Birth).await?;
        let came = post(stage, BIRTH, &event, make).await?;
        let holds = !self::is_taken(&came) && came.status().is_some();
        report.add(subject, name, rule, Verdict::of(holds, sent(&event, name), stage.target.describe(&came)));
    }
    Ok(is_taken.then_some(birth))
}

/// With an application id of its own, where the stand-in gives one.
async fn new_event(stage: &Stage<'_>, kind: Kind) -> Result<Event, CannotRun> {
    let came = stage.get_aid(stage.cookie.clone()).await?;
    let aid =
        came.0.as_ref().ok().and_then(|reply| read_aid(reply.status, &reply.body, Transport::Protected).ok());
    let aid = aid.map(|aid| aid.into_inner().as_str().to_owned()).unwrap_or_default();
    Ok(stage.registry.event(kind, "Ada", &aid))
}

async fn post(stage: &Stage<'_>, path: &str, event: &Event, make: Make<'_>) -> Result<Came, CannotRun> {
    let plaintext = event.body.as_bytes();
    let mut sealed = envelope::seal(make.to, plaintext, Format::VerR2).map_err(Error::from)?;
    make.spoil.apply(&mut sealed);
    let signed = match make.over {
        Over::Envelope => Some(sealed.as_slice()),
        Over::Plaintext => Some(plaintext),
        Over::Nothing => None,
    };
    let signature =
        signed.map(|bytes| envelope::sign(make.signer, bytes)).transpose().map_err(Error::from)?;
    let mut body = json!({
        "id": event.composition,
        "requestTime": Clock::system().now().to_iso(),
        "data": base64::encode(&sealed),
    });
    if let (Some(members), Some(signature)) = (body.as_object_mut(), signature) {
        members.insert("signature".to_owned(), base64::encode(&signature).into());
    }
    let cookie = stage.cookie.clone().map(|cookie| (header::COOKIE, cookie));
    Ok(stage.target.post(&stage.url(path)?, cookie, Bytes::from(body.to_string())).await)
}

fn is_taken(came: &Came) -> bool {
    came.0
        .as_ref()
        .is_ok_and(|reply| read_acceptance(reply.status, &reply.body, Transport::Protected).is_ok())
}

impl Spoil {
    fn apply(self, envelope: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Cut => envelope.truncate(envelope.len() / 2),
            Self::Flip(part) => {
                let at = part.find(envelope);
                if let Some(byte) = at.and_then(|at| envelope.get_mut(at)) {
                    *byte ^= 1;
                }
            }
        }
    }
}

impl Part {
    /// A byte of it: `"VER_R2" ‖ thumbprint 32 ‖ wrapped key ‖ "#KEY_SPLITTER#" ‖ aad 32 ‖ ciphertext ‖ tag 16`.
    fn find(self, envelope: &[u8]) -> Option<usize> {
        let splitter = envelope::SPLITTER;
        let behind_key = envelope.windows(splitter.len()).position(|window| window == splitter)?;
        Some(match self {
            Self::WrappedKey => behind_key - 1,
            Self::AssociatedData => behind_key + splitter.len() + 31,
            Self::Ciphertext => behind_key + splitter.len() + 32,
            Self::Tag => envelope.len() - 1,
        })
    }
}
