//! The receiving side of FT-FW: which messages count, and what is to be acknowledged.
//!
//! Stock believes each number that comes with a HELLO and no number that lies behind. Both fail on
//! a real network: a late copy of a greeting brings back flows that have ended, and after one
//! number from far ahead everything is refused for ever. The rule here is time: a datagram lives
//! for [`DATAGRAM_LIFE_MAX`] at most, so an old number that comes later than that is not an old
//! message, and the numbers it begins are taken over. What was dropped until this was certain is
//! asked for again. A HELLO that is dropped is not answered, so that the peer goes on saying it.

use super::{ACK_DELAY_MAX, DATAGRAM_LIFE_MAX};
use crate::mode::peers::Numbers;
use crate::seq::Seq;
use crate::time::Instant;
use crate::wire::SeqRange;

/// Messages behind, in order among themselves, that make a jump of the peer's numbers credible.
const RUN_LEN_MIN: u32 = 3;

/// How many messages of a former life may have been under way that we did not see.
const UNSEEN_MAX: u32 = 1024;

/// Whether a message says HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It does, and is of a kind that stock sends again with the flags that it had at first, long after
    /// the greeting is over.
    MayBeOld,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Came twice or too late: drop it.
    Before,
    /// Take it.
    Taken(Taken),
}

/// How a message that is taken fits into the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Nothing was taken before it.
    pub(crate) first: bool,
    /// What is missing before it.
    pub(crate) missing: Option<SeqRange>,
    /// The peer greets: it has started, or starts a conversation anew.
    pub(crate) greets: bool,
    /// The peer's numbers begin again below the old ones.
    pub(crate) went_back: bool,
}

impl Taken {
    /// How many messages were lost: those missing in a sequence that goes on.
    pub(crate) fn lost(&self) -> u64 {
        match self.missing {
            Some(range) if !self.greets && !self.went_back => {
                u64::from(range.to.0.wrapping_sub(range.from.0)) + 1
            }
            Some(_) | None => 0,
        }
    }
}

/// What the peer is to be told because of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replies {
    /// These arrived.
    pub(crate) ack: Option<SeqRange>,
    /// These did not.
    pub(crate) nack: Option<SeqRange>,
}

/// Messages behind, with none between them that was taken.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The lowest number.
    first: Seq,
    /// The number of the last one to come.
    last: Seq,
    /// How many of the last ones rise.
    len: u32,
    /// One of them said HELLO.
    hello: bool,
}

/// The peer's life before its numbers went back.
#[derive(Clone, Copy, Debug)]
struct Former {
    last: Seq,
    ended: Instant,
}

impl Former {
    /// Whether a message ahead may be one of this life that is still under way. If it is not, it
    /// is missed with the next one that is taken, and asked for.
    fn may_have_sent(&self, now: Instant, seq: Seq) -> bool {
        let possible = !seq.is_after(self.last.plus(UNSEEN_MAX));
        possible && now.since(self.ended) < DATAGRAM_LIFE_MAX
    }
}

/// A received range that is to be acknowledged up to the last message.
#[derive(Clone, Copy, Debug)]
struct Open {
    from: Seq,
    since: Instant,
}

/// What is known of the peer's numbers.
#[derive(Debug)]
pub(crate) struct Receiver {
    last: Option<Seq>,
    taken_at: Instant,
    open: Option<Open>,
    window: u32,
    window_len: u32,
    /// The peer has said HELLO on every message since it started.
    greeting: bool,
    /// Last time that a HELLO could have been sent by the peer's present life.
    greeted_at: Instant,
    former: Option<Former>,
    run: Option<Run>,
}

impl Numbers for Receiver {
    fn last(&self) -> Option<Seq> {
        self.last
    }
}

impl Receiver {
    /// A receiver that acknowledges at least every `window_len` messages, and every second one at
    /// most: acknowledgements are acknowledged too, and must not be without end.
    pub(crate) fn new(window_len: u32) -> Self {
        let window_len = window_len.max(2);
        Self {
            last: None,
            taken_at: Instant::default(),
            open: None,
            window: window_len,
            window_len,
            greeting: false,
            greeted_at: Instant::default(),
            former: None,
            run: None,
        }
    }

    /// Judges a message by its number. Changes nothing but the run of messages behind.
    pub(crate) fn admit(&mut self, now: Instant, seq: Seq, hello: Hello) -> Admission {
        let Some(last) = self.last else {
            return Admission::Taken(Taken {
                first: true,
                missing: None,
                greets: hello != Hello::No,
                went_back: false,
            });
        };
        let admission = if seq.is_after(last) {
            self.admit_ahead(now, last, seq, hello)
        } else {
            self.note_behind(seq, hello != Hello::No);
            self.admit_behind(now, last, seq, hello)
        };
        if let Admission::Taken(_) = admission {
            self.run = None;
        }
        admission
    }

