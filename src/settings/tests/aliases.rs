//! Every variable of an older system.

use super::{accepted, exposed, origin, problems};
use crate::config::{Token, TokenKind};
use crate::destinations::ida;
use crate::keys::settings::OwnKey;
use crate::keys::source::file::{KeyFile, Password};
use crate::settings::Config;

const IDA_URL: (&str, &str) = ("IDA_AUTH_URL", "https://ida.example.org/idauthentication/v1/auth");

fn ida(set: &[(&str, &str)]) -> ida::Settings {
    accepted("", set).destinations.ida.unwrap()
}

/// With both given, the name of the token seeder counts.
fn prefers_the_first<T: PartialEq + std::fmt::Debug>(
    names: [&str; 2],
    values: [&str; 2],
    read: impl Fn(ida::Settings) -> T,
) {
    let [seeder, mediator] = [(names[0], values[0]), (names[1], values[1])];
    let both = read(ida(&[IDA_URL, seeder, mediator]));
    assert_eq!(both, read(ida(&[IDA_URL, seeder])));
    assert_ne!(both, read(ida(&[IDA_URL, mediator])));
}

#[test]
fn licence_key_api_key_partner_id_and_domain() {
    let names = |prefix: &'static str, name: &'static str| [format!("{prefix}{name}"), name.to_owned()];
    type Get = fn(ida::Settings) -> Option<String>;
    let cases: [(&str, &str, Get); 4] = [
        ("TOKENSEEDER_MOSIP_AUTH__", "PARTNER_MISP_LK", |ida| {
            exposed(ida.misp_license_key.as_ref()).map(str::to_owned)
        }),
        ("TOKENSEEDER_MOSIP_AUTH__", "PARTNER_APIKEY", |ida| {
            exposed(ida.api_key.as_ref()).map(str::to_owned)
        }),
        ("TOKENSEEDER_MOSIP_AUTH__", "PARTNER_ID", |ida| ida.partner_id),
        ("TOKENSEEDER_MOSIP_AUTH_SERVER__", "IDA_AUTH_DOMAIN_URI", |ida| ida.domain_uri),
    ];
    for (prefix, name, get) in cases {
        let [seeder, mediator] = names(prefix, name);
        for name in [&seeder, &mediator] {
            assert_eq!(get(ida(&[IDA_URL, (name, "value")])).as_deref(), Some("value"), "{name}");
        }
        prefers_the_first([&seeder, &mediator], ["one", "two"], get);
    }
}

#[test]
fn ida_url_with_and_without_auth() {
    for name in ["TOKENSEEDER_MOSIP_AUTH_SERVER__IDA_AUTH_URL", "IDA_AUTH_URL"] {
        for end in ["", "/", "/auth", "/auth/"] {
            let url = format!("https://ida.example.org/idauthentication/v1{end}");
            assert_eq!(
                ida(&[(name, &url)]).url,
                "https://ida.example.org/idauthentication/v1",
                "{name} {end}"
            );
        }
    }
}

#[track_caller]
fn only_key(config: &Config) -> &OwnKey {
    let [key] = config.keys.own.as_slice() else { panic!("{} keys", config.keys.own.len()) };
    key
}

fn file(key: &OwnKey) -> &KeyFile {
    KeyFile::of(&*key.source)
}

fn password(key: &OwnKey) -> Option<&str> {
    match &file(key).password {
        Password::Value(password) => exposed(Some(password)),
        Password::None => None,
        Password::File(file) => panic!("{}", file.display()),
        Password::AndOfKey { .. } => panic!("a password of the key"),
    }
}

#[test]
fn the_signing_container() {
    for prefix in ["TOKENSEEDER_CRYPTO_SIGNATURE__", ""] {
        let path = format!("{prefix}SIGN_P12_FILE_PATH");
        let secret = format!("{prefix}SIGN_P12_FILE_PASSWORD");
        let config = accepted("keys.dir = \"keys\"", &[IDA_URL, (&path, "sign.p12"), (&secret, "mosip123")]);
        let key = only_key(&config);
        assert_eq!(file(key).path.to_str(), Some("/etc/gateway/keys/sign.p12"));
        assert_eq!(password(key), Some("mosip123"));
        assert_eq!((key.uses.sign, key.uses.decrypt), (true, false));
        assert!(key.name.is_some());
        assert_eq!(config.destinations.ida.as_ref().unwrap().sign_with, key.name);
        assert_eq!(config.destinations.mediator.sign_with, None);
    }
}

#[test]
fn the_decryption_container() {
    let config =
        accepted("", &[("DECRYPT_P12_FILE_PATH", "/p/d.p12"), ("DECRYPT_P12_FILE_PASSWORD", "mosip123")]);
    let key = only_key(&config);
    assert_eq!(file(key).path.to_str(), Some("/p/d.p12"));
    assert_eq!(password(key), Some("mosip123"));
    assert_eq!((key.uses.sign, key.uses.decrypt), (false, true));
}

