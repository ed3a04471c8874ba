//! A long-running program: its log, its pid, its end.
//!
//! It leads a process group of its own, so Ctrl-C on the terminal does not reach it and its
//! children can be killed with it. It dies with its [`Process`], and with this program however
//! that ends (`setpriv --pdeathsig`), unless its namespace is meant to be kept.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::{Command, Error, Folder, Log, Progress, Result, spawner, wait_for};

/// The kernel kills the child when the thread that started it ends.
const DIE_WITH_PARENT: &[&str] = &["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"];

/// A running (or ended) program in a namespace.
pub struct Process {
    name: String,
    pid: Pid,
    child: Mutex<Child>,
    log: Log,
    kept: bool,
}

impl Process {
    pub(crate) fn start(
        name: String,
        namespace: File,
        command: &Command,
        kept: bool,
    ) -> Result<Self> {
        let mut std_command = command.wrapped(if kept { &[] } else { DIE_WITH_PARENT });
        let log = Log::new(&name);
        std_command.stdin(command.input()?).process_group(0);
        if kept {
            // A process that is to outlive us must not hold our pipes: they break when we end.
            let path = Folder::new("output", true)?.write("output", "")?;
            let output = File::options().append(true).open(&path);
            let output = output.map_err(Error::io(format!("opening {}", path.display())))?;
            let error = output
                .try_clone()
                .map_err(Error::io("a second descriptor"))?;
            std_command.stdout(output).stderr(error);
            log.follow(path);
        } else {
            std_command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = spawner::spawn(namespace, std_command)
            .map_err(Error::io(format!("starting `{command}`")))?;
        if let Some(pipe) = child.stdout.take() {
            log.read(pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            log.read(pipe);
        }
        Ok(Self {
            name,
            pid: Pid::from_child(&child),
            child: Mutex::new(child),
            log,
            kept,
        })
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it printed, standard output and error together.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// The processor time that it has used so far. Unlike the time on the clock it does not grow
    /// because others are busy, too.
    pub fn processor_time(&self) -> Result<Duration> {
        /// `USER_HZ`: ticks of `/proc/PID/stat` per second.
        const TICKS_PER_SECOND: u32 = 100;
        let path = format!("/proc/{}/stat", self.pid());
        let stat = fs::read_to_string(&path).map_err(Error::io(path))?;
        // The name may contain blanks, and ends with the last parenthesis; `utime` and `stime` are
        // fields 14 and 15 of proc(5).
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let times = behind_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
        Ok(Duration::from_secs(ticks) / TICKS_PER_SECOND)
    }

    /// Waits for a line that contains `needle`; fails at once when the process ends without it.
    pub fn wait_for_line(&self, needle: &str, timeout: Duration) -> Result<()> {
        let what = format!("`{needle}` from {}", self.name);
        wait_for(&what, timeout, || {
            // In this order: the last words of a process count.
            let running = self.is_running();
            if self.log.find(Default::default(), needle).is_some() {
                return Ok(Progress::Done(()));
            }
            if running {
                return Ok(Progress::Waiting("not printed yet".into()));
            }
            Err(Error::Unexpected(format!(
                "{} ended without `{needle}`",
                self.name
            )))
        })
    }

    /// Sends a signal to the process itself. One that has ended gets nothing.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child();
        // Only a child that has not been waited for surely still owns its pid.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Kills the process and its children that stayed in its group, and waits for its end.
    pub fn kill(&self) {
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            let _ = child.wait();
        }
    }

    /// Asks it to end (SIGTERM) and returns its exit code, 128 + N after signal N.
    pub fn terminate(&self, timeout: Duration) -> Result<i32> {
        self.signal(Signal::TERM);
        self.wait(timeout)
    }

    /// Waits for its end and returns its exit code, 128 + N after signal N.
    pub fn wait(&self, timeout: Duration) -> Result<i32> {
        wait_for(&format!("the end of {}", self.name), timeout, || {
            let status = self
                .child()
                .try_wait()
                .map_err(Error::io("waiting for a process"))?;
            Ok(match status {
                Some(status) => Progress::Done(
                    status
                        .code()
                        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
                ),
                None => Progress::Waiting("still running".into()),
            })
        })
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    /// A test that fails at an assertion tells what its processes have said.
    #[expect(clippy::print_stderr, reason = "the report of a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log.tail());
        }
        if !self.kept {
            self.kill();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid())
    }
}
