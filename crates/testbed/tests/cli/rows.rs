//! The commands, as data.
//!
//! A row that is `same` as stock needs nothing else. One that `differs` names its entry in
//! docs/compat.md, our exit status, and a part of what we print. Some differences are those of a version of
//! stock, and a row that has one is `same` with the others.

mod wrong;

use std::ops::Range;

use crate::stock::{self, DEBIAN_13, FOLLOWED, Version};
pub use wrong::{VALUES, WRONG};

/// A command line, and whether its answer differs from stock's.
pub struct Row {
    pub line: &'static str,
    pub differs: Option<Differs>,
}

impl Row {
    /// The difference that the stock of this machine shows.
    pub fn difference(&self) -> Option<&Differs> {
        let differs = self.differs.as_ref();
        differs.filter(|it| it.with.contains(&stock::VERSION))
    }
}

/// A known difference.
pub struct Differs {
    /// Its entry in docs/compat.md, or that the installed stock is not the one we follow.
    pub why: &'static str,
    /// Our exit status.
    pub status: i32,
    /// Part of what we print.
    pub says: &'static str,
    /// The versions of stock that differ; the others answer as we do.
    pub with: Range<Version>,
}

/// Why an older stock differs, where nobody has to know.
pub const OLD: &str = "older";

const FIRST: Version = (0, 0, 0);
const LAST: Version = (u32::MAX, 0, 0);

pub const fn same(line: &'static str) -> Row {
    Row {
        line,
        differs: None,
    }
}

pub const fn differs(
    line: &'static str,
    why: &'static str,
    status: i32,
    says: &'static str,
) -> Row {
    differs_with(FIRST..LAST, line, why, status, says)
}

/// Differs from stock before this version.
pub const fn differs_before(
    version: Version,
    line: &'static str,
    why: &'static str,
    status: i32,
    says: &'static str,
) -> Row {
    differs_with(FIRST..version, line, why, status, says)
}

/// Differs from the stock that we follow, and not from older ones.
pub const fn differs_from_newer(
    line: &'static str,
    why: &'static str,
    status: i32,
    says: &'static str,
) -> Row {
    differs_with(FOLLOWED..LAST, line, why, status, says)
}

const fn differs_with(
    with: Range<Version>,
    line: &'static str,
    why: &'static str,
    status: i32,
    says: &'static str,
) -> Row {
    Row {
        line,
        differs: Some(Differs {
            why,
            status,
            says,
            with,
        }),
    }
}

