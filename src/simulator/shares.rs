//! MOSIP's data share: what the issuer's messages name and do not bring, to whom brings a token, a few times.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::Value;

use super::World;
use super::answer;
use super::behaviour::ShareReply;
use super::credentials::{IssueError, Published};
use super::mediator::check_token;
use crate::crypto::secret::random;

/// How often a share may be fetched (`transactionsAllowed`).
const FETCHES: u32 = 2;
/// More than MOSIP shares, bytes.
const LARGE: usize = 7 << 20;

/// What is shared.
pub struct Shares {
    /// Ends with `/`.
    place: String,
    kept: Mutex<BTreeMap<String, Share>>,
}

struct Share {
    sealed: String,
    left: u32,
}

impl Shares {
    pub(super) fn new(base_url: &str) -> Self {
        Self { place: format!("{base_url}/v1/datashare/"), kept: Mutex::default() }
    }

    /// The message `published` as it is where the partner's policy shares: it names the credential and does not bring it.
    ///
    /// # Errors
    ///
    /// It brings none.
    pub fn take_out(&self, published: Published) -> Result<Published, IssueError> {
        let mut message: Value = serde_json::from_slice(&published.body)?;
        let data = message.pointer_mut("/event/data").and_then(Value::as_object_mut);
        let credential = data.and_then(|data| data.remove("credential"));
        let sealed =
            credential.as_ref().and_then(Value::as_str).ok_or("the message brings no credential")?.to_owned();
        let key = HEXLOWER.encode(&random::<16>());
        if let Some(uri) = message.pointer_mut("/event/dataShareUri") {
            *uri = format!("{}get/mpolicy-default/mpartner-default/{key}", self.place).into();
        }
        self.kept().insert(key, Share { sealed, left: FETCHES });
        Ok(Published { body: message.to_string().into(), ..published })
    }

    fn give(&self, key: &str) -> Option<String> {
        let mut kept = self.kept();
        let share = kept.get_mut(key)?;
        share.left = share.left.checked_sub(1)?;
        Some(share.sealed.clone())
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Share>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/v1/datashare/get/{policy}/{subscriber}/{key}", get(share))
}

async fn share(
    State(world): State<Arc<World>>,
    Path((_, _, key)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(reply) = world.controls.get().share {
        return hostile(reply);
    }
    if let Err(refusal) = check_token(&world, &headers) {
        return refusal.into_response();
    }
    match world.shares.give(&key) {
        Some(sealed) => ([(CONTENT_TYPE, "application/octet-stream")], sealed).into_response(),
        None => answer::errors(StatusCode::OK, "DAT-SER-006", "Data share usage expired"),
    }
}

fn hostile(reply: ShareReply) -> Response {
    match reply {
        ShareReply::Missing => StatusCode::NOT_FOUND.into_response(),
        ShareReply::Html => answer::html(),
        ShareReply::Image => ([(CONTENT_TYPE, "image/png")], &b"\x89PNG\r\n\x1a\n"[..]).into_response(),
        ShareReply::Redirect => Redirect::temporary("/v1/elsewhere").into_response(),
        ShareReply::Large => "A".repeat(LARGE).into_response(),
        ShareReply::Endless => {
            let piece = Bytes::from_static(&[b'A'; 64 << 10]);
            let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            Body::from_stream(pieces).into_response()
        }
    }
}
