//! Much of what is well formed: storms and floods. What they make the daemon send, keep and do has
//! a bound.

use std::time::Instant;

use testbed::{Error, Group, PATIENCE, Progress, Result, wait_for};

use crate::arena::{Arena, Bounds, Direction};
use crate::message::{
    FLOW_NEW, HELLO, HELLO_BACK, NACK, RESYNC, alive, control, message, rich_flow,
};

/// Flows in the victim's kernel when it is asked for all of them again and again.
const OWN_FLOWS: u32 = 2_000;
/// Bytes that one of them takes on the wire at most, its share of the headers included.
const FLOW_BYTES_MAX: u64 = 130;

/// Bytes of an acknowledgement, a request for what is missing, and their share of the headers.
const ACKNOWLEDGED: u64 = 40;

/// `Bytes sent` of the general statistics.
fn bytes_sent(arena: &Arena) -> Result<u64> {
    let text = arena.b.client("-s")?.stdout;
    let line = text.lines().find(|line| line.contains("Bytes sent"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no bytes sent in:\n{text}")))
}

fn with_own_flows() -> Result<Arena> {
    let arena = Arena::new("")?;
    let group = Group {
        number: 9,
        size: OWN_FLOWS,
    };
    group.create(&arena.network.b)?;
    wait_for("the peer to know the victim's flows", PATIENCE, || {
        let count = arena.a.statistics()?.external.active;
        Ok(match count >= OWN_FLOWS.into() {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{count} flows")),
        })
    })?;
    Ok(arena)
}

/// Sends a storm and compares what it has provoked with what a peer that honestly asked once a
/// second would have got, and so many bytes more for each message of the storm.
fn check_amplification(answer: u64, storm: impl FnOnce(u32) -> Vec<Vec<u8>>) -> Result<()> {
    let arena = with_own_flows()?;
    let storm = storm(arena.seq_ahead()?);
    let (before, start) = (bytes_sent(&arena)?, Instant::now());
    arena.survive(Direction::BToA, Bounds::NOTHING_KEPT, || arena.send(&storm))?;
    let (sent, seconds) = (bytes_sent(&arena)? - before, start.elapsed().as_secs());
    let table = u64::from(OWN_FLOWS) * FLOW_BYTES_MAX;
    let tables = 3 + seconds;
    let answers = answer * u64::try_from(storm.len()).unwrap_or(0);
    assert!(
        sent <= tables * table + answers,
        "{sent} bytes in {seconds} s for {} messages",
        storm.len()
    );
    arena.recover()
}

#[test]
fn requests_for_the_whole_table_are_answered_once_a_second() -> Result<()> {
    check_amplification(ACKNOWLEDGED, |seq| {
        (0..3_000).map(|n| control(RESYNC, seq + n, 0, 0)).collect()
    })
}

#[test]
fn greetings_without_end_do_not_repeat_everything_each_time() -> Result<()> {
    check_amplification(ACKNOWLEDGED, |seq| {
        // Each second one begins a new life of the peer.
        (0..6_000)
            .map(|n| alive(if n % 2 == 0 { HELLO } else { HELLO_BACK }, seq + n))
            .collect()
    })
}

/// What the true peer has not acknowledged yet, a window of 300 at most, is named by each of these
/// and sent again once per turn: less than a datagram for each of them.
#[test]
fn requests_for_what_was_sent_already_repeat_what_is_unacknowledged() -> Result<()> {
    check_amplification(1_500, |seq| {
        let from = |n: u32| n.wrapping_mul(715_827);
        let until = |n: u32| from(n).wrapping_add(1 << 30);
        (0..6_000)
            .map(|n| control(NACK, seq + n, from(n), until(n)))
            .collect()
    })
}

/// Twenty thousand flows fit; three times as many come, each with all that a flow can have.
#[test]
fn invented_flows_fill_the_cache_and_no_more() -> Result<()> {
    const LIMIT: u32 = 20_000;
    let arena = Arena::new(&format!("HashLimit {LIMIT}"))?;
    let known = u32::try_from(arena.b.external()?.len()).unwrap_or(0);
    let seq = arena.seq_ahead()?;
    let invented = |range: std::ops::Range<u32>| -> Vec<Vec<u8>> {
        let messages = range.map(|n| message(FLOW_NEW, 0, seq + n, &rich_flow(n)));
        let messages: Vec<_> = messages.collect();
        messages.chunks(5).map(<[Vec<u8>]>::concat).collect()
    };
    let bounds = Bounds {
        // An entry with everything, its share of the index, and what the allocator wastes.
        kilobytes: u64::from(LIMIT) * 500 / 1024 + 8 * 1024,
        log_lines: 60,
    };
    arena.survive(Direction::BToA, bounds, || {
        arena.send(&invented(0..3 * LIMIT))
    })?;
    let external = arena.b.statistics()?.external;
    assert_eq!(external.active, u64::from(LIMIT));
    assert_eq!(
        external.failed,
        u64::from(2 * LIMIT + known),
        "none is lost silently"
    );
    // The same again finds everything as it is: nothing grows with time.
    let again = Bounds {
        kilobytes: 2 * 1024,
        log_lines: 60,
    };
    arena.survive(Direction::BToA, again, || {
        arena.send(&invented(0..3 * LIMIT))
    })?;
    // The operator's remedy.
    arena.b.client("-f external")?;
    arena.a.client("-B")?;
    wait_for("the true flows", PATIENCE, || {
        let shown = arena.b.client("-e")?.stdout;
        Ok(
            match shown.contains("src=10.0.1.1 ") && !shown.contains("src=198.") {
                true => Progress::Done(()),
                false => Progress::Waiting(format!("{} bytes shown", shown.len())),
            },
        )
    })?;
    arena.beat(Direction::AToB).map(drop)
}
