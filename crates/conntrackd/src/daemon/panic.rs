//! The last words of a daemon that finds itself wrong.
//!
//! An invariant that does not hold ends the process (a restarted daemon reads the tables again, a
//! corrupt cache does not heal). In the background nobody sees what is written to the terminal, so
//! the reason goes to the log as well, through a log of its own: the daemon's may be the one that
//! was in use.

use std::io;
use std::panic;
use std::path::PathBuf;

use crate::config::Facility;
use crate::log::{Level, Log, Terminal};

/// Has the message and the place of a panic written to the log, beside what is written already.
pub fn report_to(log_file: Option<PathBuf>, facility: Option<Facility>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        let mut log = Log::new(Terminal {
            out: Box::new(io::sink()),
            err: Box::new(io::sink()),
        });
        // A log that cannot be opened now could be opened at the start; there is no third place.
        if log.open(log_file.as_deref(), facility).is_ok() {
            log.write(Level::Error, format_args!("this is a defect: {info}"));
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_stands_in_the_log() {
        let path = std::env::temp_dir().join(format!("conntrackd-panic-{}", std::process::id()));
        report_to(Some(path.clone()), None);
        let thread = std::thread::spawn(|| panic!("two and two are five"));
        assert!(thread.join().is_err());
        drop(panic::take_hook());
        let log = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(log.contains("[ERROR] this is a defect: "), "{log}");
        assert!(log.contains("two and two are five"), "{log}");
        assert!(log.contains("panic.rs:"), "{log}");
    }
}
