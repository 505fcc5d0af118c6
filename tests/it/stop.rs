//! SIGTERM ends the process in its time, whatever hangs.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::patience;
use crate::support::process::Gateway;

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
    let (hangs, hung) = (dir.path().join("hangs"), dir.path().join("hung"));
    let mut gateway = Gateway::new();
    gateway.set(&[("LISTEN__DRAIN", "1s")]);
    gateway.start_behind(&hanging_open(dir.path()), &[("HANGS", &hangs), ("HUNG", &hung)]);
    gateway.ready().await;
    std::fs::write(&hangs, "").unwrap();
    // The files are looked at every few seconds.
    patience::until("a look that hangs", async || if hung.exists() { Ok(()) } else { Err("none hangs") })
        .await;
    gateway.end().await;
}
