//! The UINTOKEN that the stand-in pushes after a birth.

use super::super::CannotRun;
use super::super::event::Event;
use super::super::inbox::{Inbox, Post};
use super::super::report::{Report, Rule, Verdict};
use super::Stage;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm::Rs256;
use crate::error::{Code, Error, Result};
use crate::mosip::envelope::Policy;
use crate::mosip::mediator::open_nid;

const SUBJECT: &str = "pushes";

const PUSHED: Rule = Rule {
    text: "A birth is answered by one push: sealed to OpenCRVS's certificate, signed by MOSIP over the plaintext, with the UINTOKEN and the registration number of the birth.",
    source: "tf-govstack/mosip-opencrvs (/birthReceiveNid); docs/protocol.md",
};
const VOUCHED: Rule = Rule {
    text: "A push carries a bearer token of OpenCRVS's auth service.",
    source: "tf-govstack/mosip-opencrvs (it logs in at OpenCRVS); docs/protocol.md",
};

pub(super) async fn run(
    stage: &Stage<'_>,
    inbox: Option<&Inbox>,
    born: Option<&Event>,
    report: &mut Report,
) -> Result<(), CannotRun> {
    let why = match (inbox, born) {
        (None, _) => "--no-pushes",
        (_, None) => "no birth was taken",
        (Some(inbox), Some(born)) => {
            let post = inbox.first(stage.patience).await;
            let sent = format!("the birth {} with the number {}", born.composition, born.number);
            let (pushed, vouched) = match &post {
                None => {
                    let came = format!("no push within {} s", stage.patience.as_secs());
                    (Verdict::of(false, sent, came), Verdict::skipped("no push came"))
                }
                Some(post) => {
                    let opened = open(stage, post, born);
                    let came = |error: &Error| {
                        let body = stage.target.shown(&post.body);
                        format!("{body}; {}", stage.target.shown(error.to_string().as_bytes()))
                    };
                    let told = opened.as_ref().err().map(came).unwrap_or_default();
                    let is_vouched = is_of_opencrvs(stage, post);
                    let token = if post.bearer.is_some() { "a token of somebody else" } else { "no token" };
                    (Verdict::of(opened.is_ok(), sent.clone(), told), Verdict::of(is_vouched, sent, token))
                }
            };
            report.add(SUBJECT, "a UINTOKEN", &PUSHED, pushed);
            report.add(SUBJECT, "its bearer token", &VOUCHED, vouched);
            return Ok(());
        }
    };
    report.add(SUBJECT, "a UINTOKEN", &PUSHED, Verdict::skipped(why));
    Ok(())
}

fn open(stage: &Stage<'_>, post: &Post, born: &Event) -> Result<()> {
    let mosip = stage.keys.ours.peer("mosip");
    let mosip = mosip.ok_or_else(|| Error::new(Code::Bug, "the key set has no certificate of MOSIP"))?;
    let policy = Policy { danger_accept_unsigned: false };
    let nid = open_nid(&stage.keys.ours, mosip, &post.body, policy)?.into_inner();
    if nid.brn == born.number {
        return Ok(());
    }
    Err(Error::new(Code::Upstream, "it names another registration number"))
}

fn is_of_opencrvs(stage: &Stage<'_>, post: &Post) -> bool {
    let key = stage.keys.theirs.opencrvs.jwt_key.public_key();
    let token = post.bearer.as_deref().and_then(|token| Jws::parse(token).ok());
    token.is_some_and(|token| token.verify(key, &[Rs256], None).is_ok())
}
