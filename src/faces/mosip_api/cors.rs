//! Which page in a browser may call the face, and read its answers (CORS).

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::MosipApi;
use super::refusal::PeerError;
use crate::http::caller::Caller;

/// Lets the page of `faces.cors_origin` call and read the answers. It brings no cookies: its callers send a token.
pub(super) async fn share_with_page(
    State(MosipApi(face)): State<MosipApi>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_preflight = request.method() == http::Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_page = face.origin.is_some() && headers.get(header::ORIGIN) == face.origin.as_ref();
    // A browser sends no token with it.
    let is_counted = |caller: &Caller| caller.count().map_err(PeerError::from);
    let caller = request.extensions().get::<Caller>().filter(|_| is_preflight);
    let mut response = match caller.map_or(Ok(()), is_counted) {
        Err(busy) => busy.into_response(),
        Ok(()) if is_preflight => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = face.origin.clone().filter(|_| is_page) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            allow(headers);
        }
    }
    response
}

fn allow(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
