//! Which program owns a netlink port, as far as /proc tells.
//!
//! Best effort: programs that asked the kernel for one thing and ended are gone before anybody
//! can look. The answer for the last port is kept, also that there is none, since one program
//! tends to cause many events in a row. Looking through /proc takes milliseconds, so under load
//! only some ports are looked up, and events are not lost over it.

use std::fs;
use std::path::Path;

/// `NETLINK_NETFILTER`
const NETFILTER: &str = "12";

/// Ports looked up between two moments of rest.
const SEARCHES_MAX: u32 = 16;

/// The last port that was looked up, and its owner.
#[derive(Debug, Default)]
pub struct Programs {
    last: Option<(u32, Option<Vec<u8>>)>,
    /// Searches since the last rest.
    searches: u32,
}

impl Programs {
    /// The name of the program that owns this port, as far as there is time to look.
    pub fn name(&mut self, port: u32) -> Option<&[u8]> {
        if self.last.as_ref().is_none_or(|(known, _)| *known != port) {
            if self.searches >= SEARCHES_MAX {
                return None;
            }
            self.searches += 1;
            self.last = Some((port, find(port)));
        }
        self.last.as_ref()?.1.as_deref()
    }

    /// Nothing waits to be shown: there is time again.
    pub const fn rest(&mut self) {
        self.searches = 0;
    }
}

fn find(port: u32) -> Option<Vec<u8>> {
    let sockets = fs::read_to_string("/proc/net/netlink").ok()?;
    let link = format!("socket:[{}]", inode(&sockets, port)?);
    // A program's first socket usually has its process id for a port.
    let first = port.to_string();
    if owns(&first, &link) {
        return name(&first);
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .find(|pid| owns(pid, &link))
        .and_then(|pid| name(&pid))
}

/// The inode of the netfilter socket that is bound to a port, from the text of /proc/net/netlink.
fn inode(sockets: &str, port: u32) -> Option<&str> {
    let port = port.to_string();
    sockets
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|columns| columns.get(1) == Some(&NETFILTER) && columns.get(2) == Some(&&*port))
        .and_then(|columns| columns.last().copied())
}

/// Whether a process has this file open.
fn owns(pid: &str, link: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    files.is_ok_and(|files| {
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|path| path == Path::new(link)))
    })
}

/// The name of a process: what stands in parentheses in its `stat`.
fn name(pid: &str) -> Option<Vec<u8>> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parenthesised(&stat).map(<[u8]>::to_vec)
}

fn parenthesised(stat: &[u8]) -> Option<&[u8]> {
    let rest = stat.split(|byte| *byte == b'(').nth(1)?;
    rest.split(|byte| *byte == b')').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_in_the_list_of_sockets() {
        let sockets = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   4242       00000000 0        0        0     2        0        11
0000000000000000 12  4242       00000000 0        0        0     2        0        12345
0000000000000000 12  0          00000000 0        0        0     2        0        7
";
        assert_eq!(inode(sockets, 4242), Some("12345"));
        assert_eq!(inode(sockets, 1), None);
        assert_eq!(inode("", 1), None);
    }

    #[test]
    fn a_name_stands_in_parentheses() {
        assert_eq!(parenthesised(b"7 (conntrack) S 1"), Some(&b"conntrack"[..]));
        assert_eq!(parenthesised(b"7 (a b) S"), Some(&b"a b"[..]));
        assert_eq!(parenthesised(b"7"), None);
    }

    #[test]
    fn a_port_that_nobody_owns_has_no_program() {
        // Port 0 is the kernel's own.
        assert_eq!(Programs::default().name(0), None);
    }

    #[test]
    fn searches_are_bounded_until_there_is_a_rest() {
        let mut programs = Programs::default();
        for port in 0..SEARCHES_MAX + 5 {
            programs.name(port);
        }
        let last = |programs: &Programs| programs.last.as_ref().map(|(port, _)| *port);
        assert_eq!(last(&programs), Some(SEARCHES_MAX - 1));
        programs.rest();
        programs.name(SEARCHES_MAX);
        assert_eq!(last(&programs), Some(SEARCHES_MAX));
    }
}
