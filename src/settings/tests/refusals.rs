//! What is refused, each named for its defect.

mod advice;
mod secrets;

use super::{accepted, problems, refused};

const TOKEN: &str = "[upstream.token]\nurl = \"https://a\"\nclient_id = \"c\"\n";

/// The one problem of `text`, and that it is about `path`.
#[track_caller]
pub(super) fn refused_at(text: &str, path: &str, what: &str) {
    let lines = problems(text, &[]);
    let [line] = lines.as_slice() else { panic!("{text}: {lines:#?}") };
    assert!(line.starts_with(&format!("file: {path}: {what}")), "{line}");
}

#[test]
fn all_problems_at_once() {
    let text = r#"
        [listen]
        internal = "localhost:4546"
        drain = "soon"
        [internal]
        token_file = "absent.token"
        [keys]
        dri = "keys"
        [upstream.token]
        client_secret = "hunter2"
        [upstream.mediator]
        birth = "http://mosip.example.org/"
        [nonsense]
        x = 1
    "#;
    let set = [("MOSIP_GATEWAY__LISTEN__BODY_LIMIT", "large"), ("MOSIP_GATEWAY__KEYS__DRI", "keys")];
    assert_eq!(
        problems(text, &set),
        [
            "file: listen.internal: is not an address; write ip:port, or unix: and the path of a socket",
            "MOSIP_GATEWAY__LISTEN__BODY_LIMIT: listen.body_limit: is not a size; write a number and a unit, such as \"50MiB\"",
            "file: listen.drain: is not a length of time; write a number and a unit, such as \"30s\" or \"30d\"",
            "file: internal.token_file: cannot read /etc/gateway/absent.token (no such file or folder); put the file there, readable for this process",
            "file: keys.dri: is not a setting; did you mean dir?",
            "file: upstream.token.url: is missing; set it",
            "file: upstream.token.client_id: is missing; set it",
            "file: upstream.token.client_secret: is a secret in the open; set client_secret_file or client_secret_env instead",
            "file: upstream.mediator.birth: is plain http off the loopback; use https, or name the host in upstream.danger_plain_http_hosts",
            "file: nonsense: is not a setting; remove it",
            "MOSIP_GATEWAY__KEYS__DRI: keys.dri: is not a setting; did you mean MOSIP_GATEWAY__KEYS__DIR?",
        ]
    );
}

#[test]
fn text_that_is_not_toml() {
    refused_at("[listen]\n\ndrain = 'x", "line 3", "is not TOML (");
}

#[test]
fn unknown_settings() {
    refused("lissten = {}", "file: lissten: is not a setting; did you mean listen?");
    refused_at(
        "keys.own = [{ file = \"f\", pasword_file = \"p\" }]",
        "keys.own[0].pasword_file",
        "is not a setting; did you mean password_file?",
    );
    refused_at(
        "upstream.mediator.marriage = \"https://m\"",
        "upstream.mediator.marriage",
        "is not a setting; remove it",
    );
    refused_at(
        "callback = { require = [\"opencrvs-jwt\"], opencrvs_jwt = { file = \"f\", x = 1 } }",
        "callback.opencrvs_jwt.x",
        "is not a setting",
    );
    refused_at("internal.tls = { cert = \"c\", key = \"k\", x = 1 }", "internal.tls.x", "is not a setting");
    refused_at("events.birth.link = true", "events.birth", "is not a setting");
    for section in
        ["quarantine", "outbox", "seeder", "faces", "events.death", "credentials", "esignet", "websub"]
    {
        refused_at(&format!("{section}.zzz = 1"), &format!("{section}.zzz"), "is not a setting");
    }
}

#[test]
fn an_unknown_name_that_would_forge_a_line() {
    refused("\"a\\nb: c\" = 1", "file: \"a\\nb: c\": is not a setting; remove it");
    assert_eq!(
        problems("", &[("MOSIP_GATEWAY__A\nB", "x")]),
        ["MOSIP_GATEWAY__A\\nB: a\\nb: is not a setting; remove it"]
    );
}

#[test]
fn a_variable_that_is_the_bare_prefix() {
    let set = [("MOSIP_GATEWAY__", "x"), ("MOSIP_GATEWAY__MOSIP_GATEWAY__KEYS__DIR", "x")];
    let repeated =
        "MOSIP_GATEWAY__MOSIP_GATEWAY__KEYS__DIR: mosip_gateway.keys.dir: is not a setting; remove it";
    assert_eq!(problems("", &set), ["MOSIP_GATEWAY__: environment: is not a setting; remove it", repeated]);
}

