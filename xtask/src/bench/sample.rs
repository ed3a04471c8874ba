//! One measurement, and where its numbers come from.
//!
//! CPU time of a daemon is the scheduler's own count (nanoseconds, all threads). User and system
//! time of a command come from the shell's `time`: the kernel tells them apart by sampling, so
//! they need long or many runs.

use std::fs;
use std::path::Path;

use testbed::{Command, Error, Implementation, Namespace, Result};

/// What was measured, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Of a command line.
    Command(Job, Quantity),
    /// CPU of `-E` per event that it showed.
    EventCpu,
    /// Events that `-E` did not show.
    EventsLost,
    /// Peak memory of `-E`.
    EventMemory,
    /// CPU per flow at the node where the flows are.
    SenderCpu,
    /// CPU per flow at the other one.
    ReceiverCpu,
    /// Memory per flow at the node where the flows are.
    SenderMemory,
    /// Memory per flow at the other one.
    ReceiverMemory,
    /// Flows per datagram on the link.
    FlowsPerDatagram,
    /// Bytes per flow on the link.
    BytesPerFlow,
    /// Times that the kernel dropped events for the sender.
    Overruns,
    /// A commit, from the client's start to its end.
    CommitWall,
    /// CPU of the committing daemon.
    CommitCpu,
}

/// What a command line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Lists all flows.
    List,
    /// The same, with the layer 3 protocol.
    Extended,
    /// The same, as elements.
    Xml,
    /// The same, as commands.
    Save,
    /// The same, as objects; stock, which has none, shows XML instead.
    Json,
    /// Lists the one flow that matches.
    Find,
    /// Deletes one flow of a hundred, by port.
    Delete,
    /// Loads a file of saved flows into an empty table.
    Load,
}

/// What of it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Time from start to end.
    Wall,
    /// Time in the program.
    User,
    /// Time in the kernel.
    System,
    /// Both.
    Cpu,
    /// Most memory that it has at a time.
    Memory,
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::List,
        Self::Extended,
        Self::Xml,
        Self::Save,
        Self::Json,
        Self::Find,
        Self::Delete,
        Self::Load,
    ];

    /// For machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Extended => "list_extended",
            Self::Xml => "list_xml",
            Self::Save => "list_save",
            Self::Json => "list_json",
            Self::Find => "find",
            Self::Delete => "delete",
            Self::Load => "load",
        }
    }
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One of the implementations.
    Program(Implementation),
    /// The least that any program needs.
    Floor,
}

/// One number of one run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What.
    pub metric: Metric,
    /// Whose.
    pub subject: Subject,
    /// Which repetition.
    pub run: u32,
    /// Flows in the table.
    pub flows: u32,
    /// The number, in [`Metric::unit`].
    pub value: f64,
}

impl Metric {
    /// The unit of the raw number.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Command(_, Quantity::Memory) | Self::EventMemory => "MiB",
            Self::Command(..) | Self::CommitWall | Self::CommitCpu => "s",
            Self::EventCpu | Self::SenderCpu | Self::ReceiverCpu => "us",
            Self::SenderMemory | Self::ReceiverMemory | Self::BytesPerFlow => "B",
            Self::EventsLost | Self::FlowsPerDatagram | Self::Overruns => "",
        }
    }

    /// The name for machines.
    fn key(self) -> String {
        let name = match self {
            Self::Command(job, quantity) => {
                let quantity = match quantity {
                    Quantity::Wall => "wall",
                    Quantity::User => "user",
                    Quantity::System => "system",
                    Quantity::Cpu => "cpu",
                    Quantity::Memory => "memory",
                };
                return format!("{}_{quantity}", job.name());
            }
            Self::EventCpu => "event_cpu_per_event",
            Self::EventsLost => "event_lost",
            Self::EventMemory => "event_memory",
            Self::SenderCpu => "replicate_sender_cpu_per_flow",
            Self::ReceiverCpu => "replicate_receiver_cpu_per_flow",
            Self::SenderMemory => "replicate_sender_memory_per_flow",
            Self::ReceiverMemory => "replicate_receiver_memory_per_flow",
            Self::FlowsPerDatagram => "replicate_flows_per_datagram",
            Self::BytesPerFlow => "replicate_bytes_per_flow",
            Self::Overruns => "replicate_overruns",
            Self::CommitWall => "commit_wall",
            Self::CommitCpu => "commit_cpu",
        };
        name.to_owned()
    }
}

impl Sample {
    /// One line for machines.
    pub fn json(&self) -> String {
        let subject = match self.subject {
            Subject::Program(implementation) => implementation.to_string(),
            Subject::Floor => "floor".into(),
        };
        let (metric, unit) = (self.metric.key(), self.metric.unit());
        let (run, flows, value) = (self.run, self.flows, self.value);
        serde_json::json!({
            "metric": metric, "subject": subject, "run": run, "flows": flows,
            "value": value, "unit": unit,
        })
        .to_string()
    }
}

