//! Regular files: opening a pipe without a writer would never return. Whatever is read at a start is read here, so that a
//! volume that hangs stops no start.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::crypto::secret::SecretWriter;

/// How long a file may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Opens `path` to read it, without waiting; [`io::ErrorKind::InvalidInput`] where it is no regular file.
pub(crate) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(not_regular()),
    }
}

/// Whether there is a file at `path`; refusals as [`read`], also where the file is no regular one.
pub(crate) fn stands(path: &Path) -> io::Result<bool> {
    in_time(path, |path| match std::fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(not_regular()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    })
}

/// Whether `path` can be read; refusals as [`read`].
pub(crate) fn check(path: &Path) -> io::Result<()> {
    in_time(path, |path| open(path).map(drop))
}

/// What stands in the folder about `path`, whatever it is; [`io::ErrorKind::TimedOut`] as [`read`].
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    in_time(path, |path| std::fs::metadata(path))
}

/// The content of `path`; refusals as [`open`], and [`io::ErrorKind::TimedOut`] where its file system does not answer.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    in_time(path, |path| {
        let (file, metadata) = open(path)?;
        whole(file, metadata.len())
    })
}

/// As [`read`]; a file of more than `limit` bytes is [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    in_time(path, move |path| read_however_long(path, limit))
}

/// As [`read_bounded`], on this thread, which a file system that does not answer holds.
pub(crate) fn read_however_long(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, metadata) = open(path)?;
    if metadata.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let bytes = whole(file.take(limit + 1), metadata.len())?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// As [`read_bounded`], and of a pipe that a shell hands to a command. A thread that waits for a writer is left behind after the deadline, so
/// that only a process which ends soon calls this.
pub(crate) fn read_or_receive(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // It is not opened to learn what it is: a writer would find its reader gone.
    match metadata(path)?.file_type().is_fifo() {
        true => in_time(path, move |path| bounded(File::open(path)?, limit)),
        false => read_bounded(path, limit),
    }
}

/// All that `reader` gives; [`io::ErrorKind::FileTooLarge`] where that is more than `limit` bytes.
pub(crate) fn bounded(reader: impl io::Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = SecretWriter::default();
    bytes.read_to_end(reader.take(limit + 1))?;
    let bytes = bytes.finish();
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// What `look` finds at `path`, on a thread of its own: one that a volume holds is left behind.
pub(crate) fn in_time<T: Send + 'static>(
    path: &Path,
    look: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, found) = mpsc::channel();
    let path = path.to_owned();
    thread::Builder::new().spawn(move || {
        // Whoever waited may have given up.
        let _ = sender.send(look(&path));
    })?;
    found.recv_timeout(DEADLINE).unwrap_or_else(|ended| {
        Err(match ended {
            RecvTimeoutError::Timeout => {
                let what = format!("nothing has come of it for {} s", DEADLINE.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, what)
            }
            // The thread has panicked.
            RecvTimeoutError::Disconnected => {
                io::Error::other("looking at it failed by a defect of this program")
            }
        })
    })
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file")
}

/// Why a file or a folder cannot be used, for the sentence that names it: ours where it is no regular file, else what the operating
/// system says, in words of a person who looks at that file.
pub(crate) fn reason(error: &io::Error) -> String {
    if let Some(ours) = error.get_ref() {
        return ours.to_string();
    }
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::AlreadyExists => "something of this name is there already".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is no folder".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "its file system is read-only".to_owned(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk, or a quota on it, is full".to_owned()
        }
        // `ErrorKind` has one word for all that are left; the operating system tells them apart.
        _ => error.to_string(),
    }
}

/// All of `file`, which is `len` bytes long, unless it grows meanwhile.
pub(crate) fn whole(file: impl io::Read, len: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Sized once, with a byte more, in which the end shows: growing costs a second copy of a private key.
    let mut bytes = SecretWriter::with_capacity(usize::try_from(len).unwrap_or(0).saturating_add(1));
    bytes.read_to_end(file)?;
    Ok(bytes.finish())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode};

    use super::*;

    #[test]
    fn a_pipe_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for refused in [read(&pipe), read_bounded(&pipe, 10), read(dir.path())] {
            assert_eq!(reason(&refused.unwrap_err()), "this is no regular file");
        }
        assert_eq!(reason(&stands(&pipe).unwrap_err()), "this is no regular file");
        assert!(!stands(&dir.path().join("none")).unwrap());
    }

    #[test]
    fn a_file_is_read_to_its_limit_and_not_beyond() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "0123456789").unwrap();
        let bytes = read_bounded(&file, 10).unwrap();
        assert_eq!((bytes.as_slice(), bytes.capacity()), (&b"0123456789"[..], 11), "it is sized once");
        assert_eq!(read_bounded(&file, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(reason(&read(&file.join("within")).unwrap_err()), "a part of its path is no folder");
        assert_eq!(reason(&read(&dir.path().join("none")).unwrap_err()), "no such file or folder");
    }

    /// Some file systems say that a file is empty and give its content all the same.
    #[test]
    fn a_file_that_holds_more_than_it_says_is_read_to_its_end() {
        let text = [7; 100_000];
        assert_eq!(whole(text.as_slice(), 0).unwrap().as_slice(), text);
        assert!(!read_bounded(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
    }

    #[test]
    fn a_look_that_panics_is_no_file_system_that_does_not_answer() {
        let failed = in_time(Path::new("file"), |_| -> io::Result<()> { panic!("a defect") }).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::Other);
        assert_eq!(reason(&failed), "looking at it failed by a defect of this program");
    }

    #[test]
    fn what_never_ends_is_read_to_the_limit_and_refused() {
        assert_eq!(bounded(io::repeat(7), 100_000).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(bounded(io::repeat(7).take(100_000), 100_000).unwrap().len(), 100_000);
    }
}
