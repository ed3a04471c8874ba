//! Reading the flows that a filter selects.
//!
//! The kernel is asked for as few flows as it can tell apart; what it hands over is tested again,
//! whole. A kernel that refuses such a filter is asked for everything. When the selection names a flow
//! by its whole tuple and zone, that flow is looked up and nothing is dumped.

use std::collections::VecDeque;

use flow::Dir;
use flow::filter::{KernelFilter, Known, Selection};
use linux::table::{DumpKind, Error, FilteredDump, Portion, Progress, SharedDump, Table, Turn};
use linux::{Errno, table};
use nfnetlink::conntrack::request::FlowKey;
use nfnetlink::{Malformed, ObjectMessage};

use super::Console;
use super::print::Entry;

/// The flows of a list of the kernel's that a filter selects, in portions.
pub struct Flows<'a> {
    wanted: Wanted<'a>,
    kind: DumpKind,
    /// The only flow that can be wanted, to be looked up first.
    known: Option<Known>,
    /// The dumps that have not begun yet: one, or one for each family.
    parts: VecDeque<KernelFilter>,
    current: Option<FilteredDump>,
    malformed: u64,
}

impl<'a> Flows<'a> {
    /// Nothing is asked of the kernel before the first portion is read.
    pub fn new(filter: &'a Selection, kind: DumpKind) -> Self {
        Self {
            wanted: Wanted {
                filter,
                is_everything: filter.is_everything(),
            },
            kind,
            known: filter.all.known().filter(|_| kind == DumpKind::Table),
            parts: filter.kernel().into(),
            current: None,
            malformed: 0,
        }
    }

    /// Hands the flows of the next portion, at most 32 KiB of the kernel's, to `found`; `false`
    /// when there was none.
    pub fn read(&mut self, mut found: impl FnMut(&Entry<'_>)) -> table::Result<bool> {
        if let Some(known) = self.known.take() {
            if self.look_up(&known, &mut found)? {
                self.parts.clear();
                return Ok(true);
            }
        }
        let part = match &mut self.current {
            Some(part) => part,
            None => match self.parts.pop_front() {
                Some(filter) => self
                    .current
                    .insert(FilteredDump::start(self.kind, &filter)?),
                None => return Ok(false),
            },
        };
        let progress = part.read(self.wanted.sink(&mut self.malformed, &mut found))?;
        if let Progress::Finished { .. } = progress {
            self.current = None;
        }
        Ok(true)
    }

    /// The rest of a long list, for threads that receive in turns.
    pub fn share(&mut self) -> Option<SharedFlows<'a>> {
        let dump = self.current.as_mut()?.share()?;
        self.current = None;
        Some(SharedFlows {
            dump,
            wanted: self.wanted,
        })
    }

    /// Counts entries that could not be understood, of a list that was shared.
    pub const fn add_malformed(&mut self, count: u64) {
        self.malformed += count;
    }

    /// Hands the flow to `found` if it is there and wanted; `false` if a dump has to tell.
    ///
    /// Zones of one direction let the kernel find another flow, whose other direction has the tuple.
    /// It then says nothing about the one that is meant.
    fn look_up(
        &mut self,
        known: &Known,
        found: &mut impl FnMut(&Entry<'_>),
    ) -> table::Result<bool> {
        let Known { dir, tuple, zone } = *known;
        let key = FlowKey {
            dir,
            tuple,
            zone,
            id: None,
        };
        let mut is_decided = false;
        let (filter, malformed) = (self.wanted.filter, &mut self.malformed);
        let answer = Table::open()?.get(&key, |message| {
            let Ok(mut flow) = message.flow() else {
                *malformed += 1;
                return;
            };
            // The lookup itself holds a reference, which a dump does not.
            flow.value.use_count = flow.value.use_count.map(|count| count.saturating_sub(1));
            let own = match dir {
                Dir::Original => Some(&flow.value.orig),
                Dir::Reply => flow.value.reply.as_ref(),
            };
            is_decided = own.is_some_and(|own| (own.addrs, own.l4) == (tuple.addrs, tuple.l4));
            if is_decided && filter.matches(&flow.value) {
                found(&Entry::new(&flow, &message.unknown()));
            }
        });
        match answer {
            Ok(()) => Ok(is_decided),
            Err(error) if error.errno() == Errno::NOENT => Ok(true),
            Err(error) if is_unsupported(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says how many entries were left out because they could not be understood, if any.
    pub fn report(&self, console: &mut Console<'_>) {
        report_malformed(self.malformed, console);
    }
}

/// The rest of a list.
#[derive(Debug)]
pub struct SharedFlows<'a> {
    dump: SharedDump,
    wanted: Wanted<'a>,
}

impl SharedFlows<'_> {
    /// Receives when it is this thread's turn, and hands the flows to `found`; `None` when there are no
    /// more.
    pub fn read(
        &self,
        portion: &mut Portion,
        malformed: &mut u64,
        mut found: impl FnMut(&Entry<'_>),
    ) -> Option<Turn> {
        self.dump
            .read(portion, self.wanted.sink(malformed, &mut found))
    }

    /// Has no more received.
    pub fn stop(&self) {
        self.dump.stop();
    }
}

/// Which flows of a list are wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    filter: &'a Selection,
    /// Nothing has to be tested.
    is_everything: bool,
}

impl Wanted<'_> {
    /// Takes messages, counts those that are not understood and hands on what is wanted.
    fn sink(
        self,
        malformed: &mut u64,
        found: &mut impl FnMut(&Entry<'_>),
    ) -> impl FnMut(Result<ObjectMessage<'_>, Malformed>) {
        move |message| {
            let decoded = message.and_then(|message| Ok((message.flow()?, message.unknown())));
            match decoded {
                Ok((flow, unknown)) if self.is_everything || self.filter.matches(&flow.value) => {
                    found(&Entry::new(&flow, &unknown));
                }
                Ok(_) => {}
                Err(_) => *malformed += 1,
            }
        }
    }
}

/// Says how many entries were left out because they could not be understood, if any.
pub fn report_malformed(count: u64, console: &mut Console<'_>) {
    if count > 0 {
        (console.notice)(&format!(
            "WARNING: {count} entries of the kernel could not be understood."
        ));
    }
}

/// Whether a kernel says that it does not know such a question.
fn is_unsupported(error: &Error) -> bool {
    matches!(error.errno(), Errno::OPNOTSUPP | Errno::INVAL)
}
