//! What clients ask for about expectations: flush, resync, commit, listings, statistics.

use testbed::Implementation::Ours;
use testbed::{IpVersion, Mode, PATIENCE, Result, Setup, Transport, wait_until};

use crate::ftp::{self, Opens, Session};
use crate::network::Network;

/// A network with one session, which has announced a connection.
fn with_session(check: impl FnOnce(&Network) -> Result<()>) -> Result<()> {
    let network = Network::new([Ours, Ours], "ExpectationSync on")?;
    ftp::serve(&network.server)?;
    let _session = Session::open(&network.client, network.service(21), Opens::Client)?;
    network.b.wait_for_listed("-e expect", 1)?;
    network.b.wait_for_listed("-e", 1)?;
    check(&network)
}

fn wait_for_line(network: &Network, line: &str) -> Result<()> {
    wait_until(line, PATIENCE, || {
        let lines = network.a.daemon.log().lines();
        lines.iter().any(|it| it.text.ends_with(line))
    })
}

/// Stock tells of a flush of the expectations that it skips, and keeps them in its cache (compat:
/// daemon-36). Peers are not told of a flush.
#[test]
fn a_flush_empties_both_tables_and_the_cache() -> Result<()> {
    for (request, line, flows) in [
        (
            "-F",
            "flushing kernel conntrack table and kernel expect table",
            0,
        ),
        ("-F expect", "flushing kernel expect table", 1),
        ("-F ct", "flushing kernel conntrack table", 0),
    ] {
        with_session(|network| {
            network.a.daemon.client(request)?;
            wait_for_line(network, line)?;
            assert_eq!(network.a.kernel_expectations()?.len(), 0, "{request}");
            network.a.wait_for_listed("-i expect", 0)?;
            network.a.wait_for_listed("-i", flows)?;
            assert_eq!(network.b.listed("-e expect")?.len(), 1, "{request}");
            Ok(())
        })?;
    }
    Ok(())
}

/// A flush of the caches takes both tables; reading the kernel brings back what is asked for.
#[test]
fn each_table_can_be_read_again() -> Result<()> {
    with_session(|network| {
        let a = &network.a;
        a.daemon.client("-f")?;
        a.wait_for_listed("-i expect", 0)?;
        a.daemon.client("-R ct")?;
        a.wait_for_listed("-i", 1)?;
        assert_eq!(a.listed("-i expect")?.len(), 0);
        a.daemon.client("-R expect")?;
        wait_for_line(network, "resync with master expect table")?;
        a.wait_for_listed("-i expect", 1)?;
        Ok(())
    })
}

#[test]
fn each_table_can_be_committed() -> Result<()> {
    with_session(|network| {
        let b = &network.b;
        // Without its master the kernel does not take it.
        b.daemon.client("-c expect")?;
        assert_eq!(b.kernel_expectations()?.len(), 0);
        let log = b.daemon.log();
        let said = |line: &str| log.lines().iter().any(|it| it.text.contains(line));
        wait_until("the refusal", PATIENCE, || {
            said("1 expectations can't be committed")
        })?;
        b.daemon.client("-c ct")?;
        assert_eq!(b.kernel_expectations()?.len(), 0);
        b.daemon.client("-c expect")?;
        assert_eq!(b.kernel_expectations()?, network.a.kernel_expectations()?);
        wait_until("the report", PATIENCE, || {
            said("Committed 1 new expectations")
        })
    })
}

/// Stock never gets past the flows when it has few buckets.
#[test]
fn a_commit_of_both_tables_ends_whatever_their_size() -> Result<()> {
    let setup = Setup {
        in_sync: "Options { ExpectationSync on }",
        sections: "General { HashSize 64 }",
        ..Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4)
    };
    let network = Network::with([Ours, Ours], setup)?;
    ftp::serve(&network.server)?;
    let _session = Session::open(&network.client, network.service(21), Opens::Client)?;
    network.b.wait_for_listed("-e expect", 1)?;
    network.b.wait_for_listed("-e", 1)?;
    for _ in 0..2 {
        network.b.daemon.client("-c")?;
        assert_eq!(network.b.kernel_expectations()?.len(), 1);
    }
    Ok(())
}

/// The kernel would give it the whole life that its helper's policy says (compat: daemon-34).
#[test]
fn a_committed_expectation_lives_as_long_as_the_original() -> Result<()> {
    with_session(|network| {
        let life = |firewall: &crate::network::Firewall| -> Result<u32> {
            let listing = firewall
                .namespace
                .run("/usr/sbin/conntrack -L expect")?
                .stdout;
            let first = listing
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            Ok(first.parse().unwrap_or_default())
        };
        let whole = life(&network.a)?;
        wait_until("some time", PATIENCE, || {
            life(&network.a).is_ok_and(|left| left + 5 <= whole)
        })?;
        let before = life(&network.a)?;
        network.b.daemon.client("-c")?;
        let there = life(&network.b)?;
        let after = life(&network.a)?;
        // Both kernels and both daemons count whole seconds.
        let between = after.saturating_sub(1)..=before + 2;
        assert!(between.contains(&there), "{there} is not in {between:?}");
        Ok(())
    })
}

#[test]
fn statistics_and_listings_are_those_of_the_table() -> Result<()> {
    with_session(|network| {
        let b = &network.b.daemon;
        let statistics = b.client("-s expect")?.stdout;
        let external = statistics
            .split("cache external:")
            .nth(1)
            .unwrap_or_default();
        let line = "connections created:\t\t           1\tfailed:\t           0";
        assert!(external.contains(line), "{statistics}");
        let xml = b.client("-e expect -x")?.stdout;
        assert!(
            xml.starts_with("<flow><layer3 ") && xml.contains("<helper-name>ftp"),
            "{xml}"
        );
        assert!(b.client("-i expect")?.stdout.is_empty());
        assert!(b.client("-e")?.stdout.contains(" helper=ftp "));
        Ok(())
    })
}
