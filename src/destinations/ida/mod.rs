//! IDA: records of jobs, each of which is asked about until IDA has answered, and the calls that the API makes for a caller who waits.
//! Both build and read their calls by way of [`Requests`].

mod at_once;
mod requests;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::at_once::Ida;
pub(crate) use self::requests::Requests;
pub(crate) use self::settings::Settings;
use super::drive::Breaker;
use super::{Destination, Done, Listed, Read, Remedy, Route, Rows, Step, Steps, Tools, Work};
use crate::error::{Error, Fault, Result};
use crate::mosip::codes;
use crate::mosip::ida::{self, Answer, Authenticated, NO_TOKEN, NOT_CONFIRMED, Outcome, Reason, Response};
use crate::store::Queue;

/// For one call. IDA takes seconds where it compares biometrics.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Records that IDA is asked about at once.
const CONCURRENCY: usize = 4;

/// Records of jobs: one person each, whose UINTOKEN is asked for.
pub(crate) struct Records(Arc<Requests>);

impl Listed for Records {
    const ROWS: Rows = Rows {
        destination: "ida",
        system: "IDA",
        queue: Queue::Records,
        kinds: &[],
        speaks: false,
        remedy: Remedy {
            unset: Some("the settings of IDA"),
            keys: Some("the keys or settings of IDA"),
            tampered: Some("the signer of IDA's replies, or what changes them on their way"),
            other: None,
        },
    };

    type Settings = Option<Settings>;

    /// The calls to IDA, which others make too, have the settings.
    fn new(_: Option<Settings>, tools: &Tools) -> Self {
        Self(Arc::clone(&tools.ida))
    }
}

impl Destination for Records {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    /// One, even where nothing is configured: records of an earlier configuration then show why they wait.
    fn routes(&self) -> Vec<Route> {
        let host = self.0.host();
        vec![Route { host, kinds: Vec::new(), concurrency: CONCURRENCY, deadline: DEADLINE }]
    }

    fn is_unread(&self) -> fn(&str) -> bool {
        codes::is_unread
    }
}

impl Steps for Records {
    fn next(&self, work: &Work) -> Result<Step> {
        let intent = ida::read_kept(&work.payload)?;
        let individual_id = intent.individual().id().to_owned();
        let finish = |answer: Result<Answer<Response>>| {
            let answer = answer.and_then(|answer| answer.try_map(ida::read_authenticated));
            let outcome = outcome(individual_id, answer.map_err(for_the_channel)?);
            let result = Some(outcome.to_json()?);
            Ok(Read::Done(Done { result, ..Done::default() }))
        };
        self.0.call(Arc::new(intent), DEADLINE, finish).map(Step::from)
    }
}

/// Adds how a call beside the records ended to what is known of IDA.
pub(crate) fn tell<T>(breaker: &dyn Breaker, ended: &Result<T>) {
    match ended {
        Ok(_) => breaker.succeeded(),
        Err(error) => breaker.failed(&for_the_channel(error.clone())),
    }
}

/// What a failure of one record says about all of them. Replies that do not verify mostly mean a signer's certificate or a path that a
/// person has to put right; and a refusal of something that all records have alike costs no record, unless it is this one's alone.
fn for_the_channel(error: Error) -> Error {
    match error.fault() {
        Fault::Tampered => error.of_all(),
        Fault::Bug | Fault::Caller if error.upstream().is_some() && !names_the_person(&error) => {
            error.blame(Fault::Upstream, true)
        }
        _ => error,
    }
}

/// Whether a refusal is about the number or the details of this person.
fn names_the_person(error: &Error) -> bool {
    matches!(error.pointer(), Some("/individualId" | "/demographics"))
}

/// A token is there only where IDA has signed for it.
fn outcome(individual_id: String, answer: Answer<Authenticated>) -> Outcome {
    match answer {
        Answer::Given(given) => {
            let verified = Some(given.word().to_owned());
            let Authenticated { auth_status, token } = given.into_inner();
            let errors = match (&token, auth_status) {
                (Some(_), _) => Vec::new(),
                (None, true) => vec![Reason::new(
                    NO_TOKEN,
                    "IDA confirms the person; the policy of this partner shares no token",
                )],
                (None, false) => {
                    vec![Reason::new(NOT_CONFIRMED, "IDA does not confirm the person, and gives no reason")]
                }
            };
            Outcome { individual_id, token, verified, errors }
        }
        Answer::Refused(reasons) => {
            let verified = Some(reasons.word().to_owned());
            let errors = reasons
                .into_inner()
                .into_iter()
                .map(|reason| Reason::new(reason.code, reason.message))
                .collect();
            Outcome { individual_id, token: None, verified, errors }
        }
    }
}
