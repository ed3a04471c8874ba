//! The table of protocols and the options that exist only after `-p PROTOCOL`.
//!
//! The same value has other names with other protocols (a GRE key stands where others have a
//! port), so a row names the [`Field`] it fills and how its value is read. The matrix letters are
//! those of [`options`](super::options::COLUMNS).

use flow::Protocol;

/// A value of a protocol, whatever its option is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Source port or key of the original direction.
    Src,
    /// Destination port or key of the original direction.
    Dst,
    /// Source port or key of the reply direction.
    ReplySrc,
    /// Destination port or key of the reply direction.
    ReplyDst,
    /// Mask of an expectation's source port or key.
    MaskSrc,
    /// Mask of an expectation's destination port or key.
    MaskDst,
    /// Source port or key of the expected flow.
    TupleSrc,
    /// Destination port or key of the expected flow.
    TupleDst,
    /// State.
    State,
    /// Verification tag of the original direction.
    OrigVtag,
    /// Verification tag of the reply direction.
    ReplyVtag,
    /// Role.
    Role,
    /// ICMP type.
    Kind,
    /// ICMP code.
    Code,
    /// ICMP identifier.
    IcmpId,
    /// Window scales.
    Wscale,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A decimal number of this many bits.
    Decimal(u8),
    /// A GRE key: 16 bits, also hexadecimal or octal.
    Key,
    /// A state of TCP.
    TcpState,
    /// A state of SCTP.
    SctpState,
    /// A state of DCCP.
    DccpState,
    /// A role of DCCP.
    Role,
    /// Window scales of both directions.
    Wscale,
}

/// An option of a protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct ProtoOpt {
    /// What it fills.
    pub field: Field,
    /// Long names; diagnostics use the first.
    pub names: &'static [&'static str],
    /// How its value is written.
    pub value: Value,
    /// With which commands it goes.
    pub matrix: &'static str,
    /// Its line of the help.
    pub help: &'static str,
}

/// A protocol with options of its own.
#[derive(Debug)]
pub struct Row {
    /// Which one.
    pub protocol: Protocol,
    /// Its options, in the order of the checks.
    pub options: &'static [&'static [ProtoOpt]],
    /// The names of the two pairs of which one has to be complete, as diagnostics spell them.
    pub pairs: [(&'static str, &'static str); 2],
}

const fn option(
    field: Field,
    names: &'static [&'static str],
    value: Value,
    matrix: &'static str,
    help: &'static str,
) -> ProtoOpt {
    ProtoOpt {
        field,
        names,
        value,
        matrix,
        help,
    }
}

#[rustfmt::skip]
const PORTS: [ProtoOpt; 8] = [
    //                                                              LIAUDGEFh LIDGEF(expect) C
    option(Field::Src, &["sport", "orig-port-src"], Value::Decimal(16), "oPPooPo---RRR---", "source port of the original direction"),
    option(Field::Dst, &["dport", "orig-port-dst"], Value::Decimal(16), "oPPooPo---RRR---", "destination port of the original direction"),
    option(Field::ReplySrc, &["reply-port-src"], Value::Decimal(16), "oPPooPo----RR---", "source port of the reply direction"),
    option(Field::ReplyDst, &["reply-port-dst"], Value::Decimal(16), "oPPooPo----RR---", "destination port of the reply direction"),
    option(Field::MaskSrc, &["mask-port-src"], Value::Decimal(16), "----------R-----", "which bits of the expected source port count"),
    option(Field::MaskDst, &["mask-port-dst"], Value::Decimal(16), "----------R-----", "which bits of the expected destination port count"),
    option(Field::TupleSrc, &["tuple-port-src"], Value::Decimal(16), "----------R-----", "source port of the expected flow"),
    option(Field::TupleDst, &["tuple-port-dst"], Value::Decimal(16), "----------R-----", "destination port of the expected flow"),
];

#[rustfmt::skip]
const KEYS: [ProtoOpt; 8] = [
    option(Field::Src, &["srckey", "orig-key-src"], Value::Key, "oPPooPo---RRR---", "source key of the original direction"),
    option(Field::Dst, &["dstkey", "orig-key-dst"], Value::Key, "oPPooPo---RRR---", "destination key of the original direction"),
    option(Field::ReplySrc, &["reply-key-src"], Value::Key, "oPPooPo---RRR---", "source key of the reply direction"),
    option(Field::ReplyDst, &["reply-key-dst"], Value::Key, "oPPooPo---RRR---", "destination key of the reply direction"),
    option(Field::MaskSrc, &["mask-key-src"], Value::Key, "----------R-----", "which bits of the expected source key count"),
    option(Field::MaskDst, &["mask-key-dst"], Value::Key, "----------R-----", "which bits of the expected destination key count"),
    option(Field::TupleSrc, &["tuple-key-src"], Value::Key, "----------R-----", "source key of the expected flow"),
    option(Field::TupleDst, &["tuple-key-dst"], Value::Key, "----------R-----", "destination key of the expected flow"),
];

