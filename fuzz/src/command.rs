//! Lines of `conntrack`: as arguments, in a file of commands, in a file of filters.
//!
//! Any bytes are lines, and any line means something or is refused with a text and the status of a
//! wrong command line. A condition of a filter file is never empty: it would delete everything. What
//! makes a flow makes one that, saved and read again, is the same.

use std::borrow::Cow;
use std::sync::Arc;

use conntrack::cli::batch::{self, Line, Lines};
use conntrack::cli::{Environment, Error, Job, filters};
use flow::filter::FlowFilter;
use flow::render::{Format, Record, Saved, Show};
use flow::{Flow, LabelMap};

/// Reads lines in every way there is.
pub fn run(bytes: &[u8]) {
    let names = Arc::new(LabelMap::parse(b"0 web\n5 db\n127 last"));
    let environment = Environment {
        posix: bytes.len() % 2 == 1,
        protocol_number: &|name| (name == "igmp").then_some(2),
        labels: &|_| Ok(Arc::clone(&names)),
        open: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    let mut lines = Lines::new(bytes);
    while let Ok(Some((number, line))) = lines.next_line() {
        assert!(number > 0);
        arguments(&line, &environment);
        command(&line, &environment);
        filter(&line, &environment);
    }
}

fn arguments(line: &str, environment: &Environment<'_>) {
    let words = batch::words(line).map(|words| words.into_iter().map(Cow::into_owned));
    let job = words.and_then(|words| {
        let words: Vec<String> = words.collect();
        conntrack::cli::parse(&words, environment, &mut Vec::new())
    });
    match job {
        Ok(
            Job::List { filter, .. }
            | Job::Delete { filter, .. }
            | Job::Update { filter, .. }
            | Job::Follow { filter, .. },
        ) => assert!((1..=2).contains(&filter.kernel().len())),
        Ok(_) => {}
        Err(error) => check(&error),
    }
}

fn command(line: &str, environment: &Environment<'_>) {
    match Line::parse(line, environment, &mut Vec::new()) {
        Ok(Some(line)) => match (line.check(), &line.job) {
            (
                Ok(()),
                Job::Create {
                    flow: Some(flow), ..
                },
            ) => {
                saved_is_the_same(&flow.flow(), environment);
            }
            (
                Ok(()),
                Job::Create { .. } | Job::Update { .. } | Job::Delete { .. } | Job::Flush(_),
            ) => {}
            (Ok(()), job) => panic!("{job:?} may not stand in a file"),
            (Err(error), _) => check(&error),
        },
        Ok(None) => {}
        Err(error) => check(&error),
    }
}

fn saved_is_the_same(flow: &Flow<'_>, environment: &Environment<'_>) {
    let mut text = Vec::new();
    let format = Format::Save(Saved::Add);
    format.flow(&mut text, &Record::listed(flow, 0), &Show::TABLE);
    let text = String::from_utf8(text).expect("a line is text");
    let again = Line::parse(&text, environment, &mut Vec::new());
    let Ok(Some(Line {
        job: Job::Create {
            flow: Some(again), ..
        },
        ..
    })) = again
    else {
        panic!("{text}: {again:?}");
    };
    let again = again.flow();
    assert_eq!((again.orig, again.zone), (flow.orig, flow.zone), "{text}");
    assert_eq!(
        (again.timeout, again.protoinfo),
        (flow.timeout, flow.protoinfo),
        "{text}"
    );
    let mark = |flow: &Flow<'_>| flow.mark.unwrap_or_default();
    assert_eq!(mark(&again), mark(flow), "{text}");
    assert_eq!(
        (again.labels, again.master),
        (flow.labels, flow.master),
        "{text}"
    );
}

fn filter(line: &str, environment: &Environment<'_>) {
    match filters::filter(line, environment, &mut Vec::new()) {
        Ok(Some(filter)) => assert_ne!(filter, FlowFilter::default()),
        Ok(None) => assert!(batch::is_skipped(line)),
        Err(error) => check(&error),
    }
}

fn check(error: &Error) {
    assert!(matches!(error.status(), 1 | 2));
    assert!(!error.to_string().is_empty());
    assert!(error.hint().is_none_or(|hint| hint.len() < 64 * 1024));
}
