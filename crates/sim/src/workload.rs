//! Traffic: flows of several protocols begin, change and end.
//!
//! A slot is a tuple; its flow ends and begins again and again, each time with other translation,
//! helper, labels and master, as when ports are reused. Every change gives the flow a mark of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::{
    Addrs, Dir, ExpectNat, Expectation, ExpectationFlags, Flow, Helper, Icmp, Keys, L4, Labels,
    Mark, Name, Origin, PerDir, Ports, ProtoInfo, Protocol, SctpInfo, SctpState, SeqAdj, Status,
    Synproxy, TcpInfo, TcpState, Tuple, Zone,
};

use crate::essence::Key;
use crate::kernel::{Change, ExpectChange, FUNCTIONS, HELPERS, Kernel};
use crate::random::{Percent, Random};

/// The hosts behind the firewalls.
#[derive(Debug)]
pub struct Workload {
    random: Random,
    slots: u64,
    short_lives: Percent,
    version: u32,
}

/// Which slots a host may open flows in: those of a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Divisor.
    pub of: u64,
    /// Remainder.
    pub remainder: u64,
}

impl Share {
    /// All slots.
    pub const ALL: Self = Self {
        of: 1,
        remainder: 0,
    };
}

impl Workload {
    /// Traffic over this many tuples, some of whose flows run out.
    pub const fn new(random: Random, slots: u64, short_lives: Percent) -> Self {
        Self {
            random,
            slots,
            short_lives,
            version: 0,
        }
    }

    /// One random change of a table, if it comes to one.
    pub fn step(&mut self, kernel: &mut Kernel, share: Share) -> Option<Change> {
        match self.random.below(100) {
            0..35 => self.open(kernel, share),
            35..80 => self.touch(kernel),
            _ => self.close(kernel),
        }
    }

    /// A helper announces a flow, or the announced flow comes.
    pub fn expect(&mut self, kernel: &mut Kernel) -> Option<ExpectChange> {
        let helped = |(_, flow): &(&Key, &Flow<'static>)| {
            flow.helper.is_some() && matches!(flow.orig.l4, L4::Tcp(_) | L4::Udp(_))
        };
        let masters: Vec<Flow<'static>> = kernel
            .own_flows()
            .filter(helped)
            .map(|(_, flow)| flow.clone())
            .collect();
        let master = self.random.pick(&masters)?;
        let expectation = self.announcement(master)?;
        kernel.expect(expectation, Origin::Traffic)
    }

    fn announcement(&mut self, master: &Flow<'static>) -> Option<Expectation<'static>> {
        let random = &mut self.random;
        let number = u16::try_from(random.below(EXPECTED_PORTS)).ok()?;
        let (addrs, port) = (master.orig.addrs, 20_000 + number);
        let ports = |src, dst| Ports { src, dst };
        let l4 = |ports| L4::with_ports(master.orig.protocol(), ports);
        let ones = |addr| match addr {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::BROADCAST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from([0xff; 16])),
        };
        let mask = Addrs::new(ones(addrs.src()), ones(addrs.dst()))?;
        let life = if random.chance(Percent(50)) {
            1 + random.long() % 5
        } else {
            300
        };
        // The wire has no translated addresses of IPv6.
        let translated = matches!(addrs, Addrs::V4 { .. }) && random.chance(Percent(30));
        let saved = Addrs::V4 {
            src: Ipv4Addr::new(10, 9, 9, 9),
            dst: Ipv4Addr::UNSPECIFIED,
        };
        let nat =
            translated.then(|| Tuple::new(saved, l4(ports(port, 0)).unwrap_or(master.orig.l4)));
        let function = translated.then(|| FUNCTIONS[0]);
        self.version += 1;
        Some(Expectation {
            mask: Some(Tuple::new(mask, l4(ports(0, 0xffff))?)),
            timeout: Some(life),
            helper: master.helper.map(|helper| helper.name),
            zone: master.zone,
            flags: Some(ExpectationFlags::default()),
            class: Some(self.version),
            nat: nat.map(|tuple| ExpectNat {
                dir: Dir::Reply,
                tuple,
            }),
            function: function.map(|name| Name::new(name.as_bytes())),
            ..Expectation::new(master.orig, Tuple::new(addrs, l4(ports(0, port))?))
        })
    }

