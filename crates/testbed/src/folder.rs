//! A private folder for the files of one daemon: configuration, lock, control socket, log.
//!
//! In `/run`, which only root can write: daemons with root's rights read their configuration and
//! run scripts from there. The name follows that of namespaces, and leftovers of dead owners are
//! swept with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::namespace::{PREFIX, PREFIX_KEPT};
use crate::{Error, Result};

/// Where the folders are made.
pub(crate) const PARENT: &str = "/run";

/// A folder that goes away, with its files, when dropped; unless it is kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    /// Makes a folder. The label is for humans; `kept` folders stay until
    /// [`remove_kept`](crate::remove_kept).
    pub fn new(label: &str, kept: bool) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = if kept { PREFIX_KEPT } else { PREFIX };
        let name = format!("{prefix}{}-{count}-{label}", std::process::id());
        let path = Path::new(PARENT).join(name);
        fs::create_dir(&path).map_err(Error::io(format!("making {}", path.display())))?;
        Ok(Self { path, kept })
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What is left is swept by a later run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
