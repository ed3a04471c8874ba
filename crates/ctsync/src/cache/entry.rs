//! What a cache keeps of a flow, in 72 bytes.
//!
//! Everything a message can carry is kept, and nothing else: counters, timestamps, ids and the like
//! are the kernel's own. What most flows have lies in the entry; IPv6 addresses and what is rare
//! lie behind a pointer.
//!
//! The reply tuple is kept for both kinds of cache: the kernel reports it, and for a peer's flow
//! it is the mirrored original tuple with the peer's translation put in.

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::{
    Addrs, Helper, Icmp, Keys, L4, Mark, Name, PerDir, Ports, Protocol, Status, Synproxy, Tuple,
    Zone,
};

use super::extra::{Extra, HelperName};
use super::key::{Key, l4_words};
use crate::time::Instant;

/// Which of an entry's values are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Present(u16);

impl Present {
    /// The status.
    pub(crate) const STATUS: Self = Self(1);
    /// The timeout.
    pub(crate) const TIMEOUT: Self = Self(1 << 1);
    /// The mark.
    pub(crate) const MARK: Self = Self(1 << 2);
    /// The state of the protocol.
    pub(crate) const STATE: Self = Self(1 << 3);
    /// The window scale of the original direction.
    pub(crate) const WSCALE_ORIG: Self = Self(1 << 4);
    /// The window scale of the reply direction.
    pub(crate) const WSCALE_REPLY: Self = Self(1 << 5);
    /// The zone holds for both directions, else for the original one alone.
    pub(crate) const ZONE: Self = Self(1 << 6);
    /// SYN proxy data, all zero: the kernel gives it to each flow made by a request.
    pub(crate) const SYNPROXY_ZERO: Self = Self(1 << 7);
    /// The peer sent a translated source address.
    pub(crate) const NAT_SRC: Self = Self(1 << 8);
    /// The peer sent a translated destination address.
    pub(crate) const NAT_DST: Self = Self(1 << 9);
    /// The peer sent a translated source port.
    pub(crate) const NAT_SRC_PORT: Self = Self(1 << 10);
    /// The peer sent a translated destination port.
    pub(crate) const NAT_DST_PORT: Self = Self(1 << 11);

    /// Whether all of these are known.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

/// Addresses of both directions: source and destination of the original, then of the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AddrPairs {
    V4([Ipv4Addr; 4]),
    V6(Box<[Ipv6Addr; 4]>),
}

/// One flow in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    addrs: AddrPairs,
    orig_l4: [u16; 2],
    reply_l4: [u16; 2],
    status: Status,
    timeout: u32,
    mark: Mark,
    created: u32,
    updated: u32,
    zone: Zone,
    present: Present,
    protocol: Protocol,
    state: u8,
    wscale: [u8; 2],
    extra: Option<Box<Extra>>,
}

impl Entry {
    /// An entry that knows nothing but its tuples.
    pub(crate) fn new(orig: &Tuple, reply: Option<&Tuple>, zone: Zone, now: Instant) -> Self {
        let mirrored = orig.inverse();
        // Without an inverse (an ICMP type that is not tracked) the fields stay as they are.
        let reply = reply.or(mirrored.as_ref()).unwrap_or(orig);
        let now = whole_seconds(now);
        Self {
            addrs: AddrPairs::new(&orig.addrs, &reply.addrs),
            orig_l4: l4_words(&orig.l4),
            reply_l4: l4_words(&reply.l4),
            status: Status(0),
            timeout: 0,
            mark: Mark(0),
            created: now,
            updated: now,
            zone,
            present: Present::default(),
            protocol: orig.protocol(),
            state: 0,
            wscale: [0; 2],
            extra: None,
        }
    }

