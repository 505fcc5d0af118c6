//! Whether what comes is taken: one answer for event posts, readiness, the page and the metrics.

use std::fmt;

use crate::error::{Code, Error};
use crate::words::words;

words! {
    /// A file without which nothing may be acknowledged.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Piece {
        /// `outbox.path`
        Database = "database",
        /// Its write-ahead log.
        Log = "log",
        /// `outbox.key_file`
        Key = "key",
        /// The lock beside the database.
        Lock = "lock",
    }
}

/// What [`Gone::what`] says of a file that is not at its place any more.
pub(crate) const REMOVED: &str = "was removed";

/// What to do where the kernel permits no write: permissions, or Landlock, which knows a folder made anew by no rule.
pub(crate) const DENIED: &str = "Let the gateway's user write in the folder of outbox.path. Where that folder was removed, moved or made again, start the gateway again: the kernel lets it write only in the folder that was there at its start. What was accepted is kept.";

/// What to do where acknowledged commits are missing.
const ADVICE_ON_LOSS: &str = "Let outbox.url_file lead to the server that has them, if there still is one: the gateway goes on by itself. If not, have the mediator post again what it posted shortly before, and run `mosip-gateway outbox resume --accept-loss` at each gateway that says so.";

/// A file that was removed or replaced under the running gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Which file.
    pub piece: Piece,
    /// `was removed`, `was replaced`, …
    pub what: &'static str,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.piece {
            Piece::Database => "the database of outbox.path",
            Piece::Log => "the log of the database (-wal)",
            Piece::Key => "outbox.key_file",
            Piece::Lock => "the lock of the database (.lock)",
        };
        write!(f, "{name} {}", self.what)
    }
}

/// Why nothing is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The last write, or the last trial write, did not reach the disk. The gateway tries again by itself.
    Unwritable {
        /// What the disk or SQLite says.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// Files are not what the gateway opened. A person decides.
    Gone(Vec<Gone>),
    /// The database lacks commits that it has acknowledged. A person decides.
    Lost {
        /// How many of this gateway's.
        commits: u64,
    },
}

impl Trouble {
    /// A full disk.
    pub(crate) fn full() -> Self {
        Self::Unwritable {
            what: "the disk of the outbox is full".to_owned(),
            advice: "Free space on the volume of outbox.path. The gateway goes on by itself; what was accepted is kept.",
        }
    }

    /// Anything else that keeps writes from the disk.
    pub(crate) fn unwritable(what: impl Into<String>) -> Self {
        Self::Unwritable {
            what: what.into(),
            advice: "Repair the volume of outbox.path, or mount it so that it takes writes. The gateway goes on by itself; what was accepted is kept.",
        }
    }

    /// The kernel permits no write beside the database.
    pub(crate) fn denied(what: impl Into<String>) -> Self {
        Self::Unwritable { what: what.into(), advice: DENIED }
    }

    /// What is wrong.
    pub fn detail(&self) -> String {
        match self {
            Self::Unwritable { what, .. } => what.clone(),
            Self::Lost { commits } => format!(
                "the database lacks the last commits of this gateway that it acknowledged ({commits}): a standby was promoted without them, or a backup was put back"
            ),
            Self::Gone(gone) => gone.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unwritable { advice, .. } => advice,
            Self::Gone(gone) => advice_on(gone),
            Self::Lost { .. } => ADVICE_ON_LOSS,
        }
    }

    /// The files that are gone.
    pub fn gone(&self) -> &[Gone] {
        match self {
            Self::Unwritable { .. } | Self::Lost { .. } => &[],
            Self::Gone(gone) => gone,
        }
    }
}

/// What brings back what is gone: the hardest piece decides.
fn advice_on(gone: &[Gone]) -> &'static str {
    let is_made_anew = |gone: &Gone| match gone.piece {
        Piece::Database | Piece::Key => false,
        Piece::Log => gone.what == REMOVED,
        Piece::Lock => true,
    };
    if gone.iter().all(is_made_anew) {
        "Run `mosip-gateway outbox resume`, which makes it anew; nothing is lost."
    } else if gone.iter().all(|gone| gone.piece == Piece::Key || is_made_anew(gone)) {
        "Put the key in use back into outbox.key_file, and run `mosip-gateway outbox resume`. To use another key, write its line above the old one and run `mosip-gateway outbox rekey`."
    } else {
        "Move the very file back, and run `mosip-gateway outbox resume`. A copy counts after a new start only. Where there is no file to move: stop the process with `kill -STOP`, copy what was removed from /proc/<pid>/fd to its place, end the process with `kill -KILL`, and start the gateway."
    }
}

impl From<&Trouble> for Error {
    fn from(trouble: &Trouble) -> Self {
        Self::new(Code::Storage, format!("the outbox takes nothing: {}", trouble.detail()))
            .advise(trouble.advice())
    }
}
