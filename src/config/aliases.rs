//! Variables of the token seeder and of the older mediator, so that a deployment moves without renaming.
//!
//! An alias stands under the file and under our own variables. An empty one counts as unset. Where several name the same
//! setting, the first of the row counts. Keys and certificates are added to those of the file, except for a peer whose name
//! the file has already.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// The process's variables.
pub(super) type Variables = BTreeMap<String, String>;

/// The setting that a variable stands for.
pub(super) struct Alias {
    /// The variable.
    pub(super) variable: String,
    /// What the setting is set to.
    pub(super) value: String,
}

/// An entry of `keys.own` or `keys.peers` made from a variable.
pub(super) struct Entry {
    /// The name it gets.
    pub(super) name: &'static str,
    /// The variable.
    pub(super) variable: String,
    /// The entry as the file would hold it.
    pub(super) table: Table,
}

const SIGN_P12: &[&str] = &["TOKENSEEDER_CRYPTO_SIGNATURE__SIGN_P12_FILE_PATH", "SIGN_P12_FILE_PATH"];
const SIGN_P12_PASSWORD: &[&str] =
    &["TOKENSEEDER_CRYPTO_SIGNATURE__SIGN_P12_FILE_PASSWORD", "SIGN_P12_FILE_PASSWORD"];
const DECRYPT_P12: &[&str] = &["DECRYPT_P12_FILE_PATH"];
const DECRYPT_P12_PASSWORD: &[&str] = &["DECRYPT_P12_FILE_PASSWORD"];
const OPENCRVS_KEY: &[&str] = &["OPENCRVS_PRIV_KEY_PATH"];
const IDA_CERT: &[&str] = &["TOKENSEEDER_CRYPTO_ENCRYPT__ENCRYPT_CERT_PATH", "ENCRYPT_CERT_PATH"];
const MOSIP_CERT: &[&str] = &["MOSIP_PUBLIC_KEY_PATH"];

