//! The traffic of ended flows ("traffic processed" of conntrackd's `-s`).

use crate::basics::{at, config, event, flow};
use ctsync::{Counter, Node};
use flow::{Counters, EventKind, PerDir};

#[test]
fn all_64_bits_of_a_flows_counters_count() {
    // Stock adds up the lower half (compat: daemon-40).
    let mut node = Node::new(config(), at(0));
    let counters = |packets, bytes| Some(Counters { packets, bytes });
    let mut ended = flow(1);
    ended.counters = PerDir {
        orig: counters(3, 5_000_000_000_000),
        reply: counters(1 << 40, 7),
    };
    node.handle(at(1), event(EventKind::New, flow(1)));
    node.handle(at(2), event(EventKind::Destroy, ended));
    let stats = node.stats();
    assert_eq!(stats.get(Counter::TrafficBytes), 5_000_000_000_007);
    assert_eq!(stats.get(Counter::TrafficPackets), (1 << 40) + 3);
}
