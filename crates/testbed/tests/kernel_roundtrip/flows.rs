//! Flows: created, found by each of their names, changed, removed.
//!
//! A flow that is read back is compared whole, so an attribute that the kernel did not take, or
//! that was read as another, is seen.

use flow::filter::KernelFilter;
use flow::{Dir, Family, Flow, L4, Labels, Mark, Ports, Status};
use linux::Errno;
use linux::table::{Request, Table};
use nfnetlink::ObjectMessage;
use nfnetlink::conntrack::request::FlowKey;

use crate::reported::{as_reported, without_chance};
use crate::samples::{PORTS, decorated, flow, protocols, sctp_states, tcp, tcp_states, translated};
use crate::{dump, inside};

/// Creates the flow, finds it by all its names, and removes it by its id.
fn check(table: &mut Table, written: &Flow<'_>) {
    table
        .execute(&Request::Create(written))
        .unwrap_or_else(|error| panic!("{error}: {written:?}"));
    let mut found = 0;
    let mut key = FlowKey::original(written);
    dump(&KernelFilter::default(), |flow| {
        assert_eq!(without_chance(&flow), as_reported(written));
        key = FlowKey::exact(&flow);
        found += 1;
    });
    assert_eq!(found, 1, "{written:?}");
    let by_reply = FlowKey {
        dir: Dir::Reply,
        tuple: as_reported(written).reply.unwrap(),
        id: None,
        ..key
    };
    for key in [key, by_reply] {
        let mut found = 0;
        let found_one = |entry: ObjectMessage<'_>| {
            let flow = entry.flow().unwrap().value;
            assert_eq!(without_chance(&flow), as_reported(written));
            found += 1;
        };
        table.get(&key, found_one).unwrap();
        assert_eq!(found, 1, "{written:?}");
    }
    let other_id = FlowKey {
        id: key.id.map(|id| id ^ 1),
        ..key
    };
    let spared = table.execute(&Request::Delete(&other_id)).unwrap_err();
    assert_eq!(spared.errno(), Errno::NOENT);
    table.execute(&Request::Delete(&key)).unwrap();
}

fn check_all(flows: Vec<Flow<'static>>) {
    inside(move || {
        let mut table = Table::open().unwrap();
        for flow in flows {
            check(&mut table, &flow);
        }
    });
}

#[test]
fn flows_of_every_protocol() {
    check_all(protocols());
}

#[test]
fn every_state_of_tcp() {
    check_all(tcp_states());
}

#[test]
fn every_state_of_sctp() {
    check_all(sctp_states());
}

#[test]
fn translations() {
    check_all(translated());
}

#[test]
fn status_labels_helper_synproxy_adjustment_and_zones() {
    check_all(decorated());
}

/// Linux 6.17 removed DCCP tracking: such a flow is one by addresses alone, and its ports read as
/// zero. Older kernels keep them.
#[test]
fn dccp_with_or_without_ports() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let written = flow(Family::Ipv4, 1, L4::Dccp(PORTS));
        table.execute(&Request::Create(&written)).unwrap();
        dump(&KernelFilter::default(), |flow| {
            let ports = flow.orig.l4.ports().unwrap();
            assert!([PORTS, Ports::default()].contains(&ports), "{ports:?}");
        });
    });
}

#[test]
fn a_flow_with_a_master() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let master = tcp(1);
        let child = Flow {
            master: Some(master.orig),
            ..tcp(2)
        };
        table.execute(&Request::Create(&master)).unwrap();
        table.execute(&Request::Create(&child)).unwrap();
        let mut found = 0;
        dump(&KernelFilter::default(), |flow| {
            if flow.orig == child.orig {
                assert_eq!(without_chance(&flow), as_reported(&child));
                found += 1;
            }
        });
        assert_eq!(found, 1);
    });
}

/// Labels: new = (old and not mask) xor value; mark: the same.
#[test]
fn updates_change_what_their_masks_say() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let labels = |word| Labels::from_words(&[word, 0, 0, 0]);
        let written = Flow {
            labels: labels(0b1100),
            mark: Some(Mark(0xff00)),
            ..tcp(1)
        };
        let change = Flow {
            labels: labels(0b0001),
            labels_mask: labels(0b0101),
            mark: Some(Mark(0x0001)),
            mark_mask: Some(0x0f0f),
            status: Some(Status::ASSURED | Status::SEEN_REPLY),
            ..Flow::new(written.orig)
        };
        table.execute(&Request::Create(&written)).unwrap();
        table.execute(&Request::Update(&change)).unwrap();
        let expected = Flow {
            labels: labels(0b1001),
            mark: Some(Mark(0xf001)),
            status: change.status,
            ..written
        };
        let mut found = 0;
        dump(&KernelFilter::default(), |flow| {
            assert_eq!(without_chance(&flow), as_reported(&expected));
            found += 1;
        });
        assert_eq!(found, 1);
    });
}
