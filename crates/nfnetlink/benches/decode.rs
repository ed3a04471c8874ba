//! Time to decode and encode one flow: `cargo bench -p nfnetlink`.
//!
//! The event path and listings decode every flow once, so these numbers are what they cannot fall
//! below.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![expect(clippy::expect_used, reason = "the inputs are constants")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use flow::{
    Addrs, Counters, Flow, Icmp, L4, Mark, PerDir, Ports, ProtoInfo, Status, TcpFlags, TcpInfo,
    TcpState, Tuple,
};
use nfnetlink::conntrack::request::{self, Call};
use nfnetlink::conntrack::{self, RawFlow};
use nfnetlink::nl::{AttrWriter, Builder, Messages};

/// An IPv4 TCP flow with what the kernel reports by default, and counters.
fn tcp() -> Flow<'static> {
    let addrs = Addrs::V4 {
        src: [10, 0, 0, 1].into(),
        dst: [192, 0, 2, 7].into(),
    };
    let ports = Ports {
        src: 40_000,
        dst: 443,
    };
    let orig = Tuple::new(addrs, L4::Tcp(ports));
    let flags = TcpFlags {
        flags: 0x23,
        mask: 0,
    };
    Flow {
        reply: orig.inverse(),
        status: Some(Status(0x8e)),
        timeout: Some(431_999),
        mark: Some(Mark(0)),
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            wscale: PerDir {
                orig: Some(7),
                reply: Some(7),
            },
            flags: PerDir {
                orig: Some(flags),
                reply: Some(flags),
            },
        })),
        counters: PerDir {
            orig: Some(Counters {
                packets: 10,
                bytes: 1_000,
            }),
            reply: Some(Counters {
                packets: 12,
                bytes: 9_000,
            }),
        },
        id: Some(0xdead_beef),
        use_count: Some(1),
        ..Flow::new(orig)
    }
}

fn ping6() -> Flow<'static> {
    let addrs = Addrs::V6 {
        src: [1; 16].into(),
        dst: [2; 16].into(),
    };
    let icmp = Icmp {
        kind: 128,
        code: 0,
        id: 77,
    };
    let orig = Tuple::new(addrs, L4::Icmpv6(icmp));
    Flow {
        reply: orig.inverse(),
        status: Some(Status(0x8a)),
        timeout: Some(29),
        mark: Some(Mark(0)),
        id: Some(1),
        use_count: Some(1),
        ..Flow::new(orig)
    }
}

fn encoded(flow: &Flow<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    AttrWriter::bare(&mut out, |w| conntrack::encode(w, flow)).expect("short names");
    out
}

/// Runs for half a second after a warm-up and prints the best of the rounds, in nanoseconds.
fn measure(name: &str, mut operation: impl FnMut()) {
    const PER_ROUND: u32 = 10_000;
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        let round = Instant::now();
        for _ in 0..PER_ROUND {
            operation();
        }
        best = best.min(round.elapsed());
    }
    let nanos = best.as_secs_f64() * 1e9 / f64::from(PER_ROUND);
    println!("{name:<40} {nanos:>8.1} ns");
}

fn main() {
    for (name, flow) in [("IPv4 TCP", tcp()), ("ICMPv6", ping6())] {
        let bytes = encoded(&flow);
        let title = format!("{name}, {} bytes", bytes.len());
        measure(&format!("decode {title}"), || {
            black_box(conntrack::decode(black_box(&bytes)).is_ok());
        });
        measure(&format!("look at the tuple of {title}"), || {
            black_box(RawFlow::new(black_box(&bytes)).orig().is_ok());
        });
        let mut out = Vec::with_capacity(4_096);
        measure(&format!("create request, {name}"), || {
            out.clear();
            let mut builder = Builder::new(&mut out);
            request::create(&mut builder, Call::quiet(1), black_box(&flow)).expect("complete");
        });
        measure(&format!("find the message, {name}"), || {
            black_box(Messages::new(black_box(&out)).count());
        });
    }
}
