//! Laws that hold for every command line.

use super::*;
use crate::cli::{batch, filters, quick};
use proptest::collection::vec;
use proptest::prelude::*;

/// Words that mean something, so that deep paths are reached, and arbitrary ones.
fn word() -> impl Strategy<Value = String> {
    let known: Vec<String> = options::OPTIONS
        .iter()
        .flat_map(|option| {
            let letter = format!("-{}", char::from(option.short));
            let long = option.names.iter().map(|name| format!("--{name}"));
            long.chain([letter])
        })
        .chain(
            options::COMMANDS
                .iter()
                .map(|c| format!("-{}", char::from(c.short))),
        )
        .chain(
            [
                "tcp",
                "udp",
                "sctp",
                "dccp",
                "icmp",
                "icmpv6",
                "gre",
                "igmp",
                "1.2.3.4",
                "1.2.3.4/24",
                "::1",
                "::1/0",
                "[::1]:80",
                "1.2.3.4:80",
                "ipv4",
                "ipv6",
                "5",
                "0x5/0xff",
                "ASSURED,!SEEN",
                "UNREPLIED",
                "ESTABLISHED",
                "xml,id",
                "--sport",
                "--dport",
                "--state",
                "--icmp-type",
                "--srckey",
                "--role",
                "expect",
                "--",
            ]
            .map(String::from),
        )
        .collect();
    prop_oneof![
        4 => prop::sample::select(known),
        1 => "[-=!,/:a-z0-9]{0,12}",
        1 => any::<String>(),
    ]
}

/// An option with a value that it accepts.
fn option() -> impl Strategy<Value = (options::Id, String)> {
    use options::Id;
    let address = any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string());
    let number = || (0..=u16::MAX).prop_map(|number| number.to_string());
    prop_oneof![
        (
            prop::sample::select(vec![Id::Src, Id::Dst]),
            "1\\.2\\.3\\.[1-9][0-9]/[1-9]"
        ),
        (
            prop::sample::select(vec![Id::ReplySrc, Id::ReplyDst, Id::MaskSrc]),
            address
        ),
        (
            prop::sample::select(vec![
                Id::Zone,
                Id::OrigZone,
                Id::ReplyZone,
                Id::Identifier,
                Id::Timeout,
            ]),
            number(),
        ),
        (
            Just(Id::Mark),
            (any::<u32>(), any::<u32>()).prop_map(|(v, m)| format!("{v:#x}/{m}"))
        ),
        (Just(Id::Status), "(!?(ASSURED|seen|UNSET),){0,2}FIXED"),
        (Just(Id::Output), "(ext|id|time|json)"),
        (Just(Id::SrcNat), "9\\.9\\.9\\.[1-9](:[1-9][0-9]{0,3})?"),
    ]
}

/// The ways to write an option with its value.
fn written(id: options::Id, value: &str, style: u8) -> Vec<String> {
    let row = id.row();
    let letter = format!("-{}", char::from(row.short));
    let last = row.names.last().copied().unwrap_or_default();
    match style % 4 {
        0 => vec![letter, value.into()],
        1 => vec![letter + value],
        2 => vec![format!("--{last}"), value.into()],
        _ => vec![format!("--{last}={value}")],
    }
}

fn low(words: &[String]) -> Result<LowArgs, Error> {
    let environment = Environment {
        posix: false,
        labels: &|_| Err(String::new()),
        protocol_number: &|_| None,
        open: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    LowArgs::parse(words, &environment, &mut Vec::new())
}

/// An option as a saved flow has it, its value, and what stands between them and behind; some of it is
/// not quite so.
fn saved_option() -> impl Strategy<Value = String> {
    let one_of = prop::sample::select::<&'static str>;
    let number = || {
        prop_oneof![
            any::<u16>().prop_map(|number| number.to_string()),
            any::<u32>().prop_map(|number| number.to_string()),
            one_of(vec![
                "0x10",
                "010",
                "+5",
                "-5",
                "\"5\"",
                "5\t",
                "",
                "é",
                "99999999999"
            ])
            .prop_map(String::from),
        ]
    };
    let numbers = one_of(vec![
        "-t",
        "--sport",
        "--dport",
        "--reply-port-src",
        "--reply-port-dst",
        "--icmp-type",
        "--icmp-code",
        "--icmp-id",
        "--srckey",
        "--dstkey",
        "-m",
        "-w",
        "--orig-zone",
        "--zone",
        "--orig-vtag",
        "-n",
        "-o",
    ]);
    let addresses = one_of(vec!["-s", "-d", "-r", "-q", "--src", "-n", "--mask-src"]);
    let address = prop_oneof![
        8 => any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string()),
        2 => any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).to_string()),
        1 => one_of(vec!["1.2.3", "1.2.3.4/8", "01.2.3.4", "::", "[::1]:5"]).prop_map(String::from),
    ];
    let words = prop_oneof![
        "-u (ASSURED|SEEN_REPLY|UNSET|OFFLOAD|HW_OFFLOAD|EXPECTED),(SEEN_REPLY|FIXED_TIMEOUT)",
        "(-u|--status) (S|SRC_NAT|!ASSURED|assured||UNREPLIED),?(DST_NAT)?",
        "--state (ESTABLISHED|LISTEN|SYN_SENT|CLOSED|7)",
        "-(p|-protonum) (tcp|udp|sctp|igmp|TCP|6)",
        "--(wscale|synproxy|orig-seqadj|reply-seqadj) [0-9]{1,2},[0-9](,-?5)?",
        "--(helper|label-add|label-del) (ftp|bit:3,bit:9|web|x y)",
        "--master tcp,1\\.1\\.1\\.1,2\\.2\\.2\\.2,1,2",
        "-(a|I|z|L|e|o) ?(id|expect|5)?",
    ];
    let blank = || prop_oneof![30 => Just(" "), 1 => Just("  "), 1 => Just("\t"), 1 => Just("")];
    let pair = prop_oneof![
        4 => (numbers, number()).prop_map(|(option, value)| (option.to_owned(), value)),
        4 => (addresses, address).prop_map(|(option, value)| (option.to_owned(), value)),
        3 => words.prop_map(|words| match words.split_once(' ') {
            Some((option, value)) => (option.to_owned(), value.to_owned()),
            None => (words, String::new()),
        }),
    ];
    (pair, blank(), blank())
        .prop_map(|((option, value), first, second)| format!("{option}{first}{value}{second}"))
}

