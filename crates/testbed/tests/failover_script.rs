//! `examples/primary-backup.sh` by itself, called as keepalived calls it, when things go wrong:
//! conntrackd does not run, does not answer, has committed half; roles change faster than the
//! script works; nft is missing. At the end the same for `share.sh`, as far as it has such cares.
//!
//! The firewall has a fence and nothing else, its daemon is ours or stock's, its peer is another
//! daemon behind a cable.

use std::fs;

use rustix::process::Signal;
use testbed::Implementation::{Ours, Stock};
use testbed::{
    Command, Conntrackd, Folder, Group, Implementation, IpVersion, Namespace, Output, PATIENCE,
    Process, Program, Progress, Result, SyncPair, wait_for, wait_until,
};

const SCRIPT: &str = include_str!("../../../examples/primary-backup.sh");
/// The longest time that the script of a test waits for the client of a daemon that is stopped.
const SHORT: (&str, &str) = ("_MAX=", "_MAX=1 # ");

/// One firewall, and the daemon that it hears from.
struct Desk {
    network: SyncPair,
    /// Of the firewall.
    daemon: Conntrackd,
    _peer: Conntrackd,
    files: Folder,
}

impl Desk {
    fn new() -> Result<Self> {
        Self::with(Ours)
    }

    fn with(implementation: Implementation) -> Result<Self> {
        let network = SyncPair::new()?;
        network.a.nft(
            "table inet firewall { chain fence_1 { counter drop; }; chain fence_2 { counter drop; }; }",
        )?;
        let [own, other] = SyncPair::ftfw(IpVersion::V4, "PurgeTimeout 60");
        Ok(Self {
            daemon: Conntrackd::start(&network.a, implementation, &own)?,
            _peer: Conntrackd::start(&network.b, Ours, &other)?,
            files: Folder::new("script", false)?,
            network,
        })
    }

    fn node(&self) -> &Namespace {
        &self.network.a
    }

    /// The script, with the paths of this firewall and further changes, run by a shell.
    fn script(&self, shell: &str, changes: &[(&str, &str)]) -> Result<Command> {
        let path = |program| -> Result<String> {
            let path = self.daemon.implementation().path(program)?;
            Ok(path.display().to_string())
        };
        let file = |name| self.files.file(name).display().to_string();
        let mut text = SCRIPT.to_owned();
        for (old, new) in [
            (
                "=/usr/sbin/conntrackd",
                format!("={}", path(Program::Conntrackd)?),
            ),
            (
                "=/usr/sbin/conntrack\n",
                format!("={}\n", path(Program::Conntrack)?),
            ),
            (
                "/etc/conntrackd/conntrackd.conf",
                self.daemon.config().display().to_string(),
            ),
            (
                "/var/lock/conntrackd.lock",
                self.daemon.lock().display().to_string(),
            ),
            ("/etc/conntrackd/groups", file("groups")),
            ("/run/primary-backup", file("run")),
            // The log of this machine is no business of ours.
            ("logger -t", "false".into()),
        ]
        .iter()
        .map(|(old, new)| (*old, new.as_str()))
        .chain(changes.iter().copied())
        {
            assert!(text.contains(old), "there is no `{old}` to replace");
            text = text.replace(old, new);
        }
        let script = self.files.write("primary-backup.sh", &text)?;
        Ok(Command::new(shell).arg(script))
    }

    fn call(&self, role: &str) -> Result<Output> {
        self.call_with(&[], role)
    }

    fn call_with(&self, changes: &[(&str, &str)], role: &str) -> Result<Output> {
        let script = self.script("sh", changes)?;
        self.node().output(script.args(role.split(' ')))
    }

    /// Calls it and goes on when it has noted its role.
    fn begin(&self, role: &str) -> Result<Process> {
        let process = self.node().spawn(self.script("sh", &[])?.arg(role))?;
        let file = self.files.file("run").join("1.role");
        wait_until("the role to be noted", PATIENCE, || {
            fs::read_to_string(&file).is_ok_and(|text| text.ends_with(&format!(" {role}\n")))
        })?;
        Ok(process)
    }

