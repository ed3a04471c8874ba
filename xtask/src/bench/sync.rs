//! Replication and commit: FT-FW over UDP between two daemons of one implementation.
//!
//! The flows come as fast as stock's command line writes them. When the receiver's cache holds them
//! all and both daemons have come to rest, the sender's machine dies, and the receiver commits: as
//! in life, nobody else on the host listens to events (the kernel does not tell namespaces apart
//! when it asks itself whether anybody does), and no other table fills the hash.

use std::thread;
use std::time::{Duration, Instant};

use testbed::{
    Conntrackd, Error, Implementation, IpVersion, Namespace, Progress, Result, SyncPair, wait_for,
};

use super::options::Options;
use super::sample::{Metric, Sample, Sent, Subject, cpu_of, memory_of, number_after, sent_by};
use super::{empty, fill, floor};

/// Both daemons start anew for each run.
const RUNS: u32 = 3;
/// Between two questions to a daemon: an answer costs it CPU.
const PAUSE: Duration = Duration::from_millis(50);
/// A daemon that uses less than this part of a pause is at rest.
const REST: f64 = 0.02;
/// Longer than stock needs to notice and repair an overrun.
const PATIENCE: Duration = Duration::from_secs(180);

/// Measures in turns.
pub fn measure(options: &Options) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for run in 1..=options.runs.unwrap_or(RUNS) {
        let flows = options.flows_of_sync();
        let node = Namespace::new("floor")?;
        let (wall, cpu) = floor::commit(&node, flows)?;
        for (metric, value) in [(Metric::CommitWall, wall), (Metric::CommitCpu, cpu)] {
            samples.push(Sample {
                metric,
                subject: Subject::Floor,
                run,
                flows,
                value,
            });
        }
        empty(&node)?;
        for implementation in &options.implementations {
            let subject = Subject::Program(*implementation);
            let values = replicate_and_commit(*implementation, flows)?;
            samples.extend(values.into_iter().map(|(metric, value)| Sample {
                metric,
                subject,
                run,
                flows,
                value,
            }));
        }
    }
    Ok(samples)
}

/// The two daemons of a run.
struct Couple {
    pair: SyncPair,
    sender: Conntrackd,
    receiver: Conntrackd,
}

/// What a couple has used up to a moment.
struct State {
    sender_cpu: f64,
    receiver_cpu: f64,
    sender_memory: f64,
    receiver_memory: f64,
    sent: Sent,
}

fn replicate_and_commit(implementation: Implementation, flows: u32) -> Result<Vec<(Metric, f64)>> {
    let couple = Couple::start(implementation, flows)?;
    let before = couple.state()?;
    fill(&couple.pair.a, flows)?;
    couple.wait_for_receiver(flows)?;
    couple.wait_for_rest()?;
    let after = couple.state()?;
    let mut values = per_flow(&before, &after, flows);
    values.push((Metric::Overruns, couple.overruns()?));
    couple.end_sender()?;
    values.extend(couple.commit(flows)?);
    couple.end_receiver()?;
    Ok(values)
}

fn per_flow(before: &State, after: &State, flows: u32) -> Vec<(Metric, f64)> {
    let flows = f64::from(flows);
    let datagrams = after.sent.packets - before.sent.packets;
    let cpu = |before: f64, after: f64| (after - before) * 1e6 / flows;
    vec![
        (Metric::SenderCpu, cpu(before.sender_cpu, after.sender_cpu)),
        (
            Metric::ReceiverCpu,
            cpu(before.receiver_cpu, after.receiver_cpu),
        ),
        (
            Metric::SenderMemory,
            (after.sender_memory - before.sender_memory) / flows,
        ),
        (
            Metric::ReceiverMemory,
            (after.receiver_memory - before.receiver_memory) / flows,
        ),
        (Metric::FlowsPerDatagram, flows / datagrams.max(1.0)),
        (
            Metric::BytesPerFlow,
            (after.sent.bytes - before.sent.bytes) / flows,
        ),
    ]
}

impl Couple {
    fn start(implementation: Implementation, flows: u32) -> Result<Self> {
        let pair = SyncPair::new()?;
        // What the pair's own configuration has room for may be less; the last value counts.
        let limit = format!("General {{\n\tHashLimit {}\n}}\n", flows.saturating_mul(2));
        let [a, b] = SyncPair::ftfw(IpVersion::V4, "").map(|config| config + &limit);
        Ok(Self {
            sender: Conntrackd::start(&pair.a, implementation, &a)?,
            receiver: Conntrackd::start(&pair.b, implementation, &b)?,
            pair,
        })
    }

    fn state(&self) -> Result<State> {
        let (sender, receiver) = self.pids();
        Ok(State {
            sender_cpu: cpu_of(sender)?,
            receiver_cpu: cpu_of(receiver)?,
            sender_memory: memory_of(sender)?,
            receiver_memory: memory_of(receiver)?,
            sent: sent_by(&self.pair.a, "sync")?,
        })
    }

    fn pids(&self) -> (i32, i32) {
        (self.sender.process().pid(), self.receiver.process().pid())
    }

    fn wait_for_receiver(&self, flows: u32) -> Result<()> {
        wait_for("the receiver to hold all flows", PATIENCE, || {
            thread::sleep(PAUSE);
            let active = self.receiver.statistics()?.external.active;
            Ok(match active >= u64::from(flows) {
                true => Progress::Done(()),
                false => Progress::Waiting(format!("{active} of {flows}")),
            })
        })
    }

    fn wait_for_rest(&self) -> Result<()> {
        wait_for("both daemons to come to rest", PATIENCE, || {
            let (sender, receiver) = self.pids();
            let used = || Ok::<_, Error>(cpu_of(sender)? + cpu_of(receiver)?);
            let before = used()?;
            thread::sleep(PAUSE * 4);
            let share = (used()? - before) / (PAUSE * 4).as_secs_f64();
            Ok(match share < REST {
                true => Progress::Done(()),
                false => Progress::Waiting(format!("{:.0} % of a CPU", share * 100.0)),
            })
        })
    }

    fn overruns(&self) -> Result<f64> {
        let text = self.sender.client("-s runtime")?.stdout;
        Ok(number_after(&text, "netlink overrun:").unwrap_or(f64::NAN))
    }

    fn commit(&self, flows: u32) -> Result<[(Metric, f64); 2]> {
        let (_, receiver) = self.pids();
        let (cpu, start) = (cpu_of(receiver)?, Instant::now());
        self.receiver.client("-c")?;
        let wall = start.elapsed().as_secs_f64();
        let used = cpu_of(receiver)? - cpu;
        let committed = self.pair.b.flow_count()?;
        if u32::try_from(committed).ok() != Some(flows) {
            let what = format!("{committed} flows committed instead of {flows}");
            return Err(Error::Unexpected(what));
        }
        Ok([(Metric::CommitWall, wall), (Metric::CommitCpu, used)])
    }

    /// The machine with the flows dies.
    fn end_sender(&self) -> Result<()> {
        // The daemon first: it need not hear of every flow that goes.
        self.sender.kill();
        empty(&self.pair.a)
    }

    fn end_receiver(self) -> Result<()> {
        self.receiver.kill();
        empty(&self.pair.b)
    }
}
