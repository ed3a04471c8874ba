//! Dedicated links: `Multicast`, `UDP` and `TCP` in section `Sync`.
//!
//! A link that could not be opened whatever the machine looks like is refused here. An address
//! that is none is only warned about, as in stock, and then counts as not given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::filter::Network;

use super::super::ast::{Head, Item};
use super::super::error::ErrorKind;
use super::super::grammar::Key;
use super::super::lexer::Span;
use super::super::model::{Links, MulticastLink, Redundant, SocketOptions, UnicastLink};
use super::super::warning::WarningKind;
use super::filter::looks_like_address;
use super::{Notes, or_default};

/// Most links that stock takes.
const LINKS_MAX: usize = 4;
/// Default of `ErrorQueueLength`.
const ERROR_QUEUE_LEN: u32 = 128;

/// The links of a file, one after the other.
#[derive(Default)]
pub struct LinkList {
    transport: Option<Key>,
    seen: usize,
    multicast: Vec<MulticastLink>,
    unicast: Vec<UnicastLink>,
    initial: usize,
    error_queue_len: u32,
}

impl LinkList {
    /// Adds a link, or notes why it cannot be one.
    pub fn add(&mut self, item: &Item<'_>, notes: &mut Notes) {
        let Some(block) = item.block() else { return };
        let at = item.keyword.span;
        if self.seen == LINKS_MAX {
            return notes.fault(at, ErrorKind::TooManyLinks);
        }
        if *self.transport.get_or_insert(item.key) != item.key {
            return notes.fault(at, ErrorKind::MixedLinks(name(item.key)));
        }
        if block.head == Head::Default {
            self.initial = self.seen;
        }
        self.seen += 1;
        let mut draft = LinkDraft::new(item.key, at);
        for item in &block.items {
            if item.key == Key::ErrorQueueLength {
                self.error_queue_len = item.number();
            }
            draft.set(item, notes);
        }
        match item.key {
            Key::Multicast => self.multicast.extend(draft.multicast(notes)),
            _ => self.unicast.extend(draft.unicast(notes)),
        }
    }

    /// All links together; `None` if there is none or one was refused, which has been noted.
    pub fn finish(self, at: Span, notes: &mut Notes) -> Option<Links> {
        let Some(transport) = self.transport else {
            notes.fault(at, ErrorKind::NoLink);
            return None;
        };
        if self.multicast.len() + self.unicast.len() != self.seen {
            return None;
        }
        let initial = self.initial;
        let unicast = Redundant {
            all: self.unicast,
            initial,
        };
        Some(match transport {
            Key::Multicast => Links::Multicast(Redundant {
                all: self.multicast,
                initial,
            }),
            Key::Tcp => Links::Tcp {
                links: unicast,
                error_queue_len: or_default(self.error_queue_len, ERROR_QUEUE_LEN),
            },
            _ => Links::Udp(unicast),
        })
    }
}

const fn name(key: Key) -> &'static str {
    match key {
        Key::Multicast => "Multicast",
        Key::Tcp => "TCP",
        _ => "UDP",
    }
}

/// What one block says.
struct LinkDraft {
    link: &'static str,
    at: Span,
    addr: Option<IpAddr>,
    peer: Option<IpAddr>,
    interface_addr: Option<IpAddr>,
    interface: Option<String>,
    port: Option<u16>,
    socket: SocketOptions,
    accept_from: Vec<Network>,
}

impl LinkDraft {
    const fn new(key: Key, at: Span) -> Self {
        Self {
            link: name(key),
            at,
            addr: None,
            peer: None,
            interface_addr: None,
            interface: None,
            port: None,
            socket: SocketOptions {
                send_buffer: None,
                receive_buffer: None,
                checksum: true,
            },
            accept_from: Vec::new(),
        }
    }

