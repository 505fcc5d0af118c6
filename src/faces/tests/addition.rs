//! One more face that stands in for an older system: this file is its folder, and its place in the list is its line.

use axum::Router;
use axum::extract::State;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::watch;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::value::text;
use crate::faces::openapi::refusing;
use crate::faces::{App, Callers, Face, FaceSettings, Sources};
use crate::gateway::fake::Running;
use crate::gateway::listeners;

/// `/example`
pub(crate) struct Example;

/// `[example_face]`
pub(crate) struct Settings {
    greeting: Option<String>,
}

impl FaceSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Some(mut section) = sources.root.optional_section("example_face") else {
            return Self { greeting: None };
        };
        let greeting = section.required("greeting", text);
        section.finish();
        Self { greeting }
    }

    fn is_on(&self) -> bool {
        self.greeting.is_some()
    }
}

impl Face for Example {
    const NAME: &'static str = "example";
    const SWITCH: &'static str = "example_face.greeting";
    const CALLERS: Callers = Callers::ByListener;

    type Settings = Settings;

    fn openapi() -> OpenApi {
        routes().into_openapi()
    }

    fn router(_: &App, settings: Settings, _: &[&'static str], _: &watch::Receiver<bool>) -> Option<Router> {
        let (routes, _) = routes().split_for_parts();
        Some(routes.with_state(settings.greeting?))
    }
}

fn routes() -> OpenApiRouter<String> {
    OpenApiRouter::new().routes(refusing(routes!(greet), &[], &[]))
}

/// Greets.
#[utoipa::path(get, path = "/example", responses((status = 200, description = "The greeting.", body = String)))]
async fn greet(State(greeting): State<String>) -> String {
    greeting
}

#[tokio::test]
async fn a_face_is_one_folder_and_one_line() {
    let gateway = Running::start("[example_face]\ngreeting = \"hello\"", &[]).await;
    assert_eq!(gateway.get("/example").await, (StatusCode::OK, "hello".to_owned()));
    let ready: Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    assert_eq!(ready["faces"]["example"], true, "{ready}");
    assert!(gateway.ops("/metrics").await.contains(r#"mosip_gateway_face{name="example"} 1"#));
    let page = gateway.ops("/").await;
    for switch in ["/example on (example_face.greeting)", "/authtoken on (seeder.consent)"] {
        assert!(page.contains(switch), "{page}");
    }
    gateway.stop().await;

    let gateway = Running::start("", &[]).await;
    assert_eq!(gateway.get("/example").await.0, StatusCode::NOT_FOUND);
    let ready: Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    assert_eq!(ready["faces"]["example"], false, "{ready}");
    gateway.stop().await;

    for name in ["internal", "faces"] {
        let listener = listeners::ALL.iter().find(|listener| listener.name == name).unwrap();
        assert!((listener.document)().paths.paths.contains_key("/example"), "{name}");
    }
}
