//! What is still to happen: ordered by time, and at equal times by the order of planning.
//!
//! So the order never depends on anything but the seed. What is planned cannot be withdrawn; what
//! concerns a daemon is void when that daemon's life has ended.

use std::collections::BTreeMap;

use ctsync::{ChannelId, Instant, OpId, Refusal};

use crate::host::HostId;
use crate::network::Packet;

/// Something that is going to happen. What concerns a daemon carries the daemon's life: it is void
/// once that has ended.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something sent reaches a host.
    Arrive(Packet),
    /// The daemon reads events.
    ReadEvents(HostId, u32),
    /// The daemon reads a part of a dump.
    ReadDump(HostId, u32),
    /// The kernel carries out operations.
    Operate(HostId, u32),
    /// The daemon hears of refusals and of the last operation of a batch.
    Outcomes(HostId, u32, Vec<(OpId, Refusal)>, OpId),
    /// The node's timeout.
    Wake(HostId, u32),
    /// A link takes datagrams again.
    Unblock(HostId, u32, ChannelId),
    /// A host has its carrier on a link again.
    CarrierBack(HostId, ChannelId),
    /// A timeout of the kernel may have come.
    Expire(HostId),
    /// A daemon starts.
    Start(HostId),
    /// A table changes.
    Traffic,
    /// Something befalls the pair.
    Incident,
    /// The new primary continues its failover script.
    PromotionStep(HostId),
    /// The next phase of the run.
    Phase(Phase),
}

/// The phases of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Traffic and faults begin.
    Chaos,
    /// Traffic and faults end.
    Heal,
    /// What the nodes repair by themselves is repaired.
    Settled,
    /// The operator empties the external caches and asks for bulks.
    Refill,
    /// That is done, and the backup takes over for the last time.
    Recovered,
    /// It has taken over.
    Survived,
}

/// The plan.
#[derive(Debug, Default)]
pub struct Schedule {
    steps: BTreeMap<(Instant, u64), Step>,
    planned: u64,
}

impl Schedule {
    /// Plans a step.
    pub fn plan(&mut self, at: Instant, step: Step) {
        self.planned += 1;
        self.steps.insert((at, self.planned), step);
    }

    /// Takes the next step.
    pub fn take(&mut self) -> Option<(Instant, Step)> {
        self.steps.pop_first().map(|((at, _), step)| (at, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_one_moment_keep_the_order_of_planning() {
        let mut schedule = Schedule::default();
        schedule.plan(Instant(2), Step::Traffic);
        schedule.plan(Instant(1), Step::Incident);
        schedule.plan(Instant(1), Step::Start(HostId::A));
        assert!(matches!(
            schedule.take(),
            Some((Instant(1), Step::Incident))
        ));
        assert!(matches!(
            schedule.take(),
            Some((Instant(1), Step::Start(HostId::A)))
        ));
        assert!(matches!(schedule.take(), Some((Instant(2), Step::Traffic))));
        assert!(schedule.take().is_none());
    }
}
