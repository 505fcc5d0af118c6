//! `mosip-api` as a country runs it: its variables, with the simulator in MOSIP's place, and its database.

use std::path::Path;

use axum::Router;
use axum::routing::get;
use mosip_gateway::simulator::{Settings, Simulator};
use mosip_gateway::{clock::Clock, simulator};
use tokio::net::TcpListener;

use super::gateway::{HUB_SECRET, SECRET};
use super::rows::Rows;

/// What its start makes in an empty file.
const SCHEMA: &str = "CREATE TABLE transactions (id TEXT PRIMARY KEY, token TEXT UNIQUE NOT NULL, registration_number TEXT UNIQUE NOT NULL, \
    created_at TEXT NOT NULL DEFAULT (datetime('now'))) STRICT";
/// The password of `keys.example/keystore.p12`.
const PASSWORD: &str = "mosip123";
/// The topic that it subscribes to.
pub(crate) const TOPIC: &str = "opencrvs-partner/CREDENTIAL_ISSUED";

/// MOSIP and OpenCRVS's core beside it.
pub(crate) async fn surroundings() -> simulator::Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    Simulator::start(settings, Clock::system()).await.unwrap()
}

/// A file as `mosip-api` leaves it.
pub(crate) struct Database(Rows);

impl Database {
    /// A new one.
    pub(crate) fn make(file: &Path) -> Self {
        let rows = Rows::of(file);
        rows.run(SCHEMA);
        Self(rows)
    }

    /// A registration waits for MOSIP under `id`.
    pub(crate) fn insert(&self, id: &str, token: &str, number: &str) {
        let insert = "INSERT INTO transactions (id, token, registration_number) VALUES (?1, ?2, ?3)";
        assert_eq!(self.0.change(insert, [id, token, number]), 1);
    }
}

/// A URL of the key of OpenCRVS's auth service.
pub(crate) async fn public_key() -> String {
    let key = std::fs::read_to_string("keys.example/opencrvs-jwt.pem").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/.well-known", listener.local_addr().unwrap());
    let serve = async move || key.clone();
    tokio::spawn(async { axum::serve(listener, Router::new().route("/.well-known", get(serve))).await });
    url
}

/// Its variables beside the simulator at `base_url`, where it listens at the port `port` and keeps its rows in `database`.
pub(crate) fn variables(
    base_url: &str,
    public_key: &str,
    port: &str,
    database: &Path,
) -> Vec<(&'static str, String)> {
    let of = |path: &str| format!("{base_url}{path}");
    let file =
        |name: &str| std::path::absolute(Path::new("keys.example").join(name)).unwrap().display().to_string();
    vec![
        ("NODE_ENV", "production".to_owned()),
        ("LOCALE", "en".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", port.to_owned()),
        ("SQLITE_DATABASE_PATH", database.display().to_string()),
        ("CLIENT_APP_URL", "https://register.example.org".to_owned()),
        ("OPENCRVS_GATEWAY_URL", of("/core")),
        ("OPENCRVS_PUBLIC_KEY_URL", public_key.to_owned()),
        ("OPENCRVS_AUTH_URL", of("/core/auth")),
        ("OPENCRVS_CLIENT_ID", "opencrvs".to_owned()),
        ("OPENCRVS_CLIENT_SECRET", SECRET.to_owned()),
        ("MOSIP_AUTH_URL", of("/v1/authmanager/authenticate/clientidsecretkey")),
        ("MOSIP_AUTH_CLIENT_APP_ID", "admin".to_owned()),
        ("MOSIP_PACKET_AUTH_CLIENT_ID", "opencrvs".to_owned()),
        ("MOSIP_PACKET_AUTH_CLIENT_SECRET", SECRET.to_owned()),
        ("MOSIP_WEBSUB_AUTH_CLIENT_ID", "opencrvs".to_owned()),
        ("MOSIP_WEBSUB_AUTH_CLIENT_SECRET", SECRET.to_owned()),
        ("MOSIP_WEBSUB_HUB_URL", of("/hub")),
        ("MOSIP_WEBSUB_CALLBACK_URL", format!("http://127.0.0.1:{port}/websub/callback")),
        ("MOSIP_WEBSUB_SECRET", HUB_SECRET.to_owned()),
        ("MOSIP_WEBSUB_TOPIC", TOPIC.to_owned()),
        (
            "MOSIP_VERIFIABLE_CREDENTIAL_ALLOWLIST",
            "https://api.example.org/.well-known/public-key.json".to_owned(),
        ),
        ("MOSIP_VERIFIABLE_CREDENTIAL_NATIONAL_ID_KEY", "VID".to_owned()),
        ("MOSIP_CREATE_PACKET_URL", of("/commons/v1/packetmanager/createPacket")),
        ("MOSIP_PROCESS_PACKET_URL", of("/registrationprocessor/v1/workflowmanager/workflowinstance")),
        ("MOSIP_CENTER_ID", "10123".to_owned()),
        ("MOSIP_MACHINE_ID", "10234".to_owned()),
        ("MOSIP_BIRTH_WEBHOOK_URL", of("/webhooks/opencrvs/birth")),
        ("MOSIP_DEATH_WEBHOOK_URL", of("/webhooks/opencrvs/death")),
        ("IDA_AUTH_DOMAIN_URI", base_url.to_owned()),
        ("IDA_AUTH_URL", of("/idauthentication/v1/auth")),
        ("PARTNER_ID", "opencrvs-partner".to_owned()),
        ("ENCRYPT_CERT_PATH", file("ida-partner.crt")),
        ("DECRYPT_P12_FILE_PATH", file("keystore.p12")),
        ("DECRYPT_P12_FILE_PASSWORD", PASSWORD.to_owned()),
        ("SIGN_P12_FILE_PATH", file("keystore.p12")),
        ("SIGN_P12_FILE_PASSWORD", PASSWORD.to_owned()),
    ]
}
