//! Without an external cache: the peer's flows go into the kernel as they are told.

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{Op, Outcome, settle, spoken, told};
use ctsync::wire::Flags;
use ctsync::{
    ClientId, Config, Counter, ExternalCache, Injection, Input, InternalCache, KernelOp,
    ModeConfig, Node, OpId, Output, Refusal, Request, Tables,
};
use flow::{Event, EventKind, Mark, Object, Origin, Status, Tuple};

fn node() -> Node {
    node_that(false)
}

/// A node that injects, and may or may not keep our flows.
fn node_that(bypass: bool) -> Node {
    let config = Config {
        mode: ModeConfig::Notrack,
        internal_cache: if bypass {
            InternalCache::Bypass
        } else {
            InternalCache::Keep
        },
        external_cache: ExternalCache::Inject,
        ..config()
    };
    let mut node = started(config, at(0));
    settle(&mut node, at(0));
    node
}

/// Tells a node of one flow, and has the kernel refuse some of the operations that come of it, in
/// order. Gives the operations.
fn tell(node: &mut Node, seq: u32, kind: EventKind, refusals: &[Option<Refusal>]) -> Outcome {
    deliver(node, at(1), &told(kind, Flags::NONE, seq, &flow(1)));
    answer(node, refusals)
}

fn answer(node: &mut Node, refusals: &[Option<Refusal>]) -> Outcome {
    let mut refusals = refusals.iter().copied();
    let mut all = settle(node, at(1));
    let mut answered = 0;
    while answered < all.ops.len() {
        let ops: Vec<OpId> = all.ops[answered..].iter().map(|(op, _)| *op).collect();
        answered = all.ops.len();
        for op in &ops {
            if let Some(refusal) = refusals.next().flatten() {
                node.handle(at(1), Input::OpRefused { op: *op, refusal });
            }
        }
        let through = *ops.last().unwrap();
        node.handle(at(1), Input::OpsDone { through });
        let more = settle(node, at(1));
        all.ops.extend(more.ops);
        all.refused += more.refused;
        all.injections.extend(more.injections);
    }
    all
}

type MakeOp = fn(Tuple) -> Op;

/// What is told, what the kernel refuses, what is asked of it, and what is counted.
fn check(
    kind: EventKind,
    refusals: &[Option<Refusal>],
    wanted: &[MakeOp],
    injection: Option<Injection>,
    counter: Option<Counter>,
) {
    let mut node = node();
    let outcome = tell(&mut node, 1, kind, refusals);
    let ops: Vec<Op> = outcome.ops.into_iter().map(|(_, op)| op).collect();
    let wanted: Vec<Op> = wanted.iter().map(|op| op(flow(1).orig)).collect();
    let case = format!("{kind:?} {refusals:?}");
    assert_eq!(ops, wanted, "{case}");
    assert_eq!(outcome.injections, Vec::from_iter(injection), "{case}");
    let counters = [
        Counter::InjectCreated,
        Counter::InjectCreateFailed,
        Counter::InjectUpdated,
        Counter::InjectUpdateFailed,
        Counter::InjectDestroyed,
        Counter::InjectDestroyFailed,
    ];
    for each in counters {
        let wanted = u64::from(counter == Some(each));
        assert_eq!(node.stats().get(each), wanted, "{case}: {each:?}");
    }
    assert_eq!(node.gauges().injecting_len, 0, "{case}");
}

#[test]
fn each_refusal_has_its_answer() {
    use EventKind::{Destroy, New, Update};
    use Refusal::{Exists, Full, Invalid, NotFound, Other};
    let [create, update, delete]: [MakeOp; 3] = [Op::Create, Op::Update, Op::Delete];
    check(New, &[], &[create], None, Some(Counter::InjectCreated));
    check(
        New,
        &[Some(Exists)],
        &[create, delete, create],
        None,
        Some(Counter::InjectCreated),
    );
    check(
        New,
        &[Some(Exists), None, Some(Full)],
        &[create, delete, create],
        Some(Injection::CreateAfterDelete),
        Some(Counter::InjectCreateFailed),
    );
    check(
        New,
        &[Some(Full)],
        &[create],
        Some(Injection::Create),
        Some(Counter::InjectCreateFailed),
    );
    check(Update, &[], &[update], None, Some(Counter::InjectUpdated));
    check(
        Update,
        &[Some(NotFound)],
        &[update, create],
        None,
        Some(Counter::InjectUpdated),
    );
    check(
        Update,
        &[Some(NotFound), Some(Invalid)],
        &[update, create],
        Some(Injection::UpdateByCreate),
        Some(Counter::InjectUpdateFailed),
    );
    check(
        Update,
        &[Some(Other(16)), None, Some(Invalid)],
        &[update, delete, create],
        Some(Injection::UpdateAfterDelete),
        Some(Counter::InjectUpdateFailed),
    );
    check(
        Destroy,
        &[],
        &[delete],
        None,
        Some(Counter::InjectDestroyed),
    );
    check(Destroy, &[Some(NotFound)], &[delete], None, None);
    check(
        Destroy,
        &[Some(Other(1))],
        &[delete],
        Some(Injection::Destroy),
        Some(Counter::InjectDestroyFailed),
    );
}

