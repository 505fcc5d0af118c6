//! `/v1/ida`: authentication, e-KYC and one-time passwords.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{JSON, schema};
use crate::error::{Code, Fault, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::read_json;
use crate::mosip::codes::Reason;
use crate::mosip::ida::{Answer, Authenticated, Intent, Known, OtpSent, Service};
use crate::mosip::{Stated, Verified};

/// Largest body, bytes: ten fingers, two irises and a face stay below it.
const BODY_LIMIT: usize = 5 << 20;

/// `/v1/ida`
pub(super) fn routes() -> OpenApiRouter<App> {
    let asked = [
        Code::Keys,
        Code::Partner,
        Code::Upstream,
        Code::UpstreamTimeout,
        Code::Tampered,
        Code::UnknownKey,
        Code::Decrypt,
        Code::SignatureInvalid,
        Code::SignatureMissing,
    ];
    OpenApiRouter::new()
        .routes(refusing(routes!(auth), &JSON, &asked))
        .routes(refusing(routes!(kyc), &JSON, &asked))
        .routes(refusing(routes!(otp), &JSON, &asked))
}

/// Asks IDA whether a person is who they say they are.
#[utoipa::path(post, path = "/v1/ida/auth", request_body = schema::Person, responses((status = 200, description = "The verdict of IDA.", body = Verdict)))]
async fn auth(State(app): State<App>, request: Request) -> Result<Json<Verdict>> {
    let intent = intent(&app, Service::Auth, request).await?;
    let verdict = match app.ida().authenticate(Arc::clone(&intent)).await? {
        Answer::Given(given) => Verdict::given(&intent, &given, given.get()),
        Answer::Refused(reasons) => Verdict::refused(&intent, reasons),
    };
    Ok(Json(verdict))
}

#[derive(Serialize, ToSchema)]
struct KycReply {
    #[serde(flatten)]
    verdict: Verdict,
    /// As IDA signed it.
    #[schema(value_type = Option<serde_json::Value>)]
    identity: Option<Box<RawValue>>,
}

/// Asks IDA what it knows of a person who is recognised.
#[utoipa::path(post, path = "/v1/ida/kyc", request_body = schema::Person, responses((status = 200, description = "The verdict of IDA, and what it knows.", body = KycReply)))]
async fn kyc(State(app): State<App>, request: Request) -> Result<Json<KycReply>> {
    let intent = intent(&app, Service::Kyc, request).await?;
    let reply = match app.ida().know(Arc::clone(&intent)).await? {
        Answer::Given(given) => {
            let verdict = Verdict::given(&intent, &given, &given.get().authenticated);
            let Known { identity, .. } = given.into_inner();
            KycReply { verdict, identity }
        }
        Answer::Refused(reasons) => KycReply { verdict: Verdict::refused(&intent, reasons), identity: None },
    };
    Ok(Json(reply))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OtpReply {
    masked_mobile: Option<String>,
    masked_email: Option<String>,
    transaction_id: String,
    verified: &'static str,
}

/// Has IDA send a one-time password to a person.
#[utoipa::path(post, path = "/v1/ida/otp", request_body = schema::OtpOrder, responses((status = 200, description = "It is sent.", body = OtpReply)))]
async fn otp(State(app): State<App>, request: Request) -> Result<Json<OtpReply>> {
    let intent = intent(&app, Service::Otp, request).await?;
    let sent = app.ida().send_otp(Arc::clone(&intent)).await?;
    let verified = sent.word();
    let OtpSent { masked_mobile, masked_email } = sent.into_inner();
    let transaction_id = intent.transaction().as_str().to_owned();
    Ok(Json(OtpReply { masked_mobile, masked_email, transaction_id, verified }))
}

async fn intent(app: &App, service: Service, request: Request) -> Result<Arc<Intent>> {
    let limits = app.limits().with_body_limit(BODY_LIMIT);
    read_json(request, &limits, move |body| Intent::parse(service, &body)).await.map(Arc::new)
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    auth_status: bool,
    token: Option<String>,
    transaction_id: String,
    errors: Vec<Refused>,
    /// `signature`; where IDA refuses without one `tls`, and `none` over plain http; `none` for the rest that
    /// `danger_accept_unsigned_replies` lets through.
    verified: &'static str,
}

/// One reason of IDA, in its words and in ours.
#[derive(Serialize, ToSchema)]
#[schema(as = IdaError)]
struct Refused {
    code: String,
    message: String,
    fault: Fault,
    retryable: bool,
    registrar: &'static str,
    operator: &'static str,
}

impl Verdict {
    fn given<T>(intent: &Intent, given: &Verified<T>, authenticated: &Authenticated) -> Self {
        Self {
            auth_status: authenticated.auth_status,
            token: authenticated.token.clone(),
            transaction_id: intent.transaction().as_str().to_owned(),
            errors: Vec::new(),
            verified: given.word(),
        }
    }

    fn refused(intent: &Intent, reasons: Stated<Vec<Reason>>) -> Self {
        Self {
            verified: reasons.word(),
            auth_status: false,
            token: None,
            transaction_id: intent.transaction().as_str().to_owned(),
            errors: reasons.into_inner().into_iter().map(Refused::from).collect(),
        }
    }
}

impl From<Reason> for Refused {
    fn from(Reason { code, message, meaning }: Reason) -> Self {
        Self {
            code,
            message,
            fault: meaning.fault,
            retryable: meaning.retryable,
            registrar: meaning.registrar,
            operator: meaning.operator,
        }
    }
}
