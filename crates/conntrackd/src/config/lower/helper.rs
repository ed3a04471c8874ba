//! Section `Helper`: which helpers run, with which queue and which limits.
//!
//! The helpers that can be named are a closed list, each with one policy.

use flow::{Family, Protocol};

use super::super::ast::{Block, Head, Item, Word};
use super::super::error::ErrorKind;
use super::super::grammar::Key;
use super::super::model::{Helper, HelperKind, Helpers};
use super::{Notes, blocks};

const fn kind(
    name: &'static str,
    protocol: Protocol,
    expect_max: u32,
    expect_timeout: u32,
) -> HelperKind {
    HelperKind {
        name,
        protocol,
        expect_max,
        expect_timeout,
    }
}

/// The helpers of stock. Each has one policy, which bears the helper's name.
const KINDS: [HelperKind; 12] = [
    kind("amanda", Protocol::UDP, 3, 180),
    kind("dhcpv6", Protocol::UDP, 1, 300),
    kind("ftp", Protocol::TCP, 1, 300),
    kind("mdns", Protocol::UDP, 8, 30),
    kind("rpc", Protocol::TCP, 1, 300),
    kind("rpc", Protocol::UDP, 1, 300),
    kind("sane", Protocol::TCP, 1, 300),
    kind("slp", Protocol::UDP, 8, 16),
    kind("ssdp", Protocol::TCP, 8, 300),
    kind("ssdp", Protocol::UDP, 8, 300),
    kind("tftp", Protocol::UDP, 1, 300),
    kind("tns", Protocol::TCP, 1, 300),
];

/// Longest name of a policy.
const POLICY_NAME_MAX: usize = 16;

/// The meaning of all `Helper` blocks; `None` if there is none.
pub fn lower(items: &[Item<'_>], notes: &mut Notes) -> Option<Helpers> {
    let mut helpers: Option<Helpers> = None;
    for block in blocks(items, Key::Helper) {
        let helpers = helpers.get_or_insert_default();
        for item in &block.items {
            match (item.key, item.block()) {
                (Key::Setup, _) => helpers.setup = item.is_on(),
                (Key::Type, Some(block)) => helpers.helpers.extend(helper(block, notes)),
                _ => {}
            }
        }
    }
    helpers
}

fn helper(block: &Block<'_>, notes: &mut Notes) -> Option<Helper> {
    let Head::Names([name, layer3, layer4]) = block.head else {
        return None;
    };
    let family = family(layer3, notes);
    let protocol = protocol(layer4, notes)?;
    let Some(kind) = KINDS
        .iter()
        .find(|kind| kind.name == name.text && kind.protocol == protocol)
    else {
        notes.fault(name.span, ErrorKind::UnknownHelper(name.text.to_owned()));
        return None;
    };
    let mut helper = Helper {
        kind: *kind,
        family: family?,
        queue_num: 0,
        queue_len: 0,
        expect_max: kind.expect_max,
        expect_timeout: kind.expect_timeout,
    };
    for item in &block.items {
        match (item.key, item.block()) {
            // The grammar keeps queue numbers within 16 bits.
            (Key::QueueNum, _) => helper.queue_num = u16::try_from(item.number()).unwrap_or(0),
            (Key::QueueLen, _) => helper.queue_len = item.number(),
            (Key::Policy, Some(block)) => policy(block, &mut helper, notes),
            _ => {}
        }
    }
    Some(helper)
}

fn family(word: Word<'_>, notes: &mut Notes) -> Option<Family> {
    match word.text {
        "inet" => Some(Family::Ipv4),
        "inet6" => Some(Family::Ipv6),
        text => {
            notes.fault(word.span, ErrorKind::UnknownLayer3(text.to_owned()));
            None
        }
    }
}

fn protocol(word: Word<'_>, notes: &mut Notes) -> Option<Protocol> {
    match word.text {
        "tcp" => Some(Protocol::TCP),
        "udp" => Some(Protocol::UDP),
        text => {
            notes.fault(word.span, ErrorKind::UnknownLayer4(text.to_owned()));
            None
        }
    }
}

/// A policy replaces both numbers: the one it leaves out becomes zero, as in stock.
fn policy(block: &Block<'_>, helper: &mut Helper, notes: &mut Notes) {
    let Head::Name(name) = block.head else { return };
    if name.text.len() > POLICY_NAME_MAX {
        return notes.fault(name.span, ErrorKind::PolicyTooLong);
    }
    if block.items.is_empty() {
        return notes.fault(name.span, ErrorKind::EmptyPolicy);
    }
    if name.text != helper.kind.name {
        let policy = name.text.to_owned();
        let known = helper.kind.name;
        return notes.fault(name.span, ErrorKind::UnknownPolicy { policy, known });
    }
    (helper.expect_max, helper.expect_timeout) = (0, 0);
    for item in &block.items {
        match item.key {
            Key::ExpectMax => helper.expect_max = item.number(),
            Key::ExpectTimeout => helper.expect_timeout = item.number(),
            _ => {}
        }
    }
}
