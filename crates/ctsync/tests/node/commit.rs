//! The commit: what the kernel refuses, what changes meanwhile, what is written.

use std::time::Duration;

use crate::basics::{at, config, deliver, flow, started};
use crate::common::{Op, drain, told};
use ctsync::wire::Flags;
use ctsync::{
    ClientId, CommitReport, Input, KernelOp, Node, Notice, Output, Refusal, Request, Tables,
};
use flow::{EventKind, Flow, Helper, Mark, Name, ProtoInfo, Status, TcpFlags};

const CLIENT: ClientId = ClientId(1);

/// A node that has been told of these flows a second ago.
fn node_with(flows: &[Flow<'_>]) -> Node {
    let mut node = started(config(), at(0));
    for (seq, flow) in (1..).zip(flows) {
        deliver(
            &mut node,
            at(0),
            &told(EventKind::New, Flags::NONE, seq, flow),
        );
    }
    drain(&mut node);
    node
}

/// Commits; each attempt is answered by `refuse`. Gives the attempts and what came of them.
fn commit(
    node: &mut Node,
    mut refuse: impl FnMut(&Op) -> Option<Refusal>,
) -> (Vec<Op>, CommitReport) {
    node.handle(
        at(1000),
        Input::Request(Request::Commit(CLIENT, Tables::Flows)),
    );
    let mut attempts = Vec::new();
    loop {
        let outcome = drain(node);
        if let Some(report) = outcome.commits.first() {
            return (attempts, *report);
        }
        for (op, what) in &outcome.ops {
            if let Some(refusal) = refuse(what) {
                node.handle(at(1000), Input::OpRefused { op: *op, refusal });
            }
        }
        if let Some((through, _)) = outcome.ops.last() {
            let through = *through;
            node.handle(at(1000), Input::OpsDone { through });
        }
        attempts.extend(outcome.ops.into_iter().map(|(_, what)| what));
        node.handle(at(1000), Input::Timeout);
    }
}

fn helped(number: u32) -> Flow<'static> {
    let mut flow = flow(number);
    flow.helper = Some(Helper {
        name: Name::new(b"ftp"),
        info: None,
    });
    flow
}

fn related(number: u32) -> Flow<'static> {
    let mut related = helped(number);
    related.master = Some(flow(0).orig);
    related
}

/// One flow that the kernel refuses in this way: what is tried, whether it succeeds in the end.
fn check(flow: &Flow<'_>, answers: &[Option<Refusal>], tried: &[Op], committed: u64) {
    let mut node = node_with(std::slice::from_ref(flow));
    let mut answers = answers.iter();
    let (attempts, report) = commit(&mut node, |_| *answers.next().unwrap());
    assert_eq!(attempts, tried);
    assert_eq!(
        (report.flows.committed, report.flows.failed),
        (committed, 1 - committed)
    );
}

#[test]
fn a_refusal_is_answered_as_far_as_it_says_what_is_in_the_way() {
    let orig = flow(1).orig;
    let (create, delete) = (Op::Create(orig), Op::Delete(orig));
    let exists = Some(Refusal::Exists);
    let once = [create.clone()];
    check(&flow(1), &[None], &once, 1);
    let twice = [create.clone(), delete.clone(), create.clone()];
    check(&flow(1), &[exists, None, None], &twice, 1);
    check(&flow(1), &[exists, None, exists], &twice, 0);
    // What was in the way went by itself.
    check(
        &flow(1),
        &[exists, Some(Refusal::NotFound), None],
        &twice,
        1,
    );
    for refusal in [Refusal::Full, Refusal::Invalid, Refusal::Other(1)] {
        check(&flow(1), &[Some(refusal)], &once, 0);
    }
    // Without a helper there is nothing to leave out.
    check(&flow(1), &[Some(Refusal::Unsupported)], &once, 0);
    check(&flow(1), &[Some(Refusal::NotFound)], &once, 0);
    let again = [create.clone(), create.clone()];
    check(&helped(1), &[Some(Refusal::Unsupported), None], &again, 1);
    check(&related(1), &[Some(Refusal::NotFound), None], &again, 1);
    let all = [
        Some(Refusal::NotFound),
        Some(Refusal::Unsupported),
        exists,
        None,
        None,
    ];
    let tries = [
        create.clone(),
        create.clone(),
        create.clone(),
        delete,
        create,
    ];
    check(&related(1), &all, &tries, 1);
}

#[test]
fn masters_are_in_the_kernel_before_related_flows_are_tried() {
    let flows: Vec<_> = (0..1000)
        .map(|number| match number % 3 {
            0 => related(number + 1),
            _ => flow(number + 1),
        })
        .collect();
    let mut node = node_with(&flows);
    let is_related = |op: &Op| {
        let of = |orig| {
            flows
                .iter()
                .any(|it| it.orig == orig && it.master.is_some())
        };
        matches!(op, Op::Create(orig) if of(*orig))
    };
    let (attempts, report) = commit(&mut node, |_| None);
    assert_eq!(report.flows.committed, 1000);
    let first = attempts.iter().position(is_related).unwrap();
    assert!(attempts[first..].iter().all(is_related));
}

