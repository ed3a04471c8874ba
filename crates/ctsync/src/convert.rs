//! A cache's entry from and to the shapes it takes elsewhere: the kernel's [`Flow`], the peer's
//! [`FlowMessage`] (docs/wire.md, "Presence").
//!
//! What is written here is which values travel in which direction and under which condition;
//! bytes are `wire`'s business, storage is `cache::entry`'s.

use core::net::IpAddr;
use core::ops::RangeInclusive;
use core::time::Duration;

use flow::{DccpInfo, DccpRole, DccpState};
use flow::{
    Dir, Flow, L4, NatRange, PerDir, ProtoInfo, Protocol, SctpInfo, SctpState, Status, Synproxy,
    TcpFlags, TcpInfo, TcpState, Tuple, Zone,
};

use crate::cache::entry::{Entry, Present};
use crate::lifetime::default_lifetime;
use crate::time::Instant;
use crate::wire::{FlowMessage, HelperName, IcmpParts, NatParts, TupleParts};

/// Life in seconds of a committed flow whose timeout has run out meanwhile.
const TIMEOUT_FALLBACK: u32 = 60;

/// Settings that decide what travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presence {
    /// `TCPWindowTracking`.
    pub(crate) tcp_window_tracking: bool,
    /// `CommitTimeout`.
    pub(crate) commit_timeout: Option<Duration>,
}

impl Entry {
    /// An entry for what the kernel reports.
    pub(crate) fn from_flow(flow: &Flow<'_>, now: Instant) -> Self {
        let zone = flow.zone.or(flow.orig.zone).unwrap_or_default();
        let mut entry = Self::new(&flow.orig, flow.reply.as_ref(), zone, now);
        if flow.zone.is_some() {
            entry.set_zone_of_both();
        }
        entry.merge_flow(flow, now);
        entry
    }

    /// An entry for what the kernel's table says now of the same flow.
    pub(crate) fn read_again(&self, flow: &Flow<'_>, now: Instant) -> Self {
        let mut entry = Self::from_flow(flow, now);
        entry.created_like(self);
        entry
    }

    /// Takes over what the kernel reports; what it leaves out stays.
    pub(crate) fn merge_flow(&mut self, flow: &Flow<'_>, now: Instant) {
        self.touch(now);
        if let Some(reply) = &flow.reply {
            self.set_reply(reply);
            if reply.zone.is_some() {
                self.extra_mut().zone_reply = reply.zone;
            }
        }
        if let Some(status) = flow.status {
            self.set_status(status);
        }
        if let Some(timeout) = flow.timeout {
            self.set_timeout(timeout);
        }
        if let Some(mark) = flow.mark {
            self.set_mark(mark);
        }
        if let Some(protoinfo) = &flow.protoinfo {
            self.merge_protoinfo(protoinfo);
        }
        if let Some(synproxy) = flow.synproxy {
            self.set_synproxy(synproxy);
        }
        if let Some(helper) = &flow.helper {
            self.set_helper(helper.name);
        }
        self.merge_rare(flow);
    }

    fn merge_rare(&mut self, flow: &Flow<'_>) {
        let had_labels = self.extra().is_some_and(|extra| extra.labels.is_some());
        if let Some(labels) = flow.labels {
            if had_labels || !labels.is_empty() {
                self.extra_mut().labels = Some(labels);
            }
        }
        if flow.master.is_some() {
            self.extra_mut().master = flow.master;
        }
        if let Some((orig, reply)) = flow.seq_adj.both() {
            self.extra_mut().seq_adj = PerDir {
                orig: Some(*orig),
                reply: Some(*reply),
            };
        }
    }

    fn merge_protoinfo(&mut self, protoinfo: &ProtoInfo) {
        match protoinfo {
            ProtoInfo::Tcp(tcp) if self.protocol() == Protocol::TCP => {
                self.merge_state(tcp.state.map(|state| state.0));
                self.set_wscale(tcp.wscale);
            }
            ProtoInfo::Sctp(sctp) if self.protocol() == Protocol::SCTP => {
                self.merge_state(sctp.state.map(|state| state.0));
                self.merge_vtag(sctp.vtag);
            }
            ProtoInfo::Dccp(dccp) if self.protocol() == Protocol::DCCP => {
                self.merge_state(dccp.state.map(|state| state.0));
                self.merge_role(dccp.role);
            }
            // Information of another protocol than the flow's means nothing.
            ProtoInfo::Tcp(_) | ProtoInfo::Sctp(_) | ProtoInfo::Dccp(_) => {}
        }
    }

