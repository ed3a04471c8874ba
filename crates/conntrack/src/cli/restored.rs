//! What a saved flow carries that stock cannot write or set (compat: cli-48).
//!
//! Options of our own, with long names only, which have to be written out: an abbreviation that
//! scripts use must not become ambiguous. `flow::render::save` writes what is read here.

use flow::{Icmp, Keys, L4, PerDir, Ports, Protocol, SeqAdj, Synproxy, Tuple};

use super::error::Error;
use super::options::Opt;
use super::value;

/// Values of a new flow beyond those that stock can set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// `--helper`
    pub helper: Option<String>,
    /// `--master`
    pub master: Option<Tuple>,
    /// `--orig-seqadj` and `--reply-seqadj`
    pub seq_adj: PerDir<Option<SeqAdj>>,
    /// `--synproxy`
    pub synproxy: Option<Synproxy>,
    /// `--wscale`, of both directions
    pub wscale: Option<PerDir<u8>>,
}

/// The name of a helper, as long as the kernel has them; what cannot be printed could not be saved.
pub fn helper(text: &str) -> Result<String, Error> {
    let is_shown = |byte| matches!(byte, b' '..=b'~');
    let fits = (1..16).contains(&text.len()) && text.bytes().all(is_shown);
    fits.then(|| text.to_owned())
        .ok_or_else(|| Error::Shape(text.into(), "helper", "a name of up to 15 letters"))
}

/// `POS,BEFORE,AFTER`; the offsets may be written with a sign.
pub fn seq_adj(text: &str, option: &'static Opt) -> Result<SeqAdj, Error> {
    let name = option.names[0];
    let [correction_pos, offset_before, offset_after] =
        numbers(text).ok_or_else(|| Error::Shape(text.into(), name, "POSITION,BEFORE,AFTER"))?;
    Ok(SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    })
}

/// `ISN,ITS,TSOFF`
pub fn synproxy(text: &str) -> Result<Synproxy, Error> {
    let [isn, its, tsoff] =
        numbers(text).ok_or_else(|| Error::Shape(text.into(), "synproxy", "ISN,ITS,TSOFF"))?;
    Ok(Synproxy { isn, its, tsoff })
}

/// `ORIG,REPLY`, each at most the 14 of RFC 7323.
pub fn wscale(text: &str) -> Result<PerDir<u8>, Error> {
    let scale = |number: u32| u8::try_from(number).ok().filter(|scale| *scale <= 14);
    numbers(text)
        .and_then(|[orig, reply]| {
            Some(PerDir {
                orig: scale(orig)?,
                reply: scale(reply)?,
            })
        })
        .ok_or_else(|| Error::Shape(text.into(), "wscale", "ORIGINAL,REPLY up to 14"))
}

/// `PROTOCOL,SRC,DST` and the protocol's own numbers.
pub fn master(text: &str, database: impl Fn(&str) -> Option<u8>) -> Result<Tuple, Error> {
    let wrong = || Error::Shape(text.into(), "master", "PROTOCOL,SRC,DST,NUMBERS");
    let mut words = text.splitn(4, ',');
    let mut word = || words.next().ok_or_else(wrong);
    let protocol = value::protocol(word()?, database)?;
    let src = value::plain_address(word()?, "master")?;
    let dst = value::plain_address(word()?, "master")?;
    let addrs = flow::Addrs::new(src, dst).ok_or(Error::MixedFamilies)?;
    let l4 = l4(protocol, words.next()).ok_or_else(wrong)?;
    Ok(Tuple::new(addrs, l4))
}

fn l4(protocol: Protocol, text: Option<&str>) -> Option<L4> {
    let port = |number| u16::try_from(number).ok();
    match protocol {
        Protocol::ICMP | Protocol::ICMPV6 => {
            let [kind, code, id] = numbers(text?)?;
            let icmp = Icmp {
                kind: u8::try_from(kind).ok()?,
                code: u8::try_from(code).ok()?,
                id: port(id)?,
            };
            Some(match protocol {
                Protocol::ICMP => L4::Icmp(icmp),
                _ => L4::Icmpv6(icmp),
            })
        }
        _ if protocol.name().is_none() => text.is_none().then_some(L4::Other(protocol)),
        _ => {
            let [src, dst] = numbers(text?)?;
            let (src, dst) = (port(src)?, port(dst)?);
            match protocol {
                Protocol::GRE => Some(L4::Gre(Keys { src, dst })),
                _ => L4::with_ports(protocol, Ports { src, dst }),
            }
        }
    }
}

/// Exactly so many numbers with commas between them; a negative one in its bits.
fn numbers<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut words = text.split(',');
    for number in &mut numbers {
        *number = word(words.next()?)?;
    }
    words.next().is_none().then_some(numbers)
}

fn word(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.starts_with('-') {
        true => text
            .parse::<i32>()
            .ok()
            .map(|value| u32::from_ne_bytes(value.to_ne_bytes())),
        false => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::Id;

    fn none(_: &str) -> Option<u8> {
        None
    }

    fn check<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }

    #[test]
    fn numbers_are_as_many_as_they_should_be() {
        assert_eq!(numbers("1,-1,4294967295"), Some([1, u32::MAX, u32::MAX]));
        for wrong in [
            "1,2",
            "1,2,3,4",
            "1,2,",
            "1,2,x",
            "1,2,4294967296",
            "1,2,+3",
            "",
        ] {
            assert_eq!(numbers::<3>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_master_is_a_tuple() {
        let tuple = master("tcp,10.0.0.1,10.0.9.1,40846,21", none).unwrap();
        let ports = Ports {
            src: 40846,
            dst: 21,
        };
        assert_eq!(tuple.l4, L4::Tcp(ports));
        let tuple = master("icmpv6,::1,::2,128,0,7", none).unwrap();
        assert!(matches!(
            tuple.l4,
            L4::Icmpv6(Icmp {
                kind: 128,
                id: 7,
                ..
            })
        ));
        assert!(master("gre,1.1.1.1,2.2.2.2,16,17", none).is_ok());
        assert!(master("2,1.1.1.1,2.2.2.2", none).is_ok());
        for wrong in [
            "tcp",
            "tcp,1.1.1.1",
            "tcp,1.1.1.1,2.2.2.2",
            "tcp,1.1.1.1,2.2.2.2,1",
            "tcp,1.1.1.1,2.2.2.2,1,65536",
            "icmp,1.1.1.1,2.2.2.2,256,0,0",
            "2,1.1.1.1,2.2.2.2,5",
            "tcp,1.1.1.1,::1,1,2",
            "foo,1.1.1.1,2.2.2.2,1,2",
        ] {
            assert!(master(wrong, none).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_values_are_named() {
        check(
            seq_adj("1,2", Id::OrigSeqadj.row()),
            "invalid value `1,2' for `--orig-seqadj', POSITION,BEFORE,AFTER is expected",
        );
        check(
            wscale("15,1"),
            "invalid value `15,1' for `--wscale', ORIGINAL,REPLY up to 14 is expected",
        );
        check(
            helper("0123456789abcdef"),
            "invalid value `0123456789abcdef' for `--helper', a name of up to 15 letters is expected",
        );
        assert!(synproxy("1,2,3").is_ok() && helper("ftp").is_ok() && wscale("0,14").is_ok());
    }
}
