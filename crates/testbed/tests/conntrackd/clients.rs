//! What each command of a client does: to the kernel, to the caches, to the peer, in the log, and
//! when its client is answered.
//!
//! Every row runs with our daemon and either client, and with stock's daemon and our client: what
//! is demanded of ours is what stock does.

use testbed::Implementation::{self, Ours, Stock};
use testbed::{Conntrackd, Result};

use super::{Extra, Pair, group, wait_for_lines, wait_for_number};

/// Flows of A at the start of each row; enough for their commit to take a while.
const FLOWS: usize = 2_000;

/// The node that is asked.
#[derive(Clone, Copy)]
enum At {
    A,
    B,
}

/// Something that can be counted.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// Flows in the kernel of A, of B.
    KernelA,
    KernelB,
    /// Entries of a cache.
    InternalA,
    InternalB,
    ExternalB,
}

use Number::{ExternalB, InternalA, InternalB, KernelA, KernelB};

impl Number {
    fn of(self, pair: &Pair) -> Result<usize> {
        let active = |daemon: &Conntrackd, internal: bool| -> Result<usize> {
            let statistics = daemon.statistics()?;
            let cache = if internal {
                statistics.internal
            } else {
                statistics.external
            };
            Ok(usize::try_from(cache.active).unwrap())
        };
        match self {
            KernelA => pair.network.a.flow_count(),
            KernelB => pair.network.b.flow_count(),
            InternalA => active(&pair.a, true),
            InternalB => active(&pair.b, true),
            ExternalB => active(&pair.b, false),
        }
    }
}

/// A command and what it does.
struct Row {
    /// Commands before it that make the situation.
    before: &'static [(At, &'static str)],
    /// What comes true after them: a daemon hears of its own commit after its client does.
    settled: &'static [(Number, usize)],
    at: At,
    command: &'static str,
    /// What the log of the asked node says, in this order.
    log: &'static [&'static str],
    /// What is true as soon as the client has its answer.
    at_once: &'static [(Number, usize)],
    /// What comes true.
    later: &'static [(Number, usize)],
}

const ROW: Row = Row {
    before: &[],
    settled: &[],
    at: At::A,
    command: "",
    log: &[],
    at_once: &[],
    later: &[],
};

macro_rules! rows {
    ($($name:ident: $row:expr;)*) => {
        mod our_daemon_and_client {
            $(#[test] fn $name() -> testbed::Result<()> {
                super::check(super::Ours, super::Ours, &super::$name())
            })*
        }
        mod our_daemon_and_the_client_of_stock {
            $(#[test] fn $name() -> testbed::Result<()> {
                super::check(super::Ours, super::Stock, &super::$name())
            })*
        }
        mod the_daemon_of_stock_and_our_client {
            $(#[test] fn $name() -> testbed::Result<()> {
                super::check(super::Stock, super::Ours, &super::$name())
            })*
        }
        $(fn $name() -> Row { $row })*
    };
}