    fn admit_ahead(&self, now: Instant, last: Seq, seq: Seq, hello: Hello) -> Admission {
        let stray = |former: Former| former.may_have_sent(now, seq);
        if hello == Hello::No && seq != last.next() && self.former.is_some_and(stray) {
            return Admission::Before;
        }
        if let Some(run) = self.run.filter(|run| hello == Hello::Yes && run.hello) {
            // A new life whose numbers began behind those of the former one and now pass them.
            return Admission::Taken(Taken {
                first: false,
                missing: range(run.first, seq.previous()),
                greets: true,
                went_back: true,
            });
        }
        Admission::Taken(Taken {
            first: false,
            missing: range(last.next(), seq.previous()),
            greets: hello == Hello::Yes && !self.greeting,
            went_back: false,
        })
    }

    fn admit_behind(&self, now: Instant, last: Seq, seq: Seq, hello: Hello) -> Admission {
        let quiet = now.since(self.taken_at) >= DATAGRAM_LIFE_MAX;
        let says_so = match hello {
            Hello::No => false,
            Hello::Yes => true,
            Hello::MayBeOld => quiet || last.is_after(seq.plus(UNSEEN_MAX)),
        };
        let restarted = says_so && now.since(self.greeted_at) >= DATAGRAM_LIFE_MAX;
        let run_len = self.run.map_or(0, |run| run.len);
        let jumped = run_len >= RUN_LEN_MIN && quiet;
        if !restarted && !jumped {
            return Admission::Before;
        }
        Admission::Taken(Taken {
            first: false,
            // What was dropped while this was not certain has to come again.
            missing: self.run.and_then(|run| range(run.first, seq.previous())),
            greets: hello != Hello::No,
            went_back: true,
        })
    }

    /// Only what rises counts for a run: a message of the former life that is still under way
    /// lies anywhere.
    fn note_behind(&mut self, seq: Seq, hello: bool) {
        let Some(run) = &mut self.run else {
            self.run = Some(Run {
                first: seq,
                last: seq,
                len: 1,
                hello,
            });
            return;
        };
        if seq.is_before(run.first) {
            run.first = seq;
        }
        if seq.is_after(run.last) {
            run.len = run.len.saturating_add(1);
        } else if seq.is_before(run.last) {
            run.len = 1;
        }
        run.last = seq;
        run.hello |= hello;
    }

    /// Takes a message that was admitted.
    pub(crate) fn take(&mut self, now: Instant, seq: Seq, hello: Hello, taken: &Taken) -> Replies {
        if taken.went_back || taken.greets && taken.missing.is_some() {
            // A new life may have begun with numbers that the former one had: it would take their
            // acknowledgement for that of messages which got lost.
            self.open = None;
            self.window = self.window_len;
        }
        if taken.went_back {
            self.former = self.last.map(|last| Former { last, ended: now });
        }
        let mut replies = Replies::default();
        if taken.missing.is_some() {
            replies.ack = self.close();
            replies.nack = taken.missing;
            self.window = self.window_len;
        }
        self.note_greeting(now, hello, taken);
        self.last = Some(seq);
        self.taken_at = now;
        self.open.get_or_insert(Open {
            from: seq,
            since: now,
        });
        self.window = self.window.saturating_sub(1);
        if self.window == 0 {
            self.window = self.window_len;
            replies.ack = self.close();
        }
        replies
    }

    /// A greeting ends with the first message that does not say HELLO.
    fn note_greeting(&mut self, now: Instant, hello: Hello, taken: &Taken) {
        if hello != Hello::No || self.greeting {
            self.greeted_at = now;
        }
        self.greeting = match hello {
            Hello::No => false,
            Hello::Yes => true,
            Hello::MayBeOld => self.greeting || taken.greets,
        };
    }

    /// Closes the range to be acknowledged. The window is left as it is, as stock does.
    pub(crate) fn close(&mut self) -> Option<SeqRange> {
        let from = self.open.take()?.from;
        range(from, self.last?)
    }

    /// When the open range has to be acknowledged even if we never fall silent.
    pub(crate) fn ack_at(&self) -> Option<Instant> {
        Some(self.open?.since + ACK_DELAY_MAX)
    }
}

fn range(from: Seq, to: Seq) -> Option<SeqRange> {
    (!to.is_before(from)).then_some(SeqRange { from, to })
}