    /// Notes that the entry has just been told something.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.updated = whole_seconds(now);
    }

    /// Takes over when the other was made.
    pub(crate) const fn created_like(&mut self, other: &Self) {
        self.created = other.created;
    }

    /// Puts the reply tuple in, if it is of the right family and protocol.
    pub(crate) fn set_reply(&mut self, reply: &Tuple) {
        if reply.protocol() == self.protocol && self.addrs.set_reply(&reply.addrs) {
            self.reply_l4 = l4_words(&reply.l4);
        }
    }

    /// Sets the status.
    pub(crate) const fn set_status(&mut self, status: Status) {
        self.status = status;
        self.present.add(Present::STATUS);
    }

    /// Sets the remaining life in seconds.
    pub(crate) const fn set_timeout(&mut self, timeout: u32) {
        self.timeout = timeout;
        self.present.add(Present::TIMEOUT);
    }

    /// Sets the mark.
    pub(crate) const fn set_mark(&mut self, mark: Mark) {
        self.mark = mark;
        self.present.add(Present::MARK);
    }

    /// Says that the zone holds for both directions.
    pub(crate) const fn set_zone_of_both(&mut self) {
        self.present.add(Present::ZONE);
    }

    /// Sets the state of the protocol.
    pub(crate) const fn set_state(&mut self, state: u8) {
        self.state = state;
        self.present.add(Present::STATE);
    }

    /// Sets those window scales that are known.
    pub(crate) fn set_wscale(&mut self, wscale: PerDir<Option<u8>>) {
        let [orig, reply] = &mut self.wscale;
        if let Some(value) = wscale.orig {
            *orig = value;
            self.present.add(Present::WSCALE_ORIG);
        }
        if let Some(value) = wscale.reply {
            *reply = value;
            self.present.add(Present::WSCALE_REPLY);
        }
    }

    /// Sets the SYN proxy data; zeros, which are frequent, cost nothing.
    pub(crate) fn set_synproxy(&mut self, synproxy: Synproxy) {
        if synproxy != Synproxy::default() {
            self.extra_mut().synproxy = Some(synproxy);
            self.present.remove(Present::SYNPROXY_ZERO);
            return;
        }
        if let Some(extra) = &mut self.extra {
            extra.synproxy = None;
        }
        self.present.add(Present::SYNPROXY_ZERO);
    }

    /// Sets the helper; a name longer than any of the kernel's is left out.
    pub(crate) fn set_helper(&mut self, name: Name<'_>) {
        if let Some(name) = HelperName::new(name) {
            self.extra_mut().helper = Some(name);
        }
    }

    /// Sets the source that the peer translates to: the reply's destination.
    pub(crate) fn set_nat_src(&mut self, addr: Option<IpAddr>, port: Option<u16>) {
        if addr.is_some_and(|addr| self.addrs.set_addr(3, addr)) {
            self.present.add(Present::NAT_SRC);
        }
        if let (Some(port), [_, dst]) = (port, &mut self.reply_l4) {
            *dst = port;
            self.present.add(Present::NAT_SRC_PORT);
        }
    }

    /// Sets the destination that the peer translates to: the reply's source.
    pub(crate) fn set_nat_dst(&mut self, addr: Option<IpAddr>, port: Option<u16>) {
        if addr.is_some_and(|addr| self.addrs.set_addr(2, addr)) {
            self.present.add(Present::NAT_DST);
        }
        if let (Some(port), [src, _]) = (port, &mut self.reply_l4) {
            *src = port;
            self.present.add(Present::NAT_DST_PORT);
        }
    }

    /// The rare values, to change them.
    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// The rare values, if there are any.
    pub(crate) fn extra(&self) -> Option<&Extra> {
        self.extra.as_deref()
    }

    /// The identity.
    pub(crate) fn key(&self) -> Key {
        Key::from_parts(
            &self.addrs.orig(),
            self.orig_l4,
            self.protocol.0,
            self.zone.0,
        )
    }

    /// The original tuple.
    pub(crate) fn orig(&self) -> Tuple {
        Tuple::new(self.addrs.orig(), self.l4(self.orig_l4))
    }

    /// The reply tuple.
    pub(crate) fn reply(&self) -> Tuple {
        Tuple::new(self.addrs.reply(), self.l4(self.reply_l4))
    }

    /// The protocol.
    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Which of a peer's translations were sent.
    pub(crate) const fn present(&self) -> Present {
        self.present
    }

    /// The status.
    pub(crate) const fn status(&self) -> Option<Status> {
        known(self.present, Present::STATUS, self.status)
    }

    /// The remaining life, as it was when the entry was last told something.
    pub(crate) const fn timeout(&self) -> Option<u32> {
        known(self.present, Present::TIMEOUT, self.timeout)
    }

    /// The mark.
    pub(crate) const fn mark(&self) -> Option<Mark> {
        known(self.present, Present::MARK, self.mark)
    }

    /// The zone, if it holds for both directions.
    pub(crate) const fn zone(&self) -> Option<Zone> {
        known(self.present, Present::ZONE, self.zone)
    }

    /// The zone that is part of the identity, whichever directions it holds for.
    pub(crate) const fn key_zone(&self) -> Zone {
        self.zone
    }

    /// The state of the protocol.
    pub(crate) const fn state(&self) -> Option<u8> {
        known(self.present, Present::STATE, self.state)
    }

    /// The window scales.
    pub(crate) const fn wscale(&self) -> PerDir<Option<u8>> {
        let [orig, reply] = self.wscale;
        PerDir {
            orig: known(self.present, Present::WSCALE_ORIG, orig),
            reply: known(self.present, Present::WSCALE_REPLY, reply),
        }
    }

    /// The SYN proxy data.
    pub(crate) fn synproxy(&self) -> Option<Synproxy> {
        let rare = self.extra().and_then(|extra| extra.synproxy);
        rare.or(known(
            self.present,
            Present::SYNPROXY_ZERO,
            Synproxy::default(),
        ))
    }

    /// The helper.
    pub(crate) fn helper(&self) -> Option<Helper<'_>> {
        let name = self.extra()?.helper.as_ref()?.name();
        Some(Helper { name, info: None })
    }

    /// The master's original tuple.
    pub(crate) fn master(&self) -> Option<Tuple> {
        self.extra()?.master
    }

    /// When the entry was made, to the second.
    pub(crate) const fn created(&self) -> Instant {
        from_seconds(self.created)
    }

    /// When the entry was last told something, to the second.
    pub(crate) const fn updated(&self) -> Instant {
        from_seconds(self.updated)
    }

    /// Whole seconds since the entry was last told something.
    pub(crate) fn age(&self, now: Instant) -> u32 {
        whole_seconds(now).saturating_sub(self.updated)
    }

    /// Takes over from an image of the same flow what is not known; `true` if there was something.
    pub(crate) fn fill(&mut self, other: &Self) -> bool {
        let before = (self.present, self.extra.clone());
        if let (None, Some(mark)) = (self.mark(), other.mark()) {
            self.set_mark(mark);
        }
        if let (None, Some(state)) = (self.state(), other.state()) {
            self.set_state(state);
        }
        let (ours, theirs) = (self.wscale(), other.wscale());
        self.set_wscale(PerDir {
            orig: theirs.orig.filter(|_| ours.orig.is_none()),
            reply: theirs.reply.filter(|_| ours.reply.is_none()),
        });
        if let (None, Some(synproxy)) = (self.synproxy(), other.synproxy()) {
            self.set_synproxy(synproxy);
        }
        if let Some(theirs) = other.extra() {
            self.extra_mut().fill(theirs);
        }
        before != (self.present, self.extra.clone())
    }

    /// Whether both say the same of the flow, times aside.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let timeless = |entry: &Self| {
            let mut present = entry.present;
            present.remove(Present::TIMEOUT);
            (present, entry.status, entry.mark, entry.state, entry.wscale)
        };
        timeless(self) == timeless(other)
            && self.addrs == other.addrs
            && self.reply_l4 == other.reply_l4
            && self.extra == other.extra
    }

    const fn l4(&self, [a, b]: [u16; 2]) -> L4 {
        let ports = Ports { src: a, dst: b };
        let [kind, code] = b.to_be_bytes();
        let icmp = Icmp { kind, code, id: a };
        match self.protocol {
            Protocol::TCP => L4::Tcp(ports),
            Protocol::UDP => L4::Udp(ports),
            Protocol::UDPLITE => L4::UdpLite(ports),
            Protocol::SCTP => L4::Sctp(ports),
            Protocol::DCCP => L4::Dccp(ports),
            Protocol::ICMP => L4::Icmp(icmp),
            Protocol::ICMPV6 => L4::Icmpv6(icmp),
            Protocol::GRE => L4::Gre(Keys { src: a, dst: b }),
            other @ Protocol(_) => L4::Other(other),
        }
    }
}

