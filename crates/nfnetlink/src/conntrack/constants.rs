//! Numbers of `linux/netfilter/nfnetlink_conntrack.h`, under the kernel's names.
//!
//! One module per enum of the header, since the same small numbers mean something else in each.
//! A number stands here only if some code reads or writes it.

/// Messages of the flow table (`enum cntl_msg_types`).
pub mod msg {
    /// `IPCTNL_MSG_CT_NEW`.
    pub const NEW: u8 = 0;
    /// `IPCTNL_MSG_CT_GET`.
    pub const GET: u8 = 1;
    /// `IPCTNL_MSG_CT_DELETE`.
    pub const DELETE: u8 = 2;
    /// `IPCTNL_MSG_CT_GET_CTRZERO`.
    pub const GET_CTRZERO: u8 = 3;
    /// `IPCTNL_MSG_CT_GET_STATS_CPU`.
    pub const GET_STATS_CPU: u8 = 4;
    /// `IPCTNL_MSG_CT_GET_STATS`.
    pub const GET_STATS: u8 = 5;
    /// `IPCTNL_MSG_CT_GET_DYING`.
    pub const GET_DYING: u8 = 6;
    /// `IPCTNL_MSG_CT_GET_UNCONFIRMED`.
    pub const GET_UNCONFIRMED: u8 = 7;
}

macro_rules! attributes {
    ($(#[$doc:meta])* $module:ident { $($name:ident = $number:literal,)* }) => {
        $(#[$doc])*
        pub mod $module {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub const $name: u16 = $number;
            )*
        }
    };
}
pub(crate) use attributes;

attributes! {
    /// A flow (`enum ctattr_type`).
    cta {
        CTA_TUPLE_ORIG = 1,
        CTA_TUPLE_REPLY = 2,
        CTA_STATUS = 3,
        CTA_PROTOINFO = 4,
        CTA_HELP = 5,
        CTA_NAT_SRC = 6,
        CTA_TIMEOUT = 7,
        CTA_MARK = 8,
        CTA_COUNTERS_ORIG = 9,
        CTA_COUNTERS_REPLY = 10,
        CTA_USE = 11,
        CTA_ID = 12,
        CTA_NAT_DST = 13,
        CTA_TUPLE_MASTER = 14,
        CTA_SEQ_ADJ_ORIG = 15,
        CTA_SEQ_ADJ_REPLY = 16,
        CTA_SECMARK = 17,
        CTA_ZONE = 18,
        CTA_SECCTX = 19,
        CTA_TIMESTAMP = 20,
        CTA_MARK_MASK = 21,
        CTA_LABELS = 22,
        CTA_LABELS_MASK = 23,
        CTA_SYNPROXY = 24,
        CTA_FILTER = 25,
        CTA_STATUS_MASK = 26,
        CTA_TIMESTAMP_EVENT = 27,
    }
}

attributes! {
    /// A tuple (`enum ctattr_tuple`).
    tuple {
        CTA_TUPLE_IP = 1,
        CTA_TUPLE_PROTO = 2,
        CTA_TUPLE_ZONE = 3,
    }
}

attributes! {
    /// Addresses (`enum ctattr_ip`).
    ip {
        CTA_IP_V4_SRC = 1,
        CTA_IP_V4_DST = 2,
        CTA_IP_V6_SRC = 3,
        CTA_IP_V6_DST = 4,
    }
}

attributes! {
    /// Layer 4 part of a tuple (`enum ctattr_l4proto`).
    proto {
        CTA_PROTO_NUM = 1,
        CTA_PROTO_SRC_PORT = 2,
        CTA_PROTO_DST_PORT = 3,
        CTA_PROTO_ICMP_ID = 4,
        CTA_PROTO_ICMP_TYPE = 5,
        CTA_PROTO_ICMP_CODE = 6,
        CTA_PROTO_ICMPV6_ID = 7,
        CTA_PROTO_ICMPV6_TYPE = 8,
        CTA_PROTO_ICMPV6_CODE = 9,
    }
}

attributes! {
    /// Protocol state (`enum ctattr_protoinfo` and the enums of its nests).
    protoinfo {
        CTA_PROTOINFO_TCP = 1,
        CTA_PROTOINFO_DCCP = 2,
        CTA_PROTOINFO_SCTP = 3,
        CTA_PROTOINFO_TCP_STATE = 1,
        CTA_PROTOINFO_TCP_WSCALE_ORIGINAL = 2,
        CTA_PROTOINFO_TCP_WSCALE_REPLY = 3,
        CTA_PROTOINFO_TCP_FLAGS_ORIGINAL = 4,
        CTA_PROTOINFO_TCP_FLAGS_REPLY = 5,
        CTA_PROTOINFO_DCCP_STATE = 1,
        CTA_PROTOINFO_DCCP_ROLE = 2,
        CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ = 3,
        CTA_PROTOINFO_DCCP_PAD = 4,
        CTA_PROTOINFO_SCTP_STATE = 1,
        CTA_PROTOINFO_SCTP_VTAG_ORIGINAL = 2,
        CTA_PROTOINFO_SCTP_VTAG_REPLY = 3,
    }
}

attributes! {
    /// Counters of one direction (`enum ctattr_counters`).
    counters {
        CTA_COUNTERS_PACKETS = 1,
        CTA_COUNTERS_BYTES = 2,
        CTA_COUNTERS32_PACKETS = 3,
        CTA_COUNTERS32_BYTES = 4,
        CTA_COUNTERS_PAD = 5,
    }
}

attributes! {
    /// Life span (`enum ctattr_tstamp`).
    timestamp {
        CTA_TIMESTAMP_START = 1,
        CTA_TIMESTAMP_STOP = 2,
        CTA_TIMESTAMP_PAD = 3,
    }
}

attributes! {
    /// Translation to set up (`enum ctattr_nat`, `enum ctattr_protonat`).
    nat {
        CTA_NAT_V4_MINIP = 1,
        CTA_NAT_V4_MAXIP = 2,
        CTA_NAT_PROTO = 3,
        CTA_NAT_V6_MINIP = 4,
        CTA_NAT_V6_MAXIP = 5,
        CTA_PROTONAT_PORT_MIN = 1,
        CTA_PROTONAT_PORT_MAX = 2,
    }
}

attributes! {
    /// Sequence adjustment (`enum ctattr_seqadj`).
    seqadj {
        CTA_SEQADJ_CORRECTION_POS = 1,
        CTA_SEQADJ_OFFSET_BEFORE = 2,
        CTA_SEQADJ_OFFSET_AFTER = 3,
    }
}

attributes! {
    /// SYN proxy (`enum ctattr_synproxy`).
    synproxy {
        CTA_SYNPROXY_ISN = 1,
        CTA_SYNPROXY_ITS = 2,
        CTA_SYNPROXY_TSOFF = 3,
    }
}

attributes! {
    /// Helper and security context (`enum ctattr_help`, `enum ctattr_secctx`).
    name {
        CTA_HELP_NAME = 1,
        CTA_HELP_INFO = 2,
        CTA_SECCTX_NAME = 1,
    }
}

attributes! {
    /// Kernel-side filter (`enum ctattr_filter`).
    filter {
        CTA_FILTER_ORIG_FLAGS = 1,
        CTA_FILTER_REPLY_FLAGS = 2,
    }
}