pub const LIST: &[Row] = &[
    differs_before(
        DEBIAN_13,
        "-L -m 1 -u ASSURED",
        "cli-123",
        0,
        "2 flow entries have been shown.",
    ),
    same("-L"),
    same("--dump"),
    same("-L conntrack"),
    same("-L c"),
    same("-L conntrack foo bar"),
    same("foo -L"),
    same("-L dying"),
    same("-L unconfirmed"),
    same("-L -f ipv4"),
    same("-L -f ipv6"),
    same("-L -o extended"),
    same("-L -o id"),
    same("-L -o extended,id"),
    same("-L -o ext -o i -f ipv4"),
    same("-L -o timestamp"),
    same("-L -z"),
    same("-L -z -f ipv4"),
    same("-L -p tcp"),
    same("-L -p 6"),
    same("-L -p udp"),
    same("-L -p udplite"),
    same("-L -p icmp"),
    same("-L -p icmpv6"),
    same("-L -p gre"),
    same("-L -p 2"),
    same("-L -p igmp"),
    same("-L -p 200"),
    same("-L -p sctp"),
    same("-L -p dccp"),
    same("-L -p tcp -f ipv6"),
    same("-L -p tcp --state ESTABLISHED"),
    same("-L -p tcp --state LISTEN"),
    same("-L -p tcp --state TIME_WAIT -f ipv4"),
    same("-L -p sctp --state ESTABLISHED"),
    same("-L -p tcp --sport 1001"),
    same("-L -p tcp --dport 80"),
    same("-L -p tcp --orig-port-src 1001 --orig-port-dst 443"),
    same("-L -p tcp --reply-port-src 80"),
    same("-L -p tcp --reply-port-dst 1002"),
    same("-L -p udp --dport 53 -f ipv4"),
    same("-L -p udp --dport 53 -f ipv6"),
    same("-L -p udp --dport 53"),
    same("-L -p udp --reply-port-src 5353"),
    same("-L -p udplite --sport 13"),
    same("-L -p icmp --icmp-type 8"),
    same("-L -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77"),
    same("-L -p icmp --icmp-id 78"),
    same("-L -p icmpv6 --icmpv6-type 128"),
    same("-L -p icmpv6 --icmpv6-id 78"),
    same("-L -p gre --srckey 0x10"),
    same("-L -s 10.0.0.1"),
    same("-L -s 10.0.0.1/32"),
    same("-L -s 10.0.0.0/24"),
    same("-L -s 10.0.0.0/23 -p udp"),
    same("-L -s 10.0.0.0/0"),
    same("-L -s ::/0"),
    same("-L -d 10.0.9.1"),
    same("-L -d 10.0.9.0/30 -p tcp --dport 80"),
    same("-L --orig-src 10.0.0.1 --orig-dst 10.0.9.1"),
    same("-L -r 10.0.9.7"),
    same("-L -q 10.0.0.1"),
    same("-L -s 10.0.0.1 -r 10.0.9.7"),
    same("-L -s 10.0.0.1 --mask-src 0.0.0.255"),
    same("-L -d 0.0.0.3 --mask-dst 0.0.0.255 -p udp"),
    same("-L -s 2001:db8::1"),
    same("-L -s 2001:db8::/64"),
    same("-L -s 2001:db8::1 --mask-src ffff::ffff"),
    same("-L -d 2001:db8::9 -p udp"),
    same("-L -s ::ffff:1.2.3.4"),
    same("-L -s 10.1"),
    same("-L -s 0x0a000001"),
    same("-L -m 1"),
    same("-L -m 0"),
    same("-L -m 0x1/0xff"),
    same("-L -m 1/1"),
    same("-L -m 0/0"),
    same("-L -m 1 -p udp"),
    same("-L -m 99"),
    same("-L -u ASSURED"),
    same("-L -u SEEN_REPLY,ASSURED"),
    same("-L -u seen"),
    same("-L -u FIXED_TIMEOUT"),
    same("-L -u !ASSURED"),
    same("-L -u UNREPLIED"),
    same("-L -u !SEEN_REPLY,!ASSURED -p tcp"),
    same("-L -w 5"),
    same("-L -w 0"),
    same("-L -w 3"),
    same("-L -w 0x4d"),
    same("-L --orig-zone 3"),
    same("-L --orig-zone 0"),
    same("-L --reply-zone 4"),
    same("-L --zone 5 -f ipv6"),
    same("-L -s 10.0.0.4 --orig-zone 3"),
    differs(
        "-L -u SEEN_REPLY,!ASSURED",
        "cli-2",
        0,
        "3 flow entries have been shown.",
    ),
    differs(
        "-L -u UNSET -p tcp",
        "cli-3",
        0,
        "1 flow entries have been shown.",
    ),
    differs(
        "-L -p gre --srckey 0x99",
        "cli-8",
        0,
        "0 flow entries have been shown.",
    ),
    differs("-L -c 5", "cli-10", 0, "0 flow entries have been shown."),
    same("-C"),
    same("--count"),
    same("-C conntrack"),
];

