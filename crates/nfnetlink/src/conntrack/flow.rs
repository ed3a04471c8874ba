//! The attributes of a whole flow.
//!
//! What a request may set comes first, in the order in which stock writes it; what the kernel
//! only reports follows, so that [`encode`] gives everything a flow holds.

use core::net::Ipv4Addr;

use flow::{
    Addrs, Counters, Flow, Helper, L4, Labels, Mark, Name, Protocol, Status, Timestamp, Tuple, Zone,
};

use crate::conntrack::constants::{counters::*, cta::*, name::*, timestamp::*};
use crate::conntrack::{nat, protoinfo, tuple};
use crate::malformed::{Decoded, Malformed};
use crate::nl::{Attr, AttrWriter, Attrs};

/// Stands in for the original tuple until that is read.
const NOWHERE: Tuple = Tuple::new(
    Addrs::V4 {
        src: Ipv4Addr::UNSPECIFIED,
        dst: Ipv4Addr::UNSPECIFIED,
    },
    L4::zero(Protocol(0)),
);

/// Reads the attributes of a flow, as they follow the generic header of a message.
///
/// One pass; borrows names from the bytes and allocates nothing.
pub fn decode(attributes: &[u8]) -> Result<Decoded<Flow<'_>>, Malformed> {
    let mut decoded = Decoded {
        value: Flow::new(NOWHERE),
        unknown: 0,
    };
    let flow = &mut decoded.value;
    let unknown = &mut decoded.unknown;
    let mut has_tuple = false;
    let mut attrs = Attrs::new(attributes);
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_TUPLE_ORIG => {
                flow.orig = tuple::decode(attr, unknown)?;
                has_tuple = true;
            }
            CTA_TUPLE_REPLY => flow.reply = Some(tuple::decode(attr, unknown)?),
            CTA_STATUS => flow.status = Some(Status(attr.be32()?)),
            CTA_PROTOINFO => flow.protoinfo = protoinfo::decode(attr, unknown)?,
            CTA_HELP => flow.helper = decode_helper(attr, unknown)?,
            CTA_NAT_SRC => flow.nat_src = Some(nat::decode_range(attr, unknown)?),
            CTA_TIMEOUT => flow.timeout = Some(attr.be32()?),
            CTA_MARK => flow.mark = Some(Mark(attr.be32()?)),
            CTA_COUNTERS_ORIG => flow.counters.orig = Some(decode_counters(attr, unknown)?),
            CTA_COUNTERS_REPLY => flow.counters.reply = Some(decode_counters(attr, unknown)?),
            CTA_USE => flow.use_count = Some(attr.be32()?),
            CTA_ID => flow.id = Some(attr.be32()?),
            CTA_NAT_DST => flow.nat_dst = Some(nat::decode_range(attr, unknown)?),
            CTA_TUPLE_MASTER => flow.master = Some(tuple::decode(attr, unknown)?),
            CTA_SEQ_ADJ_ORIG => flow.seq_adj.orig = Some(nat::decode_seq_adj(attr, unknown)?),
            CTA_SEQ_ADJ_REPLY => flow.seq_adj.reply = Some(nat::decode_seq_adj(attr, unknown)?),
            CTA_SECMARK => flow.secmark = Some(attr.be32()?),
            CTA_ZONE => flow.zone = Some(Zone(attr.be16()?)),
            CTA_SECCTX => flow.secctx = decode_secctx(attr, unknown)?,
            CTA_TIMESTAMP => flow.timestamp = decode_timestamp(attr, unknown)?,
            CTA_MARK_MASK => flow.mark_mask = Some(attr.be32()?),
            CTA_LABELS => flow.labels = Some(decode_labels(attr)?),
            CTA_LABELS_MASK => flow.labels_mask = Some(decode_labels(attr)?),
            CTA_SYNPROXY => flow.synproxy = Some(nat::decode_synproxy(attr, unknown)?),
            CTA_TIMESTAMP_EVENT => flow.event_time = Some(attr.be64()?),
            _ => *unknown += 1,
        }
    }
    if has_tuple {
        Ok(decoded)
    } else {
        Err(Malformed::MissingTuple)
    }
}

