//! The link from a death to the birth of the deceased: their UINTOKEN is asked of IDA before the event first goes
//! (`events.death.link`). Whatever goes wrong here, the death goes without.

use std::sync::Arc;
use std::time::Duration;

use super::super::ida::{self, Requests};
use super::super::{Call, Progress, Read};
use super::Notes;
use crate::error::{Error, Result};
use crate::mosip::ida::{Answer, Attribute, IdLengths, Record, Response, Text, read_authenticated};
use crate::opencrvs::event::{Deceased, Event};

/// No call about the deceased takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks IDA about the deceased. `None`: the event names no person to ask about, or IDA cannot be asked. While IDA is away or refuses us,
/// the deaths do not wait for it one by one: they share the breaker of the records of jobs.
pub(super) fn ask(requests: &Arc<Requests>, event: &Event, progress: &Progress) -> Option<Call> {
    let record = record(event.deceased()?, requests.id_lengths())?;
    let breaker = requests.breaker();
    if breaker.as_ref().is_some_and(|breaker| !breaker.lets_through()) {
        tracing::info!("IDA is away or refuses calls: the death goes without a UINTOKEN");
        return None;
    }
    let progress = progress.clone();
    let asked = record.intent().and_then(|intent| {
        requests.call(Arc::new(intent), DEADLINE, move |answer| {
            let token = answer.and_then(token);
            if let Some(breaker) = breaker {
                ida::tell(&*breaker, &token);
            }
            keep(progress, token)
        })
    });
    match asked {
        Ok(call) => Some(call),
        Err(error) => {
            warn(&error);
            None
        }
    }
}

/// What IDA is asked about them. `None` where a value has not the form that IDA wants.
fn record(deceased: Deceased, lengths: IdLengths) -> Option<Record> {
    let Deceased { national_id, name, gender, birth_date } = deceased;
    let in_english = |value| Attribute::InLanguages(vec![Text { language: "eng".to_owned(), value }]);
    let demographics = vec![
        ("name".to_owned(), in_english(name)),
        ("gender".to_owned(), in_english(gender)),
        ("dob".to_owned(), Attribute::Plain(birth_date.replace('-', "/"))),
    ];
    Record::with_operators_consent(national_id, lengths, demographics).ok()
}

/// The token, where IDA gives it under its signature.
fn token(answer: Answer<Response>) -> Result<Option<String>> {
    Ok(match answer.try_map(read_authenticated)? {
        Answer::Given(given) => given.into_inner().token,
        Answer::Refused(_) => None,
    })
}

/// That IDA was asked is stored with what it gave.
fn keep(progress: Progress, token: Result<Option<String>>) -> Result<Read> {
    let uin_token = token.unwrap_or_else(|error| {
        warn(&error);
        None
    });
    if uin_token.is_none() {
        tracing::info!("IDA gives no UINTOKEN of the deceased: the death goes without");
    }
    let notes = Notes { asked_ida: true, uin_token };
    Ok(Read::Advance { progress: Progress { notes: Some(notes.write()?), ..progress }, news: None })
}

fn warn(error: &Error) {
    tracing::warn!(
        code = error.code().as_str(),
        detail = error.detail(),
        "IDA could not be asked about the deceased: the death goes without a UINTOKEN"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deceased(national_id: &str, birth_date: &str) -> Deceased {
        Deceased {
            national_id: national_id.to_owned(),
            name: "Frank Spencer".to_owned(),
            gender: "male".to_owned(),
            birth_date: birth_date.to_owned(),
        }
    }

    #[test]
    fn nobody_is_asked_about_whose_number_or_date_ida_would_refuse() {
        let asks = |id, date| record(deceased(id, date), IdLengths::default()).is_some();
        assert!(asks("2784528096", "1990-09-20"));
        assert!(!asks("12", "1990-09-20"), "neither a UIN nor a VID");
        assert!(!asks("2784528096", "1990"));
    }
}
