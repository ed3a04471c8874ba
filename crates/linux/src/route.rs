//! Whether an address is one of this machine, asked of the kernel's routes, and whether it can be
//! used yet.
//!
//! Trying to bind to an address does not tell: with `net.ipv4.ip_nonlocal_bind`, which firewalls
//! with moving addresses often have, any address can be bound to.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use nfnetlink::nl::{Message, Messages, flags};

use crate::error::{Errno, Result, SystemError};
use crate::netlink::{Groups, RECEIVE_LEN, Received, Socket, Subsystem};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;

/// The destination is this machine.
const RTN_LOCAL: u8 = 2;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Bytes of `struct nlmsghdr` and `struct rtmsg`.
const REQUEST_LEN: usize = 28;
/// Place of `rtm_type` in `struct rtmsg`.
const TYPE_AT: usize = 7;

/// Whether packets to `addr` stay on this machine. `interface`, an index, says which link an
/// address of link scope is meant on; zero is any.
pub fn is_local(addr: IpAddr, interface: u32) -> Result<bool> {
    let socket = Socket::open(Subsystem::Route, Groups::NONE)?;
    socket.send(&request(addr, interface))?;
    let mut buffer = vec![0; RECEIVE_LEN];
    // One request, one message in answer: the route or an error.
    let Received::Datagram(datagram) = socket.receive(&mut buffer)? else {
        return Err(SystemError::new("look up route", Errno::NOBUFS));
    };
    let answer = Messages::new(datagram).next();
    // An error says that there is no route, so that nobody is there, least of all we.
    Ok(answer
        .and_then(|answer| answer.ok())
        .is_some_and(|answer| leads_here(&answer)))
}

/// The system still makes sure that nobody else has the address (`IFA_F_TENTATIVE`).
const TENTATIVE: u32 = 0x40;
/// Somebody else has it (`IFA_F_DADFAILED`).
const DUPLICATE: u32 = 0x08;

/// Whether an address of this machine cannot be used yet, but will be in a second or two: a new one
/// of IPv6 is looked for on the link first.
pub fn is_tentative(addr: Ipv6Addr) -> bool {
    let listed = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    listed.lines().any(|line| is_tentative_line(line, addr))
}

/// A line has the address, the interface's number, prefix, scope and flags in hexadecimal, and the
/// interface's name.
fn is_tentative_line(line: &str, addr: Ipv6Addr) -> bool {
    let mut words = line.split_ascii_whitespace();
    let is_it = words
        .next()
        .and_then(|word| u128::from_str_radix(word, 16).ok())
        == Some(addr.to_bits());
    let flags = words
        .nth(3)
        .and_then(|word| u32::from_str_radix(word, 16).ok());
    is_it && flags.is_some_and(|flags| flags & (TENTATIVE | DUPLICATE) == TENTATIVE)
}

fn leads_here(answer: &Message<'_>) -> bool {
    answer.header.kind == RTM_NEWROUTE && answer.payload.get(TYPE_AT) == Some(&RTN_LOCAL)
}

/// `RTM_GETROUTE`.
///
/// ```text
///  0        16       17        18        19    20      21      22      23     24      28
/// +--------+--------+---------+---------+-----+-------+-------+-------+------+-------+------------
/// | header | family | dst len | src len | tos | table | proto | scope | type | flags | attributes
/// +--------+--------+---------+---------+-----+-------+-------+-------+------+-------+------------
/// ```
fn request(addr: IpAddr, interface: u32) -> Vec<u8> {
    let (family, octets, bits) = match addr {
        IpAddr::V4(addr) => (AF_INET, addr.octets().to_vec(), 32),
        IpAddr::V6(addr) => (AF_INET6, addr.octets().to_vec(), 128),
    };
    let mut attributes = attribute(RTA_DST, &octets);
    if interface != 0 {
        attributes.extend(attribute(RTA_OIF, &interface.to_ne_bytes()));
    }
    let len = REQUEST_LEN + attributes.len();
    let mut bytes = Vec::with_capacity(len);
    // All lengths are a few dozen at most.
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(0).to_ne_bytes());
    bytes.extend_from_slice(&RTM_GETROUTE.to_ne_bytes());
    bytes.extend_from_slice(&flags::REQUEST.to_ne_bytes());
    bytes.extend_from_slice(&1_u32.to_ne_bytes());
    bytes.extend_from_slice(&0_u32.to_ne_bytes());
    bytes.extend_from_slice(&[family, bits]);
    bytes.resize(REQUEST_LEN, 0);
    bytes.extend(attributes);
    bytes
}

/// An attribute whose payload is a multiple of four bytes.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + payload.len()).unwrap_or(0);
    [&len.to_ne_bytes(), &kind.to_ne_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_here_and_the_world_is_not() {
        assert!(is_local("127.0.0.1".parse().unwrap(), 0).unwrap());
        assert!(is_local("127.9.8.7".parse().unwrap(), 0).unwrap());
        assert!(!is_local("192.0.2.77".parse().unwrap(), 0).unwrap());
        assert!(!is_local("2001:db8::77".parse().unwrap(), 0).unwrap());
        assert!(!is_local("fe80::77".parse().unwrap(), 1).unwrap());
    }

    #[test]
    fn what_nobody_else_may_have_yet_is_tentative() {
        let addr = "2001:db8::1".parse().unwrap();
        for (line, wanted) in [
            (
                "20010db8000000000000000000000001 02 40 00 c0     eth2",
                true,
            ),
            (
                "20010db8000000000000000000000001 02 40 00 80     eth2",
                false,
            ),
            (
                "20010db8000000000000000000000001 02 40 00 c8     eth2",
                false,
            ),
            (
                "20010db8000000000000000000000002 02 40 00 c0     eth2",
                false,
            ),
            ("20010db8000000000000000000000001 02", false),
            ("", false),
        ] {
            assert_eq!(is_tentative_line(line, addr), wanted, "{line}");
        }
        assert!(!is_tentative("::1".parse().unwrap()));
    }
}
