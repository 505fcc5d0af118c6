//! What is accepted, and what it becomes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{accepted, exposed, problems};
use crate::config::{Address, TokenKind};
use crate::crypto::rsa::SignatureAlgorithm;
use crate::faces::callback::CallerAuth;
use crate::keys::settings::{UnknownThumbprint, Uses};
use crate::keys::source::file::{KeyFile, Password};
use crate::mosip::caller::Demands;

#[test]
fn defaults() {
    let config = accepted("", &[]);
    assert_eq!(config.listen.internal, Address::Tcp("127.0.0.1:4546".parse().unwrap()));
    assert_eq!(config.listen.ops, Address::Tcp("127.0.0.1:4548".parse().unwrap()));
    assert_eq!(config.listen.callback, None);
    assert_eq!(config.listen.body_limit, 50 << 20);
    assert_eq!(config.listen.in_flight_limit, 256 << 20);
    assert_eq!(config.listen.request_deadline, Duration::from_secs(30));
    assert_eq!(config.listen.drain, Duration::from_secs(25));
    assert!(config.internal.primitives && config.internal.token.is_none() && config.internal.tls.is_none());
    assert_eq!(config.keys.dir, Path::new("/data/secrets/mosip"));
    assert!(config.keys.own.is_empty() && config.keys.peers.is_empty() && config.keys.ca_file.is_none());
    assert!(config.destinations.mediator.token.is_none() && config.destinations.ida.is_none());
    assert_eq!(config.destinations.mediator.deadline, Duration::from_secs(90));
    assert_eq!(config.destinations.mediator.concurrency, 1);
    assert!(config.destinations.delivery.url.is_none() && config.destinations.delivery.secret.is_none());
    assert_eq!(config.destinations.delivery.deadline, Duration::from_secs(10));
    assert!(config.warnings.is_empty() && config.origins.is_empty());
}

#[test]
fn listeners() {
    let config = accepted(
        r#"
        [listen]
        internal = "unix:run/api.sock"
        callback = "[::1]:4547"
        ops = "0.0.0.0:4548"
        hosts = ["gateway.internal", "[fd00::1]"]
        [internal]
        token_file = "api.token"
        primitives = false
        [ops]
        name = "Exampleland, staging"
        token_file = "/run/secrets/ops"
        tls = { cert = "ops.crt", key = "ops.key", client_ca = "ca.crt", client_subjects = ["CN=prometheus"] }
        "#,
        &[],
    );
    assert_eq!(config.listen.internal, Address::Unix("/etc/gateway/run/api.sock".into()));
    assert_eq!(config.listen.callback, Some(Address::Tcp("[::1]:4547".parse().unwrap())));
    assert_eq!(config.listen.ops, Address::Tcp("0.0.0.0:4548".parse().unwrap()));
    assert_eq!(config.listen.hosts, ["gateway.internal", "[fd00::1]"]);
    assert_eq!(exposed(config.internal.token.as_ref()), Some("/etc/gateway/api.token"));
    assert!(!config.internal.primitives);
    assert_eq!(exposed(config.ops.token.as_ref()), Some("/run/secrets/ops"));
    assert_eq!(config.ops.name.as_deref(), Some("Exampleland, staging"));
    let tls = config.ops.tls.unwrap();
    assert_eq!((tls.cert, tls.key), ("/etc/gateway/ops.crt".into(), "/etc/gateway/ops.key".into()));
    assert_eq!(tls.client_ca, Some(PathBuf::from("/etc/gateway/ca.crt")));
    assert_eq!(tls.client_subjects, ["CN=prometheus"]);
}

