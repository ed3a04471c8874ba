//! The client's end of the control socket: one request, and its reply copied out.
//!
//! It blocks: there is nothing else to do. Works with the stock daemon too.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use linux::SystemError;

use super::protocol::Request;

/// Why a request could not be made.
#[derive(Debug)]
pub enum ClientError {
    /// The configuration names no socket.
    NoPath,
    /// The request has no number.
    NoCode,
    /// Nobody listens, or not for us.
    Connect(SystemError),
    /// The daemon did not take the request.
    Send(io::Error),
    /// The reply could not be written out.
    Output(io::Error),
}

impl fmt::Display for ClientError {
    /// Stock's one text for everything that happens before the reply, and then the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) | Self::Send(_) | Self::NoPath | Self::NoCode => {
                f.write_str("can't connect: is conntrackd running? appropriate permissions?")
            }
            Self::Output(error) => write!(f, "cannot write the reply: {error}"),
        }
    }
}

impl ClientError {
    /// What is behind the text, if there is more to say.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::NoPath => Some("the configuration names no `UNIX { Path }`".to_owned()),
            Self::NoCode => Some("no request of the control socket does this".to_owned()),
            Self::Connect(error) => Some(error.to_string()),
            Self::Send(error) => Some(error.to_string()),
            Self::Output(_) => None,
        }
    }
}

/// Sends a request and copies the reply to `out` until the daemon closes the connection.
///
/// A reply that breaks off is not an error, as in stock: exit statuses say only whether the daemon
/// was reached.
pub fn request(
    path: Option<&Path>,
    request: Request,
    out: &mut impl Write,
) -> Result<(), ClientError> {
    let path = path.ok_or(ClientError::NoPath)?;
    let code = request.encode().ok_or(ClientError::NoCode)?;
    let mut stream = linux::unix::connect(path).map_err(ClientError::Connect)?;
    stream.write_all(&code).map_err(ClientError::Send)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let len = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let piece = buffer.get(..len).unwrap_or_default();
        out.write_all(piece).map_err(ClientError::Output)?;
    }
    out.flush().map_err(ClientError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn serve(reply: &'static [u8]) -> (std::path::PathBuf, std::thread::JoinHandle<[u8; 4]>) {
        let file = format!("conntrackd-client-{}-{}", std::process::id(), reply.len());
        let path = std::env::temp_dir().join(file);
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(reply).unwrap();
            request
        });
        (path, server)
    }

    #[test]
    fn the_reply_is_copied_whole() {
        let (path, server) = serve(b"cache internal:\0\n");
        let mut out = Vec::new();
        request(Some(&path), Request::Kill, &mut out).unwrap();
        assert_eq!(out, b"cache internal:\0\n");
        assert_eq!(server.join().unwrap(), 20_i32.to_ne_bytes());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_missing_daemon_is_reported_in_the_words_of_stock() {
        let nowhere = Path::new("/nonexistent/conntrackd.ctl");
        for path in [Some(nowhere), None] {
            let error = request(path, Request::Kill, &mut Vec::new()).unwrap_err();
            let text = "can't connect: is conntrackd running? appropriate permissions?";
            assert_eq!(error.to_string(), text);
            assert!(error.reason().is_some());
        }
    }
}
