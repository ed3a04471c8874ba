//! What an operator should know of the dedicated links.
//!
//! Stock's sentences are kept where it has one.

use std::borrow::Cow;
use std::net::SocketAddr;

use linux::channel::tcp::Incoming;
use linux::{Errno, SystemError, error};

use super::Settings;
use crate::log::Level;

/// One thing to be logged about a link, which is named by its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkReport {
    /// It is open.
    Opened(Settings),
    /// It cannot be opened for now; it is tried again.
    NotOpened(SystemError),
    /// Its interface is up and has a carrier.
    Up(String),
    /// Its interface is down, without carrier, or gone.
    Down(String),
    /// This link is used from now on.
    InUse(String),
    /// There is no link that works.
    NoneAvailable,
    /// It refuses datagrams.
    Refused(SystemError),
    /// It takes datagrams again.
    Works(String),
    /// The peer has accepted our connection.
    Connected(String),
    /// There is no connection to the peer.
    Disconnected(String, Errno),
    /// The peer has connected to us.
    PeerConnected(String, SocketAddr),
    /// The connection of the peer has ended.
    PeerDisconnected(String),
    /// Somebody else has connected to us and was turned away.
    Stranger(String, SocketAddr),
    /// A datagram came from somebody who is not to be heard.
    StrangeDatagram(String, SocketAddr),
    /// Somebody has connected, for whom there is no room now.
    NotAccepted(String, Errno),
    /// What came over the connection of the peer is no messages; it was closed.
    OutOfStep(String),
    /// What happens to interfaces cannot be learnt.
    Unwatched(SystemError),
}

impl LinkReport {
    /// What is to be said of something that came over a link of streams; nothing of messages.
    pub fn of_stream(name: &str, incoming: &Incoming<'_>) -> Option<Self> {
        let name = name.to_owned();
        Some(match incoming {
            Incoming::Messages(_) => return None,
            Incoming::Connected(from) => Self::PeerConnected(name, *from),
            Incoming::Closed(_) => Self::PeerDisconnected(name),
            Incoming::OutOfStep => Self::OutOfStep(name),
            Incoming::Stranger(from) => Self::Stranger(name, *from),
            Incoming::NotAccepted(errno) => Self::NotAccepted(name, *errno),
        })
    }

    /// How grave it is.
    pub const fn level(&self) -> Level {
        match self {
            Self::NoneAvailable | Self::Unwatched(_) => Level::Error,
            Self::NotOpened(_)
            | Self::Down(_)
            | Self::Refused(_)
            | Self::Disconnected(..)
            | Self::PeerDisconnected(_)
            | Self::Stranger(..)
            | Self::StrangeDatagram(..)
            | Self::NotAccepted(..)
            | Self::OutOfStep(_) => Level::Warning,
            Self::Opened(_)
            | Self::Up(_)
            | Self::InUse(_)
            | Self::Works(_)
            | Self::Connected(_)
            | Self::PeerConnected(..) => Level::Notice,
        }
    }

    /// The kind of what may come again and again; too many of a kind are only counted.
    pub const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Opened(_) => None,
            Self::NotOpened(_) | Self::Refused(_) | Self::Works(_) | Self::Unwatched(_) => {
                Some("refusals of the link")
            }
            Self::Up(_) | Self::Down(_) | Self::InUse(_) | Self::NoneAvailable => {
                Some("changes of links")
            }
            Self::Connected(_)
            | Self::Disconnected(..)
            | Self::PeerConnected(..)
            | Self::PeerDisconnected(_) => Some("connections of the peer"),
            Self::NotAccepted(..) => Some("connections without room"),
            // Apart from the others, which a stranger could hide otherwise.
            Self::Stranger(..) | Self::StrangeDatagram(..) => Some("messages of strangers"),
            Self::OutOfStep(_) => Some("broken streams"),
        }
    }

    /// The line of the log.
    pub fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Opened(settings) => format!("dedicated link: {settings}").into(),
            Self::NotOpened(error) | Self::Refused(error) | Self::Unwatched(error) => {
                error.to_string().into()
            }
            Self::Up(name) => format!("dedicated link on {name} is up").into(),
            Self::Down(name) => format!("dedicated link on {name} is down").into(),
            Self::InUse(name) => format!("device `{name}' becomes dedicated link").into(),
            Self::NoneAvailable => "no dedicated links available!".into(),
            Self::Works(name) => format!("sending to the peer on {name} works again").into(),
            Self::Connected(name) => format!("connected to the peer on {name}").into(),
            Self::Disconnected(name, errno) => format!(
                "no connection to the peer on {name}: {}; trying again",
                error::reason(*errno)
            )
            .into(),
            Self::PeerConnected(name, from) => {
                format!("the peer has connected on {name}, from {from}").into()
            }
            Self::PeerDisconnected(name) => {
                format!("the connection of the peer on {name} has ended").into()
            }
            Self::Stranger(name, from) => format!(
                "a connection from {from} on {name} was turned away: that is not the peer's address"
            )
            .into(),
            Self::StrangeDatagram(name, from) => {
                format!("a datagram from {from} on {name} was dropped: not in `AcceptFrom'").into()
            }
            Self::NotAccepted(name, errno) => format!(
                "a connection on {name} cannot be accepted: {}; trying again",
                error::reason(*errno)
            )
            .into(),
            Self::OutOfStep(name) => {
                format!("what the peer sends on {name} is no messages; its connection was closed")
                    .into()
            }
        }
    }
}