fn decode_helper<'a>(nest: Attr<'a>, unknown: &mut u32) -> Result<Option<Helper<'a>>, Malformed> {
    let mut name = None;
    let mut info = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_HELP_NAME => name = Some(attr.name()),
            CTA_HELP_INFO => info = Some(attr.payload),
            _ => *unknown += 1,
        }
    }
    Ok(name.map(|name| Helper { name, info }))
}

fn decode_secctx<'a>(nest: Attr<'a>, unknown: &mut u32) -> Result<Option<Name<'a>>, Malformed> {
    let mut name = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_SECCTX_NAME => name = Some(attr.name()),
            _ => *unknown += 1,
        }
    }
    Ok(name)
}

fn decode_counters(nest: Attr<'_>, unknown: &mut u32) -> Result<Counters, Malformed> {
    let mut counters = Counters::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_COUNTERS_PACKETS => counters.packets = attr.be64()?,
            CTA_COUNTERS_BYTES => counters.bytes = attr.be64()?,
            CTA_COUNTERS32_PACKETS => counters.packets = attr.be32()?.into(),
            CTA_COUNTERS32_BYTES => counters.bytes = attr.be32()?.into(),
            CTA_COUNTERS_PAD => {}
            _ => *unknown += 1,
        }
    }
    Ok(counters)
}

fn decode_timestamp(nest: Attr<'_>, unknown: &mut u32) -> Result<Option<Timestamp>, Malformed> {
    let mut start = None;
    let mut stop = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_TIMESTAMP_START => start = Some(attr.be64()?),
            CTA_TIMESTAMP_STOP => stop = Some(attr.be64()?),
            CTA_TIMESTAMP_PAD => {}
            _ => *unknown += 1,
        }
    }
    Ok(start.map(|start| Timestamp { start, stop }))
}

/// The kernel copies the words of its bitmap as they lie in memory (`ctnetlink_dump_labels`).
fn decode_labels(attr: Attr<'_>) -> Result<Labels, Malformed> {
    let mut words = [0; 4];
    let mut len = 0;
    let mut rest = attr.payload;
    while let Some((word, tail)) = rest.split_first_chunk() {
        *words.get_mut(len).ok_or(Malformed::AttributeSize)? = u32::from_ne_bytes(*word);
        len += 1;
        rest = tail;
    }
    words
        .get(..len)
        .filter(|_| rest.is_empty())
        .and_then(Labels::from_words)
        .ok_or(Malformed::AttributeSize)
}

/// Writes every attribute that the flow has.
pub fn encode(w: &mut AttrWriter<'_>, flow: &Flow<'_>) {
    tuple::encode(w, CTA_TUPLE_ORIG, &flow.orig);
    if let Some(reply) = &flow.reply {
        tuple::encode(w, CTA_TUPLE_REPLY, reply);
    }
    encode_changes(w, flow, flow.status);
    encode_reported(w, flow);
}

/// Writes what a request may set: this status, and the rest without the tuples that name the flow.
pub(super) fn encode_changes(w: &mut AttrWriter<'_>, flow: &Flow<'_>, status: Option<Status>) {
    if let Some(Status(status)) = status {
        w.be32(CTA_STATUS, status);
    }
    encode_numbers(w, flow);
    if let Some(info) = &flow.protoinfo {
        protoinfo::encode(w, info);
    }
    encode_nat(w, flow);
    if let Some(helper) = &flow.helper {
        encode_helper(w, helper);
    }
    if let Some(Zone(zone)) = flow.zone {
        w.be16(CTA_ZONE, zone);
    }
    if let Some(labels) = &flow.labels {
        w.host_words(CTA_LABELS, labels.words());
    }
    if let Some(mask) = &flow.labels_mask {
        w.host_words(CTA_LABELS_MASK, mask.words());
    }
    if let Some(synproxy) = &flow.synproxy {
        nat::encode_synproxy(w, CTA_SYNPROXY, synproxy);
    }
    if let Some(master) = &flow.master {
        tuple::encode(w, CTA_TUPLE_MASTER, master);
    }
}

