use std::fs;

use serde_json::{Value, json};

use super::partner::{Partner, settings, vector};
use crate::clock::Clock;
use crate::simulator::push::http_client;
use crate::simulator::{AfterAccept, Behaviour, Settings, Simulator, StartError, Tls, run_alone};

#[tokio::test]
async fn the_behaviour_is_set_over_http() {
    let partner = Partner::start().await;
    let set = json!({ "fault_rate": 0.25, "fault_after_accept": "hang-up" }).to_string();
    let answer = partner.call("POST", "/simulator/behaviour", &[], set).await.unwrap();
    let expected =
        Behaviour { fault_rate: 0.25, fault_after_accept: Some(AfterAccept::HangUp), ..Behaviour::default() };
    assert_eq!(answer.json(), serde_json::to_value(&expected).unwrap());
    assert_eq!(partner.simulator.controls.get(), expected);

    let misspelt = partner.call("POST", "/simulator/behaviour", &[], r#"{"fault_rat":1}"#).await.unwrap();
    assert_eq!(misspelt.status, 400);
    assert_eq!(partner.simulator.controls.get(), expected);

    let under_the_former_name = partner.call("POST", "/simulator/knobs", &[], "{}").await.unwrap();
    assert_eq!(under_the_former_name.status, 200);
    assert_eq!(partner.simulator.controls.get(), Behaviour::default());
}

#[tokio::test]
async fn the_behaviour_is_set_while_everything_else_is_down() {
    let partner = Partner::start().await;
    partner.simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
    assert_eq!(partner.call("POST", "/simulator/behaviour", &[], "{}").await.unwrap().status, 200);
    partner.token().await;
}

#[tokio::test]
async fn a_credential_is_issued_over_http() {
    let partner = Partner::start().await;
    let issue = async |body: Value| partner.call("POST", "/simulator/issue", &[], body.to_string()).await;
    let asked = json!({ "registration": { "registration_id": "10001" }, "credential_type": "vercred", "lie": "other-partner" });
    let answer = issue(asked).await.unwrap();
    assert_eq!((answer.status, answer.json()), (200.try_into().unwrap(), json!({ "subscribers": 0 })));
    let misspelt = json!({ "registration": {}, "credential_type": "vercred", "lie": "small" });
    assert_eq!(issue(misspelt).await.unwrap().status, 400);
}

#[tokio::test]
async fn the_history_is_read_over_http() {
    let partner = Partner::start().await;
    partner.send_birth().await;
    let history = partner.call("GET", "/simulator/history", &[], "").await.unwrap().json();
    assert_eq!(history["accepted"][0]["kind"], "birth");
    assert_eq!(history["aids"][0]["used_by"], history["accepted"][0]["id"]);
    assert_eq!((&history["tokens_issued"], &history["aids_issued"]), (&json!(2), &json!(1)));
    assert_eq!(history["refused"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn it_speaks_tls_where_told() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert_pem = issued.cert.pem().into_bytes();
    let tls = Tls { cert_pem: cert_pem.clone(), key_pem: issued.signing_key.serialize_pem().into_bytes() };
    let running = Simulator::start(Settings { tls: Some(tls), ..settings() }, Clock::system()).await.unwrap();
    assert!(running.base_url.starts_with("https://"));

    let url: http::Uri = format!("{}/simulator/history", running.base_url).parse().unwrap();
    let trusting = http_client(Some(&cert_pem), None).unwrap();
    assert_eq!(trusting.get(url.clone()).await.unwrap().status(), 200);
    assert!(http_client(None, None).unwrap().get(url).await.is_err());
}

#[tokio::test]
async fn shutdown_gives_the_port_back() {
    let running = Simulator::start(settings(), Clock::system()).await.unwrap();
    let address = running.base_url.strip_prefix("http://").unwrap().parse().unwrap();
    let taken = Simulator::start(Settings { bind: address, ..settings() }, Clock::system()).await;
    assert!(matches!(taken.err(), Some(StartError::Bind { address: taken, .. }) if taken == address));

    running.shutdown().await;
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
}

#[tokio::test]
async fn it_runs_alone_until_told_to_stop() {
    assert!(run_alone(settings(), Behaviour::default(), |_| {}, std::future::ready(())).await.is_ok());
}

#[test]
fn a_development_key_set_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: &[u8]| fs::write(dir.path().join(name), pem).unwrap();
    fs::create_dir(dir.path().join("simulator")).unwrap();
    write("opencrvs-pub.key", vector!("partner-old.crt.pem"));
    write("mosip-public.key", vector!("mosip.crt.pem"));
    write("simulator/mosip-priv.key", vector!("mosip.key.pem"));
    write("partner.crt", vector!("partner.crt.pem"));
    write("simulator/opencrvs-jwt-priv.key", vector!("issuer.key.pem"));
    write("ida-partner.crt", vector!("ida.crt.pem"));
    write("ida-sign.crt", vector!("issuer.crt.pem"));
    write("simulator/ida-priv.key", vector!("ida.key.pem"));
    write("simulator/ida-sign-priv.key", vector!("issuer.key.pem"));
    write("issuer.crt", vector!("issuer.crt.pem"));
    write("esignet-jwk.txt", vector!("esignet-jwk.txt"));
    write("simulator/issuer-priv.key", vector!("issuer.key.pem"));

    let settings = Settings::from_key_set(dir.path()).unwrap();
    assert!(settings.mosip_key.public_key() == settings.mosip_certificate.public_key());
    assert_eq!(settings.partners.len(), 2);
    assert_eq!(settings.client.id, "opencrvs");

    write("partner.crt", b"-----BEGIN CERTIFICATE-----\n");
    let Err(StartError::KeySet { file, .. }) = Settings::from_key_set(dir.path()) else {
        panic!("a truncated certificate was read");
    };
    assert_eq!(file, dir.path().join("partner.crt"));
}
