//! What comes over the control socket: clients that are silent, talk nonsense, do not listen, or
//! go away in the middle.
//!
//! Only root can be such a client, by mistake more often than by intent: a script that hangs must
//! not keep keepalived from asking for a commit.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use testbed::{Conntrackd, Error, Group, PATIENCE, Progress, Result, wait_for};

use crate::arena::{Arena, Bounds, Direction};

/// More than the daemon serves at a time, and as many as fit its backlog.
const CROWD: usize = 200;
/// A daemon that waits for clients uses this part of a processor at most, in percent.
const PROCESSOR_MAX: u128 = 60;

fn connect(daemon: &Conntrackd) -> Result<UnixStream> {
    let stream = UnixStream::connect(daemon.socket()).map_err(Error::io("the control socket"))?;
    let patience = Some(PATIENCE);
    let limited = stream
        .set_read_timeout(patience)
        .and(stream.set_write_timeout(patience));
    limited.map(|()| stream).map_err(Error::io("a time limit"))
}

/// A client that has sent these bytes and keeps its connection.
fn client(daemon: &Conntrackd, request: &[u8]) -> Result<UnixStream> {
    let mut stream = connect(daemon)?;
    let not_blocking = |on| {
        stream
            .set_nonblocking(on)
            .map_err(Error::io("not blocking"))
    };
    not_blocking(true)?;
    // Who is hung up on while still talking gets an error, and what nobody reads fills the buffer.
    let _ = (&stream).write_all(request);
    not_blocking(false)?;
    stream.flush().map_err(Error::io("flushing"))?;
    Ok(stream)
}

/// Lets a crowd hang on the socket while flows go to the peer and a client wants its answer.
fn check_crowd(request: &[u8], flows: u32) -> Result<()> {
    let arena = Arena::new("")?;
    know_flows(&arena, flows)?;
    let bounds = Bounds {
        // A hundred pieces of 64 KiB with what the allocator keeps of them.
        kilobytes: 24 * 1024,
        log_lines: 60,
    };
    let descriptors = open_descriptors(&arena.b)?;
    let used = arena.b.process().processor_time()?;
    let start = Instant::now();
    arena.survive(Direction::AToB, bounds, || {
        let crowd: Result<Vec<_>> = (0..CROWD).map(|_| client(&arena.b, request)).collect();
        arena.b.answer_soon()?;
        crowd.map(drop)
    })?;
    let (used, took) = (arena.b.process().processor_time()? - used, start.elapsed());
    let percent = 100 * used.as_millis() / took.as_millis().max(1);
    assert!(
        percent < PROCESSOR_MAX,
        "{percent} % of a processor for waiting"
    );
    wait_for("the crowd's descriptors to be closed", PATIENCE, || {
        Ok(match open_descriptors(&arena.b)? {
            count if count <= descriptors => Progress::Done(()),
            count => Progress::Waiting(format!("{count} open, {descriptors} before")),
        })
    })?;
    arena.recover()
}

#[test]
fn a_crowd_that_says_nothing() -> Result<()> {
    check_crowd(b"", 0)
}

#[test]
fn a_crowd_that_says_half_a_word() -> Result<()> {
    check_crowd(b"\x10\0", 0)
}

#[test]
fn a_crowd_that_asks_for_everything_and_does_not_listen() -> Result<()> {
    check_crowd(&16_i32.to_ne_bytes(), 20_000)
}

#[test]
fn a_crowd_that_goes_on_talking() -> Result<()> {
    check_crowd(
        &[16_i32.to_ne_bytes().as_slice(), &[0; 100_000]].concat(),
        2_000,
    )
}

/// Each is counted once, and under its own name.
#[test]
fn half_requests_and_unknown_ones() -> Result<()> {
    let arena = Arena::new("")?;
    let before = arena.counters()?;
    let known: Vec<i32> = (0..2).chain(16..27).chain(28..49).collect();
    let unknown: Vec<i32> = (-3..60).filter(|code| !known.contains(code)).collect();
    for code in &unknown {
        assert_eq!(answer(&arena.b, &code.to_ne_bytes())?, b"", "to {code}");
    }
    for len in 0..4 {
        assert_eq!(
            answer(&arena.b, &[16, 0, 0, 0][..len])?,
            b"",
            "to {len} bytes"
        );
    }
    let after = arena.counters()?;
    let moved = |name: &str| after[name] - before[name];
    assert_eq!(moved("local unknown request"), unknown.len() as u64);
    assert_eq!(moved("local read failed"), 4);
    arena.recover()
}

/// The answer to a request that ends there.
fn answer(daemon: &Conntrackd, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = client(daemon, request)?;
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(answer)
}

#[test]
fn clients_that_go_away_in_the_middle() -> Result<()> {
    let arena = Arena::new("")?;
    know_flows(&arena, 20_000)?;
    let descriptors = open_descriptors(&arena.b)?;
    let codes = [0, 1, 16, 17, 18, 21, 22, 23, 24, 32, 44];
    arena.survive(
        Direction::AToB,
        Bounds {
            kilobytes: 24 * 1024,
            log_lines: 400,
        },
        || {
            for round in 0..300_usize {
                let code: i32 = codes[round % codes.len()];
                // The kernel's table stays, so that flows remain to be listed.
                let code = if code == 0 { 16 } else { code };
                let mut stream = client(&arena.b, &code.to_ne_bytes())?;
                let mut piece = vec![0; 1 + round * 7];
                if round % 3 > 0 && matches!(code, 16 | 24) {
                    stream
                        .read_exact(&mut piece)
                        .map_err(Error::io("a piece of a listing"))?;
                }
            }
            Ok(())
        },
    )?;
    wait_for("all descriptors to be closed", PATIENCE, || {
        Ok(match open_descriptors(&arena.b)? {
            count if count <= descriptors => Progress::Done(()),
            count => Progress::Waiting(format!("{count} open, {descriptors} before")),
        })
    })?;
    arena.recover()
}

/// Writes flows into the victim's kernel and waits until it knows them.
fn know_flows(arena: &Arena, size: u32) -> Result<()> {
    Group { number: 9, size }.create(&arena.network.b)?;
    wait_for("the victim to know its flows", PATIENCE, || {
        let count = arena.b.statistics()?.internal.active;
        Ok(match count >= size.into() {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{count} of {size}")),
        })
    })
}

fn open_descriptors(daemon: &Conntrackd) -> Result<usize> {
    let path = format!("/proc/{}/fd", daemon.process().pid());
    let entries = fs::read_dir(&path).map_err(Error::io(path))?;
    Ok(entries.count())
}
