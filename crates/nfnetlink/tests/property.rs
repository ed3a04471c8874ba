//! Laws of the codec: what is encoded is decoded the same, and no bytes do harm.
//!
//! The random values come from `flow::strategy`; the last test sees to it that they have every
//! attribute at times, or the laws would prove little.

#![allow(clippy::unwrap_used, reason = "a test")]

use flow::render::Unknown;
use flow::strategy;
use flow::{Event, EventKind, Expectation, Flow, Object, Origin, Status, Tuple};
use nfnetlink::conntrack::request::{self, Call, FlowKey};
use nfnetlink::exchange::Pending;
use nfnetlink::nl::{AttrWriter, Attrs, Builder, Failure, Header, Message, Messages, flags};
use nfnetlink::stats::{CpuStats, decode_global};
use nfnetlink::{
    EncodeError, GenHeader, Malformed, ObjectMessage, Subsystem, conntrack, decode_event, expect,
};
use proptest::prelude::*;

fn written(attributes: impl FnOnce(&mut AttrWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    AttrWriter::bare(&mut out, attributes).unwrap();
    out
}

fn flow_bytes(flow: &Flow<'_>) -> Vec<u8> {
    written(|w| conntrack::encode(w, flow))
}

fn expectation_bytes(expectation: &Expectation<'_>) -> Vec<u8> {
    written(|w| expect::encode(w, expectation))
}

/// The message in which the kernel would report an event.
fn event_message(event: &Event<'_>) -> Vec<u8> {
    let subsystem = match event.object {
        Object::Flow(_) => Subsystem::Conntrack,
        Object::Expectation(_) => Subsystem::Expect,
    };
    let (operation, flags) = match event.kind {
        EventKind::New => (0, flags::CREATE | flags::EXCL),
        EventKind::Update => (0, 0),
        EventKind::Destroy => (2, 0),
    };
    let header = Header {
        kind: subsystem.message_type(operation),
        flags,
        sequence: 0,
        port_id: match event.origin {
            Origin::Other(port_id) => port_id,
            _ => 0,
        },
    };
    let mut out = Vec::new();
    Builder::new(&mut out)
        .message(header, GenHeader::of_family(2), |w| match &event.object {
            Object::Flow(flow) => conntrack::encode(w, flow),
            Object::Expectation(expectation) => expect::encode(w, expectation),
        })
        .unwrap();
    out
}

fn one(bytes: &[u8]) -> Message<'_> {
    let mut messages = Messages::new(bytes);
    let message = messages.next().unwrap().unwrap();
    assert_eq!(messages.next(), None);
    message
}

/// Everything that reads foreign bytes reads these; the values do not matter, only the return.
fn read_all(bytes: &[u8]) {
    let mut pending = Pending::run(0, 4);
    for message in Messages::new(bytes).flatten() {
        let _ = pending.accept(&message);
        let _ = Failure::decode(&message);
        let _ = decode_event(&message);
        let _ = decode_global(&message);
        if let Ok(stats) = CpuStats::decode(&message) {
            stats.counters().for_each(drop);
        }
        if let Ok(object) = ObjectMessage::decode(&message) {
            let raw = object.raw_flow();
            let _ = (
                raw.orig(),
                raw.reply(),
                raw.status(),
                raw.mark(),
                raw.zone(),
            );
        }
    }
    for attributes in [bytes, bytes.get(20..).unwrap_or_default()] {
        Attrs::new(attributes).for_each(drop);
        let _ = conntrack::decode(attributes);
        let _ = expect::decode(attributes);
    }
}

/// An attribute of a type that no kernel has, beside those of a flow.
fn with_unknown(mut bytes: Vec<u8>, count: u32) -> Vec<u8> {
    for _ in 0..count {
        AttrWriter::bare(&mut bytes, |w| w.be16(0x1234, 7)).unwrap();
    }
    bytes
}

