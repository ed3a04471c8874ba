//! The flows of one kernel, without a peer: statistics mode.
//!
//! A [`Collector`] keeps the internal cache as a node does and sends nothing. What it is for is the
//! end of each flow: whoever feeds it is handed every flow that has ended, as the kernel's last event told
//! of it. A flow that has ended unnoticed, which the next reading of the kernel's table shows, is
//! handed over as it was known.
//!
//! It is driven like a [`Node`](crate::Node): [`Collector::handle`], then [`Collector::poll`] until
//! nothing is wanted, and again at [`Collector::timeout`] at the latest.

use core::time::Duration;

use flow::{Event, EventKind, Flow, Object};

use crate::cache::tracked::Life;
use crate::cache::{Cursor, HashKey, Internal, Key, Slot, View};
use crate::input::{DumpReason, Input};
use crate::stats::{Counter, Stats};
use crate::time::Instant;

/// Slots passed in one step of a sweep, each of which may hold a flow that has ended.
const SWEEP_STEP: u32 = 1024;

/// A full cache is told of at this interval at most.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// Settings of a [`Collector`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HashLimit`: flows kept; further ones are counted and not followed.
    pub cache_len_max: usize,
    /// `NetlinkOverrunResync`: delay between lost events and reading the table again; `None` never.
    pub overrun_resync: Option<Duration>,
    /// `PollSecs`: read the kernel's table so often, since no events are followed.
    pub poll: Option<Duration>,
    /// Key of the hash over tuples, which strangers choose.
    pub hash_key: [u64; 2],
}

/// One thing that the collector wants of its caller, or wants it to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Read the kernel's table and report it by `Input::Dumped` and `Input::DumpDone`.
    Dump(DumpReason),
    /// The table has been read since events were lost.
    Resynced {
        /// Flows in the kernel's table.
        seen: u64,
        /// Flows that had ended unnoticed.
        vanished: u64,
    },
    /// The cache is full: flows are not followed.
    Full,
}

/// A reading of the kernel's table.
#[derive(Clone, Copy, Debug)]
struct Reading {
    reason: DumpReason,
    seen: u64,
}

/// The walk behind a reading: guards are removed, and what has vanished has ended.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    reading: Reading,
    complete: bool,
    cursor: Cursor,
    vanished: u64,
}

/// The flows of a kernel, up to their end.
#[derive(Debug)]
pub struct Collector {
    settings: Settings,
    now: Instant,
    cache: Internal,
    stats: Stats,
    reading: Option<Reading>,
    sweep: Option<Sweep>,
    /// A reading that waits for the present one.
    wanted: Option<DumpReason>,
    resync_at: Option<Instant>,
    poll_at: Option<Instant>,
    dump: Option<DumpReason>,
    resynced: Option<Wish>,
    is_full: bool,
    silent_until: Instant,
}

