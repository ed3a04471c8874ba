//! Files that a daemon appends to, folders that it keeps files in, and standard streams that it
//! does not wait for.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

/// A stream that takes what it has room for now: writing to it fails with `WouldBlock` while nobody
/// reads, where a stopped terminal or a hung journal would stop the whole daemon. The stream itself
/// stays as it is, since others have it, too. What is written at a time is to be short: a line.
#[derive(Debug)]
pub struct WhenReady<F>(pub F);

impl<F: AsFd + Write> Write for WhenReady<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !is_writable(&self.0)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a descriptor has room, or an error to tell.
fn is_writable(stream: &impl AsFd) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(stream, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(poll(&mut descriptors, Some(&now))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_stream_that_nobody_reads_is_not_waited_for() {
        let (stream, mut reader) = UnixStream::pair().unwrap();
        let mut stream = WhenReady(stream);
        let line = [b'x'; 100];
        let refused = (0..1_000_000).find_map(|_| stream.write_all(&line).err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
        let mut read = vec![0; 1024 * 1024];
        assert!(reader.read(&mut read).unwrap() > line.len());
        stream.write_all(&line).unwrap();
        drop(reader);
        let error = stream.write_all(&line).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
