//! `-E`: shows changes as they happen, until interrupted.
//!
//! Waking up is what an event costs. A first event after silence is shown at once; while they
//! keep coming, half a millisecond passes between two looks at the socket, and hundreds are shown
//! together. A large receive buffer bridges the time when the output does not move.

use std::thread;
use std::time::Duration;

use flow::filter::Selection;
use flow::render::Sender;
use flow::{Event, Name, Object, Origin};
use linux::Drained;
use linux::poller::{Interest, Poller};
use linux::process::{Signal, Signals};
use linux::table::{Events, Notice, Origins, Watch};
use nfnetlink::{Decoded, UnknownAttributes};

use super::print::{Entry, Printer};
use super::program::Programs;
use super::{Console, Done, Failure};
use crate::cli::hiargs::Style;
use crate::cli::lowargs::EventMask;

/// Receive buffer when none is asked for: room for about 25,000 events.
const BUFFER_DEFAULT: usize = 32 * 1024 * 1024;

/// Datagrams read before the output is written.
const READ_MAX: usize = 1024;

/// Events in one look at the socket above which it is worth to wait for more.
const BUSY: usize = 16;

/// Time between two looks while events keep coming.
const PAUSE: Duration = Duration::from_micros(500);

/// What is followed.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Flows, and what kinds of changes.
    Flows(&'a Selection, EventMask),
    /// Expectations.
    Expectations,
}

pub fn run(
    wanted: &Wanted<'_>,
    style: &Style,
    buffer_size: Option<u32>,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let signals =
        Signals::open(&[Signal::Terminate, Signal::Interrupt]).map_err(Failure::System)?;
    let mut events = subscribe(wanted, buffer_size, console)?;
    let mut poller = Poller::new().map_err(Failure::System)?;
    poller
        .add(&signals, 0, Interest::Read)
        .and_then(|()| poller.add(&events, 1, Interest::Read))
        .map_err(Failure::System)?;
    let mut watcher = Watcher {
        wanted,
        printer: Printer::new(style),
        programs: Programs::default(),
        count: 0,
        gaps: Gaps::default(),
    };
    let result = watcher.follow(&mut events, &mut poller, &signals, console);
    watcher.gaps.report(true, &events, console);
    watcher.printer.close_after(result, console.out.buffer())?;
    let what = match wanted {
        Wanted::Flows(..) => "flow events have been shown",
        Wanted::Expectations => "expectation events have been shown",
    };
    Ok(Done::counted(watcher.count, what))
}

/// What follows a look at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There is more: read on.
    Read,
    /// There was much: let some more arrive.
    Pause,
    /// There was little: wait for the next event.
    Wait,
}

impl Next {
    const fn after(drained: Drained) -> Self {
        if drained.more {
            Self::Read
        } else if drained.datagrams >= BUSY {
            Self::Pause
        } else {
            Self::Wait
        }
    }
}

/// Opens the subscription, with the buffer that was asked for.
fn subscribe(
    wanted: &Wanted<'_>,
    buffer_size: Option<u32>,
    console: &mut Console<'_>,
) -> Result<Events, Failure> {
    // Stock hands the number to the kernel, which doubles it; `linux` takes what shall come out.
    let asked = buffer_size.and_then(|bytes| usize::try_from(bytes).ok());
    let receive_buffer = asked.map_or(BUFFER_DEFAULT, |bytes| bytes.saturating_mul(2));
    let (kinds, expectations) = match wanted {
        Wanted::Flows(_, kinds) => (*kinds, false),
        Wanted::Expectations => (EventMask::default(), true),
    };
    let watch = Watch {
        flows_new: kinds.contains(EventMask::NEW),
        flows_update: kinds.contains(EventMask::UPDATES),
        flows_destroy: kinds.contains(EventMask::DESTROY),
        expectations_new: expectations,
        expectations_update: expectations,
        expectations_destroy: expectations,
        receive_buffer: Some(receive_buffer),
        reliable: false,
    };
    let failed = match wanted {
        Wanted::Flows(..) => Failure::Subscribe,
        Wanted::Expectations => Failure::SubscribeExpect,
    };
    let events = Events::open(&watch, Origins::new()).map_err(failed)?;
    if asked.is_some() {
        let granted = events.receive_buffer().map_err(Failure::System)?;
        (console.notice)(&format!(
            "NOTICE: Netlink socket buffer size has been set to {granted} bytes."
        ));
    }
    Ok(events)
}

