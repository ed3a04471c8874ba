//! Names of layer 4 protocols, as `/etc/protocols` lists them.
//!
//! Built in, so that a machine without that file (containers often lack it) understands the same
//! configuration. Names are compared without regard to case, which covers the usual aliases.

use flow::Protocol;

/// Number and names of each protocol; the first name is the one that is printed.
const PROTOCOLS: [(u8, &[&str]); 51] = [
    (0, &["ip", "hopopt"]),
    (1, &["icmp"]),
    (2, &["igmp"]),
    (3, &["ggp"]),
    (4, &["ipencap", "ip-encap"]),
    (5, &["st"]),
    (6, &["tcp"]),
    (8, &["egp"]),
    (9, &["igp"]),
    (12, &["pup"]),
    (17, &["udp"]),
    (20, &["hmp"]),
    (22, &["xns-idp"]),
    (27, &["rdp"]),
    (29, &["iso-tp4"]),
    (33, &["dccp"]),
    (36, &["xtp"]),
    (37, &["ddp"]),
    (38, &["idpr-cmtp"]),
    (41, &["ipv6"]),
    (43, &["ipv6-route"]),
    (44, &["ipv6-frag"]),
    (45, &["idrp"]),
    (46, &["rsvp"]),
    (47, &["gre"]),
    (50, &["esp", "ipsec-esp"]),
    (51, &["ah", "ipsec-ah"]),
    (57, &["skip"]),
    (58, &["ipv6-icmp", "icmpv6"]),
    (59, &["ipv6-nonxt"]),
    (60, &["ipv6-opts"]),
    (73, &["rspf", "cphb"]),
    (81, &["vmtp"]),
    (88, &["eigrp"]),
    (89, &["ospf", "ospfigp"]),
    (93, &["ax.25"]),
    (94, &["ipip"]),
    (97, &["etherip"]),
    (98, &["encap"]),
    (103, &["pim"]),
    (108, &["ipcomp"]),
    (112, &["vrrp"]),
    (115, &["l2tp"]),
    (124, &["isis"]),
    (132, &["sctp"]),
    (133, &["fc"]),
    (135, &["mobility-header"]),
    (136, &["udplite"]),
    (137, &["mpls-in-ip"]),
    (139, &["hip"]),
    (142, &["rohc"]),
];

/// The protocol of a name.
pub fn from_name(name: &str) -> Option<Protocol> {
    PROTOCOLS
        .iter()
        .find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
        .map(|(number, _)| Protocol(*number))
}

/// The name to print for a protocol that came from a name.
pub fn name(protocol: Protocol) -> &'static str {
    PROTOCOLS
        .iter()
        .find(|(number, _)| *number == protocol.0)
        .and_then(|(_, names)| names.first())
        .map_or("", |name| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printed_name_is_read_back() {
        for (number, names) in PROTOCOLS {
            assert_eq!(from_name(name(Protocol(number))), Some(Protocol(number)));
            for name in names {
                assert_eq!(from_name(name), Some(Protocol(number)), "{name}");
            }
        }
    }

    #[test]
    fn the_spellings_of_the_manual_are_known() {
        for (name, number) in [("TCP", 6), ("IPv6-ICMP", 58), ("SCTP", 132), ("DCCP", 33)] {
            assert_eq!(from_name(name), Some(Protocol(number)));
        }
        assert_eq!(from_name("foo"), None);
    }
}
