//! Expectations: shown, counted, created and removed.
//!
//! The kernel keeps few of them and cannot filter them but by family.

use flow::render::xml::Document;
use flow::render::{Expected, Record};
use flow::{EventKind, Expectation, Family, Tuple};
use linux::table::{Batch, Dump, Progress, Query, Request, Table};
use linux::{Errno, clock};
use nfnetlink::expect::request::ExpectationKey;

use super::print::Printer;
use super::{Console, Done, Failure, dump, event, worded};
use crate::cli::hiargs::{CounterFormat, ExpectJob, Style};

pub fn run(job: &ExpectJob, console: &mut Console<'_>) -> Result<Done, Failure> {
    match job {
        ExpectJob::List(family, style) => list(*family, style, console),
        ExpectJob::Count(family, format) => count(*family, *format, console),
        ExpectJob::Get(tuple, style) => get(tuple, style, console),
        ExpectJob::Create(expectation) => create(expectation),
        ExpectJob::Delete(tuple) => delete(tuple),
        ExpectJob::Flush(family) => flush(*family, console),
        ExpectJob::Follow(style) => event::run(&event::Wanted::Expectations, style, None, console),
    }
}

/// Shows an expectation, or what has happened to one.
pub fn show(
    out: &mut Vec<u8>,
    expectation: &Expectation<'_>,
    event: Option<EventKind>,
    style: &Style,
) {
    let now = clock::wall();
    let record: Expected<'_> = Record {
        event,
        time: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        utc_offset: |seconds| clock::utc_offset(std::time::Duration::from_secs(seconds)),
        ..Record::listed(expectation, now.as_secs())
    };
    style.show.format.expectation(out, &record, &style.show);
    out.push(b'\n');
}

fn list(family: Family, style: &Style, console: &mut Console<'_>) -> Result<Done, Failure> {
    let mut printer = Printer::new(style);
    let mut count = 0;
    read(Some(family), console, |out, expectation| {
        printer.open(out, Document::Expectations);
        show(out, expectation, None, style);
        count += 1;
    })?;
    printer.close(console.out.buffer());
    Ok(Done::counted(count, "expectations have been shown"))
}

fn count(
    family: Family,
    format: CounterFormat,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut count = 0_u64;
    read(Some(family), console, |_, _| count += 1)?;
    let named = ("expectations", count, "Expectations in the table.");
    super::count::show(format, named, None, console.out.buffer());
    Ok(Done::SILENT)
}

/// Hands the expectations of a family to `found`, with the buffer to show them in.
fn read(
    family: Option<Family>,
    console: &mut Console<'_>,
    mut found: impl FnMut(&mut Vec<u8>, &Expectation<'_>),
) -> Result<(), Failure> {
    let mut dump = Dump::start(&Query::Expectations(family))?;
    let mut malformed = 0;
    loop {
        let out = console.out.buffer();
        let progress =
            dump.read(
                |message| match message.and_then(|message| message.expectation()) {
                    Ok(expectation) => found(out, &expectation.value),
                    Err(_) => malformed += 1,
                },
            )?;
        console.out.flush_full()?;
        if let Progress::Finished { .. } = progress {
            break;
        }
    }
    dump::report_malformed(malformed, console);
    Ok(())
}

const fn key(tuple: &Tuple) -> ExpectationKey {
    ExpectationKey {
        tuple: *tuple,
        zone: None,
        id: None,
    }
}

fn get(tuple: &Tuple, style: &Style, console: &mut Console<'_>) -> Result<Done, Failure> {
    let mut printer = Printer::new(style);
    let mut malformed = None;
    let out = console.out.buffer();
    Table::open()?.get_expectation(&key(tuple), |message| match message.expectation() {
        Ok(expectation) => {
            printer.open(out, Document::Expectations);
            show(out, &expectation.value, None, style);
        }
        Err(reason) => malformed = Some(reason),
    })?;
    printer.close(out);
    match malformed {
        Some(reason) => Err(linux::table::Error::from(reason).into()),
        None => Ok(Done::SILENT),
    }
}

fn create(expectation: &Expectation<'_>) -> Result<Done, Failure> {
    let request = Request::CreateExpectation(expectation);
    let result = Table::open().and_then(|mut table| table.execute(&request));
    result.map_err(|error| worded(error, &[(Errno::NOENT, "master conntrack not found")]))?;
    Ok(Done::SILENT)
}

/// Stock deletes it and says that it did not (compat: cli-25).
fn delete(tuple: &Tuple) -> Result<Done, Failure> {
    Table::open()?.execute(&Request::DeleteExpectation(&key(tuple)))?;
    Ok(Done::counted(1, "expectations have been deleted"))
}

/// The kernel empties the table of both families only (compat: cli-43).
fn flush(family: Option<Family>, console: &mut Console<'_>) -> Result<Done, Failure> {
    match family {
        None => Table::open()?.execute(&Request::FlushExpectations)?,
        Some(_) => flush_family(family, console)?,
    }
    Ok(Done {
        summary: Some("expectation table has been emptied.".into()),
        status: 0,
    })
}

fn flush_family(family: Option<Family>, console: &mut Console<'_>) -> Result<(), Failure> {
    let mut keys = Vec::new();
    read(family, console, |_, expectation| {
        keys.push(ExpectationKey::exact(expectation));
    })?;
    let mut batch = Batch::open()?;
    let mut failed = None;
    let mut flush = |batch: &mut Batch<()>| {
        batch.flush(|(), outcome| match outcome {
            Err(error) if error.errno != Errno::NOENT => failed = failed.take().or(Some(error)),
            Ok(()) | Err(_) => {}
        });
    };
    for key in &keys {
        if batch.is_full() {
            flush(&mut batch);
        }
        batch.push(&Request::DeleteExpectation(key), ())?;
    }
    flush(&mut batch);
    match failed {
        Some(error) => Err(linux::table::Error::from(error).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stamp_is_shown_with_a_tab() {
        let addrs = flow::Addrs::V4 {
            src: [1, 1, 1, 1].into(),
            dst: [2, 2, 2, 2].into(),
        };
        let tuple = Tuple::new(addrs, flow::L4::Other(flow::Protocol(200)));
        let mut style = Style::default();
        style.show.time = true;
        let mut out = Vec::new();
        show(
            &mut out,
            &Expectation::new(tuple, tuple),
            Some(EventKind::New),
            &style,
        );
        let line = String::from_utf8(out).unwrap();
        assert!(line.starts_with('['), "{line}");
        assert!(line.contains("]\t    [NEW] "), "{line}");
    }
}
