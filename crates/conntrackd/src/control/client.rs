//! The client's end of the control socket: one request, and its reply copied out.
//!
//! It blocks: there is nothing else to do. Works with the stock daemon too.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use linux::SystemError;

use super::protocol::{DONE, END, REQUEST_LEN, Request, TELL};

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
    /// The daemon says why it has not done it; nothing, if it does not say how it has ended.
    NotDone(String),
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
            Self::NotDone(reason) if reason.is_empty() => f.write_str(
                "the daemon does not say what has become of the request: it has ended, or cannot",
            ),
            Self::NotDone(reason) => write!(f, "the request was not done: {reason}"),
            Self::Output(error) => {
                let reason = SystemError::from_io("write", error).reason();
                write!(f, "cannot write the reply: {reason}")
            }
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
            Self::Output(_) | Self::NotDone(_) => None,
        }
    }
}

/// Sends a request and copies the reply to `out` until the daemon closes the connection.
///
/// A reply that breaks off is not an error, as in stock: exit statuses say only whether the daemon
/// was reached. See [`request_strictly`] for more.
pub fn request(
    path: Option<&Path>,
    request: Request,
    out: &mut impl Write,
) -> Result<(), ClientError> {
    let code = request.encode().ok_or(ClientError::NoCode)?;
    exchange(path, code, out).map(drop)
}

/// Like [`request`], and an error if the daemon does not say that it has done what was asked.
pub fn request_strictly(
    path: Option<&Path>,
    request: Request,
    out: &mut impl Write,
) -> Result<(), ClientError> {
    let code = request.encode().ok_or(ClientError::NoCode)?;
    let code = i32::from_ne_bytes(code) + TELL;
    let mut splitter = Splitter { out, end: None };
    exchange(path, code.to_ne_bytes(), &mut splitter)?;
    match splitter.end.as_deref() {
        Some(end) if end == DONE.as_bytes() => Ok(()),
        end => {
            let reason = String::from_utf8_lossy(end.unwrap_or_default());
            Err(ClientError::NotDone(reason.into_owned()))
        }
    }
}

/// Passes a reply on, up to the byte behind which stands how it has ended.
struct Splitter<'a, W> {
    out: &'a mut W,
    end: Option<Vec<u8>>,
}

/// Longest reason that is kept.
const REASON_MAX: usize = 1024;

impl<W: Write> Write for Splitter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = &mut self.end {
            let room = REASON_MAX.saturating_sub(end.len()).min(bytes.len());
            end.extend_from_slice(bytes.get(..room).unwrap_or_default());
            return Ok(bytes.len());
        }
        match bytes.iter().position(|byte| *byte == END) {
            None => self.out.write(bytes),
            Some(at) => {
                self.out.write_all(bytes.get(..at).unwrap_or_default())?;
                self.end = Some(Vec::new());
                Ok(at + 1)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn exchange(
    path: Option<&Path>,
    code: [u8; REQUEST_LEN],
    out: &mut impl Write,
) -> Result<(), ClientError> {
    let path = path.ok_or(ClientError::NoPath)?;
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
    fn who_asks_how_it_has_ended_is_told() {
        for (reply, shown, wanted) in [
            (&b"some text\n\0ok"[..], "some text\n", Ok(())),
            (b"\0ok", "", Ok(())),
            (b"\0a commit is in progress", "", Err("not done: a commit")),
            (b"half of a list", "half of a list", Err("does not say")),
            (b"", "", Err("does not say")),
        ] {
            let (path, server) = serve(reply);
            let mut out = Vec::new();
            let found = request_strictly(Some(&path), Request::Kill, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), shown);
            assert_eq!(found.is_ok(), wanted.is_ok());
            if let (Err(found), Err(wanted)) = (found, wanted) {
                assert!(found.to_string().contains(wanted), "{found}");
            }
            assert_eq!(server.join().unwrap(), (20 + TELL).to_ne_bytes());
            std::fs::remove_file(path).unwrap();
        }
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
