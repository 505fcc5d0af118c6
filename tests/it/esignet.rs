//! Logins at eSignet through a whole gateway, against the simulator's strict eSignet: what is believed, what is not, and what is asked for.

mod face;
mod lies;

use http::{HeaderMap, Method, header};
use mosip_gateway::simulator::{self, Behaviour, EsignetLie};
use serde_json::{Value, json};

use crate::support::event::event;
use crate::support::gateway::{EXAMPLE, Running, json as read};
use crate::support::ida_setup::simulator;
use crate::support::world::urls;

const CLIENT: &str = "opencrvs-client";
const FORM: &str = "https://register.example.org/form";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct World {
    simulator: simulator::Running,
    gateway: Running,
}

/// The example with the key of eSignet, and what a test adds to it.
fn text(issuer: &str, more: &str) -> String {
    let last = r#"use = ["decrypt"] }]"#;
    let with_key = r#"use = ["decrypt"] }, { name = "esignet", file = "esignet-jwk.txt", use = ["sign"] }]"#;
    assert!(EXAMPLE.contains(last));
    format!(
        "{}\n[esignet]\nissuer = \"{issuer}\"\nkey = \"esignet\"\n{more}",
        EXAMPLE.replace(last, with_key)
    )
}

impl World {
    async fn start(more: &str) -> Self {
        let simulator = simulator(None).await;
        let mosip = urls(&simulator.base_url);
        let set: Vec<_> = mosip.iter().map(|(name, url)| (*name, url.as_str())).collect();
        let gateway = Running::start_under(&text(&simulator.base_url, more), &set).await;
        Self { simulator, gateway }
    }

    fn behave(&self, behaviour: Behaviour) {
        self.simulator.controls.set(behaviour);
    }

    fn lie(&self, lie: EsignetLie) {
        self.behave(Behaviour { esignet_lie: Some(lie), ..Behaviour::default() });
    }

    async fn ask(&self, body: &Value) -> (u16, Value) {
        read(self.gateway.call("/v1/esignet/userinfo", "application/json", &body.to_string()).await)
    }

    /// A login that has just succeeded.
    async fn log_in(&self) -> (u16, Value) {
        let code = self.simulator.esignet.log_in(FORM, None, None);
        self.ask(&json!({"code": code, "clientId": CLIENT, "redirectUri": FORM})).await
    }
}

#[tokio::test]
async fn a_login_becomes_verified_claims_and_the_token_that_packets_carry() {
    let world = World::start("").await;
    let (status, known) = world.log_in().await;
    assert_eq!((status, &known["verified"]), (200, &json!("signature")), "{known}");
    assert_eq!(
        (&known["claims"]["given_name"], &known["claims"]["birthdate"]),
        (&json!("Leila"), &json!("1990/03/14"))
    );
    assert_eq!(known["token"].as_str().unwrap().split('.').count(), 3);

    let again = world.log_in().await;
    assert_eq!((again.0, world.simulator.esignet.keys_served()), (200, 1), "the keys are kept");
}

#[tokio::test]
async fn pkce_and_the_nonce_of_the_login_are_checked() {
    let world = World::start("").await;
    let esignet = &world.simulator.esignet;
    let login = |code: &str, more: &[(&str, &str)]| {
        let mut login = json!({"code": code, "clientId": CLIENT, "redirectUri": FORM});
        more.iter().for_each(|(name, value)| login[*name] = json!(value));
        login
    };
    let code = esignet.log_in(FORM, Some(CHALLENGE), Some("n1"));
    let (status, known) = world.ask(&login(&code, &[("codeVerifier", VERIFIER), ("nonce", "n1")])).await;
    assert_eq!(status, 200, "{known}");

    let wrong = VERIFIER.replace('d', "e");
    for (more, pointer) in [(vec![("codeVerifier", &*wrong)], "/codeVerifier"), (vec![], "/codeVerifier")] {
        let code = esignet.log_in(FORM, Some(CHALLENGE), None);
        let (status, problem) = world.ask(&login(&code, &more)).await;
        assert_eq!(
            (status, &problem["code"], &problem["pointer"]),
            (422, &json!("field"), &json!(pointer)),
            "{problem}"
        );
    }
    let code = esignet.log_in(FORM, None, Some("n1"));
    let (status, problem) = world.ask(&login(&code, &[("nonce", "n2")])).await;
    assert_eq!((status, &problem["pointer"]), (422, &json!("/nonce")), "{problem}");
}

