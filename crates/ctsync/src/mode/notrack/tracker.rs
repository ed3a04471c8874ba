//! The numbers of one sender, where they are not acknowledged.
//!
//! A number that is skipped is a loss, and one that comes late means little: the message is taken
//! as long as nothing newer about the same flow was taken before. What the last [`RECENT_LEN`]
//! messages were about is kept for that. A number from further behind, or one that comes after a
//! while, is not late: the sender counts anew.
//!
//! A sender that counts anew close behind looks like one whose datagrams come late, until its series
//! has passed the old one without a break, or goes on for a while. Only then is it known that what
//! was refused meanwhile was news: it counts as lost.

use alloc::vec::Vec;
use core::time::Duration;

use crate::mode::peers::Numbers;
use crate::seq::Seq;
use crate::time::Instant;

/// Messages for which it is kept what they were about.
const RECENT_LEN: usize = 1024;

/// Longest life of a datagram on the dedicated link.
const DATAGRAM_LIFE_MAX: Duration = Duration::from_secs(2);

/// How a message fits into the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It goes on, or begins (anew).
    Next,
    /// So many before it are missing.
    Gap(u32),
    /// It is late, or came twice.
    Before,
    /// The sender counts anew, and so many of its messages were taken for overtaken ones.
    Anew(u32),
}

/// What is known of one sender's numbers.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    last: Option<Seq>,
    taken_at: Instant,
    /// What the message with a number was about, at the number modulo the length; zero for none.
    recent: Vec<u32>,
    /// The number of the message before this one, if that was behind the last one.
    before: Option<Seq>,
    /// Messages refused as overtaken since the series went on.
    refused: u32,
}

impl Numbers for Tracker {
    fn last(&self) -> Option<Seq> {
        self.last
    }
}

impl Tracker {
    /// Takes a number in.
    pub(crate) fn step(&mut self, now: Instant, seq: Seq) -> Step {
        let Some(last) = self.last else {
            self.begin(now, seq);
            return Step::Next;
        };
        let ahead = seq.distance(last);
        if ahead <= 0 {
            let near = usize::try_from(-i64::from(ahead)).is_ok_and(|it| it < RECENT_LEN);
            if near && now.since(self.taken_at) < DATAGRAM_LIFE_MAX {
                self.before = Some(seq);
                return Step::Before;
            }
            if near && self.before.is_some() {
                // What came as late was of the new series already.
                self.go_on_at(now, seq);
            } else {
                self.begin(now, seq);
            }
            return self.own_up(Step::Before);
        }
        let missing = ahead.unsigned_abs() - 1;
        if self.before.take() != Some(last) {
            // What came late is over, and the series goes on where it was.
            self.refused = 0;
        }
        // What the missing ones are about is not known.
        for place in (0..missing).rev().take(RECENT_LEN) {
            self.note(last.plus(1 + place), 0);
        }
        self.note(seq, 0);
        self.last = Some(seq);
        self.taken_at = now;
        match missing {
            0 => self.own_up(Step::Next),
            _ => Step::Gap(missing.saturating_add(self.take_refused())),
        }
    }

    /// What a step is if messages were refused that were news.
    fn own_up(&mut self, step: Step) -> Step {
        match self.take_refused() {
            0 => step,
            refused => Step::Anew(refused),
        }
    }

    fn take_refused(&mut self) -> u32 {
        core::mem::take(&mut self.refused)
    }

    /// Whether the message with this number, which is about this, is the newest about it.
    pub(crate) fn is_news(&mut self, seq: Seq, about: u64) -> bool {
        let [a, b, c, d, ..] = about.to_ne_bytes();
        let about = u32::from_ne_bytes([a, b, c, d]).max(1);
        let behind = self.last.map_or(0, |last| last.distance(seq));
        let newer = (1..=behind.unsigned_abs()).map(|places| seq.plus(places));
        let overtaken = behind > 0
            && newer
                .take(RECENT_LEN)
                .any(|newer| self.about(newer) == about);
        if overtaken {
            self.refused = self.refused.saturating_add(1);
        } else {
            self.note(seq, about);
        }
        !overtaken
    }

    fn begin(&mut self, now: Instant, seq: Seq) {
        self.recent.clear();
        self.recent.resize(RECENT_LEN, 0);
        self.go_on_at(now, seq);
    }

    /// What is noted of messages before this one stays true. Some of it may be of the former series, in the
    /// place of messages that were lost: what it refuses is counted, and asked for.
    fn go_on_at(&mut self, now: Instant, seq: Seq) {
        self.last = Some(seq);
        self.taken_at = now;
        self.before = None;
        self.note(seq, 0);
    }

    fn note(&mut self, seq: Seq, about: u32) {
        if let Some(place) = self.recent.get_mut(place_of(seq)) {
            *place = about;
        }
    }

    fn about(&self, seq: Seq) -> u32 {
        self.recent.get(place_of(seq)).copied().unwrap_or(0)
    }
}

