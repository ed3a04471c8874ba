//! Cells with options, in one place of the matrix each: FT-FW or NOTRACK over UDP and IPv4.
//!
//! What an option changes at one node the other one must stand, whoever it is.

use std::collections::BTreeSet;

use testbed::Implementation::{self, Ours, Stock};
use testbed::{
    Conntrackd, Error, FlowLine, IpVersion, Mode, PATIENCE, Progress, Result, Setup, SyncPair,
    Transport, veth, wait_for,
};

use super::cell::{self, ALARM_TIMES, Cell, ask, named, wait_until_equal};
use super::{expected, flows, pairs};

pairs! {
    ftfw_window_tracking: |a, b| life(a, b, Mode::Ftfw, |setup| {
        setup.in_sync = "Options { TCPWindowTracking on }";
    });
    notrack_checksum_off: |a, b| life(a, b, Mode::Notrack, |setup| setup.in_link = "Checksum off");
    ftfw_external_cache_disabled: |a, b| injection(a, b, Mode::Ftfw, "");
    notrack_external_cache_disabled: |a, b| injection(a, b, Mode::Notrack, "");
    notrack_both_caches_disabled: |a, b| {
        injection(a, b, Mode::Notrack, "DisableInternalCache on")
    };
    notrack_internal_cache_disabled: bypass;
    ftfw_startup_resync: |a, b| startup_resync(a, b, Mode::Ftfw);
    notrack_startup_resync: |a, b| startup_resync(a, b, Mode::Notrack);
    ftfw_commit_timeout: |a, b| commit_timeout(a, b, Mode::Ftfw);
    alarm_commit_timeout: |a, b| commit_timeout(a, b, Mode::Alarm);
    alarm_cache_timeout: cache_timeout;
    ftfw_polling: |a, b| polling(a, b, Mode::Ftfw);
    alarm_polling: |a, b| polling(a, b, Mode::Alarm);
    ftfw_second_link: |a, b| second_link(a, b, Mode::Ftfw);
    notrack_second_link: |a, b| second_link(a, b, Mode::Notrack);
    ftfw_expectations: |a, b| expectations(a, b, Mode::Ftfw);
    notrack_expectations: |a, b| expectations(a, b, Mode::Notrack);
    alarm_expectations: |a, b| expectations(a, b, Mode::Alarm);
}

fn over_udp(mode: Mode) -> Setup<'static> {
    Setup::new(mode, Transport::Udp, IpVersion::V4)
}

