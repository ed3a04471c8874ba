//! Two nodes on a faultless link: events of one become entries of the other, and go into its kernel.

use crate::basics::{at, config, datagrams, deliver, event, flow, started};
use crate::common::{Op, drain, tuples};
use ctsync::{ClientId, Input, Instant, Node, Refusal, Request, Tables};
use flow::EventKind;

/// Carries datagrams both ways until nobody has anything to say at this time.
fn exchange(a: &mut Node, b: &mut Node, now: Instant) {
    loop {
        let from_a = datagrams(a, now);
        let from_b = datagrams(b, now);
        if from_a.is_empty() && from_b.is_empty() {
            return;
        }
        from_a.iter().for_each(|bytes| deliver(b, now, bytes));
        from_b.iter().for_each(|bytes| deliver(a, now, bytes));
    }
}

fn pair() -> (Node, Node) {
    let (mut a, mut b) = (started(config(), at(0)), started(config(), at(0)));
    for second in 1..4 {
        let now = at(second * 1000);
        a.handle(now, Input::Timeout);
        b.handle(now, Input::Timeout);
        exchange(&mut a, &mut b, now);
    }
    (a, b)
}

#[test]
fn events_reach_the_peer_and_a_commit_the_kernel() {
    let (mut a, mut b) = pair();
    let now = at(4000);
    for number in 0..1000 {
        a.handle(now, event(EventKind::New, flow(number)));
    }
    a.handle(now, event(EventKind::Destroy, flow(7)));
    exchange(&mut a, &mut b, now);
    assert_eq!(b.external().len(), 999);
    assert_eq!(tuples(b.external()), tuples(a.internal()));

    b.handle(
        now,
        Input::Request(Request::Commit(ClientId(1), Tables::Flows)),
    );
    let mut created = 0;
    let report = loop {
        let outcome = drain(&mut b);
        if let Some(report) = outcome.commits.first() {
            break *report;
        }
        created += outcome.ops.len();
        if let Some((through, _)) = outcome.ops.last() {
            b.handle(now, Input::OpsDone { through: *through });
        }
    };
    assert_eq!(
        (created, report.flows.committed, report.flows.failed),
        (999, 999, 0)
    );
}

#[test]
fn an_entry_that_exists_is_deleted_and_created_once_more() {
    let (mut a, mut b) = pair();
    let now = at(4000);
    a.handle(now, event(EventKind::New, flow(1)));
    exchange(&mut a, &mut b, now);
    b.handle(
        now,
        Input::Request(Request::Commit(ClientId(1), Tables::Flows)),
    );
    let (op, _) = drain(&mut b).ops[0];
    let refusal = Refusal::Exists;
    b.handle(now, Input::OpRefused { op, refusal });
    b.handle(now, Input::OpsDone { through: op });
    let again = drain(&mut b).ops;
    let orig = flow(1).orig;
    let wanted = [Op::Delete(orig), Op::Create(orig)];
    assert_eq!(
        again.iter().map(|(_, op)| op.clone()).collect::<Vec<_>>(),
        wanted
    );
    let through = again[1].0;
    b.handle(now, Input::OpsDone { through });
    assert_eq!(drain(&mut b).commits[0].flows.committed, 1);
}
