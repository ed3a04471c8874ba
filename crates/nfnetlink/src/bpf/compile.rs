//! From the daemon's filter to a program with the same verdict.
//!
//! The program walks an event's attributes as the decoder does: the original tuple for the
//! protocol and one address, the reply tuple for the other address, the protocol state. Lists of
//! addresses become, per prefix length, a search tree over the masked addresses.

use alloc::vec::Vec;
use core::net::IpAddr;

use flow::filter::{EventFilter, Network, Policy};

use super::assembler::{Assembler, Label};
use super::{Program, TooLong, code};
use crate::Subsystem;
use crate::conntrack::constants::{cta::*, ip::*, proto::*, protoinfo::*, tuple::*};

/// Where the upper byte of the message type stands in `struct nlmsghdr`, whose numbers have the
/// byte order of the host.
const SUBSYSTEM_AT: u32 = if cfg!(target_endian = "little") { 5 } else { 4 };
/// Where the port id stands in `struct nlmsghdr`.
const PORT_ID_AT: u32 = 12;
/// Where the attributes begin, behind `struct nlmsghdr` and `struct nfgenmsg`.
const ATTRIBUTES_AT: u32 = 20;
/// Bytes of an attribute's header.
const HEADER_LEN: u32 = 4;

/// The cell that keeps where the reply tuple begins.
const REPLY: u32 = 0;
/// The cell that keeps where the addresses of a tuple begin.
const ADDRESSES: u32 = 1;

/// Numbers compared one by one; more of them are halved first.
const CHAIN_LEN_MAX: usize = 4;

/// A program that drops the events of these port ids, and of flows that do not pass the filter.
///
/// Events of expectations, which the filter judges by their master, are let through.
pub fn compile(filter: &EventFilter, ignored_ports: &[u32]) -> Result<Program, TooLong> {
    let mut assembler = Assembler::default();
    let (accept, reject) = (assembler.label(), assembler.label());
    let mut compiler = Compiler {
        assembler,
        accept,
        reject,
    };
    compiler.ports(ignored_ports);
    let is_flow = compiler.assembler.label();
    compiler.load(code::LOAD_BYTE, SUBSYSTEM_AT);
    let conntrack = Subsystem::Conntrack.number();
    compiler.branch_equal(conntrack.into(), is_flow);
    compiler.assembler.jump(accept);
    compiler.assembler.place(is_flow);
    compiler.protocols(filter);
    compiler.addresses(filter);
    compiler.states(filter);
    compiler.finish()
}

struct Compiler {
    assembler: Assembler,
    accept: Label,
    reject: Label,
}

impl Compiler {
    fn finish(mut self) -> Result<Program, TooLong> {
        for (label, bytes) in [(self.accept, u32::MAX), (self.reject, 0)] {
            self.assembler.place(label);
            self.load(code::RETURN, bytes);
        }
        self.assembler.finish()
    }

    /// What our own sockets have caused.
    fn ports(&mut self, ignored: &[u32]) {
        if !ignored.is_empty() {
            self.load(code::LOAD_WORD, PORT_ID_AT);
        }
        for port in ignored {
            // Loads take the bytes for a big-endian number.
            self.branch_equal(u32::from_be_bytes(port.to_ne_bytes()), self.reject);
        }
    }

    fn protocols(&mut self, filter: &EventFilter) {
        let Some((policy, protocols)) = filter.protocols() else {
            return;
        };
        self.find(CTA_TUPLE_ORIG, self.accept);
        self.find_in_nest(CTA_TUPLE_PROTO, self.accept);
        self.find_in_nest(CTA_PROTO_NUM, self.accept);
        let numbers: Vec<u32> = protocols.map(|protocol| protocol.0.into()).collect();
        self.judge(policy, |compiler, listed| {
            compiler.load_payload(code::LOAD_BYTE_AT_X, 0);
            compiler.search(&numbers, listed);
        });
    }

    fn addresses(&mut self, filter: &EventFilter) {
        let Some((policy, networks)) = filter.addresses() else {
            return;
        };
        let networks: Vec<Network> = networks.collect();
        // Without an end of its own the reply passes no test by address.
        self.find(CTA_TUPLE_REPLY, self.reject);
        self.load(code::STORE_CELL, REPLY);
        self.find(CTA_TUPLE_ORIG, self.accept);
        self.judge(policy, |compiler, listed| {
            compiler.source(&networks, listed);
            compiler.load(code::LOAD_CELL, REPLY);
            compiler.source(&networks, listed);
        });
    }

    /// Looks for the source address of the tuple that begins at A.
    fn source(&mut self, networks: &[Network], listed: Label) {
        let (v6, end) = (self.assembler.label(), self.assembler.label());
        self.find_in_nest(CTA_TUPLE_IP, self.accept);
        self.load(code::STORE_CELL, ADDRESSES);
        self.find_in_nest(CTA_IP_V4_SRC, v6);
        self.load(code::X_FROM_A, 0);
        for (prefix, group) in groups(networks) {
            self.load(code::LOAD_WORD_AT_X, HEADER_LEN);
            self.mask(prefix);
            self.search(&group, listed);
        }
        self.assembler.jump(end);
        self.assembler.place(v6);
        self.load(code::LOAD_CELL, ADDRESSES);
        self.find_in_nest(CTA_IP_V6_SRC, self.accept);
        self.load(code::X_FROM_A, 0);
        for network in networks {
            self.network_v6(network, listed);
        }
        self.assembler.place(end);
    }

