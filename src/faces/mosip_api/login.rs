//! The form of OpenCRVS asks, from the browser of a registrar, who logged in at eSignet.

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::MosipApi;
use super::person::Person;
use super::refusal::PeerError;
use crate::error::Result;
use crate::faces::request::{query_of, read_object};
use crate::http::caller::Caller;
use crate::mosip::esignet::Login;

/// `/esignet/get-oidp-user-info`
pub(super) fn route() -> UtoipaMethodRouter<MosipApi> {
    routes!(get_oidp_user_info)
}

/// What the browser brought back from eSignet.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Brought {
    /// `code` of the redirect.
    code: String,
    /// `state` of the redirect. The form compares it; nothing here does.
    #[allow(dead_code, reason = "it has to be there, as in mosip-api")]
    state: String,
}

/// What the form knows of the login.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EsignetForm)]
struct Asked {
    /// The client id under which the country is registered with eSignet.
    client_id: String,
    /// The address that eSignet led the browser back to. What follows a `?` does not count.
    redirect_uri: String,
    /// The verifier of PKCE, where the login began with a challenge; `mosip-api` knows none.
    #[schema(nullable = false)]
    code_verifier: Option<String>,
    /// The `nonce` that the login began with; `mosip-api` knows none.
    #[schema(nullable = false)]
    nonce: Option<String>,
}

/// Says who logged in at eSignet, in the form that OpenCRVS fills its fields with, from verified claims alone.
#[utoipa::path(post, path = "/esignet/get-oidp-user-info", params(Brought), request_body = Asked, security(("opencrvs-jwt" = [])),
    responses((status = 200, description = "The person.", body = Person)))]
async fn get_oidp_user_info(
    State(MosipApi(face)): State<MosipApi>,
    caller: Caller,
    request: Request,
) -> Result<Json<Person>, PeerError> {
    face.let_in(&caller, request.headers()).await?;
    let brought: Brought = query_of(&request)?;
    let asked: Asked = read_object(request, &face.limits).await?;
    let redirect_uri = asked.redirect_uri.split('?').next().unwrap_or_default().to_owned();
    let login = Login {
        code: brought.code,
        client_id: asked.client_id,
        redirect_uri,
        code_verifier: asked.code_verifier,
        nonce: asked.nonce,
    };
    let person = face.app.esignet().userinfo(login, |known| Person::of(&known)).await;
    person.map(Json).map_err(PeerError::of_login)
}
