//! Section `Sync`: mode, timeouts and options.
//!
//! Stock keeps the settings of all modes in one place, wherever in `Sync` they stand. They are
//! collected in the same way, and the mode that counts takes what it knows.

use std::time::Duration;

use super::super::ast::{Block, Head, Item, Value};
use super::super::error::ErrorKind;
use super::super::grammar::{Key, Section};
use super::super::lexer::Span;
use super::super::model::{
    Alarm, ExpectationSync, ExternalCache, Ftfw, InternalCache, Mode, Notrack, Sync,
};
use super::super::warning::WarningKind;
use super::links::LinkList;
use super::{Notes, or_default, seconds, seconds_or_unset};

/// What the blocks say, before it is known which mode counts.
struct Draft {
    modes: Vec<(Section, Span)>,
    refresh_time: u32,
    cache_timeout: u32,
    commit_timeout: Option<(Duration, Span)>,
    purge_timeout: u32,
    resend_queue_len_max: u32,
    ack_window: u32,
    internal_cache: (InternalCache, Span),
    external_cache: ExternalCache,
    startup_resync: bool,
    tcp_window_tracking: bool,
    expectation_sync: ExpectationSync,
}

/// The meaning of all `Sync` blocks; `None` if no link is usable, which has been noted.
pub fn lower(
    blocks: &[&Block<'_>],
    at: Span,
    poll: Option<Duration>,
    notes: &mut Notes,
) -> Option<Sync> {
    let mut draft = Draft::new(at);
    let mut links = LinkList::default();
    for block in blocks {
        for item in &block.items {
            match item.key {
                Key::Multicast | Key::Udp | Key::Tcp => links.add(item, notes),
                Key::Mode => draft.mode(item, notes),
                Key::Options => draft.options(item),
                _ => draft.set(item),
            }
        }
    }
    let mode = draft.chosen_mode(at, notes);
    draft.cross_check(&mode, poll, notes);
    Some(Sync {
        mode,
        commit_timeout: draft.commit_timeout.map(|(timeout, _)| timeout),
        purge_timeout: seconds(draft.purge_timeout),
        links: links.finish(at, notes)?,
        tcp_window_tracking: draft.tcp_window_tracking,
        expectation_sync: draft.expectation_sync,
    })
}

impl Draft {
    const REFRESH_TIME: u32 = 60;
    const CACHE_TIMEOUT: u32 = 180;
    const PURGE_TIMEOUT: u32 = 60;
    const RESEND_QUEUE: u32 = 131_072;
    const ACK_WINDOW: u32 = 300;

    const fn new(at: Span) -> Self {
        Self {
            modes: Vec::new(),
            refresh_time: Self::REFRESH_TIME,
            cache_timeout: Self::CACHE_TIMEOUT,
            commit_timeout: None,
            purge_timeout: Self::PURGE_TIMEOUT,
            resend_queue_len_max: Self::RESEND_QUEUE,
            ack_window: Self::ACK_WINDOW,
            internal_cache: (InternalCache::Keep, at),
            external_cache: ExternalCache::Keep,
            startup_resync: false,
            tcp_window_tracking: false,
            expectation_sync: ExpectationSync::Off,
        }
    }

    fn mode(&mut self, item: &Item<'_>, notes: &mut Notes) {
        let Some(block) = item.block() else { return };
        if let Head::Mode(word) = block.head {
            match word.text.to_ascii_lowercase().as_str() {
                "nack" => notes.warn(word.span, WarningKind::OldModeNack),
                "persistent" => notes.warn(word.span, WarningKind::OldModePersistent),
                _ => {}
            }
        }
        self.modes.push((block.section, item.keyword.span));
        block.items.iter().for_each(|item| self.set(item));
    }

    /// A setting of `Sync` itself or of a mode: stock keeps them in one place.
    fn set(&mut self, item: &Item<'_>) {
        let number = item.number();
        match item.key {
            Key::RefreshTime => self.refresh_time = or_default(number, Self::REFRESH_TIME),
            Key::CacheTimeout => self.cache_timeout = or_default(number, Self::CACHE_TIMEOUT),
            Key::CommitTimeout => {
                self.commit_timeout =
                    seconds_or_unset(number).map(|timeout| (timeout, item.keyword.span));
            }
            Key::PurgeTimeout => self.purge_timeout = or_default(number, Self::PURGE_TIMEOUT),
            Key::ResendQueueSize => {
                self.resend_queue_len_max = or_default(number, Self::RESEND_QUEUE);
            }
            Key::AckWindowSize => self.ack_window = or_default(number, Self::ACK_WINDOW),
            Key::DisableInternalCache => {
                let cache = if item.is_on() {
                    InternalCache::Bypass
                } else {
                    InternalCache::Keep
                };
                self.internal_cache = (cache, item.keyword.span);
            }
            Key::DisableExternalCache => {
                self.external_cache = if item.is_on() {
                    ExternalCache::Inject
                } else {
                    ExternalCache::Keep
                }
            }
            Key::StartupResync => self.startup_resync = item.is_on(),
            _ => {}
        }
    }

    fn options(&mut self, item: &Item<'_>) {
        for item in item.block().map(|block| &block.items).into_iter().flatten() {
            match (item.key, &item.value) {
                (Key::TcpWindowTracking, _) => self.tcp_window_tracking = item.is_on(),
                (Key::ExpectationSync, Value::Bool(true)) => {
                    self.expectation_sync = ExpectationSync::All;
                }
                (Key::ExpectationSync, Value::Block(block)) => self.expectation_helpers(block),
                // A later `off` does not take back what an earlier line asked for, as in stock.
                _ => {}
            }
        }
    }

    fn expectation_helpers(&mut self, block: &Block<'_>) {
        let names = block.words.iter().map(|word| word.text.to_owned());
        match &mut self.expectation_sync {
            ExpectationSync::Helpers(known) => known.extend(names),
            other @ (ExpectationSync::Off | ExpectationSync::All) => {
                *other = ExpectationSync::Helpers(names.collect());
            }
        }
    }

    /// FT-FW goes before ALARM, ALARM before NOTRACK, wherever they stand.
    fn chosen_mode(&self, at: Span, notes: &mut Notes) -> Mode {
        let has = |wanted| self.modes.iter().any(|(section, _)| *section == wanted);
        let several = self
            .modes
            .windows(2)
            .any(|pair| matches!(pair, [(first, _), (second, _)] if first != second));
        let (name, mode) = if has(Section::ModeFtfw) || self.modes.is_empty() {
            ("FTFW", Mode::Ftfw(self.ftfw()))
        } else if has(Section::ModeAlarm) {
            ("ALARM", Mode::Alarm(self.alarm()))
        } else {
            ("NOTRACK", Mode::Notrack(self.notrack()))
        };
        match self.modes.last() {
            None => notes.warn(at, WarningKind::NoMode),
            Some((_, span)) if several => notes.warn(*span, WarningKind::SeveralModes(name)),
            Some(_) => {}
        }
        mode
    }

    const fn ftfw(&self) -> Ftfw {
        Ftfw {
            resend_queue_len_max: self.resend_queue_len_max,
            ack_window: self.ack_window,
            external_cache: self.external_cache,
            startup_resync: self.startup_resync,
        }
    }

    fn alarm(&self) -> Alarm {
        Alarm {
            refresh_time: seconds(self.refresh_time),
            cache_timeout: seconds(self.cache_timeout),
        }
    }

    const fn notrack(&self) -> Notrack {
        Notrack {
            internal_cache: self.internal_cache.0,
            external_cache: self.external_cache,
            startup_resync: self.startup_resync,
        }
    }

    fn cross_check(&mut self, mode: &Mode, poll: Option<Duration>, notes: &mut Notes) {
        if self.external_cache == ExternalCache::Inject {
            if let Some((_, span)) = self.commit_timeout.take() {
                notes.warn(span, WarningKind::CommitTimeoutIgnored);
            }
        }
        let bypass = matches!(
            mode,
            Mode::Notrack(Notrack {
                internal_cache: InternalCache::Bypass,
                ..
            })
        );
        if bypass && poll.is_some() {
            notes.fault(self.internal_cache.1, ErrorKind::PollWithoutCache);
        }
    }
}
