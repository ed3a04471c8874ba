//! Bytes of sync messages, made by hand: what an attacker writes needs no codec of ours.

/// Bytes of a header.
pub const HEADER_LEN: usize = 8;

/// Flags of control messages.
pub const RESYNC: u8 = 0x02;
pub const NACK: u8 = 0x04;
pub const ACK: u8 = 0x08;
pub const ALIVE: u8 = 0x10;
/// Flags of the greeting.
pub const HELLO: u8 = 0x20;
pub const HELLO_BACK: u8 = 0x40;

/// Types.
pub const FLOW_NEW: u8 = 0;
pub const CONTROL: u8 = 10;

/// A message of version 1 with the length it has.
pub fn message(kind: u8, flags: u8, seq: u32, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(HEADER_LEN + body.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![0x10 | kind, flags];
    bytes.extend(len.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A control message about a range.
pub fn control(flags: u8, seq: u32, from: u32, to: u32) -> Vec<u8> {
    message(
        CONTROL,
        flags,
        seq,
        &[from.to_be_bytes(), to.to_be_bytes()].concat(),
    )
}

/// A sign of life.
pub fn alive(flags: u8, seq: u32) -> Vec<u8> {
    message(CONTROL, ALIVE | flags, seq, &[])
}

/// An attribute, padded.
pub fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = [len.to_be_bytes(), number.to_be_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Addresses of an IPv4 flow that nobody has, told apart by a number.
fn addresses(number: u32) -> [u8; 8] {
    let [_, a, b, c] = number.to_be_bytes();
    [198, a, b, c, 203, 0, 113, 1]
}

/// The attributes that no flow can do without.
pub fn plain_flow(number: u32) -> Vec<u8> {
    [
        attribute(0, &addresses(number)),
        attribute(2, &[6]),
        attribute(3, &[0x30, 0x39, 0, 80]),
    ]
    .concat()
}

/// A flow with every attribute there is for an IPv4 TCP connection: the dearest one to keep.
pub fn rich_flow(number: u32) -> Vec<u8> {
    [
        plain_flow(number),
        attribute(4, &[3]),
        attribute(5, &0x18e_u32.to_be_bytes()),
        attribute(6, &432_000_u32.to_be_bytes()),
        attribute(7, &number.to_be_bytes()),
        attribute(8, &addresses(number ^ 1)),
        attribute(10, &[6]),
        attribute(11, &[0, 1, 0, 2]),
        attribute(12, &[192, 0, 2, 1]),
        attribute(13, &[192, 0, 2, 2]),
        attribute(14, &[1, 2]),
        attribute(15, &[3, 4]),
        attribute(16, &[0xff; 24]),
        attribute(25, &[7]),
        attribute(26, &[7]),
        // A terminal would act on this name.
        attribute(27, b"\x1b[2Jx\n[0m\0"),
        attribute(28, &[0xff; 16]),
        attribute(31, &[0x55; 12]),
        attribute(32, &[0, 0]),
    ]
    .concat()
}

/// A small generator of numbers that are random enough to be nonsense (xorshift), the same ones
/// every time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from((self.next() >> 16) % limit).unwrap_or(0)
    }

    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[5]
    }

    pub fn u32(&mut self) -> u32 {
        let [_, a, b, c, d, ..] = self.next().to_le_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// One to four bytes of a datagram changed, or its end cut off, or a piece doubled.
    pub fn mutated(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut bytes = datagram.to_vec();
        match self.below(8) {
            0 => bytes.truncate(self.below(datagram.len())),
            1 => bytes.extend_from_within(self.below(datagram.len())..),
            _ => {
                for _ in 0..=self.below(4) {
                    let at = self.below(bytes.len());
                    bytes[at] ^= self.byte();
                }
            }
        }
        bytes
    }
}
