//! Laws that hold for every command line.

use super::*;
use crate::cli::{batch, filters};
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

proptest! {
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
