//! The control socket: a stream socket in the file system.
//!
//! Its file has mode 0600 from its first moment on. A stale file of a dead daemon is replaced; a
//! file that is no socket, or one behind which somebody listens, is left alone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen};
use rustix::net::{socket_with, sockopt};

use crate::error::{Context, Errno, Result, SystemError};

/// Connections that may wait to be accepted, as in the stock daemon.
const BACKLOG: i32 = 100;

/// Who is at the other end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A listening socket. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of our file, to leave alone what somebody put in its place.
    file: (u64, u64),
}

impl Listener {
    /// Binds to a path and listens; accepting does not block.
    pub fn bind(path: &Path) -> Result<Self> {
        Self::bind_at(path).map_err(|error| error.on(path.display()))
    }

    fn bind_at(path: &Path) -> Result<Self> {
        remove_stale(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .during("open control socket")?;
        // Binding gives the file the mode of the socket, so it is never open to others.
        fchmod(&socket, Mode::RUSR | Mode::WUSR).during("protect control socket")?;
        let address = SocketAddrUnix::new(path).during("use as path of control socket")?;
        bind(&socket, &address).during("bind control socket to")?;
        listen(&socket, BACKLOG).during("listen on control socket")?;
        Ok(Self {
            socket: UnixListener::from(socket),
            path: path.to_owned(),
            file: file_id(path).during("look at control socket")?,
        })
    }

    /// The next connection, non-blocking; `None` when nobody waits.
    pub fn accept(&self) -> Result<Option<UnixStream>> {
        match self.socket.accept() {
            Ok((stream, _)) => {
                stream
                    .set_nonblocking(true)
                    .during("make connection non-blocking")?;
                Ok(Some(stream))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                // The client gave up before we came.
                io::ErrorKind::ConnectionAborted => Ok(None),
                _ => Err(error).during("accept connection on control socket"),
            },
        }
    }

    /// The path it is bound to.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if file_id(&self.path).is_ok_and(|file| file == self.file) {
            // Nothing can be done about a failure, and the next start copes with the file.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Removes the socket file of a daemon that is gone.
fn remove_stale(path: &Path) -> Result<()> {
    let file = match std::fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).during("look at control socket"),
    };
    if !file.file_type().is_socket() {
        return Err(SystemError::new(
            "replace by a control socket",
            Errno::EXIST,
        ));
    }
    if is_live(path) {
        return Err(SystemError::new("bind control socket to", Errno::ADDRINUSE));
    }
    std::fs::remove_file(path).during("remove stale control socket")
}

/// Whether somebody listens on a socket file. Does not wait, even for one who never accepts.
pub fn is_live(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let attempt = SocketAddrUnix::new(path).and_then(|address| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &address)
    });
    // Any other failure (no permission, another type, a full backlog) means that it is in use.
    !matches!(attempt, Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// Connects to a control socket. Reading and writing block.
pub fn connect(path: &Path) -> Result<UnixStream> {
    let address = SocketAddr::from_pathname(path).during("use as path of control socket");
    address
        .and_then(|address| UnixStream::connect_addr(&address).during("connect to"))
        .map_err(|error| error.on(path.display()))
}

/// Who is at the other end of a connection (`SO_PEERCRED`).
pub fn credentials(stream: &UnixStream) -> Result<Credentials> {
    let peer = sockopt::socket_peercred(stream).during("read credentials of client")?;
    Ok(Credentials {
        pid: peer.pid.as_raw_nonzero().get(),
        uid: peer.uid.as_raw(),
        gid: peer.gid.as_raw(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_client_talks_to_the_listener() {
        let folder = Folder::new();
        let path = folder.path("control");
        let listener = Listener::bind(&path).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let mut client = connect(&path).unwrap();
        let mut server = listener.accept().unwrap().unwrap();
        let mut bytes = [0; 4];
        let error = server.read(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        client.write_all(b"ping").unwrap();
        server.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"ping");
        let peer = credentials(&server).unwrap();
        assert_eq!(u32::try_from(peer.pid), Ok(std::process::id()));
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    }

    #[test]
    fn only_the_owner_may_connect() {
        let folder = Folder::new();
        let path = folder.path("control");
        let _listener = Listener::bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_file_goes_with_the_listener_unless_it_was_replaced() {
        let folder = Folder::new();
        let path = folder.path("control");
        drop(Listener::bind(&path).unwrap());
        assert!(!path.exists());
        let listener = Listener::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        drop(listener);
        assert!(path.exists());
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_live_one_is_not() {
        let folder = Folder::new();
        let path = folder.path("control");
        // The standard library leaves the file behind, as a killed daemon does.
        drop(UnixListener::bind(&path).unwrap());
        assert!(!is_live(&path));
        let first = Listener::bind(&path).unwrap();
        assert!(is_live(&path));
        let second = Listener::bind(&path).unwrap_err();
        assert_eq!(second.errno, Errno::ADDRINUSE);
        assert!(path.exists());
        drop(first);
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = Folder::new();
        let path = folder.path("file");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Listener::bind(&path).unwrap_err().errno, Errno::EXIST);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = folder.path("no/such/folder");
        let error = Listener::bind(&nowhere).unwrap_err();
        assert_eq!(error.errno, Errno::NOENT);
        assert!(error.to_string().contains("no/such/folder"), "{error}");
        assert!(connect(&nowhere).is_err());
        assert!(!is_live(&nowhere));
    }
}
