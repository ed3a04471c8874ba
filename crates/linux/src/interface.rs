//! Network interfaces: their index and MTU, and whether they are up.
//!
//! [`find`] asks about one interface, [`Watcher`] tells what changes on all of them. Both speak to
//! `NETLINK_ROUTE`, whose messages are few and simple enough to be written here.

use std::os::fd::{AsFd, BorrowedFd};

use nfnetlink::Malformed;
use nfnetlink::nl::{Attrs, Failure, Header, Message, Messages, control, flags};

use crate::drain::Drained;
use crate::error::{Errno, Result, SystemError};
use crate::netlink::{EventSocket, Groups, Incoming, RECEIVE_LEN, Received, Socket, Subsystem};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

const RTNLGRP_LINK: u32 = 1;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;

/// Administratively up.
const IFF_UP: u32 = 0x1;
/// Has a carrier.
const IFF_RUNNING: u32 = 0x40;

/// Longest name with its terminating zero.
const IFNAMSIZ: usize = 16;

/// Bytes of `struct nlmsghdr` and `struct ifinfomsg`.
const REQUEST_LEN: usize = 32;

/// What is known of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: Box<str>,
    /// The longest packet it carries, layer 3 header included.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub is_up: bool,
    /// Whether it has a carrier.
    pub is_running: bool,
}

/// Looks an interface up by its name; `ENODEV` if there is none.
pub fn find(name: &str) -> Result<Interface> {
    ask(name).map_err(|error| error.on(name))
}

fn ask(name: &str) -> Result<Interface> {
    const OPERATION: &str = "look up interface";
    if name.is_empty() || name.len() >= IFNAMSIZ {
        return Err(SystemError::new(OPERATION, Errno::NODEV));
    }
    let socket = Socket::open(Subsystem::Route, Groups::NONE)?;
    socket.send(&request(0, Some(name)))?;
    let mut buffer = vec![0; RECEIVE_LEN];
    // One request, one message in answer: the interface or an error.
    let Received::Datagram(datagram) = socket.receive(&mut buffer)? else {
        return Err(SystemError::new(OPERATION, Errno::NOBUFS));
    };
    let answer = Messages::new(datagram)
        .next()
        .and_then(|answer| answer.ok());
    let found = match answer {
        Some(answer) if answer.header.kind == control::ERROR => {
            let errno = match Failure::decode(&answer) {
                Ok(Some(failure)) => Errno::from_raw_os_error(failure.errno),
                Ok(None) | Err(_) => Errno::PROTO,
            };
            return Err(SystemError::new(OPERATION, errno));
        }
        Some(answer) => decode(&answer).ok(),
        None => None,
    };
    found.ok_or(SystemError::new(OPERATION, Errno::PROTO))
}

/// One thing that a [`Watcher`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The interface is there, as new or changed or as part of the list.
    Present(Interface),
    /// The interface is gone.
    Gone(Interface),
    /// Notices were lost: ask for the list again.
    Overrun,
    /// A message that cannot be understood.
    Malformed(Malformed),
}

/// A subscription to what happens to interfaces.
#[derive(Debug)]
pub struct Watcher {
    socket: EventSocket,
}

impl Watcher {
    /// Subscribes and asks for the list of all interfaces.
    pub fn open() -> Result<Self> {
        let groups = Groups::NONE.with(RTNLGRP_LINK);
        let watcher = Self {
            socket: EventSocket::open(Subsystem::Route, groups)?,
        };
        watcher.list()?;
        Ok(watcher)
    }

    /// Asks for the list of all interfaces; they come as [`Notice::Present`].
    pub fn list(&self) -> Result<()> {
        match self.socket.socket().send(&request(flags::DUMP, None)) {
            // The list asked for before is still being read, and is just as good.
            Err(error) if error.errno == Errno::BUSY => Ok(()),
            result => result,
        }
    }