#[test]
fn each_round_asks_for_a_bounded_number_of_operations() {
    let flows: Vec<_> = (0..2000).map(flow).collect();
    let mut node = node_with(&flows);
    node.handle(
        at(1000),
        Input::Request(Request::Commit(CLIENT, Tables::Flows)),
    );
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(drain(&mut node).ops.len());
        node.handle(at(1000), Input::Timeout);
    }
    // Two batches without an answer, then nothing before the kernel answers.
    assert_eq!(asked, [200, 200, 0, 0, 0]);
}

#[test]
fn a_flow_that_ends_meanwhile_is_not_tried_again() {
    let mut node = node_with(&[flow(1)]);
    node.handle(
        at(1000),
        Input::Request(Request::Commit(CLIENT, Tables::Flows)),
    );
    let (op, _) = drain(&mut node).ops[0];
    let refusal = Refusal::Exists;
    node.handle(at(1000), Input::OpRefused { op, refusal });
    let end = told(EventKind::Destroy, Flags::NONE, 2, &flow(1));
    deliver(&mut node, at(1000), &end);
    node.handle(at(1000), Input::OpsDone { through: op });
    let outcome = drain(&mut node);
    assert!(outcome.ops.is_empty());
    let report = outcome.commits[0];
    assert_eq!(
        (
            report.flows.committed,
            report.flows.failed,
            report.flows.vanished
        ),
        (0, 0, 1)
    );
}

#[test]
fn a_second_commit_and_flushes_do_not_disturb_the_first() {
    let mut node = node_with(&[flow(1)]);
    node.handle(
        at(1000),
        Input::Request(Request::Commit(CLIENT, Tables::Flows)),
    );
    drain(&mut node);
    for (request, notice) in [
        (
            Request::Commit(ClientId(2), Tables::Flows),
            Notice::CommitInProgress,
        ),
        (Request::FlushExternal, Notice::FlushRefusedCommitInProgress),
        (Request::FlushCaches, Notice::FlushRefusedCommitInProgress),
    ] {
        node.handle(at(1000), Input::Request(request));
        let outcome = drain(&mut node);
        assert_eq!(outcome.notices, [notice]);
        let is_commit = matches!(request, Request::Commit(..));
        assert_eq!(outcome.commits.len(), usize::from(is_commit));
    }
    assert_eq!(node.external().len(), 1);
}

/// The flow that a commit asks the kernel to create.
fn created(node: &mut Node, seconds: u64, check: impl FnOnce(&Flow<'_>)) {
    let now = at(seconds * 1000);
    node.handle(now, Input::Request(Request::Commit(CLIENT, Tables::Flows)));
    while let Some(output) = node.poll() {
        if let Output::Kernel {
            action: KernelOp::Create(flow),
            ..
        } = output
        {
            check(&flow);
            return;
        }
    }
    panic!("nothing is created");
}

#[test]
fn a_timeout_is_what_is_left_of_it() {
    for (told_timeout, after, committed) in [
        (Some(600), 100, 500),
        (Some(600), 600, 600),
        (Some(600), 601, 60),
        // The kernel says so in a flow's last second.
        (Some(0), 0, 60),
        // A peer with CommitTimeout says nothing: the kernel's default (compat: daemon-32).
        (None, 5, 432_000),
    ] {
        let mut flow = flow(1);
        flow.timeout = told_timeout;
        let mut node = node_with(&[flow]);
        created(&mut node, after, |flow| {
            assert_eq!(flow.timeout, Some(committed), "{told_timeout:?} {after}");
        });
    }
    let mut config = config();
    config.commit_timeout = Some(Duration::from_secs(180));
    let mut node = started(config, at(0));
    let bytes = told(EventKind::New, Flags::NONE, 1, &flow(1));
    deliver(&mut node, at(0), &bytes);
    created(&mut node, 100, |flow| assert_eq!(flow.timeout, Some(180)));
}

#[test]
fn what_the_kernel_would_refuse_is_not_asked_of_it() {
    let mut told = flow(1);
    told.mark = Some(Mark(0));
    told.status = Some(Status::EXPECTED | Status::ASSURED | Status::DYING);
    let mut node = node_with(&[told]);
    created(&mut node, 1, |flow| {
        assert_eq!(flow.status, Some(Status::ASSURED | Status::CONFIRMED));
        assert_eq!(flow.reply, flow.orig.inverse());
        assert_eq!(flow.mark, Some(Mark(0)));
        let Some(ProtoInfo::Tcp(tcp)) = flow.protoinfo else {
            panic!("{:?}", flow.protoinfo);
        };
        let liberal = TcpFlags::BE_LIBERAL;
        assert_eq!(
            tcp.flags.orig.map(|it| (it.flags, it.mask)),
            Some((liberal, liberal))
        );
    });
}