#[test]
fn a_callback_that_demands_a_token_of_opencrvs() {
    let config = accepted(
        r#"
        listen.callback = "0.0.0.0:4547"
        [callback]
        require = ["opencrvs-jwt"]
        opencrvs_jwt = { file = "opencrvs-jwt.pem" }
        tls = { cert = "c.crt", key = "c.key" }
        "#,
        &[],
    );
    assert_eq!(config.callback.require, [CallerAuth::OpencrvsJwt]);
    let jwt = config.callback.opencrvs_jwt.unwrap();
    assert_eq!(jwt.pem(), Some(&b"/etc/gateway/opencrvs-jwt.pem\n"[..]));
    let (issuer, audience) = ("opencrvs:auth-service".to_owned(), Some("opencrvs:mosip-user".to_owned()));
    assert_eq!(*jwt.demands(), Demands::Opencrvs { issuer, audience });
    let tls = config.callback.tls.unwrap();
    assert!(tls.client_ca.is_none() && tls.client_subjects.is_empty());
}

#[test]
fn keys_and_peers() {
    let config = accepted(
        r#"
        [keys]
        dir = "keys"
        own = [{ name = "partner", file = "keystore.p12", password_file = "absent.password", use = ["sign"] },
               { file = "/abs/opencrvs.key", cert = "opencrvs.crt" },
               { file = "third.p12", password_env = "THIRD", key_password_file = "third.key", use = ["decrypt"] }]
        peers = [{ name = "mosip", file = "mosip.crt", unknown_thumbprint = "try", algs = ["RS256"] },
                 { name = "ida", file = "ida.crt" }]
        strict_permissions = true
        ca_file = "ca.pem"
        "#,
        &[("THIRD", "of the third")],
    );
    let keys = config.keys;
    let [partner, opencrvs, third] = keys.own.as_slice() else { panic!("three keys") };
    assert_eq!(partner.name.as_deref(), Some("partner"));
    let [of_partner, of_opencrvs, of_third] = [partner, opencrvs, third].map(|key| KeyFile::of(&*key.source));
    assert_eq!(of_partner.path, Path::new("/etc/gateway/keys/keystore.p12"));
    assert!(
        matches!(&of_partner.password, Password::File(file) if file == "/etc/gateway/keys/absent.password")
    );
    assert_eq!(partner.uses, Uses { sign: true, decrypt: false });
    assert_eq!(of_opencrvs.path, Path::new("/abs/opencrvs.key"));
    assert_eq!(opencrvs.cert, Some(PathBuf::from("/etc/gateway/keys/opencrvs.crt")));
    assert!(matches!(of_opencrvs.password, Password::None));
    assert_eq!(opencrvs.uses, Uses { sign: true, decrypt: true });
    let (container, key) = of_third.password.parts();
    assert!(matches!(container, Password::Value(value) if value.expose() == b"of the third"));
    assert!(matches!(key, Password::File(file) if file == "/etc/gateway/keys/third.key"));
    assert_eq!(of_third.password.files().collect::<Vec<_>>(), [Path::new("/etc/gateway/keys/third.key")]);
    assert_eq!(of_opencrvs.password.files().count(), 0);
    assert_eq!(third.uses, Uses { sign: false, decrypt: true });

    let [mosip, ida] = keys.peers.as_slice() else { panic!("two peers") };
    assert_eq!((mosip.name.as_str(), mosip.unknown_thumbprint), ("mosip", UnknownThumbprint::Try));
    assert_eq!(mosip.algs, [SignatureAlgorithm::Rs256]);
    assert_eq!(ida.unknown_thumbprint, UnknownThumbprint::Reject);
    assert_eq!(ida.algs.len(), 4);
    assert!(keys.strict_permissions);
    assert_eq!(keys.ca_file, Some(PathBuf::from("/etc/gateway/ca.pem")));
}

#[test]
fn three_ways_to_a_token() {
    let kind = |rest: &str| {
        let text = format!(
            "[upstream.token]\nurl = \"https://a\"\nclient_id = \"c\"\nclient_secret_file = \"s\"\n{rest}"
        );
        accepted(&text, &[]).destinations.mediator.token.unwrap().kind
    };
    assert!(matches!(kind(""), TokenKind::KeycloakClientCredentials));
    assert!(matches!(
        kind("kind = \"keycloak\"\nusername = \"u\"\npassword_file = \"p\""),
        TokenKind::KeycloakPassword { username, password }
            if username == "u" && password.expose() == b"/etc/gateway/p"
    ));
    assert!(matches!(
        kind("kind = \"authmanager\"\napp_id = \"regproc\""),
        TokenKind::Authmanager { app_id } if app_id == "regproc"
    ));
}

