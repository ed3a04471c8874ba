//! Messages about expectations (docs/wire.md, "Expectation attributes").
//!
//! Their attributes have numbers of their own. The tuple waited for and its master's are
//! mandatory here (compat: sync-1). The zone is not sent.

use alloc::vec::Vec;

use flow::{EventKind, ExpectationFlags, Protocol};

use crate::seq::Seq;
use crate::wire::DropReason;
use crate::wire::attr::{Attr, Attrs, Writer};
use crate::wire::header::{Flags, Header, Kind};
use crate::wire::name::{FunctionName, HelperName};
use crate::wire::tuple::TupleParts;

const MASTER_IPV4: u16 = 0;
const MASTER_IPV6: u16 = 1;
const MASTER_L4PROTO: u16 = 2;
const MASTER_PORT: u16 = 3;
const EXPECT_IPV4: u16 = 4;
const EXPECT_IPV6: u16 = 5;
const EXPECT_L4PROTO: u16 = 6;
const EXPECT_PORT: u16 = 7;
const MASK_IPV4: u16 = 8;
const MASK_IPV6: u16 = 9;
const MASK_L4PROTO: u16 = 10;
const MASK_PORT: u16 = 11;
const TIMEOUT: u16 = 12;
const FLAGS: u16 = 13;
const CLASS: u16 = 14;
const NAT_IPV4: u16 = 15;
const NAT_PORT: u16 = 16;
const NAT_L4PROTO: u16 = 17;
const NAT_DIR: u16 = 18;
const HELPER_NAME: u16 = 19;
const FN: u16 = 20;

/// A message about an expectation. What is `None` is not in the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectMessage<'a> {
    /// Original tuple of the flow that announced this one; never without addresses and protocol
    /// once decoded.
    pub master: TupleParts,
    /// The tuple waited for, likewise.
    pub tuple: TupleParts,
    /// Which bits of the tuple count.
    pub mask: TupleParts,
    /// Remaining life in seconds.
    pub timeout: Option<u32>,
    /// Flags; always sent.
    pub flags: Option<ExpectationFlags>,
    /// Index into the helper's policies.
    pub class: Option<u32>,
    /// Saved address and port, in the source position. There is no attribute for IPv6 addresses:
    /// they are not sent.
    pub nat: TupleParts,
    /// Direction of the master in which the expected flow is opened, the kernel's number.
    pub nat_dir: Option<u32>,
    /// Helper; a name too long for the wire is left out.
    pub helper: Option<HelperName<'a>>,
    /// Function called for the new flow.
    pub function: Option<FunctionName<'a>>,
}

impl<'a> ExpectMessage<'a> {
    /// Reads the body of a message of type [`Kind::Expectation`].
    pub fn decode(body: &'a [u8]) -> Result<Self, DropReason> {
        let mut message = Self::default();
        for attr in Attrs::new(body) {
            message.read(&attr?)?;
        }
        if message.master.tuple().is_none() || message.tuple.tuple().is_none() {
            return Err(DropReason::BadPayload);
        }
        Ok(message)
    }

    /// Appends the message, at most [`MESSAGE_LEN_MAX`](super::MESSAGE_LEN_MAX) bytes, attributes
    /// in stock's order. Of `greeting` only HELLO and HELLO_BACK are sent.
    pub fn encode(&self, kind: EventKind, greeting: Flags, seq: Seq, out: &mut Vec<u8>) {
        let header = Header {
            kind: Kind::Expectation(kind),
            flags: greeting.greeting(),
            seq,
        };
        header.encode_with(out, |out| self.encode_body(&mut Writer(out)));
    }

    fn read(&mut self, attr: &Attr<'a>) -> Result<(), DropReason> {
        match attr.number {
            MASTER_IPV4 => self.master.addrs = Some(attr.addrs_v4()?),
            MASTER_IPV6 => self.master.addrs = Some(attr.addrs_v6()?),
            MASTER_L4PROTO => self.master.protocol = Some(Protocol(attr.u8()?)),
            MASTER_PORT => self.master.ports = Some(attr.ports()?),
            EXPECT_IPV4 => self.tuple.addrs = Some(attr.addrs_v4()?),
            EXPECT_IPV6 => self.tuple.addrs = Some(attr.addrs_v6()?),
            EXPECT_L4PROTO => self.tuple.protocol = Some(Protocol(attr.u8()?)),
            EXPECT_PORT => self.tuple.ports = Some(attr.ports()?),
            MASK_IPV4 => self.mask.addrs = Some(attr.addrs_v4()?),
            MASK_IPV6 => self.mask.addrs = Some(attr.addrs_v6()?),
            MASK_L4PROTO => self.mask.protocol = Some(Protocol(attr.u8()?)),
            MASK_PORT => self.mask.ports = Some(attr.ports()?),
            TIMEOUT => self.timeout = Some(attr.u32()?),
            FLAGS => self.flags = Some(ExpectationFlags(attr.u32()?)),
            CLASS => self.class = Some(attr.u32()?),
            NAT_IPV4 => self.nat.addrs = Some(attr.addrs_v4()?),
            NAT_PORT => self.nat.ports = Some(attr.ports()?),
            NAT_L4PROTO => self.nat.protocol = Some(Protocol(attr.u8()?)),
            NAT_DIR => self.nat_dir = Some(attr.u32()?),
            HELPER_NAME => self.helper = Some(attr.name()?),
            FN => self.function = Some(attr.name()?),
            _ => return Err(DropReason::BadPayload),
        }
        Ok(())
    }

    fn encode_body(&self, out: &mut Writer<'_>) {
        out.addrs(MASTER_IPV4, MASTER_IPV6, self.master.addrs);
        out.u8(MASTER_L4PROTO, self.master.protocol.map(|it| it.0));
        out.ports(MASTER_PORT, self.master.ports);
        out.addrs(EXPECT_IPV4, EXPECT_IPV6, self.tuple.addrs);
        out.u8(EXPECT_L4PROTO, self.tuple.protocol.map(|it| it.0));
        out.ports(EXPECT_PORT, self.tuple.ports);
        out.addrs(MASK_IPV4, MASK_IPV6, self.mask.addrs);
        out.u8(MASK_L4PROTO, self.mask.protocol.map(|it| it.0));
        out.ports(MASK_PORT, self.mask.ports);
        out.u32(TIMEOUT, self.timeout);
        out.u32(FLAGS, self.flags.map(|it| it.0));
        out.u32(CLASS, self.class);
        out.addrs_v4(NAT_IPV4, self.nat.addrs);
        out.u8(NAT_L4PROTO, self.nat.protocol.map(|it| it.0));
        out.ports(NAT_PORT, self.nat.ports);
        out.u32(NAT_DIR, self.nat_dir);
        out.name(HELPER_NAME, self.helper);
        out.name(FN, self.function);
    }
}
