//! UINTOKENs that MOSIP's side pushes after a birth, true ones and lies.

use super::super::CannotRun;
use super::super::report::{Report, Rule, Verdict};
use super::Stage;
use crate::simulator::Behaviour;
use crate::simulator::history::Push;

const SUBJECT: &str = "pushes";

const TOLD: Rule = Rule {
    text: "A UINTOKEN under MOSIP's signature is answered 2xx and told to OpenCRVS: it is pushed once. Its thumbprint is random, its base64 unpadded, its id empty.",
    source: "tf-govstack/mosip-opencrvs (one post, no repeat); docs/protocol.md",
};
const BELIEVED: Rule = Rule {
    text: "A UINTOKEN is believed only under MOSIP's signature over the plaintext, and nobody is told of another.",
    source: "tf-govstack/mosip-opencrvs (SHA512withRSA over the plaintext); docs/protocol.md",
};
const ANSWERED: Rule = Rule {
    text: "A push that does not open is answered, and stops nothing that comes after it.",
    source: "docs/protocol.md",
};

pub(super) async fn run(stage: &Stage<'_>, is_asked: bool, report: &mut Report) -> Result<(), CannotRun> {
    if !is_asked {
        report.add(SUBJECT, "UINTOKENs", &TOLD, Verdict::skipped("--no-pushes"));
        return Ok(());
    }
    let lies = [
        ("signed over another text", Behaviour { wrong_push_signature: true, ..Behaviour::default() }),
        ("without a signature", Behaviour { unsigned_push: true, ..Behaviour::default() }),
    ];
    let mut told = Vec::new();
    for (name, behaviour) in lies {
        told.push((name, pushed(stage, behaviour).await));
    }
    let stranger = Behaviour { push_sealed_to_stranger: true, ..Behaviour::default() };
    let unopened = pushed(stage, stranger).await;

    let verdict = match pushed(stage, Behaviour::default()).await {
        None => no_push(),
        Some(push) => {
            let is_told = stage.inbox.wait_for(&push.uin_token, stage.patience).await.is_some();
            let came = format!(
                "{}; OpenCRVS is not told within {} s",
                answer(stage, &push),
                stage.patience.as_secs()
            );
            Verdict::of(is_told && is_success(&push), format!("the UINTOKEN of {}", push.brn), came)
        }
    };
    report.add(SUBJECT, "a true UINTOKEN", &TOLD, verdict);
    // The true one came after the lies, so that they had their time.
    for (name, push) in told {
        let verdict = push.map_or_else(no_push, |push| {
            let told = stage.inbox.find(&push.uin_token);
            let said = told.as_ref().map(|post| stage.target.shown(&post.body)).unwrap_or_default();
            let sent = format!("a UINTOKEN of {}, {name}", push.brn);
            Verdict::of(told.is_none(), sent, format!("{}; OpenCRVS was told {said}", answer(stage, &push)))
        });
        report.add(SUBJECT, name, &BELIEVED, verdict);
    }
    let verdict = unopened.map_or_else(no_push, |push| {
        Verdict::of(
            push.status.is_some(),
            format!("a UINTOKEN of {}, sealed to somebody else", push.brn),
            answer(stage, &push),
        )
    });
    report.add(SUBJECT, "sealed to somebody else", &ANSWERED, verdict);
    Ok(())
}

/// Registers a birth and waits for the push that MOSIP makes of it under `behaviour`.
async fn pushed(stage: &Stage<'_>, behaviour: Behaviour) -> Option<Push> {
    let event = stage.registry.birth("Ada");
    stage.behave(behaviour);
    if stage.register(&event).await.is_success() {
        stage.sees(|record| record.pushes.iter().any(|push| push.brn == event.number)).await;
    }
    stage.behave(Behaviour::default());
    let record = stage.simulator.history.record();
    record.pushes.into_iter().find(|push| push.brn == event.number)
}

fn no_push() -> Verdict {
    Verdict::skipped("the birth that MOSIP answers with a UINTOKEN has not reached it")
}

fn is_success(push: &Push) -> bool {
    push.status.is_some_and(|status| (200..300).contains(&status))
}

fn answer(stage: &Stage<'_>, push: &Push) -> String {
    match (push.status, &push.failure) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, Some(failure)) => format!("no answer ({})", stage.target.shown(failure.as_bytes())),
        (None, None) => "no answer".to_owned(),
    }
}
