//! Expectations in every mode, without the one or the other cache, and when events are not followed.

use testbed::Implementation::{self, Ours, Stock};
use testbed::{IpVersion, Mode, PATIENCE, Progress, Result, Setup, Transport, wait_for};

use crate::ftp::{self, Opens, Session};
use crate::network::Network;

fn setup(mode: Mode) -> Setup<'static> {
    Setup {
        in_sync: "Options { ExpectationSync on }",
        ..Setup::new(mode, Transport::Udp, IpVersion::V4)
    }
}

/// A session begins, and its expectation comes to the other daemon; it ends, and so does that.
fn check(daemons: [Implementation; 2], setup: Setup<'_>) -> Result<()> {
    let network = Network::with(daemons, setup)?;
    ftp::serve(&network.server)?;
    let _session = Session::open(&network.client, network.service(21), Opens::Server)?;
    let listed = network.b.wait_for_listed("-e expect", 1)?;
    let expected = network.a.kernel_expectations()?;
    assert_eq!(
        listed,
        expected
            .iter()
            .map(|it| format!("proto{it}"))
            .collect::<Vec<_>>()
    );
    network.a.namespace.run("/usr/sbin/conntrack -F expect")?;
    network.b.wait_for_listed("-e expect", 0)?;
    Ok(())
}

/// The filter knows nothing of expectations: in the kernel they pass it, and their masters decide.
#[test]
fn with_a_filter_of_events() -> Result<()> {
    for place in ["Userspace", "Kernelspace"] {
        let filter = |address: &str| {
            format!(
                "General {{ Filter From {place} {{
                Protocol Accept {{ TCP }}
                Address Ignore {{ IPv4_address {address} }}
                }} }}"
            )
        };
        let passing = filter("10.7.7.7");
        let filtered = Setup {
            sections: &passing,
            ..setup(Mode::Ftfw)
        };
        check([Ours, Ours], filtered)?;
        let hiding = filter("10.0.0.100");
        let filtered = Setup {
            sections: &hiding,
            ..setup(Mode::Ftfw)
        };
        let network = Network::with([Ours, Ours], filtered)?;
        ftp::serve(&network.server)?;
        let _session = Session::open(&network.client, network.service(21), Opens::Server)?;
        network.a.wait_for_kernel(1)?;
        // Something that comes behind it in any case.
        network.a.daemon.client("-R")?;
        assert!(network.a.listed("-i expect")?.is_empty(), "{place}");
        assert!(network.b.listed("-e expect")?.is_empty(), "{place}");
    }
    Ok(())
}

#[test]
fn notrack() -> Result<()> {
    for daemons in [[Ours, Ours], [Ours, Stock], [Stock, Ours]] {
        check(daemons, setup(Mode::Notrack))?;
    }
    Ok(())
}

#[test]
fn alarm() -> Result<()> {
    for daemons in [[Ours, Ours], [Ours, Stock], [Stock, Ours]] {
        check(daemons, setup(Mode::Alarm))?;
    }
    Ok(())
}

/// Stock never replicates them then (compat: daemon-9).
#[test]
fn without_an_internal_cache() -> Result<()> {
    let bypass = Setup {
        in_mode: "DisableInternalCache on",
        ..setup(Mode::Notrack)
    };
    check([Ours, Ours], bypass)?;
    // The filter decides about the master, and so about what it announces.
    let filtered = Setup {
        sections: "General { Filter { Address Ignore { IPv4_address 10.0.0.100 } } }",
        ..bypass
    };
    let network = Network::with([Ours, Ours], filtered)?;
    ftp::serve(&network.server)?;
    let _session = Session::open(&network.client, network.service(21), Opens::Server)?;
    assert_eq!(network.a.kernel_expectations()?.len(), 1);
    wait_for("events to be filtered", PATIENCE, || {
        let runtime = network.a.daemon.client("-s runtime")?.stdout;
        let none = runtime.contains("events filtered:\t                   0");
        Ok(match none {
            false => Progress::Done(()),
            true => Progress::Waiting(runtime),
        })
    })?;
    assert!(network.b.listed("-e expect")?.is_empty());
    Ok(())
}

#[test]
fn without_an_external_cache() -> Result<()> {
    for daemons in [[Ours, Ours], [Stock, Ours]] {
        let inject = Setup {
            in_mode: "DisableExternalCache on",
            ..setup(Mode::Ftfw)
        };
        let network = Network::with(daemons, inject)?;
        ftp::serve(&network.server)?;
        let _session = Session::open(&network.client, network.service(21), Opens::Server)?;
        let expected = network.a.wait_for_kernel(1)?;
        assert_eq!(network.b.wait_for_kernel(1)?, expected);
        network.a.namespace.run("/usr/sbin/conntrack -F expect")?;
        network.b.wait_for_kernel(0)?;
    }
    Ok(())
}

/// Stock reads flows only (compat: daemon-37).
#[test]
fn polling() -> Result<()> {
    let polling = Setup {
        sections: "General { PollSecs 1 }",
        ..setup(Mode::Ftfw)
    };
    check([Ours, Ours], polling)
}
