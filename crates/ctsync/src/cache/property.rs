//! The caches give the same answers as maps that do the same naively.
//!
//! The flows are drawn from few values of each part, so that they differ in one of them and meet
//! again and again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use flow::{Addrs, Flow, Icmp, Keys, L4, Mark, Ports, Protocol, Status, Tuple, Zone};
use proptest::prelude::*;

use super::entry::Entry;
use super::hash::HashKey;
use super::internal::Internal;
use super::key::Key;
use super::table::{Cursor, Slot, Table};
use super::tracked::{Life, Place};
use crate::seq::Seq;
use crate::stats::Stats;
use crate::time::Instant;

/// Few values of each part, so that flows differ in one of them and meet again.
fn flows() -> impl Strategy<Value = Flow<'static>> {
    let small = 0..3_u8;
    let ports = (0..3_u16, 0..2_u16).prop_map(|(src, dst)| Ports { src, dst });
    let l4 = prop_oneof![
        ports.clone().prop_map(L4::Tcp),
        ports.clone().prop_map(L4::Udp),
        ports.prop_map(L4::UdpLite),
        (0..2_u16, 0..2_u16).prop_map(|(src, dst)| L4::Gre(Keys { src, dst })),
        (0..2_u8, 0..2_u16).prop_map(|(code, id)| L4::Icmp(Icmp { kind: 8, code, id })),
        Just(L4::Other(Protocol(50))),
    ];
    let addrs = prop_oneof![
        (small.clone(), small.clone()).prop_map(|(a, b)| Addrs::V4 {
            src: [10, 0, 0, a].into(),
            dst: [10, 0, 1, b].into(),
        }),
        (0..2_u16, 0..2_u16).prop_map(|(a, b)| Addrs::V6 {
            src: [0xfd00, 0, 0, 0, 0, 0, 0, a].into(),
            dst: [0xfd00, 0, 0, 0, 0, 0, 1, b].into(),
        }),
    ];
    let zone = prop_oneof![Just(None), Just(Some(Zone(0))), Just(Some(Zone(5)))];
    (addrs, l4, zone, 0..3_u32).prop_map(|(addrs, l4, zone, mark)| {
        let mut flow = Flow::new(Tuple::new(addrs, l4));
        flow.zone = zone;
        flow.mark = Some(Mark(mark));
        flow.status = Some(Status::CONFIRMED);
        flow.reply = flow.orig.inverse();
        flow
    })
}

/// A flow's identity, computed in another way than the cache does.
fn identity(flow: &Flow<'_>) -> (Tuple, u16) {
    (flow.orig, flow.zone.unwrap_or_default().0)
}

