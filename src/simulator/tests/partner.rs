//! A partner, its keys, and the HTTP it speaks.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::clock::{Clock, Timestamp};
use crate::crypto::aead::{self, Nonce};
use crate::crypto::base64;
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm::Rs512};
use crate::crypto::secret::{SecretBytes, SessionKey, random};
use crate::keys::Certificate;
use crate::simulator::esignet::EsignetClient;
use crate::simulator::push::{HttpClient, http_client};
use crate::simulator::{Callback, Client, Ida, OpenCrvs, Running, Settings, Simulator};

pub(super) const COMPOSITION: &str = "6c20af51-6af7-46a4-bd1e-07c44e0214e9";
pub(super) const BRN: &str = "2022B60QW1Y";

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/vectors/keys/", $name)).as_slice()
    };
}
pub(super) use vector;

pub(super) fn private_key(pem: &[u8]) -> PrivateKey {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).unwrap()
}

pub(super) fn certificate(pem: &[u8]) -> Certificate {
    Certificate::from_der(&CertificateDer::from_pem_slice(pem).unwrap()).unwrap()
}

/// 2026-11-24T08:00:00Z
pub(super) const START: Timestamp = Timestamp::from_seconds(1_795_507_200);

pub(super) fn settings() -> Settings {
    Settings {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        tls: None,
        mosip_key: Arc::new(private_key(vector!("mosip.key.pem"))),
        mosip_certificate: certificate(vector!("mosip.crt.pem")),
        partners: vec![certificate(vector!("partner.crt.pem"))],
        client: Client {
            id: "opencrvs".to_owned(),
            secret: SecretBytes::new(b"secret".to_vec()),
            username: "user".to_owned(),
            password: SecretBytes::new(b"password".to_vec()),
        },
        opencrvs: OpenCrvs {
            certificate: certificate(vector!("partner.crt.pem")),
            jwt_key: Arc::new(private_key(vector!("issuer.key.pem"))),
        },
        ida: Ida {
            key: private_key(vector!("ida.key.pem")),
            certificate: certificate(vector!("ida.crt.pem")),
            sign_key: private_key(vector!("issuer.key.pem")),
            sign_certificate: certificate(vector!("issuer.crt.pem")),
            partner_certificate: certificate(vector!("partner.crt.pem")),
            license_key: SecretBytes::new(b"licence".to_vec()),
            partner_id: "partner".to_owned(),
            api_key: SecretBytes::new(b"api".to_vec()),
        },
        issuer: super::credentials::settings(),
        esignet: EsignetClient {
            id: "opencrvs-client".to_owned(),
            jwk: String::from_utf8(base64::decode(vector!("esignet-jwk.txt").trim_ascii()).unwrap()).unwrap(),
            certificate: certificate(vector!("partner.crt.pem")),
        },
        callback: None,
    }
}

/// A running fake and a partner that knows it.
pub(super) struct Partner {
    pub(super) simulator: Running,
    pub(super) clock: Clock,
    pub(super) key: PrivateKey,
    http: HttpClient,
}

/// Status, headers and body of an answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and the code that says why: the last one, of IDA's filter behind the one that says nothing.
    pub(super) fn refusal(&self) -> (u16, String) {
        let errors = self.json()["errors"].as_array().unwrap().clone();
        (self.status.as_u16(), errors.last().unwrap()["errorCode"].as_str().unwrap().to_owned())
    }
}

impl Partner {
    pub(super) async fn start() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with_callback(url: &str) -> Self {
        let callback = Callback { url: url.parse().unwrap(), roots_pem: None, client: None };
        Self::with(Settings { callback: Some(callback), ..settings() }).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let clock = Clock::fixed(START);
        Self {
            simulator: Simulator::start(settings, clock.clone()).await.unwrap(),
            clock,
            key: private_key(vector!("partner.key.pem")),
            http: http_client(None, None).unwrap(),
        }
    }

