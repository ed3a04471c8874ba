//! Many datagrams with one system call: `recvmmsg` into buffers that are allocated once.
//!
//! The ring owns one block of memory, cut into slots of equal length. A receive call fills slots
//! from the first one on; what it received stays readable until the next call.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::Errno;

use super::check;

/// Bytes kept of a sender's address: the longest one in use is `sockaddr_in6`.
const NAME_LEN: usize = 28;

/// One datagram received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    /// Its bytes, as many as fit the slot.
    pub(crate) bytes: &'a [u8],
    /// Whether the slot was too short for it.
    pub(crate) truncated: bool,
    /// The sender's address as the kernel wrote it (`struct sockaddr`); empty if not asked for.
    pub(crate) name: &'a [u8],
}

/// Buffers for `recvmmsg`.
#[derive(Debug)]
pub(crate) struct Ring {
    bytes: Box<[u8]>,
    slot_len: usize,
    /// One for each slot, or none at all.
    names: Box<[[u8; NAME_LEN]]>,
    /// Length, name length and truncation of each slot that the last call filled.
    received: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    len: usize,
    name_len: usize,
    truncated: bool,
}

/// Most datagrams that one call receives; the call's headers lie on the stack.
pub(crate) const SLOTS_MAX: usize = 64;

impl Ring {
    /// A ring of at most [`SLOTS_MAX`] slots. Pages of long slots cost memory only once used.
    ///
    /// It does not ask who has sent a datagram, which saves a tenth of the time of a call.
    pub(crate) fn new(slots: usize, slot_len: usize) -> Self {
        assert!((1..=SLOTS_MAX).contains(&slots) && slot_len > 0);
        Self {
            bytes: vec![0; slots * slot_len].into_boxed_slice(),
            slot_len,
            names: Box::default(),
            received: Vec::with_capacity(slots),
        }
    }

    /// The same with the senders' addresses.
    pub(crate) fn with_names(slots: usize, slot_len: usize) -> Self {
        Self {
            names: vec![[0; NAME_LEN]; slots].into_boxed_slice(),
            ..Self::new(slots, slot_len)
        }
    }

    /// Number of slots.
    pub(crate) fn slots(&self) -> usize {
        self.bytes.len() / self.slot_len
    }

    /// Receives what is there from a non-blocking socket: at most `limit` datagrams, and as many as
    /// there are slots. Datagrams of the call before are forgotten.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, limit: usize) -> Result<usize, Errno> {
        self.received.clear();
        let mut vectors = [libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        }; SLOTS_MAX];
        let mut headers = empty_headers();
        let wanted = limit.min(self.slots());
        let mut names = self.names.iter_mut();
        let slots = self.bytes.chunks_exact_mut(self.slot_len);
        let places = headers.iter_mut().zip(&mut vectors).zip(slots);
        for ((header, vector), bytes) in places.take(wanted) {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = bytes.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            if let Some(name) = names.next() {
                header.msg_hdr.msg_name = name.as_mut_ptr().cast();
                header.msg_hdr.msg_namelen = u32::try_from(NAME_LEN).unwrap_or(0);
            }
        }
        let count = receive_into(socket, &mut headers[..wanted])?;
        let filled = headers.iter().take(count);
        self.received.extend(filled.map(|header| Slot {
            len: usize::try_from(header.msg_len).map_or(self.slot_len, |n| n.min(self.slot_len)),
            name_len: usize::try_from(header.msg_hdr.msg_namelen).map_or(0, |n| n.min(NAME_LEN)),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        }));
        Ok(count)
    }

    /// The datagrams of the last call.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let mut names = self.names.iter();
        let slots = self.bytes.chunks_exact(self.slot_len);
        self.received.iter().zip(slots).map(move |(slot, bytes)| {
            let name = names
                .next()
                .map(<[u8; NAME_LEN]>::as_slice)
                .unwrap_or_default();
            Datagram {
                bytes: &bytes[..slot.len],
                truncated: slot.truncated,
                name: name.get(..slot.name_len).unwrap_or_default(),
            }
        })
    }
}

/// Headers that point nowhere.
fn empty_headers() -> [libc::mmsghdr; SLOTS_MAX] {
    // SAFETY: plain C structs, for which all zeros means: no name, no vectors, no control data.
    // Written this way because the C libraries differ in their padding members.
    unsafe { std::mem::zeroed() }
}

/// One `recvmmsg` call; the headers must point to memory that is borrowed mutably for its time.
fn receive_into(socket: BorrowedFd<'_>, headers: &mut [libc::mmsghdr]) -> Result<usize, Errno> {
    let len = libc::c_uint::try_from(headers.len()).unwrap_or(0);
    // SAFETY: rustix has no recvmmsg. `headers` is valid for `len` elements; the only caller,
    // `Ring::receive`, points each name and vector of them to distinct memory that it borrows
    // mutably until after this call, with their true lengths. Any bytes are valid there.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            len,
            0,
            ptr::null_mut(),
        )
    };
    check(count).map(|count| usize::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn datagrams_arrive_in_order_and_truncation_shows() {
        let (left, right) = UnixDatagram::pair().unwrap();
        right.set_nonblocking(true).unwrap();
        let mut ring = Ring::new(4, 8);
        assert_eq!(ring.receive(right.as_fd(), 4), Err(Errno::AGAIN));
        for text in ["one", "two", "three of them", "four", "five"] {
            left.send(text.as_bytes()).unwrap();
        }
        assert_eq!(ring.receive(right.as_fd(), 9), Ok(4));
        let seen: Vec<_> = ring
            .datagrams()
            .map(|datagram| (datagram.bytes.to_vec(), datagram.truncated))
            .collect();
        let wanted = [
            ("one", false),
            ("two", false),
            ("three of", true),
            ("four", false),
        ];
        let wanted: Vec<_> = wanted
            .map(|(text, cut)| (text.as_bytes().to_vec(), cut))
            .into();
        assert_eq!(seen, wanted);
        assert_eq!(ring.receive(right.as_fd(), 1), Ok(1));
        assert_eq!(ring.datagrams().count(), 1);
    }
}
