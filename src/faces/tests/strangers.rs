//! What is asked without a proof is counted for the address that it comes from, also where it is answered.

use axum::middleware;
use http::Method;

use super::*;
use crate::config::Problems;
use crate::faces::mosip_api::MosipApi;
use crate::faces::webhooks::Webhooks;
use crate::http::caller::{self, Caller, Strangers};
use crate::settings::Config;

const FACES: &str = r#"
[upstream.mediator]
birth = "https://mosip.example.org/birth"
[faces]
webhooks = true
webhook_secret_file = "tests/vectors/keys/issuer.jwks.json"
mosip_api = true
cors_origin = "https://register.example.org"
opencrvs_jwt = { file = "keys.example/opencrvs-jwt.pem" }
"#;

/// How many of a burst of requests from one address are answered with each status.
async fn burst(face: Router, ask: impl Fn() -> http::request::Builder) -> BTreeMap<u16, usize> {
    let face = face.layer(middleware::from_fn_with_state(Strangers::new(Vec::new()), caller::identify));
    let mut answers = BTreeMap::new();
    for _ in 0..3_000 {
        let mut request = ask().body(Body::empty()).unwrap();
        let address = "192.0.2.1".parse().unwrap();
        request.extensions_mut().insert(Caller::new(Arc::default(), Some(address)));
        let status = face.clone().oneshot(request).await.unwrap().status().as_u16();
        *answers.entry(status).or_default() += 1;
    }
    answers
}

#[tokio::test]
async fn questions_and_preflights_have_a_rate_though_they_are_answered() {
    let world = World::new().await;
    let read = |file: &std::path::Path| std::fs::read(file);
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let config: Result<Config, Problems> = Config::from_toml(FACES, base, &BTreeMap::new(), &read);
    let each = config.unwrap_or_else(|problems| panic!("{problems}")).faces.each;
    let (_stop, stopping) = watch::channel(false);
    let webhooks = Webhooks::router(&world.app, each.webhooks, &[], &stopping).unwrap();
    let question = "/webhooks?mode=subscribe&topic=BIRTH_REGISTERED&challenge=c";
    let mosip_api = MosipApi::router(&world.app, each.mosip_api, &[], &stopping).unwrap();
    let preflight = || {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/esignet/get-oidp-user-info")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
    };
    for (answered, answers) in
        [(200, burst(webhooks, || Request::get(question)).await), (204, burst(mosip_api, preflight).await)]
    {
        assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [answered, 503], "{answers:?}");
        assert!(answers[&answered] >= 1_000, "a burst that a registry may send: {answers:?}");
    }
}