    fn is_open(&self) -> Result<bool> {
        let chain = self.node().run("nft list chain inet firewall fence_1")?;
        Ok(!chain.stdout.contains("drop"))
    }

    /// Whether loading the rules again would leave the fence down.
    fn is_noted_as_open(&self) -> bool {
        self.files.file("run").join("1.nft").exists()
    }

    #[track_caller]
    fn check_fence(&self, open: bool) -> Result<()> {
        assert_eq!((self.is_open()?, self.is_noted_as_open()), (open, open));
        Ok(())
    }

    /// Gives the peer so many flows, and waits until the firewall knows them.
    fn learn(&self, flows: u32) -> Result<()> {
        Group {
            number: 1,
            size: flows,
        }
        .create(&self.network.b)?;
        self.wait_until_known(flows.into())
    }

    fn wait_until_known(&self, flows: u64) -> Result<()> {
        wait_for("the peer's flows", PATIENCE, || {
            Ok(match self.daemon.statistics()?.external.active {
                known if known == flows => Progress::Done(()),
                known => Progress::Waiting(format!("{known} of {flows}")),
            })
        })
    }
}

fn said(output: &Output, text: &str) {
    assert!(output.stderr.contains(text), "{}", output.stderr);
}

#[test]
fn each_role_says_what_it_did_and_moves_the_fence() -> Result<()> {
    for (shell, daemon) in [("dash", Ours), ("bash", Ours), ("dash", Stock)] {
        let desk = Desk::with(daemon)?;
        desk.learn(10)?;
        for (role, open, words) in [
            ("primary", true, "primary of group 1: the commit has ended"),
            ("primary", true, "primary of group 1: the commit has ended"),
            ("fault", false, "neither primary nor backup of group 1"),
            ("backup", false, "backup of group 1: the fence is up"),
            ("backup", false, "backup of group 1: the fence is up"),
        ] {
            let output = desk.node().output(desk.script(shell, &[])?.arg(role))?;
            assert_eq!(output.code(), 0, "{}", output.stderr);
            said(&output, words);
            assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
            desk.check_fence(open)?;
        }
        assert_eq!(desk.node().flow_count()?, 10, "committed");
    }
    Ok(())
}

#[test]
fn a_daemon_that_does_not_answer_keeps_no_fence_up_and_no_call_waiting() -> Result<()> {
    let desk = Desk::new()?;
    desk.daemon.process().signal(Signal::STOP);
    let primary = desk.call_with(&[SHORT], "primary")?;
    assert_eq!(primary.code(), 1);
    said(&primary, "the commit has not ended after 1 seconds");
    said(&primary, "conntrackd is there and does not answer");
    desk.check_fence(true)?;
    let backup = desk.call_with(&[SHORT], "backup")?;
    assert_eq!(backup.code(), 1);
    said(&backup, "conntrackd is there and does not answer");
    desk.check_fence(false)?;
    let fault = desk.call_with(&[SHORT], "fault")?;
    said(&fault, "conntrackd -t failed (124");
    desk.check_fence(false)?;
    desk.daemon.process().signal(Signal::CONT);
    Ok(())
}

#[test]
fn a_daemon_that_has_died_is_started_by_either_role() -> Result<()> {
    for (role, open) in [("primary", true), ("backup", false)] {
        let desk = Desk::new()?;
        desk.daemon.kill();
        let output = desk.call(role)?;
        assert_eq!(output.code(), 0, "{}", output.stderr);
        said(&output, "conntrackd has died and left");
        desk.check_fence(open)?;
        assert_eq!(desk.daemon.client("-s")?.code(), 0, "{role}");
    }
    Ok(())
}

