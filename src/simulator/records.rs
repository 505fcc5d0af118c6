//! OpenCRVS 1.x beside MOSIP's side: the search of its gateway, `/core/graphql`, as a record search client asks it. It is stricter about what it
//! is sent: only `searchEvents` is answered, and what it names of a record is its id.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};

use super::World;
use super::answer::json_response;
use super::behaviour::SearchLie;
use super::opencrvs::is_caller;
use crate::clock::Timestamp;

/// Records of a page without an end.
const ENDLESS: usize = 100;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/core/graphql", post(search))
}

/// The registrations that OpenCRVS has. Cheap to share.
#[derive(Default)]
pub struct Records(Mutex<Vec<(String, String, Timestamp)>>);

impl Records {
    /// It has a record of `kind`, a birth or a death, that was declared at `declared`.
    pub fn register(&self, kind: &str, composition: &str, declared: Timestamp) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.push((kind.to_owned(), composition.to_owned(), declared));
    }

    fn of(&self, kind: &str, since: Timestamp, until: Timestamp) -> Vec<String> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_asked =
            |(of, _, at): &&(String, String, Timestamp)| of == kind && (since..=until).contains(at);
        records.iter().filter(is_asked).map(|(_, composition, _)| composition.clone()).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    operation_name: String,
    query: String,
    variables: Variables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Variables {
    advanced_search_parameters: Parameters,
    sort: String,
    count: usize,
    skip: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Parameters {
    event: String,
    registration_statuses: Vec<String>,
    date_of_registration_start: String,
    date_of_registration_end: String,
}

async fn search(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_caller(&world, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let refuse = |message: &str| {
        json_response(StatusCode::OK, &json!({ "errors": [{ "message": message }], "data": null }))
    };
    let Ok(Asked { operation_name, query, variables }) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Variables { advanced_search_parameters: parameters, sort, count, skip } = variables;
    let (since, until) = (&parameters.date_of_registration_start, &parameters.date_of_registration_end);
    let (Some(since), Some(until)) = (Timestamp::from_iso(since), Timestamp::from_iso(until)) else {
        return refuse("dateOfRegistrationEnd must be provided along with dateOfRegistrationStart");
    };
    let is_known = operation_name == "searchEvents"
        && query.contains("searchEvents(")
        && parameters.registration_statuses.iter().any(|status| status == "REGISTERED")
        && sort == "asc";
    let lie = world.controls.get().opencrvs_search;
    if !is_known || lie == Some(SearchLie::Refuses) {
        return refuse("User does not have enough scope");
    }
    let all = world.records.of(&parameters.event, since, until);
    let count = if lie == Some(SearchLie::Five) { count.min(5) } else { count };
    let page = || all.iter().skip(skip).take(count).cloned().collect();
    let (total, ids): (usize, Vec<String>) = match lie {
        Some(SearchLie::Endless) => {
            let new = |at| format!("{}-{}", parameters.event, skip + at);
            (usize::MAX >> 12, (0..ENDLESS).map(new).collect())
        }
        Some(SearchLie::Repeats) => (usize::MAX >> 12, all.iter().take(count).cloned().collect()),
        _ => (all.len(), page()),
    };
    let results: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    let events = json!({ "totalItems": total, "results": results });
    json_response(StatusCode::OK, &json!({ "data": { "searchEvents": events } }))
}
