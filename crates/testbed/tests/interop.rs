//! FT-FW over UDP between every pair of implementations, one sending, one receiving.
//!
//! Each case changes the sender's kernel table under some hardship and ends with both sides
//! equal: what the sender's internal cache shows, the receiver's external cache shows, flow for
//! flow with state and mark; and a commit puts the same flows, translations included, into the
//! receiver's kernel. A few flows go the other way at the same time.
//!
//! Between two stock daemons the same cases show what a failure of a mixed pair means.

use std::collections::BTreeSet;
use std::thread;

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Conntrackd, FlowLine, Group, Implementation, IpVersion, Namespace, PATIENCE, Progress, Result,
    SyncPair, difference, wait_for,
};

/// Groups of flows in one load, and flows in a group.
const GROUPS: u16 = 12;
const GROUP_SIZE: u32 = 250;
/// Groups of the sender before the load.
const GREETERS: u16 = 500;
/// Groups of the sender and those of the receiver have different numbers.
const RECEIVERS: u16 = 1000;

/// What makes it hard.
#[derive(Clone, Copy, Debug)]
enum Hardship {
    None(IpVersion),
    /// The link loses so many of a hundred packets, in both directions.
    Loss(u8),
    /// A daemon is killed in the middle of the load and started again.
    SenderRestarts,
    ReceiverRestarts,
}

/// The four pairs under one hardship.
macro_rules! pairs {
    ($($place:ident: $hardship:expr;)*) => { $(
        mod $place {
            use super::*;

            #[test]
            fn ours_to_ours() -> Result<()> {
                check(Ours, Ours, $hardship)
            }

            #[test]
            fn ours_to_stock() -> Result<()> {
                check(Ours, Stock, $hardship)
            }

            #[test]
            fn stock_to_ours() -> Result<()> {
                check(Stock, Ours, $hardship)
            }

            #[test]
            fn stock_to_stock() -> Result<()> {
                check(Stock, Stock, $hardship)
            }
        }
    )* };
}

pairs! {
    load_over_ipv4: Hardship::None(IpVersion::V4);
    load_over_ipv6: Hardship::None(IpVersion::V6);
    load_with_10_percent_lost: Hardship::Loss(10);
    load_with_30_percent_lost: Hardship::Loss(30);
    load_and_restart_of_the_sender: Hardship::SenderRestarts;
    load_and_restart_of_the_receiver: Hardship::ReceiverRestarts;
}

fn check(sender: Implementation, receiver: Implementation, hardship: Hardship) -> Result<()> {
    let pair = SyncPair::new()?;
    let version = match hardship {
        Hardship::None(version) => version,
        _ => IpVersion::V4,
    };
    let [config_a, config_b] = SyncPair::ftfw(version, "");
    let mut a = Conntrackd::start(&pair.a, sender, &config_a)?;
    let mut b = Conntrackd::start(&pair.b, receiver, &config_b)?;
    greet(&pair, &a, &b)?;
    if let Hardship::Loss(percent) = hardship {
        pair.loss(percent)?;
    }
    thread::scope(|scope| {
        let load = scope.spawn(|| load(&pair.a));
        let half = GROUP_SIZE as usize * usize::from(GROUPS) / 2;
        wait_for("half of the load", PATIENCE, || {
            Ok(match pair.a.flow_count()? {
                count if count >= half => Progress::Done(()),
                count => Progress::Waiting(format!("{count} flows")),
            })
        })?;
        match hardship {
            Hardship::SenderRestarts => a.restart(&pair.a)?,
            Hardship::ReceiverRestarts => b.restart(&pair.b)?,
            Hardship::None(_) | Hardship::Loss(_) => {}
        }
        load.join()
            .map_err(|_| testbed::Error::Unexpected("the load panicked".into()))?
    })?;
    match hardship {
        Hardship::SenderRestarts => {
            if sender == Stock {
                // It misses what ends between its first look at the kernel and its subscription
                // to events; it has to look again.
                a.client("-f internal")?;
                a.client("-R")?;
            }
            // What ended while the sender was dead nobody has told the receiver.
            b.client("-f external")?;
            b.client("-n")?;
            a.client("-n")?;
        }
        // What primary-backup.sh does on a backup.
        Hardship::ReceiverRestarts => {
            b.client("-n")?;
            b.client("-B")?;
        }
        Hardship::None(_) | Hardship::Loss(_) => {}
    }
    wait_until_equal(&pair.a, &a, &b)?;
    wait_until_equal(&pair.b, &b, &a)?;
    commit(&pair, &b)
}

