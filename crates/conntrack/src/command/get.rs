//! `-G`: shows one flow, found by its original or its reply tuple.

use flow::filter::FlowFilter;
use flow::{Flow, PerDir};
use linux::Errno;
use linux::table::Table;
use nfnetlink::conntrack::request::FlowKey;

use super::print::{Entry, Printer};
use super::{Console, Done, Failure, worded};
use crate::cli::hiargs::Lookup;

pub fn run(lookup: &Lookup, console: &mut Console<'_>) -> Result<Done, Failure> {
    let key = FlowKey {
        dir: lookup.dir,
        tuple: lookup.tuple,
        zone: lookup.zone,
        id: None,
    };
    let mut printer = Printer::new(&lookup.style);
    let out = console.out.buffer();
    let mut count = 0;
    let mut malformed = None;
    let found = Table::open()?.get(&key, |message| match message.flow() {
        Ok(flow) if is_wanted(&lookup.filter, &flow.value) => {
            printer.flow(out, &Entry::new(&flow, &message.unknown()));
            count += 1;
        }
        Ok(_) => {}
        Err(reason) => malformed = Some(reason),
    });
    found.map_err(|error| {
        let words = [
            (Errno::NOENT, "such conntrack doesn't exist"),
            (Errno::NOMEM, "not enough memory"),
            (Errno::AFNOSUPPORT, "protocol not supported"),
        ];
        worded(error, &words)
    })?;
    printer.close(out);
    if let Some(reason) = malformed {
        return Err(linux::table::Error::from(reason).into());
    }
    Ok(Done::counted_or_failed(
        count,
        "flow entries have been shown",
    ))
}

/// The kernel finds a flow by either of its tuples, whichever was meant (compat: cli-31).
fn is_wanted(filter: &FlowFilter, flow: &Flow<'_>) -> bool {
    let mut turned = filter.clone();
    turned.tuple = PerDir {
        orig: filter.tuple.reply,
        reply: filter.tuple.orig,
    };
    filter.matches(flow) || turned.matches(flow)
}
