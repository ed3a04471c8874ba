//! Firewalls, the links between them, and time.
//!
//! The world plays the daemon's part around each node: it hands over what happens, carries out what
//! comes out, and wakes the node when it wants to be woken. Whatever takes time (reading events and
//! dumps, kernel operations, datagrams) is planned and happens later, so that other things come in
//! between. Checkers are told every fact and change nothing.

use std::cell::OnceCell;
use std::time::Duration;

use ctsync::{ClientId, Instant};
use flow::Origin;

use crate::check::Checkers;
use crate::fact::{Fact, Scene};
use crate::history::History;
use crate::host::{self, Host, HostId, PerHost};
use crate::kernel::{Change, ExpectChange, Kernel};
use crate::network::{LinkFaults, Network};
use crate::random::Random;
use crate::report::{Counts, Findings, Report};
use crate::sabotage::Saboteur;
use crate::scenario::{Scenario, Traffic};
use crate::schedule::{Phase, Schedule, Step};
use crate::text::{brief, expected};
use crate::trace::Trace;
use crate::workload::{Share, Workload};

/// Longest downtime of a daemon; it exceeds the life of a datagram.
const DOWNTIME_MAX: Duration = Duration::from_millis(2_000);

/// Steps of a run, far more than any needs.
const STEPS_MAX: u64 = 2_000_000;

/// A run in progress.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Instant,
    pub(crate) scenario: Scenario,
    pub(crate) hosts: PerHost<Host>,
    pub(crate) primary: HostId,
    pub(crate) schedule: Schedule,
    pub(crate) chaos: bool,
    pub(crate) luck: Luck,
    pub(crate) workload: Workload,
    pub(crate) counts: Counts,
    pub(crate) clients: u64,
    /// The client whose commit runs at each host.
    pub(crate) committing: PerHost<Option<ClientId>>,
    pub(crate) network: Network,
    pub(crate) history: History,
    checkers: Checkers,
    findings: Findings,
    pub(crate) trace: Trace,
    pub(crate) saboteur: Saboteur,
}

/// A generator for each part of the world.
#[derive(Debug)]
pub(crate) struct Luck {
    pub(crate) network: Random,
    pub(crate) daemon: Random,
    pub(crate) incidents: Random,
    pub(crate) traffic: Random,
}

impl World {
    /// The world of a scenario and a seed, at its beginning.
    pub fn new(scenario: Scenario, seed: u64, text: bool) -> Self {
        let kernel = |host: HostId| {
            let hash_seed = Random::fork(seed, &format!("kernel {host:?}")).word();
            let mut kernel =
                Kernel::new(scenario.table_len_max, scenario.events_len_max, hash_seed);
            if host != HostId::A && scenario.helper_missing {
                kernel.missing_helper = Some("sip");
            }
            Host::new(kernel)
        };
        Self {
            now: Instant::default(),
            hosts: PerHost::from_fn(kernel),
            primary: HostId::A,
            schedule: Schedule::default(),
            chaos: false,
            luck: Luck {
                network: Random::fork(seed, "network"),
                daemon: Random::fork(seed, "daemon"),
                incidents: Random::fork(seed, "incidents"),
                traffic: Random::fork(seed, "traffic"),
            },
            workload: Workload::new(
                Random::fork(seed, "workload"),
                scenario.slots,
                scenario.short_lives,
            ),
            counts: Counts::default(),
            clients: 0,
            committing: PerHost::default(),
            network: {
                let mut network = Network::new(scenario.hosts, scenario.links, scenario.transport);
                network.faults = if scenario.rough_start {
                    scenario.link
                } else {
                    LinkFaults::NONE
                };
                network
            },
            history: History::default(),
            checkers: Checkers::new(),
            findings: Findings::default(),
            trace: Trace::new(text),
            saboteur: Saboteur::new(scenario.sabotage, Random::fork(seed, "sabotage")),
            scenario,
        }
    }

