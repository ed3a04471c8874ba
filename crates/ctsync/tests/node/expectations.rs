//! Expectations through a node: kept with their masters, told of, listed, committed.

use std::time::Duration;

use crate::basics::{at, config, datagrams, deliver, event, flow, started};
use crate::common::{Op, drain, settle, told};
use ctsync::wire::{ExpectMessage, Flags, Kind, split};
use ctsync::{
    ClientId, Config, Cursor, DumpReason, ExpectationsView, ExternalCache, Input, InternalCache,
    KernelOp, ModeConfig, Node, Notice, Output, Refusal, Request, Tables,
};
use flow::{
    Dir, Event, EventKind, ExpectNat, Expectation, ExpectationFlags, Flow, Helper, L4, Name,
    Object, Origin, Ports, Tuple, Zone,
};

fn expecting() -> Config {
    Config {
        expectations: true,
        ..config()
    }
}

fn master() -> Flow<'static> {
    Flow {
        helper: Some(Helper {
            name: Name::new(b"ftp"),
            info: None,
        }),
        ..flow(1)
    }
}

/// An expectation of the master's, told apart by its port; with everything that one can have.
fn expected(port: u16) -> Expectation<'static> {
    let of_master = master().orig;
    let ports = |src, dst| L4::Tcp(Ports { src, dst });
    let tuple = |l4| Tuple::new(of_master.addrs.inverse(), l4);
    let mask = flow::Addrs::V4 {
        src: [255; 4].into(),
        dst: [255; 4].into(),
    };
    let saved = flow::Addrs::V4 {
        src: [10, 9, 8, 7].into(),
        dst: [0; 4].into(),
    };
    Expectation {
        mask: Some(Tuple::new(mask, ports(0, 0xffff))),
        timeout: Some(200),
        helper: Some(Name::new(b"ftp")),
        flags: Some(ExpectationFlags::PERMANENT),
        class: Some(2),
        nat: Some(ExpectNat {
            dir: Dir::Reply,
            tuple: Tuple::new(saved, ports(port, 0)),
        }),
        function: Some(Name::new(b"nat-follow-master")),
        ..Expectation::new(of_master, tuple(ports(0, port)))
    }
}

fn said(kind: EventKind, origin: Origin, expectation: Expectation<'static>) -> Input<'static> {
    Input::Event(Event {
        kind,
        origin,
        object: Object::Expectation(expectation),
    })
}

fn new(port: u16) -> Input<'static> {
    said(EventKind::New, Origin::Traffic, expected(port))
}

fn ports(view: ExpectationsView<'_>) -> Vec<u16> {
    let mut ports = Vec::new();
    let mut cursor = Cursor::default();
    while let Some(next) = view.next(cursor, 10, |it| {
        ports.push(it.expectation.tuple.l4.ports().unwrap().dst);
    }) {
        cursor = next;
    }
    ports.sort_unstable();
    ports
}

/// The kinds of the messages in some datagrams, in order.
fn kinds(datagrams: &[Vec<u8>]) -> Vec<Kind> {
    let messages = datagrams.iter().flat_map(|it| split(it)).flatten();
    messages.map(|it| it.header.kind).collect()
}

/// A node that knows the master, and the peer of that.
fn with_master(config: Config) -> Node {
    let mut node = started(config, at(0));
    node.handle(at(1), event(EventKind::New, master()));
    datagrams(&mut node, at(1));
    node
}

/// Two nodes, of which the second knows what the first has told.
fn pair(expectations: &[u16]) -> (Node, Node) {
    let (mut a, mut b) = (with_master(expecting()), started(expecting(), at(0)));
    a.handle(at(2), Input::Request(Request::SendBulk));
    for port in expectations {
        a.handle(at(2), new(*port));
    }
    for datagram in settle(&mut a, at(2)).datagrams {
        deliver(&mut b, at(2), &datagram);
    }
    (a, b)
}

