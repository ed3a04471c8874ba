//! Reads the sync traffic out of a capture file: just enough of pcap, Ethernet, IP, UDP and TCP.
//!
//! Panics on anything it does not expect: the captures are part of the source.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const SYNC_PORT: u16 = 3780;

/// The payloads of a capture: each datagram, and each TCP stream as one.
pub fn payloads(file: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file);
    let bytes = fs::read(&path).expect("a readable capture");
    let mut streams = BTreeMap::new();
    let mut payloads: Vec<Vec<u8>> = frames(&bytes)
        .into_iter()
        .filter_map(|frame| datagram(frame, &mut streams))
        .collect();
    payloads.extend(
        streams
            .into_values()
            .map(Stream::bytes)
            .filter(|bytes| !bytes.is_empty()),
    );
    payloads
}

/// Segments of one direction of a TCP connection by their sequence number.
#[derive(Default)]
struct Stream(BTreeMap<u32, Vec<u8>>);

impl Stream {
    fn bytes(self) -> Vec<u8> {
        self.0.into_values().flatten().collect()
    }
}

type Streams = BTreeMap<Vec<u8>, Stream>;

fn frames(file: &[u8]) -> Vec<&[u8]> {
    let (header, mut rest) = file.split_at(24);
    assert_eq!(header[..4], [0xd4, 0xc3, 0xb2, 0xa1], "little-endian pcap");
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap());
        let (frame, next) = rest[16..].split_at(usize::try_from(len).unwrap());
        frames.push(frame);
        rest = next;
    }
    frames
}

fn datagram(frame: &[u8], streams: &mut Streams) -> Option<Vec<u8>> {
    let ip = &frame[14..];
    let (protocol, addrs, transport) = match ip[0] >> 4 {
        4 => {
            let len = usize::from(u16_at(ip, 2));
            (ip[9], &ip[12..20], &ip[usize::from(ip[0] & 15) * 4..len])
        }
        6 => (ip[6], &ip[8..40], &ip[40..40 + usize::from(u16_at(ip, 4))]),
        other => panic!("IP version {other}"),
    };
    match protocol {
        17 if u16_at(transport, 2) == SYNC_PORT => Some(transport[8..].to_vec()),
        6 if u16_at(transport, 2) == SYNC_PORT => {
            let data = &transport[usize::from(transport[12] >> 4) * 4..];
            if !data.is_empty() {
                let key = [addrs, &transport[..2]].concat();
                let seq = u32::from_be_bytes(transport[4..8].try_into().unwrap());
                streams.entry(key).or_default().0.insert(seq, data.to_vec());
            }
            None
        }
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
