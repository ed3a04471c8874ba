//! A commit so large that the daemon does without the events of new flows (docs/adr/0009), while real
//! traffic goes on.

use std::collections::BTreeSet;
use std::thread;

use testbed::{FlowLine, Namespace, Progress, Result, Spray, wait_for};

use super::{Extra, PATIENCE, Pair, group, runtime, wait_for_number, wait_until_equal};

/// Far more than the daemon takes for a large commit.
const COMMITTED: u32 = 15_000;

/// Flows that begin meanwhile at most; beyond it they would want the daemons' own port.
const BEGUN_MAX: u32 = 1_000;

/// Has the node track packets to nowhere, and what the daemons say to each other not.
fn track(node: &Namespace) -> Result<()> {
    node.run(format!("ip route add {} dev lo", Spray::NETWORK))?;
    node.nft(
        "table inet large {
            chain sent { type filter hook output priority -300; udp dport 3780 notrack; }
            chain come { type filter hook prerouting priority -300; udp dport 3780 notrack; }
            chain track { type filter hook output priority 0; ct state new accept; }
        }",
    )?;
    // Longer than any test may last.
    node.sysctl("net.netfilter.nf_conntrack_udp_timeout", 3_600)
}

/// Two daemons of which B knows all flows of A, and how many these are. B tracks what goes nowhere.
fn ready_to_commit() -> Result<(Pair, usize)> {
    let pair = Pair::ours(Extra::default())?;
    track(&pair.network.b)?;
    let flows = usize::try_from(COMMITTED).unwrap();
    group(1, COMMITTED).create(&pair.network.a)?;
    pair.wait_until_replicated(flows)?;
    Ok((pair, flows))
}

/// Which flows these are.
fn identities(flows: &BTreeSet<FlowLine>) -> BTreeSet<String> {
    flows.iter().map(FlowLine::identity).collect()
}

/// Commits at B while flows begin there; how many have begun.
fn commit_under_traffic(pair: &Pair, spray: &mut Spray<'_>) -> Result<usize> {
    thread::scope(|scope| {
        let client = scope.spawn(|| pair.b.client("-c"));
        let mut begun = spray.more(10)?;
        while !client.is_finished() && begun < BEGUN_MAX {
            begun = spray.more(10)?;
        }
        client.join().unwrap()?;
        Ok(usize::try_from(begun).unwrap())
    })
}

/// Waits until B's daemon knows what B's kernel has, and nothing else.
fn wait_until_known(pair: &Pair) -> Result<()> {
    let node = &pair.network.b;
    wait_for("B to know its kernel's table", PATIENCE, || {
        let table = node.run("/usr/sbin/conntrack -L")?.stdout;
        let table = identities(&FlowLine::parse_all(&table));
        let known = identities(&pair.b.internal()?);
        Ok(match known == table {
            true => Progress::Done(()),
            false => Progress::Waiting(format!(
                "{} unknown, {} too many",
                table.difference(&known).count(),
                known.difference(&table).count(),
            )),
        })
    })
}

#[test]
fn flows_that_begin_during_a_large_commit_are_kept_and_told() -> Result<()> {
    let (pair, committed) = ready_to_commit()?;
    let node = &pair.network.b;
    let mut spray = Spray::new(node);
    let begun = commit_under_traffic(&pair, &mut spray)?;
    assert!(node.flow_count()? >= committed + begun);
    wait_until_known(&pair)?;
    // What traffic began is told, what was committed is not.
    wait_for_number("flows of B at A", begun, || Ok(pair.a.external()?.len()))?;
    // Most of what happened in the kernel made no event for the daemon.
    let events = runtime(&pair.b, "events received:")?;
    assert!(events < committed, "{events}");
    // New flows are heard again.
    let begun = usize::try_from(spray.more(50)?).unwrap();
    wait_for_number("flows of B at A", begun, || Ok(pair.a.external()?.len()))?;
    wait_until_known(&pair)
}

#[test]
fn the_commands_after_a_large_commit_find_everything() -> Result<()> {
    let (pair, committed) = ready_to_commit()?;
    let node = &pair.network.b;
    let begun = commit_under_traffic(&pair, &mut Spray::new(node))?;
    for command in ["-f", "-R", "-B"] {
        pair.b.client(command)?;
    }
    wait_until_known(&pair)?;
    wait_until_equal(&pair.b, &pair.a, committed + begun)
}
