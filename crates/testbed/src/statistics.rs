//! What `conntrackd -s` prints, as numbers.
//!
//! The text is stock's, and ours must be the same; so one reader serves both, and a daemon that
//! prints something else fails the tests that ask it.

use crate::{Error, Result};

/// One cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Flows in it.
    pub active: u64,
    /// Flows that ever came in.
    pub created: u64,
    /// Changes of flows in it.
    pub updated: u64,
    /// Flows that went out.
    pub destroyed: u64,
    /// Operations that failed, all kinds together.
    pub failed: u64,
}

/// The general statistics of a daemon that synchronises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The node's own flows.
    pub internal: CacheStatistics,
    /// The peer's flows.
    pub external: CacheStatistics,
    /// Datagrams on the active link.
    pub packets_sent: u64,
    /// Datagrams from the active link.
    pub packets_received: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Messages that never arrived.
    pub lost: u64,
}

impl Statistics {
    /// Reads the reply to `-s`.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = || Error::Unexpected(format!("not the statistics of a daemon:\n{text}"));
        let cache = |name: &str| {
            let header = format!("cache {name}:");
            let block = text
                .split("\n\n")
                .find(|block| block.trim_start().starts_with(&header));
            block.and_then(cache).ok_or_else(malformed)
        };
        let pair = |key: &str| pair(text, key).ok_or_else(malformed);
        let (packets_sent, packets_received) = pair("Pckts sent")?;
        let (malformed_count, lost) = pair("Malformed msgs")?;
        Ok(Self {
            internal: cache("internal")?,
            external: cache("external")?,
            packets_sent,
            packets_received,
            malformed: malformed_count,
            lost,
        })
    }
}

fn cache(block: &str) -> Option<CacheStatistics> {
    let numbers = |key: &str| {
        let line = block.lines().find(|line| line.starts_with(key))?;
        Some(numbers(line))
    };
    let (created, updated, destroyed) = (
        numbers("connections created:")?,
        numbers("connections updated:")?,
        numbers("connections destroyed:")?,
    );
    Some(CacheStatistics {
        active: *numbers("current active connections:")?.first()?,
        created: *created.first()?,
        updated: *updated.first()?,
        destroyed: *destroyed.first()?,
        failed: [created, updated, destroyed]
            .iter()
            .filter_map(|n| n.get(1))
            .sum(),
    })
}

/// The two numbers of the line that contains `key`.
fn pair(text: &str, key: &str) -> Option<(u64, u64)> {
    let numbers = numbers(text.lines().find(|line| line.contains(key))?);
    Some((*numbers.first()?, *numbers.get(1)?))
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read_from_the_daemons_text() {
        let text = "\
cache internal:
current active connections:\t           7
connections created:\t\t           8\tfailed:\t           1
connections updated:\t\t           2\tfailed:\t           0
connections destroyed:\t\t           1\tfailed:\t           3

cache external:
current active connections:\t           5
connections created:\t\t           5\tfailed:\t           0
connections updated:\t\t           0\tfailed:\t           0
connections destroyed:\t\t           0\tfailed:\t           0

traffic processed:
                   0 Bytes                         0 Pckts

UDP traffic (active device=eth2):
                 588 Bytes sent                   84 Bytes recv
                   9 Pckts sent                    3 Pckts recv
                   0 Error send                    0 Error recv

message tracking:
                   4 Malformed msgs                   6 Lost msgs

";
        let internal = CacheStatistics {
            active: 7,
            created: 8,
            updated: 2,
            destroyed: 1,
            failed: 4,
        };
        let external = CacheStatistics {
            active: 5,
            created: 5,
            ..Default::default()
        };
        let expected = Statistics {
            internal,
            external,
            packets_sent: 9,
            packets_received: 3,
            malformed: 4,
            lost: 6,
        };
        assert_eq!(Statistics::parse(text).unwrap(), expected);
        assert!(Statistics::parse("").is_err());
    }
}
