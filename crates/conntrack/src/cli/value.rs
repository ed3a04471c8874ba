//! How single values are written on the command line.
//!
//! The grammars are stock's, which are those of C: numbers with a base prefix and blanks in
//! front, addresses in every form `inet_aton` takes, words of a list matched by prefix. What
//! stock took for some other number than was written is refused (compat: cli-40).

use std::net::{IpAddr, Ipv4Addr};

use flow::{DccpRole, DccpState, Family, Protocol, SctpState, TcpState};

use super::error::Error;

/// A number as `strtoul` with base 0 reads it: blanks, `+`, then decimal, `0x…` or `0…`.
///
/// The whole text has to be the number.
fn c_number(text: &str) -> Option<u64> {
    let digits = trim_start(text);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let (digits, base) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (digits.get(2..)?, 16),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    unsigned(digits, base)
}

/// A number in decimal as `atoi` reads it, but whole: blanks, `+`, digits.
fn decimal(text: &str) -> Option<u64> {
    let digits = trim_start(text);
    unsigned(digits.strip_prefix('+').unwrap_or(digits), 10)
}

/// Digits alone, at least one: Rust would take another sign.
fn unsigned(digits: &str, base: u32) -> Option<u64> {
    let mut number = 0_u64;
    for byte in digits.bytes() {
        let digit = char::from(byte).to_digit(base)?;
        number = number.checked_mul(base.into())?.checked_add(digit.into())?;
    }
    (!digits.is_empty()).then_some(number)
}

/// Without the blanks that `isspace` knows.
fn trim_start(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~', ..] => text,
        _ => text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']),
    }
}

/// A number of an option whose errors stock reports by its letter (`-w`, `-i`, `-c`).
pub fn number<T: TryFrom<u64>>(text: &str, letter: u8) -> Result<T, Error> {
    c_number(text)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| Error::UnexpectedValue(text.into(), letter.into()))
}

/// A decimal number up to `max`.
pub fn decimal_up_to(text: &str, name: &'static str, max: u64) -> Result<u64, Error> {
    decimal(text)
        .filter(|number| *number <= max)
        .ok_or_else(|| not_a_number(text, name, max))
}

/// A number in any base, up to `max`.
pub fn number_up_to(text: &str, name: &'static str, max: u64) -> Result<u64, Error> {
    c_number(text)
        .filter(|number| *number <= max)
        .ok_or_else(|| not_a_number(text, name, max))
}

fn not_a_number(text: &str, name: &'static str, max: u64) -> Error {
    Error::NotANumber(text.into(), format!("--{name}"), max)
}

/// `VALUE[/MASK]` of a mark.
pub fn mark(text: &str) -> Result<(u32, Option<u32>), Error> {
    let part = |part: &str| c_number(part).and_then(|number| u32::try_from(number).ok());
    let parsed = match text.split_once('/') {
        Some((value, mask)) => part(value).zip(part(mask).map(Some)),
        None => part(text).map(|value| (value, None)),
    };
    parsed.ok_or_else(|| Error::UnexpectedValue(text.into(), 'm'))
}

