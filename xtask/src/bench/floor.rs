//! The least that listing the table costs: ask for all flows, throw the answer away.
//!
//! No decoder, no text; reads as large as the kernel fills them. The rest of the time of a real
//! program is its own.

use std::time::Instant;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use testbed::{Error, Namespace, Result};

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
