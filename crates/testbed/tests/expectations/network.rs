//! A client, two firewalls that replicate, a server.
//!
//! ```text
//!                  ┌─ [inside] a [outside] ─┐
//!  [10.0.0.100] lan ┤        sync │          ├ wan [192.0.2.10]
//!                  └─ [inside] b [outside] ─┘
//! ```
//!
//! The firewall that is primary holds 10.0.0.1 and 192.0.2.1; the other one is connected and has no
//! address. Whoever comes from inside is seen as 192.0.2.1. For IPv6 it is the same, with fd00:a::
//! inside and 2001:db8:: outside, and the same last numbers. A firewall lets nothing pass but
//! sessions of FTP and SIP, and what belongs to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use testbed::{
    Command, Conntrackd, Error, Group, Implementation, IpVersion, Mode, Namespace, PATIENCE,
    Program, Progress, Result, Setup, SyncPair, Transport, veth, wait_for,
};

/// How long something is tried that nobody lets pass.
pub const IN_VAIN: Duration = Duration::from_secs(8);

/// The server as the client reaches it.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The client as it is.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// Both by IPv6.
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xa, 0, 0, 0, 0, 0, 0x100);

/// Ports by number: a small machine has no /etc/services. The daemons' own datagrams are not
/// tracked.
const RULES: &str = r#"
flush ruleset
table ip firewall {
	ct helper ftp { type "ftp" protocol tcp; }
	ct helper sip { type "sip" protocol udp; }
	chain link_in { type filter hook prerouting priority raw; iifname "sync" notrack; }
	chain link_out { type filter hook output priority raw; oifname "sync" notrack; }
	chain helpers {
		type filter hook prerouting priority filter;
		tcp dport 21 ct helper set "ftp"
		udp dport 5060 ct helper set "sip"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "inside" tcp dport 21 ct state new accept
		iifname "inside" udp dport 5060 ct state new accept
	}
	chain translation {
		type nat hook postrouting priority srcnat;
		oifname "outside" snat to 192.0.2.1
	}
}
table ip6 firewall {
	ct helper ftp { type "ftp" protocol tcp; l3proto ip6; }
	chain helpers {
		type filter hook prerouting priority filter;
		tcp dport 21 ct helper set "ftp"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "inside" tcp dport 21 ct state new accept
	}
	chain translation {
		type nat hook postrouting priority srcnat;
		oifname "outside" ip6 saddr fd00:a::/64 snat to 2001:db8::1
	}
}
"#;

/// Everything, with the first firewall as primary.
pub struct Network {
    pub client: Namespace,
    pub server: Namespace,
    pub a: Firewall,
    pub b: Firewall,
}

/// One of the firewalls.
pub struct Firewall {
    pub namespace: Namespace,
    pub daemon: Conntrackd,
}

impl Network {
    /// Makes it, with FT-FW between these daemons; `options` goes into their `Options`.
    pub fn new(daemons: [Implementation; 2], options: &str) -> Result<Self> {
        let in_sync = format!("Options {{ {options} }}");
        let setup = Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4);
        Self::with(
            daemons,
            Setup {
                in_sync: &in_sync,
                ..setup
            },
        )
    }

    /// Makes it, with daemons that are set up like this.
    pub fn with(daemons: [Implementation; 2], setup: Setup<'_>) -> Result<Self> {
        let SyncPair { a, b } = SyncPair::new()?;
        let (client, server) = (Namespace::new("client")?, Namespace::new("server")?);
        for (host, bridge, addresses, interface) in [
            (
                &client,
                "lan",
                ["10.0.0.100/24", "fd00:a::100/64"],
                "inside",
            ),
            (
                &server,
                "wan",
                ["192.0.2.10/24", "2001:db8::10/64"],
                "outside",
            ),
        ] {
            host.bridge(bridge)?;
            for address in addresses {
                host.address(bridge, address)?;
            }
            for (firewall, port) in [(&a, "to-a"), (&b, "to-b")] {
                veth(firewall, interface, host, port)?;
                host.plug(port, bridge)?;
            }
        }
        client.route("default via 10.0.0.1")?;
        client.route("default via fd00:a::1")?;
        let [config_a, config_b] = setup.configs();
        let [daemon_a, daemon_b] = daemons;
        let network = Self {
            client,
            server,
            a: Firewall::new(a, daemon_a, &config_a)?,
            b: Firewall::new(b, daemon_b, &config_b)?,
        };
        network.a.take_addresses()?;
        Ok(network)
    }

    /// Waits until the second firewall knows all that the first one's kernel has told of: a flow
    /// that is sent has passed whatever was sent before it.
    pub fn wait_until_told(&self) -> Result<()> {
        let last = Group {
            number: 99,
            size: 1,
        };
        last.create(&self.a.namespace)?;
        wait_for(
            "the second firewall to know the last flow",
            PATIENCE,
            || {
                let listing = self.b.daemon.client("-e")?.stdout;
                Ok(match listing.contains("src=10.0.99.1 ") {
                    true => Progress::Done(()),
                    false => Progress::Waiting(listing),
                })
            },
        )
    }

    /// The first firewall dies, the second one takes over.
    pub fn fail_over(&self) -> Result<()> {
        self.a.daemon.kill();
        for interface in ["inside", "outside", "sync"] {
            self.a.namespace.link_down(interface)?;
        }
        self.b.daemon.client("-c")?;
        self.b.take_addresses()?;
        for host in [&self.client, &self.server] {
            host.run("ip neighbour flush all")?;
            host.run("ip -6 neighbour flush all")?;
        }
        Ok(())
    }

    /// Where the server's service of this port is.
    pub fn service(&self, port: u16) -> SocketAddr {
        (SERVER, port).into()
    }

    /// The same by IPv6.
    pub fn service_v6(&self, port: u16) -> SocketAddr {
        (SERVER_V6, port).into()
    }
}

