//! The lock file: at most one daemon per configuration.
//!
//! The file's existence is the sign that the stock daemon looks for, an advisory lock (`flock`)
//! is the truth: it ends with its process, however that dies. A file that nobody has locked is
//! therefore taken over. It holds the process id, for people.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Context, Errno, Result, SystemError};

/// Times that the file may vanish between opening and locking it before we give up.
const ATTEMPTS_MAX: usize = 10;

/// Longest content that is read: a number and a line end.
const CONTENT_MAX: u64 = 32;

/// Why the lock was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Another process holds it; its id, if the file says so.
    Held(Option<u32>),
    /// The file cannot be created, opened or locked.
    System(SystemError),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Some(pid)) => write!(f, "held by process {pid}"),
            Self::Held(None) => f.write_str("held by another process"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}

impl From<SystemError> for LockError {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

/// What was there before the lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// No file.
    Nothing,
    /// The file of a daemon of ours that ended without removing it.
    Dead(u32),
    /// A file without a process id: one that a stock daemon left behind, or that a running stock
    /// daemon relies on. It takes no lock, so its control socket has to tell.
    Unknown,
}

/// A lock held by this process and its children. The file is removed when it is dropped.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
    previous: Previous,
    /// Whether the file goes with the lock.
    is_ours: bool,
}

impl LockFile {
    /// Creates or takes over the file and writes our process id into it.
    pub fn acquire(path: &Path) -> std::result::Result<Self, LockError> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut file, existed) = open(path).map_err(|error| error.on(path.display()))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::AGAIN) => return Err(LockError::Held(read_pid(&mut file))),
                Err(errno) => {
                    return Err(SystemError::new("lock", errno).on(path.display()).into());
                }
            }
            // Its owner may have removed the file after we opened it: then we hold nothing.
            if !is_at(&file, path) {
                continue;
            }
            let previous = match (existed, read_pid(&mut file)) {
                (false, _) => Previous::Nothing,
                (true, Some(pid)) => Previous::Dead(pid),
                (true, None) => Previous::Unknown,
            };
            let mut lock = Self {
                file,
                path: path.to_owned(),
                previous,
                is_ours: true,
            };
            return match lock.write_pid() {
                // The lock holds on a full disk, too; only people miss the number.
                Err(error) if !matches!(error.errno, Errno::NOSPC | Errno::DQUOT) => {
                    Err(error.into())
                }
                Ok(()) | Err(_) => Ok(lock),
            };
        }
        Err(SystemError::new("lock", Errno::AGAIN)
            .on(path.display())
            .into())
    }

    /// Writes this process' id into the file.
    fn write_pid(&mut self) -> Result<()> {
        let content = format!("{}\n", std::process::id());
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(content.as_bytes()))
            .during("write process id to")
            .map_err(|error| error.on(self.path.display()))
    }

    /// Gives the lock up and leaves the file empty: as it was found when its owner is
    /// [`Previous::Unknown`], and turns out to be alive.
    pub fn give_back(mut self) -> Result<()> {
        self.is_ours = false;
        let emptied = self.file.set_len(0).during("empty lock file");
        emptied.map_err(|error| error.on(self.path.display()))
    }

    /// What was there before.
    pub const fn previous(&self) -> Previous {
        self.previous
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Still locked, so nobody else has taken it over in between.
        if self.is_ours && is_at(&self.file, &self.path) {
            // A file that stays behind is taken over by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens or creates the file; whether it existed.
fn open(path: &Path) -> Result<(File, bool)> {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW);
    match options.clone().create_new(true).open(path) {
        Ok(file) => return Ok((file, false)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).during("create lock file"),
    }
    // `create`: it may have been removed since.
    let file = options
        .create(true)
        .truncate(false)
        .open(path)
        .during("open lock file")?;
    Ok((file, true))
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::symlink_metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut content = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(CONTENT_MAX).read_to_string(&mut content).ok()?;
    content.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_lock_excludes_a_second_one_and_names_its_owner() {
        let folder = Folder::new();
        let path = folder.path("lock");
        let lock = LockFile::acquire(&path).unwrap();
        assert_eq!(lock.previous(), Previous::Nothing);
        let second = LockFile::acquire(&path).unwrap_err();
        assert_eq!(second, LockError::Held(Some(std::process::id())));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lock);
        assert!(!path.exists());
        LockFile::acquire(&path).unwrap();
    }

    #[track_caller]
    fn check_take_over(content: &str, previous: Previous) {
        let folder = Folder::new();
        let path = folder.path("lock");
        std::fs::write(&path, content).unwrap();
        let lock = LockFile::acquire(&path).unwrap();
        assert_eq!(lock.previous(), previous);
        let pid = format!("{}\n", std::process::id());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), pid);
    }

    #[test]
    fn a_file_that_nobody_holds_is_taken_over() {
        check_take_over("4242\n", Previous::Dead(4242));
        check_take_over("", Previous::Unknown);
        check_take_over("what is this, and why is it so long?\n", Previous::Unknown);
    }

    #[test]
    fn a_lock_given_back_looks_as_before() {
        let folder = Folder::new();
        let path = folder.path("lock");
        std::fs::write(&path, "").unwrap();
        LockFile::acquire(&path).unwrap().give_back().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        LockFile::acquire(&path).unwrap();
    }

    #[test]
    fn what_stands_at_the_path_later_is_left_alone() {
        let folder = Folder::new();
        let path = folder.path("lock");
        let lock = LockFile::acquire(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another").unwrap();
        drop(lock);
        assert!(path.exists());
    }

    #[test]
    fn a_lock_is_not_followed_to_another_file() {
        let folder = Folder::new();
        let target = folder.path("precious");
        std::fs::write(&target, "data").unwrap();
        let path = folder.path("lock");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(
            LockFile::acquire(&path),
            Err(LockError::System(_))
        ));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "data");
    }

    #[test]
    fn a_missing_folder_is_a_system_error() {
        let folder = Folder::new();
        let error = LockFile::acquire(&folder.path("no/lock")).unwrap_err();
        assert!(matches!(error, LockError::System(error) if error.errno == Errno::NOENT));
    }
}