fn place_of(seq: Seq) -> usize {
    usize::try_from(seq.0).unwrap_or(0) % RECENT_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes messages in: the number, what each is about, how it fits, and whether it is news.
    fn check(messages: &[(u32, u64, Step, bool)]) {
        let mut tracker = Tracker::default();
        for (place, (seq, about, step, news)) in messages.iter().enumerate() {
            assert_eq!(
                tracker.step(Instant(0), Seq(*seq)),
                *step,
                "message {place}"
            );
            assert_eq!(tracker.is_news(Seq(*seq), *about), *news, "message {place}");
        }
    }

    #[test]
    fn gaps_are_counted_once() {
        let last = u32::MAX;
        check(&[
            (last - 1, 1, Step::Next, true),
            (last, 1, Step::Next, true),
            (3, 1, Step::Gap(3), true),
            (4, 2, Step::Next, true),
        ]);
    }

    #[test]
    fn a_late_message_counts_unless_it_was_overtaken() {
        check(&[
            (10, 1, Step::Next, true),
            (13, 2, Step::Gap(2), true),
            (11, 3, Step::Before, true),
            (12, 2, Step::Before, false),
            // Twice.
            (13, 2, Step::Before, true),
            // From 11 on it could as well be a new life.
            (14, 4, Step::Anew(1), true),
            (11, 4, Step::Before, false),
        ]);
    }

    #[test]
    fn a_sender_that_counts_anew_is_followed() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.step(Instant(0), Seq(1_000_000)), Step::Next);
        assert_eq!(tracker.step(Instant(0), Seq(500)), Step::Before);
        assert_eq!(tracker.step(Instant(0), Seq(501)), Step::Next);
        // Not far behind, but long after.
        let later = Instant(3_000_000_000);
        assert_eq!(tracker.step(later, Seq(400)), Step::Before);
        assert_eq!(tracker.step(later, Seq(401)), Step::Next);
    }

    /// The new life begins close behind the old one, and does not pass it before it is known that nothing
    /// comes so late.
    #[test]
    fn what_a_new_life_told_while_it_was_taken_for_late_is_kept_in_mind() {
        let mut tracker = Tracker::default();
        for seq in 100..400 {
            tracker.step(Instant(0), Seq(seq));
            assert!(tracker.is_news(Seq(seq), u64::from(seq)));
        }
        assert_eq!(tracker.step(Instant(1), Seq(205)), Step::Before);
        assert!(tracker.is_news(Seq(205), 7));
        let later = Instant(3_000_000_000);
        assert_eq!(tracker.step(later, Seq(208)), Step::Before);
        assert!(tracker.is_news(Seq(208), 8));
        assert_eq!(tracker.step(later, Seq(204)), Step::Before);
        assert!(!tracker.is_news(Seq(204), 7));
        assert_eq!(tracker.step(later, Seq(209)), Step::Next);
    }

    /// Both lives tell of the same 200 flows, the second one in the opposite order and three
    /// numbers later.
    #[test]
    fn what_a_new_life_was_refused_is_known_when_its_series_passes_the_old_one() {
        let mut tracker = Tracker::default();
        for place in 0..200 {
            tracker.step(Instant(0), Seq(100 + place));
            assert!(tracker.is_news(Seq(100 + place), 1 + u64::from(place)));
        }
        let mut refused = 0;
        for place in 0..197 {
            let seq = Seq(103 + place);
            assert_eq!(tracker.step(Instant(1), seq), Step::Before);
            refused += u32::from(!tracker.is_news(seq, u64::from(200 - place)));
        }
        assert_eq!(refused, 98);
        assert_eq!(tracker.step(Instant(1), Seq(300)), Step::Anew(98));
        assert_eq!(tracker.step(Instant(1), Seq(301)), Step::Next);
    }

    #[test]
    fn what_a_new_life_was_refused_is_known_when_it_goes_on_for_a_while() {
        let mut tracker = Tracker::default();
        for seq in 100..200 {
            tracker.step(Instant(0), Seq(seq));
            assert!(tracker.is_news(Seq(seq), 7));
        }
        for seq in 110..115 {
            assert_eq!(tracker.step(Instant(1), Seq(seq)), Step::Before);
            assert!(!tracker.is_news(Seq(seq), 7));
        }
        let later = Instant(3_000_000_000);
        assert_eq!(tracker.step(later, Seq(115)), Step::Anew(5));
        assert_eq!(tracker.step(later, Seq(116)), Step::Next);
    }

    #[test]
    fn what_comes_late_is_no_new_life() {
        check(&[
            (10, 1, Step::Next, true),
            (13, 2, Step::Gap(2), true),
            (12, 2, Step::Before, false),
            (14, 2, Step::Next, true),
            (15, 2, Step::Next, true),
        ]);
    }

    #[test]
    fn what_lies_far_back_is_forgotten() {
        let mut tracker = Tracker::default();
        for seq in 0..5_000 {
            assert_eq!(tracker.step(Instant(0), Seq(seq)), Step::Next);
            assert!(tracker.is_news(Seq(seq), 7 + u64::from(seq % 2)));
        }
        assert_eq!(tracker.step(Instant(0), Seq(100_000)), Step::Gap(95_000));
        assert!(tracker.is_news(Seq(99_500), 7));
    }
}
