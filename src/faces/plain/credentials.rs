//! `/v1/credentials`: whether a credential is MOSIP's, and which of its values are.

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::JSON;
use crate::error::{Code, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::read_object;
use crate::mosip::credential::{self, Verdict};
use crate::pool;

/// Largest body, bytes: a credential with a photograph stays below it.
const BODY_LIMIT: usize = 6 << 20;

/// `/v1/credentials`
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(refusing(
        routes!(verify),
        &JSON,
        &[Code::SignatureInvalid, Code::SignerExpired, Code::Keys],
    ))
}

/// What is asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CredentialToVerify)]
struct Asked {
    /// The credential as it was issued, with its proof.
    #[schema(value_type = Value)]
    credential: Box<RawValue>,
}

/// Verifies the proof inside a credential, by the contexts and issuers of `[credentials]`.
#[utoipa::path(post, path = "/v1/credentials/verify", request_body = Asked, responses((status = 200, description = "It verifies.", body = Verdict)))]
async fn verify(State(app): State<App>, request: Request) -> Result<Json<Verdict>> {
    let limits = app.limits().with_body_limit(BODY_LIMIT);
    let Asked { credential } = read_object(request, &limits).await?;
    let (credentials, now) = (app.credentials()?, app.now());
    let verify = move || credentials.verify(&credential::tree(credential.get().as_bytes())?, now);
    // Not among the operations with private keys, which others wait for.
    let verified = pool::beside(verify).await?;
    Ok(Json(verified.into()))
}
