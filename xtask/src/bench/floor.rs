//! The least that a command costs: what the kernel does, and next to nothing else.
//!
//! Listing: ask, and throw the answer away; no decoder, no text, reads as large as the kernel fills them.
//! Changing: requests of the same form, a hundred at a time. The rest of the time of a real program is
//! its own.

use std::fs;
use std::time::Instant;

use flow::filter::{KernelFilter, PartialTuple};
use flow::{
    Addrs, Family, Flow, L4, NatRange, PerDir, Ports, ProtoInfo, Protocol, Status, TcpFlags,
    TcpInfo, TcpState, Tuple,
};
use linux::table::{Batch, Dump, DumpKind, Query, Request, Run};
use nfnetlink::conntrack::request::FlowKey;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use testbed::{Error, Namespace, Result};

use super::GROUP;
use super::sample::number_after;

/// The kernel fills at most so much per read of a dump.
const READ: usize = 32 * 1024;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`
const GET: u16 = 1 << 8 | 1;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const DUMP: u16 = 0x301;
/// `NLMSG_DONE`
const DONE: u16 = 3;

/// Seconds for one dump of the node's table.
pub fn dump(node: &Namespace) -> Result<f64> {
    let seconds = node.enter(|| -> rustix::io::Result<f64> {
        let start = Instant::now();
        discard()?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    seconds.map_err(|errno| Error::Io {
        what: "dumping the table".into(),
        source: errno.into(),
    })
}

/// Seconds for a dump of the TCP flows with this source port.
pub fn find(node: &Namespace, port: u16) -> Result<f64> {
    let part = PartialTuple {
        protocol: Some(Protocol::TCP),
        src_port: Some(port),
        ..PartialTuple::default()
    };
    timed(node, "finding flows", || {
        for family in [Family::Ipv4, Family::Ipv6] {
            Dump::start(&Query::Flows(DumpKind::Table, &of(family, part)))?.read_all(|_| ())?;
        }
        Ok(())
    })
}

/// Seconds for a dump of the UDP flows with this destination port, and their deletion.
pub fn delete(node: &Namespace, port: u16) -> Result<f64> {
    let part = PartialTuple {
        protocol: Some(Protocol::UDP),
        dst_port: Some(port),
        ..PartialTuple::default()
    };
    timed(node, "deleting flows", || {
        let mut batch = Batch::open()?;
        for family in [Family::Ipv4, Family::Ipv6] {
            let mut dump = Dump::start(&Query::Flows(DumpKind::Table, &of(family, part)))?;
            dump.read_all(|message| {
                let Ok(flow) = message.and_then(|message| message.flow()) else {
                    return;
                };
                if batch.is_full() {
                    batch.flush(|(), _| ());
                }
                // What cannot be expressed is left, and found by the count behind.
                let _ = batch.push(&Request::Delete(&FlowKey::exact(&flow.value)), ());
            })?;
        }
        batch.flush(|(), _| ());
        Ok(())
    })
}

/// Seconds for so many new flows of UDP.
pub fn load(node: &Namespace, flows: u32) -> Result<f64> {
    timed(node, "making flows", || {
        let mut batch = Batch::open()?;
        for number in 0..flows {
            if batch.is_full() {
                batch.flush(|(), _| ());
            }
            batch.push(&Request::Create(&udp(number)), ())?;
        }
        batch.flush(|(), _| ());
        Ok(())
    })
}

/// Seconds from start to end, and seconds of CPU, for so many new flows like those that a commit
/// writes, from requests that are made already.
pub fn commit(node: &Namespace, flows: u32) -> Result<(f64, f64)> {
    let mut runs = vec![Run::new()];
    for number in 0..flows {
        if runs.last().is_some_and(Run::is_full) {
            runs.push(Run::new());
        }
        let pushed = runs.last_mut().map_or(Ok(()), |run| {
            run.push(&Request::Create(&committed(number)), ())
        });
        pushed.map_err(|error| Error::Unexpected(format!("a request: {error}")))?;
    }
    let mut refused = None;
    let mut cpu = 0.0;
    let wall = timed(node, "making flows", || {
        let mut batch = Batch::open()?;
        let before = cpu_of_thread();
        for run in &mut runs {
            batch.send(run, |(), outcome| {
                refused = refused.take().or(outcome.err());
            });
        }
        cpu = cpu_of_thread() - before;
        Ok(())
    })?;
    match refused {
        None => Ok((wall, cpu)),
        Some(error) => Err(Error::Unexpected(format!("making flows: {error}"))),
    }
}

/// CPU seconds that this thread has used so far.
fn cpu_of_thread() -> f64 {
    // Where the kernel does not count there is none to be shown.
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    number_after(&text, "").unwrap_or(f64::NAN) / 1e9
}

/// What becomes of a flow of [`testbed::Group`] on its way.
fn committed(number: u32) -> Flow<'static> {
    let (group, of_group) = (number / GROUP, number % GROUP);
    let [_, _, high, low] = group.to_be_bytes();
    let addrs = Addrs::V4 {
        src: [10, high, low, 1].into(),
        dst: [192, 0, 2, 1].into(),
    };
    let src = u16::try_from(1024 + of_group).unwrap_or(u16::MAX);
    let ports = Ports { src, dst: 80 };
    let is_udp = number % 4 == 3;
    let liberal = Some(TcpFlags {
        flags: TcpFlags::BE_LIBERAL,
        mask: TcpFlags::BE_LIBERAL,
    });
    let info = TcpInfo {
        state: Some(TcpState::ESTABLISHED),
        flags: PerDir {
            orig: liberal,
            reply: liberal,
        },
        ..TcpInfo::default()
    };
    let orig = Tuple::new(
        addrs,
        if is_udp {
            L4::Udp(ports)
        } else {
            L4::Tcp(ports)
        },
    );
    let translated = NatRange::exact([172, 16, high, low].into(), None);
    Flow {
        reply: orig.inverse(),
        status: Some(Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED),
        timeout: Some(3600),
        protoinfo: Some(ProtoInfo::Tcp(info)).filter(|_| !is_udp),
        nat_src: Some(translated).filter(|_| number % 8 == 0),
        ..Flow::new(orig)
    }
}

fn udp(number: u32) -> Flow<'static> {
    let [_, high, middle, low] = number.to_be_bytes();
    let addrs = Addrs::V4 {
        src: [10, high, middle, low].into(),
        dst: [192, 0, 2, 1].into(),
    };
    let ports = Ports { src: 1024, dst: 53 };
    let orig = Tuple::new(addrs, L4::Udp(ports));
    Flow {
        reply: orig.inverse(),
        status: Some(Status::CONFIRMED | Status::SEEN_REPLY),
        timeout: Some(3600),
        ..Flow::new(orig)
    }
}

fn of(family: Family, orig: PartialTuple) -> KernelFilter {
    KernelFilter {
        family: Some(family),
        tuple: PerDir {
            orig,
            reply: PartialTuple::default(),
        },
        ..KernelFilter::default()
    }
}

/// Seconds that something takes inside of a node.
fn timed(
    node: &Namespace,
    what: &str,
    work: impl FnOnce() -> linux::table::Result<()> + Send,
) -> Result<f64> {
    let start = Instant::now();
    let result = node.enter(work)?;
    let seconds = start.elapsed().as_secs_f64();
    result.map_err(|error| Error::Unexpected(format!("{what}: {error}")))?;
    Ok(seconds)
}

fn discard() -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let protocol = Some(netlink::NETFILTER);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    send(&socket, &request(), SendFlags::empty())?;
    let mut buffer = vec![0; READ];
    loop {
        let (length, _) = recv(&socket, &mut *buffer, RecvFlags::empty())?;
        if length == 0 || is_end(buffer.get(..length).unwrap_or_default()) {
            return Ok(());
        }
    }
}

/// `nlmsghdr` (length, type, flags, sequence number, port) and an empty `nfgenmsg`.
fn request() -> [u8; 20] {
    let mut request = [0; 20];
    request[..4].copy_from_slice(&20_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&GET.to_ne_bytes());
    request[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    request
}

/// Whether the last message of the dump is in it: alone or behind others.
fn is_end(mut messages: &[u8]) -> bool {
    while let [l0, l1, l2, l3, t0, t1, ..] = messages {
        if u16::from_ne_bytes([*t0, *t1]) == DONE {
            return true;
        }
        let length = u32::from_ne_bytes([*l0, *l1, *l2, *l3]).next_multiple_of(4);
        match usize::try_from(length).ok().filter(|length| *length > 0) {
            Some(length) => messages = messages.get(length..).unwrap_or_default(),
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_dump_is_seen_behind_other_messages() {
        let message = |kind: u16, length: u32| {
            let mut message = length.to_ne_bytes().to_vec();
            message.extend(kind.to_ne_bytes());
            message.resize(length.next_multiple_of(4) as usize, 0);
            message
        };
        let flows = [message(GET, 18), message(GET, 16)].concat();
        assert!(!is_end(&flows));
        assert!(is_end(&[flows, message(DONE, 20)].concat()));
    }
}
