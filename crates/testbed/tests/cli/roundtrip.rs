//! A saved table, loaded again, is the same table.
//!
//! A hundred thousand random flows of all kinds, with everything that can be set; compared is what
//! JSON tells of each, without what the kernel makes itself: id, use count and remaining life.

use std::fmt::Write;

use testbed::{Command, Folder, Implementation, Namespace, Output, Program, TableLimit};

/// How many flows.
const FLOWS: u32 = 100_000;

/// A generator of numbers without a pattern; the same ones in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        // Constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap()
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[usize::try_from(self.below(u32::try_from(words.len()).unwrap())).unwrap()]
    }

    /// Whether something that is rare happens.
    fn rarely(&mut self) -> bool {
        self.below(5) == 0
    }
}

/// The command that makes flow `number`; its source address is its own.
fn line(number: u32, random: &mut Random) -> String {
    let v6 = random.rarely();
    let [_, high, middle, low] = number.to_be_bytes();
    let (src, dst, nat) = if v6 {
        (
            format!("fd00::{high:x}:{middle:x}{low:02x}"),
            "2001:db8::9".to_owned(),
            format!("2001:db8:1::{high:x}:{middle:x}{low:02x}"),
        )
    } else {
        let own = format!("{high}.{middle}.{low}");
        let dst = format!("192.0.2.{}", random.below(200) + 1);
        (format!("10.{own}"), dst, format!("100.{own}"))
    };
    let mut line = format!("-I -t 20000 -s {src} -d {dst}");
    let protocol = protocol(v6, random, &mut line);
    let has_nat = matches!(protocol, "tcp" | "udp") && random.rarely();
    if has_nat {
        translation(v6, &nat, random, &mut line);
    }
    common(random, &mut line);
    line + "\n"
}

/// Appends protocol and its options.
fn protocol(v6: bool, random: &mut Random, line: &mut String) -> &'static str {
    let icmp = if v6 { "icmpv6" } else { "icmp" };
    let names = [
        "tcp", "tcp", "udp", "udp", "udplite", "sctp", "dccp", icmp, "gre", "200",
    ];
    let protocol = random.one_of(&names);
    write!(line, " -p {protocol}").unwrap();
    let (a, b) = (random.below(65535) + 1, random.below(65535) + 1);
    match protocol {
        "gre" => write!(line, " --srckey {a} --dstkey {b}"),
        "icmp" => write!(line, " --icmp-type 8 --icmp-code 0 --icmp-id {a}"),
        "icmpv6" => write!(line, " --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id {a}"),
        "200" => Ok(()),
        _ => write!(line, " --sport {a} --dport {b}"),
    }
    .unwrap();
    match protocol {
        "tcp" => {
            let states = [
                "SYN_SENT",
                "SYN_RECV",
                "ESTABLISHED",
                "FIN_WAIT",
                "TIME_WAIT",
                "CLOSE",
            ];
            write!(line, " --state {}", random.one_of(&states)).unwrap();
            if random.rarely() {
                let (a, b) = (random.below(15), random.below(15));
                write!(line, " --wscale {a},{b}").unwrap();
            }
            if random.rarely() {
                let (a, b) = (random.next(), random.below(9000));
                write!(line, " --orig-seqadj {a},{b},{a} --reply-seqadj {b},1,2").unwrap();
            }
        }
        "sctp" => {
            let state = random.one_of(&["COOKIE_WAIT", "ESTABLISHED", "SHUTDOWN_SENT"]);
            write!(line, " --state {state} --orig-vtag {a} --reply-vtag {b}").unwrap();
        }
        "dccp" => {
            let state = random.one_of(&["REQUEST", "RESPOND", "OPEN"]);
            let role = random.one_of(&["client", "server"]);
            write!(line, " --state {state} --role {role}").unwrap();
        }
        _ => {}
    }
    protocol
}

