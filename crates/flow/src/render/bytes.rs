//! Numbers and addresses as text, appended to a caller's buffer.
//!
//! Hand-written because a listing of a million flows spends most of its time here, and
//! `core::fmt` costs several times as much. Nothing allocates, except the buffer when it grows.
//! Addresses have the form of libc's `inet_ntop`, which is what stock prints; it differs from
//! Rust's `Display` for IPv4-compatible addresses (`::1.2.3.4`).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Nanoseconds in a second; the kernel's time stamps count them.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Appends the first `len` of these bytes. A copy whose size the compiler knows is two
/// instructions, one of another size a call.
#[inline]
fn push<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

/// The first number of nine digits.
const NINE_DIGITS: u64 = 100_000_000;

/// Eight times the digit `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The digits of a number of at most eight, as bytes: the first one lowest, zeros in front.
///
/// Halves, quarters and digits are divided off side by side in one word, by multiplying with
/// 1/100 and 1/10, which is exact for numbers of this size.
#[inline]
const fn eight_digits(value: u64) -> u64 {
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let high = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = high | ((halves - high * 100) << 16);
    let high = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    high | ((pairs - high * 10) << 8)
}

/// How many of eight bytes are zeros in front of others; of eight zeros the last is kept.
#[inline]
const fn zeros_in_front(bytes: u64) -> usize {
    // At most seven.
    ((bytes | (1 << 56)).trailing_zeros() / 8) as usize
}

/// Appends a number in decimal.
#[inline]
pub fn decimal(out: &mut Vec<u8>, value: impl Into<u64>) {
    match value.into() {
        digit @ 0..=9 => out.push(b'0' | digit.to_le_bytes()[0]),
        value => decimal_u64(out, value),
    }
}

fn decimal_u64(out: &mut Vec<u8>, value: u64) {
    if value < NINE_DIGITS {
        let digits = eight_digits(value);
        let zeros = zeros_in_front(digits);
        let text = (digits | ZEROS) >> (zeros * 8);
        push(out, text.to_le_bytes(), 8 - zeros);
    } else {
        decimal_u64(out, value / NINE_DIGITS);
        let digits = eight_digits(value % NINE_DIGITS) | ZEROS;
        push(out, digits.to_le_bytes(), 8);
    }
}

/// Appends a number in decimal, with zeros in front up to `width` digits.
pub fn decimal_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    out.extend(core::iter::repeat_n(b'0', width.saturating_sub(digits)));
    decimal_u64(out, value);
}

/// Appends a number in lower-case hexadecimal, without a prefix.
pub fn hex(out: &mut Vec<u8>, value: impl Into<u64>) {
    let value = value.into();
    let digits = 16 - (value | 1).leading_zeros() / 4;
    for place in (0..digits).rev() {
        let digit = (value >> (place * 4)) & 15;
        let letter = if digit > 9 { b'a' - 10 } else { b'0' };
        // At most 15.
        out.push(letter + digit.to_le_bytes()[0]);
    }
}

/// Appends text, with blanks behind it up to `width` columns.
pub fn left(out: &mut Vec<u8>, text: &str, width: usize) {
    out.extend_from_slice(text.as_bytes());
    match width.saturating_sub(text.len()) {
        blanks @ 0..=8 => push(out, [b' '; 8], blanks),
        blanks => out.extend(core::iter::repeat_n(b' ', blanks)),
    }
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

/// Each octet as text with a dot behind it, the first character lowest; the text's length highest.
static OCTETS: [u64; 256] = octets();

#[expect(clippy::indexing_slicing, reason = "at compile time")]
const fn octets() -> [u64; 256] {
    const ZERO: u64 = b'0' as u64;
    let mut texts = [0; 256];
    let mut place = 0;
    while place < texts.len() {
        let octet = place as u64;
        let (mut text, mut len) = (((b'.' as u64) << 8) | (ZERO + octet % 10), 2);
        if octet > 9 {
            (text, len) = ((text << 8) | (ZERO + octet / 10 % 10), 3);
        }
        if octet > 99 {
            (text, len) = ((text << 8) | (ZERO + octet / 100), 4);
        }
        texts[place] = text | (len << 56);
        place += 1;
    }
    texts
}

/// Appends two octets with a dot behind each, without the last `cut` characters.
#[inline]
fn two_octets(out: &mut Vec<u8>, first: u8, second: u8, cut: usize) {
    let text = |octet: u8| {
        let entry = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
        let [low @ .., len] = entry.to_le_bytes();
        let [a, b, c, d, ..] = low;
        (
            u64::from(u32::from_le_bytes([a, b, c, d])),
            usize::from(len),
        )
    };
    let ((first, first_len), (second, second_len)) = (text(first), text(second));
    let both = first | (second << (first_len * 8));
    push(out, both.to_le_bytes(), first_len + second_len - cut);
}

/// Appends a dotted quad.
pub fn ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let [a, b, c, d] = address.octets();
    two_octets(out, a, b, 0);
    two_octets(out, c, d, 1);
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
        // Around each number of digits, and everything that has few.
        let powers = (0..20).map(|digits| 10_u64.pow(digits));
        let around = powers.flat_map(|power| [power - 1, power, power + 1, power / 3 * 2]);
        let shifted = (0..64).flat_map(|bits| [1 << bits, u64::MAX >> bits]);
        for value in around.chain(shifted).chain(0..70_000) {
            assert_eq!(text(|out| decimal(out, value)), value.to_string());
            assert_eq!(text(|out| hex(out, value)), std::format!("{value:x}"));
            let padded = text(|out| decimal_padded(out, value, 6));
            assert_eq!(padded, std::format!("{value:06}"));
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
        for octet in 0..=u8::MAX {
            for [a, b, c, d] in [[octet, 0, 10, octet], [100, octet, octet, 255], [octet; 4]] {
                let address = Ipv4Addr::new(a, b, c, d);
                assert_eq!(text(|out| ipv4(out, address)), address.to_string());
            }
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
