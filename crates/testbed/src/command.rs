//! A command line, and what came of it.
//!
//! Output goes to memory files instead of pipes: a command cannot block on a full pipe, and one
//! that leaves a daemon behind does not keep its caller waiting for the end of the output.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags};

use crate::{Error, PATIENCE, Result, interrupted};

/// A program with its arguments, environment and input.
///
/// `"ip link set lo up".into()` splits at white space; nothing is quoted. For other arguments
/// use [`Command::arg`].
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    timeout: Duration,
    /// Whether Ctrl-C ends it.
    interruptible: bool,
}

impl Command {
    /// The program alone; a name without slash is looked up in `PATH` and in `/usr/sbin`.
    pub fn new(program: impl Into<OsString>) -> Self {
        let program = program.into();
        Self {
            program,
            args: vec![],
            env: vec![],
            stdin: vec![],
            timeout: PATIENCE,
            interruptible: true,
        }
    }

    /// Adds one argument as it stands.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments as they stand.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// What the command reads on its standard input; nothing if not called.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long [`Command::output`] lets it run before it is killed: [`PATIENCE`] if not called.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Lets it end also after Ctrl-C: what cleans up must.
    pub(crate) fn uninterruptible(mut self) -> Self {
        self.interruptible = false;
        self
    }

    /// Runs the command in the namespace of the calling thread and waits for its end, whatever
    /// status it ends with.
    pub fn output(&self) -> Result<Output> {
        let failed = || Error::io(format!("`{self}`"));
        let (mut stdout, mut stderr) = (memory_file()?, memory_file()?);
        let mut child = self
            .to_std()
            .stdin(self.input()?)
            .stdout(stdout.try_clone().map_err(failed())?)
            .stderr(stderr.try_clone().map_err(failed())?)
            .spawn()
            .map_err(failed())?;
        let status = self.wait(&mut child)?;
        Ok(Output {
            status,
            stdout: text_of(&mut stdout)?,
            stderr: text_of(&mut stderr)?,
        })
    }

    /// Like [`Command::output`], but a status other than 0 is an error.
    pub fn run(&self) -> Result<Output> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(output);
        }
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        let output = format!("{stdout}{stderr}");
        Err(Error::Failed {
            command: self.to_string(),
            status: status.to_string(),
            output,
        })
    }

    /// The std form: program, arguments, environment.
    pub(crate) fn to_std(&self) -> process::Command {
        self.wrapped(&[])
    }

    /// The std form, run by a wrapper such as `setpriv …`.
    pub(crate) fn wrapped(&self, wrapper: &[&str]) -> process::Command {
        let mut words = wrapper.iter().map(OsString::from).collect::<Vec<_>>();
        words.push(resolve(&self.program));
        let mut command = process::Command::new(words.remove(0));
        command
            .args(words)
            .args(&self.args)
            .envs(self.env.iter().cloned());
        command
    }

    /// The input as a file to read from.
    pub(crate) fn input(&self) -> Result<process::Stdio> {
        if self.stdin.is_empty() {
            return Ok(process::Stdio::null());
        }
        let mut file = memory_file()?;
        file.write_all(&self.stdin)
            .and_then(|()| file.rewind())
            .map_err(Error::io("the input of a command"))?;
        Ok(file.into())
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let failed = || Error::io(format!("waiting for `{self}`"));
        let pidfd = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())
            .map_err(Error::errno("pidfd_open"))?;
        let start = Instant::now();
        let slice = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        loop {
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            // An interrupted poll is one that looks again.
            let _ = rustix::event::poll(&mut fds, Some(&slice));
            if let Some(status) = child.try_wait().map_err(failed())? {
                return Ok(status);
            }
            let late = start.elapsed() >= self.timeout;
            if late || (self.interruptible && interrupted()) {
                child.kill().and_then(|()| child.wait()).map_err(failed())?;
                return Err(if late {
                    self.too_late()
                } else {
                    Error::Interrupted
                });
            }
        }
    }

    fn too_late(&self) -> Error {
        Error::TimedOut {
            what: format!("the end of `{self}`"),
            after: self.timeout,
            last: "still running, killed".into(),
            logs: crate::log::tails_of_this_thread(),
        }
    }
}

impl From<&str> for Command {
    fn from(line: &str) -> Self {
        let mut words = line.split_whitespace();
        Self::new(words.next().unwrap_or_default()).args(words)
    }
}

impl From<String> for Command {
    fn from(line: String) -> Self {
        line.as_str().into()
    }
}

impl From<&Command> for Command {
    fn from(command: &Command) -> Self {
        command.clone()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// How a command ended and what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Output {
    /// The exit code as a shell shows it: 128 + N after signal N.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }
}

/// Administration programs are not in everybody's `PATH`.
fn resolve(program: &OsString) -> OsString {
    if Path::new(program).components().count() > 1 {
        return program.clone();
    }
    let sbin = Path::new("/usr/sbin").join(program);
    if sbin.exists() {
        sbin.into()
    } else {
        program.clone()
    }
}

fn memory_file() -> Result<File> {
    rustix::fs::memfd_create("testbed", MemfdFlags::CLOEXEC)
        .map(File::from)
        .map_err(Error::errno("memfd_create"))
}

fn text_of(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(Error::io("the output of a command"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_has_both_streams_and_the_code() {
        let script = "cat; echo complaint >&2; exit 3";
        let output = Command::new("sh")
            .args(["-c", script])
            .stdin("input\n")
            .output()
            .unwrap();
        assert_eq!(
            (output.code(), &*output.stdout, &*output.stderr),
            (3, "input\n", "complaint\n")
        );
    }

    #[test]
    fn a_failed_run_tells_the_command_its_status_and_its_output() {
        let story = Command::from("ls /nonexistent")
            .run()
            .unwrap_err()
            .to_string();
        assert!(
            story.contains("`ls /nonexistent`") && story.contains("exit status: 2"),
            "{story}"
        );
        assert!(story.contains("No such file"), "{story}");
    }

    #[test]
    fn a_command_that_does_not_end_is_killed() {
        let command = Command::from("sleep 60").timeout(Duration::from_millis(20));
        assert!(matches!(command.output(), Err(Error::TimedOut { .. })));
    }

    #[test]
    fn a_daemon_left_behind_does_not_hold_up_its_starter() {
        let script = "sleep 600 & echo $!";
        let left = Command::new("sh").args(["-c", script]).run().unwrap();
        // It is still there, and nobody has waited for it.
        let pid = left.stdout.trim().parse().ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL).unwrap();
    }
}