proptest! {
    /// What is read the quick way is what the scanner finds, and nothing is to be said about it.
    #[test]
    fn the_quick_way_and_the_long_one_agree(
        command in prop::sample::select(vec!["-A ", "-I ", "-I", "-A expect ", "-D ", "--create ", " -A  "]),
        first in prop::option::weighted(0.8, prop::sample::select(vec!["-p tcp ", "-p udp ", "-p icmp ", "-p gre "])),
        options in vec(saved_option(), 0..6),
    ) {
        let line = format!("{command}{}{}", first.unwrap_or_default(), options.concat());
        let environment = Environment {
            posix: false,
            labels: &|_| Ok(LabelMap::parse(b"0 web\n").into()),
            protocol_number: &|_| None,
            open: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let mut quick = LowArgs::default();
        if quick::read(&mut quick, &line, &environment).is_some() {
            let mut notices = Vec::new();
            let long = LowArgs::parse(&batch::words(&line).unwrap(), &environment, &mut notices);
            prop_assert_eq!(Ok(quick), long, "{}", line);
            prop_assert!(notices.is_empty());
        }
    }

    #[test]
    fn an_option_means_the_same_however_it_is_written(
        options in vec((option(), any::<u8>(), any::<u8>()), 0..6),
    ) {
        let line = |pick: fn(&(u8, u8)) -> u8| -> Vec<String> {
            let words = options.iter().flat_map(|((id, value), a, b)| {
                written(*id, value, pick(&(*a, *b)))
            });
            words.chain(["-L".to_owned()]).collect()
        };
        let (one, other) = (low(&line(|styles| styles.0)), low(&line(|styles| styles.1)));
        prop_assert!(one.is_ok(), "{one:?}");
        prop_assert_eq!(one, other);
    }

    #[test]
    fn no_line_panics(words in vec(word(), 0..12)) {
        let line: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Err(error) = parse_words(&line).0 {
            prop_assert!(matches!(error.status(), 1 | 2));
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// A line of a file of commands or filters means something or is refused, whatever it holds; an
    /// accepted filter is never an empty one.
    #[test]
    fn no_line_of_a_file_panics(words in vec(word(), 0..12), text in any::<String>()) {
        let environment = Environment {
            posix: false,
            labels: &|_| Err(String::new()),
            protocol_number: &|_| None,
            open: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        for line in [words.join(" "), format!("{} {text}", words.join(" ")), text] {
            if let Ok(Some(line)) = batch::Line::parse(&line, &environment, &mut Vec::new()) {
                let _ = line.check();
            }
            if let Ok(Some(filter)) = filters::filter(&line, &environment, &mut Vec::new()) {
                prop_assert_ne!(filter, flow::filter::FlowFilter::default(), "{}", line);
            }
        }
    }
}

/// The quick way is no way at all if what is saved does not take it.
#[test]
fn saved_flows_are_read_the_quick_way() {
    let environment = Environment {
        posix: false,
        labels: &|_| Err(String::new()),
        protocol_number: &|_| None,
        open: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    for line in [
        "-A -t 3278 -u SEEN_REPLY,ASSURED -s 10.0.1.1 -d 192.0.2.1 -r 192.0.2.1 -q 10.0.1.1 -p tcp \
         --sport 13298 --dport 80 --reply-port-src 80 --reply-port-dst 13298 --state ESTABLISHED",
        "-A -t 9 -u ASSURED -m 7 -w 3 -s 2001:db8::1 -d 2001:db8::2 -r 2001:db8::2 -q 2001:db8::1 -p udp \
         --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1 --label-add bit:5 --helper tftp",
        "-I -t 30 -u SEEN_REPLY -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -q 1.1.1.1 -p icmp --icmp-type 8 \
         --icmp-code 0 --icmp-id 77 ",
        "-A -t 30 -s 1.1.1.1 -d 2.2.2.2 -n 3.3.3.3:7 -p gre --srckey 0x10 --dstkey 0x20",
    ] {
        let read = quick::read(&mut LowArgs::default(), line, &environment);
        assert!(read.is_some(), "{line}");
    }
}