pub const CREATE: &[Row] = &[
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 10 --dport 20 --state LISTEN -u SEEN_REPLY -t 500",
    ),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 10 --dport 20 --state LISTEN -u SEEN_REPLY -t 500",
    ),
    same(
        "-I -r 2.2.2.2 -q 1.1.1.1 -p tcp --reply-port-src 11 --reply-port-dst 21 --state SYN_SENT -t 500",
    ),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 30 --dport 20 --state CLOSE -u UNSET -t 500 -m 0x7",
    ),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 10 --dport 20 -t 500 -m 7/0xff"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 10 --dport 20 -t 500 -w 5"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 11 --dport 20 -t 500 --orig-zone 6"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 12 --dport 20 -t 500 --reply-zone 7"),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -r 3.3.3.3 -q 1.1.1.1 -p udp --sport 13 --dport 20 --reply-port-src 99 --reply-port-dst 13 -t 500",
    ),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 14 --dport 20 -t 500 -u ASSURED,SEEN_REPLY,FIXED_TIMEOUT",
    ),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 15 --dport 20 -t 500 -u OFFLOAD"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 16 --dport 20 -t 500 -u EXPECTED"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 3 -t 500"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p icmp --icmp-type 3 --icmp-code 0 -t 500"),
    same("-A -s 1.1.1.1 -d 2.2.2.2 -p icmp --icmp-type 3 --icmp-code 0 -t 500"),
    same("-I -s ::1 -d ::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 -t 500"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p gre --srckey 1 --dstkey 0x20 -t 500"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p 200 -t 500"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p igmp -t 500"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p dccp --sport 1 --dport 2 --state OPEN --role server -t 500"),
    same("-I -s 2001:db8::1 -d 2001:db8::2 -p udp --sport 10 --dport 20 -t 500"),
    same("-I -s 2001:db8::1 -d 2001:db8::2 -p udplite --sport 10 --dport 20 -t 500"),
    same("-I -s 2001:db8::1 -d 1.1.1.1 -p udp --sport 10 --dport 20 -t 500"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 17 --dport 20 -t 500 -g 9.9.9.9"),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 17 --dport 20 -t 500 --state ESTABLISHED -g 9.9.9.9:80",
    ),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 18 --dport 20 -t 500 --state ESTABLISHED -n 9.9.9.9:4000",
    ),
    same(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 19 --dport 20 -t 500 --state ESTABLISHED -n 9.9.9.9 -g 8.8.8.8:81",
    ),
    same(
        "-I -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 19 --dport 20 -t 500 --state ESTABLISHED -g [2001:db8::5]:81",
    ),
    same("-A -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 40 --dport 20 -t 500"),
    same("-L"),
    differs_before(
        DEBIAN_13,
        "-A -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 40 --dport 20 -t 600 -m 5",
        OLD,
        0,
        "1 flow entries have been added.",
    ),
    differs(
        "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 50 --dport 20 --reply-port-src 20 --reply-port-dst 50 -t 500 -f ipv4",
        "cli-43",
        0,
        "1 flow entries have been created.",
    ),
    differs(
        "-I -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 9 -s 1.1.1.1 -d 2.2.2.3 -t 500",
        "cli-47",
        0,
        "1 flow entries have been created.",
    ),
    differs(
        "-I -s 1.1.1.0/24 -d 2.2.2.2 -p 200 -t 500",
        "cli-106",
        2,
        "CIDR notation unavailable for `--src'",
    ),
    differs(
        "-I -s 1.1.1.1 -d 2.2.2.9 -p 200 -t 500 -u !ASSURED",
        "cli-107",
        2,
        "a status bit can be set but not cleared",
    ),
];

pub const GET: &[Row] = &[
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 -o extended"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state ESTABLISHED"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state CLOSE"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 54"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p gre --srckey 0x10 --dstkey 0xabc"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p 200"),
    same("-G -s 2001:db8::2 -d 2001:db8::9 -p udp --sport 1001 --dport 53"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 9 --dport 53"),
    differs(
        "-G -r 10.0.9.1 -q 10.0.0.1 -p udp --reply-port-src 53 --reply-port-dst 1001",
        "cli-30",
        0,
        "sport=1001",
    ),
    differs(
        "-G -s 10.0.9.1 -d 10.0.0.1 -p udp --sport 53 --dport 1001",
        "cli-31",
        0,
        "1 flow entries have been shown.",
    ),
    differs(
        "-G -s 10.0.0.6 -d 10.0.9.3 -p udp --sport 7 --dport 53 -w 77",
        "cli-43",
        0,
        "zone=77",
    ),
];