/// A word that starts with the name of a family.
pub fn family(text: &str) -> Result<Family, Error> {
    [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .find(|family| text.starts_with(family.name()))
        .ok_or_else(|| Error::UnsupportedProtocol(text.into()))
}

/// A protocol by built-in name, name in the system's database, or number.
pub fn protocol(text: &str, database: impl Fn(&str) -> Option<u8>) -> Result<Protocol, Error> {
    Protocol::KNOWN
        .into_iter()
        .find(|known| {
            known
                .name()
                .is_some_and(|name| name.eq_ignore_ascii_case(text))
        })
        .or_else(|| database(text).map(Protocol))
        .or_else(|| {
            let number = c_number(text)?;
            u8::try_from(number).ok().map(Protocol)
        })
        .ok_or_else(|| Error::UnsupportedProtocol(text.into()))
}

/// An address as `inet_aton` or `inet_pton` for IPv6 reads it.
pub fn address(text: &str) -> Option<IpAddr> {
    // The usual form of both is quickly read, and means the same here as there.
    let usual = text.parse::<Ipv4Addr>().ok();
    usual
        .or_else(|| inet_aton(text))
        .map(IpAddr::V4)
        .or_else(|| text.parse().ok().map(IpAddr::V6))
}

/// One to four numbers in any base; the last fills what is left. Text after a blank is ignored.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(|c: char| c.is_ascii_whitespace()).next()?;
    let mut parts = text.split('.').map(|part| {
        let first = part.bytes().next()?;
        first.is_ascii_digit().then(|| c_number(part))?
    });
    let mut address: u64 = 0;
    let mut bits_left = 32;
    loop {
        let part = parts.next()??;
        bits_left -= 8;
        let rest = parts.clone().next().is_none();
        if rest {
            let limit = 1_u64 << (bits_left + 8);
            return (part < limit)
                .then(|| u32::try_from(address | part).ok())?
                .map(Ipv4Addr::from);
        }
        if part > 255 || bits_left == 0 {
            return None;
        }
        address |= part << bits_left;
    }
}

/// `ADDR[/LEN]`; an empty length is 0, as in stock.
pub fn network(text: &str) -> Result<(IpAddr, Option<u8>), Error> {
    let (addr, len) = match text.split_once('/') {
        Some((addr, len)) => (addr, Some(len)),
        None => (text, None),
    };
    let addr = address(addr).ok_or_else(|| Error::BadAddress(text.into()))?;
    let max = if addr.is_ipv4() { 32 } else { 128 };
    let len = match len {
        None => None,
        Some("") => Some(0),
        Some(len) => Some(
            decimal(len)
                .filter(|len| *len <= max)
                .and_then(|len| u8::try_from(len).ok())
                .ok_or(Error::BadNetmask)?,
        ),
    };
    Ok((addr, len))
}

/// `ADDR` of an option that takes no prefix length.
pub fn plain_address(text: &str, name: &'static str) -> Result<IpAddr, Error> {
    let (addr, has_len) = match text.split_once('/') {
        Some((addr, _)) => (addr, true),
        None => (text, false),
    };
    let addr = address(addr).ok_or_else(|| Error::BadAddress(text.into()))?;
    if has_len {
        return Err(Error::NoCidr(name));
    }
    Ok(addr)
}

/// `ADDR[:PORT]`, brackets around an IPv6 address that has a port.
pub fn nat(text: &str, name: &'static str) -> Result<(IpAddr, Option<u16>), Error> {
    let (addr, port) = if let Some(rest) = text.strip_prefix('[') {
        let (addr, rest) = rest.split_once(']').ok_or(Error::OpenBrackets)?;
        if addr.is_empty() {
            return Err(Error::EmptyBrackets);
        }
        match rest.split_once(':') {
            Some((_, port)) => (addr, Some(port)),
            None => return Err(Error::BadAddress(text.into())),
        }
    } else {
        match text.split_once(':') {
            Some((addr, port)) if !port.contains(':') => (addr, Some(port)),
            _ => (text, None),
        }
    };
    let port = port.map(nat_port).transpose()?;
    Ok((plain_address(addr, name)?, port))
}

fn nat_port(text: &str) -> Result<u16, Error> {
    if text.is_empty() {
        return Err(Error::NoPort);
    }
    unsigned(text, 10)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| Error::BadPort(text.into()))
}

/// A word of a list, and whether a `!` stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListWord<T> {
    /// What the word means.
    pub value: T,
    /// Whether it is negated.
    pub negated: bool,
}

/// What a list option's argument says: the words, and the NAT words that are not for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    /// The words in their order.
    pub words: Vec<ListWord<T>>,
    /// `SRC_NAT` and `DST_NAT` words, with the option to be used instead.
    pub ignored: Vec<(&'static str, &'static str)>,
}