#[test]
fn a_commit_that_is_not_whole_is_told_and_ends_the_fence() -> Result<()> {
    let desk = Desk::new()?;
    // Two connections whose replies would be the same.
    for (node, port) in [(desk.node(), 1), (&desk.network.b, 2)] {
        let flow = format!(
            "conntrack -I -p tcp -s 10.0.0.9 -d 192.0.2.9 --sport {port} --dport 80 \
             -n 192.0.2.1:9 --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 600"
        );
        node.run(flow.as_str())?;
    }
    desk.wait_until_known(1)?;
    let output = desk.call("primary")?;
    assert_eq!(output.code(), 0, "{}", output.stderr);
    said(&output, "not all connections have been taken over: ");
    desk.check_fence(true)
}

/// While its firewall is being upgraded our client may ask stock's daemon.
#[test]
fn a_daemon_of_stock_commits_for_our_client() -> Result<()> {
    let desk = Desk::with(Stock)?;
    desk.learn(10)?;
    let [stock, ours] = [Stock, Ours].map(|whose| whose.path(Program::Conntrackd));
    let (stock, ours) = (stock?.display().to_string(), ours?.display().to_string());
    let change = (format!("={stock}"), format!("={ours}"));
    let output = desk.call_with(&[(&change.0, &change.1)], "primary")?;
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert_eq!(desk.node().flow_count()?, 10);
    desk.check_fence(true)
}

#[test]
fn a_role_that_is_out_of_date_stops_where_it_is() -> Result<()> {
    let desk = Desk::new()?;
    desk.learn(10)?;
    desk.daemon.process().signal(Signal::STOP);
    let primary = desk.begin("primary")?;
    let skipped = desk.begin("fault")?;
    let backup = desk.begin("backup")?;
    desk.daemon.process().signal(Signal::CONT);
    for (call, what) in [
        (&primary, "primary"),
        (&skipped, "fault"),
        (&backup, "backup"),
    ] {
        assert_eq!(call.wait(PATIENCE)?, 0, "{what}");
    }
    desk.check_fence(false)?;
    let lines = |call: &Process| call.log().lines().len();
    assert_eq!(
        [lines(&primary), lines(&skipped), lines(&backup)],
        [0, 0, 1]
    );
    // It would have made the daemon forget.
    let log = desk.daemon.log().lines();
    assert!(!log.iter().any(|line| line.text.contains("flushing caches")));
    Ok(())
}

#[test]
fn the_last_of_quick_changes_counts() -> Result<()> {
    let desk = Desk::new()?;
    desk.daemon.process().signal(Signal::STOP);
    let calls = ["primary", "backup", "primary"].map(|role| desk.begin(role));
    desk.daemon.process().signal(Signal::CONT);
    for call in calls {
        assert_eq!(call?.wait(PATIENCE)?, 0);
    }
    desk.check_fence(true)
}

#[test]
fn who_was_called_first_and_comes_last_does_nothing() -> Result<()> {
    let desk = Desk::new()?;
    desk.call("backup")?;
    let file = desk.files.file("run").join("1.role");
    fs::write(file, "999999999999 1 backup\n").unwrap();
    let output = desk.call("primary")?;
    assert_eq!((output.code(), output.stderr.as_str()), (0, ""));
    desk.check_fence(false)
}

#[test]
fn a_primary_whose_script_is_ended_is_not_left_fenced_off() -> Result<()> {
    let desk = Desk::new()?;
    desk.daemon.process().signal(Signal::STOP);
    let call = desk.begin("primary")?;
    call.signal(Signal::TERM);
    desk.daemon.process().signal(Signal::CONT);
    call.wait(PATIENCE)?;
    desk.check_fence(true)
}

#[test]
fn without_nft_conntrackd_is_told_all_the_same() -> Result<()> {
    let desk = Desk::new()?;
    desk.learn(10)?;
    let output = desk.call_with(&[("NFT=/usr/sbin/nft", "NFT=/nowhere/nft")], "primary")?;
    assert_eq!(output.code(), 0, "{}", output.stderr);
    said(&output, "the fence is still up");
    assert_eq!(desk.node().flow_count()?, 10);
    Ok(())
}

