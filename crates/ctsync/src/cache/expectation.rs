//! What a cache keeps of an expectation.
//!
//! Expectations are few and live for seconds, so what the kernel and the peer say of one is kept as
//! it is. Identity is what the kernel compares too (`master_matches`, `expect_matches`): the
//! master, the tuple waited for, and its mask.
//!
//! Neither the kernel nor the peer names the zone. It is the master's, and is entered here by who
//! knows the flows.

use alloc::boxed::Box;
use core::time::Duration;

use flow::{Addrs, ExpectNat, Expectation, ExpectationFlags, Name, Tuple, Zone};

use super::hash::HashKey;
use super::kept::{Counters, Kept};
use super::key::{Key, halves};
use super::table::{Identity, Record};
use crate::convert::Presence;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{ExpectMessage, FunctionName, HelperName, TupleParts};

/// Life in seconds of a committed expectation whose timeout is unknown or has run out meanwhile.
const TIMEOUT_FALLBACK: u32 = 60;

/// Identity of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpectationKey {
    pub(crate) master: Tuple,
    pub(crate) tuple: Tuple,
    pub(crate) mask: Option<Tuple>,
}

impl Identity for ExpectationKey {
    fn hash(&self, key: &HashKey) -> u64 {
        let mut words = [0; 15];
        let tuples = [Some(&self.master), Some(&self.tuple), self.mask.as_ref()];
        for (place, tuple) in words.chunks_exact_mut(5).zip(tuples) {
            if let Some(tuple) = tuple {
                place.copy_from_slice(&words_of(tuple));
            }
        }
        key.hash(&words)
    }
}

/// A tuple as words. Two families can give the same words, which only costs a comparison.
fn words_of(tuple: &Tuple) -> [u64; 5] {
    match Key::of_tuple(tuple, Zone(0)) {
        Key::V4 { addrs, rest } => [addrs, 0, 0, 0, rest],
        Key::V6 { src, dst, rest } => {
            let ([a, b], [c, d]) = (halves(src), halves(dst));
            [a, b, c, d, rest]
        }
    }
}

/// One expectation in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    key: ExpectationKey,
    zone: Option<Zone>,
    timeout: Option<u32>,
    flags: Option<ExpectationFlags>,
    class: Option<u32>,
    nat: Option<ExpectNat>,
    helper: Option<Box<[u8]>>,
    function: Option<Box<[u8]>>,
    created: Instant,
    updated: Instant,
}

impl Expected {
    fn new(key: ExpectationKey, now: Instant) -> Self {
        Self {
            key,
            zone: None,
            timeout: None,
            flags: None,
            class: None,
            nat: None,
            helper: None,
            function: None,
            created: now,
            updated: now,
        }
    }

    /// The original tuple of the flow that announced it.
    pub(crate) const fn master(&self) -> &Tuple {
        &self.key.master
    }

    /// The zone of its master, as far as that is known.
    pub(crate) const fn zone(&self) -> Option<Zone> {
        self.zone
    }

    /// Enters the zone of its master.
    pub(crate) const fn set_zone(&mut self, zone: Option<Zone>) {
        self.zone = zone;
    }

    /// When it was entered.
    pub(crate) const fn created(&self) -> Instant {
        self.created
    }

    /// When something was last said of it.
    pub(crate) const fn updated(&self) -> Instant {
        self.updated
    }

