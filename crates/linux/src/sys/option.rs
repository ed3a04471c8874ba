//! Socket options, and one account, that `rustix` does not know.
//!
//! All of them are single numbers, except the memory accounts of a socket, which are a short list
//! of numbers. The names are the kernel's.

use std::mem::{size_of, size_of_val};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_void, socklen_t};
use nfnetlink::bpf::Instruction;
use rustix::io::Errno;

use super::{check, last_errno};

/// Options of netlink sockets (`SOL_NETLINK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Netlink {
    /// `NETLINK_ADD_MEMBERSHIP`
    AddMembership,
    /// `NETLINK_DROP_MEMBERSHIP`
    DropMembership,
    /// `NETLINK_BROADCAST_ERROR`
    BroadcastError,
    /// `NETLINK_NO_ENOBUFS`
    NoEnobufs,
    /// `NETLINK_CAP_ACK`
    CapAck,
    /// `NETLINK_EXT_ACK`
    ExtAck,
    /// `NETLINK_GET_STRICT_CHK`
    StrictCheck,
}

impl Netlink {
    const fn number(self) -> c_int {
        match self {
            Self::AddMembership => libc::NETLINK_ADD_MEMBERSHIP,
            Self::DropMembership => libc::NETLINK_DROP_MEMBERSHIP,
            Self::BroadcastError => libc::NETLINK_BROADCAST_ERROR,
            Self::NoEnobufs => libc::NETLINK_NO_ENOBUFS,
            Self::CapAck => libc::NETLINK_CAP_ACK,
            Self::ExtAck => libc::NETLINK_EXT_ACK,
            Self::StrictCheck => libc::NETLINK_GET_STRICT_CHK,
        }
    }
}

/// Sets an option of a netlink socket.
pub(crate) fn set_netlink(
    socket: BorrowedFd<'_>,
    option: Netlink,
    value: u32,
) -> Result<(), Errno> {
    let value = c_int::from_ne_bytes(value.to_ne_bytes());
    set(socket, libc::SOL_NETLINK, option.number(), value)
}

/// Turns off the checksum of datagrams sent over IPv4 (`SO_NO_CHECK`).
pub(crate) fn set_no_checksum(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1)
}

/// Lets a socket hear only the multicast groups that it has joined itself, on the interfaces where
/// it has (`IP_MULTICAST_ALL`, `IPV6_MULTICAST_ALL`). Kernels before 4.20 lack it for IPv6.
pub(crate) fn set_joined_groups_only(socket: BorrowedFd<'_>, group: IpAddr) -> Result<(), Errno> {
    match group {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0),
        IpAddr::V6(_) => match set(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0) {
            Err(Errno::NOPROTOOPT) => Ok(()),
            result => result,
        },
    }
}

fn set(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    let len = option_len(size_of::<c_int>());
    let pointer = (&raw const value).cast::<c_void>();
    // SAFETY: `pointer` is valid for reads of `len` bytes during the call, and the descriptor is
    // borrowed, hence open. The kernel only copies the value.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, len) };
    check(result).map(drop)
}

/// Has the kernel run a program on each packet before it queues it (`SO_ATTACH_FILTER`); replaces
/// the one before.
pub(crate) fn attach_filter(socket: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.jump_true,
            jf: instruction.jump_false,
            k: instruction.operand,
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(|_| Errno::INVAL)?,
        filter: instructions.as_mut_ptr(),
    };
    let len = option_len(size_of_val(&program));
    let pointer = (&raw const program).cast::<c_void>();
    // SAFETY: rustix has no SO_ATTACH_FILTER. `pointer` is valid for reads of `len` bytes, and
    // `program.filter` for reads of `program.len` instructions: `instructions` lives until after
    // the call. The kernel checks the program and copies it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            pointer,
            len,
        )
    };
    check(result).map(drop)
}

/// Takes the program away again (`SO_DETACH_FILTER`); `ENOENT` if there is none.
pub(crate) fn detach_filter(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0)
}

/// Bytes written to a connection that the other end has not acknowledged (`SIOCOUTQ`).
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut bytes: c_int = 0;
    // SAFETY: rustix has no SIOCOUTQ, which is called TIOCOUTQ, too. The kernel writes one `int` to
    // the pointer, which is valid for that, and the descriptor is borrowed, hence open.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    check(result).map(|_| usize::try_from(bytes).unwrap_or(0))
}

/// `SO_MEMINFO` of `asm-generic/socket.h`, which libc does not define.
const SO_MEMINFO: c_int = 55;

/// Words of `SO_MEMINFO` (`enum` in `linux/sock_diag.h`), as many as are of use here.
pub(crate) const MEMINFO_LEN: usize = 9;

/// Memory accounts of a socket (`SO_MEMINFO`); words the kernel does not fill stay zero.
pub(crate) fn memory_info(socket: BorrowedFd<'_>) -> Result<[u32; MEMINFO_LEN], Errno> {
    let mut words = [0_u32; MEMINFO_LEN];
    let mut len = option_len(size_of_val(&words));
    let pointer = words.as_mut_ptr().cast::<c_void>();
    // SAFETY: `pointer` is valid for writes of `len` bytes, `len` for reads and writes, and any
    // bit pattern is a valid `u32`. The descriptor is borrowed, hence open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            pointer,
            &raw mut len,
        )
    };
    if result < 0 {
        return Err(last_errno());
    }
    Ok(words)
}

/// Length of an option value; values are a few bytes long.
fn option_len(bytes: usize) -> socklen_t {
    socklen_t::try_from(bytes).unwrap_or(socklen_t::MAX)
}
