//! The search of OpenCRVS 1.2 to 1.9, as a record search client asks it: GraphQL `searchEvents` behind `<gateway>/graphql`.
//!
//! Read in the public sources of opencrvs-core: `packages/gateway/src/features/search` and `packages/search/src/features/search`. The answer
//! names records and holds nothing that a webhook could be made of.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Fault, Result};
use crate::opencrvs::event::EventKind;
use crate::refusal;

/// Records that are asked for at once.
pub(crate) const PAGE: usize = 100;
/// Longest id of a record, bytes. A real one is a UUID.
const LONGEST_ID: usize = 128;

const WHO: &str = "OpenCRVS's search";
const SETTING: &str = "opencrvs.search.url";
/// Nothing of a person is asked for.
const QUERY: &str = "query searchEvents($advancedSearchParameters: AdvancedSearchParametersInput!, $sort: String, $count: Int, $skip: Int) { searchEvents(advancedSearchParameters: $advancedSearchParameters, sort: $sort, count: $count, skip: $skip) { totalItems results { id } } }";

/// Which records are asked for. OpenCRVS compares the date on which each was declared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) kind: EventKind,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// Records of the pages before.
    pub(crate) skip: usize,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How many there are on all pages, where OpenCRVS says so.
    pub total: Option<usize>,
    /// The ids of their compositions.
    pub ids: Vec<String>,
}

/// Path of the URL that is posted to.
pub(crate) fn path(base: &str) -> SecretWriter {
    let mut path = SecretWriter::default();
    path.push(base.trim_end_matches('/').as_bytes());
    path.push(b"/graphql");
    path
}

/// What is posted.
pub(crate) fn body(asked: Asked) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        operation_name: &'static str,
        query: &'static str,
        variables: Variables,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Variables {
        advanced_search_parameters: Parameters,
        sort: &'static str,
        count: usize,
        skip: usize,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Parameters {
        event: &'static str,
        registration_statuses: [&'static str; 3],
        date_of_registration_start: String,
        date_of_registration_end: String,
    }
    let Asked { kind, since, until, skip } = asked;
    let advanced_search_parameters = Parameters {
        event: kind.as_str(),
        registration_statuses: ["REGISTERED", "CERTIFIED", "ISSUED"],
        date_of_registration_start: since.to_iso(),
        date_of_registration_end: until.to_iso(),
    };
    let variables = Variables { advanced_search_parameters, sort: "asc", count: PAGE, skip };
    serde_json::to_vec(&Body { operation_name: "searchEvents", query: QUERY, variables })
        .map_err(|_| Error::new(Code::Bug, "a search does not serialise"))
}

/// The page in an answer.
///
/// # Errors
///
/// [`Code::Partner`] where OpenCRVS refuses the client, [`Code::Upstream`] where it is away or broken, refuses the search, or names no records.
pub fn read(status: StatusCode, body: &[u8]) -> Result<Found> {
    #[derive(Deserialize)]
    struct Answer {
        data: Option<Data>,
        errors: Option<Vec<serde_json::Value>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        search_events: Option<Events>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Events {
        total_items: Option<u64>,
        results: Option<Vec<Option<Record>>>,
    }
    #[derive(Deserialize)]
    struct Record {
        id: String,
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(refused(&format!("answered {}", status.as_u16())));
    }
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    // A refusal of GraphQL comes with 200, 400 or 500.
    if let Ok(Answer { errors: Some(errors), .. }) = &answer
        && !errors.is_empty()
    {
        return Err(refused("refuses the search"));
    }
    if !status.is_success() {
        return Err(refusal::of_status(WHO, status, SETTING));
    }
    let odd = || refusal::of_body(WHO, status, SETTING);
    let events = answer.map_err(|_| odd())?.data.and_then(|data| data.search_events).ok_or_else(odd)?;
    let records = events.results.unwrap_or_default();
    let ids: Vec<String> = records.into_iter().flatten().map(|record| record.id).collect();
    let is_odd =
        |id: &String| id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|b| b.is_ascii_graphic());
    if ids.len() > PAGE || ids.iter().any(is_odd) {
        return Err(odd());
    }
    let total = events.total_items.and_then(|total| usize::try_from(total).ok());
    Ok(Found { total, ids })
}

fn refused(what: &str) -> Error {
    Error::new(Code::Upstream, format!("{WHO} {what}")).blame(Fault::Partner, true).advise(
        "Check in OpenCRVS under Integrations that opencrvs.search.client_id is an active client of type record search, and that it has searches left today: OpenCRVS counts them. Older versions give such a client five records at most.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_person_is_asked_for() {
        let since = Timestamp::from_seconds(1_796_000_000);
        let asked = Asked { kind: EventKind::Death, since, until: since, skip: 200 };
        let body: serde_json::Value = serde_json::from_slice(&body(asked).unwrap()).unwrap();
        let parameters = &body["variables"]["advancedSearchParameters"];
        assert_eq!((&parameters["event"], &body["variables"]["skip"]), (&"death".into(), &200.into()));
        assert!(parameters["dateOfRegistrationStart"].as_str().unwrap().starts_with("2026-11-"));
        assert!(!QUERY.to_lowercase().contains("name"));
    }

    #[test]
    fn a_refusal_in_graphql_is_one_whatever_its_status_and_repeats_nothing() {
        for (status, body) in [
            (200, r#"{"errors":[{"message":"hunter2"}],"data":null}"#),
            (500, r#"{"errors":[{"message":"hunter2"}]}"#),
            (401, ""),
            (403, "<html>"),
        ] {
            let error = read(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err();
            assert_eq!(error.fault(), Fault::Partner, "{status}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn an_answer_that_names_no_records_is_none() {
        let found = read(
            StatusCode::OK,
            br#"{"data":{"searchEvents":{"totalItems":7,"results":[{"id":"a"},null]}}}"#,
        );
        assert_eq!(found.unwrap(), Found { total: Some(7), ids: vec!["a".to_owned()] });
        let many = format!(
            r#"{{"data":{{"searchEvents":{{"results":[{}]}}}}}}"#,
            vec![r#"{"id":"a"}"#; PAGE + 1].join(",")
        );
        for body in [
            "",
            "<html>",
            r#"{"data":null}"#,
            r#"{"data":{"searchEvents":null}}"#,
            r#"{"data":{"searchEvents":{"totalItems":-1}}}"#,
            r#"{"data":{"searchEvents":{"results":[{"id":"a b"}]}}}"#,
            r#"{"data":{"searchEvents":{"results":[{"id":""}]}}}"#,
            &many,
        ] {
            assert_eq!(read(StatusCode::OK, body.as_bytes()).unwrap_err().code(), Code::Upstream, "{body}");
        }
    }
}
