//! What happened, as a fingerprint always and as text on request.
//!
//! Two runs of one seed have equal fingerprints; that is how non-determinism shows.

use std::fmt;
use std::hash::Hasher;

use ctsync::Instant;

/// FNV-1a, 64 bits: the same on every machine, unlike the standard library's hash.
#[derive(Clone, Debug)]
pub struct Fnv(u64);

impl Fnv {
    /// A hash that starts from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325 ^ seed)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        // The low bits of FNV are weak, and the table is ordered by the whole.
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Lines of text kept; a run has a tenth of that.
const LINES_MAX: usize = 500_000;

/// The record of a run.
#[derive(Debug)]
pub struct Trace {
    fingerprint: Fnv,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A record, with text if `text`.
    pub fn new(text: bool) -> Self {
        Self {
            fingerprint: Fnv::new(0),
            lines: text.then(Vec::new),
        }
    }

    /// Records one event. `bytes` go into the fingerprint, `text` is made only if wanted.
    pub fn record(&mut self, now: Instant, bytes: &[u8], text: impl FnOnce() -> String) {
        self.fingerprint.write_u64(now.0);
        self.fingerprint.write(bytes);
        if let Some(lines) = self.lines.as_mut().filter(|lines| lines.len() < LINES_MAX) {
            lines.push(format!("{} {}", Seconds(now), text()));
        }
    }

    /// The fingerprint and the text.
    pub fn finish(self) -> (u64, Vec<String>) {
        (self.fingerprint.finish(), self.lines.unwrap_or_default())
    }
}

/// An instant as seconds with microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.0 / 1_000;
        write!(f, "{:3}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}
