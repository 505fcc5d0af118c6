//! `/webhooks` of OpenCRVS 1.2 to 1.9. OpenCRVS never looks at the status of an answer: a refusal is a lost birth or death. Only a
//! connection that breaks is tried again, three times at once. So what it signed is stored as an event, or stored in quarantine, or
//! held open until it can be stored; and where even that cannot go on, the connection is broken without an answer.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use utoipa::openapi::OpenApi;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::settings::Settings;
use super::openapi::{at, refusing, taking_any_query, taking_empty_body};
use super::request::{Query, method_not_allowed};
use super::{App, Callers, Face, hub_signature, signature_refused};
use crate::error::{Code, Error, Result};
use crate::http::body::{self, HeldBody, Limits};
use crate::http::caller::Caller;
use crate::http::meters::NO_ANSWER;
use crate::http::server::Hangup;
use crate::http::trace::ListenerName;
use crate::opencrvs::event::EventKind;
use crate::opencrvs::webhook::WebhookSignature;
use crate::tasks::pushes::Taken;

/// Where it stands.
const ROUTE: &str = "/webhooks";

/// Webhooks that are held open at once. OpenCRVS posts one at a time.
const MOST_HELD: usize = 16;

/// How long a held webhook rests between two attempts to store it.
const REST: Duration = Duration::from_secs(1);

/// `/webhooks`.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<Shared>);

struct Shared {
    app: App,
    settings: Settings,
    /// Of bodies whose signature has not been checked.
    limits: Limits,
    /// Of webhooks that are held.
    places: Arc<Semaphore>,
    /// Turns true when the gateway stops.
    stopping: watch::Receiver<bool>,
}

/// Why the query of a webhook is not refused.
const ANY_QUERY: &str =
    "Query parameters are accepted and ignored: OpenCRVS does not repeat a webhook that is refused.";

/// Why further parameters of OpenCRVS are not refused.
const OTHER_PARAMETERS: &str = "Any further parameter is taken, and none is read: a subscription does not fail for what a version of OpenCRVS adds.";

/// The routes, which are the same with a slash behind them.
fn routes() -> OpenApiRouter<Webhooks> {
    let refused = [Code::CallerSignature, Code::TooLarge, Code::Malformed];
    [ROUTE, "/webhooks/"].into_iter().fold(OpenApiRouter::new(), |routes, path| {
        let confirm = refusing(routes!(confirm), &[Code::Field, Code::NotFound, Code::Busy], &[]);
        let receive = taking_empty_body(refusing(routes!(receive), &refused, &[]));
        let receive = taking_any_query(ANY_QUERY, at(path, receive));
        routes.routes(receive).routes(taking_any_query(OTHER_PARAMETERS, at(path, confirm)))
    })
}

impl Face for Webhooks {
    const NAME: &'static str = "webhooks";
    const SWITCH: &'static str = "faces.webhooks";

    /// A post proves itself by its signature, and no limit answers before that.
    const CALLERS: Callers = Callers::ByRequest;

    type Settings = Option<Settings>;

    fn openapi() -> OpenApi {
        routes().into_openapi()
    }

    fn router(
        app: &App,
        settings: Option<Settings>,
        on: &[&'static str],
        stopping: &watch::Receiver<bool>,
    ) -> Option<Router> {
        for listener in on {
            app.meters().expect(listener, ROUTE, &[Code::CallerSignature, Code::TooLarge, Code::NotFound]);
            app.meters().expect_no_answer(listener, ROUTE);
        }
        let webhooks = Self(Arc::new(Shared {
            app: app.clone(),
            settings: settings?,
            limits: app.limits().for_strangers(app.limits().body_limit()),
            places: Arc::new(Semaphore::new(MOST_HELD)),
            stopping: stopping.clone(),
        }));
        let (routes, _) = routes().split_for_parts();
        Some(routes.method_not_allowed_fallback(method_not_allowed).with_state(webhooks))
    }
}

/// Takes a webhook of OpenCRVS: 202 once it is on the disk, as an event or in quarantine.
#[utoipa::path(post, path = "/webhooks", params(("X-Hub-Signature" = String, Header, description = "`sha256=` and the HMAC in hex.")),
    request_body(content = serde_json::Value, description = "The webhook. Whatever else comes, an empty body too, is kept in quarantine."),
    responses((status = 202, description = "It is on the disk.", body = Stored)))]
