//! `Filter`: which flows are replicated, shown, read and flushed.
//!
//! The rows run on one table of flows; a row names those that pass. What does not pass is none of
//! the daemon's business: it is neither sent nor deleted.

use std::collections::BTreeSet;

use testbed::{Conntrackd, Namespace, PATIENCE, Progress, Result, wait_for};

use super::{Extra, Pair, load, runtime, wait_for_number};

/// The flows, each with a letter as its mark's character code.
const FLOWS: &[(char, &str)] = &[
    (
        't',
        "-p tcp -s 10.1.0.1 -d 192.0.2.1 --sport 1 --dport 80 --state ESTABLISHED -t 600",
    ),
    (
        's',
        "-p tcp -s 10.1.0.2 -d 192.0.2.1 --sport 1 --dport 80 --state SYN_SENT -t 600",
    ),
    (
        'u',
        "-p udp -s 10.1.0.3 -d 192.0.2.1 --sport 1 --dport 53 -t 600",
    ),
    (
        'i',
        "-p icmp -s 10.2.0.4 -d 192.0.2.1 --icmp-type 8 --icmp-code 0 --icmp-id 1 -t 600",
    ),
    (
        'd',
        "-p udp -s 10.2.0.5 -d 192.0.2.1 --sport 1 --dport 53 --dst-nat 10.3.0.1 -t 600",
    ),
    (
        '6',
        "-p udp -s fd01::6 -d 2001:db8::1 --sport 1 --dport 53 -t 600",
    ),
];

const ALL: &str = "tsuid6";

/// What stands in `Filter`, and the flows that pass.
const ROWS: &[(&str, &str)] = &[
    ("", ALL),
    ("Protocol Accept { TCP }", "ts"),
    ("Protocol Ignore { TCP icmp }", "ud6"),
    ("Protocol Accept { }", ""),
    ("Address Ignore { IPv4_address 10.1.0.0/16 }", "id6"),
    ("Address Accept { IPv4_address 10.1.0.3 }", "u"),
    ("Address Accept { IPv6_address fd01::/64 }", "6"),
    // The address that counts at the far end is the one behind the translation.
    ("Address Ignore { IPv4_address 10.3.0.1 }", "tsui6"),
    ("Address Ignore { IPv4_address 192.0.2.1 }", "d6"),
    ("State Accept { ESTABLISHED for TCP }", "tuid6"),
    ("State Ignore { ESTABLISHED for TCP }", "suid6"),
    (
        "Protocol Accept { TCP UDP } Address Ignore { IPv4_address 10.1.0.3 }",
        "tsd6",
    ),
    (
        "Protocol Accept { TCP } State Accept { ESTABLISHED for TCP } \
         Address Accept { IPv4_address 10.1.0.0/16 }",
        "t",
    ),
];

/// Writes all flows, marked with their letters.
fn create(node: &Namespace) -> Result<()> {
    for (letter, words) in FLOWS {
        load(node, &[&format!("{words} -m {}", u32::from(*letter))])?;
    }
    Ok(())
}

/// The letters of the flows in a listing.
fn letters(listing: &str) -> BTreeSet<char> {
    let marks = listing
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("mark="));
    marks
        .filter_map(|mark| char::from_u32(mark.parse().ok()?))
        .collect()
}

fn set(letters: &str) -> BTreeSet<char> {
    letters.chars().collect()
}

fn internal(daemon: &Conntrackd) -> Result<BTreeSet<char>> {
    Ok(letters(&daemon.client("-i")?.stdout))
}

/// Where the filter is evaluated, and how the log calls that.
const PLACES: [(&str, &str); 2] = [("Userspace", "user-space"), ("Kernelspace", "kernel-space")];

fn check(place: &str, filter: &str, passing: &str) -> Result<()> {
    let text = format!("General {{ Filter From {place} {{ {filter} }} }}");
    let extra = Extra {
        a: &text,
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    let (a, wanted) = (&pair.a, set(passing));
    create(&pair.network.a)?;
    // What the kernel drops does not arrive.
    let (received, filtered) = match place {
        "Userspace" => (FLOWS.len(), FLOWS.len() - wanted.len()),
        _ => (wanted.len(), 0),
    };
    wait_for_number("all events", received, || runtime(a, "events received:"))?;
    let what = format!("events with {place} {filter}");
    wait_for(&what, PATIENCE, || {
        Ok(match internal(a)? {
            found if found == wanted => Progress::Done(()),
            found => Progress::Waiting(format!("{found:?}, not {wanted:?}")),
        })
    })?;
    let counted = runtime(a, "events filtered:")?;
    assert_eq!(counted, filtered, "counted with {place} {filter}");
    pair.wait_until_replicated(wanted.len())?;

    a.client("-f internal")?;
    a.client("-R")?;
    assert_eq!(internal(a)?, wanted, "reading the table with {filter}");

    a.client("-F")?;
    let left = pair.network.a.run("/usr/sbin/conntrack -L")?.stdout;
    let left_v6 = pair.network.a.run("/usr/sbin/conntrack -L -f ipv6")?.stdout;
    let rest: BTreeSet<char> = set(ALL).difference(&wanted).copied().collect();
    assert_eq!(letters(&(left + &left_v6)), rest, "a flush with {filter}");
    Ok(())
}

#[test]
fn events_readings_and_flushes_are_filtered() -> Result<()> {
    for (filter, passing) in ROWS {
        check("Userspace", filter, passing)?;
    }
    Ok(())
}

#[test]
fn the_kernel_filters_as_we_do() -> Result<()> {
    for (filter, passing) in ROWS {
        check("Kernelspace", filter, passing)?;
    }
    Ok(())
}

#[test]
fn what_the_peer_sent_is_committed_whatever_the_filter() -> Result<()> {
    let extra = Extra {
        b: "General { Filter { Protocol Accept { UDP } } }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    create(&pair.network.a)?;
    pair.wait_until_replicated(FLOWS.len())?;
    pair.b.client("-c")?;
    assert_eq!(pair.network.b.flow_count()?, FLOWS.len());
    // But then they are flows of this node, and the filter decides.
    wait_for_number("the flows that pass", 3, || Ok(pair.b.internal()?.len()))?;
    assert_eq!(internal(&pair.b)?, set("ud6"));
    Ok(())
}

#[test]
fn the_log_tells_of_the_filter() -> Result<()> {
    for (place, name) in PLACES {
        let text = format!("General {{ Filter From {place} {{ Protocol Accept {{ TCP }} }} }}");
        let extra = Extra {
            a: &text,
            ..Extra::default()
        };
        let pair = Pair::ours(extra)?;
        let line = format!("using {name} event filtering");
        super::wait_for_line(pair.a.log(), testbed::Mark::default(), &line)?;
    }
    Ok(())
}
