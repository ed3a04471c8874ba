//! Channels and the interface watcher on real links: what needs more than a loopback interface.
//!
//! The tables' sockets are tested in `kernel.rs`, what a lone process can show in `linux` itself.

#![expect(clippy::unwrap_used, reason = "helper functions of tests are tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use linux::channel::Buffers;
use linux::channel::datagram::Checksum;
use linux::channel::udp::Config;
use linux::interface::{self, Interface, Notice, Watcher};
use linux::poller::{Interest, Poller};
use rustix::net::{AddressFamily, RecvFlags, SocketType, ipproto, recv, socket};
use testbed::Namespace;

const TIMEOUT: Option<Duration> = Some(testbed::PATIENCE);

fn config(local: Ipv4Addr, peer: Ipv4Addr) -> Config {
    Config {
        local: IpAddr::V4(local),
        peer: IpAddr::V4(peer),
        port: 3780,
        interface: 0,
        buffers: Buffers::default(),
        checksum: Checksum::On,
    }
}

/// The UDP checksum of one datagram as a raw socket sees it.
fn checksum(wanted: Checksum) -> u16 {
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::UDP)).unwrap();
    let config = Config {
        checksum: wanted,
        ..config(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
    };
    let mut sender = config.sender().unwrap();
    assert!(sender.queue(b"some payload"));
    assert_eq!(sender.flush().sent, 1);
    let mut packet = [0; 128];
    let (_, len) = recv(&raw, &mut packet, RecvFlags::empty()).unwrap();
    // 20 bytes of IPv4, 6 of UDP.
    assert_eq!(len, 20 + 8 + 12);
    u16::from_be_bytes([packet[26], packet[27]])
}

#[test]
fn the_checksum_can_be_left_out() {
    let namespace = Namespace::new("checksum").unwrap();
    let (on, off) = namespace
        .enter(|| (checksum(Checksum::On), checksum(Checksum::Off)))
        .unwrap();
    assert_ne!(on, 0);
    assert_eq!(off, 0);
}

/// Makes a link whose other end stays silent, so that nobody answers for 192.0.2.2.
fn silent_link() -> Namespace {
    let namespace = Namespace::new("silent").unwrap();
    for command in [
        "ip link add near type veth peer name far",
        "ip address add 192.0.2.1/24 dev near",
        "ip link set near up",
        "ip link set far up",
    ] {
        namespace.run(command).unwrap();
    }
    namespace
}

#[test]
fn a_full_socket_blocks_nobody_and_goes_on_when_there_is_room() {
    const COUNT: usize = 60;
    let namespace = silent_link();
    // It shall be looked for all the time: three times, a second each, is the default.
    let tries = "net.ipv4.neigh.near.mcast_solicit";
    namespace.sysctl(tries, 1_000).unwrap();
    let config = Config {
        buffers: Buffers {
            send: Some(8 * 1024),
            receive: None,
        },
        ..config(Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2))
    };
    let mut sender = namespace.enter(|| config.sender()).unwrap().unwrap();
    for _ in 0..COUNT {
        assert!(sender.queue(&[7; 1_000]));
    }
    // Datagrams wait for the neighbour's hardware address and fill the buffer.
    let first = sender.flush();
    assert!(first.blocked && first.sent > 0, "{first:?}");
    assert_eq!(sender.queued(), COUNT - first.sent);
    assert_eq!(first.refused, None);
    let mut poller = Poller::new().unwrap();
    poller.add(&sender, 1, Interest::Write).unwrap();
    assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap().count(), 0);
    namespace
        .run("ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev near")
        .unwrap();
    let mut sent = first.sent;
    while sent < COUNT {
        assert_eq!(
            poller.wait(TIMEOUT).unwrap().count(),
            1,
            "{sent} of {COUNT} sent"
        );
        sent += sender.flush().sent;
    }
    assert_eq!(sender.queued(), 0);
    assert_eq!(sender.traffic().packets, u64::try_from(COUNT).unwrap());
}

#[test]
fn link_local_addresses_need_the_interface() {
    let namespace = Namespace::new("scope").unwrap();
    for command in [
        "ip link add near type veth peer name far",
        "ip link set near addrgenmode none",
        "ip address add fe80::1/64 dev near nodad",
        "ip link set near up",
        "ip link set far up",
    ] {
        namespace.run(command).unwrap();
    }
    namespace
        .enter(|| {
            let local: IpAddr = "fe80::1".parse().unwrap();
            let mut config = config(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
            config.local = local;
            config.peer = local;
            assert!(config.receiver().is_err());
            config.interface = interface::find("near").unwrap().index;
            let mut receiver = config.receiver().unwrap();
            let mut sender = config.sender().unwrap();
            assert!(sender.queue(b"hello"));
            assert_eq!(sender.flush().sent, 1);
            let mut poller = Poller::new().unwrap();
            poller.add(&receiver, 1, Interest::Read).unwrap();
            assert_eq!(poller.wait(TIMEOUT).unwrap().count(), 1);
            let mut seen = Vec::new();
            receiver.drain(10, |datagram| seen.push(datagram.bytes.to_vec()));
            assert_eq!(seen, [b"hello"]);
        })
        .unwrap();
}

/// Drains until a notice about `name` is what is waited for.
fn wait_for(watcher: &mut Watcher, name: &str, wanted: impl Fn(&Notice, &Interface) -> bool) {
    let mut poller = Poller::new().unwrap();
    poller.add(&*watcher, 1, Interest::Read).unwrap();
    loop {
        assert_eq!(
            poller.wait(TIMEOUT).unwrap().count(),
            1,
            "no such notice about {name}"
        );
        let mut is_there = false;
        watcher
            .drain(100, |notice| match &notice {
                Notice::Present(interface) | Notice::Gone(interface) => {
                    is_there |= &*interface.name == name && wanted(&notice, interface);
                }
                Notice::Overrun | Notice::Malformed(_) => panic!("{notice:?}"),
            })
            .unwrap();
        if is_there {
            return;
        }
    }
}

#[test]
fn a_watcher_tells_of_carrier_state_mtu_and_the_end() {
    let namespace = silent_link();
    let mut watcher = namespace.enter(Watcher::open).unwrap().unwrap();
    let present = |notice: &Notice| matches!(notice, Notice::Present(_));
    wait_for(&mut watcher, "near", |notice, i| {
        present(notice) && i.is_up && i.is_running
    });
    namespace.run("ip link set far down").unwrap();
    wait_for(&mut watcher, "near", |notice, i| {
        present(notice) && i.is_up && !i.is_running
    });
    namespace.run("ip link set near down").unwrap();
    wait_for(&mut watcher, "near", |notice, i| {
        present(notice) && !i.is_up
    });
    namespace.run("ip link set near mtu 1400").unwrap();
    wait_for(&mut watcher, "near", |notice, i| {
        present(notice) && i.mtu == 1400
    });
    let found = namespace
        .enter(|| interface::find("near"))
        .unwrap()
        .unwrap();
    assert_eq!((found.mtu, found.is_up), (1400, false));
    namespace.run("ip link delete near").unwrap();
    wait_for(&mut watcher, "near", |notice, _| {
        matches!(notice, Notice::Gone(_))
    });
}
