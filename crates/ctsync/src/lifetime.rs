//! How long the kernel would let a flow live, were it to see a packet of it now.
//!
//! A peer with `CommitTimeout` tells no timeouts. Stock then commits a flow for 60 seconds, and
//! injects none at all, since the kernel refuses a flow without a life (compat: daemon-32). The values
//! are the kernel's defaults (`nf_conntrack_proto_*.c`).

use flow::{Protocol, SctpState, Status, TcpState};

/// Of a protocol that the kernel does not know.
const GENERIC: u32 = 600;

/// Seconds that a flow lives by default.
pub(crate) fn default_lifetime(protocol: Protocol, state: Option<u8>, status: Status) -> u32 {
    let replied = status.contains(Status::SEEN_REPLY);
    let assured = status.contains(Status::ASSURED);
    match protocol {
        Protocol::TCP => tcp(TcpState(state.unwrap_or_default())),
        Protocol::SCTP => sctp(SctpState(state.unwrap_or_default())),
        Protocol::UDP | Protocol::UDPLITE => {
            if assured {
                120
            } else {
                30
            }
        }
        Protocol::GRE => {
            if replied {
                180
            } else {
                30
            }
        }
        Protocol::ICMP | Protocol::ICMPV6 => 30,
        Protocol(_) => GENERIC,
    }
}

fn tcp(state: TcpState) -> u32 {
    match state {
        TcpState::ESTABLISHED => 432_000,
        TcpState::SYN_RECV | TcpState::CLOSE_WAIT => 60,
        TcpState::LAST_ACK => 30,
        TcpState::CLOSE => 10,
        TcpState(_) => 120,
    }
}

fn sctp(state: SctpState) -> u32 {
    match state {
        SctpState::ESTABLISHED => 210,
        SctpState::CLOSED => 10,
        SctpState(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_depends_on_what_the_flow_has_reached() {
        let none = Status::default();
        let assured = Status::SEEN_REPLY | Status::ASSURED;
        for (protocol, state, status, seconds) in [
            (Protocol::TCP, Some(3), assured, 432_000),
            (Protocol::TCP, Some(1), none, 120),
            (Protocol::TCP, None, none, 120),
            (Protocol::UDP, None, none, 30),
            (Protocol::UDP, None, assured, 120),
            (Protocol::GRE, None, Status::SEEN_REPLY, 180),
            (Protocol::SCTP, Some(4), assured, 210),
            (Protocol(89), None, none, 600),
        ] {
            assert_eq!(default_lifetime(protocol, state, status), seconds);
        }
    }
}