/// Words of NAT status bits, which have options of their own.
const NAT_WORDS: [(&str, &str); 2] = [("SRC_NAT", "--src-nat"), ("DST_NAT", "--dst-nat")];

/// Comma-separated words, each a prefix of a name in any case; the first name that fits wins.
///
/// `exact` is tried before the names; with it a word may be negated.
pub fn list<T: Copy>(
    text: &str,
    names: &[(&str, T)],
    exact: Option<fn(&str) -> Option<T>>,
) -> Result<List<T>, Error> {
    let mut list = List {
        words: Vec::new(),
        ignored: Vec::new(),
    };
    let mut rest = Some(text);
    while let Some(remaining) = rest {
        let (word, after) = match remaining.split_once(',') {
            Some((word, after)) => (word, Some(after)),
            None => (remaining, None),
        };
        let (bare, negated) = match word.strip_prefix('!') {
            Some(bare) if exact.is_some() => (bare, true),
            _ => (word, false),
        };
        let from_here = remaining.get(usize::from(negated)..).unwrap_or_default();
        if let Some(nat) = by_prefix(bare, &NAT_WORDS.map(|nat| (nat.0, nat))) {
            list.ignored.push(nat);
        } else {
            let value = by_prefix(bare, names)
                .or_else(|| exact.filter(|_| !negated).and_then(|exact| exact(bare)))
                .ok_or_else(|| Error::BadParameter(from_here.into()))?;
            list.words.push(ListWord { value, negated });
        }
        rest = after;
    }
    Ok(list)
}