    /// An expected flow comes: its expectation goes, and a flow with a master is there.
    pub fn fulfil(&mut self, kernel: &mut Kernel) -> Option<(ExpectChange, Option<Change>)> {
        let index = self.random.index(kernel.own_expectations().count());
        let (key, expectation) = kernel.own_expectations().nth(index)?;
        let (key, zone, master) = (*key, expectation.zone, expectation.master);
        let end = kernel.forget(&key, Origin::Traffic)?;
        let port = end.expectation.tuple.l4.ports()?.dst;
        let l4 = with_ports(end.expectation.tuple.l4, |_| Ports {
            src: port + 10_000,
            dst: port,
        });
        let mut flow = Flow::new(Tuple::new(end.expectation.tuple.addrs, l4));
        flow.reply = flow.orig.inverse();
        flow.zone = zone;
        flow.status = Some(Status::CONFIRMED | Status::EXPECTED);
        flow.timeout = Some(self.life());
        flow.protoinfo = first_state(&l4, &mut self.random);
        flow.mark = Some(self.next_version());
        flow.master = Some(master);
        Some((end, kernel.insert(flow, Origin::Traffic)))
    }

    /// Opens the flow of a random slot.
    pub fn open(&mut self, kernel: &mut Kernel, share: Share) -> Option<Change> {
        let slot = self.random.below(self.slots / share.of) * share.of + share.remainder;
        let (orig, zone) = tuple(slot);
        let mut flow = Flow::new(orig);
        flow.zone = zone;
        flow.status = Some(Status::CONFIRMED);
        flow.timeout = Some(self.life());
        flow.protoinfo = first_state(&orig.l4, &mut self.random);
        self.attach(&mut flow, kernel);
        self.translate(&mut flow, slot);
        flow.mark = Some(self.next_version());
        kernel.insert(flow, Origin::Traffic)
    }

    /// Changes a random flow.
    fn touch(&mut self, kernel: &mut Kernel) -> Option<Change> {
        let key = self.pick(kernel)?;
        let mark = self.next_version();
        let timeout = self.life();
        let random = &mut self.random;
        kernel.update(&key, Origin::Traffic, |flow| {
            flow.mark = Some(mark);
            flow.timeout = Some(timeout);
            progress(flow, random);
        })
    }

    /// A timeout: long, or short enough to run out in this world.
    fn life(&mut self) -> u32 {
        if self.random.chance(self.short_lives) {
            1 + self.random.long() % 6
        } else {
            600 + self.random.long() % 432_000
        }
    }

    /// Ends a random flow.
    fn close(&mut self, kernel: &mut Kernel) -> Option<Change> {
        let key = self.pick(kernel)?;
        kernel.remove(&key, Origin::Traffic)
    }

    fn pick(&mut self, kernel: &Kernel) -> Option<Key> {
        let index = self.random.index(kernel.own_flows().count());
        kernel.own_flows().nth(index).map(|(key, _)| *key)
    }

    const fn next_version(&mut self) -> Mark {
        self.version += 1;
        Mark(self.version)
    }

    /// Helper, master, labels, SYN proxy.
    fn attach(&mut self, flow: &mut Flow<'static>, kernel: &Kernel) {
        let random = &mut self.random;
        if random.chance(Percent(15)) {
            let name = random.pick(&HELPERS).copied().unwrap_or_default();
            flow.helper = Some(Helper {
                name: Name::new(name.as_bytes()),
                info: None,
            });
        }
        if random.chance(Percent(15)) {
            flow.labels = Labels::from_words(&[random.long(), 0, 0, random.long()]);
        }
        if matches!(flow.orig.l4, L4::Tcp(_)) && random.chance(Percent(10)) {
            flow.synproxy = Some(Synproxy {
                isn: random.long(),
                its: random.long(),
                tsoff: random.long(),
            });
        }
        if random.chance(Percent(15)) {
            let masters: Vec<Tuple> = kernel
                .own_flows()
                .filter(|(_, it)| it.family() == flow.family() && it.zone == flow.zone)
                // The wire has no ports or keys for the others.
                .filter(|(_, it)| matches!(it.orig.l4, L4::Tcp(_) | L4::Udp(_)))
                .map(|(_, it)| it.orig)
                .filter(|orig| *orig != flow.orig)
                .collect();
            flow.master = random.pick(&masters).copied();
            if flow.master.is_some() {
                flow.status = flow.status.map(|status| status | Status::EXPECTED);
            }
        }
    }

