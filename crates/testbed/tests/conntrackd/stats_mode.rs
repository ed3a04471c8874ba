//! Statistics mode: the log of ended flows, and what clients get, beside stock.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use testbed::Implementation::{Ours, Stock};
use testbed::{
    Command, Conntrackd, Error, Folder, Implementation, Mark, Namespace, Program, Progress, Result,
    wait_for,
};

use super::{PATIENCE, group, hear, load, runtime, wait_for_line, wait_for_number};

/// A node whose flows are recorded.
struct Node {
    daemon: Conntrackd,
    folder: Folder,
    namespace: Namespace,
}

impl Node {
    /// `stats` stands in `Stats`, with `DIR` for a folder; `general` in `General`.
    fn new(daemon: Implementation, general: &str, stats: &str) -> Result<Self> {
        let namespace = Namespace::new("stats")?;
        for (name, value) in [("events", 1), ("acct", 1), ("timestamp", 1)] {
            namespace.sysctl(&format!("net.netfilter.nf_conntrack_{name}"), value)?;
        }
        let folder = Folder::new("stats", false)?;
        let path = folder.file("");
        let stats = stats.replace("DIR", path.to_str().unwrap().trim_end_matches('/'));
        let config = format!("General {{\n{general}\n}}\nStats {{\n{stats}\n}}\n");
        Ok(Self {
            daemon: Conntrackd::start(&namespace, daemon, &config)?,
            folder,
            namespace,
        })
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.file(name)).unwrap_or_default()
    }

    /// Waits until a log has this many whole lines; the lines.
    fn wait_for_log(&self, name: &str, count: usize) -> Result<Vec<String>> {
        wait_for_number("lines of the log", count, || {
            Ok(self.log(name).matches('\n').count())
        })?;
        Ok(self.log(name).lines().map(str::to_owned).collect())
    }

    fn wait_for_flows(&self, count: usize) -> Result<()> {
        wait_for_number("flows in the cache", count, || {
            Ok(self.daemon.internal()?.len())
        })
    }

    fn load(&self) -> Result<()> {
        load(&self.namespace, FLOWS)
    }
}

const FLOWS: &[&str] = &[
    "-s 10.1.1.1 -d 10.1.1.2 -p tcp --sport 5 --dport 6 --state ESTABLISHED -t 9999 -u ASSURED,SEEN_REPLY -m 7",
    "-s fd01::1 -d fd01::2 -p udp --sport 5 --dport 53 -t 9999",
    "-s 10.1.1.1 -d 10.1.1.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 9 -t 9999",
    "-s 10.1.1.1 -d 10.1.1.2 -p gre --srckey 1 --dstkey 2 -t 9999",
];

/// A line of the log or of an answer, with a sign for each number, which two machines do not share.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            ' ' if shape.ends_with(' ') => {}
            other => shape.push(other),
        }
    }
    shape
}

fn shapes(text: &str) -> BTreeSet<String> {
    text.lines().map(shape).collect()
}

#[test]
fn answers_and_log_are_those_of_stock() -> Result<()> {
    let nodes = [
        Node::new(Ours, "", "LogFile DIR/ended")?,
        Node::new(Stock, "", "LogFile DIR/ended")?,
    ];
    for node in &nodes {
        node.load()?;
        node.wait_for_flows(FLOWS.len())?;
    }
    let [ours, stock] = &nodes;
    let requests = [
        "-s",
        "-s ct",
        "-s cache",
        "-s network",
        "-s link",
        "-s queue",
        "-s rsqueue",
        "-s process",
        "-s expect",
        "-s runtime",
        "-i",
        "-i ct",
        "-i -x",
        "-i expect",
        "-e",
        "-e -x",
        "-c",
        "-n",
        "-B",
        "-t",
        "-f external",
    ];
    for request in requests {
        let wanted = stock.daemon.client_of(Stock, request)?;
        for (daemon, client) in [(ours, Ours), (ours, Stock), (stock, Ours)] {
            let found = daemon.daemon.client_of(client, request)?;
            let (a, b) = (shapes(&found.stdout), shapes(&wanted.stdout));
            // Our ICMP has its type in XML.
            let a: BTreeSet<_> = a.iter().map(|line| line.replace(ICMP_XML, "")).collect();
            let b: BTreeSet<_> = b.iter().map(|line| line.replace(ICMP_XML, "")).collect();
            assert_eq!(a, b, "{request}");
            assert_eq!(found.code(), wanted.code(), "{request}");
        }
    }
    for node in &nodes {
        node.namespace.run("/usr/sbin/conntrack -D -p tcp")?;
        node.wait_for_log("ended", 1)?;
        // What a flush ends, has ended.
        assert_eq!(node.daemon.client("-F")?.code(), 0);
        node.wait_for_log("ended", FLOWS.len())?;
    }
    // Without their dates: in between it may have become another day.
    let dateless = |node: &Node| -> BTreeSet<String> {
        let log = node.log("ended");
        let flows = log.lines().filter_map(|line| line.split_once('\t'));
        flows.map(|(_, flow)| shape(flow)).collect()
    };
    let (of_ours, of_stock) = (dateless(ours), dateless(stock));
    assert!(!of_ours.is_empty());
    assert_eq!(of_ours, of_stock);
    assert_eq!(
        shape(&ours.daemon.client("-s")?.stdout),
        shape(&stock.daemon.client("-s")?.stdout)
    );
    Ok(())
}