/// What is told while the kernel works on a flow waits, and is one operation then.
fn check_order(first: EventKind, then: &[EventKind], refusal: Option<Refusal>, wanted: &[Op]) {
    let mut node = node();
    deliver(&mut node, at(1), &told(first, Flags::NONE, 1, &flow(1)));
    let asked = settle(&mut node, at(1)).ops;
    assert_eq!(asked.len(), 1);
    for (seq, kind) in (2..).zip(then) {
        deliver(&mut node, at(1), &told(*kind, Flags::NONE, seq, &flow(1)));
        assert!(settle(&mut node, at(1)).ops.is_empty());
    }
    let op = asked[0].0;
    if let Some(refusal) = refusal {
        node.handle(at(1), Input::OpRefused { op, refusal });
    }
    node.handle(at(1), Input::OpsDone { through: op });
    let ops = answer(&mut node, &[]).ops.into_iter().map(|(_, op)| op);
    let case = format!("{first:?} {then:?} {refusal:?}");
    assert_eq!(ops.collect::<Vec<_>>(), wanted, "{case}");
}

#[test]
fn operations_about_a_flow_do_not_overtake_each_other() {
    use EventKind::{Destroy, New, Update};
    let orig = flow(1).orig;
    let create = || Op::Create(orig);
    let update = || Op::Update(orig);
    let delete = || Op::Delete(orig);
    check_order(New, &[Update, Update], None, &[update()]);
    check_order(New, &[Update], Some(Refusal::Full), &[create()]);
    check_order(New, &[Destroy], Some(Refusal::Exists), &[delete()]);
    check_order(New, &[Destroy, New], None, &[create()]);
    check_order(Update, &[Destroy], None, &[delete()]);
    check_order(Update, &[Update], Some(Refusal::NotFound), &[create()]);
    check_order(Destroy, &[Update], None, &[create()]);
    check_order(
        Destroy,
        &[New, Destroy],
        Some(Refusal::NotFound),
        &[delete()],
    );
}

#[test]
fn a_burst_costs_one_operation() {
    let mut node = node();
    for (seq, kind) in (1..).zip([EventKind::New, EventKind::Update, EventKind::Update]) {
        deliver(&mut node, at(1), &told(kind, Flags::NONE, seq, &flow(1)));
    }
    assert_eq!(answer(&mut node, &[]).ops.len(), 1);
}

#[test]
fn a_change_leaves_out_what_lasts_for_a_life_and_a_life_is_never_missing() {
    // A peer with CommitTimeout tells no timeouts (compat: daemon-32).
    let mut node = node();
    let mut changed = flow(1);
    changed.timeout = None;
    changed.status = changed
        .status
        .map(|it| it | Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE);
    for (seq, kind) in [(1, EventKind::Update), (2, EventKind::New)] {
        deliver(&mut node, at(1), &told(kind, Flags::NONE, seq, &changed));
        let Some(Output::Kernel { op, action }) = node.poll() else {
            panic!("no operation");
        };
        match action {
            KernelOp::Update(flow) => {
                assert_eq!(kind, EventKind::Update);
                let done = Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
                assert!(!flow.status.unwrap().intersects(done));
                assert_eq!(flow.timeout, None);
                assert!(flow.reply.is_none());
            }
            KernelOp::Create(flow) => {
                assert_eq!(kind, EventKind::New);
                assert_eq!(flow.timeout, Some(432_000));
            }
            other => panic!("{other:?}"),
        }
        node.handle(at(1), Input::OpsDone { through: op });
    }
}

#[test]
fn nothing_is_cached_and_a_commit_has_nothing_to_do() {
    let mut node = node();
    assert_eq!(
        Config {
            external_cache: ExternalCache::Inject,
            ..config()
        }
        .origin_of_changes(),
        Origin::Inject
    );
    tell(&mut node, 1, EventKind::New, &[]);
    assert_eq!(node.external().len(), 0);
    node.handle(
        at(2),
        Input::Request(Request::Commit(ClientId(3), Tables::All)),
    );
    let outcome = settle(&mut node, at(2));
    assert!(outcome.ops.is_empty());
    assert_eq!(outcome.commits.len(), 1);
}

