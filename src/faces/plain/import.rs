//! `/v1/import`: takes over what waits in the database of an older system, for `mosip-gateway import`, which reads it.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Deserializer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{JSON, schema};
use crate::error::{Code, Error, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::read_object;
use crate::json;
use crate::ledger::{Imported, MOST_AT_ONCE};
use crate::opencrvs::pending::PendingRow;

/// `/v1/import`
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(refusing(routes!(of_mosip_api), &JSON, &[Code::Storage]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    #[serde(deserialize_with = "few")]
    rows: Vec<PendingRow>,
}

/// No more than one beyond [`MOST_AT_ONCE`] are kept.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PendingRow>, D::Error> {
    let mut rows = Vec::new();
    json::each_item(deserializer, |row| {
        if rows.len() <= MOST_AT_ONCE {
            rows.push(row);
        }
    })?;
    Ok(rows)
}

/// Takes over registrations that wait for MOSIP in the database of `mosip-api`. Nothing is sent: what MOSIP says of them finds them. What is
/// here already is left as it is.
#[utoipa::path(post, path = "/v1/import/mosip-api", request_body = schema::MosipApiRows, responses((status = 200, description = "They are on the disk, but for those that are unusable.", body = schema::ImportedRows)))]
async fn of_mosip_api(State(app): State<App>, request: Request) -> Result<Json<Imported>> {
    let Rows { rows } = read_object(request, app.limits()).await?;
    if rows.len() > MOST_AT_ONCE {
        return Err(Error::field("/rows", format!("these are more than {MOST_AT_ONCE}")));
    }
    let imported = app.ledger().import(rows).await?;
    tracing::info!(
        taken = imported.taken,
        without_token = imported.without_token,
        already_here = imported.already_here,
        unusable = imported.unusable.len(),
        "registrations of mosip-api are taken over"
    );
    Ok(Json(imported))
}
