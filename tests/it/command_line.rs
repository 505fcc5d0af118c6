//! The binary as a script calls it: what stands on standard output, on standard error, and the exit code.

mod credential;
mod doctor;
mod keygen;
mod local;
mod telemetry;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::support::gateway::{SECRET, secrets};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "mosip123";
const REFUSED: i32 = 1;
const USAGE: i32 = 2;
const ENVIRONMENT: i32 = 3;

/// What came of a call.
struct Ended {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Ended {
    fn ok(self) -> Self {
        self.ended(0)
    }

    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.err);
        self
    }

    /// Ends with `code`, says `why` on standard error, and nothing on standard output.
    fn refused(&self, code: i32, why: &str) {
        assert_eq!(self.code, code, "{}", self.err);
        assert!(self.err.contains(why), "{}", self.err);
        assert!(self.out.is_empty(), "{:?}", self.text());
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap()
    }
}

/// The example's keys, but peer `ida` is ourselves, so that what is sealed to it opens again.
static KEYS: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    for (name, copy) in [
        ("keystore.p12", "keystore.p12"),
        ("keystore.password", "keystore.password"),
        ("opencrvs-priv.key", "opencrvs-priv.key"),
        ("opencrvs-pub.key", "opencrvs-pub.key"),
        ("mosip-public.key", "mosip-public.key"),
        ("partner.crt", "ida-partner.crt"),
        ("ida-sign.crt", "ida-sign.crt"),
    ] {
        std::fs::copy(Path::new("keys.example").join(name), dir.path().join(copy)).unwrap();
    }
    dir
});

/// Calls the binary. Of the process's variables none counts but those that the example configuration needs.
fn call(arguments: &[&str], input: &[u8]) -> Ended {
    call_under(&[], arguments, input)
}