/// Appends a translation to an address of the flow's own.
fn translation(v6: bool, nat: &str, random: &mut Random, line: &mut String) {
    let target = match (random.rarely(), v6) {
        (true, true) => format!("[{nat}]:{}", random.below(60_000) + 1024),
        (true, false) => format!("{nat}:{}", random.below(60_000) + 1024),
        (false, _) => nat.to_owned(),
    };
    let options = [["-n", ""], ["-g", ""], ["-n", "-g"]];
    for option in options[usize::try_from(random.below(3)).unwrap()] {
        if !option.is_empty() {
            write!(line, " {option} {target}").unwrap();
        }
    }
}

/// Appends what flows of all protocols can have.
fn common(random: &mut Random, line: &mut String) {
    let status = [
        "SEEN_REPLY",
        "SEEN_REPLY,ASSURED",
        "ASSURED",
        "UNSET",
        "FIXED_TIMEOUT",
    ];
    write!(line, " -u {}", random.one_of(&status)).unwrap();
    if random.rarely() {
        write!(line, " -m {}", random.next()).unwrap();
    }
    if random.rarely() {
        let option = random.one_of(&["-w", "--orig-zone", "--reply-zone"]);
        write!(line, " {option} {}", random.below(60_000) + 1).unwrap();
    }
    if random.rarely() {
        let (a, b) = (random.below(128), random.below(128));
        write!(line, " --label-add bit:{a},bit:{b}").unwrap();
    }
    if line.contains("-p tcp") && random.rarely() {
        line.push_str(" --helper ftp");
    }
}

fn ours(namespace: &Namespace, args: &[&str]) -> Output {
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let command = Command::new(path).args(args.iter().copied());
    let output = namespace.output(command).unwrap();
    let stderr = output.stderr.lines().take(3).collect::<Vec<_>>();
    assert_eq!(output.code(), 0, "{args:?}: {stderr:?}");
    output
}

/// All flows as JSON, without what differs from moment to moment, sorted.
fn table(namespace: &Namespace) -> Vec<String> {
    let output = ours(namespace, &["-L", "-o", "json"]);
    let mut flows: Vec<String> = output.stdout.lines().map(lasting).collect();
    flows.sort_unstable();
    flows
}

fn lasting(line: &str) -> String {
    let mut line = line.to_owned();
    for key in ["\"timeout\":", "\"use\":", "\"id\":"] {
        // The id of an ICMP flow stands in its tuple, before the kernel's.
        let Some(start) = line.rfind(key) else {
            continue;
        };
        let from = start + key.len();
        let digits = line[from..].bytes().take_while(u8::is_ascii_digit).count();
        line.replace_range(start..from + digits, "");
    }
    line
}

#[test]
fn a_saved_table_is_restored_without_a_difference() {
    let _limit = TableLimit::make_room(FLOWS, |_| {}).unwrap();
    let namespace = Namespace::new("roundtrip").unwrap();
    namespace
        .nft("table inet t {\nchain c {\nct label set 1\n}\n}\n")
        .unwrap();
    let folder = Folder::new("roundtrip", false).unwrap();
    let mut random = Random(1);
    let lines: String = (0..FLOWS).map(|number| line(number, &mut random)).collect();
    let made = folder.write("made", &lines).unwrap();
    ours(&namespace, &["-R", &made.to_string_lossy()]);
    let before = table(&namespace);
    assert_eq!(before.len(), usize::try_from(FLOWS).unwrap());
    let saved = ours(&namespace, &["-L", "-o", "save"]).stdout;
    let saved = folder.write("saved", &saved).unwrap();
    ours(&namespace, &["-F"]);
    assert_eq!(table(&namespace), [""; 0]);
    ours(&namespace, &["-R", &saved.to_string_lossy()]);
    let after = table(&namespace);
    ours(&namespace, &["-F"]);
    let differences = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    let differences: Vec<_> = differences.take(3).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(before.len(), after.len());
}
