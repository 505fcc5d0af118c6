//! Webhooks as OpenCRVS 1.2 to 1.9 posts and signs them.

use data_encoding::HEXLOWER;
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::super::CannotRun;
use super::super::event::{Event, Kind};
use super::super::report::{Report, Rule, Verdict};
use super::{Stage, has};
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error};
use crate::opencrvs::webhook::ENCODE_URI_COMPONENT;

const SUBJECT: &str = "webhooks";

/// Signatures that OpenCRVS's own code made.
const VECTORS: &[u8] = include_bytes!("../../../tests/vectors/hub-core.json");

const SIGNED: Rule = Rule {
    text: "X-Hub-Signature is HMAC-SHA256 over `sha256:` and encodeURIComponent of the body, not over the body itself.",
    source: "opencrvs-core, packages/webhooks/src/features/event/service.ts; tests/vectors/hub-core.json",
};
const TAKEN: Rule = Rule {
    text: "What OpenCRVS signed is answered 2xx and reaches MOSIP: OpenCRVS looks at no status and repeats nothing that was answered.",
    source: "opencrvs-core, packages/webhooks (the worker ignores the answer)",
};
const FORGED: Rule = Rule {
    text: "What OpenCRVS did not sign is refused with 4xx and does not reach MOSIP.",
    source: "WebSub (W3C) 7.1; opencrvs-core, packages/webhooks",
};
const ONCE: Rule = Rule {
    text: "A webhook that comes again is one event: MOSIP sees one id for one composition.",
    source: "opencrvs-core, packages/webhooks (three attempts where a connection breaks)",
};
const CHALLENGE: Rule = Rule {
    text: "A subscription is confirmed with 200 and the JSON object {\"challenge\"} that holds the challenge; its parameters have no `hub.` in front.",
    source: "opencrvs-core, packages/webhooks/src/features/manage",
};

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    body: String,
    header: String,
    valid: bool,
}

fn vectors() -> Result<Vec<Vector>, Error> {
    serde_json::from_slice(VECTORS)
        .map_err(|_| Error::new(Code::Bug, "the vectors of webhooks are not what the kit reads"))
}

/// What the vectors are signed with. Public.
pub(super) fn secret_of_the_vectors() -> Result<SecretBytes, CannotRun> {
    let first = vectors()?.into_iter().next();
    let first = first.ok_or_else(|| Error::new(Code::Bug, "there is no vector of webhooks"))?;
    Ok(SecretBytes::new(first.secret.into_bytes()))
}

/// As OpenCRVS signs.
pub(super) fn signature(secret: &SecretBytes, body: &str) -> String {
    let encoded = utf8_percent_encode(body, ENCODE_URI_COMPONENT).to_string();
    let tag = hmac::tag(HmacAlgorithm::Sha256, secret.expose(), &[b"sha256:", encoded.as_bytes()]);
    format!("sha256={}", HEXLOWER.encode(&tag))
}

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) -> Result<(), CannotRun> {
    report.add(SUBJECT, "the challenge of a subscription", &CHALLENGE, challenge(stage).await);
    for vector in vectors()? {
        let name = format!("vector {}", vector.name);
        report.add(SUBJECT, name, &SIGNED, of_vector(stage, &vector).await);
    }
    // False ones go first: what reaches MOSIP after them shows that they had their time.
    let mut forgeries = Vec::new();
    for forgery in forgeries_of(stage) {
        let came = stage.post_webhook(forgery.signature.as_deref(), &forgery.posted).await;
        forgeries.push((forgery, came));
    }
    for (name, event) in [
        ("a birth", stage.registry.birth("Ada")),
        ("a birth whose name is beyond ASCII", stage.registry.birth("é ٱلْ বাংলা ខ្មែរ 😀")),
        ("a death", stage.registry.event(Kind::Death, "Eva", "")),
    ] {
        let came = stage.register(&event).await;
        let is_there = came.is_success() && stage.arrives(&event).await;
        let sent = format!("webhook of {}, signed as OpenCRVS signs", event.composition);
        let told = if came.is_success() { stage.never(&came) } else { stage.target.describe(&came) };
        report.add(SUBJECT, name, &TAKEN, Verdict::of(is_there, sent, told));
    }
    for (forgery, came) in forgeries {
        let is_there = has(&stage.simulator.history.record(), &forgery.event);
        let mut told = stage.target.describe(&came);
        if is_there {
            told.push_str("; MOSIP has the event");
        }
        let sent = format!("webhook of {}: {}", forgery.event.composition, forgery.name);
        report.add(SUBJECT, forgery.name, &FORGED, Verdict::of(came.is_refusal() && !is_there, sent, told));
    }
    report.add(SUBJECT, "a webhook that comes again", &ONCE, once(stage).await);
    Ok(())
}