fn call_under(variables: &[(&str, &Path)], arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mosip-gateway"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .envs(secrets())
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that refuses its arguments does not read.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Calls a primitive with the example configuration.
fn primitive(arguments: &[&str], input: &[u8]) -> Ended {
    let (name, rest) = arguments.split_first().unwrap();
    let arguments = [&[*name, "--config", "deploy/example.toml"][..], rest].concat();
    call_under(&[("MOSIP_GATEWAY__KEYS__DIR", KEYS.path())], &arguments, input)
}

fn thumbprint_of_partner() -> String {
    call(&["inspect", "--json", "keys.example/partner.crt"], b"").ok().json()["certificates"][0]["thumbprint"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The container ships the program without the simulator, and so without the keys that it makes up.
#[cfg(not(feature = "simulator"))]
#[test]
fn without_its_default_features_the_program_has_neither_simulator_nor_demo() {
    for command in ["simulator", "demo", "conform"] {
        call(&[command], b"").refused(USAGE, "unrecognized subcommand");
    }
}

#[cfg(feature = "simulator")]
#[test]
fn the_simulator_refuses_half_a_client_certificate() {
    let callback = ["simulator", "--callback", "https://127.0.0.1:1/birthReceiveNid"];
    call(&[&callback[..], &["--callback-cert", "keys.example/partner.crt"]].concat(), b"")
        .refused(USAGE, "--callback-key");
    let absent = ["--callback-ca", "keys.example/absent.pem"];
    call(&[&callback[..], &absent].concat(), b"").refused(ENVIRONMENT, "absent.pem");
}

#[test]
fn what_seal_prints_opens() {
    for (options, verified) in [
        (&[][..], "envelope"),
        (&["--sign", "plaintext", "--base64", "url"], "plaintext"),
        (&["--format", "legacy"], "envelope"),
    ] {
        let sealed = primitive(&[&["seal", "--to", "ida"][..], options].concat(), b"plain \xff text").ok();
        let opened = primitive(&["open", "--from", "ida"], &sealed.out).ok();
        assert_eq!(opened.out, b"plain \xff text");
        assert_eq!(opened.err, format!("key: {}\nverified: {verified}\n", thumbprint_of_partner()));
    }
}

#[test]
fn open_answers_json_where_it_is_asked_for() {
    let sealed = primitive(&["seal", "--to", "ida", "--sign", "plaintext"], b"abc").ok().json();
    let (data, signature) = (sealed["data"].as_str().unwrap(), sealed["signature"].as_str().unwrap());
    let opened =
        primitive(&["open", "--from", "ida", "--json", "--signature", signature], data.as_bytes()).ok();
    let wanted = json!({"payload_b64": "YWJj", "key": thumbprint_of_partner(), "verified": "plaintext"});
    assert_eq!(opened.json(), wanted);
}

#[test]
fn a_tampered_envelope_is_refused() {
    let mut sealed = primitive(&["seal", "--to", "ida"], b"secret plaintext").ok().json();
    let data = sealed["data"].as_str().unwrap().to_owned();
    let (head, tail) = data.split_at(data.len() - 24);
    let flipped = if tail.starts_with('A') { 'B' } else { 'A' };
    sealed["data"] = format!("{head}{flipped}{}", &tail[1..]).into();
    let body = sealed.to_string();

    let ended = primitive(&["open", "--from", "ida"], body.as_bytes());
    ended.refused(REFUSED, "mosip-gateway: decrypt: the message does not open. Ask the sender");
    let ended = primitive(&["open", "--from", "ida", "--json"], body.as_bytes());
    ended.refused(REFUSED, "");
    let problem: Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("decrypt"), &json!(422)));
}

#[test]
fn an_unsigned_and_a_wrongly_signed_message_are_refused() {
    let mut sealed = primitive(&["seal", "--to", "ida", "--sign", "none"], b"abc").ok().json();
    primitive(&["open", "--from", "ida"], sealed.to_string().as_bytes())
        .refused(REFUSED, "signature-missing: ");
    sealed["signature"] = "AAAA".into();
    primitive(&["open", "--from", "ida"], sealed.to_string().as_bytes())
        .refused(REFUSED, "signature-invalid: ");
}

#[test]
fn what_sign_prints_verifies() {
    let folder = TempDir::new().unwrap();
    let payload = folder.path().join("payload");
    std::fs::write(&payload, "the payload").unwrap();
    let payload = payload.to_str().unwrap();

    let token = primitive(&["sign", "--form", "jws", payload], b"").ok();
    let verified = primitive(&["verify", "--from", "ida", "-"], &token.out).ok().json();
    assert_eq!((&verified["valid"], &verified["payload"]), (&json!(true), &json!("the payload")));
    assert_eq!(verified["key"], thumbprint_of_partner());

    let detached = primitive(&["sign", "--form", "jws-detached", payload], b"").ok().json();
    let detached = detached["signature"].as_str().unwrap();
    primitive(&["verify", "--from", "ida", "--payload", payload], detached.as_bytes()).ok();
    std::fs::write(payload, "another payload").unwrap();
    primitive(&["verify", "--from", "ida", "--payload", payload], detached.as_bytes())
        .refused(REFUSED, "signature-invalid: ");
}

#[test]
fn a_name_that_is_not_configured_is_refused() {
    primitive(&["seal", "--to", "nobody"], b"abc").refused(REFUSED, "field: no peer of this name");
    primitive(&["sign", "--form", "jws", "--key", "nobody"], b"abc").refused(REFUSED, "field: no own key");
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["sael"],
        &["seal"],
        &["seal", "--to", "ida", "--format", "ver_r3"],
        &["sign", "--form", "jwt"],
        &["health", "--url", "https://127.0.0.1:4548"],
        &["keygen", "key", "--bits", "1024", "--out", "/nowhere/key"],
        &["keygen", "certificate", "--key", "k", "--subject", "C=XX,O=b,CN=c", "--days", "1"],
    ] {
        assert_eq!(call(arguments, b"").code, USAGE, "{arguments:?}");
    }
}

#[test]
fn a_missing_file_ends_with_3_and_is_named() {
    call(&["doctor", "--config", "missing.toml"], b"").refused(ENVIRONMENT, "missing.toml");
    call(&["seal", "--to", "ida", "--config", "missing.toml"], b"").refused(ENVIRONMENT, "missing.toml");
    primitive(&["seal", "--to", "ida", "missing.txt"], b"")
        .refused(ENVIRONMENT, "missing.txt: cannot be read (no such file or folder); name a file");
    call(&["inspect", "missing.p12"], b"").refused(ENVIRONMENT, "missing.p12");
    call(&["inspect", "--password-file", "missing.password"], b"").refused(ENVIRONMENT, "missing.password");
}