impl Firewall {
    fn new(namespace: Namespace, daemon: Implementation, config: &str) -> Result<Self> {
        namespace.sysctl("net.ipv4.ip_forward", 1)?;
        namespace.sysctl("net.ipv6.conf.all.forwarding", 1)?;
        // A packet in the middle of a connection makes no flow of it.
        namespace.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)?;
        namespace.nft(RULES)?;
        let daemon = Conntrackd::start(&namespace, daemon, config)?;
        Ok(Self { namespace, daemon })
    }

    fn take_addresses(&self) -> Result<()> {
        self.namespace.address("inside", "10.0.0.1/24")?;
        self.namespace.address("inside", "fd00:a::1/64")?;
        self.namespace.address("outside", "192.0.2.1/24")?;
        self.namespace.address("outside", "2001:db8::1/64")
    }

    /// The expectations in its kernel, without their times.
    pub fn kernel_expectations(&self) -> Result<Vec<String>> {
        let conntrack = Implementation::Ours.path(Program::Conntrack)?;
        let command = Command::new(conntrack).args(["-L", "expect"]);
        let listing = self.namespace.run(command)?.stdout;
        let timeless = |line: &str| line.split_once(" proto").map(|(_, rest)| rest.to_owned());
        let mut lines: Vec<_> = listing.lines().filter_map(timeless).collect();
        lines.sort();
        Ok(lines)
    }

    /// What its daemon lists with `-i expect` or `-e expect`, without ages.
    pub fn listed(&self, request: &str) -> Result<Vec<String>> {
        let listing = self.daemon.client(request)?.stdout;
        let ageless = |line: &str| {
            let line = line.split(" [active since").next()?;
            line.split(" [expires in").next().map(str::to_owned)
        };
        let mut lines: Vec<_> = listing.lines().filter_map(ageless).collect();
        lines.sort();
        Ok(lines)
    }

    /// Waits until its kernel expects so much.
    pub fn wait_for_kernel(&self, count: usize) -> Result<Vec<String>> {
        let what = format!("{count} expectations of {}", self.namespace.label());
        wait_for(&what, PATIENCE, || {
            let lines = self.kernel_expectations()?;
            Ok(match lines.len() == count {
                true => Progress::Done(lines),
                false => Progress::Waiting(lines.join("\n")),
            })
        })
    }

    /// Waits until a listing of its daemon has so many lines.
    pub fn wait_for_listed(&self, request: &str, count: usize) -> Result<Vec<String>> {
        let what = format!("{count} lines of {request} on {}", self.namespace.label());
        wait_for(&what, PATIENCE, || {
            let lines = self.listed(request)?;
            if lines.len() == count {
                return Ok(Progress::Done(lines));
            }
            let (listing, expected) = (lines.join("\n"), self.kernel_expectations()?);
            let statistics = self.daemon.client("-s expect")?.stdout;
            Ok(Progress::Waiting(format!(
                "{listing}\nthe kernel expects {expected:?}\n{statistics}"
            )))
        })
    }
}

/// The client's address of the family of another one.
pub fn client_beside(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => CLIENT.into(),
        IpAddr::V6(_) => CLIENT_V6.into(),
    }
}

/// An error of a conversation.
pub fn unexpected(what: impl Into<String>) -> Error {
    Error::Unexpected(what.into())
}
