//! Files and folders that others must not read or change. Their permissions are looked at again while the gateway runs.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::secret_files;
use crate::config::Trouble;
use crate::keys::source::file::readable_by_others;
use crate::settings::Config;

/// Says what a file is, without its content.
type Look = fn(&Path) -> io::Result<Metadata>;

/// What the configuration names.
#[derive(Clone)]
pub(crate) struct Files {
    outbox_key: PathBuf,
    secrets: Vec<PathBuf>,
    key_folder: PathBuf,
}

impl Files {
    /// What `config` names. Private keys are looked at where they are loaded.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            outbox_key: config.outbox.key_file.clone(),
            secrets: secret_files(config),
            key_folder: config.keys.dir.clone(),
        }
    }

    /// What others may do that they should not, as `look` finds it now.
    pub(crate) fn troubles(&self, look: Look) -> Vec<Trouble> {
        let of_key = of_outbox_key(&self.outbox_key, look);
        let of_secrets = self.secrets.iter().filter_map(|file| of_secret(file, look));
        of_key.into_iter().chain(of_secrets).chain(of_key_folder(&self.key_folder, look)).collect()
    }
}

/// Looks at `files` `every` so often, and puts into `told` what is found, until nobody listens there. A volume that does not answer holds one
/// thread, and what was found before stays.
pub(crate) async fn watch(files: Files, every: Duration, told: watch::Sender<Arc<[Trouble]>>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let files = Arc::new(files);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = told.closed() => return,
        }
        let looked = Arc::clone(&files);
        let found = spawn_blocking(move || looked.troubles(|file| std::fs::metadata(file))).await;
        let Ok(found) = found else { continue };
        told.send_if_modified(|before| {
            let is_new = |trouble: &&Trouble| !before.contains(trouble);
            found.iter().filter(is_new).for_each(log);
            let is_other = **before != *found;
            *before = found.into();
            is_other
        });
    }
}

/// As at the start.
pub(crate) fn log(Trouble { subject, what, advice, fatal }: &Trouble) {
    tracing::warn!(setting = subject, trouble = what, advice, fatal, "configuration");
}

fn of_outbox_key(file: &Path, look: Look) -> Option<Trouble> {
    is_readable(file, look).then(|| {
        Trouble::new(
            "outbox.key_file",
            "seals the outbox, and every user of this machine can read it",
            "take read access from others (chmod o= on the file)",
        )
    })
}

/// One that is missing is reported by what needs it.
pub(crate) fn of_secret(file: &Path, look: Look) -> Option<Trouble> {
    is_readable(file, look).then(|| {
        Trouble::new(
            file.display(),
            "holds a secret that every user of this machine can read",
            "take read access from others (chmod o= on the file)",
        )
    })
}

fn is_readable(file: &Path, look: Look) -> bool {
    look(file).is_ok_and(|metadata| readable_by_others(&metadata))
}

fn of_key_folder(folder: &Path, look: Look) -> Option<Trouble> {
    let is_writable = look(folder).ok()?.permissions().mode() & 0o002 != 0;
    is_writable.then(|| {
        Trouble::new(
            folder.display(),
            "lets every user of this machine replace the keys",
            "take write access from others (chmod o-w on the folder)",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    /// The clock stands still but for the pauses between two looks.
    #[tokio::test(start_paused = true)]
    async fn what_is_put_right_vanishes_and_what_goes_wrong_appears_while_the_gateway_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mode = |name: &str, mode| set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        for name in ["outbox.key", "token"] {
            write(path(name), "secret").unwrap();
            mode(name, 0o600);
        }
        mode("outbox.key", 0o644);
        let files = Files {
            outbox_key: path("outbox.key"),
            secrets: vec![path("token"), path("gone")],
            key_folder: dir.path().to_owned(),
        };
        let (told, mut seen) = watch::channel(files.troubles(|file| std::fs::metadata(file)).into());
        let subjects = |seen: &mut watch::Receiver<Arc<[Trouble]>>| -> Vec<String> {
            seen.borrow_and_update().iter().map(|one| one.short_subject().to_owned()).collect()
        };
        assert_eq!(subjects(&mut seen), ["outbox.key_file"]);
        let watching = tokio::spawn(super::watch(files, Duration::from_secs(10), told));
        mode("outbox.key", 0o600);
        seen.changed().await.unwrap();
        assert_eq!(subjects(&mut seen), [""; 0]);
        mode("token", 0o604);
        seen.changed().await.unwrap();
        assert_eq!(subjects(&mut seen), ["token"]);
        drop(seen);
        watching.await.unwrap();
    }
}