    /// Hands what has happened to `sink`, at most `limit` datagrams.
    pub fn drain(&mut self, limit: usize, mut sink: impl FnMut(Notice)) -> Result<Drained> {
        self.socket.drain(limit, |incoming| match incoming {
            Incoming::Datagram(bytes) => {
                let notices = Messages::new(bytes).map(|message| message.and_then(|m| notice(&m)));
                for notice in notices {
                    match notice {
                        Ok(Some(notice)) => sink(notice),
                        Ok(None) => {}
                        Err(reason) => sink(Notice::Malformed(reason)),
                    }
                }
            }
            Incoming::Overrun | Incoming::Truncated => sink(Notice::Overrun),
        })
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn notice(message: &Message<'_>) -> std::result::Result<Option<Notice>, Malformed> {
    Ok(match message.header.kind {
        RTM_NEWLINK => Some(Notice::Present(decode(message)?)),
        RTM_DELLINK => Some(Notice::Gone(decode(message)?)),
        // The end of the list.
        _ => None,
    })
}

/// `RTM_GETLINK`.
///
/// ```text
///  0        16       17    18     20      24      28       32
/// +--------+--------+-----+------+-------+-------+--------+-------------
/// | header | family | pad | type | index | flags | change | attributes
/// +--------+--------+-----+------+-------+-------+--------+-------------
/// ```
fn request(dump: u16, name: Option<&str>) -> Vec<u8> {
    let attribute = name
        .map(|name| [name.as_bytes(), &[0]].concat())
        .unwrap_or_default();
    let attribute_len = if name.is_some() {
        4 + attribute.len()
    } else {
        0
    };
    let len = REQUEST_LEN + attribute_len;
    let mut bytes = Vec::with_capacity(len + 4);
    // Both lengths are at most a few dozen: the caller has checked the name.
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(0).to_ne_bytes());
    bytes.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    bytes.extend_from_slice(&(flags::REQUEST | dump).to_ne_bytes());
    bytes.extend_from_slice(&1_u32.to_ne_bytes());
    // Port id, and the fixed part: any family, any interface.
    bytes.resize(REQUEST_LEN, 0);
    if name.is_some() {
        bytes.extend_from_slice(&u16::try_from(attribute_len).unwrap_or(0).to_ne_bytes());
        bytes.extend_from_slice(&IFLA_IFNAME.to_ne_bytes());
        bytes.extend_from_slice(&attribute);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// Reads the interface in an `RTM_NEWLINK` or `RTM_DELLINK`.
fn decode(message: &Message<'_>) -> std::result::Result<Interface, Malformed> {
    let (fixed, attributes) = message
        .payload
        .split_first_chunk::<{ REQUEST_LEN - Header::LEN }>()
        .ok_or(Malformed::Truncated)?;
    let [_, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *fixed;
    let state = u32::from_ne_bytes([f0, f1, f2, f3]);
    let mut interface = Interface {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name: "".into(),
        mtu: 0,
        is_up: state & IFF_UP != 0,
        is_running: state & IFF_RUNNING != 0,
    };
    let mut attributes = Attrs::new(attributes);
    while let Some(attribute) = attributes.try_next()? {
        match attribute.kind {
            IFLA_IFNAME => {
                let name = attribute.name();
                interface.name = String::from_utf8_lossy(name.as_bytes()).into();
            }
            IFLA_MTU => interface.mtu = u32::from_ne_bytes(*attribute.bytes()?),
            _ => {}
        }
    }
    Ok(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found() {
        let loopback = find("lo").unwrap();
        assert_eq!(&*loopback.name, "lo");
        assert_eq!(loopback.index, 1);
        assert!(loopback.mtu >= 1280);
    }

    #[test]
    fn a_name_without_interface_is_no_device() {
        for name in ["", "no-such-device", "a-name-that-is-much-too-long"] {
            let error = find(name).unwrap_err();
            assert_eq!(error.errno, Errno::NODEV, "{error}");
            assert!(error.to_string().contains(name));
        }
    }

    #[test]
    fn a_watcher_begins_with_the_list() {
        let mut watcher = Watcher::open().unwrap();
        let mut seen = Vec::new();
        let drained = watcher.drain(1_000, |notice| seen.push(notice)).unwrap();
        assert!(!drained.more);
        assert!(
            seen.contains(&Notice::Present(find("lo").unwrap())),
            "{seen:?}"
        );
        seen.clear();
        watcher.list().unwrap();
        watcher.drain(1_000, |notice| seen.push(notice)).unwrap();
        assert!(!seen.is_empty());
    }

    #[test]
    fn a_short_message_is_malformed() {
        let header = Header {
            kind: RTM_NEWLINK,
            ..Header::default()
        };
        for len in 0..16 {
            let payload = vec![0; len];
            let message = Message {
                header,
                payload: &payload,
            };
            assert_eq!(notice(&message), Err(Malformed::Truncated));
        }
    }
}
