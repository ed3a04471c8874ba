//! `-L`: shows the flows that match.
//!
//! A long list is received by two threads in turns. Each renders what it received itself, while the
//! other one is in the kernel, and writes it when everything before has been written: the output is the
//! same as that of one thread.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use flow::filter::Selection;
use flow::render::xml::Document;
use linux::table::{DumpKind, Portion, Turn};

use super::console::Output;
use super::dump::{Flows, SharedFlows};
use super::print::Printer;
use super::{Console, Done, Failure};
use crate::cli::hiargs::Style;

pub fn run(
    filter: &Selection,
    kind: DumpKind,
    style: &Style,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, kind);
    let mut printer = Printer::new(style);
    let result = show(&mut flows, &mut printer, style, &mut console.out);
    let count = printer.close_after(result, console.out.buffer())?;
    flows.report(console);
    Ok(Done::counted(count, "flow entries have been shown"))
}

/// Shows all flows; their number.
fn show<'b>(
    flows: &mut Flows<'_>,
    printer: &mut Printer<'b>,
    style: &'b Style,
    out: &mut Output,
) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        if let Some(shared) = flows.share() {
            let shown = Together::show(&shared, printer, style, out);
            flows.add_malformed(shown.malformed);
            shown.result?;
            count += shown.count;
        }
        printer.look_at_clock();
        let buffer = out.buffer();
        let more = flows.read(|entry| {
            printer.flow(buffer, entry);
            count += 1;
        })?;
        if !more {
            return Ok(count);
        }
        out.flush_full()?;
    }
}

/// What two threads show of a list.
struct Together<'a, 'b> {
    flows: &'a SharedFlows<'a>,
    style: &'b Style,
    shown: Mutex<Shown<'a, 'b>>,
    /// The next one may write.
    advanced: Condvar,
}

/// What was shown so far.
struct Shown<'a, 'b> {
    out: &'a mut Output,
    printer: &'a mut Printer<'b>,
    /// Whose turn it is to write.
    place: u64,
    total: Total,
}

/// What came of it.
struct Total {
    count: u64,
    malformed: u64,
    result: Result<(), Failure>,
}

/// What one turn makes.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    count: u64,
    malformed: u64,
}

impl<'a, 'b> Together<'a, 'b> {
    fn show(
        flows: &'a SharedFlows<'a>,
        printer: &'a mut Printer<'b>,
        style: &'b Style,
        out: &'a mut Output,
    ) -> Total {
        let total = Total {
            count: 0,
            malformed: 0,
            result: Ok(()),
        };
        let shown = Shown {
            out,
            printer,
            place: 0,
            total,
        };
        let together = Self {
            flows,
            style,
            shown: Mutex::new(shown),
            advanced: Condvar::new(),
        };
        thread::scope(|scope| {
            // Without another thread this one does it all.
            let name = thread::Builder::new().name("list".into());
            let _ = name.spawn_scoped(scope, || together.work());
            together.work();
        });
        let shown = together.shown.into_inner();
        shown.unwrap_or_else(PoisonError::into_inner).total
    }

    /// Takes turns until there are no more.
    fn work(&self) {
        let _leaving = Leaving(self);
        let mut printer = Printer::new(self.style);
        let mut portion = Portion::default();
        let mut lines = Lines::default();
        loop {
            printer.look_at_clock();
            lines.text.clear();
            (lines.count, lines.malformed) = (0, 0);
            let turn = self
                .flows
                .read(&mut portion, &mut lines.malformed, |entry| {
                    printer.flow_line(&mut lines.text, entry, None);
                    lines.count += 1;
                });
            match turn {
                Some(turn) => self.write(turn, &lines),
                None => return,
            }
        }
    }

    /// Writes what a turn made when all before has been written.
    fn write(&self, turn: Turn, lines: &Lines) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |shown: &mut Shown<'_, '_>| shown.place < turn.place;
        let shown = self.advanced.wait_while(shown, before);
        let mut shown = shown.unwrap_or_else(PoisonError::into_inner);
        shown.add(turn, lines);
        if shown.total.result.is_err() {
            self.flows.stop();
        }
        drop(shown);
        self.advanced.notify_one();
    }
}

impl Shown<'_, '_> {
    /// Writes lines; behind a failure there are none.
    fn add(&mut self, turn: Turn, lines: &Lines) {
        // After a panic of the other thread it stays where it is: nobody is to wait.
        self.place = self.place.saturating_add(1);
        if self.total.result.is_err() {
            return;
        }
        self.total.count += lines.count;
        self.total.malformed += lines.malformed;
        if lines.count > 0 {
            self.printer.open(self.out.buffer(), Document::Flows);
        }
        let written = self.out.write(&lines.text).map_err(Failure::from);
        self.total.result = written.and(turn.result.map_err(Failure::from));
    }
}

/// Lets the other thread go on when this one panics, which ends the program then.
struct Leaving<'s, 'a, 'b>(&'s Together<'a, 'b>);

impl Drop for Leaving<'_, '_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.flows.stop();
            let shown = self.0.shown.lock();
            shown.unwrap_or_else(PoisonError::into_inner).place = u64::MAX;
            self.0.advanced.notify_all();
        }
    }
}
