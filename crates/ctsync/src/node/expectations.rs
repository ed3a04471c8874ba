//! What the kernel says of expectations.
//!
//! An expectation is kept and told of while its master is kept: so the filter, which the caller
//! applies to flows, decides about it too. Some helpers announce with the very first packet
//! of a flow, before the kernel tells of that flow: such an expectation is held until then.

use flow::{EventKind, Expectation, Flow, Tuple, Zone};

use super::Node;
use super::timers::Full;
use crate::cache::Slot;
use crate::cache::expectation::Expected;
use crate::cache::kept::Kept;
use crate::cache::ours::Name;
use crate::cache::table::Identity;
use crate::input::DumpReason;
use crate::stats::Counter;

impl Node {
    /// Something has changed in the kernel's table of expectations.
    pub(super) fn on_expectation_event(
        &mut self,
        kind: EventKind,
        report: &Expectation<'_>,
        announced: bool,
    ) {
        if !self.config.expectations {
            self.stats.count(Counter::ExpectationsIgnored);
        } else if self.bypasses() {
            if announced {
                self.pass_expectation_on(kind, report);
            }
        } else if kind == EventKind::Destroy {
            self.on_expectation_destroy(report, announced);
        } else if let Some(zone) = self.ours.zone_of_master(report) {
            self.on_expectation_known(kind, report, zone, announced);
        } else if let (Some(unheard), false) = (&mut self.unheard, announced) {
            // It is read with its master, of which nobody has told.
            unheard.note(Expected::key_of_report(report).hash(&self.hash_key));
        } else if announced {
            self.ours.hold(report, self.now, &mut self.stats);
        } else {
            self.stats.count(Counter::ExpectationsIgnored);
        }
    }

    fn on_expectation_known(
        &mut self,
        kind: EventKind,
        report: &Expectation<'_>,
        zone: Zone,
        announced: bool,
    ) {
        if !announced {
            // What the peer had of it before, nobody has told it is gone.
            self.ours.expectations.peer_remembers();
        }
        let (now, stats) = (self.now, &mut self.stats);
        let slot = self.ours.on_expectation(kind, report, zone, now, stats);
        let Some(slot) = slot else {
            self.notice_full(Full::Internal);
            return;
        };
        self.on_expectation_kept(slot, announced);
    }

    fn on_expectation_kept(&mut self, slot: Slot, announced: bool) {
        self.mode.note_kept(Name::Expectation(slot), self.now);
        if announced {
            self.announce(Name::Expectation(slot));
        }
    }

    /// The end of an expectation counts whatever has become of its master (compat: daemon-36).
    fn on_expectation_destroy(&mut self, report: &Expectation<'_>, announced: bool) {
        let hash_key = self.hash_key;
        self.forget_written(|| Expected::key_of_report(report).hash(&hash_key));
        let (now, stats) = (self.now, &mut self.stats);
        if let Some(slot) = self.ours.on_expectation_destroy(report, now, stats) {
            self.on_ended(Name::Expectation(slot), announced);
        }
    }

    /// One entry of the kernel's table of expectations.
    pub(super) fn on_expectation_dumped(&mut self, report: &Expectation<'_>, reason: DumpReason) {
        if !self.config.expectations {
            self.stats.count(Counter::ExpectationsIgnored);
            return;
        }
        if self.bypasses() {
            self.pass_expectation_on(EventKind::New, report);
            return;
        }
        let Some(zone) = self.ours.zone_of_master(report) else {
            self.stats.count(Counter::ExpectationsIgnored);
            return;
        };
        let (now, stats) = (self.now, &mut self.stats);
        let merged = self.ours.on_expectation_dumped(report, zone, now, stats);
        self.on_merged(merged, reason, Name::Expectation, |hash_key| {
            Expected::key_of_report(report).hash(hash_key)
        });
    }

    /// A flow has come to be known: expectations may have waited for it.
    pub(super) fn release_expectations_of(&mut self, flow: &Flow<'_>) {
        if !self.ours.holds_any() {
            return;
        }
        let zone = flow.zone.or(flow.orig.zone).unwrap_or_default();
        for expected in self.ours.release(&flow.orig, self.now) {
            let report = expected.expectation();
            self.on_expectation_known(EventKind::New, &report, zone, true);
        }
    }

    /// A flow has ended: so have the expectations that it announced.
    pub(super) fn end_expectations_of(&mut self, master: &Tuple, zone: Zone, announced: bool) {
        let stats = &mut self.stats;
        for name in self.ours.kill_expectations_of(master, zone, stats) {
            self.on_ended(name, announced);
        }
    }

    /// Makes a message of what the kernel says, and keeps nothing of it.
    fn pass_expectation_on(&mut self, kind: EventKind, report: &Expectation<'_>) {
        let (presence, now) = (self.presence, self.now);
        let passed = self.mode.pass_on(&mut self.stats, |flags, seq, out| {
            let entry = Expected::from_report(report, now);
            entry.message(presence, now).encode(kind, flags, seq, out);
        });
        if !passed {
            self.notice_full(Full::Bypass);
        }
    }
}
