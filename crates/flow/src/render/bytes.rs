//! Numbers and addresses as text, appended to a caller's buffer.
//!
//! Hand-written because a listing of a million flows spends most of its time here, and
//! `core::fmt` costs several times as much. Nothing allocates, except the buffer when it grows.
//! Addresses have the form of libc's `inet_ntop`, which is what stock prints; it differs from
//! Rust's `Display` for IPv4-compatible addresses (`::1.2.3.4`).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Nanoseconds in a second; the kernel's time stamps count them.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The lowest digit of `value` in a base of at most 16.
fn digit(value: u64, base: u64) -> u8 {
    usize::try_from(value % base)
        .ok()
        .and_then(|index| DIGITS.get(index))
        .copied()
        .unwrap_or(b'?')
}

/// Writes the digits of `value` to the end of `buffer` and returns them.
fn digits(buffer: &mut [u8], mut value: u64, base: u64) -> &[u8] {
    let mut used = 0;
    for place in buffer.iter_mut().rev() {
        *place = digit(value, base);
        used += 1;
        value /= base;
        if value == 0 {
            break;
        }
    }
    let start = buffer.len().saturating_sub(used);
    buffer.get(start..).unwrap_or_default()
}

/// Appends a number in decimal.
pub fn decimal(out: &mut Vec<u8>, value: impl Into<u64>) {
    // u64::MAX has 20 digits.
    out.extend_from_slice(digits(&mut [0; 20], value.into(), 10));
}

/// Appends a number in decimal, with zeros in front up to `width` digits.
pub fn decimal_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = [0; 20];
    let text = digits(&mut buffer, value, 10);
    out.extend(core::iter::repeat_n(b'0', width.saturating_sub(text.len())));
    out.extend_from_slice(text);
}

/// Appends a number in lower-case hexadecimal, without a prefix.
pub fn hex(out: &mut Vec<u8>, value: impl Into<u64>) {
    out.extend_from_slice(digits(&mut [0; 16], value.into(), 16));
}

/// Appends text, with blanks behind it up to `width` columns.
pub fn left(out: &mut Vec<u8>, text: &str, width: usize) {
    out.extend_from_slice(text.as_bytes());
    out.extend(core::iter::repeat_n(b' ', width.saturating_sub(text.len())));
}

/// Appends foreign text; what is not printable ASCII is escaped, and so is the backslash.
pub fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend(core::ascii::escape_default(*byte)),
        }
    }
}

/// Appends an address.
pub fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => ipv4(out, address),
        IpAddr::V6(address) => ipv6(out, address),
    }
}

/// Appends a dotted quad.
pub fn ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    // Filled from the right: at most 15 characters.
    let mut buffer = [b'.'; 15];
    let mut used = 0;
    let mut places = buffer.iter_mut().rev();
    for (index, octet) in address.octets().into_iter().rev().enumerate() {
        if index > 0 && places.next().is_some() {
            used += 1;
        }
        let mut rest = octet;
        for place in places.by_ref() {
            *place = b'0' + rest % 10;
            used += 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
    }
    let start = buffer.len().saturating_sub(used);
    out.extend_from_slice(buffer.get(start..).unwrap_or_default());
}

/// Appends an IPv6 address as `inet_ntop` of glibc writes it.
pub fn ipv6(out: &mut Vec<u8>, address: Ipv6Addr) {
    let groups = address.segments();
    let zeros = longest_zeros(groups);
    let embeds_ipv4 = match zeros {
        Some((0, 6)) => true,
        Some((0, 5)) => groups.get(5) == Some(&0xffff),
        _ => false,
    };
    for (index, group) in groups.into_iter().enumerate() {
        if embeds_ipv4 && index == 6 {
            out.push(b':');
            let [.., a, b, c, d] = address.octets();
            return ipv4(out, Ipv4Addr::new(a, b, c, d));
        }
        match zeros {
            Some((start, _)) if index == start => out.push(b':'),
            Some((start, len)) if index > start && index < start + len => {}
            _ => {
                if index > 0 {
                    out.push(b':');
                }
                hex(out, group);
            }
        }
    }
    if zeros.is_some_and(|(start, len)| start + len == groups.len()) {
        out.push(b':');
    }
}

/// Start and length of the first longest run of two or more zero groups.
fn longest_zeros(groups: [u16; 8]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    let mut run = 0;
    for (index, group) in groups.into_iter().enumerate() {
        run = if group == 0 { run + 1 } else { 0 };
        if run >= 2 && best.is_none_or(|(_, len)| run > len) {
            best = Some((index + 1 - run, run));
        }
    }
    best
}

/// What is appended to an empty buffer, for tests.
#[cfg(test)]
pub(super) fn text(write: impl FnOnce(&mut Vec<u8>)) -> std::string::String {
    let mut out = Vec::new();
    write(&mut out);
    std::string::String::from_utf8(out).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_are_those_of_fmt() {
        for value in [0, 7, 10, 99, 100, 65535, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(text(|out| decimal(out, value)), value.to_string());
            assert_eq!(text(|out| hex(out, value)), std::format!("{value:x}"));
        }
        assert_eq!(text(|out| decimal_padded(out, 17_234, 6)), "017234");
        assert_eq!(text(|out| decimal_padded(out, 1_234_567, 6)), "1234567");
        assert_eq!(text(|out| left(out, "udplite", 8)), "udplite ");
        assert_eq!(text(|out| left(out, "too long", 4)), "too long");
    }

    #[test]
    fn foreign_text_cannot_drive_a_terminal() {
        let text = text(|out| escaped(out, b"it's \\ \x1b[2J\xff"));
        assert_eq!(text, "it's \\\\ \\x1b[2J\\xff");
    }

    #[test]
    fn ipv4_has_no_leading_zeros() {
        for case in ["0.0.0.0", "1.20.255.9", "255.255.255.255", "10.0.0.100"] {
            assert_eq!(text(|out| ipv4(out, case.parse().unwrap())), case);
        }
    }

    /// The right-hand side was written by `inet_ntop` of glibc 2.36.
    #[test]
    fn ipv6_is_written_as_libc_does() {
        let cases = [
            ("::", "::"),
            ("::1", "::1"),
            ("1::", "1::"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::1:0", "::0.1.0.0"),
            ("::ffff:0:1", "::ffff:0.0.0.1"),
            ("::fffe:102:304", "::fffe:102:304"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
            ("fe80::a:b:c:d", "fe80::a:b:c:d"),
        ];
        for (address, expected) in cases {
            assert_eq!(text(|out| ipv6(out, address.parse().unwrap())), expected);
        }
    }
}
