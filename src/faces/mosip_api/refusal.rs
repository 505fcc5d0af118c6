//! Refusals as `mosip-api` writes them.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;

use crate::error::{Code, Error, Fault, with_advice};
use crate::http::problem::{Refusal, retry_after};

/// A refusal: `{"error"}`.
pub(super) struct PeerError {
    error: Error,
    /// In place of what is said of `error`.
    sentence: Option<&'static str>,
}

impl From<Error> for PeerError {
    fn from(error: Error) -> Self {
        Self { error, sentence: None }
    }
}

impl PeerError {
    /// A login that fails for good, through no fault of the form, has to be made again.
    pub(super) fn of_login(error: Error) -> Self {
        const AGAIN: &str =
            "The login cannot be completed: let the person log in again, or fill in the form by hand";
        const AWAY: &str = "eSignet cannot be asked for now: try again later, or fill in the form by hand";
        let sentence = match (error.fault(), error.code()) {
            (Fault::Caller | Fault::Tampered, _) => None,
            _ if !error.retryable() => Some(AGAIN),
            (_, Code::Upstream | Code::UpstreamTimeout | Code::Partner) => Some(AWAY),
            _ => None,
        };
        Self { sentence, error }
    }
}

/// 401 for a caller that is not known, 404 for what is not there, 422 for what its caller has to put right, 503 for all else.
pub(super) fn status(code: Code, fault: Fault) -> StatusCode {
    match (code, fault) {
        (Code::Unauthorized | Code::CallerSignature, _) => StatusCode::UNAUTHORIZED,
        (Code::NotFound, _) => StatusCode::NOT_FOUND,
        // The configuration of the gateway is none of the caller's.
        (Code::KindNotConfigured, _) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Fault::Caller) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for PeerError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Cow<'a, str>,
        }
        let Self { error, sentence } = self;
        let said = sentence.map_or_else(|| said(&error), Cow::Borrowed);
        let mut response = (status(error.code(), error.fault()), Json(Body { error: said })).into_response();
        response.headers_mut().extend(retry_after(&error).map(|wait| (header::RETRY_AFTER, wait)));
        response.extensions_mut().insert(Refusal(error));
        response
    }
}

/// What a page in a browser learns of `error`: no address, no name and no place of a key. The log says it.
fn said(error: &Error) -> Cow<'_, str> {
    match (error.code(), error.fault()) {
        (Code::Unauthorized, _) => "Unauthorized".into(),
        (Code::CallerSignature, _) => "Invalid X-Hub-Signature".into(),
        (Code::KindNotConfigured, _) => error.code().title().into(),
        (_, Fault::Caller) => to_put_right(error),
        (_, Fault::Tampered) => error.detail().into(),
        _ => error.code().title().into(),
    }
}

/// Where it is in the body (RFC 6901), what is wrong there, and what to do. Of what MOSIP refuses the pointer is none into this body.
fn to_put_right(error: &Error) -> Cow<'_, str> {
    if error.upstream().is_some() {
        return error.detail().into();
    }
    let what: Cow<'_, str> = match error.pointer() {
        Some(pointer) if !pointer.is_empty() => format!("{pointer}: {}", error.detail()).into(),
        _ => error.detail().into(),
    };
    match error.advice() {
        usual if usual == error.code().advice() => what,
        advice => with_advice(&what, advice).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_learns_where_what_and_how_and_nothing_of_our_configuration() {
        let own = Error::field("/dob", "this is no date").advise("Write yyyy-MM-dd.");
        for (error, wanted) in [
            (Error::field("/requestFields/VID", "this is missing"), "/requestFields/VID: this is missing"),
            (Error::field("", "the list is empty"), "the list is empty"),
            (own, "/dob: this is no date. Write yyyy-MM-dd."),
            (
                Error::field("/individualId", "MOSIP answered X-1").with_upstream("X-1", "x"),
                "MOSIP answered X-1",
            ),
            (Error::new(Code::Keys, "keys.own is not set"), Code::Keys.title()),
            (
                Error::new(Code::KindNotConfigured, "no URL is set for packets"),
                Code::KindNotConfigured.title(),
            ),
            (Error::new(Code::Upstream, "http://inner answered 500"), Code::Upstream.title()),
            (Error::new(Code::CallerSignature, "there are two"), "Invalid X-Hub-Signature"),
        ] {
            assert_eq!(said(&error), wanted);
        }
        let tampered = Error::new(Code::Tampered, "it bears no signature");
        assert_eq!(status(tampered.code(), tampered.fault()), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(Code::KindNotConfigured, Fault::Caller), StatusCode::SERVICE_UNAVAILABLE);
    }
}