    const fn merge_state(&mut self, state: Option<u8>) {
        if let Some(state) = state {
            self.set_state(state);
        }
    }

    fn merge_vtag(&mut self, vtag: PerDir<Option<u32>>) {
        if vtag != PerDir::default() {
            let known = &mut self.extra_mut().sctp_vtag;
            known.orig = vtag.orig.or(known.orig);
            known.reply = vtag.reply.or(known.reply);
        }
    }

    fn merge_role(&mut self, role: Option<DccpRole>) {
        if let Some(role) = role {
            self.extra_mut().dccp_role = Some(role.0);
        }
    }

    /// An entry for what the peer reports.
    pub(crate) fn from_message(message: &FlowMessage<'_>, now: Instant) -> Self {
        let orig = Tuple::new(message.addrs, message.l4());
        let mut entry = Self::new(&orig, None, message.zone.unwrap_or_default(), now);
        if message.zone.is_some() {
            entry.set_zone_of_both();
        }
        entry.take_message(message, now);
        entry
    }

    /// Takes over what the peer reports; what it leaves out stays, unless it is of another flow.
    ///
    /// A flow keeps its translation for life, and every message tells all of it. One that tells
    /// of another translation is about the next flow under this tuple, whose beginning got lost.
    pub(crate) fn merge_message(&mut self, message: &FlowMessage<'_>, now: Instant) {
        let ports = self.orig().l4.ports().is_some();
        let told = NatParts {
            src_port: message.nat.src_port.filter(|_| ports),
            dst_port: message.nat.dst_port.filter(|_| ports),
            ..message.nat
        };
        if told == self.peer_translation() {
            self.take_message(message, now);
        } else {
            *self = Self::from_message(message, now);
        }
    }

    fn take_message(&mut self, message: &FlowMessage<'_>, now: Instant) {
        self.touch(now);
        if let Some(status) = message.status {
            self.set_status(status);
        }
        if let Some(timeout) = message.timeout {
            self.set_timeout(timeout);
        }
        if let Some(mark) = message.mark {
            self.set_mark(mark);
        }
        if let Some(synproxy) = message.synproxy {
            self.set_synproxy(synproxy);
        }
        if let Some(helper) = &message.helper {
            self.set_helper(helper.name());
        }
        self.merge_message_state(message);
        self.merge_message_nat(&message.nat);
        if let Some(master) = message.master.tuple() {
            self.extra_mut().master = Some(master);
        }
        if message.labels.is_some() {
            self.extra_mut().labels = message.labels;
        }
        if let Some(PerDir { orig, reply }) = message.seq_adj {
            self.extra_mut().seq_adj = PerDir {
                orig: Some(orig),
                reply: Some(reply),
            };
        }
    }

    fn merge_message_state(&mut self, message: &FlowMessage<'_>) {
        match self.protocol() {
            Protocol::TCP => {
                self.merge_state(message.tcp_state.map(|state| state.0));
                self.set_wscale(message.tcp_wscale);
            }
            Protocol::SCTP => {
                self.merge_state(message.sctp_state.map(|state| state.0));
                self.merge_vtag(message.sctp_vtag);
            }
            Protocol::DCCP => {
                self.merge_state(message.dccp_state.map(|state| state.0));
                self.merge_role(message.dccp_role);
            }
            Protocol(_) => {}
        }
    }

    fn merge_message_nat(&mut self, nat: &NatParts) {
        // Stock sends zeros for ICMP, so the ports count only where there are some.
        let ports = self.orig().l4.ports().is_some();
        self.set_nat_src(nat.src, nat.src_port.filter(|_| ports));
        self.set_nat_dst(nat.dst, nat.dst_port.filter(|_| ports));
    }

