//! Every envelope of the known answers through `POST /v1/open`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{cases, text};
use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::config::Address;
use mosip_gateway::crypto::base64;
use mosip_gateway::gateway::Gateway;
use mosip_gateway::settings::Config;
use mosip_gateway::upstream::{Client, Request};
use serde_json::{Value, json};

const CONFIG: &str = r#"
listen = { internal = "127.0.0.1:0", ops = "127.0.0.1:0" }
envelope = { danger_accept_unsigned = true }

[keys]
dir = "tests/vectors/keys"
own = [{ file = "partner.key.pem", cert = "partner.crt.pem" },
       { file = "partner-old.key.pem", cert = "partner-old.crt.pem" },
       { file = "partner-3072.key.pem", cert = "partner-3072.crt.pem" },
       { file = "partner-4096.key.pem", cert = "partner-4096.crt.pem" }]
peers = [{ name = "reject", file = "mosip.crt.pem" },
         { name = "try", file = "mosip.crt.pem", unknown_thumbprint = "try" }]
"#;

#[tokio::test]
async fn every_envelope_opens_or_is_refused_as_it_says() {
    let read = |path: &std::path::Path| std::fs::read(path);
    let load = || Config::from_toml(CONFIG, std::path::Path::new(""), &BTreeMap::new(), &read).unwrap();
    let client = Client::new(&load().upstream).unwrap();
    let gateway = Gateway::bind(load(), true).await.unwrap();
    let Some(Address::Tcp(api)) = gateway.address("internal") else { panic!("no plain API") };
    let uri: http::Uri = format!("http://{api}/v1/open").parse().unwrap();
    tokio::spawn(gateway.run(std::future::pending()));

    for case in cases("envelope.json") {
        let name = text(&case, "name");
        let refusal = case.get("error").and_then(Value::as_str);
        let from = if refusal == Some("unknown-key") { "reject" } else { "try" };
        let mut body = json!({"data": text(&case, "envelope"), "from": from});
        if let (Some(aad), Some(body)) = (case.get("aad_b64"), body.as_object_mut()) {
            body.insert("aad".to_owned(), aad.clone());
        }
        let request = Request {
            method: Method::POST,
            uri: uri.clone(),
            headers: HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )]),
            body: body.to_string().into(),
            deadline: Duration::from_secs(60),
            max_response: 1 << 24,
        };
        let reply = client.send(request).await.unwrap();
        match refusal {
            None => {
                assert_eq!(reply.status, 200, "{name}");
                assert_eq!(reply.headers.get("x-mosip-verified").unwrap(), "none", "{name}");
                assert!(reply.headers.contains_key("x-mosip-key"), "{name}");
                assert_eq!(
                    reply.body,
                    base64::decode(text(&case, "expect_b64").as_bytes()).unwrap(),
                    "{name}"
                );
            }
            Some(code) => {
                let problem: Value = serde_json::from_slice(&reply.body).unwrap();
                assert_eq!(problem.get("code").unwrap(), code, "{name}");
                assert_eq!(reply.status, if code == "malformed" { 400 } else { 422 }, "{name}");
            }
        }
    }
}
