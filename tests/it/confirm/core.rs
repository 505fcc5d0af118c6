//! The simulator's core reads what a client of OpenCRVS sends. `tests/peers/opencrvs` says the same of the real client.

use super::*;

async fn post(world: &World, path: &str, headers: HeaderMap, body: &str) -> (u16, Value) {
    let url = format!("{}/core/{path}", world.simulator.base_url);
    read(world.gateway.request(Method::POST, url, headers, body).await)
}

fn of_type(media: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media))])
}

/// As `mosip-api` says that a death brings no number.
#[tokio::test]
async fn a_field_that_superjson_calls_undefined_is_not_there_and_one_that_is_null_is_refused() {
    let world = world(Setup::default()).await;
    let client = "client_id=opencrvs&client_secret=example-client-secret&grant_type=client_credentials";
    let (_, token) = post(&world, "auth/token", of_type("application/x-www-form-urlencoded"), client).await;
    let mut headers = of_type("application/json");
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
    world.simulator.core.asks("e1", "a1", Waiting::Registration);
    let input = json!({ "transactionId": "t1", "eventId": "e1", "actionId": "a1", "registrationNumber": "D1",
        "declaration": { "child.nid": null } });
    let undefined = |path: &str| json!({ "values": { path: ["undefined"] } });
    for (wrapped, status) in [
        (json!({ "json": input }), 400),
        (json!({ "json": input, "meta": undefined("declaration.mother.nid") }), 400),
        (json!({ "json": input, "meta": undefined("declaration.child.nid") }), 200),
    ] {
        let body = json!({ "0": wrapped }).to_string();
        let path = format!("events/{ACCEPT}?batch=1");
        assert_eq!(post(&world, &path, headers.clone(), &body).await.0, status, "{body}");
    }
    assert_eq!(world.simulator.core.actions("e1")[1]["declaration"], json!({}));
}
