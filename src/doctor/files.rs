//! Who may read the files that hold secrets, and who may replace the keys. Private keys are checked where they are loaded.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Finding;
use crate::config::Trouble;
use crate::gateway::{listeners, troubles};
use crate::keys::source::file::readable_by_others;
use crate::regular;
use crate::settings::Config;

/// Secret files, password files, TLS keys, the key of the outbox and the folder of keys. A file that is missing is reported by the check that needs it.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let passwords = config.keys.own.iter().flat_map(|own| own.source.secret_files());
    let tls_keys = listeners::ALL.iter().filter_map(|listener| Some((listener.tls)(config)?.key.as_path()));
    let secrets = config.secret_files.iter().map(|path| path.as_path());
    let mut findings: Vec<Finding> =
        secrets.chain(passwords).chain(tls_keys).filter_map(secret_file).collect();
    findings.extend(
        troubles::of_key_file(&config.outbox.key_file)
            .map(|Trouble { subject, what, advice, .. }| Finding::warn(subject, what, advice)),
    );
    findings.extend(folder(&config.keys.dir));
    findings
}

fn secret_file(path: &Path) -> Option<Finding> {
    let finding = if readable_by_others(&metadata(path)?) {
        Finding::warn(
            path.display(),
            "holds a secret that every user of this machine can read",
            "take read access from others (chmod o= on the file)",
        )
    } else {
        Finding::ok(path.display(), "holds a secret, kept from others")
    };
    Some(finding)
}

fn folder(path: &Path) -> Option<Finding> {
    let writable = metadata(path)?.permissions().mode() & 0o002 != 0;
    writable.then(|| {
        Finding::warn(
            path.display(),
            "lets every user of this machine replace the keys",
            "take write access from others (chmod o-w on the folder)",
        )
    })
}

fn metadata(path: &Path) -> Option<Metadata> {
    regular::metadata(path).ok()
}
