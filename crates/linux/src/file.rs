//! Files that a daemon appends to, and folders that it keeps files in.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Access, access};

/// Opens a file to append to, and makes it for its owner alone if it does not exist. Writing never
/// waits for a reader, should it be a pipe.
pub fn append(path: &Path) -> io::Result<File> {
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// Whether this process may make and remove files in a folder.
pub fn may_change(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}