#[test]
fn the_flows_of_other_groups_are_forgotten() -> Result<()> {
    let desk = Desk::new()?;
    // The last line has no end.
    let groups = "# ours and theirs\n\n1 192.0.2.1\n2 192.0.2.129";
    desk.files.write("groups", groups)?;
    for (client, shared) in [("10.0.0.9", "192.0.2.1"), ("10.0.0.139", "192.0.2.129")] {
        let flow = format!(
            "conntrack -I -p udp -s {client} -d 192.0.2.9 --sport 1 --dport 53 \
             --reply-src 192.0.2.9 --reply-dst {shared} --reply-port-src 53 \
             --reply-port-dst 1 -t 600"
        );
        desk.node().run(flow.as_str())?;
    }
    let output = desk.call("primary 1")?;
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let left = desk.node().run("conntrack -L")?.stdout;
    assert!(left.contains("dst=192.0.2.1 "), "{left}");
    assert_eq!(left.lines().count(), 1, "{left}");
    Ok(())
}

#[test]
fn a_group_is_a_number() -> Result<()> {
    let desk = Desk::new()?;
    let output = desk.call("primary ../../etc")?;
    assert_eq!(output.code(), 1);
    said(&output, "Usage: primary-backup.sh {");
    Ok(())
}

/// A firewall with no share yet and no daemons.
struct Shares {
    node: Namespace,
    files: Folder,
}

impl Shares {
    fn new() -> Result<Self> {
        let node = Namespace::new("shares")?;
        node.nft("table ip cluster { set mine { type mark; }; }")?;
        let files = Folder::new("share", false)?;
        Ok(Self { node, files })
    }

    fn command(&self, words: &str) -> Result<Command> {
        let state = self.files.file("run").display().to_string();
        let mut text = include_str!("../../../examples/multi-primary/share.sh").to_owned();
        for (old, new) in [
            ("=/usr/sbin/conntrackd\n", "=false\n"),
            ("=/usr/sbin/conntrack\n", "=false\n"),
            ("/run/share", &state),
            ("logger -t", "false"),
            // Long enough for the next call to come in between.
            ("PAUSE=0.3", "PAUSE=2"),
        ] {
            assert!(text.contains(old), "there is no `{old}` to replace");
            text = text.replace(old, new);
        }
        let script = self.files.write("share.sh", &text)?;
        Ok(Command::new("sh").arg(script).args(words.split(' ')))
    }

    fn has(&self, share: u8) -> Result<bool> {
        let set = self.node.run("nft list set ip cluster mine")?.stdout;
        let noted = self.files.file("run").join(format!("{share}.nft")).exists();
        let has = set.contains(&format!("0x{share:08x}"));
        assert_eq!(has, noted, "{set}");
        Ok(has)
    }
}

#[test]
fn a_share_moves_without_an_answer_of_conntrackd() -> Result<()> {
    let shares = Shares::new()?;
    shares.node.run(shares.command("take 3")?)?;
    assert!(shares.has(3)?);
    let output = shares.node.output(shares.command("release 3")?)?;
    assert_eq!(output.code(), 0);
    said(&output, "conntrackd -f internal failed (1");
    assert!(!shares.has(3)?);
    Ok(())
}

#[test]
fn a_share_that_is_released_while_it_is_taken_stays_released() -> Result<()> {
    let shares = Shares::new()?;
    let take = shares.node.spawn(shares.command("take 3")?)?;
    let file = shares.files.file("run").join("3.role");
    wait_until("the call to be noted", PATIENCE, || {
        fs::read_to_string(&file).is_ok_and(|text| text.ends_with(" take\n"))
    })?;
    shares.node.output(shares.command("release 3")?)?;
    assert_eq!(take.wait(PATIENCE)?, 0);
    assert!(!shares.has(3)?);
    Ok(())
}

#[test]
fn a_call_for_a_share_that_comes_too_late_does_nothing() -> Result<()> {
    let shares = Shares::new()?;
    shares.node.output(shares.command("release 3")?)?;
    let file = shares.files.file("run").join("3.role");
    fs::write(file, "999999999999 1 release\n").unwrap();
    shares.node.run(shares.command("take 3")?)?;
    assert!(!shares.has(3)?);
    Ok(())
}
