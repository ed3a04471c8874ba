//! What the daemon does by itself: purges, limits, asking the peer at the start, and what it says
//! of the kernel and of the peer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use testbed::Implementation::Ours;
use testbed::{Conntrackd, Error, IpVersion, Mark, Namespace, Result, SyncPair, wait_until};

use super::{
    Extra, PATIENCE, Pair, group, load, runtime, wait_for_line, wait_for_lines, wait_for_number,
    wait_until_equal,
};

#[test]
fn a_commit_or_a_flush_of_the_internal_cache_calls_off_a_purge() -> Result<()> {
    // A pending purge is announced once; so a second announcement shows that it was called off.
    for (command, calls_off) in [
        ("-c", true),
        ("-f", true),
        ("-f internal", true),
        ("-f external", false),
        ("-R", false),
        ("-B", false),
    ] {
        let extra = Extra {
            mode: "PurgeTimeout 600",
            ..Extra::default()
        };
        let pair = Pair::ours(extra)?;
        let announced = "flushing conntrack table in 600 secs";
        pair.a.client("-t")?;
        wait_for_line(pair.a.log(), Mark::default(), announced)?;
        let since = pair.a.mark()?;
        pair.a.client(command)?;
        pair.a.client("-t")?;
        // Something that is logged in any case comes behind it.
        pair.a.client("-n")?;
        wait_for_line(pair.a.log(), since, "resync requested")?;
        let again = pair.a.log().find(since, announced).is_some();
        assert_eq!(again, calls_off, "{command}");
    }
    Ok(())
}

/// How many flows of a group a kernel has.
fn flows_of(node: &Namespace, group: u16) -> Result<usize> {
    let listing = node.run(format!("/usr/sbin/conntrack -L -s 10.0.{group}.1"))?;
    Ok(listing.stdout.lines().count())
}

#[test]
fn a_purge_under_way_spares_what_a_commit_writes() -> Result<()> {
    let extra = Extra {
        mode: "PurgeTimeout 1",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let node = &pair.network.b;
    group(1, 1_000).create(&pair.network.a)?;
    // What takes a while to be purged.
    group(2, 40_000).create(node)?;
    pair.wait_until_replicated(1_000)?;
    pair.b.client("-t")?;
    let begun = "flushing kernel conntrack table (scheduled)";
    wait_for_line(pair.b.log(), Mark::default(), begun)?;
    pair.b.client("-c")?;
    assert_eq!(flows_of(node, 1)?, 1_000);
    pair.b.client("-R")?;
    assert_eq!(flows_of(node, 1)?, 1_000, "later, too");
    Ok(())
}

#[test]
fn a_commit_waits_for_the_flush_of_a_client() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    let node = &pair.network.b;
    group(1, 1_000).create(&pair.network.a)?;
    group(2, 40_000).create(node)?;
    pair.wait_until_replicated(1_000)?;
    std::thread::scope(|scope| -> Result<()> {
        let flush = scope.spawn(|| pair.b.client("-F"));
        wait_for_line(
            pair.b.log(),
            Mark::default(),
            "flushing kernel conntrack table",
        )?;
        pair.b.client("-c")?;
        flush.join().unwrap().map(drop)
    })?;
    assert_eq!((flows_of(node, 1)?, flows_of(node, 2)?), (1_000, 0));
    Ok(())
}

#[test]
fn a_flush_waits_for_a_commit() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    group(1, 40_000).create(&pair.network.a)?;
    wait_for_number("flows at B", 40_000, || {
        Ok(usize::try_from(pair.b.statistics()?.external.active).unwrap())
    })?;
    std::thread::scope(|scope| -> Result<()> {
        let commit = scope.spawn(|| pair.b.client("-c"));
        wait_for_line(
            pair.b.log(),
            Mark::default(),
            "committing all external caches",
        )?;
        pair.b.client("-F")?;
        commit.join().unwrap().map(drop)
    })?;
    assert_eq!(pair.network.b.flow_count()?, 0);
    wait_for_number("an empty cache", 0, || {
        Ok(usize::try_from(pair.b.statistics()?.internal.active).unwrap())
    })
}