#[test]
fn an_address_that_is_taken_ends_with_3_and_says_which() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox.db");
    let variables = [
        ("MOSIP_GATEWAY__LISTEN__INTERNAL", Path::new(&taken)),
        ("MOSIP_GATEWAY__OUTBOX__PATH", &outbox),
        ("MOSIP_GATEWAY_LOG", Path::new("off")),
    ];
    let serve = ["serve", "--config", "deploy/example.toml", "--allow-example-keys"];
    let ended = call_under(&variables, &serve, b"");
    ended.refused(ENVIRONMENT, &format!("cannot listen on {taken}"));
    ended.refused(ENVIRONMENT, "set another address");
}

#[test]
fn a_configuration_with_problems_ends_with_1_and_says_all_of_them() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[listen]\ninternal = \"here\"\nops = \"there\"\n").unwrap();
    let ended = call(&["sign", "--form", "jws", "--config", file.to_str().unwrap()], b"");
    ended.refused(REFUSED, "listen.internal: is not an address");
    ended.refused(REFUSED, "listen.ops: is not an address");
}

#[test]
fn inspect_tells_what_there_is_and_prints_no_secret() {
    let sealed = primitive(&["seal", "--to", "mosip"], b"abc").ok().json();
    let found = call(&["inspect", "--json"], sealed.to_string().as_bytes()).ok().json();
    assert_eq!(
        (&found["kind"], &found["layout"], &found["thumbprint"]),
        (&json!("envelope"), &json!("ver_r2"), &sealed["thumbprint"])
    );

    let password_file = ["--password-file", "keys.example/keystore.password"];
    for file in ["keystore.p12", "opencrvs-priv.key", "esignet-jwk.txt"] {
        let path = format!("keys.example/{file}");
        for json in [&[][..], &["--json"]] {
            let ended = call(&[&["inspect", &path], &password_file[..], json].concat(), b"").ok();
            let text = ended.text();
            assert!(text.contains("2048") && text.contains("private_keys"), "{text}");
            assert!(!text.contains(PASSWORD) && !text.contains("PRIVATE KEY"), "{text}");
            // Nothing longer than a thumbprint or a name: no number of a key.
            let longest = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max().unwrap();
            assert!(longest <= 64, "{text}");
        }
    }
    call(&["inspect", "keys.example/keystore.p12"], b"").refused(REFUSED, "--password-file");
    call(&["inspect", "--json"], b"hello").refused(REFUSED, "\"code\":\"malformed\"");
}

/// Calls `health` on a listener that gives one answer.
fn health_of(answer: &'static str) -> Ended {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/readyz", listener.local_addr().unwrap());
    let gateway = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let first = request.next().unwrap();
        // The head ends with an empty line.
        request.find(String::is_empty).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        first
    });
    let ended = call(&["health", "--url", &url], b"");
    assert_eq!(gateway.join().unwrap(), "GET /readyz HTTP/1.1");
    ended
}

#[test]
fn health_of_a_ready_gateway_ends_with_0_and_of_an_unready_one_with_1() {
    assert_eq!(health_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok().text(), "ready\n");
    let unready = health_of("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!((unready.code, unready.text().contains("503")), (REFUSED, true));
}

#[test]
fn health_of_nobody_ends_with_3() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[listen]\nops = \"unix:ops.sock\"\n").unwrap();
    call(&["health", "--config", file.to_str().unwrap()], b"").refused(ENVIRONMENT, "ops.sock");
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mosip-gateway"))
        .arg("openapi")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As `head` does, before the document of many pages is written.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn retry_says_both_ways_in_which_it_is_used() {
    let ended = call(&["outbox", "retry"], b"");
    ended.refused(USAGE, "outbox retry <ID>");
    ended.refused(USAGE, "outbox retry --fault <FAULT>");
}

#[test]
fn a_start_names_the_folder_of_the_outbox_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = dir.path().join("absent/outbox.db");
    let arguments = ["serve", "--config", "deploy/example.toml", "--allow-example-keys"];
    let key = dir.path().join("outbox.key");
    let set = [("MOSIP_GATEWAY__OUTBOX__PATH", &*outbox), ("MOSIP_GATEWAY__OUTBOX__KEY_FILE", &*key)];
    let folder = format!("the folder {} is missing; make it", dir.path().join("absent").display());
    assert!(call_under(&set, &arguments, b"").err.contains(&folder));
    let set = [
        ("MOSIP_GATEWAY__OUTBOX__PATH", &*dir.path().join("outbox.db")),
        ("MOSIP_GATEWAY__OUTBOX__KEY_FILE", &*outbox),
    ];
    assert!(call_under(&set, &arguments, b"").err.contains("its folder is missing"));
}
