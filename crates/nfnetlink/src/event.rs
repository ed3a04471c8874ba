//! What a message says has happened to a flow or an expectation.
//!
//! Events, entries of a dump and answers to a query have one shape: an object in the attributes,
//! and flags that tell a new object from a changed one. [`ObjectMessage`] is that shape before its
//! attributes are looked at.

use flow::{Event, EventKind, Expectation, Flow, Object, Origin};

use crate::conntrack::{self, RawFlow, constants::msg};
use crate::expect;
use crate::malformed::{Decoded, Malformed};
use crate::nl::{Attrs, Header, Message, flags};
use crate::subsystem::{GenHeader, Subsystem};
use crate::unknown::UnknownAttributes;

/// A message about one object, attributes not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectMessage<'a> {
    /// Whether it is about a flow or an expectation.
    pub subsystem: Subsystem,
    /// What happened. An entry of a dump looks like an update.
    pub kind: EventKind,
    /// Address family of the object.
    pub family: u8,
    /// The netlink header: who caused it, and which request it answers.
    pub header: Header,
    attributes: &'a [u8],
}

impl<'a> ObjectMessage<'a> {
    /// Reads the headers of a message.
    pub fn decode(message: &Message<'a>) -> Result<Self, Malformed> {
        let header = message.header;
        let subsystem = Subsystem::of_message_type(header.kind).ok_or(Malformed::MessageType)?;
        // Both subsystems number these messages alike.
        let [_, operation] = header.kind.to_be_bytes();
        let kind = match operation {
            msg::NEW if header.has(flags::CREATE) => EventKind::New,
            msg::NEW => EventKind::Update,
            msg::DELETE => EventKind::Destroy,
            _ => return Err(Malformed::MessageType),
        };
        let (generic, attributes) = GenHeader::decode(message.payload)?;
        Ok(Self {
            subsystem,
            kind,
            family: generic.family,
            header,
            attributes,
        })
    }

    /// Port id of the socket that asked for the change, 0 when traffic or a timer caused it.
    ///
    /// Only events say that: an entry of a dump and an answer carry the port id they are sent to.
    pub const fn port_id(&self) -> u32 {
        self.header.port_id
    }

    /// The attributes, unknown ones too.
    pub const fn attributes(&self) -> Attrs<'a> {
        Attrs::new(self.attributes)
    }

    /// The attributes, at any depth, that decoding skips.
    pub const fn unknown(&self) -> UnknownAttributes<'a> {
        UnknownAttributes::new(self.subsystem, self.attributes())
    }

    /// The flow in it, to look at some attributes only.
    ///
    /// Of use for [`Subsystem::Conntrack`] alone.
    pub const fn raw_flow(&self) -> RawFlow<'a> {
        RawFlow::new(self.attributes)
    }

    /// The flow in it.
    pub fn flow(&self) -> Result<Decoded<Flow<'a>>, Malformed> {
        match self.subsystem {
            Subsystem::Conntrack => conntrack::decode(self.attributes),
            Subsystem::Expect => Err(Malformed::MessageType),
        }
    }

    /// The expectation in it.
    pub fn expectation(&self) -> Result<Decoded<Expectation<'a>>, Malformed> {
        match self.subsystem {
            Subsystem::Expect => expect::decode(self.attributes),
            Subsystem::Conntrack => Err(Malformed::MessageType),
        }
    }

    /// The object in it, whichever it is.
    pub fn object(&self) -> Result<Decoded<Object<'a>>, Malformed> {
        match self.subsystem {
            Subsystem::Conntrack => Ok(self.flow()?.map(Object::Flow)),
            Subsystem::Expect => Ok(self.expectation()?.map(Object::Expectation)),
        }
    }
}

/// Reads an event whole.
///
/// The origin is [`Origin::Traffic`] or [`Origin::Other`]: which port ids are our own is known to
/// the owner of the sockets.
pub fn decode_event<'a>(message: &Message<'a>) -> Result<Decoded<Event<'a>>, Malformed> {
    let message = ObjectMessage::decode(message)?;
    let origin = match message.port_id() {
        0 => Origin::Traffic,
        port_id => Origin::Other(port_id),
    };
    Ok(message.object()?.map(|object| Event {
        kind: message.kind,
        origin,
        object,
    }))
}
