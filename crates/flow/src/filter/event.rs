//! Which flows the daemon replicates: the `Filter` section of its configuration.
//!
//! Independent tests, by protocol, by address and by the state of TCP, SCTP and DCCP. Each is absent or holds a
//! list with a policy, and a flow passes when it passes every test there is. Without any test
//! everything passes.
//!
//! The semantics are those of stock's filter in user space, for both places that `Filter From`
//! can name (stock's socket filter compares other addresses, a difference nobody can want).

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::flow::Flow;
use crate::protocol::Protocol;
use crate::protoinfo::{DccpState, ProtoInfo, SctpState, TcpState};

/// What happens to a flow that is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Only what is in the list passes.
    Accept,
    /// Only what is not in the list passes.
    Ignore,
}

impl Policy {
    const fn passes(self, listed: bool) -> bool {
        match self {
            Self::Accept => listed,
            Self::Ignore => !listed,
        }
    }
}

/// An address with a prefix length; a host has the full length of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

impl Network {
    /// A network; `None` if the prefix is longer than the address.
    ///
    /// Bits behind the prefix are kept as they were given, and do not count when matching.
    pub fn new(addr: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= Self::host(addr).prefix).then_some(Self { addr, prefix })
    }

    /// A single address.
    pub const fn host(addr: IpAddr) -> Self {
        let prefix = match addr {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { addr, prefix }
    }

    /// The address as it was given.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The prefix length.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether this is a single address.
    pub fn is_host(&self) -> bool {
        *self == Self::host(self.addr)
    }

    /// Whether an address lies in it.
    pub fn contains(&self, addr: IpAddr) -> bool {
        Self::new(addr, self.prefix).is_some_and(|other| other.masked() == self.masked())
    }

    /// The address with the bits behind the prefix cleared.
    pub fn masked(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(addr) => IpAddr::V4((addr.to_bits() & mask_v4(self.prefix)).into()),
            IpAddr::V6(addr) => IpAddr::V6((addr.to_bits() & mask_v6(self.prefix)).into()),
        }
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(u32::from(prefix)))
        .unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(128_u32.saturating_sub(u32::from(prefix)))
        .unwrap_or(0)
}

/// A set of networks: for each prefix length in use, the masked addresses in order.
///
/// A look-up costs one binary search per distinct length, so at most 129 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NetworkSet {
    by_prefix: Vec<(u8, Vec<IpAddr>)>,
}

impl NetworkSet {
    fn insert(&mut self, network: &Network) {
        let masked = network.masked();
        let at = match self
            .by_prefix
            .binary_search_by_key(&network.prefix, |(prefix, _)| *prefix)
        {
            Ok(at) => at,
            Err(at) => {
                self.by_prefix.insert(at, (network.prefix, Vec::new()));
                at
            }
        };
        if let Some((_, addrs)) = self.by_prefix.get_mut(at) {
            if let Err(place) = addrs.binary_search(&masked) {
                addrs.insert(place, masked);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = Network> + '_ {
        self.by_prefix.iter().flat_map(|(prefix, addrs)| {
            addrs.iter().map(|addr| Network {
                addr: *addr,
                prefix: *prefix,
            })
        })
    }

    fn contains(&self, addr: IpAddr) -> bool {
        self.by_prefix.iter().any(|(prefix, addrs)| {
            Network::new(addr, *prefix)
                .is_some_and(|network| addrs.binary_search(&network.masked()).is_ok())
        })
    }
}

/// A set of protocol or state numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NumberSet([u64; 4]);

impl NumberSet {
    fn insert(&mut self, number: u8) {
        if let Some(word) = self.0.get_mut(usize::from(number / 64)) {
            *word |= 1 << (number % 64);
        }
    }

    fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |number| self.contains(*number))
    }

    fn contains(&self, number: u8) -> bool {
        self.0
            .get(usize::from(number / 64))
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// The daemon's choice of flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    protocols: Option<(Policy, NumberSet)>,
    addresses: Option<(Policy, NetworkSet)>,
    states: Option<(Policy, NumberSet)>,
    sctp_states: Option<(Policy, NumberSet)>,
    dccp_states: Option<(Policy, NumberSet)>,
}

impl EventFilter {
    /// A filter that lets everything pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tests the protocol. An empty list with [`Policy::Accept`] lets nothing pass.
    #[must_use]
    pub fn with_protocols(
        mut self,
        policy: Policy,
        protocols: impl IntoIterator<Item = Protocol>,
    ) -> Self {
        let mut set = NumberSet::default();
        protocols
            .into_iter()
            .for_each(|protocol| set.insert(protocol.0));
        self.protocols = Some((policy, set));
        self
    }

