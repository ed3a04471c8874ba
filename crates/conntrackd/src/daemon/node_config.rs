//! From the configuration to what the node is told at its birth.
//!
//! The two speak of the same things in types of their own: the file's, with its defaults, and the
//! core's. What neither has, chance and the clock, is added here.

use std::time::Duration;

use ctsync::{ChannelConfig, ChannelId, Config, ModeConfig, Seq};
use linux::clock;

use crate::config::model::{
    Alarm, ExternalCache, Ftfw, General, InternalCache, Links, Mode, Notrack, Sync,
};
use crate::daemon::usize_from;

/// The part of the configuration that the node needs.
pub fn node_config(general: &General, sync: &Sync, channels: Vec<ChannelConfig>) -> Config {
    let (mode, caches, startup_resync) = mode(&sync.mode);
    let (internal_cache, external_cache) = caches;
    let hash_key = hash_key();
    Config {
        internal_cache: match internal_cache {
            InternalCache::Keep => ctsync::config::InternalCache::Keep,
            InternalCache::Bypass => ctsync::config::InternalCache::Bypass,
        },
        external_cache: match external_cache {
            ExternalCache::Keep => ctsync::config::ExternalCache::Keep,
            ExternalCache::Inject => ctsync::config::ExternalCache::Inject,
        },
        channels,
        initial_channel: initial(&sync.links),
        cache_len_max: usize_from(general.hash_limit),
        commit_timeout: sync.commit_timeout,
        purge_timeout: sync.purge_timeout,
        startup_resync,
        tcp_window_tracking: sync.tcp_window_tracking,
        expectations: sync.expectation_sync.is_on(),
        overrun_resync: general.overrun_resync,
        poll: general.poll,
        first_seq: first_seq(clock::wall()),
        hash_key,
        random_seed: random_seed(),
        ..Config::new(mode)
    }
}

/// The mode, its caches, and whether it begins by asking for the peer's flows.
fn mode(mode: &Mode) -> (ModeConfig, (InternalCache, ExternalCache), bool) {
    const BOTH: (InternalCache, ExternalCache) = (InternalCache::Keep, ExternalCache::Keep);
    match *mode {
        Mode::Ftfw(Ftfw {
            resend_queue_len_max,
            ack_window,
            external_cache,
            startup_resync,
        }) => {
            let mode = ModeConfig::Ftfw {
                resend_queue_len_max: usize_from(resend_queue_len_max),
                ack_window,
            };
            (mode, (InternalCache::Keep, external_cache), startup_resync)
        }
        Mode::Alarm(Alarm {
            refresh_time,
            cache_timeout,
        }) => {
            let mode = ModeConfig::Alarm {
                refresh_time,
                cache_timeout,
            };
            (mode, BOTH, false)
        }
        Mode::Notrack(Notrack {
            internal_cache,
            external_cache,
            startup_resync,
        }) => {
            let caches = (internal_cache, external_cache);
            (ModeConfig::Notrack, caches, startup_resync)
        }
    }
}

/// The link marked as `Default`, or the first one.
fn initial(links: &Links) -> ChannelId {
    let index = match links {
        Links::Udp(links) | Links::Tcp { links, .. } => links.initial,
        Links::Multicast(links) => links.initial,
    };
    ChannelId(u8::try_from(index).unwrap_or(0))
}

/// Stock numbers its first message with the wall clock in seconds, modulo 2^32.
fn first_seq(wall: Duration) -> Seq {
    Seq(u32::try_from(wall.as_secs() & u64::from(u32::MAX)).unwrap_or(0))
}

/// A key that nobody outside this process can guess: the standard library seeds its hashers from
/// the system's random source.
pub fn hash_key() -> [u64; 2] {
    [random(), random()]
}

/// Where the node's own series of random numbers begins: not where the peer's does.
fn random_seed() -> u64 {
    random()
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Operation};

    /// What the node is told of a file whose `Sync` has this beside its link.
    fn lowered(general: &str, sync: &str) -> Config {
        let link = "UDP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 \
                    Interface eth0 }";
        let text = format!("General {{ {general} }} Sync {{ {sync} {link} }}");
        let (config, _) = config::parse_language("x", text.as_bytes()).unwrap();
        let Operation::Sync(sync) = &config.operation else {
            panic!("{config}")
        };
        let channel = ChannelConfig {
            payload_len_max: 1472,
        };
        node_config(&config.general, sync, vec![channel])
    }

    #[test]
    fn every_mode_reaches_the_node_with_its_options() {
        let seconds = Duration::from_secs;
        let ftfw = lowered(
            "HashLimit 7 NetlinkOverrunResync off",
            "Mode FTFW { ResendQueueSize 5 ACKWindowSize 9 StartupResync on CommitTimeout 3 \
             PurgeTimeout 4 } Options { TCPWindowTracking on ExpectationSync { ftp } }",
        );
        let expected = ModeConfig::Ftfw {
            resend_queue_len_max: 5,
            ack_window: 9,
        };
        assert_eq!(ftfw.mode, expected);
        assert_eq!((ftfw.cache_len_max, ftfw.overrun_resync), (7, None));
        assert_eq!(ftfw.commit_timeout, Some(seconds(3)));
        assert_eq!(ftfw.purge_timeout, seconds(4));
        assert!(ftfw.startup_resync && ftfw.tcp_window_tracking && ftfw.expectations);
        let alarm = lowered("PollSecs 8", "Mode ALARM { RefreshTime 5 CacheTimeout 6 }");
        let expected = ModeConfig::Alarm {
            refresh_time: seconds(5),
            cache_timeout: seconds(6),
        };
        assert_eq!((alarm.mode, alarm.poll), (expected, Some(seconds(8))));
        let notrack = lowered(
            "",
            "Mode NOTRACK { DisableInternalCache on DisableExternalCache on }",
        );
        assert_eq!(notrack.mode, ModeConfig::Notrack);
        assert_eq!(
            (notrack.internal_cache, notrack.external_cache),
            (
                ctsync::config::InternalCache::Bypass,
                ctsync::config::ExternalCache::Inject
            )
        );
        assert!(!notrack.expectations && !notrack.startup_resync);
    }

    #[test]
    fn two_daemons_share_no_secret_and_no_series() {
        let [a, b] = [(); 2].map(|()| lowered("", "Mode ALARM { }"));
        assert_ne!(a.hash_key, b.hash_key);
        assert_ne!(a.random_seed, b.random_seed);
    }
}
