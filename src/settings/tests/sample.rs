//! The sample file is complete, right, and says the defaults; and no text at all makes reading panic.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use toml::{Table, Value};

use super::{BASE, accepted, files, problems, variables};
use crate::config::reader::Reader;
use crate::config::{Problems, Trouble};
use crate::destinations::mediator;
use crate::settings::Config;

const SAMPLE: &str = include_str!("../../../deploy/mosip-gateway.toml");
/// The samples of earlier versions, see `tests/upgrade/README.md`.
const EARLIER: [&str; 3] = [
    include_str!("../../../tests/upgrade/c2f10ab/mosip-gateway.toml"),
    include_str!("../../../tests/upgrade/c65ae14/mosip-gateway.toml"),
    include_str!("../../../tests/upgrade/4171fea/mosip-gateway.toml"),
];
const NAMED: [(&str, &str); 6] = [
    ("MOSIP_AUTH_CLIENT_SECRET", "s"),
    ("PARTNER_MISP_LK", "l"),
    ("PARTNER_APIKEY", "k"),
    ("WEBSUB_CLIENT_SECRET", "w"),
    ("PACKETS_CLIENT_SECRET", "p"),
    ("NIA_CLIENT_SECRET", "n"),
];

/// The sample with the `#` gone from every setting, and the example's secrets in variables.
pub(super) fn uncommented() -> String {
    uncommented_of(SAMPLE)
}

