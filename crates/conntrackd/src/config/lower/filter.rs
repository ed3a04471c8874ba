//! `Filter` in section `General`: lists of protocols, addresses and states.
//!
//! A word that stock's grammar refuses is an error here too; a word of the right shape that names
//! nothing is warned about and left out, as in stock.

use std::net::IpAddr;

use flow::filter::{Network, Policy};
use flow::{DccpState, SctpState, TcpState};

use super::super::ast::{Block, Head, Item, Word};
use super::super::error::ErrorKind;
use super::super::grammar::Key;
use super::super::model::{Filter, FilterPlace, FilterState};
use super::super::protocols;
use super::super::warning::WarningKind;
use super::Notes;

/// The states that can be named, in the order of their number. `CLOSE` and `LISTEN` are the names
/// stock gives to what this kernel calls `CLOSE` and `SYN_SENT2`.
pub const STATES: [(&str, TcpState); 10] = [
    ("SYN_SENT", TcpState::SYN_SENT),
    ("SYN_RECV", TcpState::SYN_RECV),
    ("ESTABLISHED", TcpState::ESTABLISHED),
    ("FIN_WAIT", TcpState::FIN_WAIT),
    ("CLOSE_WAIT", TcpState::CLOSE_WAIT),
    ("LAST_ACK", TcpState::LAST_ACK),
    ("TIME_WAIT", TcpState::TIME_WAIT),
    ("CLOSED", TcpState::CLOSE),
    ("CLOSE", TcpState::CLOSE),
    ("LISTEN", TcpState::SYN_SENT2),
];

static TCP_NAMES: [&str; 10] = {
    let mut names = [""; 10];
    let mut at = 0;
    while at < names.len() {
        names[at] = STATES[at].0;
        at += 1;
    }
    names
};

static SCTP_NAMES: [&str; SctpState::ALL.len()] = {
    let mut names = [""; SctpState::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = SctpState::ALL[at].1;
        at += 1;
    }
    names
};

static DCCP_NAMES: [&str; DccpState::ALL.len()] = {
    let mut names = [""; DccpState::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = DccpState::ALL[at].1;
        at += 1;
    }
    names
};

/// Adds one `Filter` block to what is known.
pub fn lower(item: &Item<'_>, filter: &mut Option<Filter>, notes: &mut Notes) {
    let Some(block) = item.block() else { return };
    let filter = filter.get_or_insert(Filter {
        place: FilterPlace::Userspace,
        protocols: None,
        addresses: None,
        states: None,
    });
    filter.place = match block.head {
        Head::From(word) if word.text == "Kernelspace" => FilterPlace::Kernelspace,
        _ => FilterPlace::Userspace,
    };
    for item in &block.items {
        let Some(block) = item.block() else { continue };
        match item.key {
            Key::Protocol => protocols(block, list(&mut filter.protocols, block), notes),
            Key::Address => addresses(block, list(&mut filter.addresses, block), notes),
            Key::State => states(block, list(&mut filter.states, block), notes),
            _ => {}
        }
    }
}

/// The list of one test: repeated blocks add up, the last policy counts.
fn list<'f, T>(test: &'f mut Option<(Policy, Vec<T>)>, block: &Block<'_>) -> &'f mut Vec<T> {
    let policy = match block.head {
        Head::Policy(policy) => policy,
        _ => Policy::Accept,
    };
    let (last, list) = test.get_or_insert_with(|| (policy, Vec::new()));
    *last = policy;
    list
}

fn protocols(block: &Block<'_>, list: &mut Vec<flow::Protocol>, notes: &mut Notes) {
    for word in &block.words {
        match protocols::from_name(word.text) {
            Some(protocol) if list.contains(&protocol) => {}
            Some(protocol) => list.push(protocol),
            None if word.text.starts_with(|first: char| first.is_ascii_digit()) => {
                notes.fault(word.span, ErrorKind::ProtocolNumber(word.text.to_owned()));
            }
            None => notes.warn(
                word.span,
                WarningKind::UnknownProtocol(word.text.to_owned()),
            ),
        }
    }
}

fn states(block: &Block<'_>, list: &mut Vec<FilterState>, notes: &mut Notes) {
    for (words, protocol) in &block.groups {
        for word in words {
            match state(word.text, protocol.text) {
                Ok(state) if list.contains(&state) => {}
                Ok(state) => list.push(state),
                Err((what, allowed)) => notes.fault(
                    word.span,
                    ErrorKind::UnknownWord {
                        what,
                        word: word.text.to_owned(),
                        allowed,
                    },
                ),
            }
        }
    }
}

/// The state of this name, or what it was looked for among.
fn state(
    name: &str,
    protocol: &str,
) -> Result<FilterState, (&'static str, &'static [&'static str])> {
    match protocol {
        "SCTP" => SctpState::from_name(name)
            .map(FilterState::Sctp)
            .ok_or(("SCTP state", SCTP_NAMES.as_slice())),
        "DCCP" => DccpState::from_name(name)
            .map(FilterState::Dccp)
            .ok_or(("DCCP state", DCCP_NAMES.as_slice())),
        _ => STATES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, state)| FilterState::Tcp(*state))
            .ok_or(("TCP state", TCP_NAMES.as_slice())),
    }
}

fn addresses(block: &Block<'_>, list: &mut Vec<Network>, notes: &mut Notes) {
    for item in &block.items {
        let Some(network) = network(item, notes) else {
            continue;
        };
        if !list.contains(&network) {
            list.push(network);
        } else if network.addr().is_ipv4() && !network.is_host() {
            let addr = network.addr().to_string();
            notes.warn(item.word().span, WarningKind::RepeatedNetwork(addr));
        }
    }
}

fn network(item: &Item<'_>, notes: &mut Notes) -> Option<Network> {
    let word = item.word();
    if !looks_like_address(word) {
        notes.no_address(item);
        return None;
    }
    let (addr, prefix) = match word.text.split_once('/') {
        Some((addr, prefix)) => (addr, Some(prefix)),
        None => (word.text, None),
    };
    let (parsed, invalid): (Option<IpAddr>, fn(String) -> WarningKind) = match item.key {
        Key::Ipv6Address => (
            addr.parse().ok().map(IpAddr::V6),
            WarningKind::InvalidFilterV6,
        ),
        _ => (
            addr.parse().ok().map(IpAddr::V4),
            WarningKind::InvalidFilterV4,
        ),
    };
    let Some(parsed) = parsed else {
        notes.warn(word.span, invalid(addr.to_owned()));
        return None;
    };
    let network = match prefix {
        None => Some(Network::host(parsed)),
        Some(prefix) => prefix
            .parse()
            .ok()
            .and_then(|prefix| Network::new(parsed, prefix)),
    };
    if network.is_none() {
        notes.warn(word.span, WarningKind::InvalidNetwork(word.text.to_owned()));
    }
    network
}

/// Whether stock's lexer would take this for an address: others are syntax errors, wrong
/// addresses only warned about.
pub fn looks_like_address(word: Word<'_>) -> bool {
    word.text
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'/'))
}