#[test]
fn mediator_ida_and_delivery() {
    let config = accepted(
        r#"
        keys.own = [{ name = "partner", file = "p.p12" }]
        keys.peers = [{ name = "ida-sign", file = "i.crt" }]
        [upstream]
        ca_file = "roots.pem"
        [upstream.mediator]
        birth = "https://m.example.org:8443/birth"
        death-revocation = "http://localhost:4600/x"
        aid = "http://[::1]:4600/aid"
        sign_with = "partner"
        deadline = "2m"
        concurrency = 3
        [upstream.ida]
        url = "http://127.9.9.9/idauthentication/v1"
        partner_id = "p"
        misp_license_key_file = "licence"
        api_key_env = "KEY"
        reply_signers = ["ida-sign"]
        sign_with = "partner"
        domain_uri = "https://ida.example.org"
        uin_length = 12
        [deliver]
        url = "https://mediator.example.org/mosip?x=1"
        secret_file = "deliver.secret"
        "#,
        &[("KEY", "k")],
    );
    let roots = crate::config::Roots::File("/etc/gateway/roots.pem".into());
    assert_eq!(config.upstream.roots, Some(roots));
    let mediator = config.destinations.mediator;
    assert_eq!(mediator.events.keys().collect::<Vec<_>>(), ["birth", "death-revocation"]);
    assert_eq!(mediator.events["birth"], "https://m.example.org:8443/birth");
    assert_eq!((mediator.deadline, mediator.concurrency), (Duration::from_secs(120), 3));
    assert_eq!(mediator.sign_with.as_deref(), Some("partner"));
    let ida = config.destinations.ida.unwrap();
    assert_eq!(ida.reply_signers, ["ida-sign"]);
    assert_eq!((ida.uin_length, ida.vid_length), (12, 16));
    assert_eq!(ida.sign_with.as_deref(), Some("partner"));
    assert_eq!(exposed(ida.misp_license_key.as_ref()), Some("/etc/gateway/licence"));
    assert_eq!(exposed(ida.api_key.as_ref()), Some("k"));
    assert_eq!(config.destinations.delivery.url.unwrap(), "https://mediator.example.org/mosip?x=1");
    assert_eq!(exposed(config.destinations.delivery.secret.as_ref()), Some("/etc/gateway/deliver.secret"));
}

#[test]
fn licence_and_api_key_of_ida_may_be_unset() {
    let text = r#"
        [upstream.ida]
        url = "https://ida.example.org"
        misp_license_key_env = "PARTNER_MISP_LK"
        api_key_env = "PARTNER_APIKEY"
    "#;
    let ida = accepted(text, &[("PARTNER_APIKEY", "")]).destinations.ida.unwrap();
    assert!(ida.misp_license_key.is_none() && ida.api_key.is_none());
}

#[test]
fn one_newline_at_the_end_of_a_secret_is_dropped() {
    let token = |value| {
        let set = [("TOKEN", value)];
        exposed(accepted("internal.token_env = \"TOKEN\"", &set).internal.token.as_ref()).unwrap().to_owned()
    };
    assert_eq!(token("secret\n"), "secret");
    assert_eq!(token("secret\r\n"), "secret");
    assert_eq!(token("secret\n\n"), "secret\n");
    assert_eq!(token(" secret\r"), " secret\r");
}

