//! `mosip-gateway conform`: nothing is found in our own programs, and each fault that is planted is found, and nothing beside it.

mod faulty;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, Callback, Settings, Simulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::faulty::{Faults, Proxy};
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::port::Port;
use crate::support::webhook::SHA_SECRET;
use crate::support::world::{packets, urls};

/// A gateway whose MOSIP is the kit, and its ports.
struct Site {
    gateway: Running,
    kit: Port,
    inbox: Port,
    _secret: TempDir,
}

impl Site {
    /// `mosip`: where the gateway looks for its MOSIP; absent: at the kit.
    async fn start(kit: Port, mosip: Option<&str>) -> Self {
        let (inbox, secret) = (Port::hold(), tempfile::tempdir().unwrap());
        let secret_file = secret.path().join("webhook.secret");
        std::fs::write(&secret_file, SHA_SECRET).unwrap();
        let base = mosip.map_or_else(|| format!("http://{}", kit.address()), str::to_owned);
        let (ida, deliver) =
            (format!("{base}/idauthentication/v1"), format!("http://{}/mosip", inbox.address()));
        let (mosip, packets) = (urls(&base), packets(&base));
        let mut set: Vec<(&str, &str)> = vec![
            ("UPSTREAM__IDA__URL", &ida),
            ("UPSTREAM__PROBE_INTERVAL", "1s"),
            ("DELIVER__URL", &deliver),
            ("FACES__WEBHOOKS", "true"),
            ("FACES__WEBHOOK_SIGNATURE", "core"),
            ("FACES__WEBHOOK_SECRET_FILE", secret_file.to_str().unwrap()),
            ("FACES__MOSIP_API", "true"),
            ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem"),
        ];
        set.extend(mosip.iter().chain(&packets).map(|(name, value)| (*name, value.as_str())));
        let gateway = Running::start_under(EXAMPLE, &set).await;
        Self { gateway, kit, inbox, _secret: secret }
    }

    /// Runs the kit against `webhooks` and `pushes`, as `ip:port`.
    async fn examine(&self, webhooks: &str, pushes: &str, more: &[&str]) -> Output {
        let (base, pushes) = (format!("http://{webhooks}"), format!("http://{pushes}/birthReceiveNid"));
        let verify = format!("http://{}/verify", self.gateway.api);
        let (kit, inbox) = (self.kit.address(), self.inbox.address());
        let own = [
            "--against",
            &base,
            "--pushes",
            &pushes,
            "--verify",
            &verify,
            "--listen",
            &kit,
            "--inbox",
            &inbox,
        ];
        conform(&[&own[..], more].concat()).await
    }
}

