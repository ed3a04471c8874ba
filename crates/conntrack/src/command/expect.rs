//! Expectations: shown, counted, created and removed.
//!
//! The kernel keeps few of them and cannot filter them but by family.

use flow::{Expectation, Family, Tuple};
use linux::Errno;
use linux::table::{Batch, Dump, Progress, Query, Request, Table};
use nfnetlink::expect::request::ExpectationKey;

use super::print::{Entry, Printer};
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

fn list(family: Family, style: &Style, console: &mut Console<'_>) -> Result<Done, Failure> {
    let mut printer = Printer::new(style);
    let mut count = 0;
    let result = read(Some(family), console, |out, entry| {
        printer.expectation(out, entry, None);
        count += 1;
    });
    printer.close_after(result, console.out.buffer())?;
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
    mut found: impl FnMut(&mut Vec<u8>, &Entry<'_, Expectation<'_>>),
) -> Result<(), Failure> {
    let mut dump = Dump::start(&Query::Expectations(family))?;
    let mut malformed = 0;
    loop {
        let out = console.out.buffer();
        let progress = dump.read(|message| {
            let decoded =
                message.and_then(|message| Ok((message.expectation()?, message.unknown())));
            match decoded {
                Ok((expectation, unknown)) => found(out, &Entry::new(&expectation, &unknown)),
                Err(_) => malformed += 1,
            }
        })?;
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
            printer.expectation(out, &Entry::new(&expectation, &message.unknown()), None);
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
    read(family, console, |_, entry| {
        keys.push(ExpectationKey::exact(entry.object));
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
