//! The scene of a second system: a birth goes to MOSIP and to another ID system, and neither waits for the other.

use std::io::Write;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

use super::{BIRTH, Stage, call, delivery, demo_error, ensure, print_step, text};
use crate::crypto::base64;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::error::Result;
use crate::simulator::Behaviour;

/// What the system and the gateway share.
pub(super) const SECRET: &str = "example-system-secret";
/// What the system answers.
const NUMBER: &str = "NIA-0042-7731";

/// The settings of a gateway beside the system at `url`.
pub(super) fn settings(url: &str) -> String {
    format!(
        "\n[[systems]]\nname = \"nia\"\nurl = \"{url}\"\nkinds = [\"birth\"]\nsign = \"standard-webhooks\"\n\
         secret_env = \"MOSIP_GATEWAY_DEMO_SYSTEM_SECRET\"\nreply_id = \"$.nid\"\n"
    )
}

/// Starts the system, which takes what is signed and gives a number; its URL.
pub(super) async fn start() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(demo_error)?;
    let url = format!("http://{}/events", listener.local_addr().map_err(demo_error)?);
    let routes = Router::new().route("/events", post(take));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

async fn take(headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tag = header("webhook-signature").strip_prefix("v1,").unwrap_or_default();
    let tag = base64::decode(tag.as_bytes()).unwrap_or_default();
    let parts: [&[u8]; 5] =
        [header("webhook-id").as_bytes(), b".", header("webhook-timestamp").as_bytes(), b".", &body];
    match hmac::verify(HmacAlgorithm::Sha256, SECRET.as_bytes(), &parts, &tag) {
        Ok(()) => Json(json!({ "nid": NUMBER })).into_response(),
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}

impl Stage {
    pub(super) async fn systems(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let Self { simulator, client, api, deliveries } = self;
        let mut print_step = |step, what, line| print_step(out, step, what, line);
        simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
        print_step(1, "MOSIP is off", "the other ID system, nia, is there".to_owned())?;
        let (status, accepted) = call(client, Method::POST, &format!("{api}/v1/events/birth"), BIRTH).await?;
        let entries = [text(&accepted, "/entries/0/id"), text(&accepted, "/entries/1/id")];
        print_step(
            2,
            "plain event",
            format!("a birth, answered {status} as {} and {}", entries[0], entries[1]),
        )?;
        let number = delivery(deliveries, "national-id.received").await?;
        ensure(text(&number, "/data/nationalId") == NUMBER && text(&number, "/data/destination") == "nia")?;
        print_step(3, "nia answered", format!("{NUMBER}, delivered in plain JSON, while MOSIP is off"))?;
        simulator.controls.set(Behaviour::default());
        loop {
            let accepted = delivery(deliveries, "event.accepted").await?;
            if text(&accepted, "/data/destination") == "mediator" {
                break;
            }
        }
        print_step(4, "MOSIP is back", "it accepted the same birth".to_owned())
    }
}