#[test]
fn an_expectation_is_told_of_and_told_to_have_ended() {
    let mut node = with_master(expecting());
    node.handle(at(2), new(5));
    assert_eq!(ports(node.internal_expectations()), [5]);
    let sent = datagrams(&mut node, at(2));
    assert_eq!(kinds(&sent), [Kind::Expectation(EventKind::New)]);
    node.handle(
        at(3),
        said(EventKind::Destroy, Origin::Traffic, expected(5)),
    );
    let sent = datagrams(&mut node, at(3));
    assert_eq!(kinds(&sent), [Kind::Expectation(EventKind::Destroy)]);
    assert!(node.internal_expectations().is_empty());
}

#[test]
fn what_the_peer_lists_is_what_the_kernel_said() {
    let (_, b) = pair(&[5]);
    let mut seen = Vec::new();
    b.external_expectations().next(Cursor::default(), 10, |it| {
        let timeless = Expectation {
            helper: None,
            function: None,
            ..it.expectation.clone()
        };
        seen.push(format!("{timeless:?}"));
        assert_eq!(it.expectation.helper, expected(5).helper);
        assert_eq!(it.expectation.function, expected(5).function);
    });
    let wanted = Expectation {
        helper: None,
        function: None,
        ..expected(5)
    };
    assert_eq!(seen, [format!("{wanted:?}")]);
}

#[test]
fn without_its_master_an_expectation_is_nothing() {
    let mut node = started(expecting(), at(0));
    node.handle(at(1), new(5));
    assert!(node.internal_expectations().is_empty());
    assert!(kinds(&datagrams(&mut node, at(1))).is_empty());
}

/// A helper that reads the first packet of a flow announces before the flow is in the table.
#[test]
fn an_expectation_may_be_faster_than_its_master() {
    let mut node = started(expecting(), at(0));
    node.handle(at(1), new(5));
    node.handle(at(2), event(EventKind::New, master()));
    let sent = datagrams(&mut node, at(2));
    let wanted = [
        Kind::Flow(EventKind::New),
        Kind::Expectation(EventKind::New),
    ];
    assert_eq!(kinds(&sent), wanted);
    // After lost events nobody knows whether it still exists.
    let mut lost = started(expecting(), at(0));
    lost.handle(at(1), new(5));
    lost.handle(at(1), Input::Overrun);
    lost.handle(at(2), event(EventKind::New, master()));
    assert!(lost.internal_expectations().is_empty());
    // But not by much: this one belongs to a flow that is not replicated.
    let mut late = started(expecting(), at(0));
    late.handle(at(1), new(5));
    late.handle(at(5_000), event(EventKind::New, master()));
    assert!(late.internal_expectations().is_empty());
}

/// The kernel does not name the zone of an expectation.
#[test]
fn a_master_is_found_in_its_zone() {
    let mut node = started(expecting(), at(0));
    let zoned = Flow {
        zone: Some(Zone(7)),
        ..master()
    };
    node.handle(at(1), event(EventKind::New, zoned.clone()));
    node.handle(at(2), new(5));
    let mut zones = Vec::new();
    node.internal_expectations()
        .next(Cursor::default(), 10, |it| zones.push(it.expectation.zone));
    assert_eq!(zones, [Some(Zone(7))]);
    node.handle(at(3), event(EventKind::Destroy, zoned));
    assert!(node.internal_expectations().is_empty());
}

/// compat: daemon-36
#[test]
fn the_end_of_a_master_ends_what_it_announced() {
    let (mut a, mut b) = pair(&[5, 6]);
    assert_eq!(ports(b.external_expectations()), [5, 6]);
    a.handle(at(3), event(EventKind::Destroy, master()));
    assert!(a.internal_expectations().is_empty());
    let sent = datagrams(&mut a, at(3));
    let ended = EventKind::Destroy;
    let wanted = [
        Kind::Expectation(ended),
        Kind::Expectation(ended),
        Kind::Flow(ended),
    ];
    assert_eq!(kinds(&sent), wanted);
    // Stock tells of the master only.
    deliver(&mut b, at(3), &told(ended, Flags::NONE, 2_000, &master()));
    assert!(b.external_expectations().is_empty());
}

