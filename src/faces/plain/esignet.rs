//! `/v1/esignet`: how a login begins, and whose it is.

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::JSON;
use crate::error::{Code, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::read_object;
use crate::mosip::esignet::{Authorization, Login};

/// Largest body, bytes.
const BODY_LIMIT: usize = 64 << 10;

/// `/v1/esignet`
pub(super) fn routes() -> OpenApiRouter<App> {
    let asked = [
        Code::Keys,
        Code::KeyUnavailable,
        Code::Partner,
        Code::Upstream,
        Code::UpstreamTimeout,
        Code::Tampered,
        Code::UnknownKey,
    ];
    OpenApiRouter::new().routes(refusing(routes!(userinfo), &JSON, &asked)).routes(refusing(
        routes!(authorize),
        &JSON,
        &asked,
    ))
}

#[derive(Serialize, ToSchema)]
#[schema(as = EsignetUserinfo)]
struct Known {
    /// As they were signed.
    #[schema(value_type = serde_json::Value)]
    claims: Box<RawValue>,
    /// The userinfo, a JWS: as it came, or as it came out of what was sealed. A packet can carry it.
    token: String,
    /// `signature`; `none` where the keys of the issuer came over plain http
    verified: &'static str,
}

/// Says who logged in at eSignet: exchanges the code of a login for the claims of the person, and verifies them.
#[utoipa::path(post, path = "/v1/esignet/userinfo", request_body = Login, responses((status = 200, description = "The claims.", body = Known)))]
async fn userinfo(State(app): State<App>, request: Request) -> Result<Json<Known>> {
    let login: Login = read_object(request, &app.limits().with_body_limit(BODY_LIMIT)).await?;
    let known = app.esignet().userinfo(login, Ok).await?;
    let verified = known.word();
    let (claims, token) = (known.get().claims().to_owned(), known.get().token().to_owned());
    Ok(Json(Known { claims, token, verified }))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EsignetBeginning)]
struct Page {
    /// Where the browser goes.
    url: String,
    /// Seconds for which the URL is good, where eSignet holds the parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_in: Option<i64>,
}

/// Says where the browser goes for a login. The parameters stand in the URL; where eSignet demands it, they are pushed to it beforehand
/// (RFC 9126), under the signature that a page cannot make.
#[utoipa::path(post, path = "/v1/esignet/authorize", request_body = Authorization, responses((status = 200, description = "The URL.", body = Page)))]
async fn authorize(State(app): State<App>, request: Request) -> Result<Json<Page>> {
    let begin: Authorization = read_object(request, &app.limits().with_body_limit(BODY_LIMIT)).await?;
    let begun = app.esignet().begin(begin).await?;
    Ok(Json(Page { url: begun.url, expires_in: begun.expires_in }))
}