#[test]
fn values_of_the_wrong_type() {
    refused("listen = 1", "file: listen: is of type integer; write a table");
    refused("listen.hosts = \"a\"", "file: listen.hosts: is of type string; write a list");
    refused("listen.hosts = [1]", "file: listen.hosts[0]: is of type integer; write a string");
    refused(
        "internal.primitives = \"false\"",
        "file: internal.primitives: is of type string; write true or false",
    );
    refused(
        "upstream.mediator.concurrency = \"1\"",
        "file: upstream.mediator.concurrency: is of type string; write a whole number",
    );
    refused("keys.own = [1]", "file: keys.own[0]: is of type integer; write a table");
    refused("keys.dir = \"\"", "file: keys.dir: is empty; set it, or remove it");
    refused_at("credentials.context = [1]", "credentials.context", "holds what is neither a URL nor a table");
    refused_at("credentials.require = []", "credentials.require", "names no proof");
    refused_at("credentials.require = [\"hub\"]", "credentials.require[0]", "is not a known word");
    let share = "credentials.data_share.url";
    refused_at("credentials.data_share = {}", share, "is missing");
    for url in ["https://a.example/share", "https://a.example/share/?x=1", "https://a.example/../share/"] {
        refused_at(&format!("{share} = \"{url}\""), share, "is not the address of a folder");
    }
    refused_at(&format!("{share} = \"http://a.example/\""), share, "is plain http off the loopback");
}

#[test]
fn values_out_of_range() {
    refused(
        "listen.request_deadline = \"0s\"",
        "file: listen.request_deadline: is out of range; set between 1s and 10m",
    );
    refused(
        "listen.body_limit = \"5GiB\"\nlisten.in_flight_limit = \"1GiB\"",
        "file: listen.body_limit: is out of range; set between 1.0 KiB and 4.0 GiB",
    );
    refused(
        "upstream.mediator.concurrency = 0",
        "file: upstream.mediator.concurrency: is out of range; set between 1 and 64",
    );
    refused_at("upstream.mediator.concurrency = -1", "upstream.mediator.concurrency", "is out of range");
    refused_at("upstream.mediator.deadline = \"1h\"", "upstream.mediator.deadline", "is out of range");
    refused_at(
        "listen.in_flight_limit = \"1MiB\"",
        "listen.in_flight_limit",
        "is less than listen.body_limit",
    );
}

#[test]
fn hosts_that_are_not_names() {
    for host in ["https://a", "a:80", "a/b", "u@a", "a b"] {
        refused_at(&format!("listen.hosts = [\"{host}\"]"), "listen.hosts[0]", "is not a host name");
    }
}

