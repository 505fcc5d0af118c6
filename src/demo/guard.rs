//! What a demo started ends with it, also where it is killed and cleans nothing up.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits until nobody holds the other end of its standard input any more. Then it kills the processes whose numbers stand in `*.pid` of the folder
/// `$1`, runs the words behind that, and removes the folder.
const SCRIPT: &str = r#"read -r _
folder=$1
shift
for file in "$folder"/*.pid; do
    [ ! -e "$file" ] || kill -9 "$(cat "$file")"
done
[ $# -eq 0 ] || "$@"
rm -rf -- "$folder""#;

/// A process that cleans up once this is dropped, or the process that has it is gone. `None` where there is no shell, as in a container, which
/// ends with its first process.
pub(super) struct Guard(Option<Child>);

impl Guard {
    /// Over `folder`; `end` are the words of a command.
    pub(super) fn over(folder: &Path, end: Vec<OsString>) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(folder).args(end).current_dir("/");
        // What a terminal sends to stop the demo does not stop what cleans up after it.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().ok())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(shell) = &mut self.0 {
            drop(shell.stdin.take());
            // Whatever it could not do is left behind.
            let _ = shell.wait();
        }
    }
}
