//! Where messages go: terminal, log file, system log.
//!
//! ```text
//! [Sat Nov 21 06:17:18 2026] (pid=4711) [notice] committing all external caches
//! Sat Nov 21 06:17:18 2026<TAB>tcp      6 ESTABLISHED src=…     (a flow that a message is about)
//! ```
//!
//! The terminal is used until [`Log::leave_terminal`]; errors and warnings go to its second
//! stream. The system log gets the text alone. Losing a line never stops the daemon: a sink that
//! fails is skipped, and what a peer can cause again and again goes through [`Log::limited`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctsync::Instant;
use linux::clock::{self, LocalTime};
use linux::syslog::{Severity, Syslog};

use crate::config::Facility;

/// The name that the system log shows.
const IDENT: &str = "conntrack-tools";
/// Messages of one kind in one [`LIMIT_PERIOD`]; further ones are counted.
const LIMIT_BURST: u32 = 10;
/// How long messages of one kind are counted together.
const LIMIT_PERIOD: Duration = Duration::from_secs(10);

/// How bad a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Detail.
    Info,
    /// Normal, but worth knowing.
    Notice,
    /// Something should be looked at.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "ERROR",
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Notice => Severity::Notice,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }
}

/// The log file could not be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.error.raw_os_error() {
            Some(errno) => linux::error::reason(linux::Errno::from_raw_os_error(errno)),
            None => self.error.to_string(),
        };
        let path = self.path.display();
        write!(f, "can't open logfile `{path}'.Reason: {reason}")
    }
}

impl std::error::Error for OpenError {}

/// The two streams of a terminal.
pub struct Terminal {
    /// For notices.
    pub out: Box<dyn Write>,
    /// For warnings and errors.
    pub err: Box<dyn Write>,
}

/// All places that messages go to.
pub struct Log {
    terminal: Option<Terminal>,
    /// The terminal gets warnings and errors only.
    hushed: bool,
    /// Lines for which the terminal had no room, since it last took one.
    unshown: u64,
    file: Option<(PathBuf, File)>,
    syslog: Option<Syslog>,
    kinds: BTreeMap<&'static str, Kind>,
    /// Seconds since 1970.
    wall: fn() -> Duration,
}

/// What was said of one kind of message.
#[derive(Clone, Copy, Debug)]
struct Kind {
    since: Instant,
    count: u32,
    level: Level,
}

impl Log {
    /// A log on the terminal alone, for the time before the configuration is known.
    pub fn new(terminal: Terminal) -> Self {
        Self {
            terminal: Some(terminal),
            hushed: false,
            unshown: 0,
            file: None,
            syslog: None,
            kinds: BTreeMap::new(),
            wall: clock::wall,
        }
    }

    /// Opens the log file and the way to the system log, where they are configured.
    pub fn open(
        &mut self,
        file: Option<&Path>,
        facility: Option<Facility>,
    ) -> Result<(), OpenError> {
        self.file = match file {
            Some(path) => Some((path.to_owned(), open(path)?)),
            None => None,
        };
        self.syslog = facility.map(syslog);
        Ok(())
    }

    /// Opens the log file again under its name, after it was rotated (SIGHUP). The old one stays
    /// in use if that fails.
    pub fn reopen(&mut self) {
        let Some((path, file)) = &mut self.file else {
            return;
        };
        match open(path) {
            Ok(opened) => *file = opened,
            Err(error) => self.write(Level::Error, &error),
        }
    }

    /// Writes to this terminal from now on. Lines that it has no room for are counted, and the
    /// number is shown before the next one that it takes.
    pub fn show_on(&mut self, terminal: Terminal) {
        self.terminal = Some(terminal);
    }

    /// Keeps all but warnings and errors from the terminal, which the daemon is about to leave.
    pub fn hush_terminal(&mut self) {
        self.hushed = true;
    }

    /// Stops writing to the terminal, from which the daemon has gone away.
    pub fn leave_terminal(&mut self) {
        self.terminal = None;
    }

    /// Writes a message.
    pub fn write(&mut self, level: Level, text: impl fmt::Display) {
        let date = self.date();
        let pid = std::process::id();
        let line = format!("[{date}] (pid={pid}) [{}] {text}\n", level.name());
        self.print(level, line.as_bytes());
        if let Some(syslog) = &mut self.syslog {
            syslog.write(level.severity(), text.to_string().trim_end());
        }
    }

