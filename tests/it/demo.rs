//! The demo's path, as the README's first command runs it, and the simulator by itself.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mosip_gateway::demo::{Scene, postgres, run};

use crate::support::patience;
use crate::support::process::PROGRAM;

#[tokio::test]
async fn a_birth_goes_out_sealed_and_its_answer_comes_back_verified() {
    let mut out = Vec::new();
    run(Scene::Birth, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("MOSIP is off") && text.contains("answered 202 queued"), "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
    let last = text.lines().last().unwrap();
    assert!(
        last.contains("verified answer")
            && last.contains("2026BDEMO01")
            && last.ends_with("delivered in plain JSON")
    );
}

#[tokio::test]
async fn a_person_is_confirmed_and_what_does_not_verify_is_refused() {
    let mut out = Vec::new();
    run(Scene::Ida, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let refused =
        ["an unsigned reply: ", "a reply that a stranger signed: ", "an earlier reply, played back: "];
    for what in refused {
        let line = text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("the reply of IDA does not verify: "), "{line}");
    }
    let unsigned = text.lines().find(|line| line.contains(refused[0])).unwrap();
    assert!(unsigned.ends_with("it bears no signature"), "{unsigned}");
}

#[tokio::test]
async fn a_credential_of_the_hub_is_delivered_three_false_ones_are_refused_and_a_rejection_is_told() {
    let mut out = Vec::new();
    run(Scene::Credentials, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let line = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap();
    assert!(line("2026BDEMO01, delivered in plain JSON") < line("refused"), "{text}");
    let refused: Vec<_> = lines.iter().filter(|line| line.contains("refused")).collect();
    let codes = ["signature-invalid", "signature-invalid", "unknown-key"];
    assert!(
        refused.len() == 3 && refused.iter().zip(codes).all(|(line, code)| line.contains(code)),
        "{text}"
    );
    assert!(lines.last().unwrap().contains("PACKET_REJECTED, delivered as registration.rejected"), "{text}");
}

#[tokio::test]
async fn a_birth_goes_to_a_second_system_while_mosip_is_off() {
    let mut out = Vec::new();
    run(Scene::Systems, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("@nia") && text.contains("delivered in plain JSON, while MOSIP is off"), "{text}");
    assert!(text.lines().last().unwrap().contains("it accepted the same birth"), "{text}");
}

#[tokio::test]
async fn a_login_is_believed_and_three_are_not() {
    let mut out = Vec::new();
    run(Scene::Esignet, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("Leila Karim logged in, under eSignet's signature"), "{text}");
    assert_eq!(text.matches("not believed").count(), 3, "{text}");
    assert_eq!(text.matches(": tampered").count(), 3, "{text}");
}

#[tokio::test]
async fn registrations_of_opencrvs_come_back_confirmed_or_rejected_and_one_is_taken_while_mosip_is_off() {
    let mut out = Vec::new();
    run(Scene::Opencrvs, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let line = |what: &str| {
        lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {text}"))
    };
    for (number, is_off) in [("2026BDEMO01", false), ("2026BDEMO02", true)] {
        let confirmed = line(&format!("{number} is registered in OpenCRVS, with the number from MOSIP"));
        let taken = lines.iter().position(|line| line.contains(number) && line.contains("202 {}")).unwrap();
        assert!(taken < confirmed && lines[taken].contains("MOSIP is off") == is_off, "{text}");
    }
    for line in &lines {
        let (step, what) = line.split_at(3);
        assert!(step.trim_end().parse::<u8>().is_ok() && !what.starts_with(' '), "{line} is off its column");
    }
    assert!(
        line("the packet of 2026BDEMO03: PACKET_REJECTED") < line("the registration of 2026BDEMO03"),
        "{text}"
    );
}

#[test]
fn of_two_gateways_one_is_killed_and_nothing_is_lost() {
    if postgres::installed().is_none() {
        eprintln!("skipped: no PostgreSQL of Debian's packages is installed");
        return;
    }
    let shown = demo(&["--replicas"]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{text}{}", String::from_utf8_lossy(&shown.stderr));
    let last = text.lines().last().unwrap();
    assert!(last.contains("MOSIP accepted") && last.contains("all 8, each once"), "{text}");
}

#[tokio::test]
async fn a_demo_that_is_killed_leaves_no_server_no_gateway_and_no_file_behind() {
    if postgres::installed().is_none() {
        eprintln!("skipped: no PostgreSQL of Debian's packages is installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The server has a user of its own, where this one is root.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    // As after the `umask 077` of docs/operator.md.
    let mut killed = Command::new("sh");
    killed.args(["-c", "umask 077; exec \"$0\" demo --replicas", PROGRAM]).env("TMPDIR", folder.path());
    killed.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("MOSIP_GATEWAY_DEMO_POSTGRES");
    let mut killed = killed.stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(killed.stdout.take().unwrap()).lines();
    let is_ready = said.map_while(Result::ok).any(|line| line.contains("one gateway"));
    assert!(is_ready, "the server and a gateway run");
    killed.kill().unwrap();
    killed.wait().unwrap();
    patience::until("the end of all that it started", async || {
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        let running = running_over(folder.path());
        if left.is_empty() && running.is_empty() { Ok(()) } else { Err((left, running)) }
    })
    .await;
}

/// The command lines of processes that name `folder`.
fn running_over(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|process| process.ok());
    let lines = processes.filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(folder)).collect()
}

#[test]
fn a_database_that_no_scene_asked_for_is_refused() {
    let shown = demo(&["--postgres", "postgresql://127.0.0.1:9/none"]).output().unwrap();
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(shown.status.code() == Some(2) && said.contains("--replicas"), "{said}");
}

#[test]
fn a_database_that_is_not_there_ends_the_demo_with_a_sentence() {
    let shown =
        demo(&["--replicas", "--postgres", "postgresql://nobody:secret@127.0.0.1:9/none"]).output().unwrap();
    let said = String::from_utf8(shown.stderr).unwrap();
    assert_eq!(shown.status.code(), Some(1), "{said}");
    assert!(said.contains("the database that was named") && !said.contains("secret"), "{said}");
}

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mosip-gateway"));
    command
        .arg("demo")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("MOSIP_GATEWAY_DEMO_POSTGRES");
    command
}

#[test]
fn the_simulator_listens_where_it_is_told_and_prints_its_url() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mosip-gateway"))
        .args(["simulator", "--listen", "127.0.0.1:0"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{url:?}"));
    let answers = TcpStream::connect(address).is_ok();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answers && !address.ends_with(":4600"), "{url}");
}
