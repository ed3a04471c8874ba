//! Every kind of answer in every mode, over every transport, beside stock: ours and stock run as a
//! pair, both clients ask both, and all four answers have the same layout.

use std::collections::BTreeSet;

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Conntrackd, IpVersion, Mark, Mode, Progress, Result, Setup, SyncPair, Transport, wait_for,
};

use super::layout::{LISTINGS, STATISTICS, ask, shape, widths};
use super::{PATIENCE, group, wait_for_line, wait_until_equal};

/// Flows on each side.
const COUNT: usize = 8;

const KEEP: &str = "";
const INJECT: &str = "DisableExternalCache on";
const BYPASS: &str = "DisableInternalCache on";
const NEITHER: &str = "DisableInternalCache on\nDisableExternalCache on";

fn check(mode: Mode, transport: Transport, in_mode: &str, in_sync: &str) -> Result<()> {
    let network = SyncPair::new()?;
    let setup = Setup {
        in_mode,
        in_sync,
        ..Setup::new(mode, transport, IpVersion::V4)
    };
    let [config_a, config_b] = setup.configs();
    let a = Conntrackd::start(&network.a, Ours, &config_a)?;
    let b = Conntrackd::start(&network.b, Stock, &config_b)?;
    group(1, 8).create(&network.a)?;
    group(2, 8).create(&network.b)?;
    let injects = in_mode.contains(INJECT);
    wait_for("both sides to know all flows", PATIENCE, || {
        let known = match injects {
            true => [&network.a, &network.b].map(|node| node.flow_count().map(|it| it - COUNT)),
            false => [&a, &b].map(|daemon| Ok(daemon.external()?.len())),
        };
        let [known_a, known_b] = known;
        let (known_a, known_b) = (known_a?, known_b?);
        // Which side of a TCP link is connected is told in the first line.
        let heads = [&a, &b].map(|daemon| Ok(daemon.client("-s")?.stdout));
        let [head_a, head_b] = heads;
        let whole = |text: String| !text.contains("disconnected");
        let connected = whole(head_a?) && whole(head_b?);
        Ok(match (known_a, known_b, connected) {
            (COUNT, COUNT, true) => Progress::Done(()),
            found => Progress::Waiting(format!("{setup}, {in_mode}: {found:?}")),
        })
    })?;
    for request in STATISTICS {
        let [ours, by_stock] = ask(&a, request)?;
        let [of_stock, both_stock] = ask(&b, request)?;
        let wanted = shape(&both_stock);
        let case = format!("{request}: {setup}, {in_mode} {in_sync}");
        assert_eq!(shape(&ours), wanted, "{case}");
        assert_eq!(shape(&by_stock), wanted, "{case}, stock's client");
        assert_eq!(shape(&of_stock), wanted, "{case}, our client");
        assert_eq!(widths(&ours), widths(&both_stock), "{case}");
    }
    for request in LISTINGS {
        let [ours, by_stock] = ask(&a, request)?;
        let [of_stock, both_stock] = ask(&b, request)?;
        let kinds = |text: &str| -> BTreeSet<String> { shape(text).into_iter().collect() };
        let wanted = kinds(&both_stock);
        let case = format!("{request}: {setup}, {in_mode}");
        assert_eq!(kinds(&ours), wanted, "{case}");
        assert_eq!(kinds(&by_stock), wanted, "{case}, stock's client");
        assert_eq!(kinds(&of_stock), wanted, "{case}, our client");
    }
    Ok(())
}

#[test]
fn ftfw_answers_as_stock() -> Result<()> {
    for transport in [Transport::Udp, Transport::Multicast, Transport::Tcp] {
        check(Mode::Ftfw, transport, KEEP, "")?;
        check(Mode::Ftfw, transport, INJECT, "")?;
    }
    Ok(())
}

#[test]
fn notrack_answers_as_stock() -> Result<()> {
    for transport in [Transport::Udp, Transport::Multicast, Transport::Tcp] {
        check(Mode::Notrack, transport, KEEP, "")?;
    }
    for in_mode in [INJECT, BYPASS, NEITHER] {
        check(Mode::Notrack, Transport::Udp, in_mode, "")?;
    }
    Ok(())
}

#[test]
fn alarm_answers_as_stock() -> Result<()> {
    for transport in [Transport::Udp, Transport::Multicast, Transport::Tcp] {
        check(Mode::Alarm, transport, "RefreshTime 2\nCacheTimeout 60", "")?;
    }
    Ok(())
}

#[test]
fn answers_with_expectations_are_those_of_stock() -> Result<()> {
    let options = "Options { ExpectationSync on }";
    check(Mode::Ftfw, Transport::Udp, KEEP, options)?;
    check(Mode::Ftfw, Transport::Udp, INJECT, options)?;
    check(Mode::Notrack, Transport::Udp, NEITHER, options)?;
    check(Mode::Alarm, Transport::Udp, "RefreshTime 2", options)
}

/// How events are read changes nothing of what the peer knows at the end.
#[test]
fn polling_and_other_ways_to_read_events_replicate_the_same() -> Result<()> {
    for (general, line) in [
        ("PollSecs 1", "running in polling mode"),
        (
            "NetlinkEventsReliable on",
            "reliable ctnetlink event delivery is ENABLED.",
        ),
        ("EventIterationLimit 1", "initialization completed"),
    ] {
        for (mode, kinds) in [
            (Mode::Ftfw, [Ours, Ours]),
            (Mode::Ftfw, [Ours, Stock]),
            (Mode::Ftfw, [Stock, Ours]),
            (Mode::Notrack, [Ours, Ours]),
            (Mode::Alarm, [Ours, Ours]),
        ] {
            let network = SyncPair::new()?;
            let sections = format!("General {{\n{general}\n}}");
            let setup = Setup {
                sections: &sections,
                in_mode: if mode == Mode::Alarm {
                    "RefreshTime 1\nCacheTimeout 3"
                } else {
                    ""
                },
                ..Setup::new(mode, Transport::Udp, IpVersion::V4)
            };
            let [config_a, config_b] = setup.configs();
            let [kind_a, kind_b] = kinds;
            let a = Conntrackd::start(&network.a, kind_a, &config_a)?;
            let b = Conntrackd::start(&network.b, kind_b, &config_b)?;
            wait_for_line(a.log(), Mark::default(), line)?;
            group(1, 20).create(&network.a)?;
            group(2, 10).create(&network.a)?;
            wait_until_equal(&a, &b, 30)?;
            group(1, 20).delete(&network.a)?;
            wait_until_equal(&a, &b, 10)?;
        }
    }
    Ok(())
}