    /// The message that tells the peer all of this.
    pub(crate) fn message(&self, presence: Presence, now: Instant) -> FlowMessage<'_> {
        let orig = self.orig();
        let mut message = FlowMessage::new(orig.addrs, orig.protocol());
        message.status = Some(self.status().unwrap_or_default());
        message.ports = TupleParts::new(&orig).ports;
        message.icmp = icmp_parts(&orig.l4);
        message.mark = self.mark();
        message.synproxy = self.synproxy();
        message.zone = self.zone().filter(|zone| *zone != Zone(0));
        if presence.commit_timeout.is_none() {
            message.timeout = self.remaining(now);
        }
        self.put_state(presence, &mut message);
        message.nat = self.nat_parts(&orig);
        if let Some(extra) = self.extra() {
            message.helper = self.helper().and_then(|it| HelperName::new(it.name));
            message.labels = extra.labels.filter(|labels| !labels.is_empty());
            message.master = extra
                .master
                .map(|it| TupleParts::new(&it))
                .unwrap_or_default();
            message.seq_adj = extra.seq_adj.both().map(|(orig, reply)| PerDir {
                orig: *orig,
                reply: *reply,
            });
        }
        message
    }

    fn put_state(&self, presence: Presence, message: &mut FlowMessage<'_>) {
        let Some(state) = self.state() else { return };
        match self.protocol() {
            Protocol::TCP => {
                message.tcp_state = Some(TcpState(state));
                if presence.tcp_window_tracking {
                    message.tcp_wscale = self.wscale();
                }
            }
            Protocol::SCTP => {
                message.sctp_state = Some(SctpState(state));
                message.sctp_vtag = self.extra().map(|it| it.sctp_vtag).unwrap_or_default();
            }
            Protocol::DCCP => {
                message.dccp_state = Some(DccpState(state));
                message.dccp_role = self.extra().and_then(|it| it.dccp_role).map(DccpRole);
            }
            Protocol(_) => {}
        }
    }

    /// The translation, read off the two tuples: what differs and the status permits.
    fn nat_parts(&self, orig: &Tuple) -> NatParts {
        let done = |bit| self.status().is_none_or(|status| status.contains(bit));
        let reply = self.reply();
        let mut nat = NatParts::default();
        let ports = orig.l4.ports().zip(reply.l4.ports());
        if done(Status::SRC_NAT_DONE) {
            nat.src = Some(reply.addrs.dst()).filter(|dst| *dst != orig.addrs.src());
            nat.src_port = ports.filter(|(o, r)| o.src != r.dst).map(|(_, r)| r.dst);
        }
        if done(Status::DST_NAT_DONE) {
            nat.dst = Some(reply.addrs.src()).filter(|src| *src != orig.addrs.dst());
            nat.dst_port = ports.filter(|(o, r)| o.dst != r.src).map(|(_, r)| r.src);
        }
        nat
    }

    /// What is left of the timeout. An entry that has outlived it is one that the kernel keeps
    /// alive without telling us; then the last value known is the best guess.
    fn remaining(&self, now: Instant) -> Option<u32> {
        let timeout = self.timeout()?;
        let left = timeout.saturating_sub(self.age(now));
        Some(if left == 0 { timeout } else { left })
    }

    /// The flow of our kernel that this is an image of.
    pub(crate) fn flow(&self) -> Flow<'_> {
        let mut flow = self.flow_without_reply();
        let mut reply = self.reply();
        reply.zone = self.extra().and_then(|extra| extra.zone_reply);
        flow.reply = Some(reply);
        if flow.zone.is_none() && self.key_zone() != Zone(0) {
            flow.orig.zone = Some(self.key_zone());
        }
        flow
    }

    /// The peer's flow: its translation stands in place of the reply tuple, which is not sent.
    pub(crate) fn peer_flow(&self) -> Flow<'_> {
        let mut flow = self.flow_without_reply();
        flow.nat_src = self.nat_range(Dir::Original);
        flow.nat_dst = self.nat_range(Dir::Reply);
        flow
    }

    /// The flow to be created from this (docs/wire.md, "Commit").
    pub(crate) fn committed_flow(&self, presence: Presence, now: Instant) -> Flow<'_> {
        let mut flow = self.peer_flow();
        flow.reply = flow.orig.inverse();
        // The kernel refuses to make what is expected or about to go.
        let refused = Status::EXPECTED | Status::DYING;
        let status = flow.status.unwrap_or_default().without(refused);
        flow.status = Some(status | Status::CONFIRMED);
        flow.timeout = Some(self.committed_timeout(presence, now));
        // A flow made by a request has zeros there anyway (`nfct_synproxy_ext_add`).
        flow.synproxy = flow.synproxy.filter(|it| *it != Synproxy::default());
        if self.protocol() == Protocol::TCP {
            flow.protoinfo = Some(ProtoInfo::Tcp(self.committed_tcp(presence)));
        }
        flow
    }

    /// What the kernel's flow is to be changed to. What a flow keeps for its life is left out, and
    /// so is what the peer did not tell.
    pub(crate) fn updated_flow(&self, presence: Presence, now: Instant) -> Flow<'_> {
        let mut flow = self.committed_flow(presence, now);
        let translated = Status::SRC_NAT | Status::DST_NAT;
        let done = Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        flow.status = flow.status.map(|it| it.without(translated | done));
        flow.timeout = flow.timeout.filter(|_| self.timeout().is_some());
        flow.synproxy = self.synproxy();
        (flow.reply, flow.nat_src, flow.nat_dst) = (None, None, None);
        (flow.helper, flow.master) = (None, None);
        flow
    }

    /// The names by which the kernel finds the flow, for a deletion.
    pub(crate) fn deleted_flow(orig: Tuple, zone: Zone) -> Flow<'static> {
        let mut flow = Flow::new(orig);
        flow.zone = Some(zone).filter(|zone| *zone != Zone(0));
        flow
    }

    fn committed_timeout(&self, presence: Presence, now: Instant) -> u32 {
        if let Some(timeout) = presence.commit_timeout {
            return u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        }
        let Some(timeout) = self.timeout() else {
            let status = self.status().unwrap_or_default();
            return default_lifetime(self.protocol(), self.state(), status);
        };
        // A flow written with none left would end at once; the kernel says 0 in a flow's last second.
        if timeout == 0 {
            return TIMEOUT_FALLBACK;
        }
        match timeout.checked_sub(self.age(now)) {
            None => TIMEOUT_FALLBACK,
            Some(0) => timeout,
            Some(left) => left,
        }
    }

    fn committed_tcp(&self, presence: Presence) -> TcpInfo {
        let mut tcp = TcpInfo {
            state: self.state().map(TcpState),
            ..TcpInfo::default()
        };
        let set = |flags| {
            let flags = Some(TcpFlags { flags, mask: flags });
            PerDir {
                orig: flags,
                reply: flags,
            }
        };
        if !presence.tcp_window_tracking {
            // Nobody knows the windows any more, so nothing may be refused because of them.
            tcp.flags = set(TcpFlags::BE_LIBERAL);
        } else if let PerDir {
            orig: Some(_),
            reply: Some(_),
        } = self.wscale()
        {
            tcp.wscale = self.wscale();
            // Without these flags the kernel ignores the scales (`nlattr_to_tcp`).
            tcp.flags = set(TcpFlags::WINDOW_SCALE);
        }
        tcp
    }

    fn flow_without_reply(&self) -> Flow<'_> {
        let mut flow = Flow::new(self.orig());
        flow.status = self.status();
        flow.timeout = self.timeout();
        flow.mark = self.mark();
        flow.zone = self.zone();
        flow.protoinfo = self.protoinfo();
        flow.synproxy = self.synproxy();
        flow.helper = self.helper();
        if let Some(extra) = self.extra() {
            flow.labels = extra.labels;
            flow.seq_adj = extra.seq_adj;
            flow.master = extra.master;
        }
        flow
    }

    fn protoinfo(&self) -> Option<ProtoInfo> {
        let state = self.state()?;
        match self.protocol() {
            Protocol::TCP => Some(ProtoInfo::Tcp(TcpInfo {
                state: Some(TcpState(state)),
                wscale: self.wscale(),
                ..TcpInfo::default()
            })),
            Protocol::SCTP => Some(ProtoInfo::Sctp(SctpInfo {
                state: Some(SctpState(state)),
                vtag: self.extra().map(|it| it.sctp_vtag).unwrap_or_default(),
            })),
            Protocol::DCCP => Some(ProtoInfo::Dccp(DccpInfo {
                state: Some(DccpState(state)),
                role: self.extra().and_then(|it| it.dccp_role).map(DccpRole),
                handshake_seq: None,
            })),
            Protocol(_) => None,
        }
    }

    /// The translation, as far as the peer sent it.
    fn peer_translation(&self) -> NatParts {
        let (present, reply) = (self.present(), self.reply());
        let ports = reply.l4.ports();
        NatParts {
            src: Some(reply.addrs.dst()).filter(|_| present.has(Present::NAT_SRC)),
            dst: Some(reply.addrs.src()).filter(|_| present.has(Present::NAT_DST)),
            src_port: ports
                .map(|ports| ports.dst)
                .filter(|_| present.has(Present::NAT_SRC_PORT)),
            dst_port: ports
                .map(|ports| ports.src)
                .filter(|_| present.has(Present::NAT_DST_PORT)),
        }
    }

    /// The translation of the source (seen from the original direction) or of the destination
    /// (which the reply's source shows), as far as the peer sent it. Ports of TCP and UDP only.
    fn nat_range(&self, dir: Dir) -> Option<NatRange> {
        let reply = self.reply();
        let ports = match reply.l4 {
            L4::Tcp(ports) | L4::Udp(ports) => Some(ports),
            L4::UdpLite(_) | L4::Sctp(_) | L4::Dccp(_) | L4::Icmp(_) | L4::Icmpv6(_) => None,
            L4::Gre(_) | L4::Other(_) => None,
        };
        let (addr_bit, addr, port_bit, port) = match dir {
            Dir::Original => (
                Present::NAT_SRC,
                reply.addrs.dst(),
                Present::NAT_SRC_PORT,
                ports.map(|ports| ports.dst),
            ),
            Dir::Reply => (
                Present::NAT_DST,
                reply.addrs.src(),
                Present::NAT_DST_PORT,
                ports.map(|ports| ports.src),
            ),
        };
        let present = self.present();
        let addr: Option<IpAddr> = Some(addr).filter(|_| present.has(addr_bit));
        let port: Option<u16> = port.filter(|_| present.has(port_bit));
        (addr.is_some() || port.is_some()).then(|| NatRange {
            addr: addr.map(|addr| RangeInclusive::new(addr, addr)),
            port: port.map(|port| RangeInclusive::new(port, port)),
        })
    }
}