#[test]
fn a_commit_ends_whatever_the_size_of_the_table() -> Result<()> {
    // With up to 8192 buckets stock never notices that its commit has ended.
    let extra = Extra {
        b: "General { HashSize 64 }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    group(1, 300).create(&pair.network.a)?;
    pair.wait_until_replicated(300)?;
    for _ in 0..2 {
        let since = pair.b.mark()?;
        pair.b.client("-c")?;
        wait_for_line(pair.b.log(), since, "Committed 300 new entries")?;
    }
    let since = pair.b.mark()?;
    pair.b.client("-f")?;
    wait_for_line(pair.b.log(), since, "[notice] flushing caches")?;
    Ok(())
}

#[test]
fn flows_that_differ_in_zone_or_key_only_are_not_mixed_up() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    let flows = [
        "-p gre -s 10.8.0.1 -d 192.0.2.1 --srckey 1 --dstkey 2 -t 600",
        "-p gre -s 10.8.0.1 -d 192.0.2.1 --srckey 3 --dstkey 4 -t 600",
        "-p udp -s 10.8.0.1 -d 192.0.2.1 --sport 1 --dport 2 -w 1 -t 600",
        "-p udp -s 10.8.0.1 -d 192.0.2.1 --sport 1 --dport 2 -w 2 -t 600",
        "-p udp -s 10.8.0.1 -d 192.0.2.1 --sport 1 --dport 2 -t 600",
    ];
    load(&pair.network.a, &flows)?;
    wait_for_number("the flows", flows.len(), || Ok(pair.a.internal()?.len()))?;
    // The link knows no keys of GRE, so that two flows are one there.
    wait_for_number("the flows at B", 4, || Ok(pair.b.external()?.len()))?;
    pair.network.a.run("/usr/sbin/conntrack -D -w 1")?;
    wait_for_number("the others", 4, || Ok(pair.a.internal()?.len()))?;
    wait_for_number("the others at B", 3, || Ok(pair.b.external()?.len()))
}

/// A client that asks for a commit of both tables, and does not wait.
fn ask_for_commit(daemon: &Conntrackd) -> Result<UnixStream> {
    const COMMIT: i32 = 46;
    let failed = || Error::io("asking for a commit");
    let mut client = UnixStream::connect(daemon.socket()).map_err(failed())?;
    client.write_all(&COMMIT.to_ne_bytes()).map_err(failed())?;
    Ok(client)
}

#[test]
fn a_second_commit_is_skipped() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    group(1, 40_000).create(&pair.network.a)?;
    wait_for_number("flows at B", 40_000, || {
        Ok(usize::try_from(pair.b.statistics()?.external.active).unwrap())
    })?;
    let since = pair.b.mark()?;
    // All have asked before the daemon does anything.
    pair.b.process().signal(Signal::STOP);
    let clients = [0; 4].map(|_| ask_for_commit(&pair.b));
    pair.b.process().signal(Signal::CONT);
    for client in clients {
        let mut answer = Vec::new();
        let end = client?.read_to_end(&mut answer);
        end.map_err(Error::io("the end of the answer"))?;
    }
    wait_for_lines(
        pair.b.log(),
        since,
        &[
            "commit already in progress, skipping",
            "Committed 40000 new entries",
        ],
    )?;
    let reports = pair.b.log().since(since);
    let skipped = |needle: &str| reports.iter().filter(|it| it.text.contains(needle)).count();
    let (begun, ended) = (
        skipped("committing all external caches"),
        skipped("Committed 40000 new entries"),
    );
    assert_eq!(begun, ended + skipped("already in progress"));
    assert_eq!(pair.network.b.flow_count()?, 40_000);
    Ok(())
}

