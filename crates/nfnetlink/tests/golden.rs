//! Messages that a real kernel sent, and what this crate makes of them.
//!
//! `tests/golden/README.md` tells what the files are. Where stock's line for the same entry is
//! known, decoding and rendering the message must give that line.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fmt::Write as _;
use std::fs;

use flow::Object;
use flow::render::{self, Record, Show};
use nfnetlink::nl::{Failure, Header, Message, control};
use nfnetlink::stats::{self, CpuStats};
use nfnetlink::{EncodeError, ObjectMessage, conntrack, expect};
use support::{cases, one, read_message};

const AS_STOCK: Show = Show {
    extended: true,
    id: true,
    ..Show::TABLE
};

#[test]
fn kernel_messages_read_as_written_down() {
    let mut checked = 0;
    for case in cases() {
        let message = read_message(&case);
        let got = describe(&one(&message));
        let file = case.join("value");
        if std::env::var_os("GOLDEN_WRITE").is_some() {
            fs::write(&file, &got).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap();
        assert_eq!(got, expected, "{}", file.display());
        checked += 1;
    }
    assert!(checked > 40, "only {checked} cases found");
}

#[test]
fn dumped_flows_render_as_stock_printed_them() {
    let mut checked = 0;
    for case in cases()
        .into_iter()
        .filter(|case| case.join("text").exists())
    {
        let message = read_message(&case);
        let message = ObjectMessage::decode(&one(&message)).unwrap();
        let flow = message.flow().unwrap().value;
        let mut got = Vec::new();
        render::text(&mut got, &Record::listed(&flow, 0), &AS_STOCK);
        got.push(b'\n');
        let expected = fs::read_to_string(case.join("text")).unwrap();
        assert_eq!(
            String::from_utf8(got).unwrap(),
            expected,
            "{}",
            case.display()
        );
        checked += 1;
    }
    assert!(checked > 20, "only {checked} lines found");
}

#[test]
fn kernel_objects_survive_encoding() {
    for case in cases() {
        let message = read_message(&case);
        let Ok(message) = ObjectMessage::decode(&one(&message)) else {
            continue;
        };
        let object = message.object().unwrap().value;
        let mut bytes = Vec::new();
        encode(&mut bytes, &object).unwrap();
        let again = match object {
            Object::Flow(_) => conntrack::decode(&bytes).unwrap().map(Object::Flow),
            Object::Expectation(_) => expect::decode(&bytes).unwrap().map(Object::Expectation),
        };
        assert_eq!(again.value, object, "{}", case.display());
    }
}

fn encode(out: &mut Vec<u8>, object: &Object<'_>) -> Result<(), EncodeError> {
    nfnetlink::nl::AttrWriter::bare(out, |w| match object {
        Object::Flow(flow) => conntrack::encode(w, flow),
        Object::Expectation(expectation) => expect::encode(w, expectation),
    })
}

/// Header and content on a few lines.
fn describe(message: &Message<'_>) -> String {
    let Header {
        kind,
        flags,
        sequence,
        port_id,
    } = message.header;
    let mut out = format!("type {kind:#06x} flags {flags:#x} sequence {sequence} port {port_id}\n");
    match kind {
        control::ERROR | control::DONE => match Failure::decode(message).unwrap() {
            Some(failure) => writeln!(out, "{failure:?}").unwrap(),
            None => writeln!(out, "success").unwrap(),
        },
        0x0105 => writeln!(out, "{:?}", stats::decode_global(message).unwrap()).unwrap(),
        0x0104 | 0x0103 => {
            let stats = CpuStats::decode(message).unwrap();
            writeln!(out, "{:?} of CPU {}", stats.subsystem, stats.cpu).unwrap();
            for counter in stats.counters() {
                writeln!(out, "  {counter:?}").unwrap();
            }
        }
        _ => describe_object(&mut out, &ObjectMessage::decode(message).unwrap()),
    }
    out
}

fn describe_object(out: &mut String, message: &ObjectMessage<'_>) {
    let object = message.object().unwrap();
    writeln!(
        out,
        "{:?} {:?} family {}",
        message.subsystem, message.kind, message.family
    )
    .unwrap();
    writeln!(out, "{} unknown attributes", object.unknown).unwrap();
    let text = match object.value {
        Object::Flow(flow) => format!("{flow:#?}"),
        Object::Expectation(expectation) => format!("{expectation:#?}"),
    };
    out.push_str(&fold(&text));
}

/// One line per attribute that is there.
fn fold(pretty: &str) -> String {
    let mut out = String::new();
    for line in pretty.lines().filter(|line| !line.ends_with(": None,")) {
        let text = line.trim_start();
        let is_field = line.len() - text.len() == 4 && !text.starts_with([')', '}']);
        if is_field {
            out.push_str("\n  ");
        } else if text.starts_with([')', '}']) {
            out.truncate(out.trim_end_matches([',', ' ']).len());
        }
        out.push_str(text);
        if text.ends_with(',') {
            out.push(' ');
        }
    }
    out.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
