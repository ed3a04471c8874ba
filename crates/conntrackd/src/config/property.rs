//! What holds for any file: it is a configuration or it has errors, nothing panics, and a
//! configuration survives being printed and read again.
//!
//! Random bytes hardly get past the first word, so files are also made of random words of the
//! language, and filters of random items.

use super::*;
use proptest::prelude::*;

/// Parses in all ways, and checks what holds for any input.
fn check(bytes: &[u8]) {
    let general = parse_general("x", bytes);
    let daemon = parse("x", bytes);
    match parse_language("x", bytes) {
        Ok((config, _)) => {
            assert!(general.is_ok());
            let printed = config.to_string();
            let (again, _) = parse_language("x", printed.as_bytes()).unwrap();
            assert_eq!(again, config, "{printed}");
            assert_eq!(again.to_string(), printed);
        }
        Err(errors) => {
            assert!(daemon.is_err());
            assert!(!errors.errors().is_empty());
            for line in errors.to_string().lines() {
                assert!(line.chars().count() < 700, "{line}");
            }
        }
    }
}

/// Words of the language and of the world, so that random files reach every branch.
fn any_token() -> impl Strategy<Value = String> {
    let mut words: Vec<&str> = Section::ALL
        .iter()
        .flat_map(|section| section.rules())
        .map(|rule| rule.word)
        .collect();
    words.extend(grammar::MODES.map(|(name, _)| name));
    words.extend([
        "on",
        "OFF",
        "0",
        "1",
        "3780",
        "4294967296",
        "-1",
        "/run/x",
        "\"/a b\"",
        "\"",
        "\"\"",
        "eth0",
        "ace",
        "192.0.2.1",
        "2001:db8::/32",
        "10.0.0.0/8",
        "1.2.3.4/40",
        "TCP",
        "47",
        "ESTABLISHED",
        "for",
        "Accept",
        "Ignore",
        "From",
        "Userspace",
        "Kernelspace",
        "Default",
        "local3",
        "rr",
        "ftp",
        "inet",
        "tcp",
        "sip",
        "#",
        "\n",
        "\r",
        "\t",
        "é",
    ]);
    let braces = prop_oneof![Just("{"), Just("}")];
    prop_oneof![
        3 => prop::sample::select(words).prop_map(str::to_owned),
        2 => braces.prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_a_config_or_errors(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn any_words_are_a_config_or_errors(
        words in prop::collection::vec(any_token(), 0..60),
        glue in prop::sample::select(vec![" ", "\n", ""]),
    ) {
        check(words.join(glue).as_bytes());
    }

    #[test]
    fn any_items_of_a_filter_survive_printing(
        items in prop::collection::vec(
            (0..4_u8, prop::collection::vec(any::<(u32, u8)>(), 0..4)),
            0..5,
        ),
    ) {
        let mut text = String::from("General { Filter { ");
        for (kind, list) in items {
            let policy = if list.len() % 2 == 0 { "Accept" } else { "Ignore" };
            let blocks = ["Protocol", "Address", "State", "Address"];
            text.push_str(&format!("{} {policy} {{ ", blocks[usize::from(kind)]));
            for (bits, small) in list {
                let word = match kind {
                    0 => ["TCP", "udp", "gre", "foo"][usize::from(small % 4)].to_owned(),
                    1 => format!("IPv4_address {}/{}", std::net::Ipv4Addr::from(bits), small % 40),
                    2 => match bits % 4 {
                        0 => "COOKIE_ECHOED ESTABLISHED for SCTP".to_owned(),
                        1 => "PARTOPEN for DCCP".to_owned(),
                        _ => format!("{} for TCP", lower::STATES[usize::from(small % 10)].0),
                    },
                    _ => format!(
                        "IPv6_address {}/{}",
                        std::net::Ipv6Addr::from(u128::from(bits) << 64),
                        small % 140
                    ),
                };
                text.push_str(&word);
                text.push(' ');
            }
            text.push('}');
        }
        text.push_str("} }");
        let (config, _) = parse("x", text.as_bytes()).unwrap();
        prop_assert!(config.general.filter.is_some());
        check(text.as_bytes());
    }
}
