//! Conditions on translations: `-n`, `-g` and `-j`.
//!
//! The flows are made by commands, and the kernel translates them: no traffic is needed to see what
//! a condition takes for a translation.

use crate::check;
use crate::rows::{Row, differs, differs_before, same};
use crate::stock::DEBIAN_13;

/// Flows that the kernel translates, and some that only look like it.
pub const TRANSLATED: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -g 10.7.0.1:8080",
    "-s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1002 --dport 80 --state ESTABLISHED -n 10.8.0.1:4000 -g 10.7.0.1:8081",
    "-s 10.0.0.2 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -n 10.8.0.1",
    "-s 10.0.0.2 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -n 10.8.0.1:4001",
    "-s 10.0.0.2 -d 10.0.9.1 -p udp --sport 1002 --dport 53 -g 10.7.0.2",
    "-s 10.0.0.3 -d 10.0.9.1 -p udp --sport 1002 --dport 53 -g 10.7.0.2 -w 5",
    "-s 10.0.0.4 -d 10.0.9.1 -r 10.7.0.1 -q 10.0.0.4 -p udp --sport 7 --dport 53 --reply-port-src 53 --reply-port-dst 7",
    "-s 10.0.0.5 -d 10.0.9.1 -p udp --sport 7 --dport 53",
    "-s 2001:db8::1 -d 2001:db8::9 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -g [2001:db8::5]:81",
    "-s 2001:db8::2 -d 2001:db8::9 -p udp --sport 1001 --dport 53 -n 2001:db8::6",
    "-s 2001:db8::3 -d 2001:db8::9 -p udp --sport 1001 --dport 53",
];

/// With a ping of a translated client.
const PINGS: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7 -g 10.7.0.3",
    "-s 10.0.0.2 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 8 -n 10.8.0.3",
    "-s 2001:db8::1 -d 2001:db8::9 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -g [2001:db8::5]:81",
];

pub const LIST: &[Row] = &[
    same("-L -n"),
    same("-L -g"),
    same("-L -n -g"),
    same("-L -j"),
    same("-L --src-nat"),
    same("-L --dst-nat -f ipv6"),
    same("-L --any-nat -p udp"),
    same("-L -n 10.8.0.1"),
    same("-L -n 10.8.0.1:4000"),
    same("-L -n 10.8.0.1:4001"),
    same("-L -n 10.8.0.1:9"),
    same("-L -n 10.8.0.9"),
    same("-L -n 10.7.0.1"),
    same("-L -g 10.7.0.1"),
    same("-L -g 10.7.0.1:8081"),
    same("-L -g 10.7.0.2 -p udp"),
    same("-L -g 10.7.0.2 -w 5"),
    same("-L -g 10.7.0.1 -n 10.8.0.1"),
    same("-L -g 10.7.0.1 -n 10.8.0.1:4001"),
    same("-L -j 10.7.0.1"),
    same("-L -j 10.8.0.1"),
    same("-L -j 10.8.0.1:4000"),
    same("-L -j 10.9.9.9"),
    same("-L -n 10.8.0.1 -p tcp --sport 1002"),
    same("-L -g 2001:db8::5"),
    same("-L -n 2001:db8::6"),
    same("-L -g [2001:db8::5]:81"),
    same("-L -g [2001:db8::5]:82"),
    same("-L -z -n"),
    same("-L -n 10.8.0.1 -f ipv6"),
    same("-L -n 10.8.0.1 -s ::1"),
    same("-L -n 10.8.0.1:"),
    same("-L -n 10.8.0.1:80:80"),
    same("-L -n 10.8.0.1:65536"),
    same("-L -g [2001:db8::5]"),
    same("-L -g [2001:db8::5]:"),
    same("-L -g [2001:db8::5"),
    same("-L -g []:5"),
    same("-L -s [2001:db8::5]"),
    same("-L -j 10.0.0.0/8"),
    same("-L -n 10.8.0.1-10.8.0.9"),
    differs(
        "-L -n 2001:db8::77",
        "cli-4",
        0,
        "0 flow entries have been shown.",
    ),
    differs(
        "-L -g 2001:db8::77",
        "cli-4",
        0,
        "0 flow entries have been shown.",
    ),
    differs(
        "-L -s 10.0.0.2 -j 10.8.0.1",
        "cli-5",
        0,
        "2 flow entries have been shown.",
    ),
    differs(
        "-L -p udp -j 10.8.0.1",
        "cli-5",
        0,
        "1 flow entries have been shown.",
    ),
    differs(
        "-L -n10.8.0.9",
        "cli-6",
        0,
        "0 flow entries have been shown.",
    ),
    differs(
        "-L --dst-nat=10.7.0.9",
        "cli-6",
        0,
        "0 flow entries have been shown.",
    ),
];

pub const CHANGE: &[Row] = &[
    same("-D -g 10.7.0.9"),
    same("-D --orig-dst 10.0.9.1 --dst-nat 10.7.0.2 -p udp -w 5"),
    same("-D --orig-dst 10.0.9.1 --dst-nat 10.7.0.1 -p tcp --sport 1001"),
    same("-D -n 10.8.0.1:4001"),
    differs_before(
        DEBIAN_13,
        "-U -n -m 6",
        "cli-16",
        0,
        "3 flow entries have been updated.",
    ),
    differs(
        "-U -g 10.7.0.2 -m 5",
        "cli-16",
        0,
        "1 flow entries have been updated.",
    ),
    differs(
        "-D -j -f ipv4",
        "cli-43",
        0,
        "3 flow entries have been deleted.",
    ),
];

/// Where stock takes more than was meant; each row starts with a fresh table.
pub const DANGEROUS: &[Row] = &[
    differs(
        "-D -g 2001:db8::77",
        "cli-4",
        1,
        "0 flow entries have been deleted.",
    ),
    differs(
        "-D -n10.9.9.9",
        "cli-6",
        1,
        "0 flow entries have been deleted.",
    ),
    differs(
        "-D -n -f ipv4",
        "cli-7",
        0,
        "1 flow entries have been deleted.",
    ),
    differs("-L -g", "cli-7", 0, "2 flow entries have been shown."),
];

#[test]
fn listings_by_translation_are_alike() {
    check("nat-list", TRANSLATED, LIST);
}

#[test]
fn changes_by_translation_are_alike() {
    check("nat-change", TRANSLATED, CHANGE);
}

#[test]
fn what_is_not_translated_so_stays() {
    for row in DANGEROUS {
        check("nat-danger", PINGS, std::slice::from_ref(row));
    }
}

/// A flow is what was asked for on both sides, before anything is compared.
#[test]
fn the_kernel_translates_here() {
    let pair = crate::Pair::new("nat-kernel", TRANSLATED);
    let (table, _) = pair.tables();
    assert!(
        table.contains("src=10.7.0.1 dst=10.8.0.1 sport=8081 dport=4000"),
        "{table}"
    );
    assert_eq!(TRANSLATED.len(), table.lines().count());
}
