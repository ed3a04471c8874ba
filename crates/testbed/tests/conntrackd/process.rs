//! The daemon as a process: the background, its rights, its signals, the service manager.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use testbed::Implementation::Ours;
use testbed::{
    Command, Conntrackd, Error, Folder, IpVersion, Namespace, Output, Program, Result, SyncPair,
    wait_until,
};

use super::PATIENCE;

/// A configuration on disk for a daemon that a test starts itself.
pub struct Setting {
    pub network: SyncPair,
    pub folder: Folder,
}

impl Setting {
    /// `extra` is a further part of the configuration; `DIR` in it is the folder.
    pub fn new(extra: &str) -> Result<Self> {
        let setting = Self {
            network: SyncPair::new()?,
            folder: Folder::new("daemon", false)?,
        };
        let [config, _] = SyncPair::ftfw(IpVersion::V4, "");
        setting.configure(&(config + extra))?;
        Ok(setting)
    }

    /// Writes another configuration.
    pub fn configure(&self, config: &str) -> Result<()> {
        let own = "General { LockFile DIR/lock UNIX { Path DIR/control } }\n";
        let text = own.to_owned() + config;
        let folder = self.folder.file("");
        let folder = folder.to_str().unwrap().trim_end_matches('/');
        self.folder
            .write("conf", &text.replace("DIR", folder))
            .map(drop)
    }

    pub fn command(&self, word: &str) -> Result<Command> {
        let program = Ours.path(Program::Conntrackd)?;
        let command = Command::new(program).arg("-C").arg(self.file("conf"));
        Ok(command.args(word.split_whitespace()))
    }

    /// Runs our conntrackd in the first node to its end.
    pub fn run(&self, word: &str) -> Result<Output> {
        self.network.a.output(self.command(word)?)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    pub fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.file(name)).map_err(Error::io(name))
    }

    /// The process id in the lock file.
    fn pid(&self) -> Result<u32> {
        let text = self.read("lock")?;
        let number = text.trim_end().parse();
        number.map_err(|_| Error::Unexpected(format!("`{text}` in the lock file")))
    }
}

fn proc(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).map_err(Error::io(path))
}

/// A field of `/proc/PID/stat`, counted from 1 as in proc(5).
fn stat(pid: u32, field: usize) -> Result<i64> {
    let text = proc(pid, "stat")?;
    // The second field may contain blanks, and ends with the last parenthesis.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let field = rest.split_whitespace().nth(field - 3);
    field
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| Error::Unexpected(text.clone()))
}

#[test]
fn the_background_is_quiet_and_ready_when_its_parent_ends() -> Result<()> {
    let setting = Setting::new("General { LogFile DIR/log }")?;
    let output = setting.run("-d")?;
    let said = (
        output.code(),
        output.stdout.as_str(),
        output.stderr.as_str(),
    );
    assert_eq!(said, (0, "", ""));
    // Whoever started it can ask it at once.
    assert!(setting.run("-s")?.stdout.starts_with("cache internal:"));
    let pid = setting.pid()?;
    for descriptor in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}"));
        assert_eq!(target.unwrap(), PathBuf::from("/dev/null"), "{descriptor}");
    }
    assert_eq!(
        fs::read_link(format!("/proc/{pid}/cwd")).unwrap(),
        PathBuf::from("/")
    );
    let session = stat(pid, 6)?;
    assert_eq!(session, i64::from(pid), "a session of its own");
    let log = setting.read("log")?;
    assert!(
        log.trim_end().ends_with("-- starting in daemon mode --"),
        "{log}"
    );
    assert_eq!(setting.run("-k")?.code(), 0);
    assert!(!setting.file("lock").exists() && !setting.file("control").exists());
    wait_until("the end of the daemon", PATIENCE, || {
        !fs::exists(format!("/proc/{pid}/exe")).unwrap_or(false)
    })
}

#[test]
fn the_foreground_logs_on_the_terminal() -> Result<()> {
    let setting = Setting::new("")?;
    let daemon = setting.network.a.spawn(setting.command("")?)?;
    daemon.wait_for_line("[notice] initialization completed", PATIENCE)?;
    daemon.wait_for_line("[notice] -- starting in console mode --", PATIENCE)?;
    daemon.signal(rustix::process::Signal::INT);
    assert_eq!(daemon.wait(PATIENCE)?, 0);
    // The process is gone, its last words may still be on their way.
    let last = "[notice] ---- shutdown received ----";
    super::wait_for_line(daemon.log(), testbed::Mark::default(), last)?;
    assert!(!setting.file("lock").exists() && !setting.file("control").exists());
    Ok(())
}

