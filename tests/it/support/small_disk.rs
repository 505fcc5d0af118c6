//! A tmpfs of a few MiB in a mount namespace of its own, for a gateway that is to run out of room.

#![allow(clippy::print_stdout, reason = "who reads the output is told what was skipped")]

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The namespace lives as long as this.
pub(crate) struct SmallDisk {
    /// A shell that waits: the gateway itself lets nobody look into it.
    holder: Child,
    place: TempDir,
    is_root: bool,
}

impl SmallDisk {
    /// `None`, and a sentence on standard output, where the kernel refuses.
    pub(crate) fn mount(kib: u32) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let mut unshare = Command::new("unshare");
        if !is_root {
            unshare.args(["--user", "--map-root-user"]);
        }
        let script = r#"mount -t tmpfs -o "size=$1k" tmpfs "$0" && echo mounted && read -r _"#;
        let holder = unshare
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .arg(place.path())
            .arg(kib.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut holder = match holder {
            Ok(holder) => holder,
            Err(error) => {
                println!("skipped: unshare cannot be run ({error})");
                return None;
            }
        };
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let disk = Self { holder, place, is_root };
        if said != "mounted\n" {
            println!("skipped: this kernel gives the test no mount namespace of its own");
            return None;
        }
        Some(disk)
    }

    /// Where it is mounted, for who is inside.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Where `name` on it is for who is outside.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(self.path().strip_prefix("/").unwrap()).join(name)
    }

    /// `program`, inside and in the current folder.
    pub(crate) fn command(&self, program: &str) -> Command {
        let (inside, folder) = (self.inside(), std::env::current_dir().unwrap());
        let mut command = Command::new(&inside[0]);
        command
            .args(&inside[1..])
            .args(["/bin/sh", "-c", r#"cd "$0" && exec "$@""#])
            .arg(folder)
            .arg(program);
        command
    }

    /// What is put before a command to run it inside.
    pub(crate) fn inside(&self) -> Vec<String> {
        let holder = self.holder.id().to_string();
        let mut before = vec!["nsenter", "--target", &holder, "--mount"];
        if !self.is_root {
            before.extend(["--user", "--preserve-credentials"]);
        }
        before.push("--");
        before.into_iter().map(str::to_owned).collect()
    }

    /// Takes all room that is left.
    pub(crate) fn fill(&self) {
        let mut filler =
            std::fs::OpenOptions::new().create(true).append(true).open(self.file("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            let part = vec![0; size];
            loop {
                match filler.write(&part) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Gives this much of the room back.
    pub(crate) fn leave(&self, bytes: u64) {
        let filler = std::fs::OpenOptions::new().write(true).open(self.file("filler")).unwrap();
        let length = filler.metadata().unwrap().len();
        filler.set_len(length - bytes).unwrap();
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.file("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
