//! The answers of the MOSIP-side mediator, and the faults that replace them.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};

use crate::clock::Timestamp;

/// Why the MOSIP-side mediator refuses. Its sentence never repeats anything of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

impl Refusal {
    /// No cookie, or an empty one.
    pub(super) const MISSING_TOKEN: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        code: "OPN-AUT-003",
        message: "Missing Authorization Cookie / Empty Authorization Token.",
    };
    /// A token that is not ours, or has expired.
    pub(super) const INVALID_TOKEN: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        code: "OPN-AUT-002",
        message: "Invalid auth token / Unable to validate Token",
    };
    /// Not signed, by a known partner, over the envelope.
    pub(super) const SIGNATURE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "OPN-CRVS-026",
        message: "Improper Signature / Unable to verify signed data ",
    };
    /// Unwrapping or authentication failed.
    pub(super) const DECRYPT: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "OPN-CRVS-022",
        message: "Unable to decrypt encrypted data ",
    };
    /// A fault on request.
    pub(super) const FAULT: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "OPN-CRVS-010",
        message: "Unknown Exception occured",
    };

    /// A defect that only the simulator refuses; `code` begins with `SIM-`.
    pub(super) const fn strict(code: &'static str, message: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        errors(self.status, self.code, self.message)
    }
}

/// `{"id","version","responseTime","response":{"message"}}`
pub(super) fn success(now: Timestamp, message: &str) -> Response {
    let body = json!({
        "id": "mosip-opencrvs-mediator",
        "version": "1.0",
        "responseTime": now.to_iso(),
        "response": { "message": message },
    });
    json_response(StatusCode::OK, &body)
}

/// `{"errors":[{"errorCode","errorMessage"}]}`
pub(super) fn errors(status: StatusCode, code: &str, message: &str) -> Response {
    json_response(status, &json!({ "errors": [{ "errorCode": code, "errorMessage": message }] }))
}

/// Any JSON.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The page that a proxy in front of MOSIP shows.
pub(super) fn html() -> Response {
    Html("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>")
        .into_response()
}

/// Closes the connection without a byte: hyper gives a connection up when a body fails before the head is flushed.
pub(super) fn hang_up() -> Response {
    Response::new(Body::new(BrokenBody))
}

/// Marks an answer, so that it is not taken for MOSIP's.
pub(super) async fn mark(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-simulator"), HeaderValue::from_static("not for production"));
    response
}

struct BrokenBody;

impl HttpBody for BrokenBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into())))
    }
}
