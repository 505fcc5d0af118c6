//! Whole environments of older systems, as they are published, start the gateway without a file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{accepted, exposed, files, origin, problems, variables};
use crate::config::Address;
use crate::destinations::opencrvs::ConfirmWith;
use crate::faces::FaceSettings as _;
use crate::faces::mosip_api::Names;
use crate::keys::settings::OwnKey;
use crate::keys::source::file::{KeyFile, Password};
use crate::settings::Config;

/// `samples/k8s-deployment.yaml` of the older mediator, its Secret filled in.
const MEDIATOR: &[(&str, &str)] = &[
    ("WEBHOOK_URL", "https://webhooks.farajaland.opencrvs.org/webhooks"),
    ("AUTH_URL", "https://auth.farajaland.opencrvs.org/"),
    ("CALLBACK_URL", "https://api.mec.mosip.net/opencrvs-side-mediator/webhooks"),
    ("MOSIP_BIRTH_PROXY_CALLBACK_URL", "http://opencrvs-mediator.opencrvs/opencrvs/v1/birth"),
    ("MOSIP_DEATH_PROXY_CALLBACK_URL", "http://opencrvs-mediator.opencrvs/opencrvs/v1/death"),
    ("MOSIP_AUTH_URL", "http://keycloak.keycloak/auth/realms/mosip/protocol/openid-connect/token"),
    ("WG_PEERS", ""),
    ("MOSIP_GENERATE_AID_URL", "http://opencrvs-mediator.opencrvs/opencrvs/v1/generateAid"),
    ("CARDS_PATH_PREFIX", "/opencrvs-side-mediator"),
    ("OPENHIM_MEDIATOR_URL", "https://countryconfig.farajaland.opencrvs.org/mosip-openhim-mediator"),
    ("CLIENT_ID", "a87be4c6"),
    ("CLIENT_SECRET", "client secret"),
    ("SHA_SECRET", "sha secret"),
    ("MOSIP_AUTH_CLIENT_ID", "mosip-client"),
    ("MOSIP_AUTH_CLIENT_SECRET", "mosip secret"),
    ("MOSIP_AUTH_USER", "user"),
    ("MOSIP_AUTH_PASS", "pass"),
];

