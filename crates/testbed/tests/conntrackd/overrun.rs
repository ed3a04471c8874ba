//! Events that the kernel drops: they are counted, and what they would have told is found out by
//! reading the table.

use testbed::{Conntrackd, Mark, Result};

use super::{Extra, Pair, group, load, runtime, wait_for_line, wait_for_number};

/// A small buffer that may double once.
const SMALL: &str = "General { NetlinkBufferSize 65536 NetlinkBufferSizeMaxGrowth 131072 \
                     NetlinkOverrunResync 1 }";

/// Stops the daemon's process while `work` changes the table faster than the buffer holds.
fn while_stopped(daemon: &Conntrackd, work: impl FnOnce() -> Result<()>) -> Result<()> {
    daemon.process().signal(rustix::process::Signal::STOP);
    let done = work();
    daemon.process().signal(rustix::process::Signal::CONT);
    done
}

#[test]
fn lost_events_are_repaired() -> Result<()> {
    let extra = Extra {
        a: SMALL,
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let node = &pair.network.a;
    group(1, 500).create(node)?;
    // Flows in zones are found by their zones: stock takes them for gone.
    load(
        node,
        &["-p udp -s 10.7.0.1 -d 192.0.2.1 --sport 1 --dport 2 -w 7 -t 600"],
    )?;
    pair.wait_until_replicated(501)?;
    while_stopped(&pair.a, || {
        group(2, 1_000).create(node)?;
        group(1, 500).delete(node)?;
        group(3, 1_000).create(node)
    })?;
    let (log, start) = (pair.a.log(), Mark::default());
    wait_for_line(log, start, "has been doubled to 131072 bytes")?;
    wait_for_line(log, start, "resync with kernel table: events were lost")?;
    wait_for_line(log, start, "resync with kernel table done: 2001 flows")?;
    pair.wait_until_replicated(2_001)?;
    assert!(runtime(&pair.a, "netlink overrun:")? >= 1);
    assert!(runtime(&pair.a, "catch event failed:")? >= 1);
    assert!(runtime(&pair.a, "resync with kernel table:")? >= 1);
    assert_eq!(
        runtime(&pair.a, "current buffer size (in bytes):")?,
        131_072
    );
    Ok(())
}

#[test]
fn a_buffer_at_its_limit_is_told_each_time() -> Result<()> {
    let extra = Extra {
        a: SMALL,
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let node = &pair.network.a;
    let mut since = Mark::default();
    for (round, line) in [
        "has been doubled to 131072 bytes",
        "cannot be doubled further since it will exceed NetlinkBufferSizeMaxGrowth",
        "cannot be doubled further since it will exceed NetlinkBufferSizeMaxGrowth",
    ]
    .into_iter()
    .enumerate()
    {
        while_stopped(&pair.a, || {
            group(u16::try_from(round).unwrap(), 2_000).create(node)
        })?;
        wait_for_line(pair.a.log(), since, line)?;
        since = super::mark(&pair.a)?;
    }
    wait_for_number("all flows", 6_000, || Ok(pair.a.internal()?.len()))
}

#[test]
fn nothing_is_read_again_where_that_is_switched_off() -> Result<()> {
    let extra = Extra {
        a: "General { NetlinkBufferSize 65536 NetlinkBufferSizeMaxGrowth 65536 \
            NetlinkOverrunResync off }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let node = &pair.network.a;
    while_stopped(&pair.a, || group(1, 2_000).create(node))?;
    wait_for_number("an overrun", 1, || runtime(&pair.a, "netlink overrun:"))?;
    assert!(pair.a.internal()?.len() < 2_000);
    // The operator can do it.
    pair.a.client("-R")?;
    assert_eq!(pair.a.internal()?.len(), 2_000);
    assert_eq!(runtime(&pair.a, "resync with kernel table:")?, 1);
    Ok(())
}

#[test]
fn reliable_delivery_loses_nothing() -> Result<()> {
    let extra = Extra {
        a: "General { NetlinkBufferSize 65536 NetlinkBufferSizeMaxGrowth 65536 \
            NetlinkEventsReliable on NetlinkOverrunResync off }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let node = &pair.network.a;
    let line = "reliable ctnetlink event delivery is ENABLED.";
    wait_for_line(pair.a.log(), Mark::default(), line)?;
    while_stopped(&pair.a, || group(1, 2_000).create(node))?;
    // What did not fit while nobody read is delivered with the next change of its flow.
    group(1, 2_000).delete(node)?;
    wait_for_number("the end of all flows", 0, || Ok(pair.a.internal()?.len()))?;
    assert_eq!(runtime(&pair.a, "netlink overrun:")?, 0);
    Ok(())
}
