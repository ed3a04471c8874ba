//! Values out of the bytes of a script. When none are left, zeros follow.
//!
//! Flows are drawn from few addresses and ports, so that the script meets the same flow again.

use std::time::Duration;

use ctsync::wire::{
    Control, ExpectMessage, Flags, FlowMessage, FunctionName, HelperName, IcmpParts, NatParts,
    SeqRange, TupleParts,
};
use ctsync::{ChannelId, Config, ExternalCache, InternalCache, ModeConfig, PeerId, Seq, Tables};
use flow::{
    Addrs, Counters, Dir, EventKind, ExpectNat, Expectation, ExpectationFlags, Flow, Helper, Icmp,
    Keys, L4, Labels, Mark, Name, NatRange, Object, Origin, PerDir, Ports, ProtoInfo, Protocol,
    SeqAdj, Status, Synproxy, TcpInfo, TcpState, Tuple, Zone,
};

/// Links at most.
pub const CHANNELS: u8 = 3;

/// What is left of the script.
pub struct Draw<'a>(pub &'a [u8]);

impl<'a> Draw<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, limit: u8) -> u8 {
        self.byte() % limit
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// So many bytes, fewer at the end.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Settings, small enough for every limit to be met.
    pub fn config(&mut self) -> Config {
        let payload_len_max = match self.below(8) {
            0 => usize::from(self.byte()),
            1 => 9000,
            _ => 1472,
        };
        let mode = self.mode();
        let keeps = self.below(4) != 0 || mode != ModeConfig::Notrack;
        let alarm = matches!(mode, ModeConfig::Alarm { .. });
        let injects = self.below(4) == 0 && !alarm;
        let links = usize::from(self.below(CHANNELS)) + 1;
        Config {
            internal_cache: if keeps {
                InternalCache::Keep
            } else {
                InternalCache::Bypass
            },
            external_cache: if injects {
                ExternalCache::Inject
            } else {
                ExternalCache::Keep
            },
            channels: vec![ctsync::ChannelConfig { payload_len_max }; links],
            initial_channel: self.channel(),
            expectations: self.flag(),
            poll: (self.below(4) == 0).then_some(Duration::from_secs(3)),
            random_seed: u64::from(self.byte()),
            cache_len_max: usize::from(self.below(30)),
            commit_timeout: self.flag().then_some(Duration::from_secs(180)),
            purge_timeout: Duration::from_secs(u64::from(self.byte())),
            startup_resync: self.flag(),
            tcp_window_tracking: self.flag(),
            overrun_resync: self.flag().then_some(Duration::from_secs(5)),
            first_seq: Seq(match self.below(3) {
                0 => 1000,
                1 => u32::MAX - u32::from(self.byte()),
                _ => self.u32(),
            }),
            hash_key: [1, 2],
            ..Config::new(mode)
        }
    }

    fn mode(&mut self) -> ModeConfig {
        match self.below(4) {
            0 => ModeConfig::Notrack,
            1 => ModeConfig::Alarm {
                refresh_time: Duration::from_secs(u64::from(self.below(5))),
                cache_timeout: Duration::from_secs(u64::from(self.below(9))),
            },
            _ => ModeConfig::Ftfw {
                resend_queue_len_max: usize::from(self.below(40)),
                ack_window: u32::from(self.below(20)),
            },
        }
    }

    /// A link, now and then one that is not there.
    pub fn channel(&mut self) -> ChannelId {
        ChannelId(self.below(CHANNELS + 1))
    }

    /// One of few senders.
    pub fn peer(&mut self) -> PeerId {
        PeerId(u64::from(self.below(4)))
    }

    /// What a client's request is about.
    pub fn tables(&mut self) -> Tables {
        match self.below(3) {
            0 => Tables::Flows,
            1 => Tables::Expectations,
            _ => Tables::All,
        }
    }

    /// An expectation as the kernel reports it, now and then as it never would.
    pub fn expectation(&mut self) -> Expectation<'a> {
        let (master, tuple) = (self.tuple(), self.tuple());
        let shape = self.byte();
        let has = |bit: u8| shape & bit != 0;
        let len = usize::from(self.below(20));
        Expectation {
            mask: has(1).then(|| self.tuple()),
            timeout: has(2).then(|| self.byte().into()),
            helper: has(4).then(|| Name::new(self.bytes(len))),
            zone: has(8).then(|| Zone(self.u16() & 1)),
            flags: has(16).then(|| ExpectationFlags(self.byte().into())),
            class: has(32).then(|| self.u32()),
            nat: has(64).then(|| ExpectNat {
                dir: Dir::Reply,
                tuple: self.tuple(),
            }),
            function: has(128).then(|| Name::new(self.bytes(len))),
            ..Expectation::new(master, tuple)
        }
    }

    /// A flow or an expectation of the kernel.
    pub fn object(&mut self) -> Object<'a> {
        if self.below(4) == 0 {
            Object::Expectation(self.expectation())
        } else {
            Object::Flow(self.flow())
        }
    }

    fn parts(&mut self, present: bool) -> TupleParts {
        if present {
            TupleParts::new(&self.tuple())
        } else {
            TupleParts::default()
        }
    }

    /// A message of the peer about an expectation.
    pub fn expect_message(&mut self) -> ExpectMessage<'a> {
        let (master, tuple) = (self.tuple(), self.tuple());
        let shape = self.byte();
        let has = |bit: u8| shape & bit != 0;
        let len = usize::from(self.below(12));
        ExpectMessage {
            master: TupleParts::new(&master),
            tuple: TupleParts::new(&tuple),
            mask: self.parts(has(1)),
            timeout: has(2).then(|| self.u32()),
            flags: has(4).then(|| ExpectationFlags(self.u32())),
            class: has(8).then(|| self.u32()),
            nat: self.parts(has(16)),
            nat_dir: has(32).then(|| self.byte().into()),
            helper: has(64)
                .then(|| HelperName::new(Name::new(self.bytes(len))))
                .flatten(),
            function: has(128)
                .then(|| FunctionName::new(Name::new(self.bytes(len))))
                .flatten(),
        }
    }

    /// A time step: mostly short, now and then long enough for any timer. A whole script takes
    /// less than a century, so that the clock does not come to its end.
    pub fn time_step(&mut self) -> Duration {
        match self.below(5) {
            0 => Duration::ZERO,
            1 => Duration::from_micros(u64::from(self.byte())),
            2 => Duration::from_millis(u64::from(self.byte()) * 10),
            3 => Duration::from_secs(u64::from(self.byte())),
            _ => Duration::from_millis(self.u32().into()),
        }
    }

    pub fn event_kind(&mut self) -> EventKind {
        match self.below(3) {
            0 => EventKind::New,
            1 => EventKind::Update,
            _ => EventKind::Destroy,
        }
    }

    pub fn origin(&mut self) -> Origin {
        match self.below(8) {
            0 => Origin::Commit,
            1 => Origin::Inject,
            2 => Origin::Flush,
            3 => Origin::Resync,
            4 => Origin::Other(7),
            _ => Origin::Traffic,
        }
    }

    fn addrs(&mut self) -> Addrs {
        let number = self.below(4);
        if self.below(4) == 0 {
            let src = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number];
            let dst = [0xfd; 16];
            Addrs::V6 {
                src: src.into(),
                dst: dst.into(),
            }
        } else {
            Addrs::V4 {
                src: [10, 0, 0, number].into(),
                dst: [192, 0, 2, 1].into(),
            }
        }
    }

    fn l4(&mut self) -> L4 {
        let (src, dst) = (u16::from(self.below(6)), 80);
        let (kind, code) = (self.byte(), 0);
        match self.below(12) {
            0 => L4::Udp(Ports { src, dst }),
            1 => L4::Icmp(Icmp {
                kind,
                code,
                id: src,
            }),
            2 => L4::Icmpv6(Icmp {
                kind,
                code,
                id: src,
            }),
            3 => L4::Gre(Keys { src, dst }),
            4 => L4::Sctp(Ports { src, dst }),
            5 => L4::Dccp(Ports { src, dst }),
            6 => L4::UdpLite(Ports { src, dst }),
            7 => L4::zero(Protocol(kind)),
            _ => L4::Tcp(Ports { src, dst }),
        }
    }

    pub fn tuple(&mut self) -> Tuple {
        Tuple::new(self.addrs(), self.l4())
    }

    /// A flow as the kernel reports it, now and then as it never would.
    pub fn flow(&mut self) -> Flow<'a> {
        let orig = self.tuple();
        let mut flow = Flow::new(orig);
        let shape = self.byte();
        flow.reply = match shape & 3 {
            0 => None,
            1 => Some(self.tuple()),
            _ => orig.inverse(),
        };
        if shape & 4 != 0 {
            flow.status = Some(Status(self.u32()));
            flow.timeout = Some(self.u32());
        }
        if shape & 8 != 0 {
            flow.mark = Some(Mark(self.u32()));
            flow.zone = Some(Zone(self.u16() & 1));
        }
        if shape & 16 != 0 {
            flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo {
                state: Some(TcpState(self.byte())),
                ..TcpInfo::default()
            }));
        }
        if shape & 32 != 0 {
            self.rare(&mut flow);
        }
        flow.counters.orig = Some(Counters {
            packets: u64::MAX,
            bytes: u64::from(self.byte()),
        });
        flow
    }

    fn rare(&mut self, flow: &mut Flow<'a>) {
        flow.labels = Labels::from_words(&[self.u32(), 0]);
        // The kernel knows no master of another family; a peer that claims one is refused.
        let master = self.flag().then(|| self.tuple());
        flow.master = master.filter(|master| master.family() == flow.family());
        let len = usize::from(self.below(20));
        flow.helper = Some(Helper {
            name: Name::new(self.bytes(len)),
            info: None,
        });
        flow.seq_adj = PerDir {
            orig: Some(seq_adj(self.u32())),
            reply: self.flag().then(|| seq_adj(self.u32())),
        };
        flow.synproxy = Some(Synproxy {
            isn: self.u32(),
            ..Synproxy::default()
        });
        flow.orig.zone = self.flag().then(|| Zone(self.u16() & 3));
        flow.nat_src = self.flag().then_some(NatRange {
            addr: None,
            port: Some(1..=2),
        });
    }

    /// A message of the peer about a flow.
    pub fn flow_message(&mut self) -> FlowMessage<'a> {
        let tuple = self.tuple();
        let mut message = FlowMessage::new(tuple.addrs, tuple.protocol());
        message.ports = tuple.l4.ports();
        message.icmp = tuple
            .l4
            .icmp()
            .map_or(IcmpParts::default(), |icmp| IcmpParts {
                kind: Some(icmp.kind),
                code: Some(icmp.code),
                id: Some(icmp.id),
            });
        let shape = self.byte();
        if shape & 1 != 0 {
            message.status = Some(Status(self.u32()));
            message.timeout = Some(self.u32());
        }
        if shape & 2 != 0 {
            message.nat = NatParts {
                src: Some(self.addrs().src()),
                dst: None,
                src_port: Some(self.u16()),
                dst_port: Some(self.u16()),
            };
        }
        if shape & 4 != 0 {
            message.master = TupleParts::new(&self.tuple());
            message.master.protocol = message.master.protocol.filter(|_| shape & 64 == 0);
        }
        if shape & 8 != 0 {
            let len = usize::from(self.below(12));
            message.helper = HelperName::new(Name::new(self.bytes(len)));
            message.labels = Labels::from_words(&[self.u32(); 4]);
        }
        if shape & 16 != 0 {
            message.tcp_state = Some(TcpState(self.byte()));
            message.sctp_vtag.orig = Some(self.u32());
            message.zone = Some(Zone(self.u16() & 1));
        }
        message
    }

    pub fn greeting(&mut self) -> Flags {
        match self.below(6) {
            0 => Flags::HELLO,
            1 => Flags::HELLO_BACK,
            2 => Flags::HELLO | Flags::HELLO_BACK,
            _ => Flags::NONE,
        }
    }

    /// A control message about numbers near this one, now and then about others.
    pub fn control(&mut self, near: Seq) -> Control {
        let from = self.seq(near);
        let to = match self.below(4) {
            0 => from,
            1 => near,
            2 => from.plus(u32::from(self.byte())),
            _ => self.seq(near),
        };
        let range = if to.is_before(from) {
            SeqRange { from, to: from }
        } else {
            SeqRange { from, to }
        };
        match self.below(6) {
            0 => Control::Alive,
            1 => Control::Resync,
            2 | 3 => Control::Nack(range),
            _ => Control::Ack(range),
        }
    }

    /// A sequence number: the next one, one near it, or any.
    pub fn seq(&mut self, near: Seq) -> Seq {
        match self.below(8) {
            0 => Seq(self.u32()),
            1 => near.plus(0x8000_0000),
            2 => near.plus(u32::from(self.byte())),
            3 => Seq(near.0.wrapping_sub(u32::from(self.byte()))),
            _ => near,
        }
    }
}

const fn seq_adj(number: u32) -> SeqAdj {
    SeqAdj {
        correction_pos: number,
        offset_before: number,
        offset_after: number,
    }
}
