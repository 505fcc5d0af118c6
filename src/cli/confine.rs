//! What the kernel lets a running gateway do with files (Landlock, `landlock(7)`): it writes in the folders of the outbox and of its sockets,
//! and runs no program. What it may read is left to the permissions of files, since keys and certificates are replaced, linked
//! elsewhere and mounted while it runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus,
};

use crate::config::Address;
use crate::gateway::listeners;
use crate::place;
use crate::settings::Config;

/// The rights that the program knows of. An older kernel enforces those that it has.
const KNOWN: ABI = ABI::V5;

/// Confines this thread, and every one that it starts from now on. A kernel that cannot do it is a line in the log and stops no start.
pub(super) fn confine(config: &Config) {
    match restrict(&folders(config)) {
        Ok(RulesetStatus::NotEnforced) => {
            tracing::info!("the kernel has no Landlock; the permissions of files alone confine the gateway");
        }
        Ok(status) => tracing::info!(
            whole = status == RulesetStatus::FullyEnforced,
            "the kernel lets the gateway write in the folders of its outbox and its sockets alone"
        ),
        Err(error) => tracing::warn!(%error, "the gateway cannot be confined by the kernel"),
    }
}

/// Where a running gateway makes, changes or removes files.
fn folders(config: &Config) -> BTreeSet<PathBuf> {
    let outbox = &config.outbox;
    let database = outbox.location.file().map(|(_, path)| path);
    let addresses = listeners::ALL.iter().filter_map(|listener| (listener.address)(config));
    let sockets = addresses.filter_map(|address| match address {
        Address::Unix(path) => Some(path.as_path()),
        Address::Tcp(_) => None,
    });
    let files = database
        .into_iter()
        .chain(outbox.location.state_file())
        .chain([outbox.key_file.as_path()])
        .chain(sockets);
    files
        .flat_map(|file| [file.to_owned(), place::resolved(file)])
        .map(|file| place::folder(&file).to_owned())
        .collect()
}

/// From now on this thread writes in `folders` alone, and runs no program. A folder that is missing gets no rule: what is to be made there
/// is refused anyway.
fn restrict(folders: &BTreeSet<PathBuf>) -> Result<RulesetStatus, RulesetError> {
    let writes = AccessFs::from_write(KNOWN);
    let mut ruleset = Ruleset::default().handle_access(writes | AccessFs::Execute)?.create()?;
    for folder in folders.iter().filter_map(|folder| PathFd::new(folder).ok()) {
        ruleset = ruleset.add_rule(PathBeneath::new(folder, writes))?;
    }
    let RestrictionStatus { ruleset, .. } = ruleset.restrict_self()?;
    Ok(ruleset)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Landlock confines the thread that asks for it.
    fn confined<T: Send + 'static>(
        folders: BTreeSet<PathBuf>,
        work: impl FnOnce(bool) -> T + Send + 'static,
    ) -> T {
        let thread = std::thread::spawn(move || {
            let status = restrict(&folders).unwrap();
            work(status != RulesetStatus::NotEnforced)
        });
        thread.join().unwrap()
    }

    #[test]
    fn a_confined_thread_writes_in_its_folders_alone_and_runs_nothing_and_reads_everything() {
        let home = tempfile::tempdir().unwrap();
        let (inside, outside) = (home.path().join("inside"), home.path().join("outside"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(outside.join("key"), "a key").unwrap();
        confined([inside.clone()].into(), move |enforced| {
            std::fs::write(inside.join("a"), "1").unwrap();
            std::fs::rename(inside.join("a"), inside.join("b")).unwrap();
            std::fs::remove_file(inside.join("b")).unwrap();
            assert_eq!(std::fs::read(outside.join("key")).unwrap(), b"a key");
            let attempts = [
                std::fs::write(outside.join("new"), "1"),
                std::fs::write(outside.join("key"), "1"),
                std::fs::remove_file(outside.join("key")),
                Command::new("/bin/true").status().map(|_| ()),
            ];
            let refused = |attempt: &std::io::Result<()>| {
                attempt.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
            };
            assert!(attempts.iter().all(|attempt| refused(attempt) == enforced), "{attempts:?}");
        });
    }

    #[test]
    fn the_folders_of_outbox_key_and_sockets_are_written_where_links_lead_too() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("disk")).unwrap();
        std::fs::write(home.path().join("disk/outbox.db"), "").unwrap();
        std::os::unix::fs::symlink("disk/outbox.db", home.path().join("outbox.db")).unwrap();
        let text = "listen.ops = \"unix:/run/gateway/ops.sock\"\n[outbox]\npath = \"outbox.db\"\nkey_file = \"/etc/gateway/outbox.key\"";
        let read = |_: &Path| Ok(Vec::new());
        let config = Config::from_toml(text, home.path(), &Default::default(), &read);
        let found = folders(&config.unwrap_or_else(|problems| panic!("{problems}")));
        let disk = home.path().join("disk").canonicalize().unwrap();
        let wanted = [home.path(), &disk, Path::new("/run/gateway"), Path::new("/etc/gateway")];
        assert_eq!(found, wanted.map(Path::to_owned).into());
    }
}