#[test]
fn one_right_is_kept() -> Result<()> {
    let setting = Setting::new("")?;
    assert_eq!(setting.run("-d")?.code(), 0);
    let pid = setting.pid()?;
    let status = proc(pid, "status")?;
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1))
    };
    // CAP_NET_ADMIN is bit 12.
    let only = Some("0000000000001000");
    assert_eq!(line("CapEff:"), only);
    assert_eq!(line("CapPrm:"), only);
    assert_eq!(line("CapBnd:"), only);
    assert_eq!(line("CapInh:"), Some("0000000000000000"));
    assert_eq!(line("NoNewPrivs:"), Some("1"));
    assert_eq!(line("Threads:"), Some("1"));
    assert_eq!(setting.run("-k")?.code(), 0);
    Ok(())
}

#[test]
fn another_user_keeps_the_same_right_and_its_files() -> Result<()> {
    let setting = Setting::new("General { User nobody LogFile DIR/log }")?;
    let folder = setting.folder.file("");
    setting
        .network
        .a
        .run(format!("/usr/bin/chown nobody {}", folder.display()))?;
    let daemon = setting.network.a.spawn(setting.command("")?)?;
    daemon.wait_for_line("kept of all rights: CAP_NET_ADMIN, as user 65534", PATIENCE)?;
    daemon.wait_for_line("-- starting in console mode --", PATIENCE)?;
    let status = proc(setting.pid()?, "status")?;
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Groups:\t \n",
        "CapEff:\t0000000000001000",
        "CapPrm:\t0000000000001000",
        "CapBnd:\t0000000000001000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "`{line}` in {status}");
    }
    // It can still do what it is for: change the kernel's table.
    super::load(
        &setting.network.a,
        &["-s 10.1.1.1 -d 10.1.1.2 -p udp --sport 5 --dport 6 -t 99"],
    )?;
    assert_eq!(setting.run("-F")?.code(), 0);
    assert_eq!(setting.network.a.flow_count()?, 0);
    // And open its log again.
    fs::rename(setting.file("log"), setting.file("log.1")).map_err(Error::io("rotating"))?;
    daemon.signal(rustix::process::Signal::HUP);
    wait_until("a new log", PATIENCE, || setting.file("log").exists())?;
    assert_eq!(setting.run("-k")?.code(), 0);
    assert_eq!(daemon.wait(PATIENCE)?, 0);
    assert!(!setting.file("lock").exists() && !setting.file("control").exists());
    Ok(())
}

/// As `examples/systemd/conntrackd.service` starts it: never root, with two rights, one of which
/// it drops.
#[test]
fn a_start_without_root_needs_two_rights() -> Result<()> {
    let setting = Setting::new("General { LogFile DIR/log }")?;
    let node = &setting.network.a;
    let folder = setting.folder.file("");
    node.run(format!("/usr/bin/chown -R nobody {}", folder.display()))?;
    node.sysctl("net.netfilter.nf_conntrack_events", 2)?;
    let daemon = setting.command("")?;
    let caps = "-all,+net_admin,+sys_nice";
    let command = Command::new("/usr/bin/setpriv").args([
        "--reuid=nobody",
        "--clear-groups",
        "--inh-caps",
        caps,
        "--ambient-caps",
        caps,
        "--bounding-set",
        caps,
        "--",
    ]);
    let words = daemon.to_string();
    let words = words.split_whitespace().map(str::to_owned);
    let daemon = node.spawn(command.args(words))?;
    for line in [
        "nf_conntrack_events was 2 and has been set to 1",
        "kept of all rights: CAP_NET_ADMIN, as user 65534",
        "-- starting in console mode --",
    ] {
        daemon.wait_for_line(line, PATIENCE)?;
    }
    let pid = setting.pid()?;
    let status = proc(pid, "status")?;
    for line in ["CapEff:\t0000000000001000", "CapAmb:\t0000000000000000"] {
        assert!(status.contains(line), "`{line}` in {status}");
    }
    assert_eq!((stat(pid, 41)?, stat(pid, 40)?), (ROUND_ROBIN, 99));
    super::load(
        node,
        &["-s 10.1.1.1 -d 10.1.1.2 -p udp --sport 5 --dport 6 -t 99"],
    )?;
    assert_eq!(setting.run("-F")?.code(), 0);
    assert_eq!(node.flow_count()?, 0);
    assert_eq!(setting.run("-k")?.code(), 0);
    assert_eq!(daemon.wait(PATIENCE)?, 0);
    assert!(!setting.file("lock").exists() && !setting.file("control").exists());
    Ok(())
}

#[test]
fn a_folder_that_is_closed_to_the_user_is_told() -> Result<()> {
    let setting = Setting::new("General { User nobody }")?;
    let output = setting.run("-d")?;
    assert_eq!(output.code(), 0);
    let folder = setting.folder.file("");
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    for keyword in ["LockFile", "UNIX { Path }"] {
        let text = format!("[warning] the folder {folder} of {keyword} is closed to `User'");
        assert!(output.stderr.contains(&text), "{text} in {}", output.stderr);
    }
    assert_eq!(setting.run("-k")?.code(), 0);
    Ok(())
}

