//! The system's log: datagrams to `/dev/log`, in the old BSD format that every daemon behind that
//! socket reads (RFC 3164).
//!
//! A message that the log daemon does not take at once is lost and counted: writing a log line
//! must not stop the program.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::clock::{self, LocalTime};

/// Longest message that is sent; the rest is cut off.
const TEXT_MAX: usize = 1024;

/// Part of the system that a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// `LOG_USER`
    User,
    /// `LOG_DAEMON`
    Daemon,
    /// `LOG_LOCAL0` to `LOG_LOCAL7`; higher numbers count as 7.
    Local(u8),
}

impl Facility {
    fn number(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Daemon => 3,
            Self::Local(number) => 16 + number.min(7),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// `LOG_ERR`
    Error,
    /// `LOG_WARNING`
    Warning,
    /// `LOG_NOTICE`
    Notice,
    /// `LOG_INFO`
    Info,
}

impl Severity {
    const fn number(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }
}

/// A way to the system's log.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    ident: Box<str>,
    facility: Facility,
    /// Connected on demand, and again after the log daemon was restarted.
    socket: Option<UnixDatagram>,
    lost: u64,
}

impl Syslog {
    /// A way to the log at `/dev/log`; each message names `ident` and this process.
    pub fn new(ident: &str, facility: Facility) -> Self {
        Self::at(Path::new("/dev/log"), ident, facility)
    }

    fn at(path: &Path, ident: &str, facility: Facility) -> Self {
        Self {
            path: path.to_owned(),
            ident: ident.into(),
            facility,
            socket: None,
            lost: 0,
        }
    }

    /// Writes one message under the facility given at the start.
    pub fn write(&mut self, severity: Severity, text: &str) {
        self.write_as(self.facility, severity, text);
    }

    /// Writes one message under another facility.
    pub fn write_as(&mut self, facility: Facility, severity: Severity, text: &str) {
        let now = LocalTime::new(clock::wall());
        let line = line(facility, severity, &now, &self.ident, text);
        if !self.send(&line) {
            self.lost += 1;
        }
    }

    /// Sends through the open socket, or once more through a new one.
    fn send(&mut self, line: &str) -> bool {
        if let Some(socket) = &self.socket {
            match socket.send(line.as_bytes()) {
                Ok(_) => return true,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Err(_) => self.socket = None,
            }
        }
        let Some(socket) = connect(&self.path) else {
            return false;
        };
        let sent = socket.send(line.as_bytes()).is_ok();
        self.socket = Some(socket);
        sent
    }

    /// Messages that the log daemon did not take.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

fn connect(path: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(path).ok()?;
    Some(socket)
}

/// `<30>Nov  5 07:01:40 ident[pid]: text`
fn line(
    facility: Facility,
    severity: Severity,
    time: &LocalTime,
    ident: &str,
    text: &str,
) -> String {
    let priority = facility.number() * 8 + severity.number();
    format!(
        "<{priority}>{} {:2} {:02}:{:02}:{:02} {ident}[{}]: {}",
        time.month_name(),
        time.day,
        time.hour,
        time.minute,
        time.second,
        std::process::id(),
        cut(text),
    )
}

/// As much of a text as is sent, whole characters only.
fn cut(text: &str) -> &str {
    let mut ends = (0..=TEXT_MAX.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    const TIME: LocalTime = LocalTime {
        year: 2026,
        month: 11,
        day: 5,
        hour: 7,
        minute: 1,
        second: 40,
        weekday: 4,
    };

    #[test]
    fn a_line_is_in_the_bsd_format() {
        let pid = std::process::id();
        let cases = [
            (Facility::Daemon, Severity::Info, "<30>"),
            (Facility::User, Severity::Notice, "<13>"),
            (Facility::Local(0), Severity::Error, "<131>"),
            (Facility::Local(7), Severity::Warning, "<188>"),
        ];
        for (facility, severity, priority) in cases {
            let wanted = format!("{priority}Nov  5 07:01:40 ident[{pid}]: text");
            assert_eq!(line(facility, severity, &TIME, "ident", "text"), wanted);
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = format!("x{}", "é".repeat(TEXT_MAX));
        let line = line(Facility::User, Severity::Info, &TIME, "i", &text);
        assert!(line.ends_with('é'));
        assert_eq!(line.len() - line.find(": ").unwrap() - 2, TEXT_MAX - 1);
    }

    #[test]
    fn messages_reach_a_log_daemon_that_was_restarted() {
        let folder = Folder::new();
        let path = folder.path("log");
        let mut syslog = Syslog::at(&path, "ident", Facility::Daemon);
        syslog.write(Severity::Info, "before the daemon is there");
        assert_eq!(syslog.lost(), 1);
        for text in ["first", "second"] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            syslog.write(Severity::Info, text);
            let mut buffer = [0; 128];
            let len = daemon.recv(&mut buffer).unwrap();
            assert!(buffer[..len].ends_with(text.as_bytes()));
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(syslog.lost(), 1);
    }
}
