//! The quick way through a line of a file.
//!
//! What `-o save` wrote has a hundred thousand lines of one form: a command that makes a flow, then
//! options as they are called there, each with its value behind one blank. This reads that form, a
//! few times as fast as the scanner. It gives up on everything else, and on whatever is wrong or to be
//! warned of: [`LowArgs::parse`] has the say then. Of what is read here it says the same, which a
//! property test holds.

use std::net::{IpAddr, Ipv4Addr};

use flow::Protocol;

use super::lowargs::{Environment, LowArgs, STATUS_WORDS, StatusWord};
use super::options::{Arg, Id, OPTIONS, Verb};
use super::protocols::Row;
use super::scan::{self, Key};
use super::value::ListWord;

/// Longest line that is read here. Its words are fewer and shorter than the limits for them.
const LEN_MAX: usize = 512;

/// Reads a line, `None` if that is to be done otherwise, and by other arguments than these.
pub fn read(args: &mut LowArgs, line: &str, environment: &Environment<'_>) -> Option<()> {
    // Quotes, tabs and other characters that could mean something else.
    let is_odd = |byte: u8| byte < b' ' || byte == b'"';
    let has_odd = line.bytes().fold(false, |any, byte| any | is_odd(byte));
    if has_odd || line.len() > LEN_MAX {
        return None;
    }
    let mut words = Words { rest: line };
    args.verb = Some(match words.next()? {
        "-A" => Verb::Add,
        "-I" => Verb::Create,
        _ => return None,
    });
    let mut notices = Vec::new();
    while let Some(option) = words.next() {
        let value = words.next()?;
        match option {
            "-p" => args.first_protocol(protocol(value)?)?,
            "-t" => args.give(Id::Timeout).timeout = Some(digits(value)?),
            "-u" => add_status(&mut args.give(Id::Status).status, value)?,
            "-s" => args.give_address(Id::Src, address(value)?)?,
            "-d" => args.give_address(Id::Dst, address(value)?)?,
            "-r" => args.give_address(Id::ReplySrc, address(value)?)?,
            "-q" => args.give_address(Id::ReplyDst, address(value)?)?,
            _ => other(args, option, value, environment, &mut notices)?,
        }
    }
    args.finish(environment, &mut notices).ok()?;
    notices.is_empty().then_some(())
}

/// An option that fewer lines have, or one of the protocol's.
fn other(
    args: &mut LowArgs,
    option: &str,
    value: &str,
    environment: &Environment<'_>,
    notices: &mut Vec<String>,
) -> Option<()> {
    let row = match option.strip_prefix("--") {
        Some(name) => {
            let mut own = args.protocol.and_then(Row::of).into_iter();
            let own = own.find_map(|row| row.options().find(|own| own.names.contains(&name)));
            if let Some(own) = own {
                return args.protocol_option(own, value).ok();
            }
            OPTIONS.iter().find(|row| row.names.contains(&name))?
        }
        None => {
            let mut letters = option.strip_prefix('-')?.chars();
            let (Some(letter), None) = (letters.next(), letters.next()) else {
                return None;
            };
            match scan::by_letter(letter)? {
                Key::Option(row) => row,
                Key::Command(_) | Key::Protocol(_) => return None,
            }
        }
    };
    let takes_it = match row.arg {
        Arg::Required => true,
        Arg::Optional => !value.starts_with(['-', '!']),
        Arg::None | Arg::OptionalWord => false,
    };
    // Another protocol would bring other options.
    if !takes_it || row.id == Id::Protonum {
        return None;
    }
    args.option(row, Some(value), environment, notices).ok()
}

/// Words with blanks between them.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (word, rest) = self.rest.split_at_checked(word_len(self.rest.as_bytes()))?;
            self.rest = rest.get(1..).unwrap_or_default();
            if !word.is_empty() {
                return Some(word);
            }
        }
        None
    }
}

/// How many bytes there are before the first blank. Eight at a time: a byte that is a blank is the
/// only one from which taking one away borrows.
fn word_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut len = 0;
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let differing = u64::from_le_bytes(*eight) ^ (ONES * 0x20);
        let blanks = differing.wrapping_sub(ONES) & !differing & (ONES * 0x80);
        if blanks != 0 {
            return len + blanks.trailing_zeros() as usize / 8;
        }
        len += 8;
        rest = after;
    }
    len + rest.iter().take_while(|byte| **byte != b' ').count()
}

/// A decimal number of 32 bits.
fn digits(text: &str) -> Option<u32> {
    // Ten digits fit by far.
    let is_short = (1..=10).contains(&text.len());
    let mut number = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || !is_short {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    u32::try_from(number).ok().filter(|_| is_short)
}

/// An address in its usual form.
fn address(text: &str) -> Option<IpAddr> {
    match quad(text) {
        Some(quad) => Some(IpAddr::V4(quad)),
        None => text.parse().ok().map(IpAddr::V6),
    }
}

/// Four numbers without zeros in front. The standard library reads the same; this way a load takes a
/// twentieth less.
fn quad(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut bytes = text.bytes();
    for (place, octet) in octets.iter_mut().enumerate() {
        let mut number = 0_u32;
        let mut count = 0;
        let end = loop {
            match bytes.next() {
                Some(digit @ b'0'..=b'9') if count < 3 && (count == 0 || number > 0) => {
                    number = number * 10 + u32::from(digit - b'0');
                    count += 1;
                }
                end => break end,
            }
        };
        let is_right = if place == 3 {
            end.is_none()
        } else {
            end == Some(b'.')
        };
        if !is_right || count == 0 {
            return None;
        }
        *octet = u8::try_from(number).ok()?;
    }
    Some(octets.into())
}

/// A protocol by the name that it has here.
fn protocol(text: &str) -> Option<Protocol> {
    let mut known = Protocol::KNOWN.into_iter();
    known.find(|known| known.name() == Some(text))
}

/// Words of the status, written out.
fn add_status(status: &mut Vec<ListWord<StatusWord>>, text: &str) -> Option<()> {
    let mut rest = Some(text);
    while let Some(words) = rest {
        let end = words.bytes().position(|byte| byte == b',');
        let (word, _) = words.split_at_checked(end.unwrap_or(words.len()))?;
        rest = end.and_then(|end| words.get(end + 1..));
        let (_, value) = STATUS_WORDS.iter().find(|(name, _)| *name == word)?;
        status.push(ListWord {
            value: *value,
            negated: false,
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_blanks_wherever_these_stand() {
        for len in 0..40 {
            for blank in 0..=len {
                let mut line = vec![b'x'; len];
                if let Some(at) = line.get_mut(blank) {
                    *at = b' ';
                }
                assert_eq!(word_len(&line), blank);
            }
        }
        let words = |rest| Words { rest }.collect::<Vec<_>>();
        assert_eq!(words("  -A  -t 5 "), ["-A", "-t", "5"]);
        assert_eq!(words(" "), [""; 0]);
    }

    #[test]
    fn numbers_and_addresses_have_their_usual_form() {
        let cases = [
            ("0", Some(0)),
            ("0012", Some(12)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("00000000001", None),
            ("", None),
            ("+1", None),
            ("1x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(digits(text), expected, "{text}");
        }
        for right in ["0.0.0.0", "255.249.10.1"] {
            assert_eq!(quad(right), right.parse().ok());
        }
        for wrong in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4.",
            "1.2.3.4.5",
            "01.2.3.4",
            "256.1.1.1",
            "1..2.3",
            "1.2.3.1000",
            " 1.2.3.4",
        ] {
            assert_eq!(quad(wrong), None, "{wrong}");
        }
    }
}