#[tokio::test]
async fn a_code_can_be_used_once() {
    let world = World::start("").await;
    let code = world.simulator.esignet.log_in(FORM, None, None);
    let login = json!({"code": code, "clientId": CLIENT, "redirectUri": FORM});
    assert_eq!(world.ask(&login).await.0, 200);
    let (status, problem) = world.ask(&login).await;
    assert_eq!(
        (status, &problem["code"], &problem["pointer"]),
        (422, &json!("field"), &json!("/code")),
        "{problem}"
    );
    assert_eq!(problem["upstream"]["code"], "invalid_grant");
}

#[tokio::test]
async fn a_client_that_esignet_does_not_know_is_the_callers_unless_the_operator_listed_it() {
    let login = json!({"code": "c", "clientId": "another", "redirectUri": FORM});
    let (status, problem) = World::start("").await.ask(&login).await;
    assert_eq!((status, &problem["pointer"]), (422, &json!("/clientId")), "{problem}");
    let (status, problem) = World::start("clients = [\"another\"]").await.ask(&login).await;
    assert_eq!((status, &problem["fault"]), (502, &json!("partner")), "{problem}");
}

#[tokio::test]
async fn proofs_of_possession_go_where_they_are_demanded_with_the_nonce_of_the_server() {
    for (more, status) in [("", 200), ("dpop = \"always\"", 200), ("dpop = \"off\"", 502)] {
        let world = World::start(more).await;
        world.behave(Behaviour { esignet_dpop: true, ..Behaviour::default() });
        let (found, known) = world.log_in().await;
        assert_eq!(found, status, "{more}: {known}");
        if status == 502 {
            assert!(known["advice"].as_str().unwrap().contains("esignet.dpop"), "{known}");
        }
    }
    let world = World::start("dpop = \"always\"").await;
    let (status, known) = world.log_in().await;
    assert_eq!(status, 200, "a server that demands none takes them: {known}");
}

#[tokio::test]
async fn a_challenge_without_end_is_an_end() {
    let world = World::start("").await;
    for (lie, fault, told) in [
        (EsignetLie::EndlessNonce, "upstream", "after each one"),
        (EsignetLie::EndlessUserinfoNonce, "upstream", "after each one"),
        (EsignetLie::ProofRefused, "partner", "refuses our proof"),
    ] {
        world.behave(Behaviour { esignet_dpop: true, esignet_lie: Some(lie), ..Behaviour::default() });
        let (status, problem) = world.log_in().await;
        assert_eq!((status, &problem["fault"]), (502, &json!(fault)), "{lie:?}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{lie:?}: {problem}");
    }
}

#[tokio::test]
async fn sealed_userinfo_is_opened() {
    let world = World::start("").await;
    world.behave(Behaviour { esignet_seals: true, ..Behaviour::default() });
    let (status, known) = world.log_in().await;
    assert_eq!((status, &known["claims"]["family_name"]), (200, &json!("Karim")), "{known}");
    assert_eq!(known["token"].as_str().unwrap().split('.').count(), 3, "the JWS that was sealed");
}

