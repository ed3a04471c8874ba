//! A conntrackd of either implementation in a namespace, with files of its own.
//!
//! [`Conntrackd`] is a process plus what is known about it: where its configuration, lock and
//! control socket are, which lines it has logged when, and how to ask it. A started daemon is one
//! whose control socket answers; nobody needs to wait for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::{
    Command, Error, FlowLine, Implementation, Log, Mark, Namespace, Output, PATIENCE, Process,
    Program, Progress, Result, Statistics, wait_for,
};

/// Work that a daemon may do between a question and its answer: milliseconds are usual.
const ANSWER_WORK_MAX: Duration = Duration::from_secs(2);
/// How long a client may have to wait. A client that does not listen is borne for longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// A running conntrackd. Dropping it kills it.
#[derive(Debug)]
pub struct Conntrackd {
    implementation: Implementation,
    namespace: String,
    process: Process,
    log: LogFile,
    files: Files,
}

/// The log file, followed; a type of its own only to be skipped by `Debug`.
struct LogFile(Log);

impl std::fmt::Debug for LogFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("log file")
    }
}

/// What a daemon needs on disk; outlives it, so that it can be started again.
#[derive(Debug)]
struct Files {
    folder: Folder,
    config: PathBuf,
    lock: PathBuf,
    socket: PathBuf,
}

impl Conntrackd {
    /// Writes the configuration, starts the daemon and waits until its control socket answers.
    ///
    /// Lock, control socket and log file of `config` are replaced: of a setting that is given
    /// twice the last one counts, and a second General section is added at the end.
    pub fn start(
        namespace: &Namespace,
        implementation: Implementation,
        config: &str,
    ) -> Result<Self> {
        let files = Files::write(namespace, config)?;
        let log = Log::new(&format!(
            "log file of {implementation} on {}",
            namespace.label()
        ));
        log.follow(files.log());
        let daemon = Self {
            implementation,
            namespace: namespace.name().into(),
            process: files.spawn(namespace, implementation)?,
            log: LogFile(log),
            files,
        };
        daemon.wait_for_answer()?;
        Ok(daemon)
    }

    /// Kills the daemon as a crash would and starts it again with the same files.
    pub fn restart(&mut self, namespace: &Namespace) -> Result<()> {
        self.kill();
        // As the operator's script does: the lock of a dead daemon is in the way.
        let _ = fs::remove_file(&self.files.lock);
        self.process = self.files.spawn(namespace, self.implementation)?;
        self.wait_for_answer()
    }

    /// Runs the daemon's own client: `client("-s network")`.
    pub fn client(&self, request: &str) -> Result<Output> {
        self.client_of(self.implementation, request)
    }

    /// Runs the client of either implementation against this daemon.
    pub fn client_of(&self, client: Implementation, request: &str) -> Result<Output> {
        let command = Command::new(client.path(Program::Conntrackd)?)
            .arg("-C")
            .arg(self.files.config.clone())
            .args(request.split_whitespace());
        // The control socket is a file, reached from anywhere; but stock's client warns when it
        // does not see the link's interface.
        crate::namespace::enter(&self.namespace, || command.output())?
    }

    /// The general statistics.
    pub fn statistics(&self) -> Result<Statistics> {
        Statistics::parse(&self.client("-s")?.stdout)
    }

    /// Asks for the general statistics; an error if the daemon keeps its client waiting.
    ///
    /// What counts is the work that it does meanwhile: on a busy machine everybody is late. The
    /// limit in real time is only reached by a daemon that waits for somebody else.
    pub fn answer_soon(&self) -> Result<Statistics> {
        let (begun, start) = (self.process.processor_time()?, Instant::now());
        let statistics = self.statistics()?;
        let waited = start.elapsed();
        let worked = self.process.processor_time()?.saturating_sub(begun);
        if worked < ANSWER_WORK_MAX && waited < ANSWER_TIME_MAX {
            return Ok(statistics);
        }
        Err(Error::Unexpected(format!(
            "{:?} took {waited:?} to answer, and {worked:?} of a processor",
            self.process
        )))
    }