#[test]
fn flows_beyond_the_limit_are_counted_and_told() -> Result<()> {
    let extra = Extra {
        a: "General { HashLimit 100 }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    group(1, 150).create(&pair.network.a)?;
    wait_for_number("events", 150, || runtime(&pair.a, "events received:"))?;
    let internal = pair.a.statistics()?.internal;
    assert_eq!(
        (internal.active, internal.created, internal.failed),
        (100, 100, 50)
    );
    let full = "the internal cache has reached HashLimit";
    wait_for_line(pair.a.log(), Mark::default(), full)?;
    pair.wait_until_replicated(100)?;
    // Ended flows make room, whether the peer has acknowledged their ends or not.
    pair.network.set_connected(false)?;
    group(1, 150).delete(&pair.network.a)?;
    wait_for_number("an empty cache", 0, || Ok(pair.a.internal()?.len()))?;
    group(2, 100).create(&pair.network.a)?;
    wait_for_number("new flows", 100, || Ok(pair.a.internal()?.len()))?;
    assert_eq!(pair.a.statistics()?.internal.failed, 50);
    let lines = pair.a.log().lines();
    let told = lines.iter().filter(|line| line.text.contains(full)).count();
    assert_eq!(told, 1, "once a minute");
    pair.network.set_connected(true)?;
    pair.wait_until_replicated(100)
}

#[test]
fn the_external_cache_has_the_same_limit() -> Result<()> {
    let extra = Extra {
        b: "General { HashLimit 100 }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    group(1, 150).create(&pair.network.a)?;
    let full = "the external cache has reached HashLimit";
    wait_for_line(pair.b.log(), Mark::default(), full)?;
    wait_for_number("a full cache", 100, || Ok(pair.b.external()?.len()))?;
    // What A sends again when the two have greeted each other is refused again.
    wait_until("refused flows", PATIENCE, || {
        pair.b.statistics().is_ok_and(|it| it.external.failed >= 50)
    })?;
    assert_eq!(pair.b.external()?.len(), 100);
    Ok(())
}

#[test]
fn a_starting_daemon_asks_its_peer() -> Result<()> {
    let network = SyncPair::new()?;
    let [config_a, config_b] = SyncPair::ftfw(IpVersion::V4, "StartupResync on");
    let a = Conntrackd::start(&network.a, Ours, &config_a)?;
    group(1, 200).create(&network.a)?;
    wait_for_number("flows of A", 200, || Ok(a.internal()?.len()))?;
    let b = Conntrackd::start(&network.b, Ours, &config_b)?;
    wait_for_line(b.log(), Mark::default(), "resync requested")?;
    wait_for_lines(
        a.log(),
        Mark::default(),
        &["resync requested by other node", "sending bulk update"],
    )?;
    wait_until_equal(&a, &b, 200)
}

#[test]
fn a_link_may_have_link_local_addresses() -> Result<()> {
    let network = SyncPair::new()?;
    for (node, own) in [(&network.a, 1), (&network.b, 2)] {
        node.address("sync", &format!("fe80::{own}/64"))?;
    }
    let [config_a, config_b] =
        SyncPair::ftfw(IpVersion::V6, "").map(|config| config.replace("fd00::", "fe80::"));
    let a = Conntrackd::start(&network.a, Ours, &config_a)?;
    let b = Conntrackd::start(&network.b, Ours, &config_b)?;
    group(1, 200).create(&network.a)?;
    wait_until_equal(&a, &b, 200)
}

#[test]
fn a_starting_daemon_loads_the_table_and_sends_nothing() -> Result<()> {
    let network = SyncPair::new()?;
    let [config_a, config_b] = SyncPair::ftfw(IpVersion::V4, "");
    group(1, 200).create(&network.a)?;
    let b = Conntrackd::start(&network.b, Ours, &config_b)?;
    let a = Conntrackd::start(&network.a, Ours, &config_a)?;
    wait_for_line(
        a.log(),
        Mark::default(),
        "kernel conntrack table has 200 flows",
    )?;
    assert_eq!(a.internal()?.len(), 200);
    // A flow that is sent has passed whatever was sent before it.
    group(2, 1).create(&network.a)?;
    wait_for_number("the new flow", 1, || Ok(b.external()?.len()))?;
    a.client("-B")?;
    wait_until_equal(&a, &b, 201)
}

#[test]
fn a_kernel_that_does_not_tell_is_told_of() -> Result<()> {
    let network = SyncPair::new()?;
    let [config, _] = SyncPair::ftfw(IpVersion::V4, "");
    let off = "General { NetlinkEventsAllFlows off }\n";
    let silent_about_old = "[warning] net.netfilter.nf_conntrack_events is 2: the kernel tells nothing of flows that are older";
    let silent =
        "[warning] net.netfilter.nf_conntrack_events is 0: the kernel tells nothing of its flows";
    let set = "[notice] net.netfilter.nf_conntrack_events was 2 and has been set to 1";
    let set_from_0 = "[notice] net.netfilter.nf_conntrack_events was 0 and has been set to 1";
    for (before, extra, line, after) in [
        (2, off, silent_about_old, 2),
        (0, off, silent, 0),
        (2, "", set, 1),
        (0, "", set_from_0, 1),
    ] {
        let name = "net.netfilter.nf_conntrack_events";
        network.a.sysctl(name, before)?;
        let daemon = Conntrackd::start(&network.a, Ours, &(config.clone() + extra))?;
        wait_for_line(daemon.log(), Mark::default(), line)?;
        let found = network.a.sysctl_value(name)?;
        assert_eq!(found.trim(), after.to_string(), "{before} {extra}");
        // Nothing is restored at the end.
        assert_eq!(daemon.client("-k")?.code(), 0);
        daemon.process().wait(PATIENCE)?;
        let found = network.a.sysctl_value(name)?;
        assert_eq!(found.trim(), after.to_string(), "{before} {extra}");
    }
    Ok(())
}

#[test]
fn the_log_tells_of_the_peer() -> Result<()> {
    let mut pair = Pair::ours(Extra::default())?;
    let log = |pair: &Pair| pair.a.log().clone();
    let answered = "the peer answers: flows are replicated";
    let opened = "dedicated link: UDP port 3780 on sync, 192.168.100.1 to 192.168.100.2";
    wait_for_lines(&log(&pair), Mark::default(), &[opened, answered])?;
    wait_for_line(pair.b.log(), Mark::default(), answered)?;
    let since = pair.a.mark()?;
    pair.network.set_connected(false)?;
    for line in [
        "[warning] dedicated link on sync is down",
        "[warning] nothing heard from the peer for 3 seconds",
    ] {
        wait_for_line(&log(&pair), since, line)?;
    }
    pair.network.set_connected(true)?;
    for line in [
        "[notice] dedicated link on sync is up",
        "[notice] the peer is heard again",
    ] {
        wait_for_line(&log(&pair), since, line)?;
    }
    let lines = log(&pair).since(since);
    let down = lines.iter().filter(|line| line.text.contains("is down"));
    assert_eq!(down.count(), 1, "once, however long it lasts");
    let since = pair.a.mark()?;
    pair.b.restart(&pair.network.b)?;
    wait_for_line(&log(&pair), since, "[notice] the peer has restarted")?;
    Ok(())
}

#[test]
fn a_link_without_a_cable_is_shown_and_replication_goes_on_later() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    let status = |wanted: &str| {
        let wanted = format!("UDP traffic device=sync status={wanted} role=ACTIVE:");
        wait_until(&wanted, PATIENCE, || {
            pair.b
                .client("-s link")
                .is_ok_and(|it| it.stdout.starts_with(&wanted))
        })
    };
    status("RUNNING")?;
    pair.network.set_connected(false)?;
    status("NO-CARRIER")?;
    group(1, 100).create(&pair.network.b)?;
    wait_for_number("flows of B", 100, || Ok(pair.b.internal()?.len()))?;
    pair.network.set_connected(true)?;
    status("RUNNING")?;
    wait_until_equal(&pair.b, &pair.a, 100)?;
    // An interface that is gone is shown as down, and nothing else happens.
    pair.network.b.run("ip link delete sync")?;
    status("DOWN")?;
    group(2, 100).create(&pair.network.b)?;
    wait_for_number("flows of B", 200, || Ok(pair.b.internal()?.len()))
}

#[test]
fn traffic_of_ended_flows_is_added_up() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    let node = &pair.network.a;
    node.sysctl("net.netfilter.nf_conntrack_acct", 1)?;
    node.sysctl("net.netfilter.nf_conntrack_udp_timeout", 3600)?;
    node.nft("table inet t {\nchain o {\ntype filter hook output priority 0;\nct state new counter\n}\n}\n")?;
    node.link_up("lo")?;
    // To a port at which nobody listens, on the loopback interface: 100 bytes and 28 of headers,
    // and the error that comes back belongs to another flow's account.
    let sent = node.enter(|| -> std::io::Result<()> {
        let socket = std::net::UdpSocket::bind("127.0.0.1:4000")?;
        socket.send_to(&[0; 100], "127.0.0.1:4001").map(drop)
    })?;
    sent.map_err(Error::io("sending"))?;
    wait_for_number("the flow", 1, || {
        Ok(pair
            .a
            .internal()?
            .iter()
            .filter(|it| it.to_string().contains("sport=4000"))
            .count())
    })?;
    node.run("/usr/sbin/conntrack -D -p udp --sport 4000")?;
    wait_until("its traffic", PATIENCE, || {
        pair.a.client("-s").is_ok_and(|it| {
            let mut lines = it.stdout.lines();
            lines.any(|line| line == "traffic processed:")
                && lines.next().is_some_and(|line| {
                    let words: Vec<_> = line.split_whitespace().collect();
                    words == ["128", "Bytes", "1", "Pckts"]
                })
        })
    })
}
