//! Forking and signals, in a process that has one thread.
//!
//! The test harness runs each test in a thread of its own, which forbids forking and makes it a
//! matter of luck who gets a signal. So this target has no harness: `main` calls the tests.

#![expect(
    clippy::unwrap_used,
    clippy::exit,
    clippy::print_stdout,
    reason = "a test that runs without the harness"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::time::Duration;

use linux::Errno;
use linux::poller::{Interest, Poller};
use linux::process::{Detached, Signal, Signals, detach};
use rustix::process::{Signal as Raw, getpid, kill_process};

const TESTS: [(&str, fn()); 5] = [
    ("signals_are_read_in_the_loop", signals_are_read_in_the_loop),
    (
        "the_parent_waits_until_the_daemon_is_ready",
        the_parent_waits_until_the_daemon_is_ready,
    ),
    (
        "a_failed_start_is_the_exit_status",
        a_failed_start_is_the_exit_status,
    ),
    (
        "a_daemon_that_ends_silently_has_failed",
        a_daemon_that_ends_silently_has_failed,
    ),
    ("threads_forbid_forking", threads_forbid_forking),
];

fn main() {
    // Listing is how `cargo nextest` and editors find tests; they see one.
    if std::env::args().any(|argument| argument == "--list") {
        println!("process: test");
        return;
    }
    for (name, test) in TESTS {
        test();
        println!("test {name} ... ok");
    }
    println!(
        "\ntest result: ok. {} passed; 0 failed; 0 ignored",
        TESTS.len()
    );
}

fn signals_are_read_in_the_loop() {
    let signals = Signals::open(&[Signal::Hangup, Signal::Terminate]).unwrap();
    let mut poller = Poller::new().unwrap();
    poller.add(&signals, 1, Interest::Read).unwrap();
    assert_eq!(signals.receive().unwrap(), None);
    kill_process(getpid(), Raw::HUP).unwrap();
    assert_eq!(
        poller.wait(Some(Duration::from_secs(300))).unwrap().count(),
        1
    );
    assert_eq!(signals.receive().unwrap(), Some(Signal::Hangup));
    assert_eq!(signals.receive().unwrap(), None);
    kill_process(getpid(), Raw::TERM).unwrap();
    assert_eq!(signals.receive().unwrap(), Some(Signal::Terminate));
}

/// The parent's exit status, and what the child wrote to the stream it was given.
fn detached(child: impl FnOnce(linux::process::Readiness, UnixStream)) -> (u8, String) {
    let (mut reader, writer) = UnixStream::pair().unwrap();
    match detach().unwrap() {
        Detached::Parent(status) => {
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            (status, text)
        }
        Detached::Child(readiness) => {
            child(readiness, writer);
            exit(0);
        }
    }
}

fn the_parent_waits_until_the_daemon_is_ready() {
    let (status, text) = detached(|readiness, mut stream| {
        stream.write_all(b"initialised,").unwrap();
        readiness.ready().unwrap();
        // The terminal is gone: writing to it goes nowhere, and does not fail.
        println!("unseen");
        let null = std::fs::read_link("/proc/self/fd/1").unwrap();
        let session = rustix::process::getsid(None).unwrap() == getpid();
        write!(stream, "{},{session}", null.display()).unwrap();
    });
    assert_eq!((status, text.as_str()), (0, "initialised,/dev/null,true"));
}

fn a_failed_start_is_the_exit_status() {
    let (status, _) = detached(|_readiness, _stream| exit(3));
    assert_eq!(status, 3);
}

fn a_daemon_that_ends_silently_has_failed() {
    let (status, _) = detached(|readiness, _stream| drop(readiness));
    assert_eq!(status, 1);
}

fn threads_forbid_forking() {
    let (mut stop, stopped) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || (&stopped).read(&mut [0]).unwrap());
    assert_eq!(detach().unwrap_err().errno, Errno::BUSY);
    stop.write_all(b"x").unwrap();
    assert_eq!(thread.join().unwrap(), 1);
}