fn encode_numbers(w: &mut AttrWriter<'_>, flow: &Flow<'_>) {
    if let Some(timeout) = flow.timeout {
        w.be32(CTA_TIMEOUT, timeout);
    }
    if let Some(Mark(mark)) = flow.mark {
        w.be32(CTA_MARK, mark);
    }
    if let Some(mask) = flow.mark_mask {
        w.be32(CTA_MARK_MASK, mask);
    }
    if let Some(secmark) = flow.secmark {
        w.be32(CTA_SECMARK, secmark);
    }
}

fn encode_nat(w: &mut AttrWriter<'_>, flow: &Flow<'_>) {
    if let Some(range) = &flow.nat_src {
        nat::encode_range(w, CTA_NAT_SRC, range);
    }
    if let Some(range) = &flow.nat_dst {
        nat::encode_range(w, CTA_NAT_DST, range);
    }
    if let Some(adj) = &flow.seq_adj.orig {
        nat::encode_seq_adj(w, CTA_SEQ_ADJ_ORIG, adj);
    }
    if let Some(adj) = &flow.seq_adj.reply {
        nat::encode_seq_adj(w, CTA_SEQ_ADJ_REPLY, adj);
    }
}

fn encode_helper(w: &mut AttrWriter<'_>, helper: &Helper<'_>) {
    w.nest(CTA_HELP, |w| {
        w.name(CTA_HELP_NAME, helper.name.as_bytes());
        if let Some(info) = helper.info {
            w.bytes(CTA_HELP_INFO, info);
        }
    });
}

fn encode_reported(w: &mut AttrWriter<'_>, flow: &Flow<'_>) {
    if let Some(counters) = &flow.counters.orig {
        encode_counters(w, CTA_COUNTERS_ORIG, counters);
    }
    if let Some(counters) = &flow.counters.reply {
        encode_counters(w, CTA_COUNTERS_REPLY, counters);
    }
    if let Some(Timestamp { start, stop }) = flow.timestamp {
        w.nest(CTA_TIMESTAMP, |w| {
            w.be64(CTA_TIMESTAMP_START, start);
            if let Some(stop) = stop {
                w.be64(CTA_TIMESTAMP_STOP, stop);
            }
        });
    }
    if let Some(name) = &flow.secctx {
        w.nest(CTA_SECCTX, |w| w.name(CTA_SECCTX_NAME, name.as_bytes()));
    }
    if let Some(id) = flow.id {
        w.be32(CTA_ID, id);
    }
    if let Some(use_count) = flow.use_count {
        w.be32(CTA_USE, use_count);
    }
    if let Some(time) = flow.event_time {
        w.be64(CTA_TIMESTAMP_EVENT, time);
    }
}