    /// Writes the flow that the message before is about.
    pub fn write_flow(&mut self, level: Level, flow: &[u8]) {
        let mut line = format!("{}\t", self.date()).into_bytes();
        line.extend_from_slice(flow);
        line.push(b'\n');
        self.print(level, &line);
        if let Some(syslog) = &mut self.syslog {
            syslog.write(level.severity(), &String::from_utf8_lossy(flow));
        }
    }

    /// Writes a message unless many of its kind were written in the last seconds; then it is
    /// counted. Returns whether it was written, for lines that belong to it.
    pub fn limited(
        &mut self,
        kind: &'static str,
        now: Instant,
        level: Level,
        text: impl fmt::Display,
    ) -> bool {
        self.report_suppressed(now);
        let entry = self.kinds.entry(kind).or_insert(Kind {
            since: now,
            count: 0,
            level,
        });
        entry.count = entry.count.saturating_add(1);
        entry.level = entry.level.max(level);
        if entry.count > LIMIT_BURST {
            return false;
        }
        self.write(level, text);
        true
    }

    /// Reports what was counted instead of written, once its time is over. To be called at
    /// [`timeout`](Self::timeout).
    pub fn report_suppressed(&mut self, now: Instant) {
        let over = |kind: &Kind| kind.since + LIMIT_PERIOD <= now;
        let ended: Vec<(&'static str, Kind)> = self
            .kinds
            .iter()
            .filter(|(_, kind)| over(kind))
            .map(|(name, kind)| (*name, *kind))
            .collect();
        for (name, kind) in ended {
            self.kinds.remove(name);
            let suppressed = kind.count.saturating_sub(LIMIT_BURST);
            if suppressed > 0 {
                self.write(
                    kind.level,
                    format_args!("{suppressed} similar messages suppressed ({name})"),
                );
            }
        }
    }

    /// When [`report_suppressed`](Self::report_suppressed) has something to report.
    pub fn timeout(&self) -> Option<Instant> {
        self.kinds
            .values()
            .filter(|kind| kind.count > LIMIT_BURST)
            .map(|kind| kind.since + LIMIT_PERIOD)
            .min()
    }

    /// Messages that the system log did not take.
    pub fn lost(&self) -> u64 {
        self.syslog.as_ref().map_or(0, Syslog::lost)
    }

    /// Local time as `ctime` writes it.
    fn date(&self) -> String {
        date((self.wall)())
    }

    /// Writes to terminal and file. One write per line keeps lines of two processes apart, and
    /// nothing can be done about a failure but go on.
    fn print(&mut self, level: Level, line: &[u8]) {
        let hushed = self.hushed && level < Level::Warning;
        if let (Some(terminal), false) = (&mut self.terminal, hushed) {
            let stream = match level {
                Level::Info | Level::Notice => &mut terminal.out,
                Level::Warning | Level::Error => &mut terminal.err,
            };
            let shown = match self.unshown {
                0 => stream.write_all(line),
                count => stream.write_all(&[missed(count).as_bytes(), line].concat()),
            };
            match shown.and_then(|()| stream.flush()) {
                Ok(()) => self.unshown = 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.unshown += 1,
                // It is gone.
                Err(_) => {}
            }
        }
        if let Some((_, file)) = &mut self.file {
            let _ = file.write_all(line);
        }
    }
}

fn missed(count: u64) -> String {
    format!("({count} lines had no room here)\n")
}

/// Opens a log file, or makes it.
pub fn open(path: &Path) -> Result<File, OpenError> {
    linux::file::append(path).map_err(|error| OpenError {
        path: path.to_owned(),
        error,
    })
}

/// A way to the system's log.
pub fn syslog(facility: Facility) -> Syslog {
    Syslog::new(IDENT, facility.into())
}

/// Local time as `ctime` writes it, for seconds since 1970.
pub fn date(wall: Duration) -> String {
    let time = LocalTime::new(wall);
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        time.weekday_name(),
        time.month_name(),
        time.day,
        time.hour,
        time.minute,
        time.second,
        time.year
    )
}