/// Times at which the kernel dropped events for want of room.
#[derive(Debug, Default)]
struct Gaps {
    count: u64,
    reported: u64,
}

impl Gaps {
    /// Says how many there were and what was lost: the first one at once, more of them when there
    /// is time. The beginning of the line is stock's, which repeats three lines for each.
    fn report(&mut self, is_quiet: bool, events: &Events, console: &mut Console<'_>) {
        if self.count == self.reported || (self.reported > 0 && !is_quiet) {
            return;
        }
        self.reported = self.count;
        let lost = match events.memory_info() {
            Ok(memory) => memory.drops.to_string(),
            Err(_) => "an unknown number of".into(),
        };
        (console.notice)(&format!(
            "WARNING: We have hit ENOBUFS! We are losing events. So far {lost} are lost in {} \
             gaps; see --buffer-size.",
            self.count
        ));
    }
}

struct Watcher<'a> {
    wanted: &'a Wanted<'a>,
    printer: Printer<'a>,
    programs: Programs,
    count: u64,
    gaps: Gaps,
}

impl Watcher<'_> {
    /// Shows events until a signal comes.
    fn follow(
        &mut self,
        events: &mut Events,
        poller: &mut Poller,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        let mut next = Next::Wait;
        loop {
            match next {
                Next::Wait => poller.wait(None).map_err(Failure::System)?.for_each(drop),
                Next::Pause => thread::sleep(PAUSE),
                Next::Read => {}
            }
            if signals.receive().map_err(Failure::System)?.is_some() {
                return Ok(());
            }
            self.printer.look_at_clock();
            let drained = events
                .drain(READ_MAX, |notice| self.notice(notice, console))
                .map_err(Failure::System)?;
            next = Next::after(drained);
            self.gaps.report(next == Next::Wait, events, console);
            match next {
                Next::Read => console.out.flush_full()?,
                Next::Pause => console.out.flush()?,
                Next::Wait => {
                    console.out.flush()?;
                    self.programs.rest();
                }
            }
        }
    }

    fn notice(&mut self, notice: Notice<'_>, console: &mut Console<'_>) {
        match notice {
            Notice::Event(event, unknown) => self.event(&event, &unknown, console),
            Notice::Overrun => self.gaps.count += 1,
            Notice::Truncated => {
                (console.notice)("WARNING: an event was too long and is not shown.");
            }
            Notice::Malformed(reason) => {
                (console.notice)(&format!(
                    "WARNING: an event could not be understood: {reason}"
                ));
            }
        }
    }

    fn event(
        &mut self,
        decoded: &Decoded<Event<'_>>,
        unknown: &UnknownAttributes<'_>,
        console: &mut Console<'_>,
    ) {
        let Decoded {
            value: event,
            unknown: count,
        } = decoded;
        let out = console.out.buffer();
        match (self.wanted, &event.object) {
            (Wanted::Flows(filter, _), Object::Flow(flow)) if filter.matches(flow) => {
                let sender = match event.origin {
                    Origin::Other(port) => Some(Sender {
                        port,
                        program: self.programs.name(port).map(Name::new),
                    }),
                    Origin::Traffic
                    | Origin::Commit
                    | Origin::Inject
                    | Origin::Flush
                    | Origin::Resync => None,
                };
                let entry = Entry::of(flow, *count, unknown);
                self.printer.flow_event(out, &entry, (event.kind, sender));
            }
            (Wanted::Expectations, Object::Expectation(expectation)) => {
                let entry = Entry::of(expectation, *count, unknown);
                self.printer
                    .expectation(out, &entry, Some((event.kind, None)));
            }
            _ => return,
        }
        self.count += 1;
    }
}
