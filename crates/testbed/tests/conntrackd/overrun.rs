//! Events that the kernel drops: they are counted, and what they would have told is found out by
//! reading the table.

use testbed::{Conntrackd, Mark, Progress, Result, wait_for};

use super::{Extra, PATIENCE, Pair, group, load, runtime, wait_for_line, wait_for_number};

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
        since = pair.a.mark()?;
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

#[test]
fn overruns_without_end_do_not_put_off_the_reading() -> Result<()> {
    let extra = Extra {
        a: SMALL,
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let node = &pair.network.a;
    let repaired = "resync with kernel table: events were lost";
    wait_for("a reading between overruns", PATIENCE, || {
        if pair.a.log().find(Mark::default(), repaired).is_some() {
            return Ok(Progress::Done(()));
        }
        // Far less than the second after which the table is read.
        while_stopped(&pair.a, || {
            group(1, 400).create(node)?;
            group(1, 400).delete(node)
        })?;
        Ok(Progress::Waiting("not yet".into()))
    })
}

#[test]
fn a_commit_does_not_drown_the_events() -> Result<()> {
    // Room for some 1,600 events; the second commit causes 40,000.
    let extra = Extra {
        b: "General { NetlinkBufferSize 2097152 NetlinkBufferSizeMaxGrowth 2097152 }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    group(1, 20_000).create(&pair.network.a)?;
    pair.wait_until_replicated(20_000)?;
    for _ in 0..2 {
        pair.b.client("-c")?;
    }
    pair.b.client("-F")?;
    wait_for_number("the end of all flows", 0, || Ok(pair.b.internal()?.len()))?;
    assert_eq!(runtime(&pair.b, "netlink overrun:")?, 0);
    Ok(())
}

#[test]
fn a_buffer_without_effect_is_told() -> Result<()> {
    let extra = Extra {
        a: "General { NetlinkBufferSize 65536 NetlinkBufferSizeMaxGrowth 4096 }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let line = "NetlinkBufferSize is greater than NetlinkBufferSizeMaxGrowth and has no effect";
    wait_for_line(pair.a.log(), Mark::default(), line)?;
    assert!(runtime(&pair.a, "current buffer size (in bytes):")? > 1024 * 1024);
    Ok(())
}