proptest! {
    #[test]
    fn a_flow_is_decoded_as_it_was_encoded(flow in strategy::flow()) {
        let bytes = flow_bytes(&flow);
        let decoded = conntrack::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded.value, &flow);
        prop_assert_eq!(decoded.unknown, 0);
        prop_assert_eq!(flow_bytes(&decoded.value), bytes);
    }

    #[test]
    fn an_expectation_is_decoded_as_it_was_encoded(expectation in strategy::expectation()) {
        let bytes = expectation_bytes(&expectation);
        let decoded = expect::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded.value, &expectation);
        prop_assert_eq!(decoded.unknown, 0);
        prop_assert_eq!(expectation_bytes(&decoded.value), bytes);
    }

    #[test]
    fn an_event_is_decoded_as_the_kernel_would_send_it(event in strategy::event()) {
        let bytes = event_message(&event);
        let decoded = decode_event(&one(&bytes)).unwrap();
        prop_assert_eq!(decoded.value, event);
    }

    #[test]
    fn the_raw_view_sees_what_decoding_sees(flow in strategy::flow()) {
        let bytes = flow_bytes(&flow);
        let raw = conntrack::RawFlow::new(&bytes);
        prop_assert_eq!(raw.orig(), Ok(Some(flow.orig)));
        prop_assert_eq!(raw.reply(), Ok(flow.reply));
        prop_assert_eq!(raw.status(), Ok(flow.status));
        prop_assert_eq!(raw.mark(), Ok(flow.mark));
        prop_assert_eq!(raw.zone(), Ok(flow.zone));
    }

    #[test]
    fn unknown_attributes_are_skipped_and_counted(flow in strategy::flow(), count in 0..4_u32) {
        let bytes = with_unknown(flow_bytes(&flow), count);
        let decoded = conntrack::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.value, flow);
        prop_assert_eq!(decoded.unknown, count);
    }

    #[test]
    fn what_was_counted_as_unknown_is_found_again(
        event in strategy::event(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..70_u8), 1..4),
    ) {
        let mut bytes = event_message(&event);
        for (index, kind) in changes {
            // Behind the headers of the message; sometimes that is the type of an attribute.
            let at = 20 + index.index((bytes.len() - 20) / 4) * 4 + 2;
            bytes[at] = kind;
        }
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        let message = ObjectMessage::decode(&message).unwrap();
        if let Ok(object) = message.object() {
            let mut found = 0;
            message.unknown().each(&mut |_, _| found += 1);
            prop_assert_eq!(found, object.unknown);
        }
    }

    #[test]
    fn a_flow_cut_short_is_malformed_or_lacks_its_last_attributes(flow in strategy::flow()) {
        let bytes = flow_bytes(&flow);
        for len in 0..bytes.len() {
            match conntrack::decode(&bytes[..len]) {
                // At a boundary between attributes, or inside of the padding of the last one.
                Ok(decoded) => prop_assert_eq!(decoded.value.orig, flow.orig),
                Err(error) => prop_assert!(matches!(
                    error,
                    Malformed::AttributeLength | Malformed::MissingTuple
                ), "{error:?} at {len}"),
            }
        }
    }

    #[test]
    fn a_message_cut_short_is_malformed(event in strategy::event()) {
        let bytes = event_message(&event);
        for len in 1..bytes.len() {
            let cut = Messages::new(&bytes[..len]).next();
            prop_assert_eq!(cut, Some(Err(Malformed::MessageLength)));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn mutated_messages_are_read_without_panic(
        event in strategy::event(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = event_message(&event);
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        read_all(&bytes);
    }

    #[test]
    fn a_request_holds_what_may_be_set(flow in strategy::flow(), sequence in any::<u32>()) {
        let mut out = Vec::new();
        let mut builder = Builder::new(&mut out);
        let call = Call::quiet(sequence);
        let result = request::create(&mut builder, call, &flow);
        let reply = flow.reply.or(flow.orig.inverse());
        if reply.is_none() {
            prop_assert_eq!(result, Err(EncodeError::MissingReply));
            prop_assert!(out.is_empty());
            return Ok(());
        }
        prop_assert_eq!(result, Ok(()));
        let message = one(&out);
        prop_assert_eq!(message.header.sequence, sequence);
        prop_assert_eq!(message.header.flags, 0x601);
        let object = ObjectMessage::decode(&message).unwrap();
        prop_assert_eq!(object.family, flow.family().number());
        prop_assert_eq!(object.flow().unwrap().value, settable(&flow, reply));
    }

    #[test]
    fn requests_share_a_buffer(flows in proptest::collection::vec(strategy::flow(), 0..20)) {
        let mut out = Vec::new();
        let mut builder = Builder::new(&mut out);
        for (sequence, flow) in (1..).zip(&flows) {
            let key = FlowKey::exact(flow);
            request::delete(&mut builder, Call::quiet(sequence), &key).unwrap();
        }
        let sequences = Messages::new(&out).map(|message| message.unwrap().header.sequence);
        prop_assert!(sequences.eq(1..=u32::try_from(flows.len()).unwrap()));
    }
}

/// What the kernel would be told of a flow to create.
fn settable<'a>(flow: &Flow<'a>, reply: Option<Tuple>) -> Flow<'a> {
    Flow {
        reply,
        status: flow.status.map(|status| status | Status::CONFIRMED),
        timeout: flow.timeout,
        protoinfo: flow.protoinfo,
        mark: flow.mark,
        mark_mask: flow.mark_mask,
        zone: flow.zone,
        labels: flow.labels,
        labels_mask: flow.labels_mask,
        nat_src: flow.nat_src.clone(),
        nat_dst: flow.nat_dst.clone(),
        seq_adj: flow.seq_adj,
        synproxy: flow.synproxy,
        helper: flow.helper,
        master: flow.master,
        secmark: flow.secmark,
        ..Flow::new(flow.orig)
    }
}

#[test]
fn random_flows_have_every_attribute_at_times() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let flow = strategy::flow().new_tree(&mut runner).unwrap().current();
        let bytes = flow_bytes(&flow);
        seen.extend(Attrs::new(&bytes).map(|attr| attr.unwrap().kind));
    }
    // All of `enum ctattr_type` and the event time, without the two that filters alone use.
    let expected = (1..=27).filter(|kind| ![25, 26].contains(kind));
    assert!(seen.into_iter().eq(expected));
}