async fn receive(
    State(Webhooks(webhooks)): State<Webhooks>,
    Extension(hangup): Extension<Hangup>,
    Extension(listener): Extension<ListenerName>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<Value>)> {
    caller.keep_answer();
    let line = OpenPost { webhooks, hangup, listener, caller };
    let signature =
        hub_signature(request.headers()).map_err(|refusal| refusal.advise(line.advice()))?.to_owned();
    let body = line.read(request).await?;
    let body = line.check(body, signature).await?;
    let answer = match line.store(body).await {
        Taken::Event(event) => json!({ "id": event.id, "state": event.state.as_str() }),
        Taken::Quarantined(id) => json!({ "id": id, "state": "quarantined" }),
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// One post with its connection.
struct OpenPost {
    webhooks: Arc<Shared>,
    hangup: Hangup,
    listener: ListenerName,
    caller: Caller,
}

impl OpenPost {
    /// The whole body, in its turn.
    async fn read(&self, request: Request) -> Result<HeldBody> {
        let limits = self.webhooks.limits.of(self.caller.address());
        match body::read_in_turn(request, &limits).await {
            Err(error) if error.code() == Code::Timeout => {
                self.break_off("its body did not arrive in time").await
            }
            Err(error) => {
                if error.code() == Code::TooLarge && self.is_first("size") {
                    tracing::error!(
                        "a webhook is larger than listen.body_limit and is lost if OpenCRVS sent it; raise the limit"
                    );
                }
                Err(error)
            }
            body => body,
        }
    }

    async fn check(&self, body: HeldBody, signature: String) -> Result<HeldBody> {
        let webhooks = Arc::clone(&self.webhooks);
        let verify = move |body: HeldBody| {
            let Settings { secret, signature: accepted } = &webhooks.settings;
            crate::opencrvs::webhook::verify_signature(secret.expose(), &body, &signature, *accepted)
                .map_err(|refusal| signature_refused(&refusal))?;
            Ok(body)
        };
        match body.read_as(verify).await {
            Err(refusal) if refusal.code() == Code::CallerSignature => Err(refusal.advise(self.advice())),
            // The gateway could not look, so that OpenCRVS may have signed it.
            Err(_) => self.break_off("its signature could not be checked").await,
            Ok(body) => {
                self.caller.prove();
                Ok(body)
            }
        }
    }

    /// Stores what is signed; returns once it is on the disk.
    async fn store(&self, body: HeldBody) -> Taken {
        let (body, share) = body.into_parts();
        let refusal = match self.take(&body).await {
            Ok(taken) => return taken,
            Err(refusal) => refusal,
        };
        // A held webhook counts for no other limit.
        drop(share);
        self.hold(&body, &refusal).await
    }

    async fn take(&self, body: &Bytes) -> Result<Taken> {
        self.webhooks.app.pushes().take_webhook(body.clone()).await
    }

    /// Tries again until it is stored. Dropped when the caller hangs up.
    async fn hold(&self, body: &Bytes, refusal: &Error) -> Taken {
        let Ok(_place) = self.webhooks.places.try_acquire() else {
            return self.break_off("as many as can be are held already").await;
        };
        let _held = self.webhooks.app.meters().hold();
        tracing::error!(
            code = refusal.code().as_str(),
            detail = refusal.detail(),
            step = refusal.operator_detail(),
            "a webhook of OpenCRVS cannot be stored yet; it is held open and tried every second"
        );
        let stored = async {
            loop {
                sleep(REST).await;
                if let Ok(taken) = self.take(body).await {
                    tracing::info!("a webhook that was held is stored");
                    break taken;
                }
            }
        };
        let mut stopping = self.webhooks.stopping.clone();
        let stopped = async { drop(stopping.wait_for(|stop| *stop).await) };
        tokio::select! {
            biased;
            () = stopped => self.break_off("the gateway stops").await,
            taken = stored => taken,
        }
    }

    /// Never returns: OpenCRVS takes a connection that breaks as a failure, and nothing else.
    async fn break_off<T>(&self, why: &'static str) -> T {
        if self.is_first(why) {
            let listener = self.listener.0;
            tracing::error!(listener, why, "the connection of a webhook is broken without an answer");
        }
        self.webhooks.app.meters().refused(self.listener.0, ROUTE, NO_ANSWER);
        match self.hangup.now().await {}
    }

    /// A stranger can cause the line about `what`, so that it is written once in an interval.
    fn is_first(&self, what: &'static str) -> bool {
        self.webhooks.app.meters().is_first(self.listener.0, ROUTE, what)
    }

    fn advice(&self) -> &'static str {
        match self.webhooks.settings.signature {
            WebhookSignature::Either | WebhookSignature::Core => {
                "Set faces.webhook_secret_file to the sha_secret of the integration in OpenCRVS, which signs `sha256:` and encodeURIComponent of the body."
            }
            WebhookSignature::Raw => {
                "Sign the body itself with the secret in faces.webhook_secret_file; OpenCRVS signs another form, which faces.webhook_signature = \"either\" takes too."
            }
        }
    }
}

/// Where a webhook is kept.
#[derive(ToSchema)]
#[schema(as = StoredWebhook)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct Stored {
    id: String,
    /// A state of an event, or `quarantined`.
    state: String,
}

/// What OpenCRVS wants back.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct Challenge {
    challenge: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Intent {
    mode: String,
    topic: String,
    challenge: String,
}

/// OpenCRVS asks whether we meant to subscribe: the challenge comes back, as JSON, for topics whose events are taken. Where the gateway
/// subscribes them itself (`opencrvs.webhooks`), it answers within a minute of its own request alone. The question proves nothing, so that it
/// counts for the address of its caller.
#[utoipa::path(get, path = "/webhooks", params(Intent), responses((status = 200, description = "The challenge.", body = Challenge)))]
async fn confirm(
    State(Webhooks(webhooks)): State<Webhooks>,
    caller: Caller,
    Query(intent): Query<Intent>,
) -> Result<Json<Value>> {
    caller.count()?;
    if intent.mode != "subscribe" {
        return Err(
            Error::new(Code::Field, "the query: mode is not subscribe").advise("Send mode=subscribe.")
        );
    }
    let kind = EventKind::of_topic(&intent.topic);
    if kind.is_none_or(|kind| webhooks.app.routes().destinations_of(kind).is_err()) {
        return Err(Error::new(Code::NotFound, "this gateway does not take events of this topic").advise(
            "Subscribe to BIRTH_REGISTERED or DEATH_REGISTERED, and set its URL under [upstream.mediator], or name its kind in kinds of one of [[systems]].",
        ));
    }
    if webhooks.app.subscriptions().expects(&intent.topic).await == Some(false) {
        return Err(Error::new(Code::NotFound, "this gateway has not asked for a subscription to this topic")
            .advise("Leave subscribing to the gateway, which opencrvs.webhooks is set for: `mosip-gateway opencrvs subscribe`."));
    }
    Ok(Json(json!({ "challenge": intent.challenge })))
}
