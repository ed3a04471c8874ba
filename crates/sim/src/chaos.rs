//! What befalls the pair: traffic, incidents, and the operator's scripts.
//!
//! A run has phases: the daemons meet, chaos, healing, and then the questions: what has settled by
//! itself, what after a bulk, and what survives a last failover.

use std::time::Duration;

use ctsync::wire::{Control, Flags};
use ctsync::{Node, Request, Seq};

use crate::fact::Fact;
use crate::host::HostId;
use crate::scenario::{Incident, Traffic};
use crate::schedule::{Phase, Step};
use crate::world::World;

/// Time in which the nodes have to repair everything by themselves.
const SETTLE: Duration = Duration::from_secs(8);

/// Time in which a bulk has to arrive.
const REFILL: Duration = Duration::from_secs(4);

impl World {
    /// Begins or ends a phase.
    pub(crate) fn phase(&mut self, phase: Phase) {
        for host in HostId::ALL {
            let gauges = self.hosts.get(host).node.as_ref().map(Node::gauges);
            self.trace.record(self.now, b"phase", || {
                format!("{host:?} {phase:?} {gauges:?}")
            });
        }
        match phase {
            Phase::Chaos => {
                self.set_chaos(true);
                self.plan(Duration::ZERO, Step::Traffic);
                self.plan_incident();
                self.plan(self.scenario.chaos, Step::Phase(Phase::Heal));
            }
            Phase::Heal => {
                self.set_chaos(false);
                let overrun = self.scenario.node.overrun_resync.unwrap_or_default();
                // A short queue takes its time to send what fell out of it.
                let short = self.scenario.node.resend_queue_len_max < 100;
                let repair = if short { SETTLE * 2 } else { Duration::ZERO };
                self.plan(SETTLE + repair + overrun * 2, Step::Phase(Phase::Settled));
            }
            Phase::Settled => {
                self.tell(self.primary, &Fact::Settled);
                for host in HostId::ALL {
                    self.request(host, Request::ResyncKernel);
                }
                self.plan(REFILL / 2, Step::Phase(Phase::Refill));
            }
            Phase::Refill => {
                for host in HostId::ALL {
                    self.request(host, Request::FlushExternal);
                    self.request(host, Request::RequestBulk);
                }
                self.plan(REFILL, Step::Phase(Phase::Recovered));
            }
            Phase::Recovered => {
                self.tell(self.primary, &Fact::Recovered);
                self.commit(self.primary.peer());
                self.plan(REFILL, Step::Phase(Phase::Survived));
            }
            Phase::Survived => self.tell(self.primary.peer(), &Fact::Survived),
        }
    }

    /// Some flow changes somewhere.
    pub(crate) fn traffic(&mut self) {
        if !self.chaos {
            return;
        }
        match self.scenario.traffic {
            Traffic::Primary => self.change(self.primary),
            Traffic::Both => {
                let host = if self.luck.traffic.below(2) == 0 {
                    HostId::A
                } else {
                    HostId::B
                };
                self.change(host);
            }
        }
        let max = u64::try_from(self.scenario.pause_max.as_micros()).unwrap_or(u64::MAX);
        let pause = self.luck.traffic.between(1, max);
        self.plan(Duration::from_micros(pause), Step::Traffic);
    }

    fn change(&mut self, host: HostId) {
        let share = self.share(host);
        let kernel = &mut self.hosts.get_mut(host).kernel;
        if let Some(change) = self.workload.step(kernel, share) {
            self.changed(host, &change);
        }
    }

    fn plan_incident(&mut self) {
        let max = u64::try_from(self.scenario.incident_pause_max.as_micros()).unwrap_or(u64::MAX);
        let pause = self.luck.incidents.between(max / 10, max);
        self.plan(Duration::from_micros(pause), Step::Incident);
    }

    /// One of the scenario's incidents.
    pub(crate) fn incident(&mut self) {
        if !self.chaos {
            return;
        }
        let luck = &mut self.luck.incidents;
        let incident = luck.pick(&self.scenario.incidents).copied();
        let host = if luck.below(2) == 0 {
            HostId::A
        } else {
            HostId::B
        };
        let length = Duration::from_millis(luck.between(1, 2_500));
        if let Some(incident) = incident {
            self.counts.incidents += 1;
            self.trace
                .record(self.now, b"incident", || format!("{host:?} {incident:?}"));
            self.befall(incident, host, length);
        }
        self.plan_incident();
    }

    fn befall(&mut self, incident: Incident, host: HostId, length: Duration) {
        match incident {
            Incident::Partition => self.partition(length),
            Incident::Block => self.block(host, length),
            Incident::Restart => self.stop(host, false),
            Incident::Reboot => self.stop(host, true),
            Incident::Failover => self.fail_over(),
            Incident::Request(request) => self.request(host, request),
            Incident::Forgery => {
                let mut bytes = Vec::new();
                let seq = Seq(self.luck.incidents.long());
                Control::Alive.encode(Flags::NONE, seq, &mut bytes);
                self.plan(Duration::ZERO, Step::Arrive(host, bytes));
            }
            Incident::Junk => {
                let bytes = self.junk();
                self.plan(Duration::ZERO, Step::Arrive(host, bytes));
            }
            Incident::Burst => {
                for _ in 0..self.scenario.burst {
                    self.change(self.primary);
                }
            }
        }
    }

    /// Random bytes that begin like a message but cannot be one: the length is wrong.
    fn junk(&mut self) -> Vec<u8> {
        let luck = &mut self.luck.incidents;
        let len = luck.between(0, 60);
        let mut bytes: Vec<u8> = (0..len).map(|_| luck.short().to_be_bytes()[0]).collect();
        if let Some(head) = bytes.first_chunk_mut::<4>() {
            *head = [head[0] & 0x0f | 0x10, head[1], 0xff, head[3]];
        }
        bytes
    }

    /// The backup becomes primary, as keepalived has it: it commits, then forgets the peer's flows,
    /// reads the table and sends it; the other one asks for them and forgets its own table later.
    fn fail_over(&mut self) {
        self.primary = self.primary.peer();
        self.commit(self.primary);
        self.plan(Duration::from_millis(50), Step::PromotionStep(self.primary));
        let backup = self.primary.peer();
        self.request(backup, Request::SchedulePurge);
        self.request(backup, Request::RequestBulk);
    }

    /// What the new primary does when its commit has ended.
    pub(crate) fn promotion_step(&mut self, host: HostId) {
        if self.committing.get(host).is_some() {
            self.plan(Duration::from_millis(50), Step::PromotionStep(host));
            return;
        }
        self.request(host, Request::FlushCaches);
        self.request(host, Request::ResyncKernel);
        self.request(host, Request::SendBulk);
    }
}
