//! Posts the UINTOKEN to `/birthReceiveNid`, once and without a repeat.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;

use super::World;
use super::behaviour::Behaviour;
use super::envelope;
use super::history::Push;
use super::settings::{Callback, OpenCrvs, StartError, Tls};
use super::tokens;
use crate::clock::Timestamp;
use crate::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};
use crate::crypto::secret::random;
use crate::crypto::{CryptoError, base64};

/// Time for the receiver to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Seconds that an OpenCRVS token lives.
const TOKEN_LIFETIME_S: i64 = 600;

/// A plain HTTP/1.1 client, `http` and `https`.
pub(super) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where and how UINTOKENs are posted.
pub(super) struct Pusher {
    http: HttpClient,
    url: Uri,
    opencrvs: OpenCrvs,
    mosip_key: Arc<PrivateKey>,
}

impl Pusher {
    pub(super) fn new(
        callback: Callback,
        opencrvs: OpenCrvs,
        mosip_key: Arc<PrivateKey>,
    ) -> Result<Self, StartError> {
        let http = http_client(callback.roots_pem.as_deref(), callback.client.as_ref())?;
        Ok(Self { http, url: callback.url, opencrvs, mosip_key })
    }

    fn request(
        &self,
        body: String,
        now: Timestamp,
    ) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let claims = json!({
            "scope": ["notify"],
            "iat": now.seconds(),
            "exp": now.seconds().saturating_add(TOKEN_LIFETIME_S),
            "aud": ["opencrvs:auth-user", "opencrvs:mosip-user"],
            "iss": "opencrvs:auth-service",
            "sub": "00000000-0000-4000-8000-000000000002",
        });
        let token =
            tokens::sign(&self.opencrvs.jwt_key, &claims).ok_or("the OpenCRVS token cannot be signed")?;
        let request = Request::post(&self.url)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        Ok(request)
    }

    /// Posts once and returns the status, whatever it is.
    async fn post(&self, body: String, now: Timestamp) -> Result<u16, String> {
        let request = self.request(body, now).map_err(|error| error.to_string())?;
        match tokio::time::timeout(DEADLINE, self.http.request(request)).await {
            Ok(Ok(response)) => Ok(response.status().as_u16()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }
}

/// A person whom MOSIP has numbered.
pub(super) struct Uin {
    /// The id that the birth came under.
    pub(super) id: String,
    /// The birth registration number.
    pub(super) brn: String,
}

impl Uin {
    /// Posts the UINTOKEN in the background and records the outcome. Does nothing where no callback is set.
    pub(super) fn push(self, world: &Arc<World>) {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            let Some(pusher) = &world.pusher else { return };
            let uin_token = uin_token();
            let plaintext = json!({ "uinToken": uin_token, "opencrvsBRN": self.brn }).to_string();
            let stranger = world.tokens.public_key();
            let body = body(pusher, stranger, plaintext.as_bytes(), &world.controls.get());
            let sealed_bytes = body.as_ref().map_or(0, String::len);
            let outcome = match body {
                Ok(body) => pusher.post(body, world.clock.now()).await,
                Err(error) => Err(error.to_string()),
            };
            let (status, failure) = match outcome {
                Ok(status) => (Some(status), None),
                Err(failure) => (None, Some(failure)),
            };
            world.history.push(Push { id: self.id, brn: self.brn, uin_token, sealed_bytes, status, failure });
        });
    }
}

/// `{"id":"","requestTime":"","data","signature"}`, base64url without padding, signed over the plaintext.
fn body(
    pusher: &Pusher,
    stranger: &PublicKey,
    plaintext: &[u8],
    behaviour: &Behaviour,
) -> Result<String, CryptoError> {
    let recipient =
        if behaviour.push_sealed_to_stranger { stranger } else { pusher.opencrvs.certificate.public_key() };
    let mut body = json!({
        "id": "",
        "requestTime": "",
        "data": base64::encode_url(&envelope::seal(recipient, plaintext)?),
    });
    if !behaviour.unsigned_push {
        let other_text: &[u8] = if behaviour.wrong_push_signature { b" " } else { b"" };
        let signature = pusher.mosip_key.sign(SignatureAlgorithm::Rs512, &[plaintext, other_text])?;
        if let Some(body) = body.as_object_mut() {
            body.insert("signature".to_owned(), base64::encode_url(&signature).into());
        }
    }
    Ok(body.to_string())
}

/// 36 decimal digits (`mosip.kernel.tokenid.length`).
fn uin_token() -> String {
    random::<36>().iter().map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// A client that trusts `roots_pem`, or the public roots, and shows `identity` where it is asked for a certificate.
pub(super) fn http_client(
    roots_pem: Option<&[u8]>,
    identity: Option<&Tls>,
) -> Result<HttpClient, StartError> {
    let refused = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let mut roots = RootCertStore::empty();
    match roots_pem {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for root in CertificateDer::pem_slice_iter(pem) {
                let root = root.map_err(|error| refused(&error))?;
                roots.add(root).map_err(|error| refused(&error))?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.parse()?;
            config.with_client_auth_cert(chain, key).map_err(|error| refused(&error))?
        }
    };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