/// What the first name stands for that starts with this word, in any case.
fn by_prefix<T: Copy>(word: &str, names: &[(&str, T)]) -> Option<T> {
    let starts = |name: &str| {
        name.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    names
        .iter()
        .find(|(name, _)| !word.is_empty() && starts(name))
        .map(|(_, value)| *value)
}

/// A state of TCP; `LISTEN` is an old name of `SYN_SENT2`.
pub fn tcp_state(text: &str) -> Result<TcpState, Error> {
    match text {
        "LISTEN" => Ok(TcpState::SYN_SENT2),
        _ => TcpState::from_name(text)
            .ok_or_else(|| Error::UnknownState("unknown TCP state", text.into())),
    }
}

/// A state of SCTP.
pub fn sctp_state(text: &str) -> Result<SctpState, Error> {
    SctpState::from_name(text).ok_or_else(|| Error::UnknownState("unknown SCTP state", text.into()))
}

/// A state of DCCP.
pub fn dccp_state(text: &str) -> Result<DccpState, Error> {
    DccpState::from_name(text).ok_or_else(|| Error::UnknownState("Unknown DCCP state", text.into()))
}

/// A role of DCCP, by prefix; an empty word is the client.
pub fn dccp_role(text: &str) -> Result<DccpRole, Error> {
    let names = [("client", DccpRole::CLIENT), ("server", DccpRole::SERVER)];
    match text {
        "" => Ok(DccpRole::CLIENT),
        _ => by_prefix(text, &names)
            .ok_or_else(|| Error::UnknownState("Unknown DCCP role", text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_c() {
        let cases = [
            ("10", Some(10)),
            (" +10", Some(10)),
            ("0x1F", Some(31)),
            ("017", Some(15)),
            ("0", Some(0)),
            ("00", Some(0)),
            ("0x", None),
            ("08", None),
            ("", None),
            ("-1", None),
            ("+-1", None),
            ("++1", None),
            ("1 ", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(c_number(text), expected, "{text:?}");
        }
        assert_eq!(decimal(" 010"), Some(10));
        assert_eq!(decimal("0x10"), None);
    }

    #[test]
    fn limits_hold() {
        assert_eq!(number::<u16>("65535", b'w'), Ok(65535));
        assert_eq!(
            number::<u16>("65536", b'w'),
            Err(Error::UnexpectedValue("65536".into(), 'w'))
        );
        assert_eq!(decimal_up_to("255", "icmp-type", 255), Ok(255));
        assert!(decimal_up_to("256", "icmp-type", 255).is_err());
        assert!(number_up_to("0x10000", "srckey", 0xffff).is_err());
    }

    /// `-m 1/` meant mask 0 in stock, which matches every flow (compat: cli-41).
    #[test]
    fn marks_have_a_value_and_perhaps_a_mask() {
        let cases = [
            ("5", Some((5, None))),
            ("0x10/0xff", Some((16, Some(255)))),
            ("1/", None),
            ("/1", None),
            ("foo", None),
            ("4294967296", None),
            ("1/4294967296", None),
        ];
        for (text, expected) in cases {
            let bad = Error::UnexpectedValue(text.into(), 'm');
            assert_eq!(mark(text), expected.ok_or(bad), "{text}");
        }
    }

    /// The expectations were taken from the stock program.
    #[test]
    fn addresses_have_every_form_of_inet_aton() {
        let cases = [
            ("1.2.3.4", Some("1.2.3.4")),
            ("10", Some("0.0.0.10")),
            ("1.1.1", Some("1.1.0.1")),
            ("0x7f.1", Some("127.0.0.1")),
            ("1.16777215", Some("1.255.255.255")),
            ("1.16777216", None),
            ("4294967295", Some("255.255.255.255")),
            ("4294967296", None),
            ("1.256.1.1", None),
            ("1.1.1.1.1", None),
            ("08.1.1.1", None),
            ("010.1.1.1", Some("8.1.1.1")),
            ("1.", None),
            ("1..1", None),
            ("", None),
            (" 1.1.1.1", None),
            ("1.1.1.1 foo", Some("1.1.1.1")),
            ("+1.1.1.1", None),
            ("::1", Some("::1")),
            ("::1%lo", None),
            ("[::1]", None),
            ("foo", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(address(text), expected, "{text:?}");
        }
    }

    #[test]
    fn networks_have_a_prefix_length() {
        let v4 = IpAddr::from([1, 1, 1, 1]);
        let cases = [
            ("1.1.1.1", Ok((v4, None))),
            ("1.1.1.1/", Ok((v4, Some(0)))),
            ("1.1.1.1/+8", Ok((v4, Some(8)))),
            ("1.1.1.1/08", Ok((v4, Some(8)))),
            ("1.1.1.1/33", Err(Error::BadNetmask)),
            ("1.1.1.1/0x8", Err(Error::BadNetmask)),
            ("1.1.1.1/8/8", Err(Error::BadNetmask)),
            ("foo/24", Err(Error::BadAddress("foo/24".into()))),
        ];
        for (text, expected) in cases {
            assert_eq!(network(text), expected, "{text}");
        }
        assert_eq!(
            plain_address("1.1.1.1/99", "reply-src"),
            Err(Error::NoCidr("reply-src"))
        );
    }

    #[test]
    fn nat_targets_have_an_address_and_perhaps_a_port() {
        let v4 = IpAddr::from([1, 2, 3, 4]);
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let bad_address = |text: &str| Err(Error::BadAddress(text.into()));
        let bad_port = |text: &str| Err(Error::BadPort(text.into()));
        let cases = [
            ("1.2.3.4", Ok((v4, None))),
            ("1.2.3.4:80", Ok((v4, Some(80)))),
            ("2001:db8::1", Ok((v6, None))),
            ("[2001:db8::1]:80", Ok((v6, Some(80)))),
            ("[2001:db8::1]x:80", Ok((v6, Some(80)))),
            ("[2001:db8::1]", bad_address("[2001:db8::1]")),
            ("1.2.3.4:", Err(Error::NoPort)),
            ("[::1]:", Err(Error::NoPort)),
            ("1.2.3.4:65536", bad_port("65536")),
            ("1.2.3.4:+1", bad_port("+1")),
            ("[::1]:80:80", bad_port("80:80")),
            ("[]:5", Err(Error::EmptyBrackets)),
            ("[::1", Err(Error::OpenBrackets)),
            (":4000", bad_address("")),
            ("1.2.3.4/24", Err(Error::NoCidr("src-nat"))),
            ("1.2.3.4-1.2.3.9", bad_address("1.2.3.4-1.2.3.9")),
        ];
        for (text, expected) in cases {
            assert_eq!(nat(text, "src-nat"), expected, "{text}");
        }
    }

    #[test]
    fn protocols_have_a_name_or_a_number() {
        let database = |name: &str| (name == "igmp").then_some(2);
        let cases = [
            ("tcp", Some(6)),
            ("TCP", Some(6)),
            ("igmp", Some(2)),
            ("0x6", Some(6)),
            (" +6", Some(6)),
            ("0", Some(0)),
            ("255", Some(255)),
            ("256", None),
            ("-1", None),
            ("20foo", None),
            ("foo20", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let bad = Error::UnsupportedProtocol(text.into());
            let expected = expected.map(Protocol).ok_or(bad);
            assert_eq!(protocol(text, database), expected, "{text:?}");
        }
    }

    const NAMES: [(&str, u8); 3] = [("ASSURED", 1), ("SEEN_REPLY", 2), ("UNSET", 3)];

    fn unreplied(word: &str) -> Option<u8> {
        word.starts_with("UNREPLIED").then_some(9)
    }

    #[test]
    fn lists_hold_prefixes_in_any_case() {
        let words = |text| -> Vec<(u8, bool)> {
            let list = list(text, &NAMES, Some(unreplied)).unwrap();
            list.words.iter().map(|w| (w.value, w.negated)).collect()
        };
        assert_eq!(words("ASSURED"), [(1, false)]);
        assert_eq!(words("a,!seen"), [(1, false), (2, true)]);
        assert_eq!(words("UNREPLIEDx,un"), [(9, false), (3, false)]);
    }

    #[test]
    fn a_bad_word_is_reported_with_what_follows() {
        let bad = |text| match list(text, &NAMES, Some(unreplied)) {
            Err(Error::BadParameter(rest)) => rest,
            other => panic!("{text}: {other:?}"),
        };
        for (text, rest) in [
            ("foo", "foo"),
            ("ASSURED,!foo,bar", "foo,bar"),
            ("ASSURED,", ""),
            ("", ""),
            (",", ","),
            (",ASSURED", ",ASSURED"),
            ("!", ""),
            ("!UNREPLIED", "UNREPLIED"),
            ("unreplied", "unreplied"),
            ("ASSUREDx", "ASSUREDx"),
        ] {
            assert_eq!(bad(text), rest, "{text}");
        }
        // Without negation the sign is part of the word.
        assert_eq!(
            list("!ASSURED", &NAMES, None),
            Err(Error::BadParameter("!ASSURED".into()))
        );
    }

    #[test]
    fn nat_words_are_ignored_with_a_hint() {
        let list = list("s,d,ASSURED", &NAMES, None).unwrap();
        assert_eq!(list.ignored, NAT_WORDS);
        assert_eq!(list.words.len(), 1);
    }

    /// A state that SCTP does not have crashed stock (compat: cli-18).
    #[test]
    fn states_have_their_exact_name() {
        assert_eq!(tcp_state("LISTEN"), Ok(TcpState::SYN_SENT2));
        assert_eq!(tcp_state("CLOSE"), Ok(TcpState::CLOSE));
        assert!(tcp_state("close").is_err());
        assert_eq!(sctp_state("HEARTBEAT_SENT"), Ok(SctpState::HEARTBEAT_SENT));
        let error = sctp_state("FOO").unwrap_err();
        assert_eq!(error.to_string(), "unknown SCTP state `FOO'");
        assert_eq!(dccp_role("S"), Ok(DccpRole::SERVER));
        assert_eq!(dccp_role(""), Ok(DccpRole::CLIENT));
        assert!(dccp_role("x").is_err());
    }
}