    /// Tests the address of either end as that end knows it: the original source and the source
    /// of the replies. With [`Policy::Accept`] a family without any listed address never passes.
    #[must_use]
    pub fn with_addresses<'a>(
        mut self,
        policy: Policy,
        networks: impl IntoIterator<Item = &'a Network>,
    ) -> Self {
        let mut set = NetworkSet::default();
        networks.into_iter().for_each(|network| set.insert(network));
        self.addresses = Some((policy, set));
        self
    }

    /// Tests the state of TCP flows that have one; other flows pass.
    #[must_use]
    pub fn with_states(
        mut self,
        policy: Policy,
        states: impl IntoIterator<Item = TcpState>,
    ) -> Self {
        let mut set = NumberSet::default();
        states.into_iter().for_each(|state| set.insert(state.0));
        self.states = Some((policy, set));
        self
    }

    /// Tests the state of SCTP flows that have one; other flows pass.
    #[must_use]
    pub fn with_sctp_states(
        mut self,
        policy: Policy,
        states: impl IntoIterator<Item = SctpState>,
    ) -> Self {
        let mut set = NumberSet::default();
        states.into_iter().for_each(|state| set.insert(state.0));
        self.sctp_states = Some((policy, set));
        self
    }

    /// Tests the state of DCCP flows that have one; other flows pass.
    #[must_use]
    pub fn with_dccp_states(
        mut self,
        policy: Policy,
        states: impl IntoIterator<Item = DccpState>,
    ) -> Self {
        let mut set = NumberSet::default();
        states.into_iter().for_each(|state| set.insert(state.0));
        self.dccp_states = Some((policy, set));
        self
    }

    /// Whether this flow is wanted.
    ///
    /// A flow without a reply tuple has no second end, so it does not pass a test by address.
    pub fn passes(&self, flow: &Flow<'_>) -> bool {
        self.passes_protocol(flow) && self.passes_address(flow) && self.passes_state(flow)
    }

    /// The protocols that are tested, in order.
    pub fn protocols(&self) -> Option<(Policy, impl Iterator<Item = Protocol>)> {
        let (policy, set) = self.protocols?;
        Some((policy, set.iter().map(Protocol)))
    }

    /// The networks that are tested, each once, their addresses masked.
    pub fn addresses(&self) -> Option<(Policy, impl Iterator<Item = Network> + '_)> {
        let (policy, set) = self.addresses.as_ref()?;
        Some((*policy, set.iter()))
    }

    /// The states of TCP that are tested, in order.
    pub fn states(&self) -> Option<(Policy, impl Iterator<Item = TcpState>)> {
        let (policy, set) = self.states?;
        Some((policy, set.iter().map(TcpState)))
    }

    /// The states of SCTP that are tested, in order.
    pub fn sctp_states(&self) -> Option<(Policy, impl Iterator<Item = SctpState>)> {
        let (policy, set) = self.sctp_states?;
        Some((policy, set.iter().map(SctpState)))
    }

    /// The states of DCCP that are tested, in order.
    pub fn dccp_states(&self) -> Option<(Policy, impl Iterator<Item = DccpState>)> {
        let (policy, set) = self.dccp_states?;
        Some((policy, set.iter().map(DccpState)))
    }

    fn passes_protocol(&self, flow: &Flow<'_>) -> bool {
        self.protocols
            .as_ref()
            .is_none_or(|(policy, set)| policy.passes(set.contains(flow.protocol().0)))
    }

    fn passes_address(&self, flow: &Flow<'_>) -> bool {
        let Some((policy, set)) = &self.addresses else {
            return true;
        };
        flow.reply.is_some_and(|reply| {
            policy.passes(set.contains(flow.orig.addrs.src()) || set.contains(reply.addrs.src()))
        })
    }