/// Lets both sides hear HELLO and HELLO_BACK: before that, FT-FW repairs no loss. Each message
/// answers what came before it, so three are enough.
fn greet(pair: &SyncPair, a: &Conntrackd, b: &Conntrackd) -> Result<()> {
    for (number, size) in [(GREETERS, 1), (GREETERS + 1, 1)] {
        Group { number, size }.create(&pair.a)?;
        wait_until_equal(&pair.a, a, b)?;
        Group {
            number: RECEIVERS + number,
            size: GROUP_SIZE,
        }
        .create(&pair.b)?;
        wait_until_equal(&pair.b, b, a)?;
    }
    Ok(())
}

/// Creates, changes and ends flows.
fn load(node: &Namespace) -> Result<()> {
    let group = |number| Group {
        number,
        size: GROUP_SIZE,
    };
    for number in 0..GROUPS {
        group(number).create(node)?;
        match number % 4 {
            1 => group(number).mark(node, u32::from(number), 5)?,
            3 => group(number - 1).delete(node)?,
            _ => {}
        }
    }
    Ok(())
}

/// Waits until the kernel and the internal cache of the owner and the external cache of the peer
/// hold the same flows.
fn wait_until_equal(kernel: &Namespace, owner: &Conntrackd, peer: &Conntrackd) -> Result<()> {
    let what = format!("{:?} and {:?} to agree", owner.process(), peer.process());
    wait_for(&what, PATIENCE, || {
        let count = kernel.flow_count()?;
        // Numbers first: a dump for each look would keep the daemons busy with nothing else.
        let (own, theirs) = (
            owner.statistics()?.internal.active,
            peer.statistics()?.external.active,
        );
        let numbers = format!("the kernel holds {count} flows, internal {own}, external {theirs}");
        if own != theirs || usize::try_from(own).is_ok_and(|own| own != count) {
            return Ok(Progress::Waiting(numbers));
        }
        let (internal, external) = (owner.internal()?, peer.external()?);
        if internal == external && internal.len() == count {
            return Ok(Progress::Done(()));
        }
        let sides = difference(("internal", &internal), ("external", &external));
        Ok(Progress::Waiting(format!("{numbers}; {sides}")))
    })
}

/// Commits at the receiver: its kernel must hold the sender's flows then.
fn commit(pair: &SyncPair, receiver: &Conntrackd) -> Result<()> {
    let expected: BTreeSet<_> = kernel_table(&pair.a)?
        .union(&kernel_table(&pair.b)?)
        .cloned()
        .collect();
    receiver.client("-c")?;
    wait_for("the commit", PATIENCE, || {
        let table = kernel_table(&pair.b)?;
        if table == expected {
            return Ok(Progress::Done(()));
        }
        let missing = expected.difference(&table).count();
        let example = expected
            .symmetric_difference(&table)
            .next()
            .cloned()
            .unwrap_or_default();
        Ok(Progress::Waiting(format!(
            "{missing} flows are missing; not equal: `{example}`"
        )))
    })
}

/// The flows of a kernel, each as a line without its timeout and its use count.
fn kernel_table(node: &Namespace) -> Result<BTreeSet<String>> {
    let is_lasting = |(place, word): &(usize, &str)| *place != 2 && !word.starts_with("use=");
    let lasting = |line: &str| -> String {
        let words = line.split_whitespace().enumerate().filter(is_lasting);
        words.map(|(_, word)| format!("{word} ")).collect()
    };
    Ok(node
        .run("conntrack -L")?
        .stdout
        .lines()
        .map(lasting)
        .collect())
}

#[test]
fn a_flow_line_of_one_cache_is_not_that_of_another_flow() {
    // The comparison above can fail.
    let line = |port: u16| FlowLine::parse(&format!("udp 17 src=a dst=b sport={port} dport=2"));
    assert_ne!(line(1), line(2));
}