    /// The flows of this node (`-i`).
    pub fn internal(&self) -> Result<BTreeSet<FlowLine>> {
        Ok(FlowLine::parse_all(&self.client("-i")?.stdout))
    }

    /// The flows of the peer (`-e`).
    pub fn external(&self) -> Result<BTreeSet<FlowLine>> {
        Ok(FlowLine::parse_all(&self.client("-e")?.stdout))
    }

    /// The lines of its log file, with the times of their arrival.
    pub fn log(&self) -> &Log {
        &self.log.0
    }

    /// The end of its log file as of now. The file is followed from afar: [`Log::mark`] alone may
    /// stand before lines that have been written.
    pub fn mark(&self) -> Result<Mark> {
        let path = self.files.log();
        wait_for("the log file to be read", PATIENCE, || {
            let text = fs::read_to_string(&path).map_err(Error::io("the log file"))?;
            let (written, arrived) = (text.lines().count(), self.log().arrived());
            Ok(match arrived >= written {
                true => Progress::Done(self.log().mark()),
                false => Progress::Waiting(format!("{arrived} of {written} lines")),
            })
        })
    }

    /// The process: its console output, pid and end.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whose it is.
    pub fn implementation(&self) -> Implementation {
        self.implementation
    }

    /// The path of its configuration.
    pub fn config(&self) -> &Path {
        &self.files.config
    }

    /// The path of its lock file.
    pub fn lock(&self) -> &Path {
        &self.files.lock
    }

    /// The path of its control socket.
    pub fn socket(&self) -> &Path {
        &self.files.socket
    }

    /// Another file in its folder.
    pub fn folder(&self) -> &Folder {
        &self.files.folder
    }

    /// Kills it as a crash would: no goodbye, lock and socket stay behind.
    pub fn kill(&self) {
        self.process.kill();
    }

    fn wait_for_answer(&self) -> Result<()> {
        let what = format!("an answer of {:?}", self.process);
        wait_for(&what, PATIENCE, || {
            if !self.process.is_running() {
                let said: Vec<_> = self
                    .process
                    .log()
                    .lines()
                    .into_iter()
                    .map(|l| l.text)
                    .collect();
                let what = format!("{:?} ended at once:\n{}", self.process, said.join("\n"));
                return Err(Error::Unexpected(what));
            }
            // The client says that nobody listens by its exit code; before the socket exists it
            // need not be asked.
            let answer = match self.files.socket.exists() {
                true => self.client("-s")?,
                false => return Ok(Progress::Waiting("no control socket".into())),
            };
            Ok(match answer.code() {
                0 => Progress::Done(()),
                _ => Progress::Waiting(answer.stderr),
            })
        })
    }
}

impl Files {
    fn write(namespace: &Namespace, config: &str) -> Result<Self> {
        let folder = Folder::new(namespace.label(), namespace.is_kept())?;
        let (lock, socket) = (folder.file("lock"), folder.file("control"));
        let own = format!(
            "General {{\n\tLockFile {}\n\tLogFile {}\n\tUNIX {{\n\t\tPath {}\n\t}}\n}}\n",
            lock.display(),
            folder.file("log").display(),
            socket.display(),
        );
        let config = folder.write("conntrackd.conf", &format!("{config}\n{own}"))?;
        Ok(Self {
            folder,
            config,
            lock,
            socket,
        })
    }

    fn spawn(&self, namespace: &Namespace, implementation: Implementation) -> Result<Process> {
        let program = implementation.path(Program::Conntrackd)?;
        namespace.spawn(Command::new(program).arg("-C").arg(self.config.clone()))
    }

    fn log(&self) -> PathBuf {
        self.folder.file("log")
    }
}