rows! {
    commit_of_all: Row {
        at: At::B,
        command: "-c",
        log: &["committing all external caches", "Committed 2000 new entries", "commit has taken "],
        at_once: &[(KernelB, FLOWS)],
        later: &[(InternalB, FLOWS), (ExternalB, FLOWS)],
        ..ROW
    };
    commit_of_flows: Row {
        at: At::B,
        command: "-c ct",
        log: &["committing conntrack cache", "Committed 2000 new entries", "commit has taken "],
        at_once: &[(KernelB, FLOWS)],
        ..ROW
    };
    commit_of_what_is_there: Row {
        before: &[(At::B, "-c")],
        settled: &[(InternalB, FLOWS)],
        at: At::B,
        command: "-c",
        log: &["committing all external caches", "Committed 2000 new entries"],
        at_once: &[(KernelB, FLOWS)],
        later: &[(InternalB, FLOWS), (ExternalB, FLOWS)],
    };
    commit_of_expectations: Row {
        at: At::B,
        command: "-c expect",
        at_once: &[(KernelB, 0), (ExternalB, FLOWS)],
        ..ROW
    };
    flush_of_the_internal_cache: Row {
        command: "-f internal",
        log: &["flushing internal cache"],
        at_once: &[(InternalA, 0), (KernelA, FLOWS), (ExternalB, FLOWS)],
        ..ROW
    };
    flush_of_the_external_cache: Row {
        at: At::B,
        command: "-f external",
        log: &["flushing external cache"],
        at_once: &[(ExternalB, 0), (KernelA, FLOWS), (InternalA, FLOWS)],
        ..ROW
    };
    flush_of_both_caches: Row {
        before: &[(At::B, "-c")],
        settled: &[(InternalB, FLOWS)],
        at: At::B,
        command: "-f",
        log: &["flushing caches"],
        at_once: &[(InternalB, 0), (ExternalB, 0), (KernelB, FLOWS)],
        ..ROW
    };
    flush_of_the_kernel: Row {
        command: "-F",
        log: &["flushing kernel conntrack table"],
        at_once: &[(KernelA, 0)],
        // The peer is not told: on promotion it brings the flows back.
        later: &[(InternalA, 0), (ExternalB, FLOWS)],
        ..ROW
    };
    flush_of_flows_in_the_kernel: Row {
        command: "-F ct",
        log: &["flushing kernel conntrack table"],
        at_once: &[(KernelA, 0)],
        later: &[(InternalA, 0), (ExternalB, FLOWS)],
        ..ROW
    };
    flush_of_expectations_in_the_kernel: Row {
        command: "-F expect",
        at_once: &[(KernelA, FLOWS), (InternalA, FLOWS)],
        ..ROW
    };
    reading_the_kernel: Row {
        before: &[(At::A, "-f internal"), (At::B, "-f external")],
        command: "-R",
        log: &["resync with master conntrack table"],
        at_once: &[(InternalA, FLOWS), (ExternalB, 0)],
        ..ROW
    };
    reading_flows_of_the_kernel: Row {
        before: &[(At::A, "-f internal")],
        command: "-R ct",
        log: &["resync with master conntrack table"],
        at_once: &[(InternalA, FLOWS)],
        ..ROW
    };
    reading_expectations_of_the_kernel: Row {
        before: &[(At::A, "-f internal")],
        command: "-R expect",
        at_once: &[(InternalA, 0)],
        ..ROW
    };
    bulk: Row {
        before: &[(At::B, "-f external")],
        command: "-B",
        log: &["sending bulk update"],
        later: &[(ExternalB, FLOWS)],
        ..ROW
    };
    request_for_a_bulk: Row {
        before: &[(At::B, "-f external")],
        at: At::B,
        command: "-n",
        log: &["resync requested"],
        later: &[(ExternalB, FLOWS)],
        ..ROW
    };
    purge: Row {
        command: "-t",
        log: &["flushing conntrack table in 1 secs", "flushing kernel conntrack table (scheduled)"],
        later: &[(KernelA, 0), (InternalA, 0), (ExternalB, FLOWS)],
        ..ROW
    };
    last_command_of_several: Row {
        command: "-F -f internal",
        log: &["flushing internal cache"],
        at_once: &[(InternalA, 0), (KernelA, FLOWS)],
        ..ROW
    };
    abbreviated_words: Row {
        command: "-f i",
        log: &["flushing internal cache"],
        at_once: &[(InternalA, 0), (KernelA, FLOWS)],
        ..ROW
    };
}

fn check(daemon: Implementation, client: Implementation, row: &Row) -> Result<()> {
    let extra = Extra {
        mode: "PurgeTimeout 1",
        ..Extra::default()
    };
    let pair = Pair::start([daemon; 2], extra)?;
    let asked = |at: At| match at {
        At::A => &pair.a,
        At::B => &pair.b,
    };
    group(1, u32::try_from(FLOWS).unwrap()).create(&pair.network.a)?;
    pair.wait_until_replicated(FLOWS)?;
    for (at, command) in row.before {
        assert_eq!(asked(*at).client_of(client, command)?.code(), 0);
    }
    let come_true = |numbers: &[(Number, usize)]| {
        numbers.iter().try_for_each(|(number, wanted)| {
            wait_for_number(&format!("{number:?}"), *wanted, || number.of(&pair))
        })
    };
    come_true(row.settled)?;
    let daemon = asked(row.at);
    let mark = daemon.mark()?;
    let output = daemon.client_of(client, row.command)?;
    assert_eq!(
        (output.code(), output.stdout.as_str()),
        (0, ""),
        "{}",
        row.command
    );
    for (number, wanted) in row.at_once {
        let found = number.of(&pair)?;
        assert_eq!(found, *wanted, "{number:?} after {}", row.command);
    }
    wait_for_lines(daemon.log(), mark, row.log)?;
    come_true(row.later)
}