#[tokio::test]
async fn keys_that_rotate_are_fetched_once_and_unknown_ones_no_more_than_that() {
    let world = World::start("").await;
    assert_eq!(world.log_in().await.0, 200);
    let url = format!("{}/simulator/behaviour", world.simulator.base_url);
    let rotated = r#"{"esignet_rotated":true}"#;
    assert_eq!(world.gateway.request(Method::POST, url, HeaderMap::new(), rotated).await.status, 200);
    assert_eq!(world.log_in().await.0, 200, "the new key is fetched");
    assert_eq!(world.log_in().await.0, 200, "and kept");
    assert_eq!(world.simulator.esignet.keys_served(), 2);
    world.lie(EsignetLie::UnknownKid);
    for _ in 0..3 {
        let (status, problem) = world.log_in().await;
        assert_eq!(
            (status, &problem["code"]),
            (502, &json!("upstream")),
            "the key may be newer still: {problem}"
        );
    }
    assert_eq!(world.simulator.esignet.keys_served(), 2, "at most once a minute");

    let world = World::start("").await;
    world.lie(EsignetLie::UnknownKid);
    let (status, problem) = world.log_in().await;
    assert_eq!(
        (status, &problem["code"]),
        (502, &json!("tampered")),
        "the keys were fetched for it: {problem}"
    );
}

#[tokio::test]
async fn without_a_document_the_urls_are_those_of_the_settings() {
    let simulator = simulator(None).await;
    let base = &simulator.base_url;
    let more = format!(
        "token_url = \"{base}/v1/esignet/oauth/v2/token\"\nuserinfo_url = \"{base}/v1/esignet/oidc/userinfo\"\n\
         jwks_url = \"{base}/v1/esignet/oauth/.well-known/jwks.json\"\n"
    );
    let gateway = Running::start_under(&text(base, &more), &[]).await;
    let world = World { simulator, gateway };
    // The document would lead elsewhere.
    world.behave(Behaviour {
        esignet_lie: Some(EsignetLie::OtherHost),
        esignet_dpop: true,
        ..Behaviour::default()
    });
    let (status, known) = world.log_in().await;
    assert_eq!(status, 200, "the demand for a proof shows with the first answer: {known}");
}

#[tokio::test]
async fn a_login_begins_with_what_the_document_demands() {
    let world = World::start("").await;
    let begin = json!({
        "clientId": CLIENT, "redirectUri": FORM, "state": "s1", "nonce": "n1", "codeChallenge": CHALLENGE,
        "acrValues": "mosip:idp:acr:generated-code",
    });
    for par in [false, true] {
        world.behave(Behaviour { esignet_par: par, ..Behaviour::default() });
        let gateway = Running::start_under(&text(&world.simulator.base_url, ""), &[]).await;
        let (status, begun) =
            read(gateway.call("/v1/esignet/authorize", "application/json", &begin.to_string()).await);
        assert_eq!(status, 200, "{begun}");
        let url = begun["url"].as_str().unwrap();
        assert_eq!((url.contains("request_uri="), url.contains("state=s1")), (par, !par), "{url}");
        assert_eq!(begun["expiresIn"].is_i64(), par);
        let redirect = gateway.request(Method::GET, url.to_owned(), HeaderMap::new(), "").await;
        let location = redirect.headers[header::LOCATION].to_str().unwrap().to_owned();
        let (_, query) = location.split_once('?').unwrap();
        let brought: std::collections::BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(brought["state"], "s1");
        let login = json!({
            "code": brought["code"], "clientId": CLIENT, "redirectUri": FORM, "codeVerifier": VERIFIER, "nonce": "n1",
        });
        let (status, known) =
            read(gateway.call("/v1/esignet/userinfo", "application/json", &login.to_string()).await);
        assert_eq!(status, 200, "{known}");
    }
}

