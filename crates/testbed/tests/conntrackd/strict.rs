//! `--strict`: the client's exit status tells whether the daemon has done what was asked.

use std::path::Path;

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Command, Conntrackd, IpVersion, Mode, Namespace, Result, Setup, SyncPair, Transport,
};

use super::{Extra, Pair, group};

/// Asks strictly; the request fails for this reason, or does not if there is none.
#[track_caller]
fn check(daemon: &Conntrackd, request: &str, reason: &str) -> Result<()> {
    let output = daemon.client_of(Ours, &format!("--strict {request}"))?;
    let wanted = i32::from(!reason.is_empty());
    assert_eq!(output.code(), wanted, "{request}: {}", output.stderr);
    assert!(
        output.stderr.contains(reason),
        "{request}: {}",
        output.stderr
    );
    // Who is not strict is told what stock tells.
    assert_eq!(daemon.client_of(Ours, request)?.code(), 0, "{request}");
    Ok(())
}

const NOT_REPLICATED: &str = "[ERROR] the request was not done: nothing of the kind is replicated";

#[test]
fn what_is_done_and_what_is_not() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    group(1, 100).create(&pair.network.a)?;
    pair.wait_until_replicated(100)?;
    for request in [
        "-c",
        "-c ct",
        "-s",
        "-f",
        "-R",
        "-B",
        "-n",
        "-t",
        "-F",
        "-s rsqueue",
    ] {
        check(&pair.a, request, "")?;
    }
    for request in ["-i expect", "-c expect", "-F expect", "-R expect"] {
        check(&pair.a, request, NOT_REPLICATED)?;
    }
    // A listing is the same, and whole.
    let strict = pair.b.client("--strict -e")?;
    assert_eq!((strict.code(), strict.stdout.lines().count()), (0, 100));
    assert!(!strict.stdout.contains('\0'));
    Ok(())
}

#[test]
fn modes_that_cannot() -> Result<()> {
    let network = SyncPair::new()?;
    let [config, _] = Setup::new(Mode::Alarm, Transport::Udp, IpVersion::V4).configs();
    let alarm = Conntrackd::start(&network.a, Ours, &config)?;
    check(&alarm, "-n", "mode ALARM sends everything by itself")?;
    check(&alarm, "-B", "mode ALARM sends everything by itself")?;
    check(&alarm, "-c", "")?;
    let bypass = Setup {
        in_mode: "DisableInternalCache on\nDisableExternalCache on",
        ..Setup::new(Mode::Notrack, Transport::Udp, IpVersion::V4)
    };
    let [_, config] = bypass.configs();
    let bypass = Conntrackd::start(&network.b, Ours, &config)?;
    check(&bypass, "-R", "there is no internal cache")?;
    check(&bypass, "-f internal", "there is no internal cache")?;
    check(&bypass, "-f external", "there is no external cache")?;
    check(&bypass, "-i", "")?;
    let node = Namespace::new("stats")?;
    let stats = Conntrackd::start(&node, Ours, "Stats { }\n")?;
    check(&stats, "-c", "statistics mode does no such thing")?;
    check(&stats, "-f", "")
}

/// Its end was taken for a failure: it had not said that it was done.
#[test]
fn a_daemon_that_is_ended_says_so() -> Result<()> {
    for config in ["", "Stats { }\n"] {
        let node = Namespace::new("end")?;
        let daemon = Conntrackd::start(&node, Ours, config)?;
        let output = daemon.client("--strict -k")?;
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{config}");
        assert!(!daemon.lock().exists(), "the client waits for the end");
    }
    Ok(())
}

/// Leaves the daemon descriptors for so many more files.
fn limit_descriptors(daemon: &Conntrackd, more: usize) -> Result<()> {
    let pid = daemon.process().pid();
    let is_free = |number: &usize| !Path::new(&format!("/proc/{pid}/fd/{number}")).exists();
    // The limit is on the numbers, of which some in between may be free.
    let limit = (0..).filter(is_free).nth(more).unwrap_or_default();
    let command = format!("prlimit --pid {pid} --nofile={limit}:{limit}");
    Command::from(command.as_str()).run().map(drop)
}

/// A reading and a flush both need a connection of their own to the kernel's table.
#[test]
fn what_the_kernel_refuses_is_not_done() -> Result<()> {
    for config in [
        Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4).configs()[0].as_str(),
        "Stats { }\n",
    ] {
        let network = SyncPair::new()?;
        let daemon = Conntrackd::start(&network.a, Ours, config)?;
        for request in ["-R", "-F", "-R ct", "-F ct"] {
            check(&daemon, request, "")?;
        }
        // One for the client itself.
        limit_descriptors(&daemon, 1)?;
        check(&daemon, "-R", "not done: read the table: ")?;
        check(&daemon, "-R ct", "Too many open files")?;
        check(&daemon, "-F", "not done: flush the table: ")?;
        check(&daemon, "-F ct", "Too many open files")?;
        check(&daemon, "-s", "")?;
    }
    Ok(())
}

/// A daemon that does not know the question does nothing, and the client says so.
#[test]
fn stock_does_not_tell() -> Result<()> {
    let pair = Pair::start([Stock, Ours], Extra::default())?;
    group(1, 100).create(&pair.network.a)?;
    pair.wait_until_replicated(100)?;
    check(
        &pair.a,
        "-s",
        "the daemon does not say what has become of the request",
    )?;
    let output = pair.a.client_of(Ours, "--strict -F")?;
    assert_eq!(output.code(), 1);
    assert_eq!(pair.network.a.flow_count()?, 100);
    Ok(())
}
