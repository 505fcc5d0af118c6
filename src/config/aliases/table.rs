//! The variables of each older system and the settings that they set.

/// A system whose variables are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Any system: the name of the variable is unambiguous.
    Any,
    /// The older mediator (`opencrvs/mosip-mediator`).
    Mediator,
    /// `mosip-api`.
    MosipApi,
    /// A system that gets its tokens from Keycloak: the older mediator.
    Keycloak,
    /// A system that gets its tokens from MOSIP's authmanager: `mosip-api`.
    Authmanager,
}

/// How a variable becomes a setting.
pub(super) enum Sets {
    /// Its value is the value of the setting.
    Value,
    /// It holds a secret, so the setting is its name (`…_env`).
    Name,
    /// Its value is a URL that may end with `/auth`; the setting ends before.
    BeforeAuth,
    /// Its value is a URL; the setting is this path below it.
    Below(&'static str),
    /// Its presence sets this word.
    Word(&'static str),
    /// It names a file, and the setting is the file of this name beside it.
    Beside(&'static str),
}

/// A key or certificate that a variable adds.
pub(super) struct KeyFile {
    /// The name it gets.
    pub(super) name: &'static str,
    /// Variables with its path, of which the first that is set counts.
    pub(super) paths: &'static [&'static str],
    /// Variables with its password.
    pub(super) passwords: &'static [&'static str],
    /// What an own key may be used for; empty for a peer's certificate.
    pub(super) uses: &'static [&'static str],
    /// The setting that names an own key.
    pub(super) sign_with: Option<&'static str>,
    /// The path that a system uses by default. It counts only if the file exists.
    pub(super) default: (System, &'static str),
}

const SIGN_P12_PASSWORD: &[&str] =
    &["TOKENSEEDER_CRYPTO_SIGNATURE__SIGN_P12_FILE_PASSWORD", "SIGN_P12_FILE_PASSWORD"];

#[rustfmt::skip]
pub(super) const OWN_KEYS: &[KeyFile] = &[
    KeyFile { name: "sign-p12", paths: &["TOKENSEEDER_CRYPTO_SIGNATURE__SIGN_P12_FILE_PATH", "SIGN_P12_FILE_PATH"], passwords: SIGN_P12_PASSWORD, uses: &["sign"], sign_with: Some("upstream.ida.sign_with"), default: (System::MosipApi, "/certs/keystore.p12") },
    KeyFile { name: "decrypt-p12", paths: &["DECRYPT_P12_FILE_PATH"], passwords: &["DECRYPT_P12_FILE_PASSWORD"], uses: &["decrypt"], sign_with: None, default: (System::MosipApi, "/certs/keystore.p12") },
    KeyFile { name: "opencrvs", paths: &["OPENCRVS_PRIV_KEY_PATH"], passwords: &[], uses: &["sign", "decrypt"], sign_with: Some("upstream.mediator.sign_with"), default: (System::Mediator, "/certs/mnt/opencrvs-priv.key") },
    KeyFile { name: "esignet", paths: &["OIDP_CLIENT_PRIVATE_KEY_PATH"], passwords: &[], uses: &["sign"], sign_with: Some("esignet.key"), default: (System::MosipApi, "/certs/esignet-jwk.txt") },
];

#[rustfmt::skip]
pub(super) const PEERS: &[KeyFile] = &[
    KeyFile { name: "mosip", paths: &["MOSIP_PUBLIC_KEY_PATH"], passwords: &[], uses: &[], sign_with: None, default: (System::Mediator, "/certs/mnt/mosip-public.key") },
    KeyFile { name: "ida", paths: &["TOKENSEEDER_CRYPTO_ENCRYPT__ENCRYPT_CERT_PATH", "ENCRYPT_CERT_PATH"], passwords: &[], uses: &[], sign_with: None, default: (System::MosipApi, "/certs/ida-partner.crt") },
];

/// One setting and the variables that set it, in each system. Of several rows for one setting the first that applies counts.
#[rustfmt::skip]
pub(super) const SCALARS: &[(System, &str, Sets, &[&str])] = &[
    (System::Any, "upstream.ida.misp_license_key_env", Sets::Name, &["TOKENSEEDER_MOSIP_AUTH__PARTNER_MISP_LK", "PARTNER_MISP_LK"]),
    (System::Any, "upstream.ida.api_key_env", Sets::Name, &["TOKENSEEDER_MOSIP_AUTH__PARTNER_APIKEY", "PARTNER_APIKEY"]),
    (System::Any, "upstream.ida.partner_id", Sets::Value, &["TOKENSEEDER_MOSIP_AUTH__PARTNER_ID", "PARTNER_ID"]),
    (System::Any, "upstream.ida.url", Sets::BeforeAuth, &["TOKENSEEDER_MOSIP_AUTH_SERVER__IDA_AUTH_URL", "IDA_AUTH_URL"]),
    (System::Any, "upstream.ida.domain_uri", Sets::Value, &["TOKENSEEDER_MOSIP_AUTH_SERVER__IDA_AUTH_DOMAIN_URI", "IDA_AUTH_DOMAIN_URI"]),
    (System::Any, "upstream.mediator.birth", Sets::Value, &["MOSIP_BIRTH_PROXY_CALLBACK_URL"]),
    (System::Any, "upstream.mediator.death", Sets::Value, &["MOSIP_DEATH_PROXY_CALLBACK_URL"]),
    (System::Any, "upstream.mediator.aid", Sets::Value, &["MOSIP_GENERATE_AID_URL"]),
    (System::Keycloak, "upstream.token.url", Sets::Value, &["MOSIP_AUTH_URL"]),
    (System::Keycloak, "upstream.token.client_id", Sets::Value, &["MOSIP_AUTH_CLIENT_ID"]),
    (System::Keycloak, "upstream.token.client_secret_env", Sets::Name, &["MOSIP_AUTH_CLIENT_SECRET"]),
    (System::Keycloak, "upstream.token.username", Sets::Value, &["MOSIP_AUTH_USER"]),
    (System::Keycloak, "upstream.token.password_env", Sets::Name, &["MOSIP_AUTH_PASS"]),
    (System::Authmanager, "upstream.packets.token.url", Sets::Value, &["MOSIP_AUTH_URL"]),
    (System::Authmanager, "upstream.packets.token.kind", Sets::Word("authmanager"), &["MOSIP_AUTH_URL"]),
    (System::Authmanager, "upstream.packets.token.app_id", Sets::Value, &["MOSIP_AUTH_CLIENT_APP_ID"]),
    (System::Authmanager, "upstream.packets.token.client_id", Sets::Value, &["MOSIP_PACKET_AUTH_CLIENT_ID", "MOSIP_AUTH_CLIENT_ID"]),
    (System::Authmanager, "upstream.packets.token.client_secret_env", Sets::Name, &["MOSIP_PACKET_AUTH_CLIENT_SECRET", "MOSIP_AUTH_CLIENT_SECRET"]),
    (System::Authmanager, "websub.token.url", Sets::Value, &["MOSIP_AUTH_URL"]),
    (System::Authmanager, "websub.token.kind", Sets::Word("authmanager"), &["MOSIP_AUTH_URL"]),
    (System::Authmanager, "websub.token.app_id", Sets::Value, &["MOSIP_AUTH_CLIENT_APP_ID"]),
    (System::Authmanager, "websub.token.client_id", Sets::Value, &["MOSIP_WEBSUB_AUTH_CLIENT_ID", "MOSIP_AUTH_CLIENT_ID"]),
    (System::Authmanager, "websub.token.client_secret_env", Sets::Name, &["MOSIP_WEBSUB_AUTH_CLIENT_SECRET", "MOSIP_AUTH_CLIENT_SECRET"]),
    (System::Any, "upstream.packets.create", Sets::Value, &["MOSIP_CREATE_PACKET_URL"]),
    (System::Any, "upstream.packets.process", Sets::Value, &["MOSIP_PROCESS_PACKET_URL"]),
    (System::Any, "upstream.packets.center_id", Sets::Value, &["MOSIP_CENTER_ID"]),
    (System::Any, "upstream.packets.machine_id", Sets::Value, &["MOSIP_MACHINE_ID"]),
    (System::MosipApi, "upstream.packets.id_prefix", Sets::Value, &["TRANSACTION_ID_PREFIX"]),
    (System::MosipApi, "faces.mosip_api", Sets::Word("true"), &["MOSIP_CREATE_PACKET_URL"]),
    (System::MosipApi, "faces.verify_names", Sets::Word("first-last"), &["MOSIP_CREATE_PACKET_URL"]),
    (System::MosipApi, "faces.cors_origin", Sets::Value, &["CLIENT_APP_URL"]),
    (System::Any, "faces.opencrvs_jwt.url", Sets::Value, &["OPENCRVS_PUBLIC_KEY_URL"]),
    (System::MosipApi, "faces.opencrvs_jwt.url", Sets::Below("/.well-known"), &["OPENCRVS_AUTH_URL"]),
    (System::MosipApi, "outbox.path", Sets::Beside("outbox.db"), &["SQLITE_DATABASE_PATH"]),
    (System::Mediator, "faces.webhooks", Sets::Word("true"), &["SHA_SECRET"]),
    (System::Mediator, "faces.webhook_secret_env", Sets::Name, &["SHA_SECRET"]),
    (System::Mediator, "opencrvs.webhooks.url", Sets::Value, &["WEBHOOK_URL"]),
    (System::Mediator, "opencrvs.webhooks.callback_url", Sets::Value, &["CALLBACK_URL"]),
    (System::Any, "opencrvs.legacy_url", Sets::Value, &["OPENHIM_MEDIATOR_URL"]),
    (System::Any, "opencrvs.url", Sets::Value, &["OPENCRVS_GATEWAY_URL"]),
    (System::Any, "opencrvs.auth_url", Sets::Value, &["OPENCRVS_AUTH_URL"]),
    (System::Mediator, "opencrvs.auth_url", Sets::Value, &["AUTH_URL"]),
    (System::Any, "opencrvs.client_id", Sets::Value, &["OPENCRVS_CLIENT_ID"]),
    (System::Mediator, "opencrvs.client_id", Sets::Value, &["CLIENT_ID"]),
    (System::Any, "opencrvs.client_secret_env", Sets::Name, &["OPENCRVS_CLIENT_SECRET"]),
    (System::Mediator, "opencrvs.client_secret_env", Sets::Name, &["CLIENT_SECRET"]),
    (System::Any, "opencrvs.national_id_key", Sets::Value, &["MOSIP_VERIFIABLE_CREDENTIAL_NATIONAL_ID_KEY"]),
    (System::Any, "esignet.token_url", Sets::Value, &["ESIGNET_TOKEN_URL"]),
    (System::Any, "esignet.userinfo_url", Sets::Value, &["ESIGNET_USERINFO_URL"]),
    (System::Any, "websub.hub_url", Sets::Value, &["MOSIP_WEBSUB_HUB_URL"]),
    (System::Any, "websub.topics.credential", Sets::Value, &["MOSIP_WEBSUB_TOPIC"]),
    (System::Any, "websub.callback_url", Sets::Value, &["MOSIP_WEBSUB_CALLBACK_URL"]),
    (System::Any, "websub.secret_env", Sets::Name, &["MOSIP_WEBSUB_SECRET"]),
];

/// Variables of the older mediator alone.
pub(super) const OF_MEDIATOR: &[&str] = &[
    "MOSIP_BIRTH_PROXY_CALLBACK_URL",
    "MOSIP_DEATH_PROXY_CALLBACK_URL",
    "MOSIP_GENERATE_AID_URL",
    "OPENHIM_MEDIATOR_URL",
    "SHA_SECRET",
];

/// Variables of `mosip-api` alone.
pub(super) const OF_MOSIP_API: &[&str] = &["MOSIP_CREATE_PACKET_URL"];

/// The prefix of the variables of the Token Seeder.
pub(super) const OF_SEEDER: &str = "TOKENSEEDER_";

/// The verification methods of the issuers of credentials, separated by commas. Their certificates have no variable.
pub(super) const VERIFICATION_METHODS: &str = "MOSIP_VERIFIABLE_CREDENTIAL_ALLOWLIST";

/// Variables that the older system reads and that have no counterpart here. Their use is reported.
#[rustfmt::skip]
pub(super) const WITHOUT_EFFECT: &[(System, &[&str])] = &[
    (System::Mediator, &["CARDS_PATH_PREFIX", "CERT_PUBLIC_KEY_PATH", "IS_THUMBRPINT", "SIGN_ALGORITHM", "WG_PEERS"]),
    (System::MosipApi, &["ESIGNET_REDIRECT_URL", "OPENCRVS_GRAPHQL_GATEWAY_URL", "UNSAFE_DEBUG_LOG"]),
];