fn icmp_parts(l4: &L4) -> IcmpParts {
    l4.icmp().map_or(IcmpParts::default(), |icmp| IcmpParts {
        kind: Some(icmp.kind),
        code: Some(icmp.code),
        id: Some(icmp.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::{Addrs, Mark};

    fn message(nat_src: Option<[u8; 4]>) -> FlowMessage<'static> {
        let addrs = Addrs::V4 {
            src: [10, 0, 0, 1].into(),
            dst: [192, 0, 2, 1].into(),
        };
        let mut message = FlowMessage::new(addrs, Protocol::UDP);
        message.nat.src = nat_src.map(IpAddr::from);
        message
    }

    /// What is known of a mark when it was told with one translation, and an update has another.
    fn check(before: Option<[u8; 4]>, after: Option<[u8; 4]>, mark: Option<Mark>) {
        let first = FlowMessage {
            mark: Some(Mark(7)),
            ..message(before)
        };
        let mut entry = Entry::from_message(&first, Instant(0));
        entry.merge_message(&message(after), Instant(0));
        assert_eq!(entry.mark(), mark);
        let presence = Presence {
            tcp_window_tracking: false,
            commit_timeout: None,
        };
        let told = entry.committed_flow(presence, Instant(0)).nat_src;
        let addr = told.and_then(|nat| nat.addr);
        assert_eq!(addr.map(|addr| *addr.start()), after.map(IpAddr::from));
    }

    #[test]
    fn another_translation_is_another_flow() {
        let (a, b) = (Some([198, 51, 100, 1]), Some([198, 51, 100, 2]));
        check(None, None, Some(Mark(7)));
        check(a, a, Some(Mark(7)));
        check(a, b, None);
        check(a, None, None);
        check(None, b, None);
    }
}