/// Times of a command, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// From start to end.
    pub wall: f64,
    /// In the program.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

impl Times {
    /// Both kinds of CPU time.
    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// Runs a program with its standard output discarded and tells how long it took.
pub fn time(node: &Namespace, program: &Path, args: &[&str]) -> Result<Times> {
    let script = "TIMEFORMAT='%3R %3U %3S'; time \"$@\" >/dev/null";
    let command = Command::new("bash")
        .args(["-c", script, "time"])
        .arg(program)
        .args(args.iter().copied());
    let said = node.run(command)?.stderr;
    said.lines().next_back().and_then(times_of).ok_or_else(|| {
        Error::Unexpected(format!(
            "no times in what `{}` said:\n{said}",
            program.display()
        ))
    })
}

fn times_of(line: &str) -> Option<Times> {
    let mut numbers = line.split(' ').map(|word| word.parse().ok());
    Some(Times {
        wall: numbers.next()??,
        user: numbers.next()??,
        system: numbers.next()??,
    })
}

/// Runs a program with its standard output discarded and tells the most memory that it had, in MiB.
pub fn peak_memory(node: &Namespace, program: &Path, args: &[&str]) -> Result<f64> {
    let script = "exec /usr/bin/time -f 'peak %M' \"$@\" >/dev/null";
    let command = Command::new("sh")
        .args(["-c", script, "peak"])
        .arg(program)
        .args(args.iter().copied());
    let said = node.output(command)?.stderr;
    let kilobytes = said
        .lines()
        .next_back()
        .and_then(|line| number_after(line, "peak "));
    kilobytes
        .map(|kilobytes| kilobytes / 1024.0)
        .ok_or_else(|| {
            let program = program.display();
            Error::Unexpected(format!("no memory in what `{program}` said:\n{said}"))
        })
}

/// The most resident memory that a process had so far, in MiB.
pub fn peak_memory_of(pid: i32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let kilobytes = number_after(&text, "VmHWM:");
    kilobytes
        .map(|kilobytes| kilobytes / 1024.0)
        .ok_or_else(|| Error::Unexpected(format!("{path} tells no VmHWM")))
}

/// CPU seconds that a process has used so far.
pub fn cpu_of(pid: i32) -> Result<f64> {
    let folder = format!("/proc/{pid}/task");
    let failed = || Error::io(format!("reading {folder}"));
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(&folder).map_err(failed())? {
        let path = thread.map_err(failed())?.path().join("schedstat");
        // A thread that has just ended leaves nothing to read.
        let text = fs::read_to_string(path).unwrap_or_default();
        let first = text.split_whitespace().next();
        nanoseconds += first.and_then(|word| word.parse().ok()).unwrap_or(0.0);
    }
    Ok(nanoseconds / 1e9)
}

/// Resident bytes of a process.
pub fn memory_of(pid: i32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let kilobytes = number_after(&text, "VmRSS:");
    kilobytes
        .map(|kilobytes| kilobytes * 1024.0)
        .ok_or_else(|| Error::Unexpected(format!("{path} tells no VmRSS")))
}

/// What an interface has sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// Bytes with all headers.
    pub bytes: f64,
    /// Packets.
    pub packets: f64,
}

/// What an interface of a node has sent so far.
pub fn sent_by(node: &Namespace, interface: &str) -> Result<Sent> {
    let path = "/proc/thread-self/net/dev";
    let text = node
        .enter(|| fs::read_to_string(path))?
        .map_err(Error::io(path))?;
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(interface));
    let numbers = line.and_then(|line| line.strip_prefix(':')).map(numbers_of);
    match numbers.as_deref() {
        // Eight numbers about receiving stand first.
        Some([_, _, _, _, _, _, _, _, bytes, packets, ..]) => Ok(Sent {
            bytes: *bytes,
            packets: *packets,
        }),
        _ => Err(Error::Unexpected(format!(
            "{path} tells nothing of {interface}"
        ))),
    }
}

fn numbers_of(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// The first number after a word.
pub fn number_after(text: &str, word: &str) -> Option<f64> {
    let (_, rest) = text.split_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_the_shells_words() {
        let times = Times {
            wall: 0.842,
            user: 0.35,
            system: 0.49,
        };
        assert_eq!(times_of("0.842 0.350 0.490"), Some(times));
        assert_eq!(times_of("conntrack v1.4.7: 3 flow entries"), None);
    }

    #[test]
    fn a_process_that_works_uses_cpu_and_memory() {
        let mut worker = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let pid = i32::try_from(worker.id()).unwrap();
        let used = testbed::wait_until("CPU time", testbed::PATIENCE, || {
            cpu_of(pid).is_ok_and(|cpu| cpu > 0.01)
        });
        let memory = memory_of(pid);
        worker.kill().unwrap();
        worker.wait().unwrap();
        used.unwrap();
        assert!(memory.unwrap() > 100_000.0);
        assert!(cpu_of(pid).is_err());
    }
}