impl AddrPairs {
    /// Both directions; a reply of another family is replaced by the mirrored original.
    fn new(orig: &Addrs, reply: &Addrs) -> Self {
        let mut pairs = match *orig {
            Addrs::V4 { src, dst } => Self::V4([src, dst, dst, src]),
            Addrs::V6 { src, dst } => Self::V6(Box::new([src, dst, dst, src])),
        };
        pairs.set_reply(reply);
        pairs
    }

    fn set_reply(&mut self, reply: &Addrs) -> bool {
        self.set_addr(2, reply.src()) && self.set_addr(3, reply.dst())
    }

    /// Sets one address; `false` if it is of the other family.
    fn set_addr(&mut self, place: usize, addr: IpAddr) -> bool {
        match (self, addr) {
            (Self::V4(addrs), IpAddr::V4(addr)) => {
                addrs.get_mut(place).map(|it| *it = addr).is_some()
            }
            (Self::V6(addrs), IpAddr::V6(addr)) => {
                addrs.get_mut(place).map(|it| *it = addr).is_some()
            }
            (Self::V4(_) | Self::V6(_), _) => false,
        }
    }

    fn orig(&self) -> Addrs {
        match self {
            Self::V4([src, dst, ..]) => Addrs::V4 {
                src: *src,
                dst: *dst,
            },
            Self::V6(addrs) => {
                let [src, dst, ..] = **addrs;
                Addrs::V6 { src, dst }
            }
        }
    }

    fn reply(&self) -> Addrs {
        match self {
            Self::V4([.., src, dst]) => Addrs::V4 {
                src: *src,
                dst: *dst,
            },
            Self::V6(addrs) => {
                let [.., src, dst] = **addrs;
                Addrs::V6 { src, dst }
            }
        }
    }
}

const fn known<T: Copy>(present: Present, what: Present, value: T) -> Option<T> {
    if present.has(what) { Some(value) } else { None }
}

/// Seconds of the caller's clock; 136 years fit.
fn whole_seconds(now: Instant) -> u32 {
    u32::try_from(now.seconds()).unwrap_or(u32::MAX)
}

const fn from_seconds(seconds: u32) -> Instant {
    Instant(seconds as u64 * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        assert_eq!(size_of::<Entry>(), 72);
        assert_eq!(size_of::<Option<Entry>>(), 72);
    }
}
