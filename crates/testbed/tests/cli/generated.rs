//! Searches that nobody thought of: conditions drawn at random, the same ones in each run.
//!
//! Drawn is what stock understands as it is written; where it does not, rows elsewhere say so.

use crate::{Pair, normal, tables};

/// How many.
pub const LINES: usize = 200;

/// Conditions of which each line has at most one of each list.
const CONDITIONS: &[&[&str]] = &[
    &[
        "-s 10.0.0.1",
        "-s 10.0.0.0/24",
        "-s 10.0.0.0/16",
        "--orig-src 2001:db8::1",
        "-s 2001:db8::/64",
        "-s 10.0.1.1 --mask-src 255.255.0.255",
    ],
    &[
        "-d 10.0.9.1",
        "-d 10.0.9.0/30",
        "--dst 2001:db8::9",
        "-d 0.0.0.0/0",
        "-d 10.0.9.3 --mask-dst 0.0.0.255",
    ],
    &["-r 10.0.9.1", "-r 10.0.9.7", "--reply-src 2001:db8::9"],
    &["-q 10.0.0.1", "--reply-dst 2001:db8::2"],
    &["-f ipv4", "--family ipv6"],
    // Together stock finds nothing (compat: cli-123).
    &[
        "-m 1",
        "-m 0",
        "-m 1/0xff",
        "-m 0/0xff00",
        "--mark 0xff01",
        "-u SEEN_REPLY",
        "-u ASSURED",
        "-u SEEN_REPLY,ASSURED",
        "--status FIXED_TIMEOUT",
    ],
    &[
        "-w 0",
        "-w 5",
        "--zone 77",
        "--orig-zone 3",
        "--reply-zone 4",
    ],
    &[
        "-p tcp",
        "-p tcp --dport 80",
        "-p tcp --sport 1001 --state ESTABLISHED",
        "-p tcp --state CLOSE",
        "-p udp --dport 53",
        "-p udp --sport 1001",
        "-p 17 --reply-port-src 53",
        "-p icmp --icmp-type 8",
        "-p icmp --icmp-id 78 --icmp-code 0",
        "-p icmpv6 --icmpv6-type 128",
        "-p sctp --state ESTABLISHED",
        "-p dccp",
        "-p gre",
        "-p 200",
    ],
    &["-o extended", "-o id", "-o xml", "-o save", "-o ktimestamp"],
];

/// The constants of Knuth's MMIX; the seed is arbitrary.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

fn line(random: &mut Random) -> String {
    let mut words = vec![["-L", "--dump"][random.below(2)]];
    for list in CONDITIONS {
        if random.below(4) == 0 {
            words.push(list[random.below(list.len())]);
        }
    }
    words.join(" ")
}

/// Of a saved flow only what stock saves too, and no XML of protocols that stock leaves out.
fn comparable(answer: &normal::Answer) -> (i32, Vec<String>, &str) {
    let lines = answer
        .stdout
        .lines()
        .map(|line| match line.starts_with("-A ") {
            true => line.split(" -m ").next().unwrap_or_default().to_owned(),
            false => line.to_owned(),
        });
    let is_known = |line: &String| {
        [
            "protoname=\"icmp",
            "protoname=\"sctp",
            "protoname=\"dccp",
            "-p sctp",
            "-p dccp",
        ]
        .iter()
        .any(|part| line.contains(part))
    };
    let lines = lines.filter(|line| !is_known(line)).collect();
    (answer.status, lines, &answer.stderr)
}

#[test]
fn searches_at_random_are_answered_alike() {
    let pair = Pair::new("generated", tables::MIXED);
    let mut random = Random(1);
    let mut found = 0;
    let mut complaints = Vec::new();
    for _ in 0..LINES {
        let line = line(&mut random);
        let (stock, ours) = pair.run(&line);
        let (stock, ours) = (normal::Answer::new(&stock), normal::Answer::new(&ours));
        if comparable(&stock) != comparable(&ours) {
            complaints.push(format!("{line}\nstock: {stock:#?}\nours: {ours:#?}"));
        }
        found += usize::from(!ours.stdout.is_empty());
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    // Some find nothing, and some are no sensible lines at all.
    assert!((LINES / 4..LINES).contains(&found), "{found}");
}
