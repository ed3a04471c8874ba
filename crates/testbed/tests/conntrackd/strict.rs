//! `--strict`: the client's exit status tells whether the daemon has done what was asked.

use testbed::Implementation::{Ours, Stock};
use testbed::{Conntrackd, IpVersion, Mode, Namespace, Result, Setup, SyncPair, Transport};

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