    /// `None` where the connection ends without an answer.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(http::HeaderName, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.simulator.base_url));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = self.http.request(request.body(Full::new(body.into())).unwrap()).await.ok()?;
        let (head, body) = response.into_parts();
        Some(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.ok()?.to_bytes(),
        })
    }

    pub(super) async fn ask_for_token(&self, form: &'static str) -> Answer {
        self.call(
            "POST",
            "/auth/realms/mosip/protocol/openid-connect/token",
            &[(CONTENT_TYPE, "application/x-www-form-urlencoded")],
            form,
        )
        .await
        .unwrap()
    }

    pub(super) async fn token(&self) -> String {
        let answer =
            self.ask_for_token("grant_type=client_credentials&client_id=opencrvs&client_secret=secret").await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn generate_aid(&self, token: &str) -> Option<Answer> {
        let cookie = format!("Authorization={token}");
        self.call("GET", "/opencrvs/v1/generateAid", &[(COOKIE, &cookie)], "").await
    }

    pub(super) async fn aid(&self) -> String {
        let answer = self.generate_aid(&self.token().await).await.unwrap();
        answer.json().as_str().unwrap().to_owned()
    }

    pub(super) async fn post(&self, kind: &str, token: &str, body: &Value) -> Option<Answer> {
        let cookie = format!("Authorization={token};");
        let headers = [(COOKIE, cookie.as_str()), (CONTENT_TYPE, "application/json")];
        self.call("POST", &format!("/opencrvs/v1/{kind}"), &headers, body.to_string()).await
    }

    /// Posts under a fresh token.
    pub(super) async fn send(&self, kind: &str, body: &Value) -> Answer {
        self.post(kind, &self.token().await, body).await.unwrap()
    }

    /// The body of a post, sealed and signed as it has to be.
    pub(super) fn sealed(&self, id: &str, event: &Value) -> Value {
        self.signed(id, &envelope(event.to_string().as_bytes()))
    }

    /// A body around any envelope, with a good signature.
    pub(super) fn signed(&self, id: &str, envelope: &[u8]) -> Value {
        json!({
            "id": id,
            "requestTime": "2026-11-24T08:00:00.000Z",
            "data": base64::encode(envelope),
            "signature": base64::encode(&self.key.sign(Rs512, &[envelope]).unwrap()),
        })
    }

    /// A birth with an AID of its own, sent and accepted.
    pub(super) async fn send_birth(&self) -> Value {
        let body = self.sealed(COMPOSITION, &birth(&[&self.aid().await]));
        assert_eq!(self.send("birth", &body).await.status, StatusCode::OK);
        body
    }
}

/// VER_R2 to MOSIP's certificate.
pub(super) fn envelope(plaintext: &[u8]) -> Vec<u8> {
    envelope_to(certificate(vector!("mosip.crt.pem")).thumbprint().as_bytes(), plaintext)
}

/// VER_R2 to MOSIP's key under any thumbprint.
pub(super) fn envelope_to(thumbprint: &[u8; 32], plaintext: &[u8]) -> Vec<u8> {
    let (session_key, aad) = (SessionKey::generate(), random::<32>());
    let wrapped = certificate(vector!("mosip.crt.pem")).public_key().wrap(&session_key).unwrap();
    let mut envelope =
        [b"VER_R2".as_slice(), thumbprint, &wrapped, b"#KEY_SPLITTER#", &aad, plaintext].concat();
    let from = envelope.len() - plaintext.len();
    let nonce = aad.first_chunk().unwrap();
    aead::seal_tail(&session_key, Nonce::Twelve(nonce), &aad, &mut envelope, from).unwrap();
    envelope
}

pub(super) fn birth(aids: &[&str]) -> Value {
    event("BIRTH_REGISTERED", COMPOSITION, aids)
}

/// A webhook body with one Task and one Patient, in the shape of opencrvs-core.
pub(super) fn event(topic: &str, composition: &str, aids: &[&str]) -> Value {
    let aid = |value: &&str| {
        json!({
            "type": { "coding": [{ "system": "http://opencrvs.org/specs/identifier-type", "code": "MOSIP_AID" }] },
            "value": value,
        })
    };
    json!({
        "timestamp": "2026-11-24T07:59:58.000Z",
        "id": "93880433-e7c9-40a1-88d0-e885beea495d",
        "event": {
            "hub": { "topic": topic },
            "context": [{
                "resourceType": "Bundle",
                "entry": [
                    { "resource": {
                        "resourceType": "Task",
                        "focus": { "reference": format!("Composition/{composition}") },
                        "identifier": [
                            { "system": "http://opencrvs.org/specs/id/birth-tracking-id", "value": "B60QW1Y" },
                            { "system": "http://opencrvs.org/specs/id/birth-registration-number", "value": BRN },
                        ],
                    } },
                    { "resource": {
                        "resourceType": "Patient",
                        "identifier": aids.iter().map(aid).collect::<Vec<_>>(),
                    } },
                ],
            }],
        },
    })
}