    /// The expectation, with the life that was last told of.
    pub(crate) fn expectation(&self) -> Expectation<'_> {
        let ExpectationKey {
            master,
            tuple,
            mask,
        } = self.key;
        Expectation {
            mask,
            timeout: self.timeout,
            helper: self.helper.as_deref().map(Name::new),
            zone: self.zone.filter(|zone| *zone != Zone(0)),
            flags: self.flags,
            class: self.class,
            nat: self.nat,
            function: self.function.as_deref().map(Name::new),
            ..Expectation::new(master, tuple)
        }
    }

    /// The expectation as the kernel is to get it.
    pub(crate) fn committed(&self, presence: Presence, now: Instant) -> Expectation<'_> {
        let timeout = match presence.commit_timeout {
            Some(timeout) => u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX),
            None => self.remaining(now).unwrap_or(TIMEOUT_FALLBACK),
        };
        Expectation {
            timeout: Some(timeout),
            ..self.expectation()
        }
    }

    /// The message that tells the peer of it.
    pub(crate) fn message(&self, presence: Presence, now: Instant) -> ExpectMessage<'_> {
        let parts = |tuple: &Tuple| TupleParts::new(tuple);
        let nat = self.nat.as_ref();
        ExpectMessage {
            master: parts(&self.key.master),
            tuple: parts(&self.key.tuple),
            mask: self.key.mask.as_ref().map(parts).unwrap_or_default(),
            timeout: self
                .remaining(now)
                .filter(|_| presence.commit_timeout.is_none()),
            flags: Some(self.flags.unwrap_or_default()),
            class: self.class,
            nat: nat.map(|nat| parts(&nat.tuple)).unwrap_or_default(),
            nat_dir: nat.map(|nat| match nat.dir {
                flow::Dir::Original => 0,
                flow::Dir::Reply => 1,
            }),
            helper: self
                .helper
                .as_deref()
                .and_then(|it| HelperName::new(Name::new(it))),
            function: self
                .function
                .as_deref()
                .and_then(|it| FunctionName::new(Name::new(it))),
        }
    }

    /// Whether its time has run out without a word of its end. A permanent one may have been given
    /// more, which the kernel does not tell (`refresh_signalling_expectation`).
    pub(crate) fn has_run_out(&self, now: Instant) -> bool {
        let flags = self.flags.unwrap_or_default();
        let runs_out = !flags.contains(ExpectationFlags::PERMANENT);
        let life = |timeout: u32| Duration::from_secs(timeout.into());
        runs_out
            && self
                .timeout
                .is_some_and(|it| now.since(self.updated) >= life(it))
    }

    /// What is left of the timeout; of one that has run out unnoticed, the fallback.
    fn remaining(&self, now: Instant) -> Option<u32> {
        let age = u32::try_from(now.since(self.updated).as_secs()).unwrap_or(u32::MAX);
        let left = self.timeout?.checked_sub(age).filter(|left| *left > 0);
        Some(left.unwrap_or(TIMEOUT_FALLBACK))
    }

    /// Takes over what is said; what is left out stays.
    fn merge(&mut self, said: &Self) {
        let Self {
            key: _,
            zone,
            timeout,
            flags,
            class,
            nat,
            helper,
            function,
            created: _,
            updated,
        } = said;
        self.zone = zone.or(self.zone);
        self.timeout = timeout.or(self.timeout);
        self.flags = flags.or(self.flags);
        self.class = class.or(self.class);
        self.nat = nat.or(self.nat);
        if helper.is_some() {
            self.helper.clone_from(helper);
        }
        if function.is_some() {
            self.function.clone_from(function);
        }
        self.updated = *updated;
    }
}

impl Record for Expected {
    type Key = ExpectationKey;

    fn key(&self) -> ExpectationKey {
        self.key
    }
}

impl Kept for Expected {
    type Report<'a> = Expectation<'a>;
    type Message<'a> = ExpectMessage<'a>;
    const INTERNAL: Counters = Counters {
        created: Counter::InternalExpectationsCreated,
        no_space: Counter::InternalExpectationsNoSpace,
        updated: Counter::InternalExpectationsUpdated,
        destroyed: Counter::InternalExpectationsDestroyed,
    };
    const EXTERNAL: Counters = Counters {
        created: Counter::ExternalExpectationsCreated,
        no_space: Counter::ExternalExpectationsNoSpace,
        updated: Counter::ExternalExpectationsUpdated,
        destroyed: Counter::ExternalExpectationsDestroyed,
    };

