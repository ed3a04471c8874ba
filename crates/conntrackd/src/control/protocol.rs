//! What a client can ask for, and the number that stands for it on the control socket.
//!
//! A request is one 32-bit number in the byte order of the machine; the reply is plain text that
//! ends when the daemon closes the connection. The numbers are stock's, so that either client
//! works with either daemon.
//!
//! With [`TELL`] added the reply ends with a zero byte and how the request has ended: `ok`, or why
//! it was not done (compat: ctl-9). Stock's daemon knows no such number and closes the connection.

/// Bytes of a request.
pub const REQUEST_LEN: usize = 4;

/// Added to the number of a request whose end is to be told.
pub const TELL: i32 = 0x100;

/// What stands between a reply and how the request has ended. No reply has such a byte.
pub const END: u8 = 0;

/// The end of a request that was done.
pub const DONE: &str = "ok";

/// Flows, expectations, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Flows.
    Flows,
    /// Expectations.
    Expectations,
    /// Flows, then expectations.
    Both,
}

/// One of the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// What this node's kernel tracks.
    Internal,
    /// What the peer told.
    External,
}

/// How a dump is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One line per entry.
    Text,
    /// One XML element per entry.
    Xml,
}

/// Which caches to empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caches {
    /// The internal cache of flows.
    Internal,
    /// The external cache of flows.
    External,
    /// Both caches of flows: an old request that no client sends any more.
    Flows,
    /// All caches.
    All,
}

/// What to show of the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The summary about flows.
    Flows,
    /// The summary about expectations.
    Expectations,
    /// Messages from and to the peer.
    Network,
    /// The caches in detail.
    Cache,
    /// The daemon itself.
    Runtime,
    /// The dedicated links.
    Link,
    /// Messages that wait for an acknowledgement.
    ResendQueue,
    /// Child processes.
    Process,
    /// Queues.
    Queue,
}

/// A client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// `-F`: empty the kernel's table.
    FlushKernel(Table),
    /// `-R`: read the kernel's table into the internal cache.
    ResyncKernel(Table),
    /// `-i`, `-e`: show a cache.
    Dump(Cache, Table, Format),
    /// `-c`: write the external cache into the kernel.
    Commit(Table),
    /// `-f`: empty caches.
    FlushCaches(Caches),
    /// `-k`: end the daemon.
    Kill,
    /// `-B`: send the whole internal cache.
    SendBulk,
    /// `-n`: ask the peer for its whole internal cache.
    RequestBulk,
    /// `-t`: empty the kernel's table after PurgeTimeout.
    SchedulePurge,
    /// `-s`: show statistics.
    Stats(Topic),
}

/// Every request with its number.
pub const REQUESTS: [(i32, Request); 34] = [
    (0, Request::FlushKernel(Table::Flows)),
    (1, Request::ResyncKernel(Table::Flows)),
    (
        16,
        Request::Dump(Cache::Internal, Table::Flows, Format::Text),
    ),
    (
        17,
        Request::Dump(Cache::External, Table::Flows, Format::Text),
    ),
    (18, Request::Commit(Table::Flows)),
    (19, Request::FlushCaches(Caches::Flows)),
    (20, Request::Kill),
    (21, Request::Stats(Topic::Flows)),
    (22, Request::SendBulk),
    (23, Request::RequestBulk),
    (
        24,
        Request::Dump(Cache::Internal, Table::Flows, Format::Xml),
    ),
    (
        25,
        Request::Dump(Cache::External, Table::Flows, Format::Xml),
    ),
    (26, Request::SchedulePurge),
    (28, Request::Stats(Topic::Network)),
    (29, Request::Stats(Topic::Cache)),
    (30, Request::Stats(Topic::Runtime)),
    (31, Request::Stats(Topic::Link)),
    (32, Request::Stats(Topic::ResendQueue)),
    (33, Request::FlushCaches(Caches::Internal)),
    (34, Request::FlushCaches(Caches::External)),
    (35, Request::Stats(Topic::Process)),
    (36, Request::Stats(Topic::Queue)),
    (37, Request::Stats(Topic::Expectations)),
    (38, Request::FlushKernel(Table::Expectations)),
    (39, Request::ResyncKernel(Table::Expectations)),
    (
        40,
        Request::Dump(Cache::Internal, Table::Expectations, Format::Text),
    ),
    (
        41,
        Request::Dump(Cache::External, Table::Expectations, Format::Text),
    ),
    (42, Request::Commit(Table::Expectations)),
    (43, Request::FlushKernel(Table::Both)),
    (44, Request::ResyncKernel(Table::Both)),
    (45, Request::FlushCaches(Caches::All)),
    (46, Request::Commit(Table::Both)),
    (
        47,
        Request::Dump(Cache::Internal, Table::Expectations, Format::Xml),
    ),
    (
        48,
        Request::Dump(Cache::External, Table::Expectations, Format::Xml),
    ),
];

impl Request {
    /// The request of four bytes, and whether its end is to be told; `None` for a number that
    /// stands for none.
    pub fn decode_telling(bytes: [u8; REQUEST_LEN]) -> Option<(Self, bool)> {
        let code = i32::from_ne_bytes(bytes);
        match Self::decode(bytes) {
            Some(request) => Some((request, false)),
            None => Some((Self::decode((code ^ TELL).to_ne_bytes())?, true)),
        }
    }

    /// The request of four bytes; `None` for a number that stands for none.
    pub fn decode(bytes: [u8; REQUEST_LEN]) -> Option<Self> {
        let code = i32::from_ne_bytes(bytes);
        REQUESTS
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, request)| *request)
    }

    /// The four bytes of a request; `None` if no number stands for it, as for a dump of both
    /// tables.
    pub fn encode(self) -> Option<[u8; REQUEST_LEN]> {
        REQUESTS
            .iter()
            .find(|(_, known)| *known == self)
            .map(|(code, _)| code.to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_comes_back_from_its_number() {
        for (code, request) in REQUESTS {
            assert_eq!(request.encode(), Some(code.to_ne_bytes()), "{request:?}");
            assert_eq!(Request::decode(code.to_ne_bytes()), Some(request));
        }
    }

    #[test]
    fn every_request_can_be_asked_for_its_end() {
        for (code, request) in REQUESTS {
            let telling = (code + TELL).to_ne_bytes();
            assert_eq!(Request::decode_telling(telling), Some((request, true)));
            let plain = code.to_ne_bytes();
            assert_eq!(Request::decode_telling(plain), Some((request, false)));
        }
        for code in [-1, 2, 15, TELL + 2, TELL + 49, 2 * TELL, i32::MIN, i32::MAX] {
            assert_eq!(Request::decode_telling(code.to_ne_bytes()), None, "{code}");
        }
    }

    #[test]
    fn other_numbers_are_no_requests() {
        for code in [-1, 2, 15, 27, 49, 0x1000, i32::MIN, i32::MAX] {
            assert_eq!(Request::decode(code.to_ne_bytes()), None, "{code}");
        }
    }
}