/// Something that happens to a cache and its queues.
#[derive(Clone, Debug)]
enum Step {
    New(Flow<'static>),
    Update(Flow<'static>),
    Destroy(Flow<'static>),
    /// The entry of this rank is queued, sent and so on.
    Queue(usize),
    Send(usize),
    Acknowledge(usize),
    GiveUp(usize),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rank = 0..40_usize;
    let step = prop_oneof![
        6 => flows().prop_map(Step::New),
        4 => flows().prop_map(Step::Update),
        4 => flows().prop_map(Step::Destroy),
        4 => rank.clone().prop_map(Step::Queue),
        4 => rank.clone().prop_map(Step::Send),
        4 => rank.clone().prop_map(Step::Acknowledge),
        2 => rank.prop_map(Step::GiveUp),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..300)
}

const LIVE_MAX: usize = 30;

/// The cache beside a map of the flows that are in the kernel.
struct Pair {
    cache: Internal,
    kernel: BTreeMap<(Tuple, u16), Option<Mark>>,
    stats: Stats,
}

impl Pair {
    fn apply(&mut self, step: &Step) {
        let now = Instant(0);
        match step {
            Step::New(flow) => {
                if self.cache.on_new(flow, now, &mut self.stats).is_some() {
                    self.kernel.insert(identity(flow), flow.mark);
                } else {
                    assert!(!self.kernel.contains_key(&identity(flow)));
                }
            }
            Step::Update(flow) => {
                if self.cache.on_update(flow, now, &mut self.stats).is_some() {
                    self.kernel.insert(identity(flow), flow.mark);
                }
            }
            Step::Destroy(flow) => {
                let known = self.cache.on_destroy(flow, now, &mut self.stats);
                let expected = self.kernel.remove(&identity(flow));
                assert_eq!(known.is_some(), expected.is_some());
                if let Some(slot) = known {
                    self.cache.enqueue(slot);
                }
            }
            Step::Queue(rank) => self.at(*rank, None, |cache, slot| {
                cache.enqueue(slot);
            }),
            Step::Send(rank) => self.at(*rank, Some(Place::Queued), |cache, slot| {
                if let Some(tracked) = cache.table.get_mut(slot) {
                    tracked.sent(Seq(1));
                }
            }),
            Step::Acknowledge(rank) => self.at(*rank, Some(Place::Sent), |cache, slot| {
                cache.acknowledged(slot);
            }),
            Step::GiveUp(rank) => {
                let mut stats = Stats::default();
                self.at(*rank, Some(Place::Sent), |cache, slot| {
                    cache.give_up(slot, &mut stats);
                });
            }
            Step::Clear => {
                self.cache.clear(&mut self.stats);
                self.kernel.clear();
            }
        }
    }

    /// Does something to the entry of a rank, if it stands in this place.
    fn at(&mut self, rank: usize, place: Option<Place>, act: impl FnOnce(&mut Internal, Slot)) {
        let slots = slots(&self.cache);
        let Some(slot) = slots.get(rank % slots.len().max(1)) else {
            return;
        };
        let stands = self.cache.table.get(*slot).map(|it| it.place);
        if place.is_none() || stands == place {
            act(&mut self.cache, *slot);
        }
    }

    fn check(&self) {
        let mut live = 0;
        let mut given_up = 0;
        for slot in slots(&self.cache) {
            let tracked = self.cache.table.get(slot).unwrap();
            assert_eq!(self.cache.table.find(&tracked.entry.key()), Some(slot));
            given_up += usize::from(tracked.place == Place::GivenUp);
            let identity = (tracked.entry.orig(), tracked.entry.key_zone().0);
            if tracked.life == Life::Dead {
                assert_ne!(
                    tracked.place,
                    Place::Idle,
                    "a dead entry that nobody waits for"
                );
                assert!(!self.kernel.contains_key(&identity));
            } else {
                live += 1;
                assert_eq!(self.kernel.get(&identity), Some(&tracked.entry.mark()));
            }
        }
        assert_eq!(live, self.kernel.len());
        assert_eq!((self.cache.live(), self.cache.given_up), (live, given_up));
        assert!(live <= LIVE_MAX);
    }
}

/// The used slots, in their order.
fn slots(cache: &Internal) -> Vec<Slot> {
    let all = cache.walk(Cursor::START, u32::MAX);
    let used = |slot: &Slot| cache.table.get(*slot).is_some();
    all.into_iter()
        .flat_map(|(slots, _)| slots)
        .filter(used)
        .collect()
}

proptest! {
    #[test]
    fn the_internal_cache_holds_what_is_in_the_kernel(steps in steps(), key: [u64; 2]) {
        let mut pair = Pair {
            cache: Internal::new(HashKey(key), LIVE_MAX, 1000),
            kernel: BTreeMap::new(),
            stats: Stats::default(),
        };
        for step in &steps {
            pair.apply(step);
            pair.check();
        }
    }

    #[test]
    fn a_table_finds_what_a_map_finds(
        steps in prop::collection::vec((flows(), any::<bool>()), 0..400),
        key: [u64; 2],
    ) {
        let mut table: Table<Entry> = Table::new(HashKey(key));
        let mut map = BTreeMap::new();
        for (flow, insert) in &steps {
            let key = Key::of_flow(flow);
            let found = table.find(&key);
            prop_assert_eq!(found, map.get(&identity(flow)).copied());
            match (found, insert) {
                (None, true) => {
                    let slot = table.insert(Entry::from_flow(flow, Instant(0)));
                    map.insert(identity(flow), slot);
                }
                (Some(slot), false) => {
                    prop_assert!(table.remove(slot).is_some());
                    map.remove(&identity(flow));
                }
                (None, false) | (Some(_), true) => {}
            }
            prop_assert_eq!(table.len(), map.len());
        }
    }

    #[test]
    fn an_entry_gives_back_what_it_was_told(flow in flows()) {
        let entry = Entry::from_flow(&flow, Instant(0));
        prop_assert_eq!(entry.flow(), flow);
    }
}
