//! What the kernel says: events, and the entries of its table when that is read.
//!
//! The kernel also reports what we did ourselves. A commit and a flush change the cache and are not
//! sent, injected flows are the peer's and concern nobody.

use flow::{Event, EventKind, Flow, Object, Origin};

use super::Node;
use super::jobs::Sweep;
use super::timers::Full;
use crate::cache::internal::Merged;
use crate::cache::table::Slot;
use crate::input::DumpReason;
use crate::stats::Counter;

impl Node {
    /// Something has changed in the kernel.
    pub(super) fn on_event(&mut self, event: &Event<'_>) {
        let announced = match event.origin {
            Origin::Inject => return,
            Origin::Commit | Origin::Flush => false,
            Origin::Traffic | Origin::Other(_) | Origin::Resync => true,
        };
        let flow = match &event.object {
            Object::Flow(flow) => flow,
            Object::Expectation(_) => {
                self.stats.count(Counter::ExpectationsIgnored);
                return;
            }
        };
        match event.kind {
            EventKind::New => self.on_flow_new(flow, announced),
            EventKind::Update => self.on_flow_update(flow, announced),
            EventKind::Destroy => self.on_flow_destroy(flow, announced),
        }
    }

    fn on_flow_new(&mut self, flow: &Flow<'_>, announced: bool) {
        if !announced {
            // What the peer had of this tuple before, nobody has told it is gone.
            self.internal.peer_remembers();
        }
        let slot = self.internal.on_new(flow, self.now, &mut self.stats);
        self.on_flow_known(slot, announced);
    }

    fn on_flow_update(&mut self, flow: &Flow<'_>, announced: bool) {
        let slot = self.internal.on_update(flow, self.now, &mut self.stats);
        self.on_flow_known(slot, announced);
    }

    fn on_flow_known(&mut self, slot: Option<Slot>, announced: bool) {
        match slot {
            Some(slot) if announced => self.sender.announce(&mut self.internal, slot),
            Some(_) => {}
            None => self.notice_full(Full::Internal),
        }
    }

    fn on_flow_destroy(&mut self, flow: &Flow<'_>, announced: bool) {
        let Some(slot) = self.internal.on_destroy(flow, self.now, &mut self.stats) else {
            return;
        };
        if announced {
            self.sender.announce(&mut self.internal, slot);
        } else {
            // The peer keeps the flow, and hears no more of it.
            self.internal.peer_remembers();
            self.sender.withdraw(&mut self.internal, slot);
            self.internal.bury(slot);
        }
    }

    /// Events were lost: the table has to be read again, after a while, since what made the kernel
    /// drop events is likely to go on. More losses do not put it off.
    pub(super) fn on_overrun(&mut self) {
        self.stats.count(Counter::Overruns);
        self.schedule_resync();
    }

    fn schedule_resync(&mut self) {
        if let (None, Some(delay)) = (self.timers.resync_at, self.config.overrun_resync) {
            self.timers.resync_at = Some(self.now + delay);
        }
    }

    /// One entry of the kernel's table.
    pub(super) fn on_dumped(&mut self, flow: &Flow<'_>) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        reading.seen += 1;
        let announced = reading.reason == DumpReason::Overrun;
        match self.internal.on_dumped(flow, self.now, &mut self.stats) {
            Merged::Changed(slot) if announced => self.sender.announce(&mut self.internal, slot),
            Merged::Changed(_) | Merged::Unchanged => {}
            Merged::Full => self.notice_full(Full::Internal),
        }
    }

    /// The kernel's table has been read.
    pub(super) fn on_dump_done(&mut self, complete: bool) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        self.internal.end_reading();
        if reading.reason == DumpReason::Overrun && !complete {
            // What has vanished unnoticed may still be there: only a whole reading ends this.
            self.schedule_resync();
        }
        self.sweep = Some(Sweep::new(reading, complete));
    }

    /// Asks for the kernel's table, when no other reading of it is under way.
    pub(super) fn read_kernel(&mut self, mut reason: DumpReason) {
        if reason == DumpReason::Request && self.timers.resync_at.take().is_some() {
            // Events were lost: what this reading finds has to be sent as well.
            reason = DumpReason::Overrun;
        }
        if self.reading.is_some() || self.sweep.is_some() {
            // Reading after lost events does all that the others do.
            if self.reading_wanted != Some(DumpReason::Overrun) {
                self.reading_wanted = Some(reason);
            }
            return;
        }
        self.begin_reading(reason);
    }

    /// Queues the end of a flow that the kernel's table no longer has.
    pub(super) fn on_vanished(&mut self, slot: Slot) {
        if self.internal.kill(slot, &mut self.stats) {
            self.sender.announce(&mut self.internal, slot);
        }
    }
}