/// The chart `opencrvs-mosip`, version 2.0.0, in the namespace `opencrvs`.
const MOSIP_API: &[(&str, &str)] = &[
    ("CLIENT_APP_URL", "http://register.opencrvs.localhost"),
    ("MOSIP_WEBSUB_CALLBACK_URL", "http://mosip-api.opencrvs.svc.cluster.local:2024/websub/callback"),
    ("MOSIP_WEBSUB_HUB_URL", "http://mosip-mock.opencrvs.svc.cluster.local:20240/websub/hub"),
    (
        "MOSIP_CREATE_PACKET_URL",
        "http://mosip-mock.opencrvs.svc.cluster.local:20240/commons/v1/packetmanager/createPacket",
    ),
    (
        "MOSIP_PROCESS_PACKET_URL",
        "http://mosip-mock.opencrvs.svc.cluster.local:20240/registrationprocessor/v1/workflowmanager/workflowinstance",
    ),
    (
        "MOSIP_VERIFIABLE_CREDENTIAL_ALLOWLIST",
        "http://mosip-mock.opencrvs.svc.cluster.local:20240/.well-known/public-key.json",
    ),
    (
        "MOSIP_AUTH_URL",
        "http://mosip-mock.opencrvs.svc.cluster.local:20240/v1/authmanager/authenticate/clientidsecretkey",
    ),
    ("IDA_AUTH_DOMAIN_URI", "http://mosip-mock.opencrvs.svc.cluster.local:20240/"),
    ("IDA_AUTH_URL", "http://mosip-mock.opencrvs.svc.cluster.local:20240/idauthentication/v1/auth"),
    ("ESIGNET_USERINFO_URL", "http://esignet-mock.opencrvs.svc.cluster.local:20260/oidc/userinfo"),
    ("ESIGNET_TOKEN_URL", "http://esignet-mock.opencrvs.svc.cluster.local:20260/oauth/token"),
    ("MOSIP_BIRTH_WEBHOOK_URL", "http://mosip-mock.opencrvs.svc.cluster.local:20240/webhooks/opencrvs/birth"),
    ("MOSIP_DEATH_WEBHOOK_URL", "http://mosip-mock.opencrvs.svc.cluster.local:20240/webhooks/opencrvs/death"),
    ("OPENCRVS_GATEWAY_URL", "http://gateway.opencrvs.svc.cluster.local:7070"),
    ("OPENCRVS_PUBLIC_KEY_URL", "http://auth.opencrvs.svc.cluster.local:4040/.well-known"),
    ("LOCALE", "en"),
    ("NODE_ENV", "production"),
    ("OIDP_CLIENT_PRIVATE_KEY_PATH", "/certs/esignet-jwk.txt"),
    ("OPENID_PROVIDER_CLAIMS", "name,family_name,given_name,middle_name,birthdate,address"),
    ("DECRYPT_P12_FILE_PATH", "/certs/keystore.p12"),
    ("DECRYPT_P12_FILE_PASSWORD", "mosip123"),
    ("ENCRYPT_CERT_PATH", "/certs/ida-partner.crt"),
    ("PARTNER_APIKEY", "123456"),
    ("PARTNER_ID", "aaaaaAAAAAbbbbbBBBBBcccccCCCCCdddddDDDDD"),
    ("PARTNER_MISP_LK", "crvs-partner"),
    ("SIGN_P12_FILE_PATH", "/certs/keystore.p12"),
    ("SIGN_P12_FILE_PASSWORD", "mosip123"),
    ("SQLITE_DATABASE_PATH", "/data/sqlite/mosip-api.db"),
    ("MOSIP_AUTH_CLIENT_APP_ID", "admin"),
    ("MOSIP_PACKET_AUTH_CLIENT_ID", "mosip-regproc-client"),
    ("MOSIP_PACKET_AUTH_CLIENT_SECRET", "abcdeABCDE123456"),
    ("MOSIP_WEBSUB_AUTH_CLIENT_ID", "mosip-websub-client"),
    ("MOSIP_WEBSUB_AUTH_CLIENT_SECRET", "abcdeABCDE123456"),
    ("MOSIP_WEBSUB_SECRET", "mosip-websub-secret"),
    ("MOSIP_WEBSUB_TOPIC", "CREDENTIAL_ISSUED"),
    ("MOSIP_CENTER_ID", "10123"),
    ("MOSIP_MACHINE_ID", "10234"),
];

fn with(
    of: &[(&'static str, &'static str)],
    set: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    [of, set].concat()
}

/// As [`accepted`], where older systems find their files.
fn accepted_with_files(text: &str, set: &[(&str, &str)]) -> Config {
    let stands = |file: &Path| -> io::Result<Vec<u8>> {
        if file.starts_with("/certs") { Ok(b"key\n".to_vec()) } else { files(file) }
    };
    let set: BTreeMap<String, String> = variables(set);
    Config::from_toml(text, Path::new(super::BASE), &set, &stands)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn warnings_with<'c>(config: &'c Config, part: &str) -> Vec<&'c str> {
    config.warnings.iter().map(String::as_str).filter(|warning| warning.contains(part)).collect()
}