    fn key_of_report(report: &Expectation<'_>) -> ExpectationKey {
        ExpectationKey {
            master: without_zone(&report.master),
            tuple: without_zone(&report.tuple),
            mask: report.mask.as_ref().map(without_zone),
        }
    }

    fn key_of_message(message: &ExpectMessage<'_>) -> ExpectationKey {
        // Decoding has made sure that both are there.
        let nothing = || Tuple::new(UNSPECIFIED_V4, flow::L4::zero(flow::Protocol(0)));
        ExpectationKey {
            master: message.master.tuple().unwrap_or_else(nothing),
            tuple: message.tuple.tuple().unwrap_or_else(nothing),
            mask: message.mask.tuple(),
        }
    }

    /// The kernel's number of an expectation comes from its address and is soon used again.
    fn id_of_report(_: &Expectation<'_>) -> Option<u32> {
        None
    }

    fn from_report(report: &Expectation<'_>, now: Instant) -> Self {
        Self {
            zone: report.zone,
            timeout: report.timeout,
            flags: report.flags,
            class: report.class,
            nat: report.nat,
            helper: report.helper.map(|name| name.as_bytes().into()),
            function: report.function.map(|name| name.as_bytes().into()),
            ..Self::new(Self::key_of_report(report), now)
        }
    }

    fn merge_report(&mut self, report: &Expectation<'_>, now: Instant) {
        self.merge(&Self::from_report(report, now));
    }

    fn read_again(&self, report: &Expectation<'_>, now: Instant) -> Self {
        Self {
            zone: report.zone.or(self.zone),
            created: self.created,
            ..Self::from_report(report, now)
        }
    }

    fn from_message(message: &ExpectMessage<'_>, now: Instant) -> Self {
        let key = Self::key_of_message(message);
        Self {
            timeout: message.timeout,
            flags: message.flags,
            class: message.class,
            nat: nat_of(message, &key.tuple),
            helper: message.helper.map(|it| it.name().as_bytes().into()),
            function: message.function.map(|it| it.name().as_bytes().into()),
            ..Self::new(key, now)
        }
    }

    fn merge_message(&mut self, message: &ExpectMessage<'_>, now: Instant) {
        self.merge(&Self::from_message(message, now));
    }

    fn fill(&mut self, other: &Self) -> bool {
        let mut filled = other.clone();
        filled.merge(self);
        filled.created = self.created;
        let changed = filled != *self;
        *self = filled;
        changed
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let timeless = |it: &Self| Self {
            timeout: None,
            ..it.clone()
        };
        let (a, b) = (timeless(self), timeless(other));
        let times_of_a = Self {
            created: a.created,
            updated: a.updated,
            ..b
        };
        a == times_of_a
    }

    fn count_end(_: &Expectation<'_>, _: &mut Stats) {}

    fn has_lasting(&self) -> bool {
        false
    }
}

const UNSPECIFIED_V4: Addrs = Addrs::V4 {
    src: core::net::Ipv4Addr::UNSPECIFIED,
    dst: core::net::Ipv4Addr::UNSPECIFIED,
};

/// The translation. An IPv6 address does not travel; the kernel's helpers set the port only, all
/// but that of SIP.
fn nat_of(message: &ExpectMessage<'_>, tuple: &Tuple) -> Option<ExpectNat> {
    let dir = match message.nat_dir? {
        0 => flow::Dir::Original,
        _ => flow::Dir::Reply,
    };
    let unspecified = match tuple.addrs {
        Addrs::V4 { .. } => UNSPECIFIED_V4,
        Addrs::V6 { .. } => Addrs::V6 {
            src: core::net::Ipv6Addr::UNSPECIFIED,
            dst: core::net::Ipv6Addr::UNSPECIFIED,
        },
    };
    let parts = TupleParts {
        addrs: message.nat.addrs.or(Some(unspecified)),
        ..message.nat
    };
    Some(ExpectNat {
        dir,
        tuple: parts.tuple()?,
    })
}

const fn without_zone(tuple: &Tuple) -> Tuple {
    Tuple {
        zone: None,
        ..*tuple
    }
}
