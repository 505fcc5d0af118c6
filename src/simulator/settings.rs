//! The settings of the simulator, and how a development key set is read.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::contexts;
use super::credentials::IssuerSettings;
use super::esignet::EsignetClient;
use crate::crypto::base64;
use crate::crypto::rsa::PrivateKey;
use crate::crypto::secret::SecretBytes;
use crate::keys::Certificate;

/// The default address of `mosip-gateway simulator`.
const DEFAULT_BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4600);

/// The listener, keys and registrations of the simulator.
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// `https` where present.
    pub tls: Option<Tls>,
    /// MOSIP's private key: opens what partners send, signs the pushes.
    pub mosip_key: Arc<PrivateKey>,
    /// MOSIP's certificate; envelopes have to carry its thumbprint.
    pub mosip_certificate: Certificate,
    /// Certificates whose signature on an envelope counts.
    pub partners: Vec<Certificate>,
    /// The client that may request a token.
    pub client: Client,
    /// The receiver of the pushes.
    pub opencrvs: OpenCrvs,
    /// IDA's side.
    pub ida: Ida,
    /// The issuer of credentials.
    pub issuer: IssuerSettings,
    /// Who may ask eSignet.
    pub esignet: EsignetClient,
    /// Where UINTOKENs are posted; absent: nowhere.
    pub callback: Option<Callback>,
}

/// IDA, and the one partner that it serves.
pub struct Ida {
    /// Opens requests.
    pub key: PrivateKey,
    /// Requests have to carry its thumbprint.
    pub certificate: Certificate,
    /// Signs replies.
    pub sign_key: PrivateKey,
    /// Stands in the signature of replies.
    pub sign_certificate: Certificate,
    /// The partner's certificate: signs requests, and identities are sealed to it.
    pub partner_certificate: Certificate,
    /// First of the path.
    pub license_key: SecretBytes,
    /// Second of the path.
    pub partner_id: String,
    /// Third of the path.
    pub api_key: SecretBytes,
}

/// The one registration that Keycloak and authmanager know.
pub struct Client {
    /// `client_id`, `clientId`
    pub id: String,
    /// `client_secret`, `secretKey`
    pub secret: SecretBytes,
    /// For grant `password`.
    pub username: String,
    /// For grant `password`.
    pub password: SecretBytes,
}

/// The receiving side of a push.
pub struct OpenCrvs {
    /// UINTOKENs are sealed to it.
    pub certificate: Certificate,
    /// OpenCRVS's own key for bearer tokens; its public half is what `callback.opencrvs_jwt` names.
    pub jwt_key: Arc<PrivateKey>,
}

/// Where UINTOKENs are posted.
pub struct Callback {
    /// The whole URL, `http://127.0.0.1:4547/birthReceiveNid`.
    pub url: http::Uri,
    /// PEM roots for `https`; absent: the public ones.
    pub roots_pem: Option<Vec<u8>>,
    /// Shown to a receiver that asks for a client certificate.
    pub client: Option<Tls>,
}

/// Certificate and key of one side of a connection, both PEM.
pub struct Tls {
    /// Chain, leaf first.
    pub cert_pem: Vec<u8>,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key_pem: Vec<u8>,
}