    fn passes_state(&self, flow: &Flow<'_>) -> bool {
        let (test, state) = match &flow.protoinfo {
            Some(ProtoInfo::Tcp(tcp)) => (self.states, tcp.state.map(|it| it.0)),
            Some(ProtoInfo::Sctp(sctp)) => (self.sctp_states, sctp.state.map(|it| it.0)),
            Some(ProtoInfo::Dccp(dccp)) => (self.dccp_states, dccp.state.map(|it| it.0)),
            None => return true,
        };
        let (Some((policy, set)), Some(state)) = (test, state) else {
            return true;
        };
        policy.passes(set.contains(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protoinfo::TcpInfo;
    use crate::tuple::{Addrs, L4, Tuple};
    use alloc::vec;

    fn flow(
        protocol: u8,
        src: IpAddr,
        reply_src: IpAddr,
        state: Option<u8>,
    ) -> Option<Flow<'static>> {
        let l4 = L4::zero(Protocol(protocol));
        let mut flow = Flow::new(Tuple::new(Addrs::new(src, src)?, l4));
        flow.reply = Some(Tuple::new(Addrs::new(reply_src, src)?, l4));
        flow.protoinfo = state.map(|state| {
            ProtoInfo::Tcp(TcpInfo {
                state: Some(TcpState(state)),
                ..TcpInfo::default()
            })
        });
        Some(flow)
    }

    fn network(text: &str) -> Network {
        let (addr, prefix) = text.split_once('/').unwrap();
        Network::new(addr.parse().unwrap(), prefix.parse().unwrap()).unwrap()
    }

    fn check_address(policy: Policy, list: &[&str], src: &str, reply_src: &str, passes: bool) {
        let networks: Vec<_> = list.iter().map(|text| network(text)).collect();
        let filter = EventFilter::new().with_addresses(policy, &networks);
        let flow = flow(17, src.parse().unwrap(), reply_src.parse().unwrap(), None).unwrap();
        assert_eq!(
            filter.passes(&flow),
            passes,
            "{policy:?} {list:?} {src} {reply_src}"
        );
    }

    #[test]
    fn either_end_decides_by_address() {
        use Policy::{Accept, Ignore};
        check_address(Accept, &["10.0.0.0/8"], "10.1.1.1", "192.0.2.1", true);
        check_address(Accept, &["10.0.0.0/8"], "192.0.2.1", "10.1.1.1", true);
        check_address(Accept, &["10.0.0.0/8"], "192.0.2.1", "192.0.2.2", false);
        check_address(Ignore, &["10.0.0.0/8"], "192.0.2.1", "10.1.1.1", false);
        check_address(Ignore, &["10.0.0.1/8"], "192.0.2.1", "192.0.2.2", true);
        check_address(Accept, &["10.0.0.0/8"], "2001:db8::1", "2001:db8::2", false);
        check_address(Ignore, &["10.0.0.0/8"], "2001:db8::1", "2001:db8::2", true);
        check_address(
            Accept,
            &["2001:db8::/32"],
            "2001:db8::1",
            "2001:db9::2",
            true,
        );
        check_address(Accept, &["0.0.0.0/0"], "192.0.2.1", "192.0.2.2", true);
        check_address(Accept, &["::/0"], "192.0.2.1", "192.0.2.2", false);
        check_address(Accept, &[], "192.0.2.1", "192.0.2.2", false);
    }

    #[test]
    fn a_flow_without_reply_fails_a_test_by_address_only() {
        let mut flow = flow(6, [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), None).unwrap();
        flow.reply = None;
        let ignore = EventFilter::new().with_addresses(Policy::Ignore, &[]);
        assert!(!ignore.passes(&flow));
        assert!(EventFilter::new().passes(&flow));
    }

    #[test]
    fn a_network_contains_addresses_of_its_family_only() {
        for (text, addr, wanted) in [
            ("10.1.0.0/16", "10.1.2.3", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("0.0.0.0/0", "10.2.0.0", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            assert_eq!(
                network(text).contains(addr.parse().unwrap()),
                wanted,
                "{text} {addr}"
            );
        }
    }

    #[test]
    fn a_prefix_longer_than_the_address_is_refused() {
        assert_eq!(Network::new([1, 2, 3, 4].into(), 33), None);
        assert_eq!(Network::new(IpAddr::V6(1.into()), 129), None);
        assert!(network("1.2.3.4/32").is_host());
        assert!(!network("1.2.3.4/31").is_host());
    }

    #[test]
    fn an_empty_accept_list_of_protocols_lets_nothing_pass() {
        let flow = flow(6, [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Some(3)).unwrap();
        let nothing = EventFilter::new().with_protocols(Policy::Accept, vec![]);
        assert!(!nothing.passes(&flow));
        let only_syn = EventFilter::new().with_states(Policy::Accept, [TcpState::SYN_SENT]);
        assert!(!only_syn.passes(&flow));
    }

    #[test]
    fn each_protocol_has_states_of_its_own() {
        use crate::protoinfo::{DccpInfo, SctpInfo};
        let with = |protoinfo| {
            let mut flow = flow(0, [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), None).unwrap();
            flow.protoinfo = Some(protoinfo);
            flow
        };
        let tcp = with(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState(3)),
            ..TcpInfo::default()
        }));
        let sctp = with(ProtoInfo::Sctp(SctpInfo {
            state: Some(SctpState(3)),
            ..SctpInfo::default()
        }));
        let dccp = with(ProtoInfo::Dccp(DccpInfo {
            state: Some(DccpState(3)),
            ..DccpInfo::default()
        }));
        let new = EventFilter::new;
        let passing = |filter: EventFilter| [&tcp, &sctp, &dccp].map(|flow| filter.passes(flow));
        let ignored = new().with_states(Policy::Ignore, [TcpState(3)]);
        assert_eq!(passing(ignored), [false, true, true]);
        let ignored = new().with_sctp_states(Policy::Ignore, [SctpState(3)]);
        assert_eq!(passing(ignored), [true, false, true]);
        let accepted = new()
            .with_sctp_states(Policy::Accept, [SctpState(3)])
            .with_dccp_states(Policy::Accept, [DccpState(4)]);
        assert_eq!(passing(accepted), [true, true, false]);
    }

    mod property {
        use super::*;
        use proptest::prelude::*;

        fn any_addr() -> impl Strategy<Value = IpAddr> {
            // Few distinct bits, so that networks and addresses meet often.
            let bits = prop_oneof![
                Just(0_u32),
                Just(1),
                Just(0x8000_0000),
                Just(0xc000_0001),
                0..4_u32
            ];
            (bits, any::<bool>()).prop_map(|(bits, v6)| {
                if v6 {
                    IpAddr::V6((u128::from(bits) << 96 | u128::from(bits)).into())
                } else {
                    IpAddr::V4(bits.into())
                }
            })
        }

        fn any_policy() -> impl Strategy<Value = Policy> {
            prop_oneof![Just(Policy::Accept), Just(Policy::Ignore)]
        }

        fn any_network() -> impl Strategy<Value = Network> {
            (any_addr(), 0..=128_u8).prop_map(|(addr, prefix)| {
                Network::new(addr, prefix).unwrap_or(Network::host(addr))
            })
        }

        /// Bit by bit comparison, the definition of a prefix.
        fn naive_match(network: &Network, addr: IpAddr) -> bool {
            let bits = |addr: IpAddr| match addr {
                IpAddr::V4(addr) => addr.octets().to_vec(),
                IpAddr::V6(addr) => addr.octets().to_vec(),
            };
            let (wanted, found) = (bits(network.addr()), bits(addr));
            wanted.len() == found.len()
                && (0..usize::from(network.prefix())).all(|bit| {
                    let at = |bytes: &[u8]| bytes[bit / 8] >> (7 - bit % 8) & 1;
                    at(&wanted) == at(&found)
                })
        }

        fn naive_passes(policy: Policy, listed: bool) -> bool {
            listed == (policy == Policy::Accept)
        }

        proptest! {
            #[test]
            fn answers_as_the_naive_model(
                protocols in proptest::option::of((any_policy(), prop::collection::vec(0..20_u8, 0..4))),
                addresses in proptest::option::of((any_policy(), prop::collection::vec(any_network(), 0..5))),
                states in proptest::option::of((any_policy(), prop::collection::vec(0..10_u8, 0..4))),
                protocol in 0..20_u8,
                state in proptest::option::of(0..10_u8),
                ends in (any_addr(), any_addr()),
            ) {
                let mut filter = EventFilter::new();
                if let Some((policy, list)) = &protocols {
                    filter = filter.with_protocols(*policy, list.iter().copied().map(Protocol));
                }
                if let Some((policy, list)) = &addresses {
                    filter = filter.with_addresses(*policy, list);
                }
                if let Some((policy, list)) = &states {
                    filter = filter.with_states(*policy, list.iter().copied().map(TcpState));
                }
                if let Some(flow) = flow(protocol, ends.0, ends.1, state) {
                    let by_protocol = protocols
                        .is_none_or(|(policy, list)| naive_passes(policy, list.contains(&protocol)));
                    let by_address = addresses.is_none_or(|(policy, list)| {
                        naive_passes(policy, list.iter().any(|network| {
                            naive_match(network, ends.0) || naive_match(network, ends.1)
                        }))
                    });
                    let by_state = state.zip(states)
                        .is_none_or(|(state, (policy, list))| {
                            naive_passes(policy, list.contains(&state))
                        });
                    prop_assert_eq!(filter.passes(&flow), by_protocol && by_address && by_state);
                }
            }
        }
    }
}
