//! Expectations in the formats that stock has for them.
//!
//! An expectation is three tuples side by side: the one waited for, the mask over it, and its
//! master's. Stock pads the fractions of a time stamp with blanks on the right; we pad them with
//! zeros on the left, as everywhere (compat: cli-51).

use alloc::vec::Vec;

use super::text::{number, tag, time, tuple_named};
use super::xml::Xml;
use super::{Expected, Show, bytes};
use crate::expectation::{Expectation, ExpectationFlags};
use crate::tuple::Tuple;

/// Flags and their names.
const FLAGS: [(ExpectationFlags, &str, &str); 3] = [
    (ExpectationFlags::PERMANENT, "PERMANENT", "<permanent/>"),
    (ExpectationFlags::INACTIVE, "INACTIVE", "<inactive/>"),
    (ExpectationFlags::USERSPACE, "USERSPACE", "<userspace/>"),
];

fn has(expectation: &Expectation<'_>, flag: ExpectationFlags) -> bool {
    expectation.flags.is_some_and(|flags| flags.contains(flag))
}

/// Renders an expectation as one line, without the line's end.
pub(super) fn text(out: &mut Vec<u8>, record: &Expected<'_>, show: &Show) {
    let expectation = record.object;
    if show.time {
        time(out, record.time);
    }
    if let Some(event) = record.event {
        out.extend_from_slice(tag(event).as_bytes());
        out.push(b' ');
    }
    if let Some(timeout) = expectation.timeout {
        bytes::decimal(out, timeout);
        out.push(b' ');
    }
    number(out, "proto=", expectation.tuple.protocol().0);
    tuple_named(out, " src=", " dst=", &expectation.tuple);
    if let Some(mask) = &expectation.mask {
        tuple_named(out, " mask-src=", " mask-dst=", mask);
    }
    tuple_named(out, " master-src=", " master-dst=", &expectation.master);
    if let Some(zone) = expectation.zone {
        number(out, " zone=", zone.0);
    }
    let mut separator = b' ';
    for (flag, name, _) in FLAGS {
        if has(expectation, flag) {
            out.push(separator);
            out.extend_from_slice(name.as_bytes());
            separator = b',';
        }
    }
    if let Some(class) = expectation.class {
        number(out, " class=", class);
    }
    if let Some(helper) = expectation.helper {
        out.extend_from_slice(b" helper=");
        bytes::escaped(out, helper.as_bytes());
    }
}

/// Renders an expectation as one element, without a line's end.
pub(super) fn xml(out: &mut Vec<u8>, record: &Expected<'_>, show: &Show) {
    let expectation = record.object;
    let mut xml = Xml { out };
    xml.start(record.event);
    let (family, protocol) = (expectation.tuple.family(), expectation.tuple.protocol());
    xml.protocol("layer3", family.number(), Some(family.name()));
    each_tuple(&mut xml, expectation, |xml, tuple| {
        xml.element("src", |out| bytes::address(out, tuple.addrs.src()));
        xml.element("dst", |out| bytes::address(out, tuple.addrs.dst()));
    });
    xml.raw("</layer3>");
    xml.protocol("layer4", protocol.0, protocol.name());
    each_tuple(&mut xml, expectation, |xml, tuple| xml.l4(&tuple.l4));
    xml.raw("</layer4><meta>");
    meta(&mut xml, record, show);
    xml.raw("</meta></flow>");
}

fn each_tuple(
    xml: &mut Xml<'_>,
    expectation: &Expectation<'_>,
    content: impl Fn(&mut Xml<'_>, &Tuple),
) {
    let tuples = [
        ("expected", Some(&expectation.tuple)),
        ("mask", expectation.mask.as_ref()),
        ("master", Some(&expectation.master)),
    ];
    for (tag, tuple) in tuples {
        let Some(tuple) = tuple else { continue };
        xml.element(tag, |out| content(&mut Xml { out }, tuple));
    }
}

fn meta(xml: &mut Xml<'_>, record: &Expected<'_>, show: &Show) {
    let expectation = record.object;
    if let Some(helper) = expectation.helper {
        xml.name("helper-name", helper);
    }
    if let Some(timeout) = expectation.timeout {
        xml.number("timeout", timeout);
    }
    if let Some(class) = expectation.class {
        xml.number("class", class);
    }
    if let Some(zone) = expectation.zone {
        xml.number("zone", zone.0);
    }
    if show.time {
        xml.when(&record.local(record.time));
    }
    for (flag, _, element) in FLAGS {
        if has(expectation, flag) {
            xml.raw(element);
        }
    }
}