fn uncommented_of(sample: &str) -> String {
    let setting = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    sample
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| setting(rest)).unwrap_or(line).to_owned() + "\n")
        // A key for tokens without a demand for them is refused.
        .map(|line| line.replace("require = []", r#"require = ["opencrvs-jwt"]"#))
        .filter(|line| cfg!(feature = "otlp") || !line.starts_with("otlp_url"))
        .collect()
}

#[test]
fn the_sample_is_accepted_and_warns_of_nothing() {
    assert_eq!(accepted(SAMPLE, &[]).warnings, [""; 0]);
}

#[test]
fn the_sample_says_the_defaults() {
    let (sample, default) = (accepted(SAMPLE, &[]), accepted("", &[]));
    assert_eq!(format!("{:?}", sample.listen), format!("{:?}", default.listen));
    let of_mediator = |config: &Config| {
        let mediator::Settings { events, aid, sign_with, deadline, concurrency, token } =
            &config.destinations.mediator;
        format!("{events:?} {aid:?} {sign_with:?} {deadline:?} {concurrency} {}", token.is_some())
    };
    assert_eq!(of_mediator(&sample), of_mediator(&default));
    assert_eq!(sample.destinations.delivery.deadline, default.destinations.delivery.deadline);
    assert_eq!(sample.internal.primitives, default.internal.primitives);
    assert_eq!(sample.callback.danger_open, default.callback.danger_open);
    assert_eq!(sample.keys.dir, default.keys.dir);
    assert_eq!(sample.keys.strict_permissions, default.keys.strict_permissions);
    assert_eq!(sample.envelope.danger_accept_unsigned, default.envelope.danger_accept_unsigned);
    assert_eq!(sample.upstream.danger_plain_http, default.upstream.danger_plain_http);
}

#[test]
fn every_setting_that_the_sample_leaves_out_is_accepted_too() {
    let config = accepted(&uncommented(), &NAMED);
    let [hosts, topic] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(hosts.contains("danger_plain_http_hosts"), "{hosts}");
    assert!(topic.contains("websub.topics.credential"), "an older name is named: {topic}");
    // Of the callback the sample demands nothing, so that the hub has nowhere to post; and its face for webhooks is off.
    let lacks: Vec<_> = config.destinations.lacks().into_iter().map(|lack| lack.what).collect();
    let [face, hub] = &lacks[..] else { panic!("{lacks:?}") };
    assert!(face.contains("faces.webhooks") && hub.contains("hub-hmac in callback.require"), "{lacks:?}");
    assert!(config.destinations.opencrvs.search.every.is_some());
    assert_eq!(config.destinations.mediator.events.len(), 6);
    assert_eq!((config.keys.own.len(), config.keys.peers.len()), (3, 2));
}

#[test]
fn every_setting_of_an_earlier_version_is_still_read() {
    let named = [&NAMED[..], &[("MOSIP_PACKET_AUTH_CLIENT_SECRET", "p")]].concat();
    for sample in EARLIER {
        accepted(sample, &[]);
        accepted(&uncommented_of(sample), &named);
    }
}

#[test]
fn the_sample_holds_every_setting() {
    let (variables, base) = (variables(&NAMED), Path::new(BASE));
    let reader = Reader::new("file", base, &variables, &files);
    Config::settings(reader.root(uncommented().parse().unwrap()));
    let is_refused = |path: &str| cfg!(not(feature = "otlp")) && path == "telemetry.otlp_url";
    let unset = reader.unset().into_iter();
    let left_out: Vec<_> = unset.filter(|path| !is_other_form(path) && !is_refused(path)).collect();
    assert_eq!(left_out, [""; 0]);
}

/// They cannot stand beside `outbox.path`, and none of them is read without a URL.
#[test]
fn the_sample_says_in_words_what_a_shared_outbox_takes() {
    let url = [("OUTBOX_URL", "postgresql://gateway@127.0.0.1/outbox")];
    let (variables, base) = (variables(&[&NAMED[..], &url].concat()), Path::new(BASE));
    let reader = Reader::new("file", base, &variables, &files);
    let text = uncommented().replace("path = \"outbox.db\"", "url_env = \"OUTBOX_URL\"");
    Config::settings(reader.root(text.parse().unwrap()));
    let unset = reader.unset();
    let of_outbox: Vec<_> = unset.iter().filter_map(|path| path.strip_prefix("outbox.")).collect();
    assert!(of_outbox.contains(&"state_file"), "{of_outbox:?}");
    let told = |name: &str| SAMPLE.contains(&format!("\n#   {name} "));
    // A secret is told as the file that holds it.
    let is_told = |name: &str| told(name) || told(&format!("{}_file", name.trim_end_matches("_env")));
    let untold: Vec<_> = of_outbox.into_iter().filter(|name| *name != "path" && !is_told(name)).collect();
    assert_eq!(untold, [""; 0]);
}

/// Settings that the sample holds in another form, or says in words: secrets in the open and by the other of the two forms,
/// what belongs to the other kind of token, what is refused until it is built.
fn is_other_form(path: &str) -> bool {
    const OTHER: [&str; 44] = [
        "callback.opencrvs_jwt.url",
        "deliver.secret",
        "deliver.secret_env",
        // The former form of `esignet.key`, without effect.
        "esignet.client_key_file",
        "faces.opencrvs_jwt.file",
        "faces.token",
        "faces.token_env",
        "faces.webhook_secret",
        "faces.webhook_secret_env",
        "internal.token",
        "internal.token_env",
        "opencrvs.client_secret",
        "opencrvs.client_secret_env",
        "opencrvs.search.client_secret",
        "opencrvs.search.client_secret_env",
        // Of the database that tests add to the list.
        "outbox.memory",
        // In place of `outbox.path`.
        "outbox.url",
        "outbox.url_env",
        "outbox.url_file",
        "ops.token",
        "ops.token_env",
        "upstream.ida.api_key",
        "upstream.ida.api_key_file",
        "upstream.ida.misp_license_key",
        "upstream.ida.misp_license_key_file",
        "upstream.packets.token.client_secret",
        "upstream.packets.token.client_secret_file",
        "upstream.packets.token.password",
        "upstream.packets.token.password_file",
        "upstream.packets.token.password_env",
        "upstream.packets.token.username",
        "upstream.token.app_id",
        "upstream.token.client_secret",
        "upstream.token.client_secret_file",
        "upstream.token.password",
        "upstream.token.password_env",
        "websub.token.client_secret",
        "websub.token.client_secret_file",
        "websub.token.password",
        "websub.token.password_file",
        "websub.token.password_env",
        "websub.token.username",
        "websub.secret",
        "websub.secret_env",
    ];
    // The sample has this token on one line, without the other kinds of it. A kind of push of tests alone has a topic, too.
    path.starts_with("credentials.data_share.token.")
        || path == "websub.topics.example"
        || OTHER.contains(&path)
}

/// The configuration that a Kubernetes ConfigMap holds.
fn of_kubernetes() -> String {
    let (_, rest) =
        include_str!("../../../deploy/kubernetes.yaml").split_once("mosip-gateway.toml: |\n").unwrap();
    let (text, _) = rest.split_once("\n---\n").unwrap();
    text.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

/// The variables that compose sets.
fn of_compose() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../../../deploy/compose.yaml").lines();
    lines
        .filter_map(|line| {
            line.trim().split_once(": ").filter(|(name, _)| name.starts_with("MOSIP_GATEWAY__"))
        })
        .collect()
}

/// The image of the simulator holds the folders and files that its examples name.
#[test]
fn the_image_of_the_simulator_holds_what_its_examples_name() {
    let image = include_str!("../../../Dockerfile");
    let copied =
        || image.lines().filter_map(|line| line.strip_prefix("COPY ")).flat_map(str::split_whitespace);
    for text in [
        include_str!("../../../deploy/example.toml"),
        include_str!("../../../deploy/example-hub.toml"),
        include_str!("../../../deploy/example-esignet.toml"),
        include_str!("../../../deploy/example-webhooks.toml"),
        include_str!("../../../deploy/example-systems.toml"),
    ] {
        for named in text.split('"').filter_map(|text| text.strip_prefix("../")) {
            assert!(copied().any(|copied| Path::new(named).starts_with(copied)), "{named}");
        }
    }
}

#[test]
fn every_sample_of_a_deployment_is_read_and_says_what_it_needs() {
    let secrets = [NAMED[0], NAMED[1], NAMED[2], ("HUB_SECRET", "h"), ("WEBHOOK_SECRET", "w")];
    for text in [
        include_str!("../../../deploy/example.toml"),
        include_str!("../../../deploy/example-hub.toml"),
        include_str!("../../../deploy/example-webhooks.toml"),
        include_str!("../../../deploy/example-systems.toml"),
    ] {
        let config = accepted(text, &secrets);
        assert_eq!((config.warnings, config.troubles), (Vec::new(), Vec::new()));
    }
    let esignet = accepted(include_str!("../../../deploy/example-esignet.toml"), &secrets);
    assert_eq!(esignet.warnings, [""; 0]);
    assert!(esignet.esignet.is_some_and(|esignet| esignet.unset.is_empty()) && esignet.troubles.is_empty());
    let hub = accepted(include_str!("../../../deploy/example-hub.toml"), &secrets);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let mut credentials = hub.credentials;
    credentials.contexts_dir = Some(folder.join("../tests/vectors/contexts"));
    credentials.issuers[0].file = folder.join("../keys.example/issuer.crt");
    assert!(
        crate::gateway::credentials::load(&credentials).is_ok(),
        "the credentials of the simulator can be verified"
    );

    let config = accepted(&of_kubernetes(), &[]);
    assert_eq!((config.warnings, config.troubles), (Vec::new(), Vec::new()));

    let variables = of_compose();
    assert_eq!(variables.len(), 6, "{variables:?}");
    let refused = problems(SAMPLE, &variables);
    assert!(
        matches!(&refused[..], [one] if one.contains("callback.require")),
        "as the comment says: {refused:?}"
    );
    let told =
        "require = [\"opencrvs-jwt\"]\nopencrvs_jwt = { file = \"/data/secrets/mosip/opencrvs-jwt.pem\" }";
    assert_eq!(accepted(&SAMPLE.replace("require = []", told), &variables).troubles, []);
}

/// An alarm that every installation sets off is one that nobody looks at.
#[test]
fn no_sample_of_a_deployment_sets_off_the_alarm_on_settings() {
    let rules = include_str!("../../../deploy/alerts.yaml");
    let mut alarms = rules.lines().filter(|line| line.contains("mosip_gateway_setting_troubles"));
    let alarm = alarms.next().map(str::trim);
    assert_eq!(alarm, Some("expr: mosip_gateway_setting_troubles{fatal=\"true\"} > 0"));
    assert_eq!(alarms.next(), None);
    let told =
        "require = [\"opencrvs-jwt\"]\nopencrvs_jwt = { file = \"/data/secrets/mosip/opencrvs-jwt.pem\" }";
    let compose = accepted(&SAMPLE.replace("require = []", told), &of_compose());
    for config in [accepted(&of_kubernetes(), &[]), compose] {
        let troubles = crate::gateway::troubles::all(&config);
        let is_open = troubles.iter().any(|trouble| trouble.what.contains("unless TLS ends before it"));
        assert!(is_open, "its listeners are off the loopback: {troubles:?}");
        // Keys are named by whoever copies a sample, and the file that this test gives for one is none.
        let of_keys = ["callback.opencrvs_jwt.file", "keys.own", "keys.peers"];
        let is_of_sample = |trouble: &&Trouble| trouble.fatal && !of_keys.contains(&trouble.subject.as_str());
        let fatal: Vec<_> = troubles.iter().filter(is_of_sample).collect();
        assert!(fatal.is_empty(), "{fatal:?}");
    }
}

/// Every text in `value` replaced by `by`.
fn overwrite(value: &mut Value, by: &str) {
    match value {
        Value::String(text) => by.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| overwrite(item, by)),
        Value::Table(table) => table.iter_mut().for_each(|(_, item)| overwrite(item, by)),
        _ => {}
    }
}