/// The whole life of a pair.
fn life(
    a: Implementation,
    b: Implementation,
    mode: Mode,
    change: impl Fn(&mut Setup<'_>),
) -> Result<()> {
    let mut setup = over_udp(mode);
    change(&mut setup);
    cell::check(a, b, &setup)
}

/// `DisableExternalCache`: what one kernel has the other one has at once.
fn injection(a: Implementation, b: Implementation, mode: Mode, more: &str) -> Result<()> {
    let setup = Setup {
        in_mode: &format!("DisableExternalCache on\n{more}"),
        ..over_udp(mode)
    };
    let cell = named("start", Cell::start(a, b, &setup))?;
    let nodes = [&cell.network.a, &cell.network.b];
    // What happens to a flow at its own node is what the kernels shall have in the end.
    let life: [(&str, flows::Act, usize); 3] = [
        ("new", flows::create, flows::CREATED),
        ("update", flows::change, flows::CREATED),
        ("destroy", flows::end, flows::LEFT),
    ];
    for (step, act, count) in life {
        named(
            step,
            (|| {
                let mut wanted = flows::KernelTable::new();
                for (node, number) in nodes.into_iter().zip(1..) {
                    act(node, number)?;
                    wanted.append(&mut flows::own(flows::kernel_table(node)?, number));
                }
                assert_eq!(wanted.len(), 2 * count, "{step}");
                cell.wait_for_tables(&wanted)
            })(),
        )?;
    }
    for (step, daemon, request) in [("bulk", &cell.a, "-B"), ("resync", &cell.b, "-n")] {
        // Without an internal cache any end of a flow is told; what a flush ends is not.
        match more {
            "" => cell
                .network
                .b
                .run("/usr/sbin/conntrack -D -s 10.1.0.1")
                .map(drop)?,
            _ => ask(&cell.b, "-F")?,
        }
        ask(daemon, request)?;
        named(step, wait_for_flows_of_a(&cell))?;
    }
    // Neither shows anything, and there is nothing to commit.
    for daemon in [&cell.a, &cell.b] {
        assert_eq!(daemon.client("-e")?.stdout, "");
        ask(daemon, "-c")?;
    }
    Ok(())
}

/// Waits until B's kernel has the flows that began at A. Those that began at B and were flushed
/// come back from stock, which sends what it was told of.
fn wait_for_flows_of_a(cell: &Cell) -> Result<()> {
    let wanted = flows::own(flows::kernel_table(&cell.network.a)?, 1);
    assert_eq!(wanted.len(), flows::LEFT);
    wait_for("B's kernel to have A's flows", PATIENCE, || {
        let found = flows::own(flows::kernel_table(&cell.network.b)?, 1);
        Ok(match flows::table_difference(&wanted, &found) {
            None => Progress::Done(()),
            Some(difference) => Progress::Waiting(difference),
        })
    })
}

/// `DisableInternalCache`: messages are made of events, `-i` and `-B` read the kernel.
fn bypass(a: Implementation, b: Implementation) -> Result<()> {
    let setup = Setup {
        in_mode: "DisableInternalCache on",
        ..over_udp(Mode::Notrack)
    };
    let cell = named("start", Cell::start(a, b, &setup))?;
    let equal = |count| -> Result<()> {
        for (owner, peer) in [(&cell.a, &cell.b), (&cell.b, &cell.a)] {
            wait_for("the peer to know the flows", PATIENCE, || {
                // A listing of the kernel has timeouts, and events say less than it.
                let names = |lines: &BTreeSet<FlowLine>| -> Vec<_> {
                    let mut names: Vec<_> = lines.iter().map(FlowLine::identity).collect();
                    names.sort();
                    names
                };
                let (own, theirs) = (names(&owner.internal()?), names(&peer.external()?));
                Ok(match own == theirs && own.len() == count {
                    true => Progress::Done(()),
                    false => Progress::Waiting(format!("{own:?}, {theirs:?}")),
                })
            })?;
        }
        Ok(())
    };
    let nodes = [(&cell.network.a, 1), (&cell.network.b, 2)];
    let on_both = |act: flows::Act| nodes.iter().try_for_each(|(node, n)| act(node, *n));
    named(
        "new",
        on_both(flows::create).and_then(|()| equal(flows::CREATED)),
    )?;
    named(
        "update",
        on_both(flows::change).and_then(|()| equal(flows::CREATED)),
    )?;
    named(
        "destroy",
        on_both(flows::end).and_then(|()| equal(flows::LEFT)),
    )?;
    for (step, request) in [("bulk", "-B"), ("resync", "-n")] {
        for daemon in [&cell.a, &cell.b] {
            ask(daemon, "-f external")?;
        }
        for daemon in [&cell.a, &cell.b] {
            ask(daemon, request)?;
        }
        named(step, equal(flows::LEFT))?;
    }
    named("commit", cell.commit())
}

/// `StartupResync`: who starts last asks for what there is.
fn startup_resync(a: Implementation, b: Implementation, mode: Mode) -> Result<()> {
    let setup = Setup {
        in_mode: "StartupResync on",
        ..over_udp(mode)
    };
    let network = SyncPair::new()?;
    let [config_a, config_b] = setup.configs();
    let a = Conntrackd::start(&network.a, a, &config_a)?;
    flows::create(&network.a, 1)?;
    wait_for("the flows of A", PATIENCE, || {
        Ok(match a.internal()?.len() {
            flows::CREATED => Progress::Done(()),
            count => Progress::Waiting(format!("{count} flows")),
        })
    })?;
    let b = Conntrackd::start(&network.b, b, &config_b)?;
    named("resync", wait_until_equal(&a, &b, flows::CREATED))
}

/// `CommitTimeout`: it is what committed flows get, and no other timeout travels.
fn commit_timeout(a: Implementation, b: Implementation, mode: Mode) -> Result<()> {
    let setup = Setup {
        in_mode: &format!(
            "CommitTimeout 250\n{}",
            if mode == Mode::Alarm { ALARM_TIMES } else { "" }
        ),
        ..over_udp(mode)
    };
    let cell = named("start", Cell::start(a, b, &setup))?;
    named("new", cell.new_flows())?;
    let flows_of_a = flows::kernel_table(&cell.network.a)?;
    ask(&cell.b, "-c")?;
    named(
        "commit",
        wait_for("the commit", PATIENCE, || {
            let found = flows::own(flows::kernel_table(&cell.network.b)?, 1);
            if !found.keys().eq(flows_of_a.keys()) {
                return Ok(Progress::Waiting(format!("{found:?}")));
            }
            match found.iter().find(|(_, left)| !(1..=250).contains(*left)) {
                None => Ok(Progress::Done(())),
                Some(wrong) => Err(Error::Unexpected(format!("{wrong:?}"))),
            }
        }),
    )
}

/// ALARM's `CacheTimeout`: flows of a peer that is gone run out.
fn cache_timeout(a: Implementation, b: Implementation) -> Result<()> {
    let setup = Setup {
        in_mode: "RefreshTime 1\nCacheTimeout 4",
        ..over_udp(Mode::Alarm)
    };
    let cell = named("start", Cell::start(a, b, &setup))?;
    named("new", cell.new_flows())?;
    cell.a.kill();
    named(
        "expiry",
        wait_for("an empty cache", PATIENCE, || {
            Ok(match cell.b.external()?.len() {
                0 => Progress::Done(()),
                count => Progress::Waiting(format!("{count} flows")),
            })
        }),
    )
}

/// `PollSecs`: flows are found by looking.
fn polling(a: Implementation, b: Implementation, mode: Mode) -> Result<()> {
    let setup = Setup {
        sections: "General { PollSecs 1 }",
        ..over_udp(mode)
    };
    let cell = named("start", Cell::start(a, b, &setup))?;
    named("new", cell.new_flows())?;
    named("update", cell.updates())?;
    // Whatever ended, the other one learns of it at the next look. Stock loses flows of a zone
    // and finds them again, each time (compat: daemon-11).
    named("destroy", cell.ends())
}

/// Two links: when the first one's cable is pulled out, the second one is used by both.
fn second_link(a: Implementation, b: Implementation, mode: Mode) -> Result<()> {
    let network = SyncPair::new()?;
    veth(&network.a, "sync2", &network.b, "sync2")?;
    network.a.address("sync2", "192.168.101.1/24")?;
    network.b.address("sync2", "192.168.101.2/24")?;
    let setup = Setup {
        in_sync: "UDP {
IPv4_address 192.168.101.OWN
IPv4_Destination_Address 192.168.101.PEER
Interface sync2
Port 3780
}",
        ..over_udp(mode)
    };
    let [config_a, config_b] = setup.configs();
    let of = |config: String, own, peer| config.replace("OWN", own).replace("PEER", peer);
    let cell = Cell {
        a: Conntrackd::start(&network.a, a, &of(config_a, "1", "2"))?,
        b: Conntrackd::start(&network.b, b, &of(config_b, "2", "1"))?,
        network,
        mode,
    };
    named("new", cell.new_flows())?;
    cell.network.set_connected(false)?;
    for daemon in [&cell.a, &cell.b] {
        let active = "device=sync2 status=RUNNING role=ACTIVE";
        named(
            "switch",
            wait_for("the second link", PATIENCE, || {
                let links = daemon.client("-s link")?.stdout;
                Ok(match links.contains(active) {
                    true => Progress::Done(()),
                    false => Progress::Waiting(links),
                })
            }),
        )?;
    }
    // What NOTRACK sent into the dead link is lost: ask for all.
    ask(&cell.a, "-n")?;
    ask(&cell.b, "-n")?;
    named("update", cell.updates())?;
    named("destroy", cell.ends())?;
    named("bulk", cell.bulk())?;
    named("commit", cell.commit())
}

