//! What we write into a real kernel is what we read back: every kind of flow and expectation that
//! a request can express, and every filter that the kernel applies itself.
//!
//! Each test has a network namespace of its own. The hash table behind all namespaces of a host is
//! one; its entries go away with the namespace.

#![allow(clippy::unwrap_used, reason = "a test")]

mod expectations;
mod filters;
mod flows;
mod reported;
mod samples;

use flow::Flow;
use flow::filter::KernelFilter;
use linux::table::{Dump, DumpKind, Query};
use testbed::Namespace;

/// Runs a test inside a namespace of its own, in which labels are in use.
fn inside(test: impl FnOnce() + Send) {
    let namespace = Namespace::new("roundtrip").unwrap();
    namespace
        .nft("table inet t {\nchain c {\nct label set 1\n}\n}\n")
        .unwrap();
    namespace.enter(test).unwrap();
}

/// Runs `sink` with each flow of the table that the filter lets through.
fn dump(filter: &KernelFilter, mut sink: impl FnMut(Flow<'_>)) {
    let mut dump = Dump::start(&Query::Flows(DumpKind::Table, filter)).unwrap();
    dump.read_all(|entry| {
        let decoded = entry.unwrap().flow().unwrap();
        assert_eq!(decoded.unknown, 0, "{:?}", decoded.value);
        sink(decoded.value);
    })
    .unwrap();
}