#[test]
fn the_key_of_the_mediator() {
    let config = accepted("", &[("OPENCRVS_PRIV_KEY_PATH", "opencrvs-priv.key")]);
    let key = only_key(&config);
    assert_eq!(file(key).path.to_str(), Some("/data/secrets/mosip/opencrvs-priv.key"));
    assert_eq!(password(key), None);
    assert_eq!((key.uses.sign, key.uses.decrypt), (true, true));
    assert!(key.name.is_some());
    assert_eq!(config.destinations.mediator.sign_with, key.name);
}

#[test]
fn keys_of_the_file_come_before_those_of_aliases() {
    let text =
        "keys.own = [{ name = \"partner\", file = \"p.p12\" }]\nupstream.mediator.sign_with = \"partner\"";
    let config = accepted(text, &[("OPENCRVS_PRIV_KEY_PATH", "o.key"), ("DECRYPT_P12_FILE_PATH", "d.p12")]);
    let files: Vec<_> = config.keys.own.iter().filter_map(|key| file(key).path.file_name()).collect();
    assert_eq!(files, ["p.p12", "d.p12", "o.key"]);
    assert_eq!(config.destinations.mediator.sign_with.as_deref(), Some("partner"));
}

#[test]
fn certificates_of_mosip_and_of_ida() {
    for (variable, name) in [
        ("MOSIP_PUBLIC_KEY_PATH", "mosip"),
        ("ENCRYPT_CERT_PATH", "ida"),
        ("TOKENSEEDER_CRYPTO_ENCRYPT__ENCRYPT_CERT_PATH", "ida"),
    ] {
        let config = accepted("", &[(variable, "cert.pem")]);
        let [peer] = config.keys.peers.as_slice() else { panic!("{variable}") };
        assert_eq!(peer.name, name);
        assert_eq!(peer.file.to_str(), Some("/data/secrets/mosip/cert.pem"));
    }
    let text = "keys.peers = [{ name = \"mosip\", file = \"m.crt\" }]";
    let config = accepted(text, &[("MOSIP_PUBLIC_KEY_PATH", "alias.crt"), ("ENCRYPT_CERT_PATH", "ida.crt")]);
    let peers: Vec<_> =
        config.keys.peers.iter().map(|peer| (peer.name.as_str(), peer.file.file_name().unwrap())).collect();
    assert_eq!(peers, [("mosip", "m.crt".as_ref()), ("ida", "ida.crt".as_ref())]);
}

#[test]
fn urls_posted_to() {
    let config = accepted(
        "",
        &[
            ("MOSIP_BIRTH_PROXY_CALLBACK_URL", "https://m.example.org/birth"),
            ("MOSIP_DEATH_PROXY_CALLBACK_URL", "https://m.example.org/death"),
            ("MOSIP_GENERATE_AID_URL", "https://m.example.org/aid"),
        ],
    );
    let mediator = config.destinations.mediator;
    assert_eq!(mediator.events["birth"], "https://m.example.org/birth");
    assert_eq!(mediator.events["death"], "https://m.example.org/death");
    assert_eq!(mediator.aid.unwrap(), "https://m.example.org/aid");
}

const AUTH: [(&str, &str); 3] = [
    ("MOSIP_AUTH_URL", "https://iam.example.org/token"),
    ("MOSIP_AUTH_CLIENT_ID", "opencrvs"),
    ("MOSIP_AUTH_CLIENT_SECRET", "client secret"),
];
const USER: [(&str, &str); 2] = [("MOSIP_AUTH_USER", "user"), ("MOSIP_AUTH_PASS", "pass")];

#[test]
fn a_token_by_password() {
    let Token { url, kind, client_id, client_secret } =
        accepted("", &[AUTH, [USER[0], USER[1], ("", "")]].concat()).destinations.mediator.token.unwrap();
    assert_eq!(url, "https://iam.example.org/token");
    assert_eq!(client_id, "opencrvs");
    assert_eq!(exposed(Some(&client_secret)), Some("client secret"));
    let TokenKind::KeycloakPassword { username, password } = kind else { panic!("not the grant password") };
    assert_eq!((username.as_str(), exposed(Some(&password))), ("user", Some("pass")));
}

#[test]
fn a_token_by_client_credentials_without_a_user() {
    let token = accepted("", &AUTH).destinations.mediator.token.unwrap();
    assert!(matches!(token.kind, TokenKind::KeycloakClientCredentials));
}

#[test]
fn an_empty_or_absent_token_url_is_no_token() {
    for first in [("MOSIP_AUTH_URL", ""), ("PATH", "/bin")] {
        let config = accepted("", &[first, AUTH[1], AUTH[2], USER[0], USER[1]]);
        assert!(config.destinations.mediator.token.is_none());
        assert_eq!(
            config.warnings[0],
            "MOSIP_AUTH_CLIENT_ID does not set upstream.token.client_id, since upstream.token.url is not set"
        );
    }
}