#[test]
fn a_user_that_does_not_exist() -> Result<()> {
    let setting = Setting::new("General { User no-such-user }")?;
    let output = setting.run("")?;
    assert_eq!(output.code(), 1);
    let text = "[ERROR] there is no user `no-such-user'";
    assert!(output.stderr.contains(text), "{}", output.stderr);
    Ok(())
}

/// Policies of sched(7), and the priority of each case.
const FIFO: i64 = 1;
const ROUND_ROBIN: i64 = 2;

#[test]
fn the_scheduler_is_the_one_of_the_configuration() -> Result<()> {
    let cases = [
        ("", (ROUND_ROBIN, 99)),
        ("Scheduler { Type fifo Priority 20 }", (FIFO, 20)),
        ("Scheduler { Type RR Priority 7 }", (ROUND_ROBIN, 7)),
    ];
    for (text, wanted) in cases {
        let setting = Setting::new(&format!("General {{ {text} }}"))?;
        assert_eq!(setting.run("-d")?.code(), 0);
        let pid = setting.pid()?;
        assert_eq!((stat(pid, 41)?, stat(pid, 40)?), wanted, "{text}");
        assert_eq!(setting.run("-k")?.code(), 0);
    }
    Ok(())
}

#[test]
fn a_scheduler_that_is_refused_is_a_warning() -> Result<()> {
    // Stock sets no priority where none is given, and the system refuses 0.
    let setting = Setting::new("General { Scheduler { Type rr } }")?;
    let output = setting.run("-d")?;
    assert_eq!(output.code(), 0);
    let warning = "[warning] scheduler configuration failed: Invalid argument.";
    assert!(output.stderr.contains(warning), "{}", output.stderr);
    assert_eq!(setting.run("-k")?.code(), 0);
    Ok(())
}

#[test]
fn the_service_manager_is_told() -> Result<()> {
    let setting = Setting::new("General { Systemd on }")?;
    let manager = UnixDatagram::bind(setting.file("notify")).map_err(Error::io("binding"))?;
    let hear = || super::hear(&manager);
    let command = setting
        .command("")?
        .env("NOTIFY_SOCKET", setting.file("notify"));
    let daemon = setting
        .network
        .a
        .spawn(command.env("WATCHDOG_USEC", "200000"))?;
    assert_eq!(hear()?, format!("READY=1\nMAINPID={}", setting.pid()?));
    for _ in 0..3 {
        assert_eq!(hear()?, "WATCHDOG=1");
    }
    daemon.signal(rustix::process::Signal::TERM);
    while hear()? != "STOPPING=1" {}
    assert_eq!(daemon.wait(PATIENCE)?, 0);
    Ok(())
}

/// As in a chroot of the operator's making; stock starts there, too.
#[test]
fn a_place_without_proc_and_dev_will_do() -> Result<()> {
    let setting = Setting::new("")?;
    for place in ["/proc", "/dev"] {
        let script = format!(
            "mount -t tmpfs none {place} && exec {} -d -C {}",
            Ours.path(Program::Conntrackd)?.display(),
            setting.file("conf").display(),
        );
        let command = Command::new("unshare").args(["-m", "sh", "-c", script.as_str()]);
        let output = setting.network.a.output(command)?;
        assert_eq!(output.code(), 0, "{place}: {}", output.stderr);
        let runtime = setting.run("-s runtime")?.stdout;
        assert!(runtime.starts_with("daemon uptime: "), "{place}");
        assert_eq!(setting.run("-k")?.code(), 0);
    }
    Ok(())
}

#[test]
fn a_daemon_without_anything_to_do_answers() -> Result<()> {
    let node = Namespace::new("idle")?;
    let folder = Folder::new("idle", false)?;
    let path = |name: &str| folder.file(name).display().to_string();
    let text = format!(
        "General {{ LockFile {} UNIX {{ Path {} }} }}",
        path("lock"),
        path("control")
    );
    let config = folder.write("conf", &text)?;
    let client = |words: &str| -> Result<Output> {
        let command = Command::new(Ours.path(Program::Conntrackd)?);
        node.output(
            command
                .arg("-C")
                .arg(&config)
                .args(words.split_whitespace()),
        )
    };
    assert_eq!(client("-d")?.code(), 0);
    for request in [
        "-i", "-c", "-F", "-R", "-B", "-n", "-t", "-f", "-s", "-s queue",
    ] {
        let output = client(request)?;
        assert_eq!(
            (output.code(), output.stdout.as_str()),
            (0, ""),
            "{request}"
        );
    }
    assert!(client("-s runtime")?.stdout.starts_with("daemon uptime: "));
    assert_eq!(client("-k")?.code(), 0);
    Ok(())
}

#[test]
fn clients_of_a_restarted_daemon_are_served() -> Result<()> {
    let network = SyncPair::new()?;
    let [config, _] = SyncPair::ftfw(IpVersion::V4, "");
    let mut daemon = Conntrackd::start(&network.a, Ours, &config)?;
    for _ in 0..3 {
        daemon.restart(&network.a)?;
        assert_eq!(daemon.client("-s")?.code(), 0);
    }
    Ok(())
}
