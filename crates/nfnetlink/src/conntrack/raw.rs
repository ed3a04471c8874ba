//! A flow that is still bytes.
//!
//! Most events that a filter turns away are turned away by their tuple, status or mark. Looking
//! at just these costs a walk over the headers of the attributes before them. The same view shows
//! attributes that have no name here.

use flow::{Mark, Status, Tuple, Zone};

use crate::conntrack::constants::cta::*;
use crate::conntrack::flow::decode;
use crate::conntrack::tuple;
use crate::malformed::{Decoded, Malformed};
use crate::nl::Attrs;

/// The attributes of a flow, not yet decoded.
///
/// An attribute that is not there gives `None`. Each call walks anew from the first attribute,
/// and does not see what is wrong behind the one it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFlow<'a> {
    attributes: &'a [u8],
}

impl<'a> RawFlow<'a> {
    /// The attributes that follow the generic header of a message.
    pub const fn new(attributes: &'a [u8]) -> Self {
        Self { attributes }
    }

    /// All attributes, the unknown ones too.
    pub const fn attributes(&self) -> Attrs<'a> {
        Attrs::new(self.attributes)
    }

    /// The whole flow.
    pub fn decode(&self) -> Result<Decoded<flow::Flow<'a>>, Malformed> {
        decode(self.attributes)
    }

    /// The original tuple.
    pub fn orig(&self) -> Result<Option<Tuple>, Malformed> {
        self.tuple(CTA_TUPLE_ORIG)
    }

    /// The reply tuple.
    pub fn reply(&self) -> Result<Option<Tuple>, Malformed> {
        self.tuple(CTA_TUPLE_REPLY)
    }

    /// The status.
    pub fn status(&self) -> Result<Option<Status>, Malformed> {
        let attr = self.attributes().find(CTA_STATUS);
        attr.map(|attr| attr.be32().map(Status)).transpose()
    }

    /// The mark.
    pub fn mark(&self) -> Result<Option<Mark>, Malformed> {
        let attr = self.attributes().find(CTA_MARK);
        attr.map(|attr| attr.be32().map(Mark)).transpose()
    }

    /// The zone of both directions.
    pub fn zone(&self) -> Result<Option<Zone>, Malformed> {
        let attr = self.attributes().find(CTA_ZONE);
        attr.map(|attr| attr.be16().map(Zone)).transpose()
    }

    fn tuple(&self, kind: u16) -> Result<Option<Tuple>, Malformed> {
        let attr = self.attributes().find(kind);
        attr.map(|attr| tuple::decode(attr, &mut 0)).transpose()
    }
}