async fn challenge(stage: &Stage<'_>) -> Verdict {
    // As OpenCRVS resolves it: a query of the callback is dropped.
    let challenge = "q83vEjRWeJCrze8SNFZ4kA==";
    let query = "?mode=subscribe&challenge=q83vEjRWeJCrze8SNFZ4kA%3D%3D&topic=BIRTH_REGISTERED";
    let url = stage.webhooks.to_string();
    let url = format!("{}{query}", url.split('?').next().unwrap_or_default());
    let Ok(url) = url.parse() else { return Verdict::skipped("the URL takes no query") };
    let came = stage.target.send(Method::GET, &url, [], "").await;
    let answered: serde_json::Value = serde_json::from_slice(came.body()).unwrap_or_default();
    let holds =
        came.status() == Some(200) && answered.get("challenge").is_some_and(|given| given == challenge);
    Verdict::of(holds, format!("GET {query}"), stage.target.describe(&came))
}

/// Only the signature counts: most of the bodies are no registrations.
async fn of_vector(stage: &Stage<'_>, vector: &Vector) -> Verdict {
    if !stage.secret.matches(vector.secret.as_bytes()) {
        return Verdict::skipped("the program has another secret than the vectors");
    }
    let came = stage.post_webhook(Some(&vector.header), &vector.body).await;
    let is_unsigned = matches!(came.status(), Some(401 | 403));
    let holds = if vector.valid { came.status().is_some() && !is_unsigned } else { came.is_refusal() };
    let expected = if vector.valid { "right" } else { "wrong" };
    let sent = format!(
        "X-Hub-Signature: {}, which is {expected}, with {}",
        vector.header,
        stage.target.shown(vector.body.as_bytes())
    );
    Verdict::of(holds, sent, stage.target.describe(&came))
}

struct Forgery {
    name: &'static str,
    event: Event,
    signature: Option<String>,
    /// The body that is posted.
    posted: String,
}

fn forgeries_of(stage: &Stage<'_>) -> Vec<Forgery> {
    let forge = |name, signature: &dyn Fn(&str) -> Option<String>, posted: &dyn Fn(String) -> String| {
        let event = stage.registry.birth("Ada");
        Forgery { name, signature: signature(&event.body), posted: posted(event.body.clone()), event }
    };
    let good = |body: &str| Some(signature(&stage.secret, body));
    let stranger = SecretBytes::new(b"the secret of somebody else".to_vec());
    let same = |body| body;
    vec![
        forge("without a signature", &|_| None, &same),
        forge("signed with another secret", &|body| Some(signature(&stranger, body)), &same),
        forge("changed after it was signed", &good, &|body| body.replace("Ada", "Eva")),
        forge("a signature without digits", &|_| Some("sha256=".to_owned()), &same),
    ]
}

async fn once(stage: &Stage<'_>) -> Verdict {
    let event = stage.registry.birth("Ada");
    let first = stage.register(&event).await;
    let arrived = first.is_success() && stage.arrives(&event).await;
    let second = stage.register(&event).await;
    // What is sent after the repeat shows that it had its time.
    let next = stage.registry.birth("Eva");
    let behind = stage.register(&next).await.is_success() && stage.arrives(&next).await;
    let record = stage.simulator.history.record();
    let ids: Vec<_> = record
        .accepted
        .iter()
        .filter(|accepted| accepted.composition == event.composition)
        .map(|accepted| accepted.id.as_str())
        .collect();
    let holds = arrived && behind && second.is_success() && ids.len() == 1;
    let came = format!("{}; ids at MOSIP: {}", stage.target.describe(&second), ids.len());
    Verdict::of(holds, format!("webhook of {}, twice", event.composition), came)
}