impl From<Facility> for linux::syslog::Facility {
    fn from(facility: Facility) -> Self {
        match facility {
            Facility::Daemon => Self::Daemon,
            Facility::Local(number) => Self::Local(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::os::unix::fs::PermissionsExt;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Buffer(Rc<RefCell<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    fn log() -> (Log, Buffer, Buffer) {
        let (out, err) = (Buffer::default(), Buffer::default());
        let mut log = Log::new(Terminal {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
        });
        log.wall = || Duration::from_secs(1_795_242_000);
        (log, out, err)
    }

    fn temporary(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("conntrackd-log-{}-{name}", std::process::id()))
    }

    #[test]
    fn lines_have_the_form_of_stock() {
        let (mut log, out, err) = log();
        log.write(Level::Notice, "committing all external caches");
        log.write(Level::Error, "commit-create: Invalid argument");
        log.write_flow(Level::Error, b"tcp      6 ESTABLISHED");
        let date = log.date();
        assert!(date.ends_with(" 2026") && date.len() == 24, "{date}");
        let pid = std::process::id();
        let notice = format!("[{date}] (pid={pid}) [notice] committing all external caches\n");
        assert_eq!(out.text(), notice);
        let error = format!(
            "[{date}] (pid={pid}) [ERROR] commit-create: Invalid argument\n\
             {date}\ttcp      6 ESTABLISHED\n"
        );
        assert_eq!(err.text(), error);
    }

    #[test]
    fn the_file_survives_rotation_and_is_nobody_elses() {
        let (path, rotated) = (temporary("file"), temporary("rotated"));
        let (mut log, _, _) = log();
        log.open(Some(&path), None).unwrap();
        log.leave_terminal();
        log.write(Level::Info, "one");
        std::fs::rename(&path, &rotated).unwrap();
        log.write(Level::Info, "two");
        log.reopen();
        log.write(Level::Info, "three");
        let old = std::fs::read_to_string(&rotated).unwrap();
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(old.contains("one") && old.contains("two") && !old.contains("three"));
        assert!(new.ends_with("[info] three\n"), "{new}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(rotated).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_reported_in_the_words_of_stock() {
        let (mut log, _, _) = log();
        let error = log
            .open(Some(Path::new("/nonexistent/x")), None)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't open logfile `/nonexistent/x'.Reason: No such file or directory"
        );
    }

    /// A terminal that takes only what it has room for.
    struct Narrow(Buffer, Rc<RefCell<bool>>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match *self.1.borrow() {
                true => self.0.write(bytes),
                false => Err(io::ErrorKind::WouldBlock.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_stopped_terminal_missed_is_counted() {
        let (mut log, _, _) = log();
        let (out, has_room) = (Buffer::default(), Rc::new(RefCell::new(true)));
        log.show_on(Terminal {
            out: Box::new(Narrow(out.clone(), Rc::clone(&has_room))),
            err: Box::new(Buffer::default()),
        });
        log.write(Level::Notice, "one");
        *has_room.borrow_mut() = false;
        log.write(Level::Notice, "two");
        log.write(Level::Notice, "three");
        *has_room.borrow_mut() = true;
        log.write(Level::Notice, "four");
        log.write(Level::Notice, "five");
        let text = out.text();
        let lines: Vec<&str> = text
            .lines()
            .map(|it| it.rsplit("] ").next().unwrap())
            .collect();
        assert_eq!(lines, ["one", "(2 lines had no room here)", "four", "five"]);
    }

    #[test]
    fn a_flood_becomes_a_number() {
        let (mut log, _, err) = log();
        let second = |number: u64| Instant(number * 1_000_000_000);
        for at in 0..9 {
            for _ in 0..100 {
                log.limited("malformed", second(at), Level::Warning, "bad message");
            }
        }
        log.limited("other", second(9), Level::Warning, "something else");
        assert_eq!(err.text().lines().count(), 11);
        assert_eq!(log.timeout(), Some(second(10)));
        log.report_suppressed(second(10));
        let text = err.text();
        let last = text.lines().last().unwrap();
        assert!(last.ends_with("[warning] 890 similar messages suppressed (malformed)"));
        assert_eq!(log.timeout(), None);
        // A new period begins, and little noise is not reported at all.
        assert!(log.limited("malformed", second(11), Level::Warning, "bad message"));
        log.report_suppressed(second(60));
        assert_eq!(err.text().lines().count(), 13);
        assert!(log.kinds.is_empty());
    }
}
