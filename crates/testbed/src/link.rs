//! Cables and switches between namespaces, and bad weather on them.
//!
//! A cable is a veth pair, a switch is a bridge in a namespace, and the weather is a rule that
//! drops arriving packets at random. All of them are methods of [`Namespace`], except the cable,
//! which needs two.

use crate::{Namespace, Result};

/// Joins two namespaces by a cable with an interface at each end, both up.
pub fn veth(a: &Namespace, interface_a: &str, b: &Namespace, interface_b: &str) -> Result<()> {
    let (name_a, name_b) = (a.name(), b.name());
    a.run(format!(
        "ip link add {interface_a} netns {name_a} type veth peer name {interface_b} netns {name_b}"
    ))?;
    a.link_up(interface_a)?;
    b.link_up(interface_b)
}

/// What one does with an interface by hand.
impl Namespace {
    /// Makes a switch.
    pub fn bridge(&self, name: &str) -> Result<()> {
        self.run(format!("ip link add {name} type bridge"))?;
        self.link_up(name)
    }

    /// Plugs an interface of this namespace into its switch.
    pub fn plug(&self, interface: &str, bridge: &str) -> Result<()> {
        self.run(format!("ip link set {interface} master {bridge}"))
            .map(drop)
    }

    /// Switches an interface on.
    pub fn link_up(&self, interface: &str) -> Result<()> {
        self.run(format!("ip link set {interface} up")).map(drop)
    }

    /// Switches an interface off.
    pub fn link_down(&self, interface: &str) -> Result<()> {
        self.run(format!("ip link set {interface} down")).map(drop)
    }

    /// Gives an interface an address with its prefix length. IPv6 addresses work at once, without
    /// duplicate detection.
    pub fn address(&self, interface: &str, address: &str) -> Result<()> {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.run(format!("ip address add {address} dev {interface} {nodad}"))
            .map(drop)
    }

    /// Adds a route, in iproute2's words: `default via 10.0.0.1`.
    pub fn route(&self, route: &str) -> Result<()> {
        self.run(format!("ip route add {route}")).map(drop)
    }

    /// Loses `percent` of the packets that arrive on an interface, at random; 0 ends it. ARP is
    /// spared, so that a link is lossy but not dead.
    pub fn loss(&self, interface: &str, percent: u8) -> Result<()> {
        let table = format!("loss_{interface}");
        let mut rules = format!("table inet {table}\ndelete table inet {table}\n");
        if percent > 0 {
            // nft refuses a comparison that is always true.
            let chance = match percent {
                100.. => String::new(),
                percent => format!("numgen random mod 100 < {percent}"),
            };
            // Before connection tracking sees the packet.
            rules += &format!(
                "table inet {table} {{\n\
                   chain arrive {{\n\
                     type filter hook prerouting priority -400\n\
                     iifname \"{interface}\" {chance} counter drop\n\
                   }}\n\
                 }}\n"
            );
        }
        self.nft(&rules)
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn loss_loses_about_what_it_says_and_ends() {
        let (a, b) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        veth(&a, "eth0", &b, "eth0").unwrap();
        a.address("eth0", "10.0.0.1/24").unwrap();
        b.address("eth0", "10.0.0.2/24").unwrap();
        let receiver = b.enter(|| UdpSocket::bind("10.0.0.2:9")).unwrap().unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let sender = a.enter(|| UdpSocket::bind("10.0.0.1:9")).unwrap().unwrap();
        let arrived = || {
            (0..200).for_each(|_| assert_eq!(sender.send_to(b"x", "10.0.0.2:9").unwrap(), 1));
            std::iter::from_fn(|| receiver.recv(&mut [0]).ok()).count()
        };
        assert_eq!(arrived(), 200);
        b.loss("eth0", 30).unwrap();
        // The odds against this range are above a million to one.
        assert!((100..180).contains(&arrived()));
        b.loss("eth0", 100).unwrap();
        assert_eq!(arrived(), 0);
        b.loss("eth0", 0).unwrap();
        assert_eq!(arrived(), 200);
    }
}
