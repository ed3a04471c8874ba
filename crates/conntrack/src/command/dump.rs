//! Reading the flows that a filter selects.
//!
//! The kernel is asked for as few flows as it can tell apart; what it hands over is tested again,
//! whole. A kernel that refuses such a filter is asked for everything.

use std::collections::VecDeque;

use flow::filter::{KernelFilter, Selection};
use linux::table::{Dump, DumpKind, Error, Progress, Query};
use linux::{Errno, table};
use nfnetlink::{Malformed, ObjectMessage};

use super::Console;
use super::print::Entry;

/// The flows of a list of the kernel's that a filter selects, in portions.
pub struct Flows<'a> {
    filter: &'a Selection,
    kind: DumpKind,
    /// The dumps that have not begun yet: one, or one for each family.
    parts: VecDeque<KernelFilter>,
    current: Option<Part>,
    malformed: u64,
}

/// A dump under way.
struct Part {
    dump: Dump,
    /// What to ask for instead when the first answer is a refusal.
    fallback: Option<KernelFilter>,
}

impl<'a> Flows<'a> {
    /// Nothing is asked of the kernel before the first portion is read.
    pub fn new(filter: &'a Selection, kind: DumpKind) -> Self {
        Self {
            filter,
            kind,
            parts: filter.kernel().into(),
            current: None,
            malformed: 0,
        }
    }

    /// Hands the flows of the next portion, at most 32 KiB of the kernel's, to `found`; `false`
    /// when there was none.
    pub fn read(&mut self, mut found: impl FnMut(&Entry<'_>)) -> table::Result<bool> {
        let part = match &mut self.current {
            Some(part) => part,
            None => match self.parts.pop_front() {
                Some(filter) => self.current.insert(Part::start(self.kind, &filter)?),
                None => return Ok(false),
            },
        };
        let mut malformed = 0;
        let progress = part.read(self.kind, |message| {
            let decoded = message.and_then(|message| Ok((message.flow()?, message.unknown())));
            match decoded {
                Ok((flow, unknown)) if self.filter.matches(&flow.value) => {
                    found(&Entry::new(&flow, &unknown));
                }
                Ok(_) => {}
                Err(_) => malformed += 1,
            }
        })?;
        self.malformed += malformed;
        if let Progress::Finished { .. } = progress {
            self.current = None;
        }
        Ok(true)
    }

    /// Says how many entries were left out because they could not be understood, if any.
    pub fn report(&self, console: &mut Console<'_>) {
        report_malformed(self.malformed, console);
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

impl Part {
    fn start(kind: DumpKind, filter: &KernelFilter) -> table::Result<Self> {
        let plain = KernelFilter {
            family: filter.family,
            ..KernelFilter::default()
        };
        Ok(Self {
            dump: Dump::start(&Query::Flows(kind, filter))?,
            fallback: (*filter != plain).then_some(plain),
        })
    }

    fn read(
        &mut self,
        kind: DumpKind,
        sink: impl FnMut(Result<ObjectMessage<'_>, Malformed>),
    ) -> table::Result<Progress> {
        match (self.dump.read(sink), self.fallback.take()) {
            (Err(error), Some(plain)) if is_unsupported(&error) => {
                self.dump = Dump::start(&Query::Flows(kind, &plain))?;
                Ok(Progress::More)
            }
            (result, _) => result,
        }
    }
}

/// Whether a kernel says that it does not know such a filter.
fn is_unsupported(error: &Error) -> bool {
    matches!(error.errno(), Errno::OPNOTSUPP | Errno::INVAL)
}
