//! What a caller sends stays where it was sent: no query, path, header or body comes back in an answer, a log line, a metric or the page.

use http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};

use crate::support::event::event;
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::ida_setup::UIN;
use crate::support::logs::Logs;
use crate::support::mosip::{Push, private_key};
use crate::support::port::Port;
use crate::support::seeder::leila;
use crate::support::webhook::{Post, SHA_SECRET, raw_signature};

/// Occurs nowhere else. It has the form of a personal number, and of a name.
const MARKER: &str = "marker4711081500";

const HEADERS: [&str; 9] = [
    "authorization",
    "cookie",
    "idempotency-key",
    "prefer",
    "referer",
    "user-agent",
    "x-forwarded-for",
    "x-hub-signature",
    "x-request-id",
];

/// The queries of a route: each parameter that its document names, and one that it does not.
fn queries(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let named = parameters.filter(|parameter| parameter["in"] == "query");
    let all: Vec<_> =
        named.map(|parameter| format!("{}={MARKER}", parameter["name"].as_str().unwrap())).collect();
    vec![String::new(), format!("?{}", all.join("&")), format!("?{MARKER}={MARKER}")]
}

/// Bodies of every kind, none of which any route takes.
fn bodies() -> [(&'static str, String); 5] {
    let members = ["data", "signature", "payload", "reason", "about", "records", "individualId", "hub.topic"];
    let object: serde_json::Map<_, _> =
        members.into_iter().chain([MARKER]).map(|name| (name.to_owned(), MARKER.into())).collect();
    [
        ("application/json", Value::Object(object).to_string()),
        ("application/json", format!("[{{\"{MARKER}\": {MARKER}")),
        ("text/csv", format!("individualId,{MARKER}\n{MARKER},{MARKER}\n")),
        ("application/x-www-form-urlencoded", format!("about=event:{MARKER}&do={MARKER}&{MARKER}={MARKER}")),
        (MARKER, MARKER.to_owned()),
    ]
}

/// A message, an event, a webhook, a job and a push that are taken, with the marker in all that is a person's; each was tried.
async fn send_what_is_taken(gateway: &Running, faces: &str) {
    let number = |composition: &str| format!("B-{composition}");
    let marked =
        |composition: &str| event("birth", composition, MARKER).replace(&number(composition), MARKER);
    assert!(marked("x").matches(MARKER).count() > 1, "the event is marked");
    gateway.accept("birth", &marked("marked")).await;
    gateway.failed_event("marked").await;
    let (status, answer) = Post::send(faces, &marked("webhook")).await.answered().await;
    assert_eq!((status, answer["state"].as_str()), (202, Some("queued")), "{answer}");

    let mut person = leila(UIN);
    person["demographics"]["name"][0]["value"] = MARKER.into();
    let job = gateway.call("/v1/uin-tokens", "application/json", &json!([person]).to_string()).await;
    assert_eq!(job.status.as_u16(), 202, "{}", String::from_utf8_lossy(&job.body));

    let key = private_key("keys.example/simulator/mosip-priv.key");
    let text = json!({"uinToken": MARKER, "opencrvsBRN": MARKER}).to_string();
    gateway.push(&Push::holding(&key, &text).body()).await;
    gateway.until("/v1/inbox", |inbox| inbox["messages"].to_string().contains(MARKER)).await;

    let credential = json!({
        "topic": "opencrvs-partner/CREDENTIAL_ISSUED",
        "event": {"id": MARKER, "data": {"credential": {"credentialSubject": {"fullName": MARKER}}}},
    })
    .to_string();
    let mut headers = HeaderMap::new();
    headers.insert("x-hub-signature", raw_signature(credential.as_bytes()).parse().unwrap());
    let url = format!("http://{}/websub/callback", gateway.callback);
    let reply = gateway.request(Method::POST, url, headers, &credential).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", String::from_utf8_lossy(&reply.body));
    gateway.until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
}

#[tokio::test]
async fn what_callers_send_is_in_no_answer_no_log_no_metric_and_not_on_the_page() {
    let logs = Logs::from_here();
    let faces = Port::hold().address();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SHA_SECRET).unwrap();
    let file = secret.path().to_str().unwrap();
    let text = EXAMPLE.replace(r#"require = ["opencrvs-jwt"]"#, r#"require = ["opencrvs-jwt", "hub-hmac"]"#);
    let set = [
        ("FACES__LISTEN", faces.as_str()),
        ("FACES__WEBHOOKS", "true"),
        ("FACES__WEBHOOK_SECRET_FILE", file),
        ("WEBSUB__SECRET_FILE", file),
        ("WEBSUB__TOPIC", "opencrvs-partner/CREDENTIAL_ISSUED"),
    ];
    let gateway = Running::start_under(&text, &set).await;
    let mut asked = 0;
    for (listener, address) in [
        ("internal", &gateway.api),
        ("callback", &gateway.callback),
        ("faces", &faces),
        ("ops", &gateway.ops),
    ] {
        let (_, document) = gateway.get(&format!("/openapi.json?listener={listener}")).await;
        let mut routes: Vec<(String, String, Value)> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                routes.push((path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
        routes.push((routes[0].0.clone(), MARKER.to_owned(), Value::Null));
        routes.push((format!("/{MARKER}"), "GET".to_owned(), Value::Null));
        for (path, method, operation) in routes {
            let path: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { MARKER } else { part })
                .collect::<Vec<_>>()
                .join("/");
            for query in queries(&operation) {
                for (kind, body) in bodies() {
                    let mut headers = HeaderMap::new();
                    for name in HEADERS {
                        let value =
                            if name == "authorization" { format!("Bearer {MARKER}") } else { MARKER.into() };
                        headers.insert(HeaderName::from_static(name), value.parse().unwrap());
                    }
                    headers.insert("content-type", kind.parse().unwrap());
                    let (method, body) =
                        (method.parse::<Method>().unwrap(), if method == "GET" { "" } else { &body });
                    let url = format!("http://{address}{path}{query}");
                    let reply = gateway.request(method.clone(), url, headers, body).await;
                    let answer = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
                    assert!(!answer.contains(MARKER), "{listener}: {method} {path}{query}: {answer}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 100, "{asked}");
    send_what_is_taken(&gateway, &faces).await;
    let shown = [
        (&gateway.ops, "/metrics"),
        (&gateway.ops, "/"),
        (&gateway.ops, "/?list=queued"),
        (&gateway.ops, "/?list=quarantine"),
        (&gateway.ops, "/?event=marked"),
        (&gateway.ops, "/readyz"),
        (&gateway.api, "/v1/events"),
        (&gateway.api, "/v1/events/marked"),
        (&gateway.api, "/v1/quarantine"),
        (&gateway.api, "/v1/uin-tokens"),
    ];
    for (address, route) in shown {
        let url = format!("http://{address}{route}");
        let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        let text = String::from_utf8_lossy(&reply.body);
        assert!(reply.status.is_success() && !text.contains(MARKER), "{route}: {text}");
    }
    let lines = logs.text();
    let told: Vec<_> = lines.lines().filter(|line| line.contains(MARKER)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
