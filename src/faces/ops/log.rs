//! `POST /v1/log`: how much is logged, from now on until the next start.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use utoipa::{IntoParams, ToSchema};

use super::{Ops, reload};
use crate::config::Trouble;
use crate::error::{Error, Result};
use crate::faces::request::Query;
use crate::http::server::Peer;
use crate::telemetry::{Level, name_of, named, names};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    #[param(pattern = "^(off|error|warn|info|debug|trace)$")]
    level: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Levels {
    /// What is logged from now on.
    level: &'static str,
    /// What was logged until now.
    former: &'static str,
}

/// The log has another level than at the start, until somebody sets it back.
pub(super) fn trouble(level: &Level) -> Option<Trouble> {
    let (now, at_start) = (name_of(level.get()), name_of(level.at_start()));
    (now != at_start).then(|| {
        let what = format!("is {at_start}, and {now} counts, which was set on request");
        Trouble::new("telemetry.log", what, format!("ask for /v1/log?level={at_start}, or start again"))
    })
}

/// Sets how much is logged, until the next start. No level shows what other libraries log below `warn`, or anything of a person.
#[utoipa::path(post, path = "/v1/log", params(Asked), responses((status = 200, description = "It counts from now on.", body = Levels)))]
pub(super) async fn set(
    State(ops): State<Ops>,
    peer: Option<Extension<Peer>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Levels>> {
    let level = named(&asked.level).ok_or_else(|| {
        Error::field("", "there is no such level").advise(format!("Write one of {}.", names()))
    })?;
    let (by, counts) = (reload::asked_by(peer), ops.app.level());
    let tell = |former| {
        let (to, former) = (name_of(level), name_of(former));
        tracing::warn!(by, to, former, "the level of the log is set on request");
    };
    // While the former one counts: `off` would let nothing of it through.
    tell(counts.get());
    let former = counts.replace(level);
    if former < LevelFilter::WARN {
        tell(former);
    }
    Ok(Json(Levels { level: name_of(level), former: name_of(former) }))
}