/// One setting that is on, and the one warning it gives.
#[test]
fn every_way_round_a_check_gives_a_warning() {
    let warning = |text: &str, name: &str| {
        let config = accepted(text, &[]);
        let about: Vec<_> = config.warnings.iter().filter(|warning| warning.starts_with(name)).collect();
        assert_eq!(about.len(), 1, "{text}: {:?}", config.warnings);
        assert!(about[0].starts_with(&format!("{name} is on: ")), "{}", about[0]);
        config
    };
    assert!(
        warning("envelope.danger_accept_unsigned = true", "envelope.danger_accept_unsigned")
            .envelope
            .danger_accept_unsigned
    );
    let ida = "upstream.ida = { url = \"https://i\", danger_accept_unsigned_replies = true }";
    let ida = warning(ida, "upstream.ida.danger_accept_unsigned_replies").destinations.ida.unwrap();
    assert!(ida.danger_accept_unsigned_replies);
    warning("credentials.danger_accept_jcs = true", "credentials.danger_accept_jcs");
    let hub = warning("credentials.danger_accept_hub_alone = true", "credentials.danger_accept_hub_alone");
    assert!(hub.credentials.danger_accept_hub_alone);
    warning("faces.danger_open = true", "faces.danger_open");

    let plain = "upstream = { danger_plain_http = true, mediator = { birth = \"http://m.example.org/\" } }";
    assert_eq!(warning(plain, "upstream.danger_plain_http").destinations.mediator.events.len(), 1);
    let beyond = "listen = { internal = \"0.0.0.0:1\", danger_internal_beyond_loopback = true }";
    warning(beyond, "listen.danger_internal_beyond_loopback");
    let open = "listen.callback = \"0.0.0.0:1\"\ncallback.danger_open = true";
    assert!(warning(open, "callback.danger_open").callback.danger_open);
}

#[test]
fn an_outbox_key_outside_the_keys_is_accepted() {
    for key_file in ["outbox.key", "keys-of-outbox/outbox.key", "keys/../outbox.key", "/var/lib/outbox.key"] {
        accepted(&format!("keys.dir = \"keys\"\noutbox.key_file = \"{key_file}\""), &[]);
    }
}

#[test]
fn what_ida_lacks_is_named_by_the_variable_or_the_setting_that_should_hold_it() {
    let unset = |text: &str, set: &[(&str, &str)]| {
        accepted(&format!("[upstream.ida]\nurl = \"https://ida.example.org\"\n{text}"), set)
            .destinations
            .ida
            .unwrap()
            .unset
    };
    assert_eq!(
        unset("", &[]),
        ["upstream.ida.misp_license_key_env", "upstream.ida.partner_id", "upstream.ida.api_key_env"]
    );
    let text = "partner_id = \"p\"\nmisp_license_key_env = \"LICENCE\"\napi_key_env = \"API\"";
    let names = [
        "upstream.ida.misp_license_key_env (the variable LICENCE)",
        "upstream.ida.api_key_env (the variable API)",
    ];
    assert_eq!(unset(text, &[]), names);
    assert_eq!(unset(text, &[("LICENCE", "l")]), [names[1]]);
    let elsewhere = [("MOSIP_GATEWAY__UPSTREAM__IDA__API_KEY_ENV", "OTHER"), ("LICENCE", "l")];
    assert_eq!(unset(text, &elsewhere), ["upstream.ida.api_key_env (the variable OTHER)"]);
    assert!(unset(text, &[("LICENCE", "l"), ("API", "a")]).is_empty());
    assert!(unset("", &[("PARTNER_MISP_LK", "l"), ("PARTNER_APIKEY", "a"), ("PARTNER_ID", "p")]).is_empty());
}

#[test]
fn an_environment_of_ida_is_one_of_four() {
    let text = |env: &str| format!("[upstream.ida]\nurl = \"https://ida.example.org\"\nenv = \"{env}\"");
    for env in ["Staging", "Developer", "Pre-Production", "Production"] {
        assert_eq!(accepted(&text(env), &[]).destinations.ida.unwrap().env, Some(env));
    }
    assert_eq!(problems(&text("staging"), &[]).len(), 1);
}
