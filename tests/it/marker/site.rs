//! A gateway that serves all that it can, beside a simulator of MOSIP, and what is valid there: credentials, bodies, and names of rows.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::simulator::{self, Behaviour, EsignetLie};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::gateway::{HUB_SECRET, Running};
use crate::support::ida_setup::simulator;
use crate::support::mosip::Push;
use crate::support::patience;
use crate::support::pki::Authority;
use crate::support::port::Port;
use crate::support::webhook::{self, SHA_SECRET};
use crate::support::world::{Hub, packets, urls};

/// The bearer token of every listener that demands one.
const TOKEN: &str = "the-token-of-a-listener";

pub(super) struct Site {
    pub(super) gateway: Running,
    scheme: &'static str,
    authority: Authority,
    _simulator: simulator::Running,
    _dir: TempDir,
    _ports: [Port; 3],
}

impl Site {
    /// All listeners with a token, and with TLS or without.
    pub(super) async fn start(has_tls: bool) -> Self {
        let simulator = simulator(None).await;
        let ports = [Port::hold(), Port::hold(), Port::hold()];
        let [callback, faces, nobody] = ports.each_ref().map(Port::address);
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (token, sha_secret) = (file("token", TOKEN), file("sha_secret", SHA_SECRET));
        let hub = Hub::beside(&simulator.base_url, &callback);
        // Every request comes from an address of its own, so that no rate refuses it.
        let require = r#"require = ["opencrvs-jwt", "hub-hmac"]"#;
        assert!(hub.text.contains(require));
        let text = hub.text.replace(require, &format!("{require}\ntrusted_proxies = [\"127.0.0.1\"]"));
        // The credentials of the vectors verify.
        let issuer = "../keys.example/issuer.crt";
        assert!(text.contains(issuer));
        let text = text.replace(issuer, "../tests/vectors/keys/issuer.crt.pem");
        let last = r#"use = ["decrypt"] }]"#;
        assert!(text.contains(last));
        let key = r#"use = ["decrypt"] }, { name = "esignet", file = "esignet-jwk.txt", use = ["sign"] }]"#;
        let text = text.replace(last, key);
        let mosip = urls(&simulator.base_url);
        let ida = format!("{}/idauthentication/v1", simulator.base_url);
        let away = format!("http://{nobody}/death");
        let mut set: Vec<(&str, &str)> = mosip.iter().map(|(name, url)| (*name, url.as_str())).collect();
        set.extend(hub.set());
        let packets = packets(&simulator.base_url);
        set.extend(packets.iter().map(|(name, value)| (*name, value.as_str())));
        set.extend([
            ("UPSTREAM__IDA__URL", ida.as_str()),
            ("UPSTREAM__MEDIATOR__DEATH", &away),
            ("LISTEN__CALLBACK", &callback),
            ("FACES__LISTEN", &faces),
            ("FACES__WEBHOOKS", "true"),
            ("FACES__WEBHOOK_SECRET_FILE", &sha_secret),
            ("FACES__TOKEN_FILE", &token),
            ("FACES__MOSIP_API", "true"),
            ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem"),
            ("ESIGNET__ISSUER", &simulator.base_url),
            ("ESIGNET__KEY", "esignet"),
            ("INTERNAL__TOKEN_FILE", &token),
            ("OPS__TOKEN_FILE", &token),
        ]);
        let authority = Authority::new("country");
        let identity = authority.server(&["127.0.0.1"]);
        let (root, cert, key) = (
            file("root.crt", authority.pem()),
            file("server.crt", &identity.cert),
            file("server.key", &identity.key),
        );
        if has_tls {
            set.push(("UPSTREAM__CA_FILE", &root));
            for [name_of_cert, name_of_key] in [
                ["INTERNAL__TLS__CERT", "INTERNAL__TLS__KEY"],
                ["CALLBACK__TLS__CERT", "CALLBACK__TLS__KEY"],
                ["FACES__TLS__CERT", "FACES__TLS__KEY"],
                ["OPS__TLS__CERT", "OPS__TLS__KEY"],
            ] {
                set.extend([(name_of_cert, cert.as_str()), (name_of_key, &key)]);
            }
        }
        // eSignet repeats what it was sent.
        let lie = Some(EsignetLie::Echo);
        simulator.controls.set(Behaviour { esignet_lie: lie, ..Behaviour::default() });
        let gateway = Running::start_under(&text, &set).await;
        let scheme = if has_tls { "https" } else { "http" };
        Self { gateway, scheme, authority, _simulator: simulator, _dir: dir, _ports: ports }
    }