#[test]
fn the_published_environment_of_the_older_mediator() {
    let config = accepted("", MEDIATOR);
    assert_eq!(
        config.destinations.mediator.events["birth"],
        "http://opencrvs-mediator.opencrvs/opencrvs/v1/birth"
    );
    assert!(config.destinations.mediator.token.is_some());
    assert_eq!(
        exposed(config.faces.each.webhooks.as_ref().map(|webhooks| &*webhooks.secret)),
        Some("sha secret")
    );
    let client = &config.destinations.opencrvs.client;
    assert_eq!(client.auth_url.as_ref().unwrap(), "https://auth.farajaland.opencrvs.org/");
    assert_eq!(client.client_id.as_deref(), Some("a87be4c6"));
    assert_eq!(exposed(client.client_secret.as_ref()), Some("client secret"));
    assert_eq!(
        config.upstream.danger_plain_http_hosts,
        ["keycloak.keycloak", "opencrvs-mediator.opencrvs"],
        "the client speaks to them"
    );
    assert_eq!(
        warnings_with(&config, "plain http"),
        [
            "plain http, which others can read and change, is spoken to keycloak.keycloak, since MOSIP_AUTH_URL says so: the host counts as named in upstream.danger_plain_http_hosts",
            "plain http, which others can read and change, is spoken to opencrvs-mediator.opencrvs, since MOSIP_BIRTH_PROXY_CALLBACK_URL, MOSIP_DEATH_PROXY_CALLBACK_URL, MOSIP_GENERATE_AID_URL says so: the host counts as named in upstream.danger_plain_http_hosts",
        ]
    );
    assert_eq!(
        warnings_with(&config, "no effect here"),
        ["these variables of an older system have no effect here: CARDS_PATH_PREFIX"],
        "named once, and the empty WG_PEERS not at all"
    );
    let webhooks = config.destinations.opencrvs.webhooks.as_ref().unwrap();
    assert_eq!(webhooks.url, "https://webhooks.farajaland.opencrvs.org/webhooks");
    assert_eq!(exposed(webhooks.secret.as_deref()), Some("sha secret"));
    assert_eq!(webhooks.unset, [""; 0], "WEBHOOK_URL and CALLBACK_URL subscribe");
}

#[test]
fn the_published_environment_of_mosip_api() {
    let config = accepted("", MOSIP_API);
    assert_eq!(config.faces.listen, Some(Address::Tcp("0.0.0.0:2024".parse().unwrap())));
    assert_eq!(config.outbox.location.to_string(), "/data/sqlite/outbox.db");
    assert!(config.destinations.mediator.token.is_none(), "authmanager's URL is none of Keycloak's");
    let ida = config.destinations.ida.as_ref().unwrap();
    assert_eq!(ida.url, "http://mosip-mock.opencrvs.svc.cluster.local:20240/idauthentication/v1");
    assert_eq!(ida.partner_id.as_deref(), Some("aaaaaAAAAAbbbbbBBBBBcccccCCCCCdddddDDDDD"));
    let password = |key: &OwnKey| match &KeyFile::of(&*key.source).password {
        Password::Value(password) => exposed(Some(password)).map(str::to_owned),
        _ => None,
    };
    let passwords: Vec<_> = config.keys.own.iter().filter_map(password).collect();
    assert_eq!(passwords, ["mosip123"; 2]);
    assert!(config.destinations.hub.secret.as_ref().unwrap().matches(b"mosip-websub-secret"));
    assert!(config.faces.each.mosip_api.is_on() && config.faces.each.mosip_api.names == Names::FirstLast);
    let lack = "upstream.ida.reply_signers: names no peer, so no reply counts";
    assert_eq!(lacks(&config), [lack], "the hub calls the face, and record tokens confirm");
    let confirmation = &config.destinations.opencrvs.confirmation;
    assert_eq!((confirmation.with, confirmation.national_id_key.as_str()), (ConfirmWith::RecordToken, "VID"));
    let of_2_0 = [
        ("OPENCRVS_AUTH_URL", "https://auth.example.org"),
        ("OPENCRVS_CLIENT_ID", "mosip-api"),
        ("OPENCRVS_CLIENT_SECRET", "secret"),
    ];
    let of_2_0 = accepted("", &with(MOSIP_API, &of_2_0));
    assert_eq!(lacks(&of_2_0), [lack]);
    let confirmation = &of_2_0.destinations.opencrvs.confirmation;
    assert_eq!((confirmation.with, confirmation.national_id_key.as_str()), (ConfirmWith::Client, "UIN"));
    let off = accepted("faces.mosip_api = false", MOSIP_API);
    assert!(
        lacks(&off).contains(&"websub: listen.callback is not set, and websub.hub_url needs it".to_owned())
    );
    assert_eq!(warnings_with(&config, "no effect here"), [""; 0]);
    for silent in
        ["NODE_ENV", "LOCALE", "OPENID_PROVIDER_CLAIMS", "MOSIP_BIRTH_WEBHOOK_URL", "MOSIP_DEATH_WEBHOOK_URL"]
    {
        assert_eq!(warnings_with(&config, silent), [""; 0]);
    }
    assert_eq!(
        config.upstream.danger_plain_http_hosts,
        ["auth", "esignet-mock", "gateway", "mosip-mock"]
            .map(|name| format!("{name}.opencrvs.svc.cluster.local"))
    );
}