const ICMP_XML: &str = "<type>#</type><code>#</code><id>#</id>";

#[test]
fn a_line_has_a_date_and_what_the_kernel_told_last() -> Result<()> {
    let node = Node::new(Ours, "", "LogFile DIR/ended")?;
    node.load()?;
    node.wait_for_flows(FLOWS.len())?;
    node.namespace.run("/usr/sbin/conntrack -D -p tcp")?;
    let lines = node.wait_for_log("ended", 1)?;
    let (date, flow) = lines[0].split_once('\t').unwrap();
    assert_eq!(date.len(), 24, "{date}");
    assert_eq!(
        flow.split(" delta-time=").next().unwrap(),
        "tcp      6 ESTABLISHED src=10.1.1.1 dst=10.1.1.2 sport=5 dport=6 packets=0 bytes=0 \
         src=10.1.1.2 dst=10.1.1.1 sport=6 dport=5 packets=0 bytes=0 [ASSURED] mark=7"
    );
    Ok(())
}

#[test]
fn json_has_an_object_per_line() -> Result<()> {
    let node = Node::new(Ours, "", "LogFile DIR/ended LogFormat json")?;
    node.load()?;
    node.wait_for_flows(FLOWS.len())?;
    node.namespace.run("/usr/sbin/conntrack -D -p tcp")?;
    let lines = node.wait_for_log("ended", 1)?;
    let line = &lines[0];
    assert!(
        line.starts_with("{\"event\":\"destroy\",\"time\":\"20"),
        "{line}"
    );
    for member in [
        "\"mark\":7",
        "\"protonum\":6",
        "\"sport\":5",
        "\"packets\":0",
        "\"state\":\"ESTABLISHED\"",
    ] {
        assert!(line.contains(member), "{member} in {line}");
    }
    let time = line
        .split("\"time\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(
        time.len() == 30 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "{time}"
    );
    Ok(())
}

#[test]
fn polling_finds_what_has_ended() -> Result<()> {
    for daemon in [Ours, Stock] {
        let node = Node::new(daemon, "PollSecs 1", "LogFile DIR/ended")?;
        group(1, 20).create(&node.namespace)?;
        node.wait_for_flows(20)?;
        group(1, 20).delete(&node.namespace)?;
        let lines = node.wait_for_log("ended", 20)?;
        // No event has told of them, so nobody knows what they have carried.
        assert!(!lines[0].contains("packets="), "{}", lines[0]);
        assert_eq!(runtime(&node.daemon, "current buffer size")?, 0);
        assert_eq!(runtime(&node.daemon, "resync with kernel table")?, 0);
        assert_eq!(runtime(&node.daemon, "events received")?, 0);
        wait_for_line(
            node.daemon.log(),
            Mark::default(),
            "running in polling mode",
        )?;
    }
    Ok(())
}

#[test]
fn the_filter_decides_what_is_recorded() -> Result<()> {
    let filter = "Filter { Protocol Accept { UDP } }";
    let node = Node::new(Ours, filter, "LogFile DIR/ended")?;
    node.load()?;
    node.wait_for_flows(1)?;
    node.namespace.run("/usr/sbin/conntrack -D -s 10.1.1.1")?;
    node.namespace
        .run("/usr/sbin/conntrack -D -f ipv6 -p udp")?;
    let lines = node.wait_for_log("ended", 1)?;
    assert!(lines[0].contains("src=fd01::1"), "{}", lines[0]);
    Ok(())
}

#[test]
fn a_reading_finds_what_a_flush_of_the_cache_forgot() -> Result<()> {
    let node = Node::new(Ours, "", "LogFile DIR/ended")?;
    node.load()?;
    node.wait_for_flows(FLOWS.len())?;
    for request in ["-f", "-f internal"] {
        assert_eq!(node.daemon.client(request)?.code(), 0);
        assert_eq!(node.daemon.internal()?.len(), 0, "{request}");
        assert_eq!(node.daemon.client("-R")?.code(), 0);
        assert_eq!(node.daemon.internal()?.len(), FLOWS.len(), "{request}");
    }
    assert_eq!(node.log("ended"), "", "nothing has ended");
    Ok(())
}

