//! The one place where an error becomes a reply: `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Code, Error, Fault, UpstreamCode};

/// The content type of a refusal.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// The error behind a reply, left in the extensions of the response for the log. Never sent.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) Error);

/// The body of a refusal.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    /// `urn:mosip-gateway:problem:` and the code.
    r#type: String,
    title: &'a str,
    /// That of the answer.
    status: u16,
    /// What is wrong. It repeats no value.
    #[schema(value_type = String)]
    detail: Cow<'a, str>,
    /// Why a credential does not verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'a str>,
    #[schema(value_type = String)]
    code: Code,
    /// Who has to act: `caller`, `keys`, `partner`, `upstream`, `tampered`, `storage` or `bug`.
    #[schema(value_type = String)]
    fault: Fault,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// What to do, for the person who can do it.
    advice: &'a str,
    /// What it is about, a JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    upstream: Option<Upstream<'a>>,
}

/// What MOSIP said.
#[derive(Serialize, ToSchema)]
#[schema(as = MosipCode)]
struct Upstream<'a> {
    code: &'a str,
    message: &'a str,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let code = self.code();
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of texts, numbers and flags always serialises.
        let body = serde_json::to_vec(&Problem::of(&self)).unwrap_or_default();
        let mut headers = headers(code);
        headers.extend(retry_after(&self).map(|wait| (header::RETRY_AFTER, wait)));
        let mut response = (status, headers, body).into_response();
        response.extensions_mut().insert(Refusal(self));
        response
    }
}

/// Most seconds that a caller is told to wait.
const LONGEST_WAIT: u64 = 86_400;

/// `Retry-After` of a refusal that says when it may end: whole seconds.
pub(crate) fn retry_after(error: &Error) -> Option<HeaderValue> {
    let wait = error.retry_after()?;
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    Some(HeaderValue::from(seconds.clamp(1, LONGEST_WAIT)))
}

impl<'a> Problem<'a> {
    /// What is shown of `error`: never the operator's detail.
    pub(crate) fn of(error: &'a Error) -> Self {
        let code = error.code();
        Self {
            r#type: format!("urn:mosip-gateway:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            detail: error.detail_for_registrar(),
            reason: error.reason(),
            code,
            fault: error.fault(),
            retryable: error.retryable(),
            advice: error.advice(),
            pointer: error.pointer(),
            upstream: error.upstream().map(|UpstreamCode { code, message }| Upstream { code, message }),
        }
    }
}

/// The headers of a refusal.
pub(crate) fn headers(code: Code) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    if code == Code::Busy {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(challenge) = code.challenge() {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    headers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Fault;

    async fn reply(error: Error) -> (StatusCode, HeaderMap, Value) {
        let (head, body) = error.into_response().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_problem_has_every_member_and_never_the_operators_detail() {
        let error = Error::field("/otp", "this is missing").for_operator("step 7");
        let (status, headers, body) = reply(error).await;
        assert_eq!(
            (status, &headers[header::CONTENT_TYPE]),
            (StatusCode::UNPROCESSABLE_ENTITY, &HeaderValue::from_static("application/problem+json"))
        );
        assert_eq!(
            body,
            json!({
                "type": "urn:mosip-gateway:problem:field",
                "title": "A value is wrong or missing",
                "status": 422,
                "detail": "this is missing",
                "code": "field",
                "fault": "caller",
                "retryable": false,
                "advice": "Correct the value at `pointer`.",
                "pointer": "/otp",
            })
        );
    }

    #[tokio::test]
    async fn mosips_own_code_and_the_blame_are_shown() {
        let error = Error::new(Code::Upstream, "MOSIP answered IDA-MLC-007")
            .blame(Fault::Partner, true)
            .with_upstream("IDA-MLC-007", "Request could not be processed");
        let (status, _, body) = reply(error).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert_eq!((&body["fault"], &body["retryable"]), (&json!("partner"), &json!(true)));
        assert_eq!(
            body["upstream"],
            json!({ "code": "IDA-MLC-007", "message": "Request could not be processed" })
        );
    }

    #[tokio::test]
    async fn the_registrar_is_told_what_operators_are_not() {
        let error = Error::new(Code::Partner, "MOSIP answered IDA-MPA-009").for_registrar("Try again later.");
        assert_eq!(error.detail(), "MOSIP answered IDA-MPA-009");
        let (_, _, body) = reply(error).await;
        assert_eq!(body["detail"], "MOSIP answered IDA-MPA-009. Try again later.");
    }

    #[tokio::test]
    async fn busy_says_when_and_unauthorized_says_how() {
        let (status, headers, _) = reply(Error::new(Code::Busy, "full")).await;
        assert_eq!(
            (status, headers[header::RETRY_AFTER].as_bytes()),
            (StatusCode::SERVICE_UNAVAILABLE, &b"1"[..])
        );
        let wait = std::time::Duration::from_millis(4_200);
        let (status, headers, _) =
            reply(Error::new(Code::CallerKeys, "away").with_retry_after(Some(wait))).await;
        assert_eq!(
            (status, headers[header::RETRY_AFTER].as_bytes()),
            (StatusCode::SERVICE_UNAVAILABLE, &b"5"[..])
        );
        let (status, headers, _) = reply(Error::new(Code::Unauthorized, "none")).await;
        assert_eq!(
            (status, headers[header::WWW_AUTHENTICATE].as_bytes()),
            (StatusCode::UNAUTHORIZED, &b"Bearer"[..])
        );
    }

    #[test]
    fn the_log_gets_the_whole_error() {
        let response =
            Error::new(Code::Decrypt, "the message does not open").for_operator("tag").into_response();
        let Refusal(error) = response.extensions().get::<Refusal>().unwrap();
        assert_eq!(error.operator_detail(), Some("tag"));
    }
}
