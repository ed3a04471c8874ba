//! `StartupResync`: the bulk that a node asks for when it starts.

use crate::basics::{at, config, deliver, flow};
use ctsync::{Config, Input, ModeConfig, Node, Notice, Output};
use flow::Object;

const FLOWS: u32 = 100;

/// A node that starts and finds flows in its kernel.
fn starting(mode: ModeConfig, now: u64) -> Node {
    let config = Config {
        startup_resync: true,
        mode,
        ..config()
    };
    let mut node = Node::new(config, at(now));
    for number in 0..FLOWS {
        let object = Object::Flow(flow(number));
        node.handle(at(now), Input::Dumped(object));
    }
    node.handle(at(now), Input::DumpDone { complete: true });
    node
}

/// What a node wants at this time: datagrams, and how often it said that it asks for a bulk.
fn work(node: &mut Node, now: u64) -> (Vec<Vec<u8>>, usize) {
    let (mut datagrams, mut requests) = (Vec::new(), 0);
    node.handle(at(now), Input::Timeout);
    loop {
        while let Some(output) = node.poll() {
            match output {
                Output::Transmit { bytes, .. } => datagrams.push(bytes.to_vec()),
                Output::Notice(Notice::ResyncRequested) => requests += 1,
                _ => {}
            }
        }
        if node.timeout().is_none_or(|due| due > at(now)) {
            return (datagrams, requests);
        }
        node.handle(at(now), Input::Timeout);
    }
}

/// Two nodes start, the second some time after the first; both have all flows of the other in the
/// end, and have asked so often.
fn check(mode: ModeConfig, later: u64, requests: [usize; 2]) {
    let mut nodes = [Some(starting(mode, 0)), None];
    let mut asked = [0, 0];
    for now in 0..20_000 {
        if now == later {
            nodes[1] = Some(starting(mode, now));
        }
        for place in [0, 1] {
            let Some(node) = &mut nodes[place] else {
                continue;
            };
            let (datagrams, requests) = work(node, now);
            asked[place] += requests;
            if let Some(peer) = &mut nodes[1 - place] {
                for bytes in datagrams {
                    deliver(peer, at(now), &bytes);
                }
            }
        }
    }
    for node in nodes.iter().flatten() {
        assert_eq!(node.external().len(), 100, "{mode:?}, {later} ms");
    }
    assert_eq!(asked, requests, "{mode:?}, {later} ms");
}

#[test]
fn who_was_answered_does_not_ask_again() {
    check(ModeConfig::FTFW, 0, [1, 1]);
    check(ModeConfig::FTFW, 1, [1, 1]);
    check(ModeConfig::FTFW, 1_500, [1, 1]);
    check(ModeConfig::Notrack, 0, [1, 1]);
    // The first was not heard, and asks again.
    check(ModeConfig::Notrack, 1, [2, 1]);
    check(ModeConfig::FTFW, 2_500, [2, 1]);
}