/// The end of a flow may get lost; another flow of its tuple shows that there was one.
#[test]
fn another_life_of_a_master_ends_what_it_announced() {
    let with_id = |id| Flow {
        id: Some(id),
        ..master()
    };
    for (id, left) in [(1, 1), (2, 0)] {
        let mut node = started(expecting(), at(0));
        node.handle(at(1), event(EventKind::New, with_id(1)));
        node.handle(at(2), new(5));
        node.handle(at(3), event(EventKind::New, with_id(id)));
        assert_eq!(node.internal_expectations().len(), left, "{id}");
    }
}

/// compat: daemon-36
#[test]
fn a_flush_of_the_kernel_leaves_no_expectation_behind() {
    let mut node = with_master(expecting());
    node.handle(at(2), new(5));
    datagrams(&mut node, at(2));
    let Input::Event(ended) = event(EventKind::Destroy, master()) else {
        unreachable!()
    };
    let flushed = Event {
        origin: Origin::Flush,
        ..ended
    };
    node.handle(at(3), Input::Event(flushed));
    // The kernel reports it as if traffic had ended it.
    node.handle(
        at(3),
        said(EventKind::Destroy, Origin::Traffic, expected(5)),
    );
    assert!(node.internal_expectations().is_empty());
    assert!(
        kinds(&datagrams(&mut node, at(3))).is_empty(),
        "peers keep it"
    );
}

/// compat: daemon-37
#[test]
fn a_reading_after_lost_events_covers_expectations() {
    let mut node = with_master(expecting());
    node.handle(at(2), new(5));
    datagrams(&mut node, at(2));
    node.handle(at(3), Input::Overrun);
    let later = at(40_000);
    node.handle(later, Input::Timeout);
    let asked = drain(&mut node);
    assert_eq!(asked.dumps, [DumpReason::Overrun]);
    node.handle(later, Input::Dumped(Object::Flow(master())));
    node.handle(later, Input::Dumped(Object::Expectation(expected(6))));
    node.handle(later, Input::DumpDone { complete: true });
    let sent = settle(&mut node, later).datagrams;
    assert_eq!(ports(node.internal_expectations()), [6]);
    let told: Vec<_> = kinds(&sent)
        .into_iter()
        .filter(|kind| matches!(kind, Kind::Expectation(_)))
        .collect();
    let wanted = [EventKind::New, EventKind::Destroy].map(Kind::Expectation);
    assert_eq!(told, wanted);
}

#[test]
fn a_bulk_tells_of_masters_first() {
    let mut node = with_master(expecting());
    node.handle(at(2), new(5));
    datagrams(&mut node, at(2));
    node.handle(at(3), Input::Request(Request::SendBulk));
    let sent = settle(&mut node, at(3)).datagrams;
    let data: Vec<_> = kinds(&sent)
        .into_iter()
        .filter(|kind| !matches!(kind, Kind::Control))
        .collect();
    assert!(
        matches!(data[..], [Kind::Flow(_), Kind::Expectation(_)]),
        "{data:?}"
    );
}

