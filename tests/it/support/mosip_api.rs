//! `mosip-api` as a country runs it: its variables, with the simulator in MOSIP's place, and its database.

use std::path::Path;

use mosip_gateway::simulator::{Settings, Simulator};
use mosip_gateway::{clock::Clock, simulator};

use super::gateway::{HUB_SECRET, SECRET};
use super::rows::Rows;

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

/// Which `mosip-api` it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// That of OpenCRVS 1.9, which keeps the record token of each registration and confirms with it.
    RecordToken,
    /// That of OpenCRVS 2.0 and later, which keeps the event and confirms as a client.
    Client,
}

impl Era {
    /// The column by which a row names its record.
    const fn column(self) -> &'static str {
        match self {
            Self::RecordToken => "token",
            Self::Client => "event_id",
        }
    }

    /// The variables that the other one has and this one has not.
    const fn lacks(self) -> &'static [&'static str] {
        match self {
            Self::RecordToken => &["OPENCRVS_AUTH_URL", "OPENCRVS_CLIENT_ID", "OPENCRVS_CLIENT_SECRET"],
            Self::Client => &["OPENCRVS_PUBLIC_KEY_URL"],
        }
    }

    /// What of `variables` this one has.
    pub(crate) fn of(self, mut variables: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        variables.retain(|(name, _)| !self.lacks().contains(name));
        variables
    }
}

/// A file as `mosip-api` leaves it.
pub(crate) struct Database {
    rows: Rows,
    column: &'static str,
}

impl Database {
    /// A new one of OpenCRVS 1.9.
    pub(crate) fn make(file: &Path) -> Self {
        Self::make_of(Era::RecordToken, file)
    }

    /// What its start makes in an empty file.
    pub(crate) fn make_of(era: Era, file: &Path) -> Self {
        let database = Self::open(era, file);
        let column = database.column;
        database.rows.run(&format!(
            "CREATE TABLE transactions (id TEXT PRIMARY KEY, {column} TEXT UNIQUE NOT NULL, registration_number TEXT UNIQUE NOT NULL, \
            created_at TEXT NOT NULL DEFAULT (datetime('now'))) STRICT"
        ));
        database
    }

    /// One that is there.
    pub(crate) fn open(era: Era, file: &Path) -> Self {
        Self { rows: Rows::of(file), column: era.column() }
    }

    /// A registration waits for MOSIP under `id`; `record`: its token, or its event.
    pub(crate) fn insert(&self, id: &str, record: &str, number: &str) {
        let column = self.column;
        let insert =
            format!("INSERT INTO transactions (id, {column}, registration_number) VALUES (?1, ?2, ?3)");
        assert_eq!(self.rows.change(&insert, [id, record, number]), 1);
    }

    /// Takes the row of `id` out, if there is one: its record and its number.
    pub(crate) fn take(&self, id: &str) -> Option<(String, String)> {
        let column = self.column;
        let row = format!("SELECT max({column}), max(registration_number) FROM transactions WHERE id='{id}'");
        let (record, number): (Option<String>, Option<String>) =
            self.rows.one(&row, |row| Ok((row.get(0)?, row.get(1)?)));
        self.rows.change("DELETE FROM transactions WHERE id=?1", [id]);
        record.zip(number)
    }

    /// The ids of all rows.
    pub(crate) fn ids(&self) -> Vec<String> {
        let all = "SELECT group_concat(id) FROM (SELECT id FROM transactions ORDER BY id)";
        let ids: Option<String> = self.rows.one(all, |row| row.get(0));
        ids.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect()
    }
}

/// Its variables beside the simulator at `base_url`, where it listens at the port `port` and keeps its rows in `database`.
pub(crate) fn variables(base_url: &str, port: &str, database: &Path) -> Vec<(&'static str, String)> {
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
        ("OPENCRVS_PUBLIC_KEY_URL", of("/core/auth/.well-known")),
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
