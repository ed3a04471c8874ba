//! What holds for every message: it comes back as it went, and no bytes can hurt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail by panic"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctsync::Seq;
use ctsync::wire::{
    Control, DropReason, ExpectMessage, Flags, FlowMessage, IcmpParts, Kind, MESSAGE_LEN_MAX,
    NatParts, SeqRange, ShortName, TupleParts, split,
};
use flow::{
    Addrs, DccpRole, DccpState, EventKind, ExpectationFlags, Labels, Mark, Name, PerDir, Ports,
    Protocol, SctpState, SeqAdj, Status, Synproxy, TcpState, Zone,
};
use proptest::prelude::*;
use proptest::{array, collection, option};

/// Names as they come from the kernel: up to 15 bytes, functions longer.
const NAME: &str = "[a-z_.-]{0,30}";

fn addrs(v6: bool) -> BoxedStrategy<Addrs> {
    if v6 {
        any::<(Ipv6Addr, Ipv6Addr)>()
            .prop_map(|(src, dst)| Addrs::V6 { src, dst })
            .boxed()
    } else {
        any::<(Ipv4Addr, Ipv4Addr)>()
            .prop_map(|(src, dst)| Addrs::V4 { src, dst })
            .boxed()
    }
}

fn addr(v6: bool) -> BoxedStrategy<IpAddr> {
    addrs(v6).prop_map(|addrs| addrs.src()).boxed()
}

fn ports() -> impl Strategy<Value = Ports> {
    any::<(u16, u16)>().prop_map(|(src, dst)| Ports { src, dst })
}

fn parts(v6: bool) -> impl Strategy<Value = TupleParts> {
    (
        option::of(addrs(v6)),
        option::of(any::<u8>()),
        option::of(ports()),
    )
        .prop_map(|(addrs, protocol, ports)| TupleParts {
            addrs,
            protocol: protocol.map(Protocol),
            ports,
        })
}

fn nat(v6: bool) -> impl Strategy<Value = NatParts> {
    (
        option::of(addr(v6)),
        option::of(addr(v6)),
        any::<(Option<u16>, Option<u16>)>(),
    )
        .prop_map(|(src, dst, (src_port, dst_port))| NatParts {
            src,
            dst,
            src_port,
            dst_port,
        })
}

fn labels() -> impl Strategy<Value = Option<Labels>> {
    collection::vec(any::<u32>(), 0..=4).prop_map(|words| Labels::from_words(&words))
}

fn states(message: FlowMessage<'static>) -> impl Strategy<Value = FlowMessage<'static>> {
    type Dir8 = (Option<u8>, Option<u8>);
    any::<(
        Option<u8>,
        Option<u8>,
        Option<u8>,
        Option<u8>,
        Dir8,
        (Option<u32>, Option<u32>),
    )>()
    .prop_map(move |(tcp, sctp, dccp, role, wscale, vtag)| FlowMessage {
        tcp_state: tcp.map(TcpState),
        sctp_state: sctp.map(SctpState),
        dccp_state: dccp.map(DccpState),
        dccp_role: role.map(DccpRole),
        tcp_wscale: PerDir {
            orig: wscale.0,
            reply: wscale.1,
        },
        sctp_vtag: PerDir {
            orig: vtag.0,
            reply: vtag.1,
        },
        ..message
    })
}

fn extensions(message: FlowMessage<'static>) -> impl Strategy<Value = FlowMessage<'static>> {
    type Three = [u32; 3];
    let seq_adj = |[correction_pos, offset_before, offset_after]: Three| SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    };
    (
        any::<Option<(Three, Three)>>(),
        any::<Option<Three>>(),
        labels(),
    )
        .prop_map(move |(adj, synproxy, labels)| FlowMessage {
            seq_adj: adj.map(|(orig, reply)| PerDir {
                orig: seq_adj(orig),
                reply: seq_adj(reply),
            }),
            synproxy: synproxy.map(|[isn, its, tsoff]| Synproxy { isn, its, tsoff }),
            labels,
            ..message
        })
}

/// A message with everything but a helper, which would be borrowed.
fn flow_message() -> impl Strategy<Value = FlowMessage<'static>> {
    type Numbers = (Option<u32>, Option<u32>, Option<u32>, Option<u16>);
    type IcmpFields = (Option<u8>, Option<u8>, Option<u16>);
    any::<bool>()
        .prop_flat_map(|v6| {
            let head = (
                addrs(v6),
                any::<u8>(),
                option::of(ports()),
                parts(v6),
                nat(v6),
            );
            (head, any::<IcmpFields>(), any::<Numbers>())
        })
        .prop_map(
            |((addrs, protocol, ports, master, nat), (kind, code, id), numbers)| FlowMessage {
                ports,
                master,
                nat,
                icmp: IcmpParts { kind, code, id },
                status: numbers.0.map(Status),
                timeout: numbers.1,
                mark: numbers.2.map(Mark),
                zone: numbers.3.map(Zone),
                ..FlowMessage::new(addrs, Protocol(protocol))
            },
        )
        .prop_flat_map(states)
        .prop_flat_map(extensions)
}