    /// The reply tuple, translated or not.
    fn translate(&mut self, flow: &mut Flow<'static>, slot: u64) {
        let random = &mut self.random;
        let Some(mut reply) = flow.orig.inverse() else {
            return;
        };
        let mut status = flow.status.unwrap_or_default();
        if random.chance(Percent(70)) {
            status = status | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
            let port = u16::try_from(10_000 + slot).unwrap_or(u16::MAX);
            if random.chance(Percent(40)) {
                status = status | Status::SRC_NAT;
                reply.addrs = with_dst(reply.addrs, random.long());
                // Now and then two flows want the same port; the second does not come to be.
                let port = if random.chance(Percent(5)) { 7 } else { port };
                reply.l4 = with_ports(reply.l4, |ports| Ports { dst: port, ..ports });
            }
            if random.chance(Percent(20)) {
                status = status | Status::DST_NAT;
                reply.addrs = with_dst(reply.addrs.inverse(), random.long()).inverse();
                reply.l4 = with_ports(reply.l4, |ports| Ports { src: port, ..ports });
            }
        }
        flow.status = Some(status);
        flow.reply = Some(reply);
    }
}

/// Ports of announced flows. They are few, so that they are used again.
const EXPECTED_PORTS: u64 = 40;

/// The tuple of a slot; no two are equal, not even on the wire.
fn tuple(slot: u64) -> (Tuple, Option<Zone>) {
    let [.., high, low] = slot.to_be_bytes();
    let number = u16::from_be_bytes([high, low]);
    let v6 = slot % 4 == 3;
    let addrs = if v6 {
        Addrs::V6 {
            src: Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 1, number),
            dst: Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 2),
        }
    } else {
        Addrs::V4 {
            src: Ipv4Addr::new(10, 1, high, low),
            dst: Ipv4Addr::new(10, 2, 0, 2),
        }
    };
    let ports = Ports {
        src: 1_024 + number,
        dst: 80,
    };
    let icmp = |kind| Icmp {
        kind,
        code: 0,
        id: number,
    };
    let l4 = match slot / 4 % 10 {
        0..=3 => L4::Tcp(ports),
        4 => L4::Udp(ports),
        5 if v6 => L4::Icmpv6(icmp(128)),
        5 => L4::Icmp(icmp(8)),
        6 => L4::Sctp(ports),
        // The wire carries neither keys nor these ports: two such flows would be one to the peer.
        7 => L4::Gre(Keys::default()),
        8 => L4::UdpLite(Ports::default()),
        _ => L4::Other(Protocol(50)),
    };
    (Tuple::new(addrs, l4), (slot % 7 == 6).then_some(Zone(5)))
}

fn first_state(l4: &L4, random: &mut Random) -> Option<ProtoInfo> {
    match l4 {
        L4::Tcp(_) => Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::SYN_SENT),
            wscale: PerDir {
                orig: Some(7),
                reply: Some(random.short().to_be_bytes()[0] % 15),
            },
            flags: PerDir::default(),
        })),
        L4::Sctp(_) => Some(ProtoInfo::Sctp(SctpInfo {
            state: Some(SctpState::COOKIE_WAIT),
            vtag: PerDir {
                orig: Some(random.long()),
                reply: Some(random.long()),
            },
        })),
        _ => None,
    }
}

/// Lets a flow live on: the next state, seen in both directions, sometimes more.
fn progress(flow: &mut Flow<'static>, random: &mut Random) {
    match &mut flow.protoinfo {
        Some(ProtoInfo::Tcp(tcp)) => {
            tcp.state = tcp.state.map(|state| TcpState(state.0 % 8 + 1));
        }
        Some(ProtoInfo::Sctp(sctp)) => {
            sctp.state = sctp.state.map(|state| SctpState(state.0 % 7 + 1));
        }
        Some(ProtoInfo::Dccp(_)) | None => {}
    }
    let seen = Status::SEEN_REPLY | Status::ASSURED;
    flow.status = flow.status.map(|status| status | seen);
    if random.chance(Percent(10)) {
        flow.labels = Labels::from_words(&[random.long() | 1, 0, random.long(), 0]);
    }
    if flow.helper.is_some() && random.chance(Percent(20)) {
        let seq_adj = SeqAdj {
            correction_pos: random.long(),
            offset_before: random.long(),
            offset_after: random.long(),
        };
        flow.seq_adj = PerDir {
            orig: Some(seq_adj),
            reply: Some(SeqAdj::default()),
        };
        flow.status = flow.status.map(|status| status | Status::SEQ_ADJUST);
    }
}

fn with_dst(addrs: Addrs, random: u32) -> Addrs {
    let [.., a, b] = random.to_be_bytes();
    let dst = match addrs.src() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, a % 4)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, u16::from(b % 4))),
    };
    Addrs::new(addrs.src(), dst).unwrap_or(addrs)
}

fn with_ports(l4: L4, change: impl FnOnce(Ports) -> Ports) -> L4 {
    match l4 {
        L4::Tcp(ports) => L4::Tcp(change(ports)),
        L4::Udp(ports) => L4::Udp(change(ports)),
        other => other,
    }
}
