//! The files that hold secrets and are kept from others. Those that are not are in the list of [`troubles`].

use super::Finding;
use crate::gateway::troubles::{self, files};
use crate::regular;
use crate::settings::Config;

/// A file that is missing is reported by the check that needs it.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let secrets = troubles::secret_files(config).into_iter();
    let kept = secrets.filter(|file| {
        regular::metadata(file).is_ok() && files::of_secret(file, regular::metadata).is_none()
    });
    kept.map(|file| Finding::ok(file.display(), "holds a secret, kept from others")).collect()
}