/// Runs a commit; each operation is answered by `answer`. What was asked for, and its report.
fn commit(
    node: &mut Node,
    tables: Tables,
    mut answer: impl FnMut(&KernelOp<'_>) -> Option<Refusal>,
) -> (Vec<Op>, ctsync::CommitReport) {
    let request = Request::Commit(ClientId(1), tables);
    node.handle(at(9), Input::Request(request));
    let mut asked = Vec::new();
    for _ in 0..100 {
        let mut answers = Vec::new();
        let mut report = None;
        while let Some(output) = node.poll() {
            match output {
                Output::Kernel { op, action } => {
                    answers.push((op, answer(&action)));
                    asked.push(Op::of(&action));
                }
                Output::CommitDone { report: it, .. } => report = Some(it),
                _ => {}
            }
        }
        if let Some(report) = report {
            return (asked, report);
        }
        for (op, refusal) in answers {
            if let Some(refusal) = refusal {
                node.handle(at(9), Input::OpRefused { op, refusal });
            }
            node.handle(at(9), Input::OpsDone { through: op });
        }
        node.handle(at(9), Input::Timeout);
    }
    panic!("the commit does not end");
}

/// compat: daemon-34
#[test]
fn a_commit_writes_flows_first_and_expectations_whole() {
    let (_, mut b) = pair(&[5]);
    let mut written = None;
    let (asked, report) = commit(&mut b, Tables::All, |op| {
        if let KernelOp::CreateExpectation(it) = op {
            let same = Expectation {
                helper: expected(5).helper,
                function: expected(5).function,
                ..it.clone()
            };
            written = Some(format!("{same:?}"));
            assert_eq!(
                (it.helper, it.function),
                (expected(5).helper, expected(5).function)
            );
        }
        None
    });
    let tuple = expected(5).tuple;
    assert_eq!(
        asked,
        [Op::Create(master().orig), Op::CreateExpectation(tuple)]
    );
    assert_eq!(
        (report.flows.committed, report.expectations.committed),
        (1, 1)
    );
    assert_eq!(written, Some(format!("{:?}", expected(5))));
}

/// What the other firewall does not expect any more lets nobody in here. A permanent one may have
/// been given more time, of which the kernel tells nobody.
#[test]
fn what_has_run_out_is_not_committed() {
    for (flags, after, wanted) in [
        (ExpectationFlags::PERMANENT, 1_000, 1),
        (ExpectationFlags(0), 199, 1),
        (ExpectationFlags(0), 201, 0),
    ] {
        let (mut a, mut b) = pair(&[]);
        let expectation = Expectation {
            flags: Some(flags),
            ..expected(5)
        };
        a.handle(at(3), said(EventKind::New, Origin::Traffic, expectation));
        for datagram in settle(&mut a, at(3)).datagrams {
            deliver(&mut b, at(3), &datagram);
        }
        assert_eq!(ports(b.external_expectations()), [5]);
        let request = Request::Commit(ClientId(1), Tables::Expectations);
        b.handle(at(after * 1_000), Input::Request(request));
        assert_eq!(drain(&mut b).ops.len(), wanted, "{flags:?} {after}");
    }
}

#[test]
fn each_table_can_be_committed_alone() {
    let tuple = expected(5).tuple;
    for (tables, wanted) in [
        (Tables::Flows, Op::Create(master().orig)),
        (Tables::Expectations, Op::CreateExpectation(tuple)),
    ] {
        let (_, mut b) = pair(&[5]);
        let (asked, _) = commit(&mut b, tables, |_| None);
        assert_eq!(asked, [wanted]);
    }
}

#[test]
fn a_refused_expectation_is_tried_without_what_was_in_the_way() {
    let tuple = expected(5).tuple;
    let (create, delete) = (Op::CreateExpectation(tuple), Op::DeleteExpectation(tuple));
    let cases = [
        (
            vec![Refusal::Exists],
            vec![create.clone(), delete, create.clone()],
            1,
            0,
        ),
        (
            vec![Refusal::Unsupported],
            vec![create.clone(), create.clone()],
            1,
            1,
        ),
        (vec![Refusal::NotFound], vec![create.clone()], 0, 0),
        (
            vec![Refusal::Unsupported, Refusal::Unsupported],
            vec![create.clone(), create],
            0,
            0,
        ),
    ];
    for (refusals, wanted, committed, without_helper) in cases {
        let (_, mut b) = pair(&[5]);
        let mut left = refusals.into_iter();
        let (asked, report) = commit(&mut b, Tables::Expectations, |op| match op {
            KernelOp::CreateExpectation(_) => left.next(),
            _ => None,
        });
        assert_eq!(asked, wanted);
        assert_eq!(report.expectations.committed, committed);
        assert_eq!(report.expectations.failed, 1 - committed);
        assert_eq!(report.without_helper, without_helper);
    }
}

/// compat: daemon-38
#[test]
fn a_commit_of_expectations_does_not_disturb_one_that_runs() {
    let (_, mut b) = pair(&[5]);
    b.handle(
        at(8),
        Input::Request(Request::Commit(ClientId(1), Tables::All)),
    );
    let request = Request::Commit(ClientId(2), Tables::Expectations);
    b.handle(at(8), Input::Request(request));
    let outcome = drain(&mut b);
    assert!(outcome.notices.contains(&Notice::CommitInProgress));
    assert_eq!(outcome.ops.len(), 1, "{:?}", outcome.ops);
}

#[test]
fn requests_for_expectations_do_nothing_where_they_are_not_replicated() {
    let mut node = with_master(config());
    node.handle(at(2), new(5));
    node.handle(
        at(3),
        Input::Request(Request::ResyncKernel(Tables::Expectations)),
    );
    node.handle(
        at(3),
        Input::Request(Request::FlushKernel(Tables::Expectations)),
    );
    let request = Request::Commit(ClientId(1), Tables::Expectations);
    node.handle(at(3), Input::Request(request));
    let outcome = drain(&mut node);
    assert!(outcome.dumps.is_empty() && !outcome.flush);
    assert_eq!(outcome.commits.len(), 1);
    assert!(node.internal_expectations().is_empty());
}

/// compat: daemon-9
#[test]
fn without_an_internal_cache_an_expectation_is_passed_on() {
    let config = Config {
        internal_cache: InternalCache::Bypass,
        expectations: true,
        ..Config::new(ModeConfig::Notrack)
    };
    let mut node = started(config, at(0));
    node.handle(at(1), new(5));
    let sent = datagrams(&mut node, at(1));
    assert_eq!(kinds(&sent), [Kind::Expectation(EventKind::New)]);
    let message = split(&sent[0]).next().unwrap().unwrap();
    let message = ExpectMessage::decode(message.body).unwrap();
    assert_eq!(message.function.map(|it| it.name()), expected(5).function);
}

#[test]
fn alarm_refreshes_expectations_too() {
    let config = Config {
        expectations: true,
        ..Config::new(ModeConfig::Alarm {
            refresh_time: Duration::from_secs(10),
            cache_timeout: Duration::from_secs(30),
        })
    };
    let mut node = with_master(config);
    node.handle(at(2), new(5));
    datagrams(&mut node, at(2));
    let mut told = Vec::new();
    for second in 1..30 {
        node.handle(at(second * 1_000), Input::Timeout);
        told.extend(kinds(&settle(&mut node, at(second * 1_000)).datagrams));
    }
    let refreshed = |kind: &&Kind| matches!(kind, Kind::Expectation(_));
    assert!(told.iter().filter(refreshed).count() >= 2, "{told:?}");
}

/// What the kernel is asked for when the peer tells of an expectation; `told` is told of the master
/// at the same time.
fn injected(kind: EventKind, master_too: bool, refusals: &[Refusal]) -> (Vec<Op>, usize) {
    let (mut a, _) = pair(&[5]);
    let config = Config {
        external_cache: ExternalCache::Inject,
        ..expecting()
    };
    let mut b = started(config, at(0));
    if kind == EventKind::Destroy {
        a.handle(
            at(3),
            said(EventKind::Destroy, Origin::Traffic, expected(5)),
        );
    } else {
        a.handle(at(3), new(5));
    }
    if master_too {
        a.handle(at(3), event(EventKind::Update, master()));
    }
    for datagram in settle(&mut a, at(3)).datagrams {
        deliver(&mut b, at(3), &datagram);
    }
    let mut refusals = refusals.iter();
    let (mut asked, mut refused) = (Vec::new(), 0);
    loop {
        let outcome = settle(&mut b, at(3));
        refused += outcome.injections.len();
        let Some(last) = outcome.ops.last().map(|(op, _)| *op) else {
            return (asked, refused);
        };
        for (op, action) in outcome.ops {
            if let (Op::CreateExpectation(_), Some(refusal)) = (&action, refusals.next()) {
                let refusal = *refusal;
                b.handle(at(3), Input::OpRefused { op, refusal });
            }
            asked.push(action);
        }
        b.handle(at(3), Input::OpsDone { through: last });
    }
}

#[test]
fn without_an_external_cache_an_expectation_is_injected() {
    let tuple = expected(5).tuple;
    let (create, delete) = (Op::CreateExpectation(tuple), Op::DeleteExpectation(tuple));
    let cases = [
        (EventKind::New, &[][..], vec![create.clone()], 0),
        (
            EventKind::New,
            &[Refusal::Exists],
            vec![create.clone(), delete.clone(), create.clone()],
            0,
        ),
        (
            EventKind::New,
            &[Refusal::NotFound],
            vec![create.clone()],
            1,
        ),
        (
            EventKind::New,
            &[Refusal::Unsupported],
            vec![create.clone(), create],
            0,
        ),
        (EventKind::Destroy, &[], vec![delete], 0),
    ];
    for (kind, refusals, wanted, refused) in cases {
        assert_eq!(
            injected(kind, false, refusals),
            (wanted, refused),
            "{kind:?} {refusals:?}"
        );
    }
}

#[test]
fn an_injected_expectation_waits_for_its_master() {
    let (asked, _) = injected(EventKind::New, true, &[]);
    let tuple = expected(5).tuple;
    let [.., before_last, last] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert!(
        matches!(before_last, Op::Create(_) | Op::Update(_)),
        "{asked:?}"
    );
    assert_eq!(*last, Op::CreateExpectation(tuple));
}

/// Zones of the operations about expectations that a node asks for.
fn zones_written(node: &mut Node, now: u64) -> Vec<Option<Zone>> {
    let mut zones = Vec::new();
    loop {
        let mut last = None;
        while let Some(output) = node.poll() {
            if let Output::Kernel { op, action } = output {
                last = Some(op);
                match action {
                    KernelOp::CreateExpectation(it) | KernelOp::DeleteExpectation(it) => {
                        zones.push(it.zone);
                    }
                    KernelOp::Create(_) | KernelOp::Update(_) | KernelOp::Delete(_) => {}
                }
            }
        }
        let Some(through) = last else { return zones };
        node.handle(at(now), Input::OpsDone { through });
    }
}

/// A message does not name the zone.
#[test]
fn an_injected_expectation_goes_into_the_zone_of_its_master() {
    let zoned = |mut flow: Flow<'static>| {
        flow.zone = Some(Zone(7));
        flow
    };
    let mut a = with_master(expecting());
    a.handle(at(1), event(EventKind::Destroy, master()));
    a.handle(at(2), event(EventKind::New, zoned(master())));
    a.handle(at(2), new(5));
    let told_master = settle(&mut a, at(2)).datagrams;
    a.handle(
        at(3),
        said(EventKind::Destroy, Origin::Traffic, expected(5)),
    );
    let told_end = settle(&mut a, at(3)).datagrams;
    let arrivals = |node: &mut Node, datagrams: &[Vec<u8>], now| {
        for datagram in datagrams {
            deliver(node, at(now), datagram);
        }
        zones_written(node, now)
    };
    let mut b = started(
        Config {
            external_cache: ExternalCache::Inject,
            ..expecting()
        },
        at(0),
    );
    // Its master is on its way, then in the kernel as the peer's, then one of ours.
    assert_eq!(arrivals(&mut b, &told_master, 2), [Some(Zone(7))]);
    b.handle(
        at(3),
        Input::Event(Event {
            kind: EventKind::New,
            origin: Origin::Inject,
            object: Object::Flow(zoned(master())),
        }),
    );
    assert_eq!(arrivals(&mut b, &told_end, 3), [Some(Zone(7))]);
    b.handle(at(4), event(EventKind::Update, zoned(master())));
    a.handle(at(4), new(6));
    let told_another = settle(&mut a, at(4)).datagrams;
    assert_eq!(arrivals(&mut b, &told_another, 4), [Some(Zone(7))]);
    // A master that nobody has heard of may be in the default zone.
    let mut stranger = started(
        Config {
            external_cache: ExternalCache::Inject,
            ..expecting()
        },
        at(0),
    );
    assert_eq!(arrivals(&mut stranger, &told_another, 4), [None]);
}