impl Collector {
    /// A collector that starts now. It begins by reading the kernel's table.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let cache = Internal::new(HashKey(settings.hash_key), settings.cache_len_max, 0);
        let mut collector = Self {
            now,
            cache,
            stats: Stats::default(),
            reading: None,
            sweep: None,
            wanted: None,
            resync_at: None,
            poll_at: settings.poll.map(|period| now + period),
            dump: None,
            resynced: None,
            is_full: false,
            silent_until: Instant::default(),
            settings,
        };
        collector.begin_reading(DumpReason::Startup);
        collector
    }

    /// Takes in one thing that happened, and does what is due; hands flows that have ended to
    /// `ended`.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only the kernel speaks to a collector, whatever a node may hear besides"
    )]
    pub fn handle(&mut self, now: Instant, input: &Input<'_>, ended: &mut impl FnMut(&Flow<'_>)) {
        // A clock that goes backwards is held still.
        self.now = self.now.max(now);
        match input {
            Input::Event(event) => self.on_event(event, ended),
            Input::Overrun => self.on_overrun(),
            Input::Dumped(Object::Flow(flow)) => self.on_dumped(flow, ended),
            Input::DumpDone { complete } => self.on_dump_done(*complete),
            _ => {}
        }
        self.step_sweep(ended);
        self.run_timers();
    }

    /// The next thing that is wanted.
    pub fn poll(&mut self) -> Option<Wish> {
        if let Some(reason) = self.dump.take() {
            return Some(Wish::Dump(reason));
        }
        if core::mem::take(&mut self.is_full) && self.now >= self.silent_until {
            self.silent_until = self.now + NOTICE_INTERVAL;
            return Some(Wish::Full);
        }
        self.resynced.take()
    }

    /// When [`Input::Timeout`] is due at the latest; not after the time of the last input while
    /// there is something left to be done.
    pub fn timeout(&self) -> Option<Instant> {
        let work = self.sweep.map(|_| self.now);
        [work, self.resync_at, self.poll_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Reads the kernel's table (`-R`): what is there is entered, and nothing ends.
    pub fn resync(&mut self) {
        // Events were lost: then what is gone has to be found as well.
        let reason = match self.resync_at.take() {
            Some(_) => DumpReason::Overrun,
            None => DumpReason::Request,
        };
        self.read(reason);
    }

    /// Forgets all flows (`-f`), which do not end by that.
    pub fn flush(&mut self) {
        self.cache.clear(&mut self.stats);
    }

    /// Whether the kernel's table is being read, or will be.
    pub const fn is_reading(&self) -> bool {
        self.reading.is_some() || self.wanted.is_some()
    }

    /// What was counted; the cache counts as the internal one.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The flows that live.
    pub const fn flows(&self) -> View<'_> {
        View::internal(&self.cache)
    }

    fn on_event(&mut self, event: &Event<'_>, ended: &mut impl FnMut(&Flow<'_>)) {
        let flow = match &event.object {
            Object::Flow(flow) => flow,
            Object::Expectation(_) => return,
        };
        match event.kind {
            EventKind::New | EventKind::Update => {
                self.end_former_life(flow, ended);
                let slot = self.cache.on_update(flow, self.now, &mut self.stats);
                self.is_full |= slot.is_none();
            }
            EventKind::Destroy => {
                let slot = self.cache.on_destroy(flow, self.now, &mut self.stats);
                if let Some(slot) = slot {
                    ended(flow);
                    self.cache.bury(slot);
                }
            }
        }
    }

    fn on_dumped(&mut self, flow: &Flow<'_>, ended: &mut impl FnMut(&Flow<'_>)) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        reading.seen += 1;
        self.end_former_life(flow, ended);
        let merged = self.cache.on_dumped(flow, self.now, &mut self.stats);
        self.is_full |= merged == crate::cache::internal::Merged::Full;
    }

    /// The kernel speaks of another flow under a known tuple: the known one has ended unnoticed.
    fn end_former_life(&self, flow: &Flow<'_>, ended: &mut impl FnMut(&Flow<'_>)) {
        let known = self.cache.table.find(&Key::of_flow(flow));
        let Some(known) = known.and_then(|slot| self.cache.table.get(slot)) else {
            return;
        };
        let differ = |(ours, theirs)| ours != theirs;
        if known.life != Life::Dead && known.id().zip(flow.id).is_some_and(differ) {
            ended(&known.entry.flow());
        }
    }

    /// Events were lost. More losses do not put the reading off.
    fn on_overrun(&mut self) {
        self.stats.count(Counter::Overruns);
        self.schedule_resync();
    }

    fn schedule_resync(&mut self) {
        if let (None, Some(delay)) = (self.resync_at, self.settings.overrun_resync) {
            self.resync_at = Some(self.now + delay);
        }
    }

    fn run_timers(&mut self) {
        if self.resync_at.is_some_and(|at| at <= self.now) {
            self.resync_at = None;
            self.read(DumpReason::Overrun);
        }
        if let (Some(at), Some(period)) = (self.poll_at, self.settings.poll) {
            if at <= self.now {
                self.poll_at = Some(self.now + period);
                self.read(DumpReason::Poll);
            }
        }
    }

    /// Reads the table when no other reading is under way. One that finds what is gone does all
    /// that the others do.
    fn read(&mut self, reason: DumpReason) {
        if self.reading.is_none() && self.sweep.is_none() {
            self.begin_reading(reason);
        } else if !self.wanted.is_some_and(finds_ends) {
            self.wanted = Some(reason);
        }
    }

    fn begin_reading(&mut self, reason: DumpReason) {
        self.cache.begin_reading();
        self.reading = Some(Reading { reason, seen: 0 });
        self.dump = Some(reason);
    }

    fn on_dump_done(&mut self, complete: bool) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        self.cache.end_reading();
        if reading.reason == DumpReason::Overrun && !complete {
            // Only a whole reading shows what has ended.
            self.schedule_resync();
        }
        self.sweep = Some(Sweep {
            reading,
            complete,
            cursor: Cursor::default(),
            vanished: 0,
        });
    }

    fn step_sweep(&mut self, ended: &mut impl FnMut(&Flow<'_>)) {
        let Some(mut sweep) = self.sweep.take() else {
            return;
        };
        let Some((slots, next)) = self.cache.walk(sweep.cursor, SWEEP_STEP) else {
            return self.end_sweep(sweep);
        };
        let purges = sweep.complete && finds_ends(sweep.reading.reason);
        for slot in slots {
            if purges && self.cache.is_vanished(slot) {
                sweep.vanished += 1;
                self.end_unnoticed(slot, ended);
            }
            self.cache.bury(slot);
        }
        sweep.cursor = next;
        self.sweep = Some(sweep);
    }

    fn end_unnoticed(&mut self, slot: Slot, ended: &mut impl FnMut(&Flow<'_>)) {
        if let Some(tracked) = self.cache.table.get(slot) {
            ended(&tracked.entry.flow());
        }
        self.cache.kill(slot, &mut self.stats);
    }

    fn end_sweep(&mut self, sweep: Sweep) {
        if sweep.reading.reason == DumpReason::Overrun {
            self.resynced = Some(Wish::Resynced {
                seen: sweep.reading.seen,
                vanished: sweep.vanished,
            });
        }
        if let Some(reason) = self.wanted.take() {
            self.begin_reading(reason);
        }
    }
}

/// Whether a reading for this reason shows what has ended unnoticed.
const fn finds_ends(reason: DumpReason) -> bool {
    matches!(reason, DumpReason::Overrun | DumpReason::Poll)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use flow::{Addrs, Counters, L4, Origin, Ports, Tuple};

    fn flow(port: u16, id: u32) -> Flow<'static> {
        let addrs = Addrs::V4 {
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
        };
        let orig = Tuple::new(addrs, L4::Udp(Ports { src: port, dst: 53 }));
        let mut flow = Flow::new(orig);
        flow.reply = orig.inverse();
        flow.id = Some(id);
        flow
    }

    fn second(number: u64) -> Instant {
        Instant(number * 1_000_000_000)
    }

    /// A collector, its kernel's table, and the ids or ports of flows that have ended.
    struct World {
        collector: Collector,
        now: Instant,
        ended: Vec<(u16, bool)>,
        wishes: Vec<Wish>,
    }

    impl World {
        fn new(cache_len_max: usize, poll: Option<u64>) -> Self {
            let settings = Settings {
                cache_len_max,
                overrun_resync: Some(Duration::from_secs(30)),
                poll: poll.map(Duration::from_secs),
                hash_key: [1, 2],
            };
            let mut world = Self {
                collector: Collector::new(settings, second(0)),
                now: second(0),
                ended: Vec::new(),
                wishes: Vec::new(),
            };
            world.take_wishes();
            world
        }

        fn tell(&mut self, input: &Input<'_>) {
            let ended = &mut self.ended;
            self.collector.handle(self.now, input, &mut |flow| {
                let L4::Udp(ports) = flow.orig.l4 else { return };
                // Only the kernel's last event has counters.
                ended.push((ports.src, flow.counters.orig.is_some()));
            });
            self.take_wishes();
        }

        fn take_wishes(&mut self) {
            while let Some(wish) = self.collector.poll() {
                self.wishes.push(wish);
            }
        }

        fn event(&mut self, kind: EventKind, mut flow: Flow<'static>) {
            if kind == EventKind::Destroy {
                flow.counters.orig = Some(Counters {
                    packets: 2,
                    bytes: 90,
                });
            }
            let object = Object::Flow(flow);
            let origin = Origin::Traffic;
            self.tell(&Input::Event(Event {
                kind,
                object,
                origin,
            }));
        }

        /// Answers a reading with these flows and lets everything come to rest.
        fn read(&mut self, flows: &[Flow<'static>], complete: bool) {
            for flow in flows {
                self.tell(&Input::Dumped(Object::Flow(flow.clone())));
            }
            self.tell(&Input::DumpDone { complete });
            while self.collector.timeout() == Some(self.now) {
                self.tell(&Input::Timeout);
            }
        }

        /// Lets the next timer run out.
        fn wait(&mut self) {
            self.now = self.collector.timeout().unwrap();
            self.tell(&Input::Timeout);
        }
    }

    #[test]
    fn each_known_flow_ends_once() {
        let mut world = World::new(10, None);
        assert_eq!(world.wishes, [Wish::Dump(DumpReason::Startup)]);
        world.read(&[flow(1, 1)], true);
        world.event(EventKind::New, flow(2, 2));
        world.event(EventKind::Destroy, flow(1, 1));
        world.event(EventKind::Destroy, flow(1, 1));
        world.event(EventKind::Destroy, flow(3, 3));
        world.event(EventKind::Destroy, flow(2, 2));
        assert_eq!(world.ended, [(1, true), (2, true)]);
        assert_eq!(world.collector.flows().len(), 0);
        assert_eq!(world.collector.stats().get(Counter::TrafficBytes), 180);
    }

    #[test]
    fn what_ends_unnoticed_is_found_by_the_next_reading() {
        let mut world = World::new(10, None);
        world.read(&[flow(1, 1), flow(2, 2)], true);
        world.tell(&Input::Overrun);
        world.wait();
        assert_eq!(world.now, second(30));
        // A reading with gaps proves nothing.
        world.read(&[flow(2, 2)], false);
        assert_eq!(world.ended, []);
        world.wait();
        assert_eq!(world.now, second(60));
        world.read(&[flow(2, 2)], true);
        assert_eq!(world.ended, [(1, false)]);
        let resynced = Wish::Resynced {
            seen: 1,
            vanished: 1,
        };
        assert_eq!(world.wishes.last(), Some(&resynced));
    }

    #[test]
    fn a_tuple_that_is_used_again_has_ended_before() {
        let mut world = World::new(10, None);
        world.read(&[flow(1, 1)], true);
        world.event(EventKind::New, flow(1, 7));
        assert_eq!(world.ended, [(1, false)]);
        world.event(EventKind::Destroy, flow(1, 7));
        assert_eq!(world.ended, [(1, false), (1, true)]);
    }

    #[test]
    fn an_end_during_a_reading_is_not_undone_by_it() {
        let mut world = World::new(10, None);
        world.read(&[flow(1, 1)], true);
        world.collector.resync();
        world.event(EventKind::Destroy, flow(1, 1));
        world.event(EventKind::Destroy, flow(2, 2));
        world.read(&[flow(1, 1), flow(2, 2)], true);
        assert_eq!(world.collector.flows().len(), 0);
        assert_eq!(world.ended, [(1, true)]);
    }

    #[test]
    fn polling_reads_again_and_again() {
        let mut world = World::new(10, Some(5));
        world.read(&[flow(1, 1)], true);
        for round in 1..4 {
            world.wait();
            assert_eq!(world.now, second(5 * round));
            assert_eq!(world.wishes.last(), Some(&Wish::Dump(DumpReason::Poll)));
            let port = u16::try_from(round).unwrap() + 1;
            world.read(&[flow(port, 9)], true);
        }
        assert_eq!(world.ended, [(1, false), (2, false), (3, false)]);
        assert_eq!(world.collector.flows().len(), 1);
    }

    #[test]
    fn a_full_cache_is_told_of_once_a_minute() {
        let mut world = World::new(1, None);
        world.read(&[], true);
        for port in 0..5 {
            world.event(EventKind::New, flow(port, u32::from(port) + 1));
        }
        let told = |world: &World| world.wishes.iter().filter(|it| **it == Wish::Full).count();
        assert_eq!(told(&world), 1);
        assert_eq!(world.collector.stats().get(Counter::InternalNoSpace), 4);
        world.now = second(60);
        world.event(EventKind::New, flow(9, 9));
        assert_eq!(told(&world), 2);
    }

    #[test]
    fn a_flush_ends_nothing() {
        let mut world = World::new(10, None);
        world.read(&[flow(1, 1)], true);
        world.collector.flush();
        world.event(EventKind::Destroy, flow(1, 1));
        assert_eq!((world.collector.flows().len(), world.ended.len()), (0, 0));
    }
}