impl Settings {
    /// Reads a development key set: `mosip-public.key`, `opencrvs-pub.key`, `partner.crt`, `ida-partner.crt`, `ida-sign.crt` and
    /// `issuer.crt` (certificates all), `esignet-jwk.txt`, and under `simulator/` `mosip-priv.key`, `opencrvs-jwt-priv.key`, `ida-priv.key`, `ida-sign-priv.key`
    /// and `issuer-priv.key` (PKCS#8 PEM). `opencrvs-pub.key` and `partner.crt` may sign events, `partner.crt` alone requests to IDA. Credentials are
    /// sealed to `partner.crt`; where the issuer lies, the stranger's key is `mosip-priv.key`.
    ///
    /// Listens on `127.0.0.1:4600` without TLS, pushes nowhere, knows the example client (`opencrvs`, `example-client-secret`,
    /// `opencrvs-user`, `example-password`) and, at IDA, the example partner (`opencrvs-partner`, `example-licence-key`,
    /// `example-api-key`).
    pub fn from_key_set(dir: &Path) -> Result<Self, StartError> {
        let own = dir.join("simulator");
        let opencrvs = certificate(&dir.join("opencrvs-pub.key"))?;
        let partner = certificate(&dir.join("partner.crt"))?;
        let mosip_key = Arc::new(private_key(&own.join("mosip-priv.key"))?);
        let partner_id = "opencrvs-partner".to_owned();
        let issuer = IssuerSettings {
            key: Arc::new(private_key(&own.join("issuer-priv.key"))?),
            certificate: certificate(&dir.join("issuer.crt"))?,
            verification_method: "https://api.example.org/.well-known/public-key.json".to_owned(),
            partner_id: partner_id.clone(),
            partner: partner.clone(),
            stranger: Arc::clone(&mosip_key),
            documents: Arc::new(contexts::documents()),
            context: contexts::context(),
        };
        let esignet = EsignetClient {
            id: "opencrvs-client".to_owned(),
            jwk: jwk(&dir.join("esignet-jwk.txt"))?,
            certificate: partner.clone(),
        };
        Ok(Self {
            bind: DEFAULT_BIND,
            tls: None,
            mosip_key,
            mosip_certificate: certificate(&dir.join("mosip-public.key"))?,
            partners: vec![partner.clone(), opencrvs.clone()],
            client: Client::example(),
            opencrvs: OpenCrvs {
                certificate: opencrvs,
                jwt_key: Arc::new(private_key(&own.join("opencrvs-jwt-priv.key"))?),
            },
            ida: Ida {
                key: private_key(&own.join("ida-priv.key"))?,
                certificate: certificate(&dir.join("ida-partner.crt"))?,
                sign_key: private_key(&own.join("ida-sign-priv.key"))?,
                sign_certificate: certificate(&dir.join("ida-sign.crt"))?,
                partner_certificate: partner,
                license_key: SecretBytes::new(b"example-licence-key".to_vec()),
                partner_id,
                api_key: SecretBytes::new(b"example-api-key".to_vec()),
            },
            issuer,
            esignet,
            callback: None,
        })
    }
}

impl Tls {
    /// The chain, leaf first, and the key.
    pub(super) fn parse(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), StartError> {
        let refused = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
        let chain = CertificateDer::pem_slice_iter(&self.cert_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| refused(&error))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem).map_err(|error| refused(&error))?;
        Ok((chain, key))
    }
}

impl Client {
    /// The client of the example configuration. Not a secret.
    pub fn example() -> Self {
        Self {
            id: "opencrvs".to_owned(),
            secret: SecretBytes::new(b"example-client-secret".to_vec()),
            username: "opencrvs-user".to_owned(),
            password: SecretBytes::new(b"example-password".to_vec()),
        }
    }
}

/// Why the fake does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("{address}: cannot listen: {error}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's word.
        error: std::io::Error,
    },
    /// A file of the key set.
    #[error("{}: {what}", file.display())]
    KeySet {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Certificate, key or roots for TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// The key for tokens could not be made.
    #[error("cannot make the key that signs tokens")]
    TokenKey,
}

fn certificate(file: &Path) -> Result<Certificate, StartError> {
    let der = CertificateDer::from_pem_file(file).map_err(|error| trouble(file, &error))?;
    Certificate::from_der(&der).map_err(|error| trouble(file, &error))
}

fn private_key(file: &Path) -> Result<PrivateKey, StartError> {
    let der = PrivatePkcs8KeyDer::from_pem_file(file).map_err(|error| trouble(file, &error))?;
    PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|error| trouble(file, &error))
}

/// The JSON Web Key in a file that holds it in base64, as eSignet hands it out.
fn jwk(file: &Path) -> Result<String, StartError> {
    let text = std::fs::read_to_string(file).map_err(|error| trouble(file, &error))?;
    let json = base64::decode(text.trim().as_bytes()).map_err(|error| trouble(file, &error))?;
    String::from_utf8(json).map_err(|error| trouble(file, &error))
}

fn trouble(file: &Path, error: &dyn std::fmt::Display) -> StartError {
    StartError::KeySet { file: file.to_owned(), what: error.to_string() }
}