#[test]
fn no_problem_repeats_a_value() {
    const VALUES: [&str; 4] = [
        "hunter2 in the clear",
        "https://user:hunter2@example.org/",
        "ftp://hunter2.example.org",
        "http://hunter2.example.org/#x",
    ];
    for value in VALUES {
        let mut table: Table = uncommented().parse().unwrap();
        table.iter_mut().for_each(|(_, item)| overwrite(item, value));
        let lines = problems(&toml::to_string(&table).unwrap(), &[]);
        assert!(lines.len() > 25, "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("hunter2")), "{lines:#?}");
    }
    for text in ["a = hunter2", "a = \"hunter2", "[a]\nb = 1\nb = \"hunter2\"", "a = \"hunter2\" \"hunter2\""]
    {
        let lines = problems(text, &[]);
        assert!(lines.len() == 1 && !lines[0].contains("hunter2"), "{lines:#?}");
    }
}

/// Lines of the sample and noise, in any order.
fn muddled_sample() -> impl Strategy<Value = String> {
    let lines: Vec<String> = uncommented().lines().map(str::to_owned).collect();
    let line = prop_oneof![4 => proptest::sample::select(lines), 1 => "[a-z_.]{1,9} = (1|true|\"\\PC{0,9}\"|\\[\\]|\\{\\})"];
    proptest::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n"))
}

fn does_not_panic(text: &str, set: &BTreeMap<String, String>) {
    let read: Result<Config, Problems> = Config::from_toml(text, Path::new(BASE), set, &files);
    if let Err(problems) = read {
        assert!(!problems.to_string().is_empty());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|(?s).{0,200}") {
        does_not_panic(&text, &BTreeMap::new());
    }

    #[test]
    fn any_mixture_of_settings_is_read_or_refused(text in muddled_sample()) {
        does_not_panic(&text, &BTreeMap::new());
    }

    #[test]
    fn any_variables_are_read_or_refused(
        set in proptest::collection::btree_map("MOSIP_GATEWAY__(KEYS|UPSTREAM__TOKEN|LISTEN)(__[A-Z_\\PC]{0,12})?|[A-Z_]{0,9}", "\\PC{0,20}", 0..8)
    ) {
        does_not_panic("", &set);
    }
}
