//! A PostgreSQL server in a folder, of Debian's packages: for the demo of two gateways, and for tests that break one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::demo_error;
use crate::error::{Code, Error, Result};

/// Where Debian puts the servers, each in a folder of its version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The user of Debian's packages. A server does not run as root.
const USER: &str = "postgres";

/// A server that is there to be started, stopped and killed. It ends with whoever dropped it.
pub struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    before: Vec<String>,
    settings: String,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// What is under way is undone, and what is done is written.
    Fast,
    /// Nothing is: the next start reads the log.
    Immediate,
}

/// The programs of the newest server that Debian's packages brought, if they did.
pub fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let version_of = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter(|path| path.join("bin/initdb").is_file()).max_by_key(version_of)?;
    Some(newest.join("bin"))
}

impl Cluster {
    /// Makes one in `folder`, which is there and empty, to listen at `port` of the loopback. What stands in `within` is put before each
    /// command, to run it elsewhere.
    pub fn make(bin: &Path, folder: &Path, port: u16, within: &[&str]) -> Result<Self> {
        let cluster = Self::of(bin, folder, port, within)?;
        let made = ["-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1"];
        cluster.run(cluster.command("initdb").arg("-D").arg(cluster.data()).args(made))?;
        Ok(cluster)
    }

    /// A copy of this one, of this moment, in another `folder` and for another `port`, that follows it until it is promoted.
    pub fn standby(&self, folder: &Path, port: u16, within: &[&str]) -> Result<Self> {
        let standby = Self::of(&self.bin, folder, port, within)?;
        let from = ["-R", "-X", "stream", "-c", "fast", "-d", &self.url()].map(str::to_owned);
        standby.run(standby.command("pg_basebackup").arg("-D").arg(standby.data()).args(from))?;
        Ok(standby)
    }

    fn of(bin: &Path, folder: &Path, port: u16, within: &[&str]) -> Result<Self> {
        let before = within.iter().map(|word| (*word).to_owned()).collect();
        let mut cluster =
            Self { bin: bin.into(), folder: folder.into(), port, before, settings: String::new() };
        if rustix::process::geteuid().is_root() {
            cluster.run(cluster.program(Path::new("chown")).arg(USER).arg(folder))?;
            cluster.before.extend(["runuser", "-u", USER, "--"].map(str::to_owned));
        }
        Ok(cluster)
    }

    /// With further settings, as options of its command line.
    pub fn with(mut self, settings: &str) -> Self {
        self.settings = settings.to_owned();
        self
    }

    /// Starts it, and waits until it takes connections.
    pub fn start(&self) -> Result<()> {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c fsync=on -k {} {}",
            self.port,
            self.folder.display(),
            self.settings
        );
        let mut start = self.command("pg_ctl");
        start.arg("-D").arg(self.data()).arg("-l").arg(self.folder.join("log"));
        self.run(start.args(["-w", "start", "-o", &options]))
    }

    /// Stops it, and waits for the end.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let how = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.run(self.command("pg_ctl").arg("-D").arg(self.data()).args(["-w", "-m", how, "stop"]))
    }

    /// Has a standby take writes.
    pub fn promote(&self) -> Result<()> {
        self.run(self.command("pg_ctl").arg("-D").arg(self.data()).args(["-w", "promote"]))
    }

    /// The words of the command that stops it at once.
    pub(super) fn stopping(&self) -> Vec<OsString> {
        let mut stop = self.command("pg_ctl");
        stop.arg("-D").arg(self.data()).args(["-w", "-m", "immediate", "stop"]);
        std::iter::once(stop.get_program()).chain(stop.get_args()).map(OsString::from).collect()
    }

    /// SIGKILL to the process that all of it hangs on.
    pub fn kill(&self) -> Result<()> {
        let script = r#"kill -9 "$(head -n 1 "$0/postmaster.pid")""#;
        self.run(self.program(Path::new("sh")).args(["-c", script]).arg(self.data()))
    }

    /// Whether it takes connections.
    pub fn answers(&self) -> bool {
        let port = self.port.to_string();
        self.run(self.command("pg_isready").args(["-h", "127.0.0.1", "-p", &port])).is_ok()
    }

    /// Whether it runs, perhaps still starting.
    pub fn is_running(&self) -> bool {
        self.run(self.command("pg_ctl").arg("-D").arg(self.data()).arg("status")).is_ok()
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same, where something at `port` leads there.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgresql://{USER}@127.0.0.1:{port}/postgres")
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, name: &str) -> Command {
        self.program(&self.bin.join(name))
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = match self.before.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        // Where the user of the server may be.
        command.current_dir("/");
        command
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        // What goes on in the background must not keep the pipe: the server writes into its own log.
        let words = self.folder.join("words");
        let said = std::fs::File::create(&words).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = said.map_err(demo_error)?;
        let status = command.stdout(out).stderr(err).status().map_err(demo_error)?;
        if status.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(&words).unwrap_or_default();
        let what = format!("PostgreSQL says: {}", said.trim());
        Err(Error::new(Code::Storage, what).advise("Do what it says, or look into its log."))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that does not run needs no end.
        let _ = self.stop(Stop::Immediate);
    }
}