    /// Lets everything happen.
    pub fn run(mut self, seed: u64) -> Report {
        self.begin();
        let mut steps = 0_u64;
        while let Some((at, step)) = self.schedule.take() {
            self.now = at;
            let last = matches!(step, Step::Phase(Phase::Survived));
            self.step(step);
            steps += 1;
            if steps == STEPS_MAX {
                let what = format!("{steps} steps and no end");
                self.findings.add(self.now, self.primary, "world", what);
            }
            if last || steps == STEPS_MAX || self.findings.is_full() {
                break;
            }
        }
        self.counts.compared = self.checkers.compared();
        let (fingerprint, trace) = self.trace.finish();
        Report {
            scenario: self.scenario.name,
            seed,
            violations: self.findings.into_violations(),
            fingerprint,
            counts: self.counts,
            trace,
        }
    }

    fn begin(&mut self) {
        self.trace
            .record(self.now, &[], || format!("{:?}", self.scenario));
        let share = self.share(self.primary);
        for _ in 0..self.scenario.preloaded {
            let (now, workload) = (self.now, &mut self.workload);
            let kernel = &mut self.hosts.get_mut(self.primary).kernel;
            kernel.now = now;
            if let Some(change) = workload.open(kernel, share) {
                self.changed(self.primary, &change);
            }
        }
        for host in self.everyone() {
            let after = self.luck.daemon.between(0, 800);
            self.plan(Duration::from_millis(after), Step::Start(host));
        }
        let chaos = if self.scenario.rough_start {
            500
        } else {
            3_500
        };
        self.plan(Duration::from_millis(chaos), Step::Phase(Phase::Chaos));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Arrive(packet) => self.arrive(&packet),
            Step::ReadEvents(host, life) if self.lives(host, life) => self.read_events(host),
            Step::ReadDump(host, life) if self.lives(host, life) => self.read_dump(host),
            Step::Operate(host, life) if self.lives(host, life) => self.operate(host),
            Step::Outcomes(host, life, refusals, through) if self.lives(host, life) => {
                self.outcomes(host, &refusals, through);
            }
            Step::Wake(host, life) if self.lives(host, life) => self.wake(host),
            Step::Unblock(host, life, channel) if self.lives(host, life) => {
                self.unblock(host, channel);
            }
            Step::ReadEvents(..)
            | Step::ReadDump(..)
            | Step::Operate(..)
            | Step::Outcomes(..)
            | Step::Wake(..)
            | Step::Unblock(..) => {}
            Step::Start(host) => self.start(host),
            Step::Traffic => self.traffic(),
            Step::Incident => self.incident(),
            Step::CarrierBack(host, channel) => self.set_carrier(host, channel, true),
            Step::Expire(host) => self.expire(host),
            Step::PromotionStep(host) => self.promotion_step(host),
            Step::Phase(phase) => self.phase(phase),
        }
    }

    fn lives(&self, host: HostId, life: u32) -> bool {
        let host = self.hosts.get(host);
        host.life == life && host.node.is_some()
    }

    /// Faults begin or end.
    pub(crate) fn set_chaos(&mut self, chaos: bool) {
        self.chaos = chaos;
        if chaos {
            self.network.faults = self.scenario.link;
        } else {
            self.network.heal();
        }
    }

    /// All hosts of this world.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = HostId> + use<> {
        HostId::first(self.scenario.hosts).iter().copied()
    }

    /// All hosts but one.
    pub(crate) fn others(&self, host: HostId) -> impl Iterator<Item = HostId> + use<> {
        self.everyone().filter(move |other| *other != host)
    }

    fn start(&mut self, host: HostId) {
        if self.hosts.get(host).node.is_some() {
            return;
        }
        let config = host::config(&self.scenario, host, self.now);
        let now = self.now;
        self.hosts.get_mut(host).start(config, now);
        self.tell(host, &Fact::Started);
        self.drain(host);
        self.connect(host);
    }

    /// A daemon dies, with its kernel if the whole host does, and is started again later.
    pub(crate) fn stop(&mut self, host: HostId, with_kernel: bool) {
        if self.hosts.get(host).node.is_none() {
            return;
        }
        self.hosts.get_mut(host).stop();
        self.disconnect(host);
        *self.committing.get_mut(host) = None;
        self.tell(host, &Fact::Stopped);
        if with_kernel {
            self.empty_table(host, Origin::Traffic);
        }
        let least = DOWNTIME_MAX / 2 + self.scenario.link.delay_max();
        let down = self.luck.daemon.between(0, 1_000);
        self.plan(least + Duration::from_millis(down), Step::Start(host));
    }

    /// A host's table has changed.
    pub(crate) fn changed(&mut self, host: HostId, change: &Change) {
        self.counts.changes += 1;
        self.history.record(self.now, host, change);
        self.trace.record(self.now, b"change", || {
            format!(
                "{host:?} kernel {:?} {:?} {}",
                change.kind,
                change.origin,
                brief(&change.flow)
            )
        });
        self.tell(host, &Fact::Kernel(change));
        for change in self.kernel(host).take_consequences() {
            self.expectation_changed(host, &change);
        }
        self.plan_events(host);
        self.plan_expiry(host);
    }

    /// A host's table of expectations has changed.
    pub(crate) fn expectation_changed(&mut self, host: HostId, change: &ExpectChange) {
        self.counts.expectations += 1;
        self.history.record_expectation(self.now, host, change);
        self.trace.record(self.now, b"expectation", || {
            format!(
                "{host:?} kernel {:?} {:?} {}",
                change.kind,
                change.origin,
                expected(&change.expectation)
            )
        });
        self.tell(host, &Fact::Expectation(change));
        self.plan_events(host);
        self.plan_expiry(host);
    }

    /// The table of a host, which looks at the clock.
    pub(crate) fn kernel(&mut self, host: HostId) -> &mut Kernel {
        let now = self.now;
        let kernel = &mut self.hosts.get_mut(host).kernel;
        kernel.now = now;
        kernel
    }

    fn plan_expiry(&mut self, host: HostId) {
        let it = self.hosts.get_mut(host);
        let Some(due) = it.kernel.next_end() else {
            return;
        };
        if it.expire_at.is_none_or(|planned| due < planned) {
            it.expire_at = Some(due);
            self.plan(due.since(self.now), Step::Expire(host));
        }
    }

    /// What has outlived its timeout ends.
    fn expire(&mut self, host: HostId) {
        self.hosts.get_mut(host).expire_at = None;
        for change in self.kernel(host).expire() {
            self.counts.expired += 1;
            self.changed(host, &change);
        }
        for change in self.kernel(host).expire_expectations() {
            self.counts.expired += 1;
            self.expectation_changed(host, &change);
        }
        self.plan_expiry(host);
    }

    /// Who may open flows where.
    pub(crate) const fn share(&self, host: HostId) -> Share {
        match self.scenario.traffic {
            Traffic::Primary => Share::ALL,
            Traffic::Everyone => Share {
                of: self.scenario.hosts as u64,
                remainder: host as u64,
            },
        }
    }

    /// Tells the checkers a fact.
    pub(crate) fn tell(&mut self, host: HostId, fact: &Fact<'_>) {
        let scene = Scene {
            now: self.now,
            host,
            hosts: &self.hosts,
            history: &self.history,
            scenario: &self.scenario,
            external: OnceCell::new(),
        };
        self.checkers.observe(&scene, fact, &mut self.findings);
    }

    /// Plans a step.
    pub(crate) fn plan(&mut self, after: Duration, step: Step) {
        self.schedule.plan(self.now + after, step);
    }

    /// A random time of a daemon's loop.
    pub(crate) fn some_time(&mut self, max: Duration) -> Duration {
        let max = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.luck.daemon.between(10, max.max(10)))
    }
}
