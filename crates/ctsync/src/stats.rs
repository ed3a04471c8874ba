//! What the node counts: one variant, one slot (conntrackd's `-s`).
//!
//! Counters only grow. What can shrink, a length or a number of flows, is in [`Gauges`].

use crate::wire::DropReason;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[$doc])* $name,)*
        }

        impl Counter {
            /// All counters.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

counters! {
    /// Flows entered in the internal cache.
    InternalCreated,
    /// Flows that found the internal cache full.
    InternalNoSpace,
    /// Updates of flows in the internal cache.
    InternalUpdated,
    /// Flows of the internal cache that ended or were flushed.
    InternalDestroyed,
    /// Flows entered in the external cache.
    ExternalCreated,
    /// Flows that found the external cache full.
    ExternalNoSpace,
    /// Updates of flows in the external cache.
    ExternalUpdated,
    /// Flows of the external cache that ended or were flushed.
    ExternalDestroyed,
    /// Expectations entered in the internal cache.
    InternalExpectationsCreated,
    /// Expectations that found the internal cache full.
    InternalExpectationsNoSpace,
    /// Updates of expectations in the internal cache.
    InternalExpectationsUpdated,
    /// Expectations of the internal cache that ended or were flushed.
    InternalExpectationsDestroyed,
    /// Expectations entered in the external cache.
    ExternalExpectationsCreated,
    /// Expectations that found the external cache full.
    ExternalExpectationsNoSpace,
    /// Updates of expectations in the external cache.
    ExternalExpectationsUpdated,
    /// Expectations of the external cache that ended or were flushed.
    ExternalExpectationsDestroyed,
    /// Flows of the peer created in the kernel as they were told.
    InjectCreated,
    /// Flows of the peer that could not be.
    InjectCreateFailed,
    /// Flows of the peer changed in the kernel as they were told.
    InjectUpdated,
    /// Flows of the peer that could not be.
    InjectUpdateFailed,
    /// Flows of the peer deleted from the kernel as they were told.
    InjectDestroyed,
    /// Flows of the peer that could not be.
    InjectDestroyFailed,
    /// Ends of flows that the peer told, but that have traffic here and are ours.
    InjectDestroysIgnored,
    /// Bytes of ended flows ("traffic processed").
    TrafficBytes,
    /// Packets of ended flows.
    TrafficPackets,
    /// Messages received that were malformed in any way.
    Malformed,
    /// Of these: another protocol version.
    WrongVersion,
    /// Of these: type and flags do not go together, or a range ends before it begins.
    MalformedHeader,
    /// Of these: a wrong, unknown or missing attribute.
    MalformedPayload,
    /// Of these: a type that nobody handles.
    BadType,
    /// Of these: too short.
    Truncated,
    /// Of these: a wrong length.
    BadSize,
    /// Messages of the peer that did not arrive at first (stock counts two more for each gap).
    MessagesLost,
    /// Messages of the peer that came twice or too late.
    MessagesBefore,
    /// Acknowledgements of messages that we have not sent, or not in this life.
    AcksIgnored,
    /// Expectations of our kernel whose master is not known, or that are not to be replicated.
    ExpectationsIgnored,
    /// Messages that the mode ignores: in ALARM those with flags.
    MessagesIgnored,
    /// New flows passed on without being kept.
    BypassNew,
    /// Changed flows passed on without being kept.
    BypassUpdated,
    /// Ended flows passed on without being kept.
    BypassDestroyed,
    /// Messages sent.
    MessagesSent,
    /// Of these: sent again because the peer missed them.
    MessagesResent,
    /// Messages too long for the link, which were not sent.
    MessagesTooLong,
    /// Control messages that found the transmit queue full.
    TransmitNoSpace,
    /// Messages that fell out of the full resend queue; flows among them are sent again later.
    ResendNoSpace,
    /// Ends of flows that the peer could not be told: too many waited for it.
    DestroysForgotten,
    /// Times another dedicated link was used from then on.
    ChannelSwitches,
    /// Times the kernel dropped events for us.
    Overruns,
    /// Times the kernel's table was read again.
    KernelResyncs,
    /// Times the kernel's table was flushed.
    KernelFlushes,
}

/// All counters.
#[derive(Clone, Debug)]
pub struct Stats {
    counters: [u64; Counter::ALL.len()],
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            counters: [0; Counter::ALL.len()],
        }
    }
}

impl Stats {
    /// The value of a counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&mut self, counter: Counter, amount: u64) {
        if let Some(value) = self.counters.get_mut(counter as usize) {
            *value = value.wrapping_add(amount);
        }
    }

    /// Counts a message that was thrown away, under its reason and in the sum.
    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        self.count(Counter::Malformed);
        self.count(match reason {
            DropReason::Truncated => Counter::Truncated,
            DropReason::BadSize => Counter::BadSize,
            DropReason::Version => Counter::WrongVersion,
            DropReason::BadHeader => Counter::MalformedHeader,
            DropReason::BadType => Counter::BadType,
            DropReason::BadPayload => Counter::MalformedPayload,
        });
    }
}

/// Sizes at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Flows in the internal cache that are in the kernel.
    pub internal_live: usize,
    /// Entries of the internal cache, with those whose end the peer has not acknowledged.
    pub internal_len: usize,
    /// Flows in the external cache.
    pub external_len: usize,
    /// Expectations in the internal cache that are in the kernel.
    pub internal_expectations_live: usize,
    /// Expectations in the internal cache, with those whose end the peer has not acknowledged.
    pub internal_expectations_len: usize,
    /// Expectations in the external cache.
    pub external_expectations_len: usize,
    /// Messages that wait to be sent.
    pub transmit_queue_len: usize,
    /// Messages sent and not acknowledged.
    pub resend_queue_len: usize,
    /// Most of them.
    pub resend_queue_len_max: usize,
    /// Control messages in both queues ("allocated queue nodes").
    pub control_len: usize,
    /// Flows of the peer on their way into the kernel, without an external cache.
    pub injecting_len: usize,
    /// Flows that fell out of the resend queue and wait to be sent again.
    pub given_up_len: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_own_slot() {
        let mut stats = Stats::default();
        for (place, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, place);
            stats.add(*counter, u64::try_from(place).unwrap());
        }
        for (place, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(stats.get(*counter), u64::try_from(place).unwrap());
        }
    }
}