/// From OpenCRVS 2.0 on no variable names the key by itself.
#[test]
fn the_key_of_opencrvs_is_where_its_auth_service_is_unless_a_variable_says_otherwise() {
    let later: Vec<_> =
        MOSIP_API.iter().copied().filter(|(name, _)| *name != "OPENCRVS_PUBLIC_KEY_URL").collect();
    let client = [
        ("OPENCRVS_AUTH_URL", "http://auth.opencrvs.svc.cluster.local:4040/"),
        ("OPENCRVS_CLIENT_ID", "mosip"),
        ("OPENCRVS_CLIENT_SECRET", "s"),
    ];
    let key = |config: &Config| {
        let jwt = config.faces.each.mosip_api.jwt.as_ref().unwrap();
        (
            jwt.called_url().unwrap().url.to_string(),
            origin(config, "faces.opencrvs_jwt.url").map(str::to_owned),
        )
    };
    let config = accepted("", &with(&later, &client));
    let of_auth = "http://auth.opencrvs.svc.cluster.local:4040/.well-known".to_owned();
    assert_eq!(key(&config), (of_auth, Some("OPENCRVS_AUTH_URL".to_owned())));
    assert_eq!(lacks(&config), ["upstream.ida.reply_signers: names no peer, so no reply counts"]);
    let both = key(&accepted("", &with(MOSIP_API, &client)));
    assert_eq!(both.1.as_deref(), Some("OPENCRVS_PUBLIC_KEY_URL"));
    // Beside the older mediator this variable is about its client alone.
    let mediator = accepted("", &with(MEDIATOR, &client));
    assert!(mediator.faces.each.mosip_api.jwt.is_none());
}

#[test]
fn mosip_api_listens_where_it_is_told() {
    for (set, address) in [
        (&[("PORT", "3024")][..], "0.0.0.0:3024"),
        (&[("HOST", "localhost")], "127.0.0.1:2024"),
        (&[("HOST", "::"), ("PORT", "3024")], "[::]:3024"),
    ] {
        let config = accepted("", &with(MOSIP_API, set));
        assert_eq!(config.faces.listen, Some(Address::Tcp(address.parse().unwrap())));
        assert_eq!(origin(&config, "faces.listen"), Some(set[0].0));
    }
    let own = accepted(
        "faces.listen = \"127.0.0.1:9\"\nfaces.mosip_api = false",
        &with(MOSIP_API, &[("PORT", "1")]),
    );
    assert_eq!(own.faces.listen, Some(Address::Tcp("127.0.0.1:9".parse().unwrap())));
    assert_eq!(warnings_with(&own, "mosip_api"), [""; 0]);
    assert_eq!(
        problems("", &with(MOSIP_API, &[("HOST", "mosip-api.example.org")])),
        ["HOST: faces.listen: is not an address; write ip:port, or unix: and the path of a socket"]
    );
}