    /// Asks the listener for `target`; status, head and body of the answer.
    pub(super) async fn ask(
        &self,
        listener: &str,
        method: &Method,
        target: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> (u16, HeaderMap, String) {
        let (_, address) = self.gateway.listeners.iter().find(|(name, _)| *name == listener).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let url = format!("{}://{address}{target}", self.scheme);
        let reply = self.gateway.request(method.clone(), url, map, body).await;
        (reply.status.as_u16(), reply.headers, String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// Begins TLS with the listener under the name of another server, which the client then refuses.
    pub(super) async fn begin_tls(&self, listener: &str, name: &str) {
        let (_, address) = self.gateway.listeners.iter().find(|(known, _)| *known == listener).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        assert!(self.authority.connector(None).connect(name, stream).await.is_err());
    }

    /// As the plain API answers a caller with its token.
    pub(super) async fn call(&self, method: Method, target: &str, body: &str) -> (u16, Value) {
        let headers = [("content-type", "application/json".to_owned()), ("authorization", bearer(TOKEN))];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let (status, _, answer) = self.ask("internal", &method, target, &headers, body).await;
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    /// What the plain API answers as soon as `condition` holds of it.
    pub(super) async fn until(&self, target: &str, condition: impl Fn(&Value) -> bool) -> Value {
        patience::until(target, async || {
            let (_, answer) = self.call(Method::GET, target, "").await;
            if condition(&answer) { Ok(answer) } else { Err(answer) }
        })
        .await
    }

    /// A page of the ops listener.
    pub(super) async fn page(&self, target: &str) -> (u16, String) {
        let headers = [("authorization".to_owned(), basic(TOKEN))];
        let (status, _, text) = self.ask("ops", &Method::GET, target, &headers, "").await;
        (status, text)
    }

    /// Posts a form of the page.
    pub(super) async fn post_form(&self, form: &[(&str, &str)]) -> u16 {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers = [("authorization", basic(TOKEN)), ("content-type", FORM.to_owned())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        self.ask("ops", &Method::POST, "/", &headers, &body).await.0
    }
}

/// The type of a form of the page.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// What proves the caller of a route, made for its `body`.
pub(super) fn credentials(listener: &str, route: &str, body: &str) -> BTreeMap<String, String> {
    let proof = match (listener, route) {
        (_, route) if route.starts_with("/webhooks") => ("x-hub-signature", webhook::signature(body)),
        ("callback", route) if route.starts_with("/birthReceiveNid") => {
            ("authorization", bearer(&token(&[])))
        }
        (_, route) if route.starts_with("/websub/") => ("x-hub-signature", hub_signature(body)),
        (_, route) if brings_jwt(route) => ("authorization", bearer(&token(&[]))),
        ("ops", _) => ("authorization", basic(TOKEN)),
        _ => ("authorization", bearer(TOKEN)),
    };
    let mut headers = BTreeMap::from([(proof.0.to_owned(), proof.1)]);
    if listener == "internal" && !brings_jwt(route) {
        headers.insert("authorization".to_owned(), bearer(TOKEN));
    }
    headers
}

/// Whether the callers of `route`, one of `mosip-api`, bring a token of OpenCRVS.
fn brings_jwt(route: &str) -> bool {
    ["/esignet/", "/events/", "/verify"].iter().any(|begins| route.starts_with(begins))
}

/// `X-Hub-Signature` of MOSIP's hub.
fn hub_signature(body: &str) -> String {
    let tag = hmac::tag(HmacAlgorithm::Sha256, HUB_SECRET.as_bytes(), &[body.as_bytes()]);
    format!("sha256={}", data_encoding::HEXLOWER.encode(&tag))
}

pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub(super) fn basic(password: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("operator:{password}").as_bytes()))
}

/// A token of OpenCRVS's auth service, some of whose claims are `other`; its key bears the name of the first of them.
pub(super) fn token(other: &[(&str, &str)]) -> String {
    let key = std::fs::read("keys.example/simulator/opencrvs-jwt-priv.key").unwrap();
    let mut claims = json!({
        "iss": "opencrvs:auth-service",
        "aud": ["opencrvs:mosip-user"],
        "exp": crate::support::now().seconds() + 600,
    });
    for (name, value) in other {
        claims[*name] = json!(value);
    }
    let mut header = Header::new(Algorithm::RS256);
    header.kid = other.first().map(|(_, value)| (*value).to_owned());
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_rsa_pem(&key).unwrap()).unwrap()
}

/// A token of MOSIP's side around `payload`.
pub(super) fn mosip_token(payload: &Value) -> String {
    let key = std::fs::read("keys.example/simulator/mosip-priv.key").unwrap();
    let key = EncodingKey::from_rsa_pem(&key).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), payload, &key).unwrap()
}

/// A message of MOSIP's side around `plaintext`.
pub(super) fn sealed(plaintext: &Value) -> Push {
    let key = crate::support::mosip::private_key("keys.example/simulator/mosip-priv.key");
    Push::holding(&key, &plaintext.to_string())
}