/// `ExpectationSync`: what is expected here is listed there, and committed.
fn expectations(a: Implementation, b: Implementation, mode: Mode) -> Result<()> {
    let setup = Setup {
        in_sync: "Options { ExpectationSync on }",
        ..over_udp(mode)
    };
    let cell = named("start", Cell::start(a, b, &setup))?;
    let nodes = [(&cell.network.a, 1), (&cell.network.b, 2)];
    let listed = |daemon: &Conntrackd, request: &str| -> Result<BTreeSet<String>> {
        let text = daemon.client(request)?.stdout;
        let lasting = |line: &str| line.split(" [").next().unwrap_or_default().to_owned();
        Ok(text.lines().map(lasting).collect())
    };
    let equal = |count| -> Result<()> {
        for (owner, peer) in [(&cell.a, &cell.b), (&cell.b, &cell.a)] {
            wait_for("the peer to know what is expected", PATIENCE, || {
                let (own, theirs) = (listed(owner, "-i expect")?, listed(peer, "-e expect")?);
                Ok(match own.len() == count && own == theirs {
                    true => Progress::Done(()),
                    false => Progress::Waiting(format!("{own:#?} and {theirs:#?}")),
                })
            })?;
        }
        Ok(())
    };
    for (node, number) in nodes {
        expected::master(node, number)?;
    }
    named("master", {
        wait_until_equal(&cell.a, &cell.b, 1).and_then(|()| wait_until_equal(&cell.b, &cell.a, 1))
    })?;
    for (node, number) in nodes {
        expected::expect(node, number, 5001)?;
        expected::expect(node, number, 5002)?;
    }
    named("new", equal(2))?;
    for (node, _) in nodes {
        expected::forget(node)?;
    }
    named("destroy", equal(0))?;
    for (node, number) in nodes {
        expected::expect(node, number, 5003)?;
    }
    named("again", equal(1))?;
    // Flows first: an expectation needs its master.
    ask(&cell.b, "-c ct")?;
    ask(&cell.b, "-c expect")?;
    named(
        "commit",
        wait_for("B's kernel to expect both", PATIENCE, || {
            let table = cell.network.b.run("/usr/sbin/conntrack -L expect")?.stdout;
            Ok(match table.matches("dport=5003").count() {
                2 => Progress::Done(()),
                _ => Progress::Waiting(table),
            })
        }),
    )
}
