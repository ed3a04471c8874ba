//! What befalls the hosts: traffic, incidents, and the operator's scripts.
//!
//! A run has phases: the daemons meet, chaos, healing, and then the questions: what has settled by
//! itself, what after a bulk, and what survives a last failover.

use std::time::Duration;

use ctsync::wire::{Control, Flags};
use ctsync::{Node, Request, Seq, Tables};

use crate::fact::Fact;
use crate::host::HostId;
use crate::network::Packet;
use crate::random::Percent;
use crate::scenario::{Incident, Traffic};
use crate::schedule::{Phase, Step};
use crate::world::World;

impl World {
    /// Begins or ends a phase.
    pub(crate) fn phase(&mut self, phase: Phase) {
        for host in self.everyone() {
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
                let poll = self.scenario.node.poll.unwrap_or_default();
                let after = self.scenario.settle_time() + overrun * 2 + poll * 2;
                self.plan(after, Step::Phase(Phase::Settled));
            }
            Phase::Settled => {
                self.tell(self.primary, &Fact::Settled);
                for host in self.everyone() {
                    if !self.scenario.node.injects() {
                        self.request(host, Request::ResyncKernel(Tables::All));
                    }
                }
                self.plan(Duration::from_secs(2), Step::Phase(Phase::Refill));
            }
            Phase::Refill => {
                for host in self.everyone() {
                    self.request(host, Request::FlushExternal);
                    let node = &self.scenario.node;
                    if !node.injects() || node.keeps() || host != self.primary {
                        self.request(host, Request::RequestBulk);
                    }
                }
                self.plan(self.scenario.refill_time(), Step::Phase(Phase::Recovered));
            }
            Phase::Recovered => {
                self.tell(self.primary, &Fact::Recovered);
                self.commit(self.backup());
                self.plan(self.scenario.refill_time(), Step::Phase(Phase::Survived));
            }
            Phase::Survived => self.tell(self.backup(), &Fact::Survived),
        }
    }

    /// Some flow changes somewhere.
    pub(crate) fn traffic(&mut self) {
        if !self.chaos {
            return;
        }
        match self.scenario.traffic {
            Traffic::Primary => self.change(self.primary),
            Traffic::Everyone => {
                let everyone = HostId::first(self.scenario.hosts);
                let host = self.luck.traffic.pick(everyone).copied();
                self.change(host.unwrap_or(self.primary));
            }
        }
        let max = u64::try_from(self.scenario.pause_max.as_micros()).unwrap_or(u64::MAX);
        let pause = self.luck.traffic.between(1, max);
        self.plan(Duration::from_micros(pause), Step::Traffic);
    }

    fn change(&mut self, host: HostId) {
        if self.scenario.node.expectations && self.luck.traffic.chance(Percent(15)) {
            self.expect(host);
            return;
        }
        let share = self.share(host);
        let (now, workload) = (self.now, &mut self.workload);
        let kernel = &mut self.hosts.get_mut(host).kernel;
        kernel.now = now;
        if let Some(change) = workload.step(kernel, share) {
            self.changed(host, &change);
        }
    }

    /// A helper is at work, or what it announced comes.
    fn expect(&mut self, host: HostId) {
        let (now, workload) = (self.now, &mut self.workload);
        let kernel = &mut self.hosts.get_mut(host).kernel;
        kernel.now = now;
        if self.luck.traffic.chance(Percent(60)) {
            if let Some(change) = workload.expect(kernel) {
                self.expectation_changed(host, &change);
            }
        } else if let Some((end, change)) = workload.fulfil(kernel) {
            self.expectation_changed(host, &end);
            if let Some(change) = change {
                self.changed(host, &change);
            }
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
        let host = luck.pick(HostId::first(self.scenario.hosts)).copied();
        let host = host.unwrap_or(self.primary);
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
            Incident::Partition => {
                let link = self.some_link();
                self.network.partition(link, self.now + length);
            }
            Incident::Deaf => {
                let link = self.some_link();
                self.network.deafen(host, link, self.now + length);
            }
            Incident::Block => {
                let link = self.some_link();
                self.block(host, link);
                self.unblock_after(host, link, length);
            }
            Incident::Carrier => {
                let link = self.some_link();
                self.set_carrier(host, link, false);
                self.plan(length, Step::CarrierBack(host, link));
            }
            Incident::Reconnect => {
                let link = self.some_link();
                self.break_stream(host, link);
            }
            Incident::Restart => self.stop(host, false),
            Incident::Reboot => self.stop(host, true),
            Incident::Failover => self.fail_over(),
            Incident::Promotion => {
                self.primary = self.backup();
                self.commit(self.primary);
            }
            Incident::Request(request) => self.request(host, request),
            Incident::Forgery => {
                let mut bytes = Vec::new();
                let seq = Seq(self.luck.incidents.long());
                Control::Alive.encode(Flags::NONE, seq, &mut bytes);
                self.slip_in(host, bytes);
            }
            Incident::Junk => {
                let bytes = self.junk();
                self.slip_in(host, bytes);
            }
            Incident::Burst => {
                for _ in 0..self.scenario.burst {
                    self.change(self.primary);
                }
            }
        }
    }

    /// A stranger sends, in the name of another host.
    fn slip_in(&mut self, to: HostId, bytes: Vec<u8>) {
        if let Some(from) = self.others(to).next() {
            let packet = Packet::forged(from, to, bytes);
            self.plan(Duration::ZERO, Step::Arrive(packet));
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
        let backup = self.primary;
        self.primary = self.backup();
        self.commit(self.primary);
        self.plan(Duration::from_millis(50), Step::PromotionStep(self.primary));
        self.request(backup, Request::SchedulePurge);
        self.request(backup, Request::RequestBulk);
    }

    /// The host that takes over next.
    pub(crate) fn backup(&self) -> HostId {
        let next = self.everyone().find(|host| *host > self.primary);
        next.unwrap_or(HostId::A)
    }

    /// What the new primary does when its commit has ended.
    pub(crate) fn promotion_step(&mut self, host: HostId) {
        if self.committing.get(host).is_some() {
            self.plan(Duration::from_millis(50), Step::PromotionStep(host));
            return;
        }
        self.request(host, Request::FlushCaches);
        self.request(host, Request::ResyncKernel(Tables::All));
        self.request(host, Request::SendBulk);
    }
}
