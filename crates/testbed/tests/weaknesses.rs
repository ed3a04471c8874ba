//! Weaknesses of stock's daemon that no other test provokes, and habits that we keep.
//!
//! The rows are those of the tables at the end of `docs/compat.md`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;

use testbed::Implementation::{self, Ours, Stock};
use testbed::{Conntrackd, Group, IpVersion, Mode, PATIENCE, Result, Setup, SyncPair, Transport};

/// Two nodes with a daemon each.
struct Pair {
    network: SyncPair,
    a: Conntrackd,
    b: Conntrackd,
}

impl Pair {
    fn start(a: Implementation, b: Implementation, setup: &Setup<'_>) -> Result<Self> {
        let network = SyncPair::new()?;
        let [config_a, config_b] = setup.configs();
        let a = Conntrackd::start(&network.a, a, &config_a)?;
        let b = Conntrackd::start(&network.b, b, &config_b)?;
        Ok(Self { network, a, b })
    }
}

fn group(number: u16, size: u32) -> Group {
    Group { number, size }
}

/// Waits until `number` gives `wanted`.
fn wait_for_number(what: &str, wanted: usize, number: impl FnMut() -> Result<usize>) -> Result<()> {
    testbed::wait_for_number(what, PATIENCE, wanted, number)
}

/// Row 6: `-F`, `-f` and `-t` are this node's affair. Scripts rely on it: a firewall that is no
/// longer primary empties its tables, and its peer goes on with what it was told.
#[test]
fn what_is_flushed_stays_at_the_peer() -> Result<()> {
    for [a, b] in [[Ours, Ours], [Ours, Stock], [Stock, Stock]] {
        let setup = Setup {
            in_mode: "PurgeTimeout 1",
            ..Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4)
        };
        let pair = Pair::start(a, b, &setup)?;
        group(1, 20).create(&pair.network.a)?;
        wait_for_number("flows", 20, || Ok(pair.b.external()?.len()))?;
        // A flow that is sent has passed whatever was sent before it.
        for (known, number, request) in [(21, 2, "-F"), (22, 3, "-f internal"), (23, 4, "-t")] {
            pair.a.client(request)?;
            wait_for_number("an empty cache", 0, || Ok(pair.a.internal()?.len()))?;
            if request != "-f internal" {
                wait_for_number("an empty table", 0, || pair.network.a.flow_count())?;
            }
            group(number, 1).create(&pair.network.a)?;
            wait_for_number("the new flow", 1, || Ok(pair.a.internal()?.len()))?;
            wait_for_number(request, known, || Ok(pair.b.external()?.len()))?;
        }
    }
    Ok(())
}

/// Row 49: whatever the daemon runs, now or later, gets none of its descriptors.
#[test]
fn every_descriptor_closes_on_exec() -> Result<()> {
    /// As in `fdinfo`.
    const O_CLOEXEC: u32 = 0o2_000_000;
    let setup = Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4);
    let pair = Pair::start(Ours, Ours, &setup)?;
    let process = format!("/proc/{}", pair.a.process().pid());
    let mut seen = 0;
    for entry in fs::read_dir(format!("{process}/fdinfo")).unwrap() {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        // A descriptor may be closed by now.
        let (Ok(text), Ok(target)) = (
            fs::read_to_string(entry.path()),
            fs::read_link(format!("{process}/fd/{number}")),
        ) else {
            continue;
        };
        // What was handed down to this test, and by it to the daemon, is not the daemon's.
        let is_ours = fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|it| it == target);
        if number <= 2 || is_ours {
            continue;
        }
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        seen += 1;
        assert!(
            flags & O_CLOEXEC != 0,
            "descriptor {number}, {target:?}: {text}"
        );
    }
    assert!(seen > 5, "{seen} descriptors");
    Ok(())
}

/// Row 9.4-1: the end of a TCP flow comes without window scales, which kills stock's daemon when
/// it makes messages straight from events and tracks windows.
#[test]
fn an_end_without_window_scales_is_sent() -> Result<()> {
    let setup = Setup {
        in_mode: "DisableInternalCache on",
        in_sync: "Options { TCPWindowTracking on }",
        ..Setup::new(Mode::Notrack, Transport::Udp, IpVersion::V4)
    };
    for peer in [Ours, Stock] {
        let pair = Pair::start(Ours, peer, &setup)?;
        group(1, 8).create(&pair.network.a)?;
        wait_for_number("flows", 8, || Ok(pair.b.external()?.len()))?;
        group(1, 8).delete(&pair.network.a)?;
        wait_for_number("no flows", 0, || Ok(pair.b.external()?.len()))?;
        assert!(pair.a.process().is_running());
    }
    Ok(())
}

/// Row 9.4-2: with time stamps in its events the kernel kills stock's 1.4.9 at the first update.
#[test]
fn events_with_time_stamps_are_taken() -> Result<()> {
    for mode in [Mode::Ftfw, Mode::Notrack, Mode::Alarm] {
        let setup = Setup::new(mode, Transport::Udp, IpVersion::V4);
        let pair = Pair::start(Ours, Ours, &setup)?;
        pair.network
            .a
            .sysctl("net.netfilter.nf_conntrack_timestamp", 1)?;
        group(1, 8).create(&pair.network.a)?;
        group(1, 8).mark(&pair.network.a, 9, 8)?;
        let marked = |lines: &std::collections::BTreeSet<testbed::FlowLine>| {
            let marked = lines.iter().filter(|it| it.to_string().contains("mark=9"));
            marked.count()
        };
        wait_for_number("marked flows", 8, || Ok(marked(&pair.b.external()?)))?;
        group(1, 8).delete(&pair.network.a)?;
        wait_for_number("no flows", 0, || Ok(pair.b.external()?.len()))?;
        assert!(pair.a.process().is_running());
    }
    Ok(())
}

/// Row 32: a peer with `CommitTimeout` tells no timeouts, and stock's kernel refuses every flow
/// that it tells to a node without an external cache.
#[test]
fn what_a_peer_with_a_commit_timeout_tells_is_injected() -> Result<()> {
    for peer in [Ours, Stock] {
        let setup = Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4);
        let network = SyncPair::new()?;
        let with = |in_mode| Setup { in_mode, ..setup }.configs();
        let [config_a, _] = with("CommitTimeout 250");
        let [_, config_b] = with("DisableExternalCache on");
        let a = Conntrackd::start(&network.a, peer, &config_a)?;
        let _b = Conntrackd::start(&network.b, Ours, &config_b)?;
        group(1, 20).create(&network.a)?;
        wait_for_number("flows of A", 20, || Ok(a.internal()?.len()))?;
        wait_for_number("flows in B's kernel", 20, || network.b.flow_count())?;
    }
    Ok(())
}
