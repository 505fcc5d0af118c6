//! What the mediator says of a person to a form of OpenCRVS, where IDA answers truly, with errors, and with lies.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::CannotRun;
use super::super::report::{Report, Rule, Verdict};
use super::super::target::Came;
use super::Stage;
use crate::error::{Code, Error};
use crate::simulator::{Behaviour, IdaReply};

const SUBJECT: &str = "ida";

/// Error replies of IDA.
const VECTORS: &[u8] = include_bytes!("../../../tests/vectors/ida-errors.json");

const SAID: Rule = Rule {
    text: "A person whom IDA confirms is `verified`, and one whom it does not is `failed`.",
    source: "opencrvs/mosip, packages/mosip-api (POST /verify)",
};
const NO_VERDICT: Rule = Rule {
    text: "An error of IDA that is no verdict about the person makes them neither `verified` nor `failed`. IDA's filter sends a pair: IDA-MLC-007, and the code that counts.",
    source: "MOSIP id-authentication, BaseIDAFilter.sendErrorResponse; tests/vectors/ida-errors.json",
};
const BELIEVED: Rule = Rule {
    text: "A person is `verified` only by a reply that IDA signed, for this transaction and of this time.",
    source: "MOSIP id-authentication (response-signature, RFC 7515 appendix F); docs/protocol.md",
};

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) -> Result<(), CannotRun> {
    let Some(url) = &stage.verify else {
        report.add(SUBJECT, "the forms of OpenCRVS", &SAID, Verdict::skipped("no --verify"));
        return Ok(());
    };
    let leila = person("Leila");
    let ask = async |body: &Value| stage.ask(url, body.to_string()).await;
    let tell = |body: &Value| format!("POST {}", stage.target.shown(body.to_string().as_bytes()));
    for (name, body, word) in
        [("a person", &leila, "verified"), ("somebody else under their number", &person("Another"), "failed")]
    {
        let came = ask(body).await;
        report.add(
            SUBJECT,
            name,
            &SAID,
            Verdict::of(says(&came, word), tell(body), stage.target.describe(&came)),
        );
    }
    for code in codes()? {
        stage.behave(Behaviour { ida_errors_in_200: Some(code.clone()), ..Behaviour::default() });
        let came = ask(&leila).await;
        let holds = came.status().is_some() && !says(&came, "verified") && !says(&came, "failed");
        let sent = format!("{}, where IDA answers {code}", tell(&leila));
        report.add(
            SUBJECT,
            format!("IDA answers {code}"),
            &NO_VERDICT,
            Verdict::of(holds, sent, stage.target.describe(&came)),
        );
    }
    for (name, lie) in [
        ("a reply without a signature", IdaReply::Unsigned),
        ("a reply that a stranger signed", IdaReply::Stranger),
        ("a forged signature under IDA's certificate", IdaReply::Forged),
        ("a reply that was changed", IdaReply::Altered),
        ("an earlier reply, played back", IdaReply::Replayed),
        ("a reply of ten minutes ago", IdaReply::Stale),
    ] {
        stage.behave(Behaviour { ida_reply: Some(lie), ..Behaviour::default() });
        let came = ask(&leila).await;
        let holds = came.status().is_some() && !says(&came, "verified");
        let sent = format!("{}, where IDA answers with {name}", tell(&leila));
        report.add(SUBJECT, name, &BELIEVED, Verdict::of(holds, sent, stage.target.describe(&came)));
    }
    stage.behave(Behaviour::default());
    let came = ask(&leila).await;
    let verdict = Verdict::of(says(&came, "verified"), tell(&leila), stage.target.describe(&came));
    report.add(SUBJECT, "the person again, after all that", &SAID, verdict);
    Ok(())
}

/// A person whom the simulator's IDA knows as Leila Karim.
fn person(given_name: &str) -> Value {
    json!({
        "nid": "4152630978", "dob": "1990-03-14", "gender": "female", "transactionId": "c9a1",
        "name": { "firstname": given_name, "surname": "Karim" },
    })
}

/// The answer is a word, quoted or not.
fn says(came: &Came, word: &str) -> bool {
    let text = String::from_utf8_lossy(came.body());
    came.is_success() && text.trim().trim_matches('"') == word
}

/// The codes of the vectors that are no verdict; what IDA says of an order of a one-time password fits no form.
fn codes() -> Result<BTreeSet<String>, Error> {
    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        call: String,
        expect: Expected,
    }
    #[derive(Deserialize)]
    struct Expected {
        upstream_code: Option<String>,
    }
    let vectors: Vectors = serde_json::from_slice(VECTORS)
        .map_err(|_| Error::new(Code::Bug, "the vectors of IDA are not what the kit reads"))?;
    let cases = vectors.cases.into_iter().filter(|case| case.call != "otp");
    Ok(cases.filter_map(|case| case.expect.upstream_code).collect())
}
