use axum::body::Body;
use http::StatusCode;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

/// A route that answers `busy`, under a document that lists `codes`.
async fn answer(codes: Value) -> StatusCode {
    let problem = json!({ "allOf": [{}, { "properties": { "code": { "enum": codes } } }] });
    let responses = json!({ "503": { "content": { "application/problem+json": { "schema": problem } } } });
    let document = json!({ "paths": { "/a/{rest}": { "get": { "responses": responses } } } });
    let busy = axum::routing::get(async || Error::new(Code::Busy, "full"));
    let router = Router::new().route("/a/{*rest}", busy);
    let router = router.layer(middleware::from_fn_with_state(listed(&document), compare));
    let request = Request::builder().uri("/a/b/c").body(Body::empty()).unwrap();
    router.oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn a_code_that_the_document_does_not_list_is_a_bug() {
    assert_eq!(answer(json!(["busy", "storage"])).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer(json!(["storage"])).await, StatusCode::INTERNAL_SERVER_ERROR);
}