#[test]
fn what_the_peer_takes_over_is_not_ours_any_more() {
    // Stock goes on sending it as it was with each bulk (compat: sync-21).
    let mut node = node();
    node.handle(at(2), event(EventKind::New, flow(4)));
    node.handle(at(2), event(EventKind::New, flow(5)));
    settle(&mut node, at(2));
    injected(&mut node, 3, EventKind::New, 4);
    assert_eq!(node.internal().len(), 1);
    node.handle(at(3), Input::Request(Request::SendBulk));
    assert_eq!(spoken(&settle(&mut node, at(3)).datagrams).1, 1);
}

fn injected(node: &mut Node, now: u64, kind: EventKind, number: u32) {
    node.handle(
        at(now),
        Input::Event(Event {
            kind,
            origin: Origin::Inject,
            object: Object::Flow(flow(number)),
        }),
    );
}

#[test]
fn a_reading_does_not_take_the_peers_flows_for_ours() {
    // Stock tells them back, and the peer replaces its own by them (compat: sync-26).
    for bypass in [false, true] {
        let mut node = node_that(bypass);
        injected(&mut node, 1, EventKind::New, 1);
        injected(&mut node, 1, EventKind::New, 2);
        injected(&mut node, 1, EventKind::New, 3);
        // One has traffic here since, one has ended.
        node.handle(at(2), event(EventKind::Update, flow(2)));
        injected(&mut node, 2, EventKind::Destroy, 3);
        settle(&mut node, at(2));
        let request = if bypass {
            Request::SendBulk
        } else {
            Request::ResyncKernel(Tables::All)
        };
        node.handle(at(3), Input::Request(request));
        settle(&mut node, at(3));
        for number in 1..5 {
            let object = Object::Flow(flow(number));
            node.handle(at(3), Input::Dumped(object));
        }
        node.handle(at(3), Input::DumpDone { complete: true });
        let told = spoken(&settle(&mut node, at(3)).datagrams).1;
        let known = node.internal().len();
        assert_eq!((told, known), if bypass { (3, 0) } else { (0, 3) });
    }
}

#[test]
fn a_timeout_here_does_not_end_the_peers_flow() {
    for bypass in [false, true] {
        let mut node = node_that(bypass);
        injected(&mut node, 1, EventKind::New, 1);
        node.handle(at(2), event(EventKind::Destroy, flow(1)));
        assert!(settle(&mut node, at(2)).datagrams.is_empty());
    }
}

#[test]
fn a_timeout_there_does_not_end_our_flow() {
    let mut node = node();
    node.handle(at(1), event(EventKind::Update, flow(1)));
    settle(&mut node, at(1));
    assert!(tell(&mut node, 1, EventKind::Destroy, &[]).ops.is_empty());
    assert_eq!(node.internal().len(), 1);
}

#[test]
fn ours_are_replicated_all_the_same() {
    let mut node = node();
    node.handle(at(2), event(EventKind::New, flow(4)));
    assert_eq!(settle(&mut node, at(2)).datagrams.len(), 1);
}

/// What is asked for first when this is told while the creation of a flow is under way, which the kernel
/// then refuses or not; and the mark that it gets.
fn told_meanwhile(kinds: &[EventKind], refusal: Option<Refusal>) -> Option<(Op, Option<Mark>)> {
    let mut node = node();
    let mut marked = flow(1);
    marked.mark = Some(Mark(5));
    deliver(
        &mut node,
        at(1),
        &told(EventKind::New, Flags::NONE, 1, &marked),
    );
    let first = settle(&mut node, at(1)).ops;
    let (through, _) = *first.first()?;
    for (seq, kind) in (2..).zip(kinds) {
        deliver(&mut node, at(1), &told(*kind, Flags::NONE, seq, &flow(1)));
    }
    if let Some(refusal) = refusal {
        let op = through;
        node.handle(at(1), Input::OpRefused { op, refusal });
    }
    node.handle(at(1), Input::OpsDone { through });
    while let Some(output) = node.poll() {
        if let Output::Kernel { action, .. } = output {
            let mark = match &action {
                KernelOp::Create(flow) | KernelOp::Update(flow) => flow.mark,
                _ => None,
            };
            return Some((Op::of(&action), mark));
        }
    }
    None
}

#[test]
fn a_flow_that_ended_while_it_was_created_leaves_nothing_to_the_next() {
    use EventKind::{Destroy, Update};
    let orig = flow(1).orig;
    let (create, update) = (Op::Create(orig), Op::Update(orig));
    let cases = [
        (&[Update][..], None, update, Some(Mark(5))),
        // Of what was refused, nothing is there that could be changed.
        (
            &[Update],
            Some(Refusal::Full),
            create.clone(),
            Some(Mark(5)),
        ),
        (&[Destroy, Update], None, create.clone(), None),
        (&[Destroy, Update], Some(Refusal::Full), create, None),
    ];
    for (kinds, refusal, op, mark) in cases {
        let said = told_meanwhile(kinds, refusal);
        assert_eq!(said, Some((op, mark)), "{kinds:?} {refusal:?}");
    }
}