/// A message with everything but names.
fn expect_message() -> impl Strategy<Value = ExpectMessage<'static>> {
    let complete = |v6| {
        (addrs(v6), any::<u8>(), option::of(ports())).prop_map(|(addrs, protocol, ports)| {
            TupleParts {
                addrs: Some(addrs),
                protocol: Some(Protocol(protocol)),
                ports,
            }
        })
    };
    type Numbers = (Option<u32>, Option<u32>, Option<u32>, Option<u32>);
    any::<bool>()
        .prop_flat_map(move |v6| (complete(v6), complete(v6), parts(v6), parts(false)))
        .prop_flat_map(|tuples| (Just(tuples), any::<Numbers>()))
        .prop_map(|((master, tuple, mask, nat), numbers)| ExpectMessage {
            master,
            tuple,
            mask,
            nat,
            timeout: numbers.0,
            flags: numbers.1.map(ExpectationFlags),
            class: numbers.2,
            nat_dir: numbers.3,
            helper: None,
            function: None,
        })
}

fn kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::New),
        Just(EventKind::Update),
        Just(EventKind::Destroy)
    ]
}

/// A list of attributes, most of which have a length that their number might have.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        Just(1_usize),
        Just(2),
        Just(4),
        Just(8),
        Just(12),
        Just(16),
        0..40_usize
    ];
    let attr = (0..34_u16, len, array::uniform32(any::<u8>()));
    collection::vec(attr, 0..8).prop_map(|attrs| {
        let mut body = Vec::new();
        for (number, len, bytes) in attrs {
            let payload = bytes.iter().cycle().take(len);
            body.extend_from_slice(&u16::try_from(len + 4).unwrap().to_be_bytes());
            body.extend_from_slice(&number.to_be_bytes());
            body.extend(payload);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        body
    })
}

proptest! {
    #[test]
    fn a_flow_message_comes_back_as_it_went(
        message in flow_message(), helper in option::of(NAME), kind in kind(), seq: u32,
    ) {
        let helper = helper.as_deref().map(|name| Name::new(name.as_bytes()));
        let message = FlowMessage { helper: helper.and_then(ShortName::new), ..message };
        let mut out = vec![0xaa; 3];
        message.encode(kind, Flags::HELLO, Seq(seq), &mut out);
        prop_assert_eq!(&out[..3], [0xaa; 3]);
        prop_assert!(out.len() - 3 <= MESSAGE_LEN_MAX);
        prop_assert_eq!(out.len() % 4, 3);
        let mut messages = split(&out[3..]);
        let read = messages.next().unwrap().unwrap();
        prop_assert_eq!(messages.next(), None);
        prop_assert_eq!(read.header.kind, Kind::Flow(kind));
        prop_assert_eq!(read.header.seq, Seq(seq));
        prop_assert_eq!(FlowMessage::decode(read.body), Ok(message));
    }

    #[test]
    fn an_expectation_message_comes_back_as_it_went(
        message in expect_message(), helper in option::of(NAME), function in option::of(NAME),
        kind in kind(),
    ) {
        let helper = helper.as_deref().map(|name| Name::new(name.as_bytes()));
        let function = function.as_deref().map(|name| Name::new(name.as_bytes()));
        let message = ExpectMessage {
            helper: helper.and_then(ShortName::new),
            function: function.and_then(ShortName::new),
            ..message
        };
        let mut out = Vec::new();
        message.encode(kind, Flags::NONE, Seq(1), &mut out);
        prop_assert!(out.len() <= MESSAGE_LEN_MAX);
        let read = split(&out).next().unwrap().unwrap();
        prop_assert_eq!(read.header.kind, Kind::Expectation(kind));
        prop_assert_eq!(ExpectMessage::decode(read.body), Ok(message));
    }

    #[test]
    fn a_control_message_comes_back_as_it_went(from: u32, len in 0..i32::MAX, which in 0..4_u8) {
        let range = SeqRange { from: Seq(from), to: Seq(from.wrapping_add_signed(len)) };
        let control = match which {
            0 => Control::Ack(range),
            1 => Control::Nack(range),
            2 => Control::Resync,
            _ => Control::Alive,
        };
        let mut out = Vec::new();
        control.encode(Flags::HELLO_BACK, Seq(from), &mut out);
        let read = split(&out).next().unwrap().unwrap();
        prop_assert_eq!(Control::decode(&read), Ok(control));
        prop_assert_eq!(read.header.flags.greeting(), Flags::HELLO_BACK);
    }

    #[test]
    fn what_was_decoded_encodes_to_the_same(body in attributes()) {
        let addresses = [0, 12, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 5, 0, 2, 6, 0, 0, 0];
        let body = [&addresses[..], &body].concat();
        if let Ok(message) = FlowMessage::decode(&body) {
            let mut out = Vec::new();
            message.encode(EventKind::New, Flags::NONE, Seq(1), &mut out);
            prop_assert!(out.len() <= MESSAGE_LEN_MAX);
            prop_assert_eq!(FlowMessage::decode(&out[8..]), Ok(message));
        }
    }

    #[test]
    fn no_bytes_make_the_codec_panic_or_loop(bytes in collection::vec(any::<u8>(), 0..300)) {
        let mut messages = 0;
        for message in split(&bytes) {
            messages += 1;
            if let Ok(message) = message {
                let _: Result<_, DropReason> = Control::decode(&message);
            }
        }
        prop_assert!(messages <= bytes.len() / 8 + 1);
        let _: Result<_, DropReason> = FlowMessage::decode(&bytes);
        let _: Result<_, DropReason> = ExpectMessage::decode(&bytes);
    }

    #[test]
    fn no_attributes_make_the_codec_panic(body in attributes()) {
        let _: Result<_, DropReason> = FlowMessage::decode(&body);
        let _: Result<_, DropReason> = ExpectMessage::decode(&body);
    }
}