fn encode_counters(w: &mut AttrWriter<'_>, kind: u16, counters: &Counters) {
    w.nest(kind, |w| {
        w.be64(CTA_COUNTERS_PACKETS, counters.packets);
        w.be64(CTA_COUNTERS_BYTES, counters.bytes);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::{Icmp, PerDir, ProtoInfo, SctpInfo, SctpState};
    use std::vec;
    use std::vec::Vec;

    fn written(attributes: impl FnOnce(&mut AttrWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        AttrWriter::bare(&mut out, attributes).unwrap();
        out
    }

    fn ping() -> Flow<'static> {
        let icmp = Icmp {
            kind: 8,
            code: 0,
            id: 0x0102,
        };
        Flow::new(Tuple {
            l4: L4::Icmp(icmp),
            ..NOWHERE
        })
    }

    #[test]
    fn a_flow_without_original_tuple_is_malformed() {
        let bytes = written(|w| {
            tuple::encode(w, CTA_TUPLE_REPLY, &NOWHERE);
            w.be32(CTA_TIMEOUT, 1);
        });
        assert_eq!(decode(&bytes), Err(Malformed::MissingTuple));
        assert_eq!(decode(&[]), Err(Malformed::MissingTuple));
    }

    /// Every attribute of `enum ctattr_type` that is no nest, one byte longer than it should be.
    #[test]
    fn a_known_attribute_of_another_size_is_malformed() {
        let sizes = [
            (CTA_STATUS, 4),
            (CTA_TIMEOUT, 4),
            (CTA_MARK, 4),
            (CTA_MARK_MASK, 4),
            (CTA_USE, 4),
            (CTA_ID, 4),
            (CTA_SECMARK, 4),
            (CTA_ZONE, 2),
            (CTA_LABELS, 16),
            (CTA_LABELS, 4),
            (CTA_LABELS, 0),
            (CTA_LABELS, 19),
            (CTA_LABELS_MASK, 16),
            (CTA_TIMESTAMP_EVENT, 8),
        ];
        for (kind, size) in sizes {
            let bytes = written(|w| {
                encode(w, &ping());
                w.bytes(kind, &vec![0; size + 1]);
            });
            assert_eq!(decode(&bytes), Err(Malformed::AttributeSize), "{kind}");
        }
        let bytes = written(|w| {
            encode(w, &ping());
            w.bytes(CTA_LABELS, &[]);
        });
        assert_eq!(decode(&bytes), Err(Malformed::AttributeSize));
    }

    fn check_bytes(flow: &Flow<'_>, kind: u16, expected: &[u8]) {
        let bytes = written(|w| encode(w, flow));
        let attr = Attrs::new(&bytes).find(kind).unwrap();
        assert_eq!(attr.payload, expected);
        assert_eq!(decode(&bytes).unwrap().value, *flow);
    }

    #[test]
    fn labels_are_words_of_the_machine_and_the_rest_is_big_endian() {
        let labels = Labels::from_words(&[0x0102_0304, 1]).unwrap();
        let [a, b] = [0x0102_0304_u32, 1].map(u32::to_ne_bytes);
        let labelled = Flow {
            labels: Some(labels),
            ..ping()
        };
        check_bytes(&labelled, CTA_LABELS, &[a, b].concat());
        let marked = Flow {
            mark: Some(Mark(0x0102_0304)),
            ..ping()
        };
        check_bytes(&marked, CTA_MARK, &[1, 2, 3, 4]);
        let known = Flow {
            id: Some(0x0102_0304),
            ..ping()
        };
        check_bytes(&known, CTA_ID, &[1, 2, 3, 4]);
    }

    #[test]
    fn verification_tags_stand_as_in_the_packet() {
        let flow = Flow {
            protoinfo: Some(ProtoInfo::Sctp(SctpInfo {
                state: Some(SctpState(3)),
                vtag: PerDir {
                    orig: Some(1),
                    reply: None,
                },
            })),
            ..ping()
        };
        let state = [5_u16.to_ne_bytes(), 1_u16.to_ne_bytes(), [3, 0], [0, 0]].concat();
        let tag = [8_u16.to_ne_bytes(), 2_u16.to_ne_bytes(), [0, 0], [0, 1]].concat();
        let nest = [20_u16.to_ne_bytes(), 0x8003_u16.to_ne_bytes()].concat();
        check_bytes(&flow, CTA_PROTOINFO, &[nest, state, tag].concat());
    }

    #[test]
    fn old_counters_of_32_bits_are_read() {
        let bytes = written(|w| {
            encode(w, &ping());
            w.nest(CTA_COUNTERS_ORIG, |w| {
                w.be32(CTA_COUNTERS32_PACKETS, 3);
                w.be32(CTA_COUNTERS32_BYTES, 400);
            });
        });
        let counters = decode(&bytes).unwrap().value.counters.orig.unwrap();
        assert_eq!((counters.packets, counters.bytes), (3, 400));
    }

    #[test]
    fn padding_is_no_unknown_attribute() {
        let bytes = written(|w| {
            encode(w, &ping());
            w.nest(CTA_COUNTERS_ORIG, |w| w.bytes(CTA_COUNTERS_PAD, &[]));
            w.nest(CTA_TIMESTAMP, |w| w.bytes(CTA_TIMESTAMP_PAD, &[]));
        });
        assert_eq!(decode(&bytes).unwrap().unknown, 0);
    }
}