#[test]
fn a_full_disk_is_told_once_and_lines_wait_for_rotation() -> Result<()> {
    let folder = Folder::new("full", false)?;
    let path = folder.file("ended");
    symlink("/dev/full", &path).map_err(Error::io("linking"))?;
    let node = Node::new(Ours, "", &format!("LogFile {}", path.display()))?;
    group(1, 10).create(&node.namespace)?;
    node.wait_for_flows(10)?;
    group(1, 10).delete(&node.namespace)?;
    let full = "[ERROR] cannot write to ";
    let line = wait_for_line(node.daemon.log(), Mark::default(), full)?;
    assert!(line.contains("No space left on device"), "{line}");
    group(2, 10).create(&node.namespace)?;
    node.wait_for_flows(10)?;
    group(2, 10).delete(&node.namespace)?;
    node.wait_for_flows(0)?;
    fs::remove_file(&path).map_err(Error::io("rotating"))?;
    node.daemon.process().signal(Signal::HUP);
    wait_for_line(node.daemon.log(), Mark::default(), "works again; 0 lines")?;
    let text = fs::read_to_string(&path).map_err(Error::io("the log"))?;
    assert_eq!(text.lines().count(), 20);
    let lines = node.daemon.log().lines();
    let told = lines.iter().filter(|line| line.text.contains(full)).count();
    assert_eq!(told, 1);
    Ok(())
}

#[test]
fn rotation_opens_the_log_again() -> Result<()> {
    let node = Node::new(Ours, "", "LogFile DIR/ended")?;
    for name in ["first", "second"] {
        group(1, 10).create(&node.namespace)?;
        node.wait_for_flows(10)?;
        group(1, 10).delete(&node.namespace)?;
        node.wait_for_log("ended", 10)?;
        fs::rename(node.folder.file("ended"), node.folder.file(name)).map_err(Error::io(name))?;
        node.daemon.process().signal(Signal::HUP);
        wait_for("a new log", PATIENCE, || {
            Ok(match node.folder.file("ended").exists() {
                true => Progress::Done(()),
                false => Progress::Waiting(String::new()),
            })
        })?;
    }
    assert_eq!(node.log("first").lines().count(), 10);
    assert_eq!(node.log("second").lines().count(), 10);
    Ok(())
}

#[test]
fn the_log_of_the_system_gets_ended_flows() -> Result<()> {
    let namespace = Namespace::new("stats")?;
    namespace.sysctl("net.netfilter.nf_conntrack_events", 1)?;
    // Facility times eight plus severity: information has 6.
    for (setting, priority) in [("on", 3 * 8 + 6), ("local5", 21 * 8 + 6)] {
        let folder = Folder::new("syslog", false)?;
        let path = |name: &str| folder.file(name).display().to_string();
        let log = UnixDatagram::bind(folder.file("syslog")).map_err(Error::io("binding"))?;
        let config = format!(
            "General {{ LockFile {} UNIX {{ Path {} }} }}\nStats {{ Syslog {setting} }}\n",
            path("lock"),
            path("control"),
        );
        let config = folder.write("conf", &config)?;
        let script = format!(
            "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && \
             mknod -m 666 /dev/urandom c 1 9 && ln -s {} /dev/log && exec {} -C {}",
            path("syslog"),
            Ours.path(Program::Conntrackd)?.display(),
            config.display(),
        );
        let command = Command::new("/usr/bin/unshare").args(["-m", "sh", "-c"]);
        let daemon = namespace.spawn(command.arg(script))?;
        daemon.wait_for_line("-- starting in console mode --", PATIENCE)?;
        load(&namespace, &FLOWS[..1])?;
        wait_for_number("the flow", 1, || {
            let client = Command::new(Ours.path(Program::Conntrackd)?);
            let output = namespace.output(client.arg("-C").arg(&config).arg("-i"))?;
            Ok(output.stdout.lines().count())
        })?;
        namespace.run("/usr/sbin/conntrack -D -p tcp")?;
        let line = hear(&log)?;
        assert!(line.starts_with(&format!("<{priority}>")), "{line}");
        assert!(
            line.contains("]: tcp      6 ESTABLISHED src=10.1.1.1 "),
            "{line}"
        );
    }
    Ok(())
}

/// What the kernel could not tell, the next reading of its table finds.
#[test]
fn flows_whose_end_was_lost_are_recorded_all_the_same() -> Result<()> {
    let general = "NetlinkBufferSize 20000 NetlinkBufferSizeMaxGrowth 20000 NetlinkOverrunResync 1";
    let node = Node::new(Ours, general, "LogFile DIR/ended")?;
    let daemon = node.daemon.process();
    group(1, 500).create(&node.namespace)?;
    wait_for_number("flows in the cache", 500, || {
        Ok(node.daemon.internal()?.len())
    })?;
    daemon.signal(Signal::STOP);
    group(1, 500).delete(&node.namespace)?;
    daemon.signal(Signal::CONT);
    wait_for_line(
        node.daemon.log(),
        Mark::default(),
        "resync with kernel table done: 0 flows, ",
    )?;
    node.wait_for_log("ended", 500)?;
    assert!(runtime(&node.daemon, "netlink overrun")? > 0);
    let lines = node.log("ended");
    let different: BTreeSet<_> = lines
        .lines()
        .filter_map(|line| line.split(" sport=").nth(1)?.split_whitespace().next())
        .collect();
    assert!(different.len() > 1, "{lines}");
    Ok(())
}