#[test]
fn urls_that_could_mislead() {
    for (url, what) in [
        ("nowhere", "is not a URL"),
        ("/path", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://a:99999/", "is not a URL"),
        ("https://a b/", "is not a URL"),
        ("ftp://a/", "is neither http nor https"),
        ("https://user:pass@a/", "holds user information"),
        ("https://user@a/", "holds user information"),
        ("https://a/#b", "holds a fragment"),
        ("http://a/", "is plain http off the loopback"),
        ("http://127.0.0.1.example.org/", "is plain http off the loopback"),
        ("http://localhost.example.org/", "is plain http off the loopback"),
        ("http://0.0.0.0/", "is plain http off the loopback"),
    ] {
        refused_at(&format!("deliver.url = \"{url}\""), "deliver.url", what);
    }
}

#[test]
fn plain_http_off_the_loopback_for_every_url() {
    let token = format!("{TOKEN}client_secret_file = \"s\"").replace("https", "http");
    refused_at(&token, "upstream.token.url", "is plain http");
    refused_at("upstream.ida.url = \"http://a\"", "upstream.ida.url", "is plain http");
    for path in
        ["upstream.mediator.aid", "upstream.mediator.death-correction", "esignet.token_url", "websub.hub_url"]
    {
        refused_at(&format!("{path} = \"http://a\""), path, "is plain http");
    }
}

#[test]
fn a_plain_api_off_the_loopback() {
    for address in ["0.0.0.0:4546", "[::]:4546", "192.0.2.1:4546"] {
        refused_at(&format!("listen.internal = \"{address}\""), "listen.internal", "is off the loopback");
    }
}

#[test]
fn an_open_callback_off_the_loopback() {
    refused_at("listen.callback = \"0.0.0.0:4547\"", "callback.require", "demands no authentication");
    let jwt_alone = "listen.callback = \"0.0.0.0:4547\"\ncallback.opencrvs_jwt.file = \"f\"";
    refused_at(jwt_alone, "callback.require", "demands no authentication");
}

#[test]
fn kinds_of_caller_authentication_that_are_unknown() {
    refused_at(
        "callback.require = [\"none\"]",
        "callback.require[0]",
        "is not a kind of caller authentication",
    );
}

#[test]
fn a_demanded_token_without_a_key_to_check_it() {
    refused("callback.require = [\"opencrvs-jwt\"]", "file: callback.opencrvs_jwt: is missing; set it");
    refused_at("callback.opencrvs_jwt = {}", "callback.opencrvs_jwt.file", "is missing");
    let both = "callback.opencrvs_jwt = { file = \"f\", url = \"https://auth.example.org\" }";
    refused_at(both, "callback.opencrvs_jwt.file", "is set beside url");
    refused_at("callback.opencrvs_jwt.url = \"http://a\"", "callback.opencrvs_jwt.url", "is plain http");
}

#[test]
fn a_demand_that_nothing_is_set_to_meet() {
    refused_at("callback.require = [\"hub-hmac\"]", "callback.require", "lists hub-hmac");
    refused_at("callback.require = [\"mtls\"]", "callback.require", "lists mtls");
    refused_at("faces.webhooks = true", "faces.webhook_secret_file", "is missing");
    refused_at(
        "faces.webhook_signature = \"sha256\"",
        "faces.webhook_signature",
        "is no form of a signature; write \"either\", \"core\" or \"raw\"",
    );
}

#[test]
fn tls_that_cannot_protect() {
    for listener in ["internal", "ops", "callback"] {
        let tls = |rest: &str| format!("{listener}.tls = {{ {rest} }}");
        let at = |name: &str| format!("{listener}.tls.{name}");
        refused_at(&tls("cert = \"c\""), &at("key"), "is missing");
        refused_at(&tls("key = \"k\""), &at("cert"), "is missing");
        let subjects = "cert = \"c\", key = \"k\", client_subjects = [\"CN=a\"]";
        refused_at(&tls(subjects), &at("client_subjects"), "has no effect without client_ca");
    }
}

/// A whole file with `<secret><rest>` in it, the path of the section, and the secret's name.
const SECRETS: [(&str, &str, &str); 10] = [
    ("[faces]\nlisten = \"127.0.0.1:4550\"\n", "faces", "token"),
    ("[internal]\n", "internal", "token"),
    ("[ops]\n", "ops", "token"),
    ("[deliver]\n", "deliver", "secret"),
    ("[websub]\n", "websub", "secret"),
    (TOKEN, "upstream.token", "client_secret"),
    (
        "[upstream.token]\nurl = \"https://a\"\nclient_id = \"c\"\nclient_secret_file = \"s\"\nusername = \"u\"\n",
        "upstream.token",
        "password",
    ),
    ("[upstream.ida]\nurl = \"https://a\"\n", "upstream.ida", "misp_license_key"),
    ("[upstream.ida]\nurl = \"https://a\"\n", "upstream.ida", "api_key"),
    ("[[keys.own]]\nfile = \"f\"\n", "keys.own[0]", "password"),
];

/// A certificate or key that is missing starts the gateway degraded.
#[test]
fn roots_and_the_key_of_callers_that_cannot_be_read_are_troubles_and_stop_no_start() {
    let text = "upstream.ca_file = \"absent.pem\"\ncallback = { require = [\"opencrvs-jwt\"], opencrvs_jwt = { file = \"absent.pem\" } }";
    let config = accepted(text, &[]);
    let roots = crate::config::Roots::File("/etc/gateway/absent.pem".into());
    assert_eq!(config.upstream.roots, Some(roots), "the public roots do not take their place");
    let [key] = &config.troubles[..] else { panic!("{:?}", config.troubles) };
    let unread = "cannot read /etc/gateway/absent.pem (no such file or folder): ";
    assert_eq!((key.subject.as_str(), key.fatal), ("callback.opencrvs_jwt.file", true));
    assert!(key.what.starts_with(unread) && key.what.contains("nobody is known"), "{key:?}");
}

#[test]
fn a_token_without_what_it_needs() {
    refused_at(TOKEN, "upstream.token.client_secret_file", "is missing");
    let text = |rest: &str| format!("{TOKEN}client_secret_file = \"s\"\n{rest}");
    refused_at(
        &text("kind = \"oidc\""),
        "upstream.token.kind",
        "is not a known word; write one of \"keycloak\", \"authmanager\"",
    );
    refused_at(&text("username = \"u\""), "upstream.token.password_file", "is missing");
    refused_at(&text("password_file = \"p\""), "upstream.token.username", "is missing");
    refused_at(&text("app_id = \"a\""), "upstream.token.app_id", "belongs to kind = \"authmanager\"");
    refused_at(&text("kind = \"authmanager\""), "upstream.token.app_id", "is missing");
    for other in ["username = \"u\"", "password_file = \"p\"", "password_env = \"P\""] {
        let text = text(&format!("kind = \"authmanager\"\napp_id = \"a\"\n{other}"));
        let name = other.split(' ').next().unwrap();
        refused_at(&text, &format!("upstream.token.{name}"), "belongs to kind = \"keycloak\"");
    }
}

#[test]
fn keys_that_are_wrong() {
    let own = |entry: &str| format!("keys.own = [{{ {entry} }}]");
    refused_at(&own("name = \"a\""), "keys.own[0].file", "is missing");
    refused_at(&own("file = \"f\", use = [\"seal\"]"), "keys.own[0].use[0]", "is not a known word");
    refused_at(&own("file = \"f\", use = []"), "keys.own[0].use", "allows nothing");
    refused_at(
        "keys.own = [{ name = \"a\", file = \"f\" }, { name = \"a\", file = \"g\" }]",
        "keys.own[1].name",
        "names an own key a second time",
    );
    let peers = |entry: &str| format!("keys.peers = [{{ {entry} }}]");
    refused_at(&peers("file = \"f\""), "keys.peers[0].name", "is missing");
    refused_at(&peers("name = \"a\""), "keys.peers[0].file", "is missing");
    refused_at(
        &peers("name = \"a\", file = \"f\", algs = [\"none\"]"),
        "keys.peers[0].algs[0]",
        "is not an accepted algorithm",
    );
    refused_at(&peers("name = \"a\", file = \"f\", algs = []"), "keys.peers[0].algs", "allows no algorithm");
    refused_at(
        &peers("name = \"a\", file = \"f\", unknown_thumbprint = \"open\""),
        "keys.peers[0].unknown_thumbprint",
        "is not a known word",
    );
    refused_at(
        "keys.peers = [{ name = \"a\", file = \"f\" }, { name = \"a\", file = \"g\" }]",
        "keys.peers[1].name",
        "names a peer a second time",
    );
}

#[test]
fn a_length_that_tells_uin_and_vid_not_apart() {
    let ida = "upstream.ida.url = \"https://ida.example.org\"\n";
    refused_at(&format!("{ida}upstream.ida.uin_length = 0"), "upstream.ida.uin_length", "is out of range");
    for lengths in ["uin_length = 16", "vid_length = 10"] {
        let text = format!("{ida}upstream.ida.{lengths}");
        refused_at(&text, "upstream.ida.vid_length", "is uin_length, too");
    }
}

#[test]
fn names_of_keys_that_are_not_there() {
    let own = "keys.own = [{ name = \"d\", file = \"f\", use = [\"decrypt\"] }]\n";
    for name in ["d", "unknown"] {
        let text = format!("{own}upstream.mediator.sign_with = \"{name}\"");
        refused_at(&text, "upstream.mediator.sign_with", "names no own key that may sign");
        let text = format!("{own}upstream.ida = {{ url = \"https://a\", sign_with = \"{name}\" }}");
        refused_at(&text, "upstream.ida.sign_with", "names no own key that may sign");
    }
    refused_at(
        "upstream.ida = { url = \"https://a\", reply_signers = [\"unknown\"] }",
        "upstream.ida.reply_signers",
        "names what is not a peer",
    );
}

#[test]
fn an_outbox_key_inside_the_keys() {
    for outbox in [
        "key_file = \"keys/outbox.key\"",
        "key_file = \"other/../keys/./sub/outbox.key\"",
        "key_file = \"/etc/gateway/keys/outbox.key\"",
        "path = \"keys/outbox.db\"",
    ] {
        let text = format!("keys.dir = \"keys\"\n[outbox]\n{outbox}");
        refused_at(&text, "outbox.key_file", "is inside keys.dir");
    }
}

#[test]
fn a_link_without_ida_or_without_consent() {
    let link = "events.death.link = true\n";
    refused_at(link, "events.death.link", "needs calls to IDA");
    let text = format!("{link}seeder.consent = false\nupstream.ida.url = \"https://a\"");
    refused_at(&text, "events.death.link", "asks IDA about people without their consent");
}

#[test]
fn a_proxy_that_is_no_network() {
    for text in ["proxy.example.org", "10.0.0.0/33", "10.0.0.0/"] {
        refused_at(
            &format!("callback.trusted_proxies = [\"{text}\"]"),
            "callback.trusted_proxies[0]",
            "is neither an address nor a network",
        );
    }
}