    fn set(&mut self, item: &Item<'_>, notes: &mut Notes) {
        let number = item.number();
        match item.key {
            Key::Ipv4Address => replace(&mut self.addr, address_v4(item, notes)),
            Key::Ipv6Address => replace(&mut self.addr, address_v6(item, notes)),
            Key::Ipv4Destination => replace(&mut self.peer, address_v4(item, notes)),
            Key::Ipv6Destination => replace(&mut self.peer, address_v6(item, notes)),
            Key::Ipv4Interface => replace(&mut self.interface_addr, address_v4(item, notes)),
            Key::Ipv6Interface => {
                let span = item.keyword.span;
                notes.warn(span, WarningKind::Ipv6InterfaceIgnored);
                if matches!(self.addr, Some(IpAddr::V4(_))) {
                    notes.warn(span, WarningKind::GroupV4OnV6);
                }
            }
            Key::Interface => {
                let word = item.word();
                if !is_interface_name(word.text) {
                    let kind = ErrorKind::InterfaceName(word.text.to_owned());
                    notes.fault(word.span, kind);
                }
                self.interface = Some(word.text.to_owned());
            }
            // The grammar keeps ports within 16 bits.
            Key::Port => self.port = u16::try_from(number).ok(),
            Key::SndSocketBuffer => self.socket.send_buffer = (number != 0).then_some(number),
            Key::RcvSocketBuffer => self.socket.receive_buffer = (number != 0).then_some(number),
            Key::Checksum => self.socket.checksum = item.is_on(),
            Key::AcceptFrom => self.accept_from.extend(network(item, notes)),
            _ => {}
        }
    }

    fn unicast(self, notes: &mut Notes) -> Option<UnicastLink> {
        let peer = self.need(
            self.peer,
            "the peer's address (`IPv4_Destination_Address` or `IPv6_Destination_Address`)",
            notes,
        );
        let port = self.need(self.port, "`Port`", notes);
        let interface = self.need(self.interface.clone(), "`Interface`", notes);
        let peer = peer?;
        // Without an address of its own a link listens on all of them.
        let local = self.addr.unwrap_or(match peer {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        if local.is_ipv4() != peer.is_ipv4() {
            notes.fault(self.at, ErrorKind::MixedFamilies(self.link));
            return None;
        }
        Some(UnicastLink {
            local,
            peer,
            port: port?,
            interface: interface?,
            socket: self.socket,
            accept_from: self.accept_from,
        })
    }

    fn multicast(self, notes: &mut Notes) -> Option<MulticastLink> {
        let group = self.need(
            self.addr,
            "the address of its group (`IPv4_address` or `IPv6_address`)",
            notes,
        );
        let port = self.need(self.port, "`Group`", notes);
        let interface = self.need(self.interface.clone(), "`Interface`", notes);
        let group = group?;
        if group.is_ipv6() && self.interface_addr.is_some() {
            notes.warn(self.at, WarningKind::GroupV6OnV4);
        }
        Some(MulticastLink {
            group,
            interface_addr: self.interface_addr,
            port: port?,
            interface: interface?,
            socket: self.socket,
            accept_from: self.accept_from,
        })
    }

    fn need<T>(&self, value: Option<T>, lacks: &'static str, notes: &mut Notes) -> Option<T> {
        if value.is_none() {
            let link = self.link;
            notes.fault(self.at, ErrorKind::LinkLacks { link, lacks });
        }
        value
    }
}

fn replace(slot: &mut Option<IpAddr>, found: Option<IpAddr>) {
    if found.is_some() {
        *slot = found;
    }
}

fn address_v4(item: &Item<'_>, notes: &mut Notes) -> Option<IpAddr> {
    let parsed = item.word().text.parse().ok().map(IpAddr::V4);
    address(item, parsed, WarningKind::InvalidV4, notes)
}

fn address_v6(item: &Item<'_>, notes: &mut Notes) -> Option<IpAddr> {
    let parsed = item.word().text.parse().ok().map(IpAddr::V6);
    address(item, parsed, WarningKind::InvalidV6, notes)
}

fn address(
    item: &Item<'_>,
    parsed: Option<IpAddr>,
    invalid: fn(String) -> WarningKind,
    notes: &mut Notes,
) -> Option<IpAddr> {
    let word = item.word();
    if parsed.is_some() {
        return parsed;
    }
    if looks_like_address(word) {
        notes.warn(word.span, invalid(word.text.to_owned()));
    } else {
        notes.no_address(item);
    }
    None
}

/// A host or a network. What is neither is an error: a list that is shorter than it looks would
/// leave the peer out.
fn network(item: &Item<'_>, notes: &mut Notes) -> Option<Network> {
    let word = item.word();
    let network = match word.text.split_once('/') {
        None => word.text.parse().ok().map(Network::host),
        Some((addr, prefix)) => addr
            .parse()
            .ok()
            .zip(prefix.parse().ok())
            .and_then(|(addr, prefix)| Network::new(addr, prefix)),
    };
    if network.is_none() {
        notes.no_address(item);
    }
    network
}

/// What the kernel takes for a name (`dev_valid_name`).
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte != b'/' && byte != b':' && !byte.is_ascii_whitespace())
}
