//! The answers of both daemons to both clients look the same: what reads stock's output reads ours.

use std::collections::BTreeSet;

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Conntrackd, IpVersion, Mode, Progress, Result, Setup, SyncPair, Transport, wait_for,
};

use super::{Extra, PATIENCE, Pair, group, wait_until_equal};

/// Answers whose lines have an order.
pub const STATISTICS: &[&str] = &[
    "-s",
    "-s ct",
    "-s network",
    "-s cache",
    "-s link",
    "-s queue",
    "-s process",
    "-s expect",
    "-s n",
    "-s c",
];

/// Answers that list something, in an order that means nothing.
pub const LISTINGS: &[&str] = &["-i", "-e", "-i ct", "-e ct", "-i -x", "-e ct -x"];

/// Numbers differ between two daemons; what is left has to be equal.
pub fn shape(text: &str) -> Vec<String> {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            // Numbers stand to the right in fields of a fixed width.
            ' ' if shape.ends_with(' ') => {}
            other => shape.push(other),
        }
    }
    shape.lines().map(str::to_owned).collect()
}

/// The width of a line with numbers in fields does not depend on the numbers.
pub fn widths(text: &str) -> Vec<usize> {
    text.lines().map(str::len).collect()
}

pub fn ask(daemon: &Conntrackd, request: &str) -> Result<[String; 2]> {
    let mut answers = [String::new(), String::new()];
    for (answer, client) in answers.iter_mut().zip([Ours, Stock]) {
        let output = daemon.client_of(client, request)?;
        assert_eq!(output.code(), 0, "{request} of {client}: {}", output.stderr);
        assert_eq!(output.stderr, "", "{request} of {client}");
        *answer = output.stdout;
    }
    Ok(answers)
}

/// A pair of ours and stock, with the same number of flows of the same kinds on both sides.
fn mixed_pair() -> Result<Pair> {
    let pair = Pair::start([Ours, Stock], Extra::default())?;
    group(1, 16).create(&pair.network.a)?;
    group(2, 16).create(&pair.network.b)?;
    wait_until_equal(&pair.a, &pair.b, 16)?;
    wait_until_equal(&pair.b, &pair.a, 16)?;
    Ok(pair)
}

#[test]
fn statistics_have_the_lines_of_stock() -> Result<()> {
    let pair = mixed_pair()?;
    for request in STATISTICS {
        let [ours, by_stock] = ask(&pair.a, request)?;
        let [of_stock, both_stock] = ask(&pair.b, request)?;
        let wanted = shape(&both_stock);
        assert_eq!(shape(&ours), wanted, "{request}");
        assert_eq!(shape(&by_stock), wanted, "{request}, stock's client");
        assert_eq!(
            shape(&of_stock),
            wanted,
            "{request}, our client, stock's daemon"
        );
        assert_eq!(widths(&ours), widths(&both_stock), "{request}");
    }
    Ok(())
}

#[test]
fn links_of_every_kind_have_the_lines_of_stock() -> Result<()> {
    for transport in [Transport::Multicast, Transport::Tcp] {
        let network = SyncPair::new()?;
        let [config_a, config_b] = Setup::new(Mode::Ftfw, transport, IpVersion::V4).configs();
        let a = Conntrackd::start(&network.a, Ours, &config_a)?;
        let b = Conntrackd::start(&network.b, Stock, &config_b)?;
        group(1, 16).create(&network.a)?;
        group(2, 16).create(&network.b)?;
        wait_until_equal(&a, &b, 16)?;
        wait_until_equal(&b, &a, 16)?;
        for request in ["-s", "-s network", "-s link", "-s queue"] {
            let [ours, _] = ask(&a, request)?;
            let [_, stock] = ask(&b, request)?;
            assert_eq!(shape(&ours), shape(&stock), "{request}");
            assert_eq!(widths(&ours), widths(&stock), "{request}");
        }
    }
    Ok(())
}

#[test]
fn the_state_of_the_daemon_has_the_lines_of_stock() -> Result<()> {
    let pair = mixed_pair()?;
    let [ours, _] = ask(&pair.a, "-s runtime")?;
    let [_, stock] = ask(&pair.b, "-s runtime")?;
    assert_eq!(shape(&ours), shape(&stock));
    Ok(())
}

#[test]
fn listings_have_the_entries_of_stock() -> Result<()> {
    let pair = mixed_pair()?;
    for request in LISTINGS {
        let [ours, by_stock] = ask(&pair.a, request)?;
        let [of_stock, both_stock] = ask(&pair.b, request)?;
        let kinds = |text: &str| -> BTreeSet<String> { shape(text).into_iter().collect() };
        let wanted = kinds(&both_stock);
        assert_eq!(kinds(&ours), wanted, "{request}");
        assert_eq!(kinds(&by_stock), wanted, "{request}, stock's client");
        assert_eq!(
            kinds(&of_stock),
            wanted,
            "{request}, our client, stock's daemon"
        );
        assert_eq!(ours.lines().count(), 16, "{request}");
    }
    Ok(())
}

#[test]
fn the_resend_queue_has_the_lines_of_stock() -> Result<()> {
    let pair = mixed_pair()?;
    // Nothing is acknowledged any more.
    pair.network.set_connected(false)?;
    group(3, 16).create(&pair.network.a)?;
    group(4, 16).create(&pair.network.b)?;
    for daemon in [&pair.a, &pair.b] {
        wait_for("flows in the resend queue", PATIENCE, || {
            let [ours, stock] = ask(daemon, "-s rsqueue")?;
            let objects = |text: &str| text.matches("object -> seq:").count();
            Ok(match (objects(&ours), objects(&stock)) {
                // Those of before may not have been acknowledged either.
                (ours @ 16.., stock) if ours == stock => Progress::Done(()),
                found => Progress::Waiting(format!("{found:?} flows")),
            })
        })?;
        let [ours, _] = ask(daemon, "-s rsqueue")?;
        let shape = shape(&ours);
        let (head, elements) = shape.split_first().unwrap();
        assert_eq!(head, "resent queue (len=#)");
        let known = ["object -> seq:#", "control -> seq:# flags:#"];
        for element in elements {
            assert!(known.contains(&element.as_str()), "{element}");
        }
    }
    Ok(())
}