#[rustfmt::skip]
const TCP: [ProtoOpt; 2] = [
    option(Field::State, &["state"], Value::TcpState, "oRRoooo---------", "state, such as ESTABLISHED"),
    option(Field::Wscale, &["wscale"], Value::Wscale, "-oo-------------", "window scales of both directions, ORIGINAL,REPLY"),
];

#[rustfmt::skip]
const SCTP: [ProtoOpt; 3] = [
    option(Field::State, &["state"], Value::SctpState, "oRRoooo---------", "state, such as ESTABLISHED"),
    option(Field::OrigVtag, &["orig-vtag"], Value::Decimal(32), "-RRo-o----R-----", "verification tag of the original direction"),
    option(Field::ReplyVtag, &["reply-vtag"], Value::Decimal(32), "-RRo-o----R-----", "verification tag of the reply direction"),
];

// A kernel without a tracker for DCCP reports neither, so a saved flow may lack both
// (compat: cli-116).
#[rustfmt::skip]
const DCCP: [ProtoOpt; 2] = [
    option(Field::State, &["state"], Value::DccpState, "oRxoooo---------", "state, such as RESPOND"),
    option(Field::Role, &["role"], Value::Role, "-Rx-------R-----", "client or server"),
];

#[rustfmt::skip]
const ICMP: [ProtoOpt; 3] = [
    option(Field::Kind, &["icmp-type"], Value::Decimal(8), "oRRooRo---------", "type of the original direction"),
    option(Field::Code, &["icmp-code"], Value::Decimal(8), "oRRooRo---------", "code"),
    option(Field::IcmpId, &["icmp-id"], Value::Decimal(16), "ooooooo---------", "identifier"),
];

#[rustfmt::skip]
const ICMPV6: [ProtoOpt; 3] = [
    option(Field::Kind, &["icmpv6-type"], Value::Decimal(8), "oRRooRo---------", "type of the original direction"),
    option(Field::Code, &["icmpv6-code"], Value::Decimal(8), "oRRooRo---------", "code"),
    option(Field::IcmpId, &["icmpv6-id"], Value::Decimal(16), "ooooooo---------", "identifier"),
];

const PORT_PAIRS: [(&str, &str); 2] = [
    ("sport", "dport"),
    // The spelling is stock's, and no option has this name.
    ("reply-src-port", "reply-dst-port"),
];
const DCCP_PAIRS: [(&str, &str); 2] = [("sport", "dport"), ("reply-port-src", "reply-port-dst")];
const KEY_PAIRS: [(&str, &str); 2] = [("srckey", "dstkey"), ("reply-src-key", "reply-dst-key")];

const fn row(
    protocol: Protocol,
    options: &'static [&'static [ProtoOpt]],
    pairs: [(&'static str, &'static str); 2],
) -> Row {
    Row {
        protocol,
        options,
        pairs,
    }
}

/// Every protocol with options of its own.
static PROTOCOLS: [Row; 8] = [
    row(Protocol::TCP, &[&PORTS, &TCP], PORT_PAIRS),
    row(Protocol::UDP, &[&PORTS], PORT_PAIRS),
    row(Protocol::UDPLITE, &[&PORTS], PORT_PAIRS),
    row(Protocol::SCTP, &[&PORTS, &SCTP], PORT_PAIRS),
    row(Protocol::DCCP, &[&PORTS, &DCCP], DCCP_PAIRS),
    row(Protocol::ICMP, &[&ICMP], PORT_PAIRS),
    row(Protocol::ICMPV6, &[&ICMPV6], PORT_PAIRS),
    row(Protocol::GRE, &[&KEYS], KEY_PAIRS),
];

impl Row {
    /// The row of a protocol, `None` for one without options.
    pub fn of(protocol: Protocol) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|row| row.protocol == protocol)
    }

    /// The protocol's options, in the order of the checks.
    pub fn options(&self) -> impl Iterator<Item = &'static ProtoOpt> {
        self.options.iter().copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::COLUMNS;

    #[test]
    fn every_known_protocol_has_a_row_with_complete_matrices() {
        for protocol in Protocol::KNOWN {
            let row = Row::of(protocol).expect("a row");
            assert!(row.options().count() > 0);
            for option in row.options() {
                assert_eq!(option.matrix.len(), COLUMNS.len(), "{:?}", option.names);
                let known = option.matrix.chars().all(|c| "RoPx-".contains(c));
                assert!(known, "{:?}", option.names);
            }
        }
        assert!(Row::of(Protocol(2)).is_none());
    }
}