#[test]
fn esignet_has_its_urls_and_its_key_and_lacks_an_issuer() {
    let config = accepted(
        "",
        &[
            ("OIDP_CLIENT_PRIVATE_KEY_PATH", "esignet-jwk.txt"),
            ("ESIGNET_TOKEN_URL", "https://e.example.org/token"),
            ("ESIGNET_USERINFO_URL", "https://e.example.org/userinfo"),
        ],
    );
    let key = only_key(&config);
    assert_eq!((key.name.as_deref(), key.uses.sign, key.uses.decrypt), (Some("esignet"), true, false));
    let esignet = config.esignet.as_ref().unwrap();
    assert_eq!((esignet.key.as_deref(), &*esignet.unset), (Some("esignet"), &["esignet.issuer"][..]));
    assert_eq!(esignet.token_url.as_ref().unwrap(), "https://e.example.org/token");
    assert_eq!(esignet.userinfo_url.as_ref().unwrap(), "https://e.example.org/userinfo");
    let [lack] = &esignet.lacks()[..] else { panic!("one lack expected") };
    assert!(lack.what.contains("esignet.issuer is not set"), "{}", lack.what);
}

#[test]
fn the_hub_secret_and_topic_are_what_the_callback_checks() {
    let set = [("MOSIP_WEBSUB_TOPIC", "topic"), ("MOSIP_WEBSUB_SECRET", "secret")];
    let websub = accepted("", &set).destinations.hub;
    assert_eq!(websub.topics.credential(), Some("topic"));
    assert!(websub.secret.unwrap().matches(b"secret"));
}

#[test]
fn used_aliases_are_one_warning_together_and_overridden_ones_none() {
    let mediator = ("MOSIP_BIRTH_PROXY_CALLBACK_URL", "https://m.example.org/b");
    let used = accepted("", &[("OPENCRVS_PRIV_KEY_PATH", "o.key"), mediator]);
    assert_eq!(
        used.warnings,
        [
            "names of an older system are read: MOSIP_BIRTH_PROXY_CALLBACK_URL sets upstream.mediator.birth; OPENCRVS_PRIV_KEY_PATH sets keys.own[0].file, keys.own[0].name, keys.own[0].use, upstream.mediator.sign_with"
        ]
    );
    assert_eq!(origin(&used, "upstream.mediator.sign_with"), Some("OPENCRVS_PRIV_KEY_PATH"));
    let text = "upstream.mediator.birth = \"https://m.example.org/b\"";
    let set = [("MOSIP_BIRTH_PROXY_CALLBACK_URL", "https://other.example.org/")];
    assert_eq!(accepted(text, &set).warnings, [""; 0]);
}

#[test]
fn an_empty_alias_is_unset() {
    let set = [("MOSIP_GENERATE_AID_URL", ""), ("PARTNER_ID", ""), ("SIGN_P12_FILE_PATH", "")];
    let config = accepted("", &set);
    assert!(config.destinations.mediator.aid.is_none() && config.keys.own.is_empty());
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn a_wrong_alias_is_a_problem_of_that_variable() {
    assert_eq!(
        problems("", &[("MOSIP_GENERATE_AID_URL", "nowhere")]),
        ["MOSIP_GENERATE_AID_URL: upstream.mediator.aid: is not a URL; write an absolute https URL"]
    );
}

#[test]
fn the_country_configuration_and_the_client_of_opencrvs() {
    let config = accepted(
        "",
        &[
            ("OPENHIM_MEDIATOR_URL", "https://countryconfig.example.org/mosip-openhim-mediator"),
            ("OPENCRVS_AUTH_URL", "https://auth.example.org"),
            ("OPENCRVS_CLIENT_ID", "gateway"),
            ("OPENCRVS_CLIENT_SECRET", "secret"),
        ],
    );
    let opencrvs = &config.destinations.opencrvs;
    assert_eq!(
        opencrvs.legacy_url.as_ref().unwrap(),
        "https://countryconfig.example.org/mosip-openhim-mediator"
    );
    assert_eq!(opencrvs.client.auth_url.as_ref().unwrap(), "https://auth.example.org/");
    assert_eq!(opencrvs.client.client_id.as_deref(), Some("gateway"));
    assert_eq!(exposed(opencrvs.client.client_secret.as_ref()), Some("secret"));
    assert_eq!(opencrvs.client.unset, [""; 0]);
    assert_eq!(origin(&config, "opencrvs.legacy_url"), Some("OPENHIM_MEDIATOR_URL"));
    let alone = accepted("", &[("OPENHIM_MEDIATOR_URL", "https://countryconfig.example.org/mosip")]);
    let unset = ["opencrvs.auth_url", "opencrvs.client_id", "opencrvs.client_secret_file"];
    assert_eq!(alone.destinations.opencrvs.client.unset, unset, "it starts, and doctor says what is missing");
}
