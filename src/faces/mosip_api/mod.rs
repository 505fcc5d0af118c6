//! `mosip-api` of OpenCRVS 1.9 to 2.1. Of its routes one is built: the form of OpenCRVS calls it, from the browser of a registrar, to learn
//! who logged in at eSignet. Callers bring the JWT of OpenCRVS; refusals have the form of `mosip-api`.

mod person;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::openapi::OpenApi;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::person::Person;
pub(crate) use self::settings::Settings;
use super::jwt::{JwtCallers, bearer};
use super::openapi::{self, at, refusing_as, taking_any_query};
use super::request::{method_not_allowed, query_of, read_object};
use super::{App, Callers, Face};
use crate::error::{Code, Error, Fault, Result};
use crate::http::body::Limits;
use crate::http::caller::Caller;
use crate::http::problem::{Refusal, retry_after};
use crate::mosip::esignet::Login;

/// Where the form of OpenCRVS asks who logged in. As `mosip-api`, it takes both spellings.
const USERINFO: [&str; 2] = ["/esignet/get-oidp-user-info", "/esignet/get-oidp-user-info/"];

/// The scheme of the JWT that callers bring.
const JWT: &str = "opencrvs-jwt";

/// Largest body, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// How long a caller waits for a key that has not come since the start, or that may be old. The page of OpenCRVS gives up after 15 s, and a
/// login takes up to 10. It is shorter than the pause after a fetch that failed, so that whoever comes in that pause is answered at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Why further parameters are not refused.
const OTHER_PARAMETERS: &str =
    "Any further parameter is taken, and none is read: eSignet adds its own to the address of the form.";

/// What its routes may refuse with.
const REFUSALS: [Code; 17] = [
    Code::Unauthorized,
    Code::CallerKeys,
    Code::Malformed,
    Code::Field,
    Code::MediaType,
    Code::TooLarge,
    Code::Timeout,
    Code::Busy,
    Code::Keys,
    Code::KeyUnavailable,
    Code::Partner,
    Code::Upstream,
    Code::UpstreamTimeout,
    Code::Tampered,
    Code::UnknownKey,
    Code::Storage,
    Code::Bug,
];

/// `mosip-api`.
#[derive(Clone)]
pub(crate) struct MosipApi(Arc<Shared>);

struct Shared {
    app: App,
    /// `None`: nobody is known.
    callers: Option<JwtCallers>,
    origin: Option<HeaderValue>,
    limits: Limits,
}

fn routes() -> OpenApiRouter<MosipApi> {
    USERINFO.into_iter().fold(OpenApiRouter::new(), |routes, path| {
        let userinfo = refusing_as(routes!(get_oidp_user_info), &REFUSALS, status);
        routes.routes(at(path, taking_any_query(OTHER_PARAMETERS, userinfo)))
    })
}

impl Face for MosipApi {
    const NAME: &'static str = "mosip_api";
    const SWITCH: &'static str = "faces.mosip_api";

    /// A request proves itself by its JWT; the browser that it comes from has no token of ours.
    const CALLERS: Callers = Callers::ByRequest;

    type Settings = Settings;

    fn openapi() -> OpenApi {
        let mut document = routes().into_openapi();
        let jwt = openapi::bearer("A JWT of OpenCRVS, as `faces.opencrvs_jwt` says.");
        document.components.get_or_insert_default().add_security_scheme(JWT, jwt);
        document
    }

    fn router(
        app: &App,
        settings: Settings,
        on: &[&'static str],
        _: &watch::Receiver<bool>,
    ) -> Option<Router> {
        let refusals = [Code::Unauthorized, Code::Tampered, Code::Upstream];
        for (listener, path) in on.iter().flat_map(|listener| USERINFO.map(|path| (listener, path))) {
            app.meters().expect(listener, path, &refusals);
        }
        let Settings { jwt, origin, .. } = settings;
        let usable = jwt.filter(|jwt| jwt.check().is_ok());
        let callers = usable.map(|jwt| JwtCallers::of(app, jwt, PATIENCE));
        let face = Self(Arc::new(Shared {
            app: app.clone(),
            callers,
            origin,
            limits: app.limits().apart(BODY_LIMIT),
        }));
        let (routes, _) = routes().split_for_parts();
        let routes = routes.method_not_allowed_fallback(method_not_allowed);
        let shared = middleware::from_fn_with_state(face.clone(), share_with_page);
        Some(routes.layer(shared).with_state(face))
    }
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
    Ok(Json(face.app.esignet().userinfo(login, |known| Person::of(&known)).await?))
}

impl Shared {
    /// Checks the token before anything else of a request. Who has none that is good is a stranger, who is counted.
    async fn let_in(&self, caller: &Caller, headers: &HeaderMap) -> Result<()> {
        let checked = async {
            let callers = self.callers.as_ref().ok_or_else(|| {
                Error::new(Code::Keys, "no caller is known").for_operator(
                    "faces.opencrvs_jwt is not set, or its key cannot be used: set it, and start the gateway again",
                )
            })?;
            callers.check(bearer(headers)?, self.app.now(), caller).await
        };
        match checked.await {
            Ok(()) => caller.prove(),
            Err(refusal) => return Err(caller.count().err().unwrap_or(refusal)),
        }
        Ok(())
    }
}

/// A refusal as `mosip-api` writes it: `{"error"}`.
struct PeerError(Error);

impl From<Error> for PeerError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// 401 for a caller that is not known, 422 for what its caller has to put right, 503 for all else.
fn status(code: Code, fault: Fault) -> StatusCode {
    match (code, fault) {
        (Code::Unauthorized, _) => StatusCode::UNAUTHORIZED,
        (_, Fault::Caller) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for PeerError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
        }
        let Self(error) = self;
        let mut response =
            (status(error.code(), error.fault()), Json(Body { error: said(&error) })).into_response();
        response.headers_mut().extend(retry_after(&error).map(|wait| (header::RETRY_AFTER, wait)));
        response.extensions_mut().insert(Refusal(error));
        response
    }
}

/// What a page in a browser learns of `error`: no address, no name and no place of a key. The log says it.
fn said(error: &Error) -> &str {
    match (error.code(), error.fault()) {
        (Code::Unauthorized, _) => "Unauthorized",
        (_, Fault::Caller | Fault::Tampered) => error.detail(),
        // Retrying would not help either.
        _ if !error.retryable() => {
            "The login cannot be completed: let the person log in again, or fill in the form by hand"
        }
        (Code::Upstream | Code::UpstreamTimeout | Code::Partner, _) => {
            "eSignet cannot be asked for now: try again later, or fill in the form by hand"
        }
        _ => error.code().title(),
    }
}

/// Lets the page of `faces.cors_origin` call and read the answers (CORS). It brings no cookies: its callers send a token.
async fn share_with_page(State(MosipApi(face)): State<MosipApi>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_preflight = request.method() == http::Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_page = face.origin.is_some() && headers.get(header::ORIGIN) == face.origin.as_ref();
    // A browser sends no token with it.
    let is_counted = |caller: &Caller| caller.count().map_err(PeerError::from);
    let caller = request.extensions().get::<Caller>().filter(|_| is_preflight);
    let mut response = match caller.map_or(Ok(()), is_counted) {
        Err(busy) => busy.into_response(),
        Ok(()) if is_preflight => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = face.origin.clone().filter(|_| is_page) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            allow(headers);
        }
    }
    response
}

fn allow(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
