//! Who may have keys and certificates read again, and how.

use super::*;
use crate::support::process;

const RELOAD: &str = "/v1/keys/reload";

/// The status of a post with `headers` to the listener of operators at `address`.
async fn post(gateway: &Running, address: &str, query: &str, headers: &[(HeaderName, &str)]) -> u16 {
    let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
    let url = format!("http://{address}{RELOAD}{query}");
    gateway.request(Method::POST, url, HeaderMap::from_iter(headers), "").await.status.as_u16()
}

#[tokio::test]
async fn a_reload_wants_the_token_and_refuses_pages_and_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("ops.token");
    std::fs::write(&token, "secret-of-operators").unwrap();
    let gateway = Running::start(&[("OPS__TOKEN_FILE", token.to_str().unwrap())]).await;
    let bearer = (header::AUTHORIZATION, "Bearer secret-of-operators");
    let ask = async |query: &str, headers: &[(HeaderName, &str)]| {
        post(&gateway, &gateway.ops, query, headers).await
    };
    assert_eq!(ask("", &[]).await, 401);
    assert_eq!(ask("", &[(header::AUTHORIZATION, "Bearer another")]).await, 401);
    assert_eq!(ask("", std::slice::from_ref(&bearer)).await, 200);
    assert_eq!(ask("?level=debug", std::slice::from_ref(&bearer)).await, 422);
    let from_page = (header::ORIGIN, "https://evil.example");
    assert_eq!(ask("", &[bearer.clone(), from_page]).await, 403);
    let of_site = (HeaderName::from_static("sec-fetch-site"), "cross-site");
    assert_eq!(ask("", &[bearer.clone(), of_site]).await, 403);
    assert_eq!(ask("", &[bearer, (header::HOST, "evil.example")]).await, 403);
    gateway.stop().await;
}

#[tokio::test]
async fn off_the_loopback_nobody_reloads_without_a_token() {
    let gateway = Running::start(&[("LISTEN__OPS", "0.0.0.0:0")]).await;
    let (_, address) = gateway.listeners.iter().find(|(name, _)| *name == "ops").unwrap();
    let address = address.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(post(&gateway, &address, "", &[]).await, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_hangup_of_the_process_reads_keys_and_certificates_again_and_ends_nothing() {
    let volume = KeyVolume::new();
    let mut gateway = process::Gateway::new();
    gateway.set(&[("KEYS__DIR", volume.path())]);
    gateway.start();
    gateway.ready().await;
    volume.replace("opencrvs-priv.key", "tests/vectors/keys/partner-old.key.pem");
    volume.replace("opencrvs-pub.key", "tests/vectors/keys/partner-old.crt.pem");
    gateway.hang_up();
    patience::until("a reload", async || {
        let log = gateway.log();
        if log.contains("keys and certificates were read again") && log.contains("SIGHUP") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let keys = gateway.get("/v1/keys").await;
    assert_eq!(keys["retiring"].as_array().unwrap().len(), 1, "{keys:#}");
    gateway.terminate();
}