/// How a variable becomes a setting.
enum Sets {
    /// Its value is the setting's.
    Value,
    /// It holds a secret, so the setting is its name (`…_env`).
    Name,
    /// Its value is a URL that may end with `/auth`; the setting ends before.
    BeforeAuth,
    /// The setting is this name of a key that the variable adds.
    Key(&'static str),
}

#[rustfmt::skip]
const SCALARS: &[(&str, Sets, &[&str])] = &[
    ("upstream.ida.misp_license_key_env", Sets::Name, &["TOKENSEEDER_MOSIP_AUTH__PARTNER_MISP_LK", "PARTNER_MISP_LK"]),
    ("upstream.ida.api_key_env", Sets::Name, &["TOKENSEEDER_MOSIP_AUTH__PARTNER_APIKEY", "PARTNER_APIKEY"]),
    ("upstream.ida.partner_id", Sets::Value, &["TOKENSEEDER_MOSIP_AUTH__PARTNER_ID", "PARTNER_ID"]),
    ("upstream.ida.url", Sets::BeforeAuth, &["TOKENSEEDER_MOSIP_AUTH_SERVER__IDA_AUTH_URL", "IDA_AUTH_URL"]),
    ("upstream.ida.domain_uri", Sets::Value, &["TOKENSEEDER_MOSIP_AUTH_SERVER__IDA_AUTH_DOMAIN_URI", "IDA_AUTH_DOMAIN_URI"]),
    ("upstream.ida.sign_with", Sets::Key("sign-p12"), SIGN_P12),
    ("upstream.mediator.sign_with", Sets::Key("opencrvs"), OPENCRVS_KEY),
    ("upstream.mediator.birth", Sets::Value, &["MOSIP_BIRTH_PROXY_CALLBACK_URL"]),
    ("upstream.mediator.death", Sets::Value, &["MOSIP_DEATH_PROXY_CALLBACK_URL"]),
    ("upstream.mediator.aid", Sets::Value, &["MOSIP_GENERATE_AID_URL"]),
    ("upstream.token.url", Sets::Value, &["MOSIP_AUTH_URL"]),
    ("upstream.token.client_id", Sets::Value, &["MOSIP_AUTH_CLIENT_ID"]),
    ("upstream.token.client_secret_env", Sets::Name, &["MOSIP_AUTH_CLIENT_SECRET"]),
    ("upstream.token.username", Sets::Value, &["MOSIP_AUTH_USER"]),
    ("upstream.token.password_env", Sets::Name, &["MOSIP_AUTH_PASS"]),
    ("opencrvs.legacy_url", Sets::Value, &["OPENHIM_MEDIATOR_URL"]),
    ("opencrvs.auth_url", Sets::Value, &["OPENCRVS_AUTH_URL"]),
    ("opencrvs.client_id", Sets::Value, &["OPENCRVS_CLIENT_ID"]),
    ("opencrvs.client_secret_env", Sets::Name, &["OPENCRVS_CLIENT_SECRET"]),
    ("esignet.client_key_file", Sets::Value, &["OIDP_CLIENT_PRIVATE_KEY_PATH"]),
    ("esignet.token_url", Sets::Value, &["ESIGNET_TOKEN_URL"]),
    ("esignet.userinfo_url", Sets::Value, &["ESIGNET_USERINFO_URL"]),
    ("websub.hub_url", Sets::Value, &["MOSIP_WEBSUB_HUB_URL"]),
    ("websub.topic", Sets::Value, &["MOSIP_WEBSUB_TOPIC"]),
    ("websub.callback_url", Sets::Value, &["MOSIP_WEBSUB_CALLBACK_URL"]),
    ("websub.secret_env", Sets::Name, &["MOSIP_WEBSUB_SECRET"]),
];

/// The settings that are set by alias, by path.
pub(super) fn scalars(variables: &Variables) -> BTreeMap<&'static str, Alias> {
    SCALARS
        .iter()
        .filter_map(|(path, sets, names)| {
            let (variable, value) = first(variables, names)?;
            let value = match sets {
                Sets::Value => value,
                Sets::Name => variable,
                Sets::BeforeAuth => before_auth(value),
                Sets::Key(name) => name,
            };
            Some((*path, Alias { variable: variable.to_owned(), value: value.to_owned() }))
        })
        .collect()
}

/// The entries added to `keys.own`.
pub(super) fn own_keys(variables: &Variables) -> Vec<Entry> {
    [
        ("sign-p12", SIGN_P12, SIGN_P12_PASSWORD, &["sign"][..]),
        ("decrypt-p12", DECRYPT_P12, DECRYPT_P12_PASSWORD, &["decrypt"]),
        ("opencrvs", OPENCRVS_KEY, &[], &["sign", "decrypt"]),
    ]
    .into_iter()
    .filter_map(|(name, paths, passwords, uses)| {
        let mut entry = entry(variables, name, paths)?;
        if let Some((password, _)) = first(variables, passwords) {
            entry.table.insert("password_env".to_owned(), password.into());
        }
        entry.table.insert("use".to_owned(), Value::Array(uses.iter().map(|word| (*word).into()).collect()));
        Some(entry)
    })
    .collect()
}

/// The entries added to `keys.peers`.
pub(super) fn peers(variables: &Variables) -> Vec<Entry> {
    [("mosip", MOSIP_CERT), ("ida", IDA_CERT)]
        .into_iter()
        .filter_map(|(name, paths)| entry(variables, name, paths))
        .collect()
}

fn entry(variables: &Variables, name: &'static str, paths: &[&str]) -> Option<Entry> {
    let (variable, file) = first(variables, paths)?;
    let table =
        Table::from_iter([("name", name), ("file", file)].map(|(key, text)| (key.to_owned(), text.into())));
    Some(Entry { name, variable: variable.to_owned(), table })
}

/// The first of `names` that is set and not empty: its name and value.
fn first<'a>(variables: &'a Variables, names: &[&str]) -> Option<(&'a str, &'a str)> {
    names
        .iter()
        .filter_map(|name| variables.get_key_value(*name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .find(|(_, value)| !value.is_empty())
}

fn before_auth(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/auth").unwrap_or(url)
}