async fn conform(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mosip-gateway"));
    command.arg("conform").args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// A simulator that pushes to `inbox`.
async fn stand_in(inbox: &Port) -> simulator::Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let url = format!("http://{}/birthReceiveNid", inbox.address()).parse().unwrap();
    settings.callback = Some(Callback { url, roots_pem: None, client: None });
    Simulator::start(settings, Clock::system()).await.unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `subject: name` of what was found.
fn findings(report: &Value) -> BTreeSet<String> {
    let cases = report["cases"].as_array().unwrap().iter();
    let found = cases.filter(|case| case["verdict"] == "finding");
    found
        .map(|case| format!("{}: {}", case["subject"].as_str().unwrap(), case["name"].as_str().unwrap()))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_in_our_own_gateway() {
    let site = Site::start(Port::hold(), None).await;
    let output = site.examine(&site.gateway.api, &site.gateway.callback, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let written = text(&output);
    assert!(written.contains("\n0 findings, ") && written.ends_with(" 0 skipped\n"), "{written}");
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_in_our_own_simulator() {
    let inbox = Port::hold();
    let simulator = stand_in(&inbox).await;
    let output =
        conform(&["--as", "mosip", "--against", &simulator.base_url, "--inbox", &inbox.address()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let written = text(&output);
    assert!(written.contains("\n0 findings, ") && written.ends_with(" 0 skipped\n"), "{written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_faults_of_a_mediator_are_found_and_reported_as_the_document_shows() {
    let kit = Port::hold();
    let upstream =
        Proxy::start(&kit.address(), Faults { takes_errors_for_success: true, ..Faults::default() }).await;
    let site = Site::start(kit, Some(&upstream.base_url)).await;
    let faults = Faults { believes_unsigned_webhooks: true, refuses_beyond_ascii: true, ..Faults::default() };
    let webhooks = Proxy::start(&site.gateway.api, faults).await;
    let faults = Faults { believes_forged_pushes: true, ..Faults::default() };
    let pushes = Proxy::start(&site.gateway.callback, faults).await;
    let folder = tempfile::tempdir().unwrap();
    let (junit, html) = (folder.path().join("conform.xml"), folder.path().join("conform.html"));
    let files = ["--patience", "20s", "--junit", junit.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let output = site.examine(&webhooks.address, &pushes.address, &files).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let written = text(&output);
    assert_eq!(
        shown_in_the_document(),
        told(&written, &webhooks.address),
        "docs/conformance.md shows another report"
    );

    let found = written.lines().filter(|line| line.starts_with("finding")).count();
    assert_eq!(junit_counts(&junit).unwrap_or([found; 2]), [found; 2]);
    let html = std::fs::read_to_string(&html).unwrap();
    assert_eq!(html.matches("<li class=\"finding\">").count(), found);
    site.gateway.stop().await;
}

/// What the document shows.
fn shown_in_the_document() -> String {
    let page = std::fs::read_to_string("docs/conformance.md").unwrap();
    let (_, section) = page.split_once("\n## A report\n").unwrap();
    let (_, block) = section.split_once("```text\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// A report without what differs from run to run.
fn told(written: &str, address: &str) -> String {
    let mut told = written.replace(address, "127.0.0.1:4546").replace(env!("CARGO_PKG_VERSION"), "…");
    let composition = "-0000-4000-8000-";
    if let Some(at) = told.find(composition) {
        let run = told[at - 8..at].to_owned();
        told = told.replace(&run, "5eed5eed").replace(&run.to_uppercase(), "5EED5EED");
    }
    // A UINTOKEN, the id and the time of a delivery, the id of what is in quarantine.
    let mut lines = String::new();
    for line in told.lines() {
        let cut = line.split_once("OpenCRVS was told ").map(|(head, _)| format!("{head}OpenCRVS was told …"));
        let line = cut.unwrap_or_else(|| line.to_owned());
        let id = line.split_once("push_").map(|(head, rest)| format!("{head}push_…{}", &rest[32..]));
        lines.push_str(&id.unwrap_or(line));
        lines.push('\n');
    }
    lines
}

/// Tests that failed, as another library counts them in the attributes and in the elements; none where it is not at hand.
fn junit_counts(file: &Path) -> Option<[usize; 2]> {
    const SCRIPT: &[u8] = b"import sys, xml.etree.ElementTree as e\n\
        root = e.parse(sys.argv[1]).getroot()\n\
        assert sum(int(s.get('tests')) for s in root) == len(root.findall('.//testcase')) == int(root.get('tests'))\n\
        assert all(c.get('classname') and c.get('name') and float(c.get('time')) >= 0 for c in root.iter('testcase'))\n\
        print(root.get('failures'), len(root.findall('.//failure[@message]')))\n";
    let mut python = Command::new("python3")
        .arg("-")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    python.stdin.take().unwrap().write_all(SCRIPT).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", std::fs::read_to_string(file).unwrap());
    let counts: Vec<usize> = String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .map(|count| count.parse().unwrap())
        .collect();
    Some([counts[0], counts[1]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_faults_of_a_stand_in_for_mosip_are_found_and_nothing_else() {
    let inbox = Port::hold();
    let simulator = stand_in(&inbox).await;
    let address = simulator.base_url.trim_start_matches("http://");
    let pair = [
        "ida: a licence key that is nobody's",
        "ida: a licence key that is nobody's, for kyc",
        "ida: a request without a signature",
        "ida: changed after it was signed",
        "ida: sealed to somebody else",
        "ida: signed by a stranger",
        "ida: the digest of another request",
        "ida: without the header Authorization",
    ];
    let signature = [
        "signatures: an event without a signature",
        "signatures: signed by a stranger",
        "signatures: signed over the plaintext",
    ];
    let unsigned = ["ida: a person who matches", "ida: an identity", "ida: somebody else"];
    for (faults, owed) in [
        (Faults { believes_unsigned_events: true, ..Faults::default() }, &signature[..]),
        (Faults { sends_no_pairs: true, ..Faults::default() }, &pair[..]),
        (Faults { signs_no_replies: true, ..Faults::default() }, &unsigned[..]),
        (Faults { refuses_repeats: true, ..Faults::default() }, &["envelopes: a birth that comes again"][..]),
    ] {
        let proxy = Proxy::start(address, faults).await;
        let output = conform(&["--as", "mosip", "--against", &proxy.base_url, "--no-pushes", "--json"]).await;
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert_eq!(
            findings(&serde_json::from_slice(&output.stdout).unwrap()),
            set(owed),
            "{}",
            text(&output)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_holds_a_secret_that_a_program_sends_back() {
    let echo = Proxy::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, format!("{name}-top-secret\n")).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (client, licence, key) = (secret("client"), secret("licence"), secret("key"));
    let (junit, html) = (folder.path().join("xml"), folder.path().join("html"));
    let output = conform(&[
        "--as",
        "mosip",
        "--against",
        &echo,
        "--no-pushes",
        "--client-secret-file",
        &client,
        "--licence-key-file",
        &licence,
        "--api-key-file",
        &key,
        "--junit",
        junit.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
    ])
    .await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let files = [&junit, &html].map(|file| std::fs::read_to_string(file).unwrap());
    for written in [&text(&output)].into_iter().chain(&files) {
        assert!(written.contains("[secret]") && !written.contains("top-secret"), "{written}");
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!written.contains(steers) && written.contains("\\u{1b}"), "{written}");
        assert!(written.lines().all(|line| line.len() < 20_000), "a body is cut");
    }
    junit_counts(&junit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_holds_the_token_of_opencrvs_that_a_mediator_sends_back() {
    let (echo, kit, inbox) = (Proxy::echo().await, Port::hold(), Port::hold());
    let verify = format!("{echo}/verify");
    let own = ["--verify", &verify, "--no-pushes", "--listen", &kit.address(), "--inbox", &inbox.address()];
    let output = conform(&[&["--against", &echo][..], &own, &["--patience", "1s"]].concat()).await;
    let report = text(&output);
    assert!(report.contains("Bearer [secret]") && !report.contains("eyJ"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_hangs_or_never_stops_answering_ends_in_findings() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endless = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |listener: &tokio::net::TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let urls = [url(&hanging), url(&endless)];
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(hanging.accept().await.unwrap());
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = endless.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
                while stream.write_all(&[b'a'; 65536]).await.is_ok() {}
            });
        }
    });
    for (url, says) in urls.iter().zip(["did not answer within 300 ms", "is larger than 1048576 bytes"]) {
        let short = ["--as", "mosip", "--against", url, "--no-pushes", "--deadline", "300ms", "--json"];
        let output = conform(&short).await;
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(findings(&report).contains("ida: a person who matches"), "{report}");
        assert!(text(&output).contains(says), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_examined_is_told_from_what_was_found() {
    let nobody = Port::hold().address();
    let unreachable = format!("http://{nobody}");
    for (arguments, code, says) in [
        (&["--as", "mosip", "--no-pushes", "--against", &unreachable][..], 3, "start the program"),
        (
            &["--against", &unreachable, "--listen", "127.0.0.1:0", "--inbox", "127.0.0.1:0"],
            3,
            "start the program",
        ),
        (&["--against", "http://mosip.example"], 2, "--danger-plain-http"),
        (&["--against", "mosip.example"], 2, "this is no URL"),
        (&["--against", "http://127.0.0.1:1", "--keys", "absent"], 3, "keygen development"),
        (&["--against", "http://127.0.0.1:1", "--api-key-file", "absent"], 3, "absent"),
        (&["--against", "http://127.0.0.1:1", "--keys", "docs"], 3, "mosip-"),
    ] {
        let output = conform(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(says), "{arguments:?}: {}", text(&output));
    }
}
