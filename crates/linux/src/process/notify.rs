//! Telling the service manager how we are (`sd_notify(3)`).
//!
//! A datagram of assignments to the socket named by `NOTIFY_SOCKET`. Whoever is not started by a
//! service manager has no such variable and notifies nobody.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use crate::error::{Context, Errno, Result, SystemError};

/// A connection to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The service manager that the environment names, if any.
    pub fn from_environment() -> Result<Option<Self>> {
        match env::var_os("NOTIFY_SOCKET") {
            None => Ok(None),
            Some(name) => {
                let limit = env::var("WATCHDOG_USEC").ok();
                let pid = env::var("WATCHDOG_PID").ok();
                let watchdog = watchdog(limit.as_deref(), pid.as_deref());
                Self::new(&name, watchdog).map(Some)
            }
        }
    }

    fn new(name: &OsStr, watchdog: Option<Duration>) -> Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(name),
            _ => {
                let error = SystemError::new("use as notify socket", Errno::AFNOSUPPORT);
                return Err(error.on(Path::new(name).display()));
            }
        };
        Ok(Self {
            socket: UnixDatagram::unbound().during("open notify socket")?,
            address: address.during("use as notify socket")?,
            watchdog,
        })
    }

    /// Initialisation is finished (`READY=1`); `pid` is the process to watch from now on. What is
    /// said after that does not wait for a service manager that does not listen.
    pub fn ready(&self, pid: u32) -> Result<()> {
        self.send(&format!("READY=1\nMAINPID={pid}"))?;
        self.socket
            .set_nonblocking(true)
            .during("make notify socket non-blocking")
    }

    /// The end has begun (`STOPPING=1`).
    pub fn stopping(&self) -> Result<()> {
        self.send("STOPPING=1")
    }

    /// Still alive (`WATCHDOG=1`).
    pub fn alive(&self) -> Result<()> {
        self.send("WATCHDOG=1")
    }

    /// One line of status for people (`STATUS=`).
    pub fn status(&self, text: &str) -> Result<()> {
        self.send(&format!("STATUS={text}"))
    }

    fn send(&self, assignments: &str) -> Result<()> {
        self.socket
            .send_to_addr(assignments.as_bytes(), &self.address)
            .map(drop)
            .during("notify the service manager")
    }

    /// How long the service manager waits for [`Self::alive`]; aim at half of it.
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}

/// The watchdog's limit, if it is meant for this process or for whoever feels addressed.
fn watchdog(limit: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let limit = limit?.parse().ok()?;
    match pid {
        Some(pid) if pid.parse() != Ok(std::process::id()) => None,
        _ if limit == 0 => None,
        _ => Some(Duration::from_micros(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[track_caller]
    fn check(receiver: &UnixDatagram, notify: impl FnOnce() -> Result<()>, wanted: &str) {
        notify().unwrap();
        let mut buffer = [0; 64];
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(std::str::from_utf8(&buffer[..len]).unwrap(), wanted);
    }

    #[test]
    fn the_manager_reads_what_is_said() {
        let folder = Folder::new();
        let path = folder.path("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(path.as_os_str(), None).unwrap();
        check(&manager, || notifier.ready(7), "READY=1\nMAINPID=7");
        check(&manager, || notifier.alive(), "WATCHDOG=1");
        check(&manager, || notifier.status("primary"), "STATUS=primary");
        check(&manager, || notifier.stopping(), "STOPPING=1");
    }

    #[test]
    fn an_abstract_name_starts_with_an_at_sign() {
        let name = format!("linux-test-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::new(OsStr::new(&format!("@{name}")), None).unwrap();
        check(&manager, || notifier.stopping(), "STOPPING=1");
        let error = Notifier::new(OsStr::new("vsock:2:1234"), None).unwrap_err();
        assert_eq!(error.errno, Errno::AFNOSUPPORT);
    }

    /// A hung service manager made the daemon hang.
    #[test]
    fn nobody_waits_for_a_manager_that_does_not_listen() {
        let folder = Folder::new();
        let path = folder.path("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(path.as_os_str(), None).unwrap();
        check(&manager, || notifier.ready(7), "READY=1\nMAINPID=7");
        let refused = (0..100_000).find_map(|_| notifier.alive().err());
        assert_eq!(refused.map(|error| error.errno), Some(Errno::AGAIN));
    }

    #[test]
    fn the_watchdog_is_meant_for_one_process() {
        let ours = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        let cases = [
            (Some("1000000"), None, second),
            (Some("1000000"), Some(ours.as_str()), second),
            (Some("1000000"), Some("0"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, None, None),
        ];
        for (limit, pid, wanted) in cases {
            assert_eq!(watchdog(limit, pid), wanted, "{limit:?} {pid:?}");
        }
    }
}