#[tokio::test]
async fn what_is_not_set_is_named_and_stops_no_start() {
    let gateway = Running::start(&[]).await;
    let login = json!({"code": "c", "clientId": CLIENT, "redirectUri": FORM}).to_string();
    let (status, problem) = read(gateway.call("/v1/esignet/userinfo", "application/json", &login).await);
    assert_eq!((status, &problem["code"]), (503, &json!("keys")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("esignet.issuer"), "{problem}");

    let half = format!("{EXAMPLE}\n[esignet]\ntoken_url = \"https://e.example.org/token\"\n");
    let gateway = Running::start_under(&half, &[]).await;
    let (status, ready) = gateway.readiness().await;
    assert_eq!(status, 200, "{ready}");
    assert!(ready["troubles"].to_string().contains("esignet.issuer"), "{ready}");
}

/// MOSIP knows the key of `partner` alone.
#[tokio::test]
async fn the_key_of_esignet_that_is_listed_first_signs_nothing_for_mosip() {
    let first = r#"own = [{ name = "esignet", file = "esignet-jwk.txt" }, {"#;
    let text = EXAMPLE.replace("own = [{", first)
        + "[esignet]\nissuer = \"https://e.example.org\"\nkey = \"esignet\"\n";
    let simulator = simulator(None).await;
    let mosip = urls(&simulator.base_url);
    let set: Vec<_> = mosip.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let gateway = Running::start_under(&text, &set).await;
    let (status, taken) =
        gateway.post_event("birth", &[("prefer", "wait=20")], &event("birth", "of-partner", "Ada")).await;
    assert_eq!((status, &taken["state"]), (200, &json!("done")), "{taken}");
    let (status, problem) =
        read(gateway.call("/v1/sign?form=raw-sha512&key=esignet", "application/octet-stream", "text").await);
    assert_eq!((status, &problem["pointer"]), (422, &json!("key")), "{problem}");
    let (_, keys) = gateway.get("/v1/keys").await;
    assert_eq!(keys["own"][0]["use"], json!(["esignet", "decrypt"]), "{keys}");
}

#[tokio::test]
async fn an_operator_sees_how_logins_end_and_why_they_fail() {
    let world = World::start("").await;
    let ops = async |route: &str| {
        let url = format!("http://{}{route}", world.gateway.ops);
        let reply = world.gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    let count = async |outcome: &str| {
        let line = format!("mosip_gateway_logins_total{{outcome=\"{outcome}\"}} ");
        let metrics = ops("/metrics").await;
        let count =
            metrics.lines().find_map(|text| text.strip_prefix(&line)).unwrap_or_else(|| panic!("{metrics}"));
        count.parse::<u64>().unwrap()
    };
    let (_, ready) = world.gateway.readiness().await;
    assert_eq!(ready["esignet"]["state"], "open", "{ready}");
    assert_eq!(world.log_in().await.0, 200);
    assert_eq!(world.ask(&json!({"code": "used", "clientId": CLIENT, "redirectUri": FORM})).await.0, 422);
    assert_eq!((count("believed").await, count("caller").await, count("upstream").await), (1, 1, 0));

    world.behave(Behaviour { down: true, ..Behaviour::default() });
    assert_eq!(world.log_in().await.0, 502);
    let (status, ready) = world.gateway.readiness().await;
    let esignet = &ready["esignet"];
    assert_eq!(
        (status, &esignet["state"], &esignet["fault"]),
        (200, &json!("failing"), &json!("upstream")),
        "{ready}"
    );
    assert!(esignet["since"].is_string() && esignet["last_success"].is_string(), "{ready}");
    let page = ops("/").await;
    assert!(page.contains("<h1>eSignet gives no usable answer since "), "{page}");

    world.lie(EsignetLie::WrongSubject);
    assert_eq!(world.log_in().await.0, 502);
    assert_eq!((count("upstream").await, count("tampered").await), (1, 1));
    assert!(ops("/").await.contains("<h1>Put right: what eSignet says of persons is not believed since "));
    world.behave(Behaviour::default());
    assert_eq!(world.log_in().await.0, 200);
    let (_, ready) = world.gateway.readiness().await;
    assert_eq!(ready["esignet"]["state"], "open", "{ready}");
    assert_eq!(count("believed").await, 2);
}
