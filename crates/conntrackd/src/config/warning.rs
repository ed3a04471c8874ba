//! What a file can contain without being refused, but not without a word about it.
//!
//! Where stock has a text it is stock's, since monitoring looks for it.

use std::fmt;

/// What the warning says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// `Nice` has no effect.
    DeprecatedNice,
    /// `Backlog` has no effect.
    DeprecatedBacklog,
    /// `Mode nack`.
    OldModeNack,
    /// `Mode persistent`.
    OldModePersistent,
    /// `Sync` without `Mode`.
    NoMode,
    /// Blocks of several modes.
    SeveralModes(&'static str),
    /// Not a facility; the text is stock's for `General`.
    UnknownFacility(String),
    /// Not a facility; the text is stock's for `Stats`.
    UnknownStatsFacility(String),
    /// `General` and `Stats` disagree.
    ConflictingFacilities,
    /// A protocol that the system does not know.
    UnknownProtocol(String),
    /// A prefix that is too long.
    InvalidNetwork(String),
    /// An address in a filter that is none.
    InvalidFilterV4(String),
    /// An address in a filter that is none.
    InvalidFilterV6(String),
    /// The same network twice.
    RepeatedNetwork(String),
    /// An address of a link that is none.
    InvalidV4(String),
    /// An address of a link that is none.
    InvalidV6(String),
    /// `IPv6_interface`.
    Ipv6InterfaceIgnored,
    /// An IPv4 group with an IPv6 interface.
    GroupV4OnV6,
    /// An IPv6 group with an IPv4 interface.
    GroupV6OnV4,
    /// `CommitTimeout` with `DisableExternalCache`.
    CommitTimeoutIgnored,
    /// A path directly followed by `#`.
    PathEndsAtComment(String),
}

/// A warning and where its cause stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line, counted from 1.
    pub line: u32,
    /// What it says.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use WarningKind as Kind;
        let line = self.line;
        match &self.kind {
            Kind::DeprecatedNice => f.write_str(
                "deprecated nice configuration, ignoring. The nice value can be set externally \
                 with nice(1) and renice(1).",
            ),
            Kind::DeprecatedBacklog => {
                f.write_str("deprecated unix backlog configuration, ignoring.")
            }
            Kind::OldModeNack => old_mode(f, "nack", "ftfw"),
            Kind::OldModePersistent => old_mode(f, "persistent", "alarm"),
            Kind::NoMode => {
                f.write_str("No synchronization mode specified. Defaulting to FT-FW mode.")
            }
            Kind::SeveralModes(used) => write!(
                f,
                "more than one `Mode' block (the last one in line {line}): mode {used} is used"
            ),
            Kind::UnknownFacility(name) => {
                write!(f, "'{name}' is not a known syslog facility, ignoring")
            }
            Kind::UnknownStatsFacility(name) => {
                write!(f, "'{name}' is not a known syslog facility, ignoring.")
            }
            Kind::ConflictingFacilities => {
                f.write_str("conflicting Syslog facility values, defaulting to General")
            }
            Kind::UnknownProtocol(name) => write!(
                f,
                "getprotobyname() cannot find protocol `{name}' in /etc/protocols"
            ),
            Kind::InvalidNetwork(text) => write!(f, "{text} is not a valid network, ignoring"),
            Kind::InvalidFilterV4(text) => write!(f, "{text} is not a valid IPv4, ignoring"),
            Kind::InvalidFilterV6(text) => write!(f, "{text} is not a valid IPv6, ignoring"),
            Kind::RepeatedNetwork(addr) => {
                write!(f, "netmask {addr} is repeated in the ignore pool")
            }
            Kind::InvalidV4(text) => write!(f, "{text} is not a valid IPv4 address"),
            Kind::InvalidV6(text) => write!(f, "{text} is not a valid IPv6 address"),
            Kind::Ipv6InterfaceIgnored => f.write_str("`IPv6_interface' not required, ignoring"),
            Kind::GroupV4OnV6 => f.write_str(
                "your multicast address is IPv4 but is binded to an IPv6 interface? Surely, this \
                 is not what you want",
            ),
            Kind::GroupV6OnV4 => f.write_str(
                "your multicast address is IPv6 but is binded to an IPv4 interface? Surely this \
                 is not what you want",
            ),
            Kind::CommitTimeoutIgnored => f.write_str(
                "`CommitTimeout' can't be combined with `DisableExternalCache', ignoring this \
                 option. Fix your configuration file.",
            ),
            Kind::PathEndsAtComment(path) => write!(
                f,
                "the path `{path}' in line {line} ends at the `#' behind it, which starts a \
                 comment; put the path in quotes if `#' is part of it"
            ),
        }
    }
}

fn old_mode(f: &mut fmt::Formatter<'_>, old: &str, new: &str) -> fmt::Result {
    // The empty line behind it is stock's.
    writeln!(
        f,
        "Now `{old}' mode is called `{new}'. Please, update your conntrackd.conf file."
    )
}