/// Stock 1.4.7 updates nothing without a family, and shows one flow at most.
pub const UPDATE: &[Row] = &[
    same("-U -s 10.0.0.1 -p udp --sport 1001 -m 5"),
    same("-U -s 10.0.0.1 -p udp --sport 1001 -m 5"),
    same("-U -s 10.0.0.1 -p udp --sport 1001 -m 0x1200/0xff00"),
    same("-U -s 10.0.0.1 -p udp --sport 1001 -m 42/0xff"),
    same("-U -s 10.0.0.1 -p udp --sport 1002 -u ASSURED"),
    same("-U -s 10.0.0.1 -p udp --sport 1002 -u FIXED_TIMEOUT -o extended"),
    same("-U -s 10.0.0.1 -p udplite -t 300"),
    same("-U -s 10.0.0.1 -p tcp --sport 1002 --state ESTABLISHED"),
    same("-U -s 10.0.0.2 -p tcp --sport 1001 --dport 443 --state CLOSE -m 9 -t 400"),
    same("-U -s 10.0.0.99 -m 5"),
    same("-U -s 2001:db8::2 -p udp -m 5"),
    same("-U -r 10.0.9.7 -p udp -m 6"),
    same("-U -p 200 -f ipv4 -m 8"),
    differs("-U -m 77", "cli-11", 0, "mark=77"),
    differs(
        "-U -s 10.0.0.6 -p udp -m 78",
        "cli-11",
        0,
        "mark=78 zone=77",
    ),
    differs(
        "-U -w 5 -m 79",
        "cli-11",
        0,
        "2 flow entries have been updated.",
    ),
    differs(
        "-U -s 10.0.0.1 -p gre -t 0",
        "cli-28",
        0,
        "1 flow entries have been updated.",
    ),
    // Without its tracker the kernel tells no ports of DCCP. Behind this row the tables differ.
    differs(
        "-U -s 10.0.0.1 -d 10.0.9.1 -p dccp --sport 13 --dport 20 -m 5",
        "cli-116",
        1,
        "0 flow entries have been updated.",
    ),
];

pub const DELETE: &[Row] = &[
    same("-D -s 1.2.3.4"),
    same("-D -s 10.0.0.1 -p tcp --sport 1 --dport 1"),
    same("-D -d 10.0.9.99"),
    same("-D -m 99"),
    same("-D -p tcp -s 10.0.0.1 --sport 1002"),
    same("-D -p tcp -s 10.0.0.1 --sport 1002"),
    same("-D -p tcp --state TIME_WAIT -o extended"),
    same("-D -m 7"),
    same("-D -m 0x1/0xff -f ipv6"),
    same("-D -u FIXED_TIMEOUT"),
    same("-D --reply-src 10.0.9.7"),
    same("-D --orig-dst 10.0.9.1 -p udplite"),
    same("-D -w 5 -f ipv6"),
    same("-D -w 5"),
    same("-D --orig-zone 3"),
    same("-D --reply-zone 4"),
    same("-D -p icmp --icmp-id 77"),
    same("-D -s 10.0.1.0/24"),
    same("-D -s 10.0.0.1 --mask-src 255.255.255.255 -p 200"),
    same("-D -p gre"),
    same("-D --family ipv4 --delete"),
    same("--family ipv4 --delete --orig-src 10.0.0.77"),
    same("-D -p sctp -t 1"),
    same("-D -f ipv6"),
    same("-D -u ASSURED"),
    same("-D"),
    same("-D"),
    same("-F"),
    same("-F -f ipv4"),
    same("-F conntrack"),
    same("-L"),
];

pub const ACCOUNTS: &[Row] = &[
    same("-L"),
    same("-L -o extended"),
    same("-L -z"),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53"),
    same("-D -p udp"),
    same("-D"),
];

/// Where stock takes more than was meant; each row starts with a fresh table.
pub const DANGEROUS: &[Row] = &[
    differs("-D -t 1", "cli-9", 1, "0 flow entries have been deleted."),
    differs(
        "-D -u !ASSURED",
        "cli-1",
        0,
        "20 flow entries have been deleted.",
    ),
    differs(
        "-D -u UNREPLIED",
        "cli-1",
        0,
        "17 flow entries have been deleted.",
    ),
    differs(
        "-D -u UNSET",
        "cli-3",
        0,
        "16 flow entries have been deleted.",
    ),
    differs(
        "-D -p gre --srckey 0x99",
        "cli-8",
        1,
        "0 flow entries have been deleted.",
    ),
    differs(
        "-D -u ASSURED,!ASSURED",
        "cli-2",
        2,
        "status ASSURED would have to be set and clear",
    ),
    differs(
        "-D -u SRC_NAT",
        "cli-124",
        2,
        "`SRC_NAT' would have no effect",
    ),
    differs("-D -a 10.0.0.1", "cli-124", 2, "`-a' would have no effect"),
    differs("-F -a 10.0.0.1", "cli-124", 2, "`-a' would have no effect"),
    differs(
        "-D -p udp 10.0.0.1",
        "cli-42",
        0,
        "WARNING: ignoring `10.0.0.1', which is no option and no value of one.",
    ),
];