#[test]
fn common_names_count_only_beside_those_of_their_system() {
    let common = [
        ("HOST", "0.0.0.0"),
        ("PORT", "80"),
        ("CLIENT_ID", "id"),
        ("CLIENT_SECRET", "s"),
        ("AUTH_URL", "not a URL"),
        ("CALLBACK_URL", "x"),
        ("WEBHOOK_URL", "x"),
        ("CLIENT_APP_URL", "x"),
        ("SQLITE_DATABASE_PATH", "x"),
        ("TRANSACTION_ID_PREFIX", "x"),
        ("CARDS_PATH_PREFIX", "x"),
        ("SIGN_ALGORITHM", "x"),
    ];
    let config = accepted("", &common);
    assert_eq!((config.warnings.len(), config.origins.len()), (0, 0), "{:?}", config.warnings);
}

#[test]
fn files_where_the_older_systems_look_by_themselves() {
    let config = accepted_with_files("", MEDIATOR);
    let [key] = config.keys.own.as_slice() else { panic!("{} keys", config.keys.own.len()) };
    assert_eq!(KeyFile::of(&*key.source).path.to_str(), Some("/certs/mnt/opencrvs-priv.key"));
    assert_eq!(config.destinations.mediator.sign_with, key.name);
    let [peer] = config.keys.peers.as_slice() else { panic!("{} peers", config.keys.peers.len()) };
    assert_eq!((peer.name.as_str(), peer.file.to_str()), ("mosip", Some("/certs/mnt/mosip-public.key")));
    assert_eq!(warnings_with(&config, "the default of OPENCRVS_PRIV_KEY_PATH").len(), 1);

    let told = accepted_with_files("", &with(MEDIATOR, &[("OPENCRVS_PRIV_KEY_PATH", "/own/key.pem")]));
    assert_eq!(KeyFile::of(&*told.keys.own[0].source).path.to_str(), Some("/own/key.pem"));
    assert_eq!(accepted("", MEDIATOR).keys.own.len(), 0, "nothing stands there");
    assert_eq!(accepted_with_files("", &[]).keys.own.len(), 0, "no older system is there");
    let api = accepted_with_files("", &[MOSIP_API[3]]);
    let files: Vec<_> =
        api.keys.own.iter().filter_map(|key| KeyFile::of(&*key.source).path.to_str()).collect();
    assert_eq!(files, ["/certs/keystore.p12", "/certs/keystore.p12", "/certs/esignet-jwk.txt"]);
    assert_eq!(api.keys.peers[0].file.to_str(), Some("/certs/ida-partner.crt"));
}

#[test]
fn a_public_host_over_plain_http_is_refused_wherever_it_comes_from() {
    let set = |url| [("MOSIP_BIRTH_PROXY_CALLBACK_URL", url)];
    for url in ["http://mosip.example.org/birth", "http://mosip.app/birth", "http://8.8.8.8/birth"] {
        assert_eq!(
            problems("", &set(url)),
            [
                "MOSIP_BIRTH_PROXY_CALLBACK_URL: upstream.mediator.birth: is plain http off the loopback; use https, or name the host in upstream.danger_plain_http_hosts"
            ]
        );
    }
    let ours = [("MOSIP_GATEWAY__UPSTREAM__MEDIATOR__BIRTH", "http://mediator.opencrvs/birth")];
    assert_eq!(problems("", &ours).len(), 1, "our own variable names the host as well");
    assert_eq!(problems("upstream.mediator.birth = \"http://mediator.opencrvs/birth\"", &[]).len(), 1);
}

#[test]
fn plain_http_goes_to_the_hosts_that_are_named() {
    let text = "[upstream]\ndanger_plain_http_hosts = [\"Mediator.opencrvs\"]\n[upstream.mediator]\nbirth = \"http://mediator.OPENCRVS/birth\"\n";
    let config = accepted(text, &[]);
    assert_eq!(config.upstream.danger_plain_http_hosts, ["mediator.opencrvs"]);
    assert_eq!(warnings_with(&config, "danger_plain_http_hosts is set").len(), 1);
    let other = format!("{text}death = \"http://other.opencrvs/death\"");
    assert_eq!(problems(&other, &[]).len(), 1);
}