    /// Goes to `listed` if the address at X is in this network.
    fn network_v6(&mut self, network: &Network, listed: Label) {
        let IpAddr::V6(address) = network.masked() else {
            return;
        };
        let octets = address.octets();
        let next = self.assembler.label();
        let mut left = u32::from(network.prefix());
        for (place, word) in (0..).step_by(4).zip(octets.chunks_exact(4)) {
            if left == 0 {
                break;
            }
            let matches = self.assembler.label();
            self.load(code::LOAD_WORD_AT_X, HEADER_LEN + place);
            self.mask(left);
            let word = word.try_into().map_or(0, u32::from_be_bytes);
            self.branch_equal(word, matches);
            self.assembler.jump(next);
            self.assembler.place(matches);
            left = left.saturating_sub(32);
        }
        self.assembler.jump(listed);
        self.assembler.place(next);
    }

    fn states(&mut self, filter: &EventFilter) {
        if let Some((policy, states)) = filter.states() {
            let numbers: Vec<u32> = states.map(|state| state.0.into()).collect();
            self.state(policy, &numbers, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE);
        }
        if let Some((policy, states)) = filter.sctp_states() {
            let numbers: Vec<u32> = states.map(|state| state.0.into()).collect();
            self.state(
                policy,
                &numbers,
                CTA_PROTOINFO_SCTP,
                CTA_PROTOINFO_SCTP_STATE,
            );
        }
        if let Some((policy, states)) = filter.dccp_states() {
            let numbers: Vec<u32> = states.map(|state| state.0.into()).collect();
            self.state(
                policy,
                &numbers,
                CTA_PROTOINFO_DCCP,
                CTA_PROTOINFO_DCCP_STATE,
            );
        }
    }

    /// A test of the state of one protocol; flows without it pass.
    fn state(&mut self, policy: Policy, numbers: &[u32], nest: u16, attribute: u16) {
        let without = self.assembler.label();
        self.find(CTA_PROTOINFO, without);
        self.find_in_nest(nest, without);
        self.find_in_nest(attribute, without);
        self.judge(policy, |compiler, listed| {
            compiler.load_payload(code::LOAD_BYTE_AT_X, 0);
            compiler.search(numbers, listed);
        });
        self.assembler.place(without);
    }

    /// A test that goes to the label when it finds something in its list: rejects by the policy.
    fn judge(&mut self, policy: Policy, test: impl FnOnce(&mut Self, Label)) {
        match policy {
            Policy::Ignore => test(self, self.reject),
            Policy::Accept => {
                let listed = self.assembler.label();
                test(self, listed);
                self.assembler.jump(self.reject);
                self.assembler.place(listed);
            }
        }
    }

    /// Goes to `found` if A is one of these numbers, which are in order.
    fn search(&mut self, numbers: &[u32], found: Label) {
        let (low, high) = numbers.split_at(numbers.len() / 2);
        match high.first() {
            Some(middle) if numbers.len() > CHAIN_LEN_MAX => {
                let (upper, end) = (self.assembler.label(), self.assembler.label());
                self.assembler.branch(code::JUMP_AT_LEAST, *middle, upper);
                self.search(low, found);
                self.assembler.jump(end);
                self.assembler.place(upper);
                self.search(high, found);
                self.assembler.place(end);
            }
            _ => numbers
                .iter()
                .for_each(|number| self.branch_equal(*number, found)),
        }
    }

    /// `A` = where the attribute begins, or on to `missing`.
    fn find(&mut self, kind: u16, missing: Label) {
        self.load(code::LOAD_NUMBER, ATTRIBUTES_AT);
        self.find_by(code::FIND_ATTRIBUTE, kind, missing);
    }

    /// The same in the nest that begins at A.
    fn find_in_nest(&mut self, kind: u16, missing: Label) {
        self.find_by(code::FIND_IN_NEST, kind, missing);
    }

    fn find_by(&mut self, how: u32, kind: u16, missing: Label) {
        self.load(code::LOAD_X_NUMBER, kind.into());
        self.load(code::LOAD_WORD, how);
        self.branch_equal(0, missing);
    }

    /// `A` = a part of the payload of the attribute that begins at A.
    fn load_payload(&mut self, how: u16, place: u32) {
        self.load(code::X_FROM_A, 0);
        self.load(how, HEADER_LEN + place);
    }

    /// Keeps the first bits of A.
    fn mask(&mut self, prefix: u32) {
        if prefix < 32 {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            self.load(code::AND, mask);
        }
    }

    fn branch_equal(&mut self, number: u32, to: Label) {
        self.assembler.branch(code::JUMP_EQUAL, number, to);
    }

    fn load(&mut self, how: u16, operand: u32) {
        self.assembler.push(how, operand);
    }
}

/// The IPv4 networks by their prefix length, each group in order.
fn groups(networks: &[Network]) -> Vec<(u32, Vec<u32>)> {
    let mut groups: Vec<(u32, Vec<u32>)> = Vec::new();
    for network in networks {
        let IpAddr::V4(address) = network.masked() else {
            continue;
        };
        let (prefix, bits) = (u32::from(network.prefix()), address.to_bits());
        match groups.iter_mut().find(|(known, _)| *known == prefix) {
            Some((_, group)) => group.push(bits),
            None => groups.push((prefix, Vec::from([bits]))),
        }
    }
    for (_, group) in &mut groups {
        group.sort_unstable();
        group.dedup();
    }
    groups
}
