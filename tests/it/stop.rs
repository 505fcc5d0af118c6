//! SIGTERM ends the process in its time, whatever hangs.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::event::birth;
use crate::support::patience;
use crate::support::process::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixDatagram};
use tokio::time::timeout;

/// Stands before the system's `open`: while the file `$HANGS` is there, it leaves word in `$HUNG` and never comes back for the key file
/// of the example, as a network file system that has lost its server does not.
const HANGING_OPEN: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    const char *hangs = getenv("HANGS");
    if (hangs && strstr(path, "keystore.p12") && access(hangs, F_OK) == 0) {
        close(next(getenv("HUNG"), O_CREAT | O_WRONLY, 0600));
        for (;;) pause();
    }
    return next(path, flags, mode);
}
"#;

/// The library, where there is a C compiler: building this program needs one, too.
fn hanging_open(dir: &Path) -> PathBuf {
    let (source, library) = (dir.join("open.c"), dir.join("open.so"));
    std::fs::write(&source, HANGING_OPEN).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.unwrap().success());
    library
}

#[tokio::test]
async fn sigterm_ends_the_process_while_the_look_at_a_key_file_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::new();
    // The gateway writes in the folder of its outbox alone.
    let (hangs, hung) = (dir.path().join("hangs"), gateway.home().join("hung"));
    gateway.set(&[("LISTEN__DRAIN", "1s")]);
    gateway.start_behind(&hanging_open(dir.path()), &[("HANGS", &hangs), ("HUNG", &hung)]);
    gateway.ready().await;
    std::fs::write(&hangs, "").unwrap();
    // The files are looked at every few seconds.
    patience::until("a look that hangs", async || if hung.exists() { Ok(()) } else { Err("none hangs") })
        .await;
    gateway.end().await;
}

/// Waits until a call of the gateway has come, which is never answered.
async fn call(mosip: &TcpListener) -> TcpStream {
    timeout(Duration::from_mins(1), mosip.accept()).await.expect("an attempt").unwrap().0
}

/// The request may take ten minutes, and the attempt waits for MOSIP's IAM: only the time to drain ends them.
#[tokio::test]
async fn sigterm_ends_the_process_while_a_request_and_an_attempt_hang_and_the_attempt_is_made_again() {
    let mosip = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token = format!("http://{}/token", mosip.local_addr().unwrap());
    let mut gateway = Gateway::new();
    gateway.set(&[
        ("LISTEN__DRAIN", "1s"),
        ("LISTEN__REQUEST_DEADLINE", "10m"),
        ("UPSTREAM__TOKEN__URL", &token),
    ]);
    gateway.start();
    gateway.ready().await;
    let (status, answer) = gateway.post_event("birth", birth("c")).await;
    assert_eq!(status, 202, "{answer}");
    let _attempt = call(&mosip).await;
    let _idle = TcpStream::connect(&gateway.callback).await.unwrap();
    let mut request = TcpStream::connect(gateway.api().trim_start_matches("http://")).await.unwrap();
    let head = "POST /v1/events/birth HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n";
    request.write_all(head.as_bytes()).await.unwrap();
    // Once its body is asked for, it is under way.
    let mut asked = [0; 12];
    request.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");

    gateway.end().await;
    let log = gateway.whole_log();
    for line in ["requests are cut: the time to drain has passed", "the gateway has stopped"] {
        assert!(log.contains(line), "{log}");
    }
    gateway.start();
    call(&mosip).await;
}

#[tokio::test]
async fn systemd_is_told_once_callers_are_served_of_each_reload_and_when_the_end_begins() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    let told = async || {
        let mut message = [0; 64];
        let received = timeout(Duration::from_mins(1), systemd.recv(&mut message));
        let length = received.await.expect("a message").unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let mut gateway = Gateway::new();
    gateway.start_supervised(&socket, &[]);
    assert_eq!(told().await, "READY=1\n");
    TcpStream::connect(gateway.api().trim_start_matches("http://")).await.unwrap();
    TcpStream::connect(&gateway.callback).await.unwrap();
    gateway.hang_up();
    let reloading = told().await;
    let began = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(began.trim_end().parse::<u64>().unwrap() > 0);
    assert_eq!(told().await, "READY=1\n");
    assert!(gateway.log().contains("keys and certificates were read again"), "it is done by then");
    gateway.end().await;
    assert_eq!(told().await, "STOPPING=1\n");
    let log = gateway.whole_log();
    assert!(
        log.contains("the kernel lets the gateway write") || log.contains("the kernel has no Landlock"),
        "{log}"
    );
}

#[tokio::test]
async fn a_supervisor_that_is_gone_stops_no_start_and_without_landlock_the_log_says_so() {
    let mut gateway = Gateway::new();
    gateway.start_supervised(Path::new("/nonexistent/notify"), &["--danger-unconfined"]);
    gateway.ready().await;
    gateway.end().await;
    let log = gateway.whole_log();
    for line in ["systemd cannot be told how the service stands", "--danger-unconfined: "] {
        assert!(log.contains(line), "{log}");
    }
    assert!(!log.contains("the kernel"), "{log}");
}