#[test]
fn settings_of_the_seeder_without_a_counterpart_are_named_once() {
    let set = [
        ("TOKENSEEDER_DB__PASSWORD", "hunter2"),
        ("TOKENSEEDER_GUNICORN__WORKERS", "4"),
        ("TOKENSEEDER_MOSIP_AUTH__PARTNER_ID", "partner"),
        ("TOKENSEEDER_SERVICE_HOST", "10.0.0.1"),
    ];
    let config = accepted("", &set);
    assert_eq!(
        warnings_with(&config, "no effect here"),
        [
            "these variables of an older system have no effect here: TOKENSEEDER_DB__PASSWORD, TOKENSEEDER_GUNICORN__WORKERS"
        ]
    );
}

/// What the destinations need and do not find.
fn lacks(config: &Config) -> Vec<String> {
    let lacks = config.destinations.lacks().into_iter();
    lacks.map(|lack| format!("{}: {}", lack.subject, lack.what)).collect()
}

#[test]
fn what_ida_lacks_is_named() {
    let url = ("IDA_AUTH_URL", "https://ida.example.org/idauthentication/v1/auth");
    let lacking = lacks(&accepted("", &[url, ("PARTNER_ID", "partner")]));
    for name in
        ["upstream.ida.misp_license_key_env", "upstream.ida.api_key_env", "upstream.ida.reply_signers"]
    {
        assert!(lacking.iter().any(|lack| lack.contains(name)), "{name}: {lacking:?}");
    }
    let text = "[upstream.ida]\nreply_signers = [\"ida-sign\"]\n[[keys.peers]]\nname = \"ida-sign\"\nfile = \"s.crt\"";
    let whole =
        accepted(text, &[url, ("PARTNER_ID", "p"), ("PARTNER_MISP_LK", "l"), ("PARTNER_APIKEY", "k")]);
    assert_eq!(lacks(&whole), [""; 0]);
}

/// The certificates of issuers have no variable.
#[test]
fn a_verification_method_without_a_certificate_is_told_by_its_name() {
    let methods = "https://a.example/key, https://b.example/key,";
    let set = with(MOSIP_API, &[("MOSIP_VERIFIABLE_CREDENTIAL_ALLOWLIST", methods)]);
    let told = |text: &str| -> Vec<String> {
        let config = accepted(text, &set);
        let own = crate::gateway::credentials::examine(&config.credentials).err().unwrap_or_default();
        let own = crate::gateway::troubles::of_credentials(&own);
        let all = crate::gateway::troubles::all(&config).into_iter().chain(own);
        let all = all.map(|trouble| format!("{}: {}. {}", trouble.subject, trouble.what, trouble.advice));
        all.filter(|told| told.contains("issuers")).collect()
    };
    let one = |text: &str| -> String {
        let told = told(text);
        let [told] = told.as_slice() else { panic!("{told:?}") };
        told.clone()
    };
    let none = one("");
    assert!(none.contains("credentials.issuers is not set"), "{none}");
    assert!(none.contains("https://a.example/key, https://b.example/key"), "{none}");
    let issuer = |method: &str| {
        let file = format!("{}/tests/vectors/keys/issuer.crt.pem", env!("CARGO_MANIFEST_DIR"));
        format!("{{ verification_method = \"https://{method}.example/key\", file = \"{file}\" }}")
    };
    let a = format!("credentials.issuers = [{}]", issuer("a"));
    let lack = one(&a);
    assert!(lack.contains("https://b.example/key") && !lack.contains("https://a.example/key"), "{lack}");
    let both = format!("credentials.issuers = [{}, {}]", issuer("a"), issuer("b"));
    assert_eq!(told(&both), [""; 0]);
}
